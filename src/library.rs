//! `fsreplay library`: the recorded workloads that come with the program.

use std::path::PathBuf;

use clap::Args;
use fsreplay_library::{ALL, Recorded};
use fsreplay_results::library::{Library, Workload};
use fsreplay_results::{Document, SCHEMA_VERSION};

use crate::exit::{self, Failure};
use crate::say;
use crate::term::{self, Text};
use crate::text;

/// Arguments of `library`.
#[derive(Debug, Args)]
pub struct LibraryArgs {
    /// The workload to tell of; without one, all are listed
    pub name: Option<String>,
    /// Write the manifests as JSON to FILE (- for standard output)
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &LibraryArgs) -> Result<(), Failure> {
    let chosen: Vec<&Recorded> = match &args.name {
        Some(name) => vec![find(name.strip_prefix(PREFIX).unwrap_or(name))?],
        None => ALL.iter().collect(),
    };
    let workloads: Vec<Workload> = chosen
        .into_iter()
        .map(Recorded::workload)
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::new(exit::FAILURE, exit::chain(&error)))?;
    match (&args.json, workloads.as_slice()) {
        (Some(path), _) => {
            let library = Library {
                schema_version: SCHEMA_VERSION,
                workloads,
            };
            term::write_json(path, &Document::Library(library))
        }
        (None, [one]) => term::print(&description(one)),
        (None, all) => term::print(&list(all)),
    }
}

/// What stands before a name where a trace is asked for.
pub const PREFIX: &str = "library:";

/// The workload of that name.
pub fn find(name: &str) -> Result<&'static Recorded, Failure> {
    fsreplay_library::find(name).ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(Recorded::name).collect();
        let message = format!(
            "no workload is called {name:?}; there are {}",
            names.join(", ")
        );
        Failure::new(exit::USAGE, message)
    })
}

fn list(workloads: &[Workload]) -> Text {
    let row = |workload: &Workload| {
        vec![
            workload.name.clone(),
            term::count(workload.events),
            workload.does.clone(),
        ]
    };
    let rows = workloads.iter().map(row).collect();
    let header = ["workload", "calls", "what it does to the file system"];
    let table = term::aligned_table(&header, rows, |column| column == 1);
    let mut out = text!("{}\n\n", table);
    say!(
        out,
        "Each can stand where a trace is asked for: fsreplay compare library:NAME"
    );
    say!(out, "How one was made: fsreplay library NAME");
    out
}

fn description(workload: &Workload) -> Text {
    let mut out = text!("{}: {}\n\n", workload.name, workload.does);
    say!(out, "{}", workload.about);
    say!(out);
    say!(out, "command   {}", workload.command.join(" "));
    say!(out, "versions  {}", workload.versions.join(", "));
    say!(
        out,
        "trace     {} of {}, {}; before it ran, files of {}",
        term::counted(workload.events, "call", "calls"),
        term::counted(workload.tasks, "task", "tasks"),
        term::bytes(workload.bytes),
        term::bytes(workload.initial_bytes)
    );
    say!(
        out,
        "recorded  by {} ({}) in {}, {} with {}, Linux {}, {}",
        workload.producer,
        workload.backend,
        term::seconds(workload.elapsed_seconds),
        workload.architecture,
        term::counted(workload.cpus.into(), "processor", "processors"),
        workload.kernel,
        workload.fs_type
    );
    script(
        &mut out,
        "What was there when it ran was made by",
        &workload.setup,
    );
    script(&mut out, "Put back before each run by", &workload.reset);
    out
}

fn script(out: &mut Text, title: &'static str, lines: &str) {
    if lines.is_empty() {
        return;
    }
    say!(out, "\n{}:\n", Text::from(title));
    for line in lines.lines() {
        say!(out, "    {}", line);
    }
}

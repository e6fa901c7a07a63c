//! `fsreplay inspect`: what the tool does to the file system, and which of it is suspicious.

pub mod findings;
mod flamegraph;
pub mod timeline;

use std::path::Path;

use fsreplay_inspector::{Inspector, Options, inspect, write_folded};
use fsreplay_results::Document;
use fsreplay_results::inspect::{Inspect, Share};
use fsreplay_trace::format::TraceError;
use fsreplay_trace::model::{Footer, Header};

use crate::args::{InspectArgs, TraceArgs};
use crate::caveats::{self, Unrecorded};
use crate::exit::{self, Failure};
use crate::planning;
use crate::share;
use crate::term::{self, Text};
use crate::{say, text};

/// Runs the command.
pub fn run(args: &InspectArgs) -> Result<(), Failure> {
    let Found { read, share } = found(args)?;
    let Read {
        inspector,
        inspection,
        ..
    } = read;
    if let Some(file) = &args.folded {
        term::write_data(file, |mut out| write_folded(&inspector, &mut out))?;
    }
    if let Some(file) = &args.flamegraph {
        draw(&inspector, file)?;
    }
    if let Some(file) = &args.json {
        term::write_json(file, &Document::Inspect(inspection.clone()))?;
    }
    // Whoever asked for something on standard output gets that alone.
    if term::is_taken(&[&args.json, &args.folded, &args.flamegraph]) {
        return Ok(());
    }
    term::print(&text(&inspection, &share))
}

/// What was found in a trace.
pub struct Found {
    /// All of it.
    pub read: Read,
    /// How much of the time is file access, in words.
    pub share: String,
}

/// What one look at a trace gives.
pub struct Read {
    /// For flame graphs.
    pub inspector: Inspector,
    /// All but how much of the time is file access.
    pub inspection: Inspect,
    /// The trace's header.
    pub header: Header,
    /// And its footer, if it ends with one.
    pub footer: Option<Footer>,
}

/// Looks at a trace once.
pub fn read(trace: &TraceArgs, options: &Options) -> Result<Read, Failure> {
    let failed = |error: TraceError| Failure::trace(&trace.path, &error);
    let mut reader = planning::open(trace)?;
    let inspector = inspect(&mut reader, options).map_err(failed)?;
    let inspection = inspector.finish(reader.tables(), reader.footer(), options);
    Ok(Read {
        inspector,
        inspection,
        header: reader.header().clone(),
        footer: reader.footer().cloned(),
    })
}

/// All that is found in a trace.
pub fn found(args: &InspectArgs) -> Result<Found, Failure> {
    let options = Options {
        top: args.top,
        truncated: args.truncated,
    };
    let mut read = read(&args.trace, &options)?;
    let inspection = &mut read.inspection;
    let unrecorded = Unrecorded {
        calls: inspection.unrecorded.clone(),
        events: inspection.events,
    };
    let told = unrecorded.caveat().into_iter();
    inspection.caveats = told
        .map(|caveat| caveats::sentence(None, &caveat.text))
        .collect();
    let share = share::of_whole(&args.trace, args.truncated)?;
    inspection.share = share.as_ref().ok().cloned();
    let share = share.map_or_else(
        |reason| format!("how much of the time is file access can't be told: {reason}"),
        |share| share.sentence,
    );
    Ok(Found { read, share })
}

fn draw(inspector: &Inspector, file: &Path) -> Result<(), Failure> {
    let mut folded = Vec::new();
    let image = write_folded(inspector, &mut folded)
        .and_then(|()| flamegraph::draw(&folded))
        .map_err(|error| Failure::new(exit::FAILURE, format!("flame graph: {error}")))?;
    term::write_data(file, |out| out.write_all(&image))
}

fn text(inspection: &Inspect, share: &str) -> Text {
    let mut out = heading(inspection, share);
    out.push(&timeline::text(
        &inspection.timeline,
        inspection.elapsed_seconds,
    ));
    out.push(&costs(inspection));
    out.push(&findings::text(inspection));
    say!(
        out,
        "\ntimes are those of the recording, its own cost included, summed over threads; \
         the time on a mount: fsreplay play"
    );
    out
}

fn heading(inspection: &Inspect, share: &str) -> Text {
    let totals = &inspection.totals;
    let on_files = totals.file_system;
    let mut out = text!(
        "{}\n\n{}\n\n{} events in {}; {} on files, {} of them failed, {} in the kernel\n",
        inspection.command.join(" "),
        term::strong(share),
        term::count(inspection.events),
        term::seconds(inspection.elapsed_seconds),
        term::count(on_files.count),
        term::percent(on_files.failed, on_files.count),
        term::seconds(on_files.seconds),
    );
    if totals.unresolved.count > 0 {
        let count = term::count(totals.unresolved.count);
        say!(out, "{} events could not be attributed to a file", count);
    }
    for caveat in &inspection.caveats {
        say!(out, "{}", term::strong(caveat));
    }
    if inspection.complete == Some(false) {
        say!(out, "the trace was cut off: this is what was whole of it");
    }
    out
}

/// What is shown of each list on a terminal; JSON has as much as `--top` says.
const ROWS: usize = 8;

fn costs(inspection: &Inspect) -> Text {
    let calls = inspection
        .calls
        .iter()
        .map(|c| (c.name.to_string(), c.share));
    let directories = inspection
        .directories
        .iter()
        .map(|d| (term::shortened(&d.path, 60), d.share));
    let mounts = inspection.mounts.iter().map(|mount| {
        let remote = if mount.remote { ", remote" } else { "" };
        let name = format!(
            "{} ({}{remote})",
            term::shortened(&mount.mount_point, 50),
            mount.fs_type
        );
        (name, mount.share)
    });
    let programs = inspection.programs.iter().map(|program| {
        let name = match program.processes {
            1 => program.name.clone(),
            many => format!("{} ({many} processes)", program.name),
        };
        (name, program.share)
    });
    let mut out = Text::default();
    for (title, rows) in [
        ("call", share_rows(calls)),
        ("directory", share_rows(directories)),
        ("mount", share_rows(mounts)),
        ("program", share_rows(programs)),
    ] {
        if !rows.is_empty() {
            let header = [title, "calls", "failed", "time"];
            say!(out, "\n{}", term::table(&header, rows));
        }
    }
    out
}

fn share_rows(list: impl Iterator<Item = (String, Share)>) -> Vec<Vec<String>> {
    list.take(ROWS)
        .map(|(name, share)| {
            vec![
                name,
                term::count(share.count),
                term::count(share.failed),
                term::seconds(share.seconds),
            ]
        })
        .collect()
}

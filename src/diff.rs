//! `fsreplay diff`: what came or went between two recordings of a tool.

use std::path::{Path, PathBuf};

use clap::Args;
use fsreplay_compare::Read;
use fsreplay_inspector::Options;
use fsreplay_inspector::diff::{Inspected, diff};
use fsreplay_results::Document;
use fsreplay_results::diff::{Change, Diff};

use crate::args::trace::TraceArgs;
use crate::exit::{self, Failure};
use crate::inspect::findings;
use crate::say;
use crate::term::{self, Text};

/// Paths that have a line.
const PATHS: usize = 20;

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The trace of the tool before a change
    #[arg(value_name = "BEFORE")]
    pub before: PathBuf,
    /// Its trace after the change
    #[arg(value_name = "AFTER")]
    pub after: PathBuf,
    /// How many entries each list has at most
    #[arg(long, value_name = "N", default_value_t = PATHS)]
    pub top: usize,
    /// Exit with status 1 if anything came or went
    #[arg(long)]
    pub strict: bool,
    /// Write what was found as JSON to FILE, or to standard output for `-`
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Runs the command and gives the status to exit with.
pub fn run(args: &DiffArgs) -> Result<i32, Failure> {
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    let found = diff(&inspected(&before), &inspected(&after), args.top);
    if let Some(path) = &args.json {
        term::write_json(path, &Document::Diff(found.clone()))?;
    }
    if !term::is_taken(&[&args.json]) {
        term::print(&text(&found))?;
    }
    Ok(if args.strict && found.different {
        exit::DIVERGED
    } else {
        exit::OK
    })
}

/// All that is found in a trace: a list that is cut would differ by what is left out.
fn read(path: &Path) -> Result<Read, Failure> {
    let options = Options {
        top: usize::MAX,
        truncated: false,
    };
    let trace = TraceArgs::usual(path.to_owned()).source()?;
    Ok(fsreplay_compare::read(&trace, &options)?)
}

fn inspected(read: &Read) -> Inspected<'_> {
    Inspected {
        inspector: &read.inspector,
        inspect: &read.inspection,
    }
}

fn text(found: &Diff) -> Text {
    let mut out = Text::default();
    let sides = [("before", &found.before), ("after", &found.after)];
    for (title, side) in sides {
        say!(
            out,
            "{:<8}{}, {} on files",
            title,
            term::shortened(&side.command.join(" "), 60),
            term::counted(side.on_files, "call", "calls")
        );
    }
    if !found.different {
        say!(out, "\nnothing came or went");
        return out;
    }
    if !found.calls.is_empty() {
        say!(
            out,
            "\n{}",
            changes(false, found.calls.iter().map(|call| (None, call)))
        );
    }
    let paths = found.paths.iter();
    let rows = paths.flat_map(|path| {
        path.calls
            .iter()
            .map(|call| (Some(path.path.as_str()), call))
    });
    if !found.paths.is_empty() {
        say!(out, "\n{}", changes(true, rows));
    }
    let more = found.changed_paths.saturating_sub(found.paths.len() as u64);
    if more > 0 {
        say!(
            out,
            "and {} more (--top)",
            term::counted(more, "path", "paths")
        );
    }
    let waste: Vec<Vec<String>> = found
        .waste
        .iter()
        .map(|waste| {
            vec![
                findings::title(waste.finding).to_owned(),
                waste.path.clone(),
                term::count(waste.count_before),
                term::count(waste.count_after),
            ]
        })
        .collect();
    if !waste.is_empty() {
        let header = ["waste", "path", "before", "after"];
        let table = term::aligned_table(&header, waste, |column| column > 1);
        say!(out, "\n{}", table);
    }
    out
}

/// A table of calls, each with where it was made.
fn changes<'a>(
    is_of_paths: bool,
    rows: impl Iterator<Item = (Option<&'a str>, &'a Change)>,
) -> Text {
    let rows = rows.map(|(path, change)| {
        let mut row = Vec::from_iter(path.map(str::to_owned));
        row.extend([
            change.name.clone(),
            term::count(change.count_before),
            term::count(change.count_after),
            term::count(change.failed_before),
            term::count(change.failed_after),
        ]);
        row
    });
    let header = [
        "path",
        "call",
        "before",
        "after",
        "failed before",
        "failed after",
    ];
    let first = usize::from(!is_of_paths);
    let texts = 1 + usize::from(is_of_paths);
    term::aligned_table(&header[first..], rows.collect(), |column| column >= texts)
}

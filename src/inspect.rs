//! `fsreplay inspect`: what the tool does to the file system, and which of it is suspicious.

pub mod findings;
mod flamegraph;
pub mod timeline;
mod view;

use std::path::Path;

use fsreplay_compare::caveats::{self, Unrecorded};
use fsreplay_compare::share::{self, OnPaper};
use fsreplay_compare::{Read, read};
use fsreplay_inspector::{Inspector, Options, write_folded};
use fsreplay_results::Document;

use crate::args::InspectArgs;
use crate::exit::{self, Failure};
use crate::report;
use crate::term;

/// Runs the command.
pub fn run(args: &InspectArgs) -> Result<(), Failure> {
    let Found { read, share, .. } = found(args)?;
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
    if let Some(file) = &args.html {
        report::write_page(file, vec![Document::Inspect(inspection.clone())])?;
    }
    // Whoever asked for something on standard output gets that alone.
    let files = [&args.json, &args.html, &args.folded, &args.flamegraph];
    if term::is_taken(&files) {
        return Ok(());
    }
    term::print(&view::text(&inspection, &share))
}

/// What was found in a trace.
pub struct Found {
    /// All of it.
    pub read: Read,
    /// How much of the time is file access, in words.
    pub share: String,
    /// That in figures, and what else the trace says on paper.
    pub on_paper: OnPaper,
}

/// All that is found in a trace.
pub fn found(args: &InspectArgs) -> Result<Found, Failure> {
    let options = Options {
        top: args.top,
        truncated: args.truncated,
    };
    let trace = args.trace.source()?;
    let mut read = read(&trace, &options)?;
    let inspection = &mut read.inspection;
    let unrecorded = Unrecorded {
        calls: inspection.unrecorded.clone(),
        events: inspection.events,
    };
    let imported = caveats::of_import(&read.header);
    let told = unrecorded.caveat().into_iter().chain(imported);
    inspection.caveats = told
        .map(|caveat| caveats::sentence(None, &caveat.text))
        .collect();
    let on_paper = share::on_paper(&trace, args.truncated)?;
    let share = match &on_paper.share {
        Ok(share) => share.sentence.clone(),
        Err(reason) => format!("how much of the time is file access can't be told: {reason}"),
    };
    inspection.share = on_paper.share.as_ref().ok().cloned();
    Ok(Found {
        read,
        share,
        on_paper,
    })
}

fn draw(inspector: &Inspector, file: &Path) -> Result<(), Failure> {
    let mut folded = Vec::new();
    let image = write_folded(inspector, &mut folded)
        .and_then(|()| flamegraph::draw(&folded))
        .map_err(|error| Failure::new(exit::FAILURE, format!("flame graph: {error}")))?;
    term::write_data(file, |out| out.write_all(&image))
}

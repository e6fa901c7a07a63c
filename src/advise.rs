//! `fsreplay advise`: which recorded directory, moved to which mount, gains what, and what to write
//! into devcontainer.json.

mod verify;
pub mod view;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use fsreplay_compare::{Advice, AdviceOptions, Described, advise};
use fsreplay_results::advise::Advise;
use fsreplay_results::{Document, Verdict};

use crate::args::{AdviseArgs, given};
use crate::exit::{self, Failure};
use crate::export;
use crate::progress::Progress;
use crate::report;
use crate::signals;
use crate::term;

/// Runs the command.
pub fn run(args: &AdviseArgs) -> Result<i32, Failure> {
    let described = Described::read(&args.trace.source()?)?;
    let directory = PathBuf::from(&described.trace.cwd);
    // Until there is something to remove, a signal may end the process itself.
    let cancelled = signals::cancelled()?;
    if args.verify {
        verify::possible()?;
    }
    let Advice {
        result: mut advice,
        is_open,
        targets,
        parts,
        left,
    } = find(args, described, &cancelled)?;
    let told = if is_open { exit::CANNOT_TELL } else { exit::OK };
    let mut status = exit::left(&left, told);
    let mut unverified = None;
    if args.verify {
        let asked = verify::Asked {
            command: &args.command,
            directory: &directory,
            targets: &targets,
            parts,
            budget: args.budget,
        };
        let of_command = verified(&asked, &mut advice, &cancelled);
        status = of_command
            .as_ref()
            .copied()
            .ok()
            .filter(|_| status == exit::OK)
            .unwrap_or(status);
        unverified = of_command.err();
    }
    if let Some(path) = &args.files.json {
        term::write_json(path, &Document::Advise(advice.clone()))?;
    }
    if let Some(path) = &args.files.html {
        report::write_page(path, vec![Document::Advise(advice.clone())])?;
    }
    export::write(args.files.csv.as_ref(), || export::advise_csv(&advice))?;
    export::write(args.files.markdown.as_ref(), || {
        export::advise_markdown(&advice)
    })?;
    if !args.quiet && !term::is_taken(&args.files.all()) {
        term::print(&view::text(&advice, &args.trace.path))?;
    }
    // What was measured is told all the same.
    unverified.map_or(Ok(status), Err)
}

/// Tries the advice with the real command, and gives the status that tells whether that confirms
/// it. Where there is none, there is nothing to confirm.
fn verified(
    asked: &verify::Asked<'_>,
    advice: &mut Advise,
    cancelled: &AtomicBool,
) -> Result<i32, Failure> {
    let Some(best) = advice.best() else {
        return Ok(exit::OK);
    };
    let found = verify::verify(asked, advice, best, cancelled)?;
    let sentence = verify::sentence(&found, best);
    let status = match found.verdict {
        Verdict::Faster => exit::OK,
        Verdict::CannotTell => exit::CANNOT_TELL,
        _ => exit::DIVERGED,
    };
    advice.sentence = format!("{} {sentence}", advice.sentence);
    advice.verified = Some(found);
    Ok(status)
}

/// Measures.
pub fn find(
    args: &AdviseArgs,
    described: Described,
    cancelled: &AtomicBool,
) -> Result<Advice, Failure> {
    let options = AdviceOptions {
        targets: args.target.iter().map(given).collect(),
        baseline: args.baseline.clone(),
        neutral: args.neutral.clone(),
        rounds: args.rounds,
        budget: args.budget,
    };
    let progress = Progress::new(args.quiet);
    Ok(advise(described, &options, &progress, cancelled)?)
}

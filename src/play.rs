//! `fsreplay play`: replay a trace on a target.

mod view;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use fsreplay_compare::caveats::{self, Unrecorded};
use fsreplay_compare::{Error, Source, places, planning};
use fsreplay_replayer::planner::PlanOptions;
use fsreplay_replayer::{PlayOptions, Replayed, Stage, Timing};
use fsreplay_results::Document;
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::PlayArgs;
use crate::exit::{self, Failure};
use crate::signals;
use crate::term;

/// Runs the command and gives the status to exit with.
pub fn run(args: &PlayArgs) -> Result<i32, Failure> {
    let trace = args.trace.source()?;
    let options = plan_options(args, &trace)?;
    let (mut plan, footer) = planning::plan_as_recorded(&trace, args.truncated, &options)?;
    if args.timing != Timing::Fast
        && let Some(time) = planning::tool_time(&trace, footer.as_ref())?
    {
        plan.timing = time;
    }
    if args.dry_run {
        fsreplay_replayer::preflight::preflight(&plan)?;
        return term::print(&view::plan(&plan)).map(|()| exit::OK);
    }
    let cancelled = signals::cancelled()?;
    let bar = progress_bar(args.quiet);
    let play = PlayOptions {
        rounds: args.rounds,
        keep: args.keep,
        timing: args.timing,
        cache: planning::cache(args.cache, args.timing),
    };
    let outcome = fsreplay_replayer::play(&plan, play, &cancelled, &|stage| show(&bar, stage));
    bar.finish_and_clear();
    let Replayed { mut result, left } = outcome?;
    let unrecorded = Unrecorded {
        calls: footer.map_or_else(BTreeMap::new, |footer| footer.unrecorded),
        events: result.events,
    };
    let told = caveats::of_outcomes(&result.divergence_groups)
        .into_iter()
        .chain(unrecorded.caveat());
    result.caveats = told
        .map(|caveat| caveats::sentence(None, &caveat.text))
        .collect();
    result.unrecorded = unrecorded.calls;
    if let Some(path) = &args.json {
        term::write_json(path, &Document::Play(result.clone()))?;
    }
    if !args.quiet && args.json.as_deref() != Some("-".as_ref()) {
        term::print(&view::text(&result, args.verbose > 0))?;
    }
    let status = if args.strict && result.divergences > 0 {
        exit::DIVERGED
    } else {
        exit::OK
    };
    Ok(exit::left(&left, status))
}

fn plan_options(args: &PlayArgs, trace: &Source) -> Result<PlanOptions, Failure> {
    let place = args
        .place
        .iter()
        .map(placement)
        .collect::<Result<Vec<_>, _>>()?;
    let (moved, dirs): (Vec<&[u8]>, Vec<PathBuf>) = place.into_iter().unzip();
    let moved = recorded("--place", &moved, trace)?;
    let skip: Vec<&[u8]> = args.skip.iter().map(|path| path.as_bytes()).collect();
    Ok(PlanOptions {
        skip: recorded("--skip", &skip, trace)?,
        ..planning::options(args.target.clone(), moved.into_iter().zip(dirs).collect())
    })
}

/// The recorded directories that an option names.
fn recorded(option: &str, asked: &[&[u8]], trace: &Source) -> Result<Vec<Vec<u8>>, Failure> {
    places::recorded(asked, trace).map_err(|error| match error {
        Error::Directory(error) => exit::directory(option, &error),
        error => Failure::from(error),
    })
}

/// `RECORDED=DIR`, both parts there.
fn placement(text: &OsString) -> Result<(&[u8], PathBuf), Failure> {
    let bytes = text.as_bytes();
    let parts = bytes
        .iter()
        .position(|byte| *byte == b'=')
        .map(|at| (&bytes[..at], &bytes[at + 1..]));
    match parts {
        Some((recorded, dir)) if !recorded.is_empty() && !dir.is_empty() => {
            Ok((recorded, PathBuf::from(std::ffi::OsStr::from_bytes(dir))))
        }
        _ => Err(Failure::new(
            exit::USAGE,
            format!(
                "--place {}: give it as RECORDED=DIR, with an absolute recorded path",
                text.to_string_lossy()
            ),
        )),
    }
}

fn progress_bar(quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar
}

fn show(bar: &ProgressBar, stage: Stage) {
    match stage {
        Stage::Preparing(round, made, of) if made % 64 == 0 || made == of => {
            bar.set_length(of as u64);
            bar.set_position(made as u64);
            if made <= 64 {
                bar.set_message(format!("round {round}: making the tree"));
            }
        }
        Stage::Preparing(..) => {}
        Stage::Executing(round) => bar.set_message(format!("round {round}: replaying")),
    }
}

//! `fsreplay why`: is it the file system, and what to do about it, on one screen.

mod view;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fsreplay_compare::{Described, share};
use fsreplay_recorder::Status;
use fsreplay_results::FileShare;
use fsreplay_results::compare::{Compare, Target};
use fsreplay_results::why::Why;
use fsreplay_results::{Document, SCHEMA_VERSION, Verdict};

use crate::args::trace::TraceArgs;
use crate::args::{AdviseArgs, CompareArgs, InspectArgs, RecordArgs, WhyArgs};
use crate::exit::{self, Failure};
use crate::term;
use crate::{advise, compare, inspect, record, report, signals};

/// Findings that have a line.
const FINDINGS: usize = 3;
/// Added to the number of the signal that ended a command, as shells do.
const BY_SIGNAL: i32 = 128;
/// The part of the budget that the comparison of mounts may take, if advice follows.
const COMPARED: f64 = 0.5;

/// Runs the command and gives the status to exit with.
pub fn run(args: &WhyArgs) -> Result<i32, Failure> {
    let (path, status) = recorded(args)?;
    let trace = TraceArgs::usual(path);
    let began = Instant::now();
    let found = inspect::found(&InspectArgs::of(&trace))?;
    let inspect::Found {
        read,
        share,
        on_paper,
    } = found;
    let mut described = Described::of(&trace.source()?, read.header, &read.inspection, on_paper);
    if !args.command.is_empty() {
        // The trace doesn't keep its arguments; who reads this has just typed them.
        let words = args.command.iter();
        described.trace.command = words
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
    }
    let mut why = Why {
        schema_version: SCHEMA_VERSION,
        trace: described.trace.clone(),
        status,
        inspect: read.inspection,
        ..Why::default()
    };
    if let Some(share) = &mut why.inspect.share {
        share.sentence = share::sentence(&why.trace.command, share);
    }
    let mut left = exit::OK;
    let is_small = why.inspect.share.as_ref().is_some_and(FileShare::is_small);
    // Who names mounts wants to see them.
    if !is_small || !args.target.is_empty() {
        let cancelled = signals::cancelled()?;
        left = measure(args, &trace, described, began, &cancelled, &mut why)?;
        why.interrupted = cancelled.load(Ordering::Relaxed);
    }
    let share = restated(&mut why).unwrap_or(share);
    let measured = why.compare.as_ref().and_then(|found| found.share.as_ref());
    let is_settled = measured.is_some_and(FileShare::is_small);
    // Where so little is file access, no mount is faster, whatever else is in doubt.
    why.sentence = if is_settled {
        match why.compare.as_ref().and_then(slowest) {
            Some(slowest) => format!("{share} {slowest}"),
            None => share,
        }
    } else {
        answer(&why, &share)
    };
    show(args, &trace, &why)?;
    let in_doubt = |target: &Target| target.ratio.verdict == Verdict::CannotTell;
    let compared = why.compare.iter().flat_map(|compared| &compared.targets);
    if left == exit::OK && !is_settled && compared.into_iter().any(in_doubt) {
        return Ok(exit::CANNOT_TELL);
    }
    Ok(left)
}

/// Writes and prints the result, as asked for.
fn show(args: &WhyArgs, trace: &TraceArgs, why: &Why) -> Result<(), Failure> {
    if let Some(path) = &args.json {
        term::write_json(path, &Document::Why(Box::new(why.clone())))?;
    }
    if let Some(path) = &args.html {
        report::write_page(path, vec![Document::Why(Box::new(why.clone()))])?;
    }
    if !args.quiet && !term::is_taken(&[&args.json, &args.html]) {
        term::print(&view::screen(why, trace))?;
    }
    Ok(())
}

/// The trace, and how the command ended that was recorded for it.
fn recorded(args: &WhyArgs) -> Result<(PathBuf, Option<i32>), Failure> {
    if let Some(trace) = &args.trace {
        return Ok((trace.clone(), None));
    }
    let recording = record::command(&RecordArgs::of(args.command.clone(), args.output.clone()))?;
    if recording.fault.is_some() {
        // What lies at the output, if anything, is an earlier trace.
        return Err(Failure::new(
            exit::FAILURE,
            "the recording is not whole, so that nothing is said about it",
        ));
    }
    let status = match recording.status {
        Status::Exited(code) => code,
        Status::Signaled(signal) => BY_SIGNAL + signal,
    };
    Ok((args.output.clone(), Some(status)))
}

/// Compares the mounts and, where one is faster, looks for what to move. Gives the status of what
/// could not be removed.
fn measure(
    args: &WhyArgs,
    trace: &TraceArgs,
    described: Described,
    began: Instant,
    cancelled: &AtomicBool,
    why: &mut Why,
) -> Result<i32, Failure> {
    let of_mounts = CompareArgs::of(trace, &args.target, args.budget.mul_f64(COMPARED));
    let (compared, left) = compare::find(&of_mounts, described.clone(), &[], cancelled)?;
    let mut status = exit::left(&left, exit::OK);
    let targets = compared.targets.iter();
    let is_worth = targets
        .clone()
        .any(|target| target.ratio.verdict == Verdict::Faster);
    why.compare = Some(compared);
    let rest = args.budget.saturating_sub(began.elapsed());
    if is_worth && !rest.is_zero() && !cancelled.load(Ordering::Relaxed) {
        let of_moves = AdviseArgs::of(trace, &args.target, rest);
        let found = advise::find(&of_moves, described, cancelled);
        if let Some(found) = unless_ended(found, cancelled)? {
            status = exit::left(&found.left, status);
            why.advise = Some(found.result);
        }
    }
    Ok(status)
}

/// What came of the advice. Where the user ended it, what the mounts have told is still worth
/// showing.
fn unless_ended<T>(
    found: Result<T, Failure>,
    cancelled: &AtomicBool,
) -> Result<Option<T>, Failure> {
    match found {
        Err(failure) if failure.is_users(cancelled) => Ok(None),
        found => found.map(Some),
    }
}

/// How much is file access, in words: where mounts were measured, with what calls took then. Those
/// of the recording may have been slowed by its recorder and by what else ran.
fn restated(why: &mut Why) -> Option<String> {
    let measured = why.compare.as_mut().and_then(|found| found.share.as_mut());
    let share = measured.or(why.inspect.share.as_mut())?;
    share.sentence = share::sentence(&why.trace.command, share);
    why.file_share = Some(share.file_share);
    Some(share.sentence.clone())
}

/// What somebody reads who reads one thing only. What there is no advice for may be faster all the
/// same: that is for the comparison to say.
fn answer(why: &Why, share: &str) -> String {
    let Some(compared) = &why.compare else {
        return share.to_owned();
    };
    let advice = why.advise.as_ref();
    // What gains too little to be advised is told by the advice, too.
    let told = advice.filter(|advice| advice.advised.is_some() || !advice.moves.is_empty());
    let measured = told.map_or(&compared.sentence, |advice| &advice.sentence);
    let hint = if advice.is_some() && told.is_none() && is_worth_a_move(compared) {
        " What of it to move was not decided in that time: fsreplay advise."
    } else {
        ""
    };
    format!("{share} {measured}{hint}")
}

/// Where it is slower for certain, though it does little with files.
fn slowest(compared: &Compare) -> Option<String> {
    let targets = compared.targets.iter();
    let slower = targets.filter(|target| target.ratio.verdict == Verdict::Slower);
    let ratio = |target: &Target| target.ratio.estimate.value;
    let slowest = slower.max_by(|a, b| ratio(a).total_cmp(&ratio(b)))?;
    Some(format!(
        "But on {} it takes {:.1} times as long.",
        slowest.name,
        ratio(slowest)
    ))
}

/// Whether something is faster that keeps its files.
fn is_worth_a_move(compared: &Compare) -> bool {
    let mut faster = compared
        .targets
        .iter()
        .filter(|target| target.ratio.verdict == Verdict::Faster);
    faster.any(Target::keeps_files)
}

impl RecordArgs {
    /// For a command, with all else as usual.
    fn of(command: Vec<OsString>, output: PathBuf) -> RecordArgs {
        RecordArgs {
            output,
            command,
            quiet: true,
            ..RecordArgs::default()
        }
    }
}

impl InspectArgs {
    fn of(trace: &TraceArgs) -> InspectArgs {
        InspectArgs {
            trace: trace.clone(),
            top: FINDINGS,
            ..InspectArgs::default()
        }
    }
}

impl CompareArgs {
    fn of(trace: &TraceArgs, target: &[OsString], budget: Duration) -> CompareArgs {
        CompareArgs {
            trace: trace.clone(),
            target: target.to_vec(),
            budget: Some(budget),
            moved: "workspace".into(),
            timing: fsreplay_replayer::Timing::Scaled(1.0),
            ..CompareArgs::default()
        }
    }
}

impl AdviseArgs {
    fn of(trace: &TraceArgs, target: &[OsString], budget: Duration) -> AdviseArgs {
        AdviseArgs {
            trace: trace.clone(),
            target: target.to_vec(),
            budget,
            ..AdviseArgs::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsreplay_results::advise::{Advise, Move};
    use fsreplay_results::compare::Ratio;

    #[test]
    fn of_those_that_are_slower_for_certain_the_slowest_is_named() {
        let target = |name: &str, value: f64, verdict: Verdict| {
            let mut ratio = Ratio::default();
            ratio.estimate.value = value;
            ratio.verdict = verdict;
            Target {
                name: name.into(),
                ratio,
                ..Target::default()
            }
        };
        let compared = |targets: Vec<Target>| Compare {
            targets,
            ..Compare::default()
        };
        let found = compared(vec![
            target("a", 1.0, Verdict::Baseline),
            target("b", 1.34, Verdict::Slower),
            target("c", 1.61, Verdict::Slower),
            target("d", 9.0, Verdict::CannotTell),
        ]);
        let told = slowest(&found);
        assert_eq!(
            told.as_deref(),
            Some("But on c it takes 1.6 times as long.")
        );
        assert_eq!(
            slowest(&compared(vec![target("a", 1.0, Verdict::Baseline)])),
            None
        );
    }

    #[test]
    fn advice_that_the_user_ends_leaves_what_was_compared() {
        let told = |is_ended, found: Result<u8, Failure>| {
            let told = unless_ended(found, &AtomicBool::new(is_ended));
            told.map_err(|failure| failure.code)
        };
        let stopped = || Err(Failure::new(exit::FAILURE, "stopped"));
        assert_eq!(told(true, stopped()), Ok(None));
        let of_target = Err(Failure::new(exit::TARGET, "gone"));
        assert_eq!(told(true, of_target), Err(exit::TARGET));
        assert_eq!(told(false, stopped()), Err(exit::FAILURE));
        assert_eq!(told(true, Ok(7)), Ok(Some(7)));
    }

    #[test]
    fn what_is_faster_for_certain_is_said_even_if_no_move_was_decided() {
        let faster = |fs_type: &str| Target {
            fs_type: fs_type.into(),
            ratio: Ratio {
                verdict: Verdict::Faster,
                ..Ratio::default()
            },
            ..Target::default()
        };
        let told = |fs_type: &str, moves: usize, advised| {
            let why = Why {
                compare: Some(Compare {
                    targets: vec![faster(fs_type)],
                    sentence: "compared.".into(),
                    ..Compare::default()
                }),
                advise: Some(Advise {
                    moves: vec![Move::default(); moves],
                    advised,
                    sentence: "advice.".into(),
                    ..Advise::default()
                }),
                ..Why::default()
            };
            answer(&why, "share.")
        };
        assert_eq!(told("ext4", 1, Some(0)), "share. advice.");
        assert_eq!(told("ext4", 1, None), "share. advice.");
        assert!(told("ext4", 0, None).starts_with("share. compared. What of it to move"));
        assert_eq!(told("tmpfs", 0, None), "share. compared.");
        assert_eq!(answer(&Why::default(), "share."), "share.");
    }
}

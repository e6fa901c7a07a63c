//! `fsreplay why`: is it the file system, and what to do about it, on one screen.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use fsreplay_results::FileShare;
use fsreplay_results::inspect::Inspect;
use fsreplay_results::why::Why;
use fsreplay_results::{Document, SCHEMA_VERSION, Verdict};

use crate::args::{AdviseArgs, CompareArgs, InspectArgs, RecordArgs, TraceArgs, WhyArgs};
use crate::compare::result::{Described, described};
use crate::exit::{self, Failure};
use crate::inspect::findings;
use crate::term::{self, Text};
use crate::{advise, compare, inspect, planning, record, say, share, text};

/// Findings that have a line.
const FINDINGS: usize = 3;
/// Pollers that have a line.
const POLLERS: usize = 2;
/// The part of the budget that the comparison of mounts may take, if advice follows.
const COMPARED: f64 = 0.5;

/// Runs the command and gives the status to exit with.
pub fn run(args: &WhyArgs) -> Result<i32, Failure> {
    let (path, status) = recorded(args)?;
    let trace = TraceArgs::usual(path);
    let began = Instant::now();
    let inspect::Found { read, share } = inspect::found(&InspectArgs::of(&trace))?;
    let described = described(&trace, read.header, read.footer.as_ref(), &read.inspection)?;
    let mut why = Why {
        schema_version: SCHEMA_VERSION,
        trace: described.trace.clone(),
        status,
        inspect: read.inspection,
        ..Why::default()
    };
    if !args.command.is_empty() {
        // The trace doesn't keep its arguments; who reads this has just typed them.
        let words = args.command.iter();
        why.trace.command = words
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
    }
    if let Some(share) = &mut why.inspect.share {
        share.sentence = share::sentence(&why.trace.command, share);
    }
    let mut left = exit::OK;
    let is_small = why.inspect.share.as_ref().is_some_and(FileShare::is_small);
    if !is_small {
        let cancelled = planning::cancelled_by_signals()?;
        left = measure(args, &trace, described, began, &cancelled, &mut why)?;
    }
    let share = restated(&mut why).unwrap_or(share);
    let measured = why.compare.as_ref().and_then(|found| found.share.as_ref());
    let is_settled = measured.is_some_and(FileShare::is_small);
    // Where so little is file access, no mount is faster, whatever else is in doubt.
    why.sentence = if is_settled {
        share
    } else {
        answer(&why, &share)
    };
    if let Some(path) = &args.json {
        term::write_json(path, &Document::Why(Box::new(why.clone())))?;
    }
    if !args.quiet && !term::is_taken(&[&args.json]) {
        term::print(&screen(&why, &trace))?;
    }
    let in_doubt =
        |target: &fsreplay_results::compare::Target| target.ratio.verdict == Verdict::CannotTell;
    let compared = why.compare.iter().flat_map(|compared| &compared.targets);
    if left == exit::OK && !is_settled && compared.into_iter().any(in_doubt) {
        return Ok(exit::CANNOT_TELL);
    }
    Ok(left)
}

/// The trace, and how the command ended that was recorded for it.
fn recorded(args: &WhyArgs) -> Result<(PathBuf, Option<i32>), Failure> {
    if let Some(trace) = &args.trace {
        return Ok((trace.clone(), None));
    }
    let status = record::run(&RecordArgs::of(args.command.clone(), args.output.clone()))?;
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
    let share = why.inspect.share.clone();
    let (compared, left) = compare::find(&of_mounts, described.clone(), &[], share, cancelled)?;
    let mut status = planning::left(&left, exit::OK);
    let targets = compared.targets.iter();
    let is_worth = targets
        .clone()
        .any(|target| target.ratio.verdict == Verdict::Faster);
    why.compare = Some(compared);
    let rest = args.budget.saturating_sub(began.elapsed());
    if is_worth && !rest.is_zero() {
        let found = advise::find(
            &AdviseArgs::of(trace, &args.target, rest),
            described,
            cancelled,
        )?;
        status = if status == exit::OK {
            found.status
        } else {
            status
        };
        why.advise = Some(found.advice);
    }
    Ok(status)
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

/// What somebody reads who reads one thing only.
fn answer(why: &Why, share: &str) -> String {
    let measured = match (&why.advise, &why.compare) {
        (Some(advice), _) => Some(&advice.sentence),
        (None, Some(compared)) => Some(&compared.sentence),
        (None, None) => None,
    };
    measured.map_or_else(
        || share.to_owned(),
        |measured| format!("{share} {measured}"),
    )
}

fn screen(why: &Why, trace: &TraceArgs) -> Text {
    let mut out = heading(why);
    out.push(&waste(&why.inspect));
    if let Some(compared) = &why.compare {
        out.push(&text!(
            "\non other mounts\n\n{}\n",
            compare::view::table(compared)
        ));
    }
    say!(out, "\n{}", term::strong(&why.sentence));
    if let Some(advice) = &why.advise
        && let Some(best) = advise::result::best(advice)
    {
        out.push(&advise::view::instructions(advice, best));
    }
    say!(
        out,
        "\nmore: fsreplay inspect, compare --precise or advise {}",
        trace.path.display().to_string()
    );
    out
}

fn heading(why: &Why) -> Text {
    let mut out = text!(
        "{}\n{} events, recorded in {}\n",
        term::shortened(&why.trace.command.join(" "), 78),
        term::count(why.inspect.events),
        term::seconds(why.inspect.elapsed_seconds)
    );
    if let Some(status) = why.status.filter(|status| *status != 0) {
        say!(
            out,
            "it ended with status {}: this is what it did until then",
            status
        );
    }
    let timeline = &why.inspect.timeline;
    if timeline.phases.len() > 1 {
        let phases = timeline.phases.iter().take(4);
        let phases: Vec<String> = phases
            .map(|phase| format!("{} {}", phase.name, term::seconds(phase.busy_seconds)))
            .collect();
        say!(
            out,
            "worked {} ({}), waited {} for the outside",
            term::seconds(timeline.busy_seconds),
            phases.join(", "),
            term::seconds(timeline.waiting_seconds)
        );
    }
    out
}

/// What the tool does without need.
fn waste(inspection: &Inspect) -> Text {
    let mut out = Text::default();
    let all = inspection.totals.file_system.seconds;
    for finding in inspection.findings.iter().take(FINDINGS) {
        out.push(&findings::brief(finding, all));
    }
    for polling in inspection.timeline.polling.iter().take(POLLERS) {
        say!(
            out,
            "• {} polls {}, {:.0} calls a second, {:.1} % of a processor: {}",
            polling.program,
            polling.directory.as_deref().unwrap_or("for nothing"),
            polling.calls_per_second,
            polling.processor_share * 100.0,
            polling.note
        );
    }
    if out.as_str().is_empty() {
        return out;
    }
    text!("\nwhat it does without need, by the time it took\n{}", out)
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

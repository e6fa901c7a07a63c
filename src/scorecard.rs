//! `fsreplay compare library:all`: all workloads of the library on the mounts of this machine.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fsreplay_compare::{Described, machine};
use fsreplay_library::ALL;
use fsreplay_results::scorecard::{LeftOut, Score, Scorecard};
use fsreplay_results::{Document, SCHEMA_VERSION, Verdict};

use crate::args::CompareArgs;
use crate::args::trace::TraceArgs;
use crate::compare;
use crate::exit::{self, Failure};
use crate::library::PREFIX;
use crate::term::{self, Text};
use crate::{say, signals, text};

/// The name that stands for all workloads.
pub const NAME: &str = "all";

/// What all rounds of all workloads may take, if nothing else was asked for.
const BUDGET: Duration = Duration::from_secs(150);

/// Runs the command and gives the status to exit with.
pub fn run(args: &CompareArgs) -> Result<i32, Failure> {
    let files = [&args.files.html, &args.files.csv, &args.files.markdown];
    let is_asked_too_much =
        args.phase.is_some() || !args.fail_if.is_empty() || files.iter().any(|file| file.is_some());
    if is_asked_too_much {
        let message = "all workloads together are told on the terminal and with --json, without \
                       --phase, --fail-if, --html, --csv and --markdown";
        return Err(Failure::new(exit::USAGE, message));
    }
    let cancelled = signals::cancelled()?;
    let mut card = Scorecard {
        schema_version: SCHEMA_VERSION,
        machine: machine(),
        ..Scorecard::default()
    };
    let left = play(args, &cancelled, &mut card)?;
    card.interrupted = cancelled.load(Ordering::Relaxed);
    card.finish();
    if let Some(path) = &args.files.json {
        term::write_json(path, &Document::Scorecard(card.clone()))?;
    }
    if !args.quiet && !term::is_taken(&[&args.files.json]) {
        term::print(&told(&card))?;
    }
    Ok(exit::left(&left, exit::OK))
}

/// Plays one workload after the other, each in its part of the time that is left. Gives the
/// directories that could not be removed.
fn play(
    args: &CompareArgs,
    cancelled: &AtomicBool,
    card: &mut Scorecard,
) -> Result<Vec<fsreplay_replayer::ReplayError>, Failure> {
    let end = Instant::now() + args.budget.unwrap_or(BUDGET);
    let mut left = Vec::new();
    for (number, recorded) in ALL.iter().enumerate() {
        if cancelled.load(Ordering::Relaxed) {
            break;
        }
        if !args.quiet {
            term::tell(&text!(
                "{} ({} of {})",
                recorded.name(),
                number + 1,
                ALL.len()
            ));
        }
        let remaining = end.saturating_duration_since(Instant::now());
        let share = remaining.div_f64((ALL.len() - number) as f64);
        let baseline = Some(card.baseline.clone()).filter(|name| !name.is_empty());
        let args = CompareArgs {
            trace: TraceArgs {
                path: format!("{PREFIX}{}", recorded.name()).into(),
                limit: args.trace.limit.clone(),
            },
            budget: Some(share),
            baseline: args.baseline.clone().or(baseline),
            ..args.clone()
        };
        match compared(&args, cancelled) {
            Ok((found, not_removed)) => {
                card.baseline.clone_from(&found.baseline);
                card.add(recorded.name(), &found);
                left.extend(not_removed);
            }
            // Another one may fit: a mount can be too small for this one.
            Err(failure) if failure.code == exit::TARGET => card.left_out.push(LeftOut {
                workload: recorded.name().to_owned(),
                reason: failure.message,
            }),
            // Ended before this one had a whole round: what the others have told stays.
            Err(failure) if failure.is_users(cancelled) && !card.workloads.is_empty() => break,
            Err(failure) => return Err(failure),
        }
    }
    if card.workloads.is_empty() && !cancelled.load(Ordering::Relaxed) {
        let reasons = card.left_out.first().map(|one| one.reason.clone());
        return Err(Failure::new(exit::TARGET, reasons.unwrap_or_default()));
    }
    Ok(left)
}

type Compared = (
    fsreplay_results::compare::Compare,
    Vec<fsreplay_replayer::ReplayError>,
);

fn compared(args: &CompareArgs, cancelled: &AtomicBool) -> Result<Compared, Failure> {
    let described = Described::read(&args.trace.source()?)?;
    compare::find(args, described, &[], cancelled)
}

/// The table, what its marks mean, and what else is to be known.
fn told(card: &Scorecard) -> Text {
    let mut out = text!("{}\n\n", table(card));
    say!(
        out,
        "{}: what the tool would take. Other columns: that many times as long; below 1 is faster.",
        card.baseline
    );
    let scores = || card.workloads.iter().flat_map(|one| &one.scores);
    let is_there = |mark: &&(&str, &str)| scores().any(|score| mark_of(score) == mark.0);
    for (mark, meaning) in MARKS.iter().filter(is_there) {
        say!(out, "{} {}", mark, meaning);
    }
    for target in &card.targets {
        say!(
            out,
            "{}: {} ({}, {})",
            target.name,
            target.path,
            target.class,
            target.fs_type
        );
    }
    for left_out in &card.left_out {
        say!(
            out,
            "note: {} was left out: {}",
            left_out.workload,
            left_out.reason
        );
    }
    if card.interrupted {
        say!(out, "note: ended early; the workloads so far count");
    }
    out
}

/// A row for each workload, a column for each target, and the means.
fn table(card: &Scorecard) -> Text {
    let others = || card.targets.iter().skip(1);
    let rows = card.workloads.iter().map(|workload| {
        let taken = workload.on(&card.baseline).map(|score| score.seconds.value);
        let mut row = vec![
            workload.workload.clone(),
            taken.map_or_else(String::new, term::seconds),
        ];
        row.extend(others().map(|target| workload.on(&target.name).map_or("–".into(), figure)));
        row
    });
    let mut means = vec!["geometric mean".to_owned(), String::new()];
    let mean = |ratio: Option<f64>| ratio.map_or("–".into(), |ratio| format!("{ratio:.2}"));
    means.extend(others().map(|target| mean(target.mean_ratio)));
    let rows = rows.chain([means]).collect();
    let names = others().map(|target| target.name.as_str());
    let header: Vec<&str> = ["workload", card.baseline.as_str()]
        .into_iter()
        .chain(names)
        .collect();
    term::aligned_table(&header, rows, |column| column > 0)
}

/// What a figure's mark means.
const MARKS: [(&str, &str); 4] = [
    ("≈", "no difference that could be told"),
    (
        "~",
        "one or two rounds, so how far off it may be isn't known; compare library:NAME plays more",
    ),
    (
        "?",
        "can't be told: rounds differ; compare library:NAME plays more",
    ),
    (
        "×",
        "not ranked: the tool would not run there as it was recorded",
    ),
];

fn mark_of(score: &Score) -> &'static str {
    match score.verdict {
        Verdict::Same | Verdict::Within => "≈",
        Verdict::CannotTell if score.ratio.low.is_none() => "~",
        Verdict::CannotTell => "?",
        Verdict::NotRanked => "×",
        Verdict::Faster | Verdict::Slower | Verdict::Baseline => "",
    }
}

fn figure(score: &Score) -> String {
    format!("{}{:.2}", mark_of(score), score.ratio.value)
}

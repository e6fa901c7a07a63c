//! `fsreplay compare`: what the tool would take on each of several mounts.

mod condition;
pub mod moved;
pub mod result;
pub mod targets;
mod view;

use std::path::PathBuf;

use fsreplay_replayer::contest::{Outcome, contest};
use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::{PlayOptions, Stage};
use fsreplay_trace::format;
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::CompareArgs;
use crate::exit::{self, Failure};
use crate::planning;
use crate::term;
use condition::Condition;
use result::{Measured, Result as Comparison};
use targets::Target;

/// Runs the command and gives the status to exit with.
pub fn run(args: &CompareArgs) -> Result<i32, Failure> {
    let conditions = args
        .fail_if
        .iter()
        .map(|text| Condition::parse(text))
        .collect::<Result<Vec<_>, _>>()?;
    let described = result::describe_trace(&args.trace)?;
    let moved = moved::resolve(&args.moved, &args.trace, &described.header)?;
    let targets = targets::all(&args.target, &moved, &described.header)?;
    let baseline = targets::baseline(
        args.baseline.as_deref(),
        &targets,
        &moved,
        &described.header,
    )?;
    for condition in &conditions {
        condition.check_names(&targets)?;
    }
    let neutral = targets::neutral(args.neutral.as_deref())?;
    let plans = targets
        .iter()
        .map(|target| plan(args, target, &moved, neutral.clone()))
        .collect::<Result<Vec<Plan>, _>>()?;
    let options = PlayOptions {
        rounds: args.rounds,
        keep: false,
        timing: args.timing,
        cache: planning::cache(args.cache, args.timing),
    };
    let cancelled = planning::cancelled_by_signals()?;
    let bar = progress_bar(args, plans.len());
    let outcome = contest(&plans, options, &cancelled, &|number, stage| {
        show(&bar, &targets, number, stage)
    });
    bar.finish_and_clear();
    let Outcome {
        rounds,
        interrupted,
    } = outcome.map_err(planning::failure)?;
    let comparison = Comparison::new(Measured {
        described,
        args,
        targets: &targets,
        plans: &plans,
        rounds,
        interrupted,
        baseline,
        moved: &moved,
        neutral: &neutral,
    });
    if let Some(path) = &args.json {
        term::write_json(path, &comparison)?;
    }
    if !args.quiet && args.json.as_deref() != Some("-".as_ref()) {
        term::print_all(view::text(&comparison, args.verbose > 0).as_bytes())?;
    }
    let failed: Vec<&Condition> = conditions.iter().filter(|c| c.holds(&comparison)).collect();
    for condition in &failed {
        eprintln!("fsreplay: {}", condition.explain(&comparison));
    }
    Ok(if failed.is_empty() {
        exit::OK
    } else {
        exit::DIVERGED
    })
}

/// The plan for a target: what is moved goes there, all else to the neutral place.
fn plan(
    args: &CompareArgs,
    target: &Target,
    moved: &[Vec<u8>],
    neutral: PathBuf,
) -> Result<Plan, Failure> {
    let everything = moved.iter().any(|path| path == b"/");
    let options = match everything {
        true => planning::options(target.dir.clone(), Vec::new()),
        false => {
            let place = moved.iter().map(|path| (path.clone(), target.dir.clone()));
            planning::options(neutral, place.collect())
        }
    };
    planning::plan(&args.trace, false, &options)
}

fn progress_bar(args: &CompareArgs, targets: usize) -> ProgressBar {
    if args.quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new((u64::from(args.rounds) + 1) * targets as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}, {eta} left") {
        bar.set_style(style);
    }
    bar
}

fn show(bar: &ProgressBar, targets: &[Target], number: usize, stage: Stage) {
    let name = targets.get(number).map_or("", |target| &target.name);
    match stage {
        Stage::Preparing(_, made, of) if made % 512 == 0 => {
            bar.set_message(format!("{name}: making the tree, {made} of {of}"));
        }
        Stage::Preparing(..) => {}
        Stage::Executing(round) => {
            bar.set_message(match round {
                0 => format!("{name}: warming up"),
                round => format!("{name}: round {round}"),
            });
            bar.inc(1);
        }
    }
}

/// Reads the header and footer of a trace.
fn read(trace: &std::path::Path) -> Result<format::TraceReader, Failure> {
    format::open(trace).map_err(|error| Failure::trace(trace, &error))
}

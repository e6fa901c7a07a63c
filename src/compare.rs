//! `fsreplay compare`: what the tool would take on each of several mounts.

pub mod condition;
pub mod moved;
pub mod rank;
pub mod result;
mod sentence;
pub mod targets;
pub mod view;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use fsreplay_measure::contest::End;
use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::{ReplayError, Timing};
use fsreplay_results::compare::{self, Compare, Unfit};
use fsreplay_results::timeline::Phase;
use fsreplay_results::{Document, FileShare, Verdict};

use crate::args::CompareArgs;
use crate::exit::{self, Failure};
use crate::export;
use crate::measuring::{Asked, Found, measure};
use crate::planning;
use crate::report;
use crate::share;
use crate::term;
use crate::text;
use condition::Condition;
use result::{Described, Measured};
use targets::Target;

/// Runs the command and gives the status to exit with.
pub fn run(args: &CompareArgs) -> Result<i32, Failure> {
    let conditions = args
        .fail_if
        .iter()
        .map(|text| Condition::parse(text))
        .collect::<Result<Vec<_>, _>>()?;
    if args.phase.is_some() && (args.precise || args.timing != Timing::Scaled(1.0)) {
        let message = "--phase goes with times on paper: without --precise and --timing";
        return Err(Failure::new(exit::USAGE, message));
    }
    let share = share::of(&args.trace)?;
    if let Some(share) = share.as_ref().filter(|share| is_enough(args, share)) {
        let answer = format!("{} Compare all the same with --anyway.", share.sentence);
        if !args.quiet {
            term::print(&text!("{}\n", answer))?;
        }
        return Ok(exit::OK);
    }
    let cancelled = planning::cancelled_by_signals()?;
    let described = result::describe_trace(&args.trace)?;
    let (comparison, left) = find(args, described, &conditions, share, &cancelled)?;
    if let Some(path) = &args.json {
        term::write_json(path, &Document::Compare(comparison.clone()))?;
    }
    if let Some(path) = &args.html {
        report::write_page(path, vec![Document::Compare(comparison.clone())])?;
    }
    export::write(args.csv.as_ref(), || export::compare_csv(&comparison))?;
    export::write(args.markdown.as_ref(), || {
        export::compare_markdown(&comparison)
    })?;
    let files = [&args.json, &args.html, &args.csv, &args.markdown];
    if !args.quiet && !term::is_taken(&files) {
        term::print(&view::text(&comparison, args.verbose > 0))?;
    }
    let failed: Vec<&Condition> = conditions.iter().filter(|c| c.holds(&comparison)).collect();
    for condition in &failed {
        term::tell(&term::Text::of(&condition.explain(&comparison)));
    }
    let can_not_tell = |target: &compare::Target| target.ratio.verdict == Verdict::CannotTell;
    let status = if !failed.is_empty() {
        exit::DIVERGED
    } else if comparison.targets.iter().any(can_not_tell) {
        exit::CANNOT_TELL
    } else {
        exit::OK
    };
    Ok(planning::left(&left, status))
}

/// Measures, and gives what was found and the directories that could not be removed.
pub fn find(
    args: &CompareArgs,
    described: Described,
    conditions: &[Condition],
    share: Option<FileShare>,
    cancelled: &AtomicBool,
) -> Result<(Compare, Vec<ReplayError>), Failure> {
    let phase = phase(args.phase.as_deref(), &described.phases)?;
    let moved = moved::resolve(&args.moved, &args.trace, &described.header)?;
    let neutral = targets::neutral(args.neutral.as_deref())?;
    let (mut targets, mut plans) = targets::planned(
        targets::all(&args.target, &moved, &described.header)?,
        &args.target,
        |target| plan(args, &described, target, &moved, neutral.clone()),
    )?;
    let baseline = targets::baseline(
        args.baseline.as_deref(),
        &targets,
        &moved,
        &described.header,
    )?;
    for condition in conditions {
        condition.check_names(&targets)?;
    }
    let names = targets.iter().map(|target| target.name.clone()).collect();
    let recorded = targets::recorded(&targets, &moved, &described.header);
    let Found {
        method,
        rounds,
        series,
        in_phases,
        calls,
        end,
        budget,
        others,
        left,
        refused,
    } = measure(
        Asked {
            plans: &plans,
            names,
            baseline,
            phases: &described.phases,
            phase,
            recorded,
            timing: args.timing,
            precise: args.precise,
            rounds: args.rounds,
            budget: args.budget,
            cache: args.cache,
            quiet: args.quiet,
        },
        cancelled,
    )?;
    // What calls take elsewhere says nothing of what they took.
    let share = calls
        .filter(|_| recorded == Some(baseline))
        .and_then(|calls| share::measured(&plans[baseline], &described, &calls))
        .or(share);
    let unfit = leave_out(refused, &mut targets, &mut plans);
    // One that was left out may have been the baseline.
    let baseline = targets::baseline(
        args.baseline.as_deref(),
        &targets,
        &moved,
        &described.header,
    )?;
    let comparison = result::of(Measured {
        described,
        args,
        targets: &targets,
        plans: &plans,
        rounds,
        series,
        in_phases,
        phase,
        method,
        share,
        others,
        budget,
        interrupted: end == End::Interrupted,
        unfit,
        baseline,
        moved: &moved,
        neutral: &neutral,
    });
    Ok((comparison, left))
}

/// Whether the share of file access answers all that was asked for.
fn is_enough(args: &CompareArgs, share: &FileShare) -> bool {
    let files = [&args.json, &args.html, &args.csv, &args.markdown];
    let is_told_to_go_on = args.anyway
        || args.precise
        || !args.target.is_empty()
        || !args.fail_if.is_empty()
        || files.iter().any(|file| file.is_some());
    !is_told_to_go_on && share.is_small()
}

/// The number of the phase that was asked for.
fn phase(name: Option<&str>, phases: &[Phase]) -> Result<Option<usize>, Failure> {
    let Some(name) = name else {
        return Ok(None);
    };
    let found = phases.iter().position(|phase| phase.name == name);
    if found.is_some() {
        return Ok(found);
    }
    let names: Vec<&str> = phases.iter().map(|phase| phase.name.as_str()).collect();
    let known = if names.is_empty() {
        "the tool did not wait for the outside in between, so that there is one phase only".into()
    } else {
        format!("phases are: {}", names.join(", "))
    };
    let message = format!("there is no phase {name:?}; {known}");
    Err(Failure::new(exit::USAGE, message))
}

/// Takes the targets out that can't hold the tree.
fn leave_out(
    refused: Vec<(usize, ReplayError)>,
    targets: &mut Vec<Target>,
    plans: &mut Vec<Plan>,
) -> Vec<Unfit> {
    let refused = refused.into_iter().rev();
    let unfit = refused.map(|(number, error)| {
        plans.remove(number);
        let target = targets.remove(number);
        Unfit {
            name: target.name,
            path: target.dir.display().to_string(),
            reason: exit::chain(&error),
        }
    });
    let mut unfit: Vec<Unfit> = unfit.collect();
    unfit.reverse();
    unfit
}

/// The plan for a target: what is moved goes there, all else to the neutral place.
fn plan(
    args: &CompareArgs,
    described: &Described,
    target: &Target,
    moved: &[Vec<u8>],
    neutral: PathBuf,
) -> Result<Plan, Failure> {
    let everything = moved.iter().any(|path| path == b"/");
    let options = match everything {
        true => planning::options(target.dir.clone(), Vec::new()),
        false => {
            let place = moved.iter().map(|path| (path.clone(), target.dir.clone()));
            planning::apart(neutral, place.collect())
        }
    };
    planning::plan(&args.trace, &options, described.time)
}

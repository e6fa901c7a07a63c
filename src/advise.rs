//! `fsreplay advise`: which recorded directory, moved to which mount, gains what, and what to write into devcontainer.json.

mod anew;
mod candidates;
mod lines;
mod placements;
pub mod result;
mod tried;
mod verify;
pub mod view;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use fsreplay_replayer::Timing;
use fsreplay_replayer::plan::Plan;
use fsreplay_results::advise::Advise;
use fsreplay_results::{Document, Verdict};

use crate::args::AdviseArgs;
use crate::compare::moved;
use crate::compare::result::{Described, describe_trace};
use crate::compare::targets;
use crate::exit::{self, Failure};
use crate::export;
use crate::measuring::{Asked, Found, measure};
use crate::planning;
use crate::report;
use crate::term;
use placements::{Layout, Move};
use result::Measured;

/// The part of the budget in which is found where the time goes.
const FIRST_SHARE: f64 = 0.1;

/// Runs the command.
pub fn run(args: &AdviseArgs) -> Result<i32, Failure> {
    let cancelled = planning::cancelled_by_signals()?;
    let described = describe_trace(&args.trace)?;
    let directory = PathBuf::from(&described.trace.cwd);
    if args.verify {
        verify::possible()?;
    }
    let Advice {
        mut advice,
        targets,
        parts,
        mut status,
    } = find(args, described, &cancelled)?;
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
    if let Some(path) = &args.json {
        term::write_json(path, &Document::Advise(advice.clone()))?;
    }
    if let Some(path) = &args.html {
        report::write_page(path, vec![Document::Advise(advice.clone())])?;
    }
    export::write(args.csv.as_ref(), || export::advise_csv(&advice))?;
    export::write(args.markdown.as_ref(), || export::advise_markdown(&advice))?;
    let files = [&args.json, &args.html, &args.csv, &args.markdown];
    if !args.quiet && !term::is_taken(&files) {
        term::print(&view::text(&advice, &args.trace.path))?;
    }
    // What was measured is told all the same.
    unverified.map_or(Ok(status), Err)
}

/// What was found.
pub struct Advice {
    /// All of it.
    pub advice: Advise,
    /// Names and directories of the targets.
    pub targets: Vec<(String, PathBuf)>,
    /// On how many mounts the workspace lies.
    pub parts: usize,
    /// The status to exit with.
    pub status: i32,
}

/// Tries the advice with the real command, and gives the status that tells whether that confirms
/// it. Where there is none, there is nothing to confirm.
fn verified(
    asked: &verify::Asked<'_>,
    advice: &mut Advise,
    cancelled: &AtomicBool,
) -> Result<i32, Failure> {
    let Some(best) = result::best(advice) else {
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
    let header = &described.header;
    let workspace = moved::resolve("workspace", &args.trace, header)?;
    let neutral = targets::neutral(args.neutral.as_deref())?;
    let (targets, _) = targets::planned(
        targets::all(&args.target, &workspace, header)?,
        &args.target,
        |target| {
            let place = workspace
                .iter()
                .map(|path| (path.clone(), target.dir.clone()));
            let options = planning::apart(neutral.clone(), place.collect());
            planning::plan(&args.trace, &options, described.time)
        },
    )?;
    let asked = args.baseline.as_deref();
    let baseline = targets::baseline(asked, &targets, &workspace, header)?;
    if targets.len() < 2 {
        let message = "there is only one mount to choose from; name more with --target NAME=DIR";
        return Err(Failure::new(exit::USAGE, message));
    }
    let is_recorded = targets::recorded(&targets, &workspace, header) == Some(baseline);
    let workspace = workspace.into_iter().next().unwrap_or_default();
    let layout = Layout::of(workspace, baseline, &header.mounts, &targets);
    let plan = |moved: Option<&Move>| {
        let options = layout.options(moved, &targets, neutral.clone());
        planning::plan(&args.trace, &options, described.time)
    };
    let base = plan(None)?;
    let now = vec!["where the time goes".to_owned()];
    let began = Instant::now();
    let mut status = exit::OK;
    let mut play = |plans: &[Plan], names, budget| {
        let found = play(args, plans, names, budget, is_recorded, cancelled)?;
        status = planning::left(&found.left, status);
        Ok::<Found, Failure>(found)
    };
    let first = play(
        std::slice::from_ref(&base),
        now,
        args.budget.mul_f64(FIRST_SHARE),
    )?;
    let candidates = candidates::choose(&base, &first.rounds[0], &layout.workspace);
    let seen = anew::Seen::read(&args.trace)?;
    let (mut moves, kept) = layout.moves(&candidates, &targets, &seen);
    let mut plans = vec![base];
    let mut names = vec!["as it lies now".to_owned()];
    for one in &moves {
        plans.push(plan(Some(one))?);
        names.push(format!(
            "{} on {}",
            result::paths(one),
            targets[one.target].name
        ));
    }
    let rest = args.budget.saturating_sub(began.elapsed());
    let Found {
        rounds,
        series,
        refused,
        ..
    } = play(&plans, names, rest)?;
    let mut unfit = Vec::new();
    for (number, error) in refused.into_iter().rev() {
        // The layout as it lies now comes first; nothing can be compared without it.
        let Some(tried) = number.checked_sub(1) else {
            return Err(planning::failure(error));
        };
        plans.remove(number);
        unfit.push((moves.remove(tried), exit::chain(&error)));
    }
    let advice = result::of(Measured {
        described,
        targets: &targets,
        baseline,
        layout: &layout,
        candidates,
        moves,
        plans: &plans,
        rounds,
        series,
        kept,
        refused: unfit,
        seen: &seen,
    });
    let targets = targets.into_iter();
    Ok(Advice {
        advice,
        targets: targets.map(|target| (target.name, target.dir)).collect(),
        parts: layout.parts.len(),
        status,
    })
}

fn play(
    args: &AdviseArgs,
    plans: &[Plan],
    names: Vec<String>,
    budget: Duration,
    is_recorded: bool,
    cancelled: &AtomicBool,
) -> Result<Found, Failure> {
    let asked = Asked {
        plans,
        names,
        baseline: 0,
        phases: &[],
        phase: None,
        recorded: is_recorded.then_some(0),
        timing: Timing::Scaled(1.0),
        precise: false,
        rounds: args.rounds,
        budget: Some(budget),
        cache: None,
        quiet: args.quiet,
    };
    measure(asked, cancelled)
}

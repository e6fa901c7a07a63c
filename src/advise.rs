//! `fsreplay advise`: which recorded directory, moved to which mount, gains what, and what to write into devcontainer.json.

mod candidates;
mod lines;
mod result;

use std::path::PathBuf;

use fsreplay_replayer::contest::contest;
use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::{Cache, PlayOptions, Played, Timing};

use crate::args::AdviseArgs;
use crate::compare::moved;
use crate::compare::result::describe_trace;
use crate::compare::targets::{self, Target};
use crate::exit::{self, Failure};
use crate::planning;
use crate::term;
use candidates::Candidate;
use result::{Advice, Measured};

/// A placement that is tried: a directory on another target than the rest of the workspace.
pub struct Move {
    /// The recorded directory.
    pub path: Vec<u8>,
    /// Number of the target.
    pub target: usize,
}

/// Everything that stays the same from placement to placement.
struct Scene<'a> {
    args: &'a AdviseArgs,
    workspace: Vec<u8>,
    targets: Vec<Target>,
    baseline: usize,
    neutral: PathBuf,
}

/// Runs the command.
pub fn run(args: &AdviseArgs) -> Result<i32, Failure> {
    let described = describe_trace(&args.trace)?;
    let workspace = moved::resolve("workspace", &args.trace, &described.header)?;
    let targets = targets::all(&args.target, &workspace, &described.header)?;
    let baseline = targets::baseline(
        args.baseline.as_deref(),
        &targets,
        &workspace,
        &described.header,
    )?;
    if targets.len() < 2 {
        let message = "there is only one mount to choose from; name more with --target NAME=DIR";
        return Err(Failure::new(exit::USAGE, message));
    }
    let scene = Scene {
        args,
        workspace: workspace.into_iter().next().unwrap_or_default(),
        targets,
        baseline,
        neutral: targets::neutral(args.neutral.as_deref())?,
    };
    let cancelled = planning::cancelled_by_signals()?;
    let say = |text: &str| {
        if !args.quiet {
            eprintln!("fsreplay: {text}");
        }
    };
    say("measuring where the time goes");
    let base = scene.plan(None)?;
    let first = play(std::slice::from_ref(&base), 3, &cancelled)?;
    let candidates = candidates::choose(&base, &first[0], &scene.workspace);
    let moves = scene.moves(&candidates);
    let mut plans = vec![base];
    for one in &moves {
        plans.push(scene.plan(Some(one))?);
    }
    say(&format!("trying {} placements", moves.len()));
    let rounds = play(&plans, args.rounds, &cancelled)?;
    let advice = Advice::new(Measured {
        described,
        scene: &scene,
        candidates,
        moves,
        plans: &plans,
        rounds,
    });
    if let Some(path) = &args.json {
        term::write_json(path, &advice)?;
    }
    if !args.quiet && args.json.as_deref() != Some("-".as_ref()) {
        term::print_all(advice.text().as_bytes())?;
    }
    Ok(exit::OK)
}

fn play(
    plans: &[Plan],
    rounds: u32,
    cancelled: &std::sync::atomic::AtomicBool,
) -> Result<Vec<Vec<Played>>, Failure> {
    let options = PlayOptions {
        rounds,
        keep: false,
        timing: Timing::Scaled(1.0),
        cache: Cache::Warm,
    };
    let outcome = contest(plans, options, cancelled, &|_, _| {}).map_err(planning::failure)?;
    Ok(outcome.rounds)
}

impl Scene<'_> {
    /// The workspace on the baseline, and one directory of it elsewhere.
    fn plan(&self, moved: Option<&Move>) -> Result<Plan, Failure> {
        let here = self.targets[self.baseline].dir.clone();
        let mut place = vec![(self.workspace.clone(), here)];
        if let Some(moved) = moved {
            let there = self.targets[moved.target].dir.clone();
            if moved.path == self.workspace {
                place.clear();
            }
            place.push((moved.path.clone(), there));
        }
        let options = planning::options(self.neutral.clone(), place);
        planning::plan(&self.args.trace, false, &options)
    }

    /// Each candidate, and the whole workspace, on each other target.
    fn moves(&self, candidates: &[Candidate]) -> Vec<Move> {
        let paths = candidates.iter().map(|candidate| candidate.path.clone());
        let all: Vec<Vec<u8>> = paths.chain([self.workspace.clone()]).collect();
        let others = (0..self.targets.len()).filter(|target| *target != self.baseline);
        others
            .flat_map(|target| {
                all.iter().map(move |path| Move {
                    path: path.clone(),
                    target,
                })
            })
            .collect()
    }
}

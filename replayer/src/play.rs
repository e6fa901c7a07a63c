//! Rounds of a replay: make the tree, execute, compare, remove.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rustix::fs::Mode;

use crate::compare::compare;
use crate::error::ReplayError;
use crate::execute::execute;
use crate::plan::Plan;
use crate::preflight::preflight;
use crate::prepare::prepare;
use crate::result::{PlayResult, Round, SCHEMA_VERSION, TargetInfo, median, statistics};
use crate::sandbox::Sandbox;
use crate::sys;

/// How a plan is played.
#[derive(Clone, Copy, Debug)]
pub struct PlayOptions {
    /// How often.
    pub rounds: u32,
    /// Leave the last round's tree.
    pub keep: bool,
}

/// What is told while a replay goes on.
#[derive(Clone, Copy, Debug)]
pub enum Stage {
    /// Making the tree of a round: entries made, of how many.
    Preparing(u32, usize, usize),
    /// Executing a round.
    Executing(u32),
}

/// Plays a plan. When `cancelled` becomes true, the tree is removed and the replay ends.
pub fn play(
    plan: &Plan,
    options: PlayOptions,
    cancelled: &AtomicBool,
    progress: &(dyn Fn(Stage) + Sync),
) -> Result<PlayResult, ReplayError> {
    preflight(plan)?;
    let umask = Umask::clear();
    let mut result = PlayResult {
        schema_version: SCHEMA_VERSION,
        kind: "play",
        events: plan.coverage.events,
        divergences: 0,
        wall_seconds: Vec::new(),
        median_wall_seconds: 0.0,
        threads: plan.lanes.len(),
        coverage: plan.coverage,
        targets: targets(plan),
        rounds: Vec::new(),
        divergence_groups: Vec::new(),
        notes: plan.notes.clone(),
        kept: Vec::new(),
        cache: "warm: the tree was just made",
    };
    for round in 1..=options.rounds {
        let sandboxes = play_round(plan, round, cancelled, progress, &mut result)?;
        for sandbox in sandboxes {
            if options.keep && round == options.rounds {
                result.kept.push(sandbox.keep());
            } else {
                sandbox.remove()?;
            }
        }
    }
    drop(umask);
    result.median_wall_seconds = median(&result.wall_seconds);
    Ok(result)
}

fn play_round(
    plan: &Plan,
    round: u32,
    cancelled: &AtomicBool,
    progress: &(dyn Fn(Stage) + Sync),
    result: &mut PlayResult,
) -> Result<Vec<Sandbox>, ReplayError> {
    let begin = Instant::now();
    let sandboxes = plan
        .roots
        .iter()
        .map(|root| Sandbox::create(&root.target))
        .collect::<Result<Vec<_>, _>>()?;
    prepare(plan, &sandboxes, cancelled, &|made, of| {
        progress(Stage::Preparing(round, made, of))
    })?;
    for sandbox in &sandboxes {
        use std::os::fd::AsRawFd;
        sys::syncfs(sandbox.root().as_raw_fd()); // so that writing back the tree doesn't disturb
    }
    let prepare_seconds = begin.elapsed().as_secs_f64();
    if cancelled.load(Ordering::Relaxed) {
        return Err(ReplayError::Cancelled);
    }
    progress(Stage::Executing(round));
    let run = execute(plan, &sandboxes, cancelled)?;
    let roots: Vec<Vec<u8>> = sandboxes.iter().map(Sandbox::path_bytes).collect();
    let (groups, divergences) = compare(plan, &run, &roots);
    let (calls, call_seconds) = statistics(plan, &run);
    result.divergences = result.divergences.max(divergences);
    result.divergence_groups = groups;
    result.wall_seconds.push(run.wall_seconds);
    result.rounds.push(Round {
        wall_seconds: run.wall_seconds,
        prepare_seconds,
        call_seconds,
        wait_seconds: run.lanes.iter().map(|lane| lane.waited as f64 / 1e9).sum(),
        divergences,
        calls,
    });
    Ok(sandboxes)
}

fn targets(plan: &Plan) -> Vec<TargetInfo> {
    plan.roots
        .iter()
        .map(|root| TargetInfo {
            recorded: String::from_utf8_lossy(&root.recorded).into_owned(),
            path: root.target.clone(),
            fs_magic: rustix::fs::statfs(&root.target)
                .map_or_else(|_| "?".into(), |fs| format!("{:#x}", fs.f_type)),
        })
        .collect()
}

/// The process's umask, cleared while a replay runs: modes are folded at plan time.
struct Umask(Mode);

impl Umask {
    fn clear() -> Umask {
        Umask(rustix::process::umask(Mode::empty()))
    }
}

impl Drop for Umask {
    fn drop(&mut self) {
        rustix::process::umask(self.0);
    }
}

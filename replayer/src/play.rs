//! Rounds of a replay: make the tree, execute, compare, remove.

use std::sync::atomic::AtomicBool;

use fsreplay_results::SCHEMA_VERSION;
use fsreplay_results::play::{Play, TargetInfo};
use rustix::fs::{Mode, StatVfsMountFlags};

use crate::cache::Cache;
use crate::error::ReplayError;
use crate::estimate::Series;
use crate::options::{PlayOptions, Stage};
use crate::plan::Plan;
use crate::player::Player;
use crate::preflight::preflight;
use crate::result::prediction;
use crate::sandbox::{CleanOptions, Found, Outcome, clean};
use crate::timing::Timing;

/// What came of a replay.
#[derive(Debug)]
pub struct Replayed {
    /// Its result; what there is to know of the trace's end is for whoever has it.
    pub result: Play,
    /// Directories that could not be removed, each as a [`ReplayError::Left`].
    pub left: Vec<ReplayError>,
}

/// Plays a plan. When `cancelled` becomes true, the tree is removed and the replay ends.
pub fn play(
    plan: &Plan,
    options: PlayOptions,
    cancelled: &AtomicBool,
    progress: &(dyn Fn(Stage) + Sync),
) -> Result<Replayed, ReplayError> {
    preflight(plan)?;
    let cleaned = clean_targets(plan);
    let umask = Umask::clear();
    let mut result = Play {
        schema_version: SCHEMA_VERSION,
        events: plan.coverage.events,
        timing: options.timing.to_string(),
        threads: plan.lanes.len() as u64,
        coverage: plan.coverage,
        targets: targets(plan),
        notes: plan.notes.clone(),
        ..Play::default()
    };
    if cleaned > 0 {
        let text = "directories that killed replays had left in the target were removed";
        result.notes.push((text.into(), cleaned));
    }
    let noexec = plan.roots.iter().filter(|root| {
        rustix::fs::statvfs(&root.target)
            .is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::NOEXEC))
    });
    let count = noexec.count() as u64;
    if count > 0 {
        let text = "the target is mounted noexec: starting or mapping a program there fails";
        result.notes.push((text.into(), count));
    }
    let mut player = Player::new(plan, options);
    if options.cache == Cache::Warm {
        player.round(0, cancelled, progress)?;
    }
    let mut rounds = Vec::new();
    for round in 1..=options.rounds {
        rounds.push(player.round(round, cancelled, progress)?);
    }
    let ended = player.end();
    let kept = ended.kept.iter();
    result.kept = kept.map(|path| path.display().to_string()).collect();
    drop(umask);
    for played in rounds {
        result.divergences = result.divergences.max(played.round.divergences);
        result.divergence_groups = played.groups;
        result.wall_seconds.push(played.round.wall_seconds);
        result.rounds.push(played.round);
        result.cache = played.cache.to_owned();
    }
    result.seconds = Series::of(result.wall_seconds.clone()).time();
    if options.timing == Timing::Scaled(1.0) {
        result.prediction = Some(prediction(&result.wall_seconds, plan));
    }
    Ok(Replayed {
        result,
        left: ended.left,
    })
}

/// Removes what killed replays of this user left in the targets; what can't be removed is in
/// nobody's way.
pub(crate) fn clean_targets(plan: &Plan) -> u64 {
    let mut removed = 0;
    for root in &plan.roots {
        match clean(&root.target, CleanOptions::default()) {
            Ok(found) => {
                for Found { path, outcome } in found {
                    match outcome {
                        Outcome::Removed => removed += 1,
                        Outcome::Left(_) => {}
                        Outcome::Failed(error) => {
                            tracing::warn!("removing leftover {}: {error}", path.display());
                        }
                    }
                }
            }
            Err(error) => tracing::debug!("looking for leftovers: {error}"),
        }
    }
    removed
}

fn targets(plan: &Plan) -> Vec<TargetInfo> {
    plan.roots
        .iter()
        .map(|root| TargetInfo {
            recorded: String::from_utf8_lossy(&root.recorded).into_owned(),
            path: root.target.display().to_string(),
            fs_magic: rustix::fs::statfs(&root.target)
                .map_or_else(|_| "?".into(), |fs| format!("{:#x}", fs.f_type)),
        })
        .collect()
}

/// The process's umask, cleared while a replay runs: modes are folded at plan time.
pub(crate) struct Umask(Mode);

impl Umask {
    pub(crate) fn clear() -> Umask {
        Umask(rustix::process::umask(Mode::empty()))
    }
}

impl Drop for Umask {
    fn drop(&mut self) {
        rustix::process::umask(self.0);
    }
}

//! Several targets in turn: round by round, so that what the machine does meanwhile meets all of them.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use crate::cache::Cache;
use crate::error::ReplayError;
use crate::plan::Plan;
use crate::play::{PlayOptions, Stage, Umask, clean_targets};
use crate::player::{Played, Player, unslow};
use crate::preflight::preflight;

/// What a contest gave.
#[derive(Debug)]
pub struct Outcome {
    /// For each plan, the rounds that all plans went through.
    pub rounds: Vec<Vec<Played>>,
    /// It was ended before all rounds were played.
    pub interrupted: bool,
    /// How many rounds something else slowed.
    pub slowed: usize,
    /// Directories that could not be removed.
    pub left: Vec<ReplayError>,
    /// Plans whose targets can't hold the tree, in order, and why; they are not among the rounds.
    pub refused: Vec<(usize, ReplayError)>,
}

/// Plays plans in turn, `options.rounds` times. When `cancelled` becomes true, the rounds that were whole by then are kept; without
/// any, that is an error. `progress` is told the plan, and what happens to it.
pub fn contest(
    plans: &[Plan],
    options: PlayOptions,
    cancelled: &AtomicBool,
    progress: &(dyn Fn(usize, Stage) + Sync),
) -> Result<Outcome, ReplayError> {
    for plan in plans {
        preflight(plan)?;
        clean_targets(plan);
    }
    let _umask = Umask::clear();
    let mut players: Vec<Player<'_>> = plans
        .iter()
        .map(|plan| Player::new(plan, options))
        .collect();
    let mut rounds: Vec<Vec<Played>> = plans.iter().map(|_| Vec::new()).collect();
    let mut refused: BTreeMap<usize, ReplayError> = BTreeMap::new();
    let mut interrupted = false;
    let first = u32::from(options.cache != Cache::Warm);
    'rounds: for round in first..=options.rounds {
        let mut played = Vec::with_capacity(players.len());
        // Each begins in turn, so that nobody always comes after the same one.
        for turn in 0..players.len() {
            let number = (turn + round as usize) % players.len();
            if refused.contains_key(&number) {
                continue;
            }
            match players[number].round(round, cancelled, &|stage| progress(number, stage)) {
                Ok(one) => played.push((number, one)),
                Err(ReplayError::Cancelled) => {
                    interrupted = true;
                    break 'rounds;
                }
                Err(error) if error.is_target() && refused.len() + 1 < players.len() => {
                    players[number].clear()?;
                    refused.insert(number, error);
                }
                Err(error) => return Err(error),
            }
        }
        if round > 0 {
            for (number, one) in played {
                rounds[number].push(one);
            }
        }
    }
    let left: Vec<ReplayError> = players
        .into_iter()
        .flat_map(|player| player.end().left)
        .collect();
    let refused: Vec<(usize, ReplayError)> = refused.into_iter().collect();
    for (number, _) in refused.iter().rev() {
        rounds.remove(*number);
    }
    if rounds.iter().any(Vec::is_empty) {
        for left in left {
            tracing::warn!("{left}");
        }
        return Err(ReplayError::Cancelled);
    }
    let slowed = unslow(&mut rounds);
    Ok(Outcome {
        rounds,
        interrupted,
        slowed,
        left,
        refused,
    })
}

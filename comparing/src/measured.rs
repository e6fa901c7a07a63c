//! All that a comparison's result is made of, and what rounds say by themselves.

use std::path::Path;
use std::time::Duration;

use fsreplay_replayer::Played;
use fsreplay_replayer::estimate::Series;
use fsreplay_replayer::plan::Plan;
use fsreplay_results::FileShare;
use fsreplay_results::compare::{Cause, Method, Unfit};

use crate::described::Described;
use crate::options::Options;
use crate::targets::Target;

/// All that a result is made of.
pub(crate) struct Measured<'a> {
    pub described: Described,
    pub options: &'a Options,
    pub targets: &'a [Target],
    pub plans: &'a [Plan],
    pub rounds: Vec<Vec<Played>>,
    /// What the tool takes on each target.
    pub series: Vec<Series>,
    /// What it takes in each phase there, of those that are told apart.
    pub in_phases: Vec<Vec<Series>>,
    /// The phase that the verdicts are of; none where they are of all that it does.
    pub phase: Option<usize>,
    /// How that was found.
    pub method: Method,
    /// How much of the tool's time is file access, where it is known.
    pub share: Option<FileShare>,
    /// The part of the processors that others had meanwhile, 0 to 1, where it is known.
    pub others: Option<f64>,
    /// What the rounds were allowed to take.
    pub budget: Option<Duration>,
    pub interrupted: bool,
    /// Targets that can't hold the tree; they are not among the others.
    pub unfit: Vec<Unfit>,
    pub baseline: usize,
    pub moved: &'a [Vec<u8>],
    pub neutral: &'a Path,
}

/// What rounds took by the clock, seconds.
pub fn walls(rounds: &[Played]) -> Vec<f64> {
    let rounds = rounds.iter();
    rounds.map(|played| played.round.wall_seconds).collect()
}

/// Share of outcomes as recorded, in the worst round.
pub(crate) fn fidelity(plan: &Plan, rounds: &[Played]) -> f64 {
    let divergences = rounds.iter().map(|played| played.round.divergences).max();
    1.0 - divergences.unwrap_or(0) as f64 / plan.coverage.events.max(1) as f64
}

/// Why outcomes were not as recorded, the most frequent first.
pub(crate) fn causes(played: &Played) -> Vec<Cause> {
    const MOST: usize = 5;
    let mut causes: Vec<Cause> = played
        .groups
        .iter()
        .map(|group| Cause {
            call: group.call.clone(),
            cause: group.cause.clone(),
            count: group.count,
        })
        .collect();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.count));
    causes.truncate(MOST);
    causes
}

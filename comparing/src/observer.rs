//! What is told while targets are played.

use std::time::Duration;

use fsreplay_replayer::{ReplayError, Stage};

/// Is told how far it is. Each call is made between calls that are timed, or while trees are made:
/// what takes long here makes rounds fewer, and no time wrong.
pub trait Observer: Sync {
    /// A target that was found, not given, is left out before anything is played.
    fn left_out(&self, target: &str, why: &ReplayError) {
        let _ = (target, why);
    }

    /// What has these names is played from now on, for as long as that at most.
    fn begins(&self, names: &[String], extent: Extent) {
        let _ = (names, extent);
    }

    /// Something happens to the one of that number.
    fn stage(&self, number: usize, stage: Stage) {
        let _ = (number, stage);
    }

    /// What the tool takes so far, of all that take part, after some of the rounds.
    fn so_far(&self, standing: &[SoFar]) {
        let _ = standing;
    }

    /// All rounds are over.
    fn ends(&self) {}
}

/// Nobody is told.
impl Observer for () {}

/// How long rounds go on at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// As many of each, after one that warms up.
    Rounds(u32),
    /// Until so much time is over.
    Budget(Duration),
}

/// What the tool takes with one of those that are played, so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoFar {
    /// Its number.
    pub number: usize,
    /// What the tool takes, seconds.
    pub seconds: f64,
    /// Bounds of that beside the baseline's; none of the baseline.
    pub ratio: Option<(f64, f64)>,
}

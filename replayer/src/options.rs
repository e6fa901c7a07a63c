//! What a replay is asked for, and what it tells while it goes on.

use crate::cache::Cache;
use crate::timing::Timing;

/// How a plan is played.
#[derive(Clone, Copy, Debug)]
pub struct PlayOptions {
    /// How often.
    pub rounds: u32,
    /// Leave the last round's tree.
    pub keep: bool,
    /// With the tool's own time or without.
    pub timing: Timing,
    /// State of the page cache when a round begins.
    pub cache: Cache,
}

/// What is told while a replay goes on.
#[derive(Clone, Copy, Debug)]
pub enum Stage {
    /// Making the tree of a round: entries made, of how many.
    Preparing(u32, usize, usize),
    /// Executing a round.
    Executing(u32),
}

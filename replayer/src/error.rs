//! What can go wrong with a replay. A divergence is a result, not an error.

use std::path::PathBuf;

use thiserror::Error;

/// Why a replay can't be done.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The target is not usable; nothing was changed.
    #[error("target {}: {reason}", target.display())]
    Target {
        /// The directory asked for.
        target: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The tree could not be made or removed.
    #[error("{operation} {}", path.display())]
    Tree {
        /// What was being done.
        operation: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// Something of the process itself.
    #[error("{operation}")]
    Process {
        /// What was being done.
        operation: &'static str,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The plan doesn't hold together.
    #[error("the plan can't be executed: {0}")]
    Plan(String),
    /// The user has asked to stop.
    #[error("stopped; the replayed tree was removed")]
    Cancelled,
    /// No lane got on for a long time.
    #[error("the replay stands still: lane {lane} waits for operation {done} of lane {other}")]
    Stalled {
        /// Who waits.
        lane: usize,
        /// For whom.
        other: u32,
        /// For what.
        done: u32,
    },
}

impl ReplayError {
    /// Whether the target is to blame (exit status 4).
    pub fn is_target(&self) -> bool {
        matches!(self, ReplayError::Target { .. })
    }
}

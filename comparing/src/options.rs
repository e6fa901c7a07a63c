//! What is asked of a comparison.

use std::path::PathBuf;
use std::time::Duration;

use fsreplay_replayer::{Cache, Timing};

use crate::error::Error;

/// A directory to replay in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// What it is called; without one, as the last directory of its path.
    pub name: Option<String>,
    /// The directory. It has to be there, on the mount that is meant; a replay makes a directory of
    /// its own in it, and removes that.
    pub dir: PathBuf,
}

impl Given {
    /// A directory with a name.
    pub fn named(name: impl Into<String>, dir: impl Into<PathBuf>) -> Given {
        Given {
            name: Some(name.into()),
            dir: dir.into(),
        }
    }
}

/// What goes to the targets. All else is replayed in one common neutral place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Moved {
    /// The mount or the repository around the recorded working directory.
    #[default]
    Workspace,
    /// Everything.
    All,
    /// Recorded directories, absolute.
    Directories(Vec<Vec<u8>>),
}

/// How targets are compared. By default those that this machine or container has, on paper, with
/// what the tool would take.
#[derive(Clone, Debug)]
pub struct Options {
    /// The targets, whose names differ; without any, one writable mount of each kind that there is.
    pub targets: Vec<Given>,
    /// Name of the target that others are compared with; by default where the workspace was
    /// recorded, else a bind mount, else the first.
    pub baseline: Option<String>,
    /// Names of targets without which nobody wants the others: what keeps one of them from being
    /// played is an error.
    pub needed: Vec<String>,
    /// What goes to the targets.
    pub moved: Moved,
    /// Where all else is replayed; by default a directory for temporary files.
    pub neutral: Option<PathBuf>,
    /// With the tool's own time, which predicts what it would take, or without.
    pub timing: Timing,
    /// By the clock, in replays that take as long as the tool, and not on paper.
    pub precise: bool,
    /// Name of the phase that times and verdicts are of; by default they are of all that the tool
    /// does. On paper only.
    pub phase: Option<String>,
    /// Rounds on each target, at most.
    pub rounds: Option<u32>,
    /// What all rounds together may take, and working times out from them. By default
    /// [`BUDGET`](crate::BUDGET) on paper; by the clock ten rounds, however long.
    pub budget: Option<Duration>,
    /// State of the page cache when a round begins; by default warm with the tool's own time, else
    /// as a tree is when it was just made.
    pub cache: Option<Cache>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            targets: Vec::new(),
            baseline: None,
            needed: Vec::new(),
            moved: Moved::default(),
            neutral: None,
            timing: Timing::Scaled(1.0),
            precise: false,
            phase: None,
            rounds: None,
            budget: None,
            cache: None,
        }
    }
}

/// What advice is asked for.
#[derive(Clone, Debug)]
pub struct AdviceOptions {
    /// The targets to choose from, at least two, whose names differ; without any, one writable
    /// mount of each kind that there is.
    pub targets: Vec<Given>,
    /// Name of the target that the workspace lies on now; by default where it was recorded, else a
    /// bind mount, else the first.
    pub baseline: Option<String>,
    /// Where everything outside of the workspace is replayed; by default a directory for temporary
    /// files.
    pub neutral: Option<PathBuf>,
    /// Rounds of each placement, at most.
    pub rounds: Option<u32>,
    /// What all rounds together may take, and working times out from them.
    pub budget: Duration,
}

impl Default for AdviceOptions {
    /// Within a minute.
    fn default() -> AdviceOptions {
        AdviceOptions {
            targets: Vec::new(),
            baseline: None,
            neutral: None,
            rounds: None,
            budget: Duration::from_secs(60),
        }
    }
}

impl Options {
    /// Whether they go together, whatever the trace.
    ///
    /// # Errors
    /// [`Error::NoRounds`] and [`Error::PhaseByClock`].
    pub fn check(&self) -> Result<(), Error> {
        if self.rounds == Some(0) {
            Err(Error::NoRounds)
        } else if self.phase.is_some() && (self.precise || self.timing != Timing::Scaled(1.0)) {
            Err(Error::PhaseByClock)
        } else {
            Ok(())
        }
    }
}

impl AdviceOptions {
    /// The same for advice.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.rounds == Some(0) {
            Err(Error::NoRounds)
        } else {
            Ok(())
        }
    }
}

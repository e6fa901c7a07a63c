//! What keeps a comparison or advice from being made. What is in doubt is a result, not an error.

use std::path::PathBuf;

use fsreplay_replayer::ReplayError;
use fsreplay_replayer::mounts::SurveyError;
use fsreplay_replayer::planner::PlanError;
use fsreplay_trace::format::TraceError;

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A trace can't be read.
    #[error("{}: {source}", trace.display())]
    Trace {
        /// What it is called.
        trace: PathBuf,
        /// What is wrong with it.
        source: TraceError,
    },
    /// A trace can't be planned.
    #[error("{}: {source}", trace.display())]
    Plan {
        /// What it is called.
        trace: PathBuf,
        /// What is wrong with it.
        source: PlanError,
    },
    /// A target that can't be used, or anything else that ends a replay.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// It was ended before each target had a whole round.
    #[error(
        "stopped before each target had a whole round: there is nothing to compare; the replayed \
         trees were removed, unless a warning says otherwise"
    )]
    Stopped,
    /// What was named is no recorded directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The mounts of this machine can't be read.
    #[error(transparent)]
    Mounts(#[from] SurveyError),
    /// No target was given, and there is none.
    #[error("no mount here can be written to; give a directory")]
    NoMount,
    /// No neutral place was given, and there is none.
    #[error("neither /var/tmp nor /tmp can be written to; give a neutral place")]
    NoNeutralPlace,
    /// Advice needs another mount than the one that everything lies on.
    #[error("there is only one mount to choose from; name more")]
    OneMount,
    /// Two targets have the same name.
    #[error("two targets are called {name}: give them names")]
    SameName {
        /// That name.
        name: String,
    },
    /// The baseline, or a target that is needed, isn't one of the targets.
    #[error("{name}: no such target; there are {}", known.join(", "))]
    NoSuchTarget {
        /// What it was called.
        name: String,
        /// Names of the targets.
        known: Vec<String>,
    },
    /// The tool has no phase of that name.
    #[error("there is no phase {name:?}; {}", phases(known))]
    NoSuchPhase {
        /// What it was called.
        name: String,
        /// Names of the phases; empty where there is only one.
        known: Vec<String>,
    },
    /// Nothing is to be played.
    #[error("no rounds: at least one has to be played")]
    NoRounds,
    /// By the clock, phases can't be told apart.
    #[error("a phase goes with recorded timing on paper")]
    PhaseByClock,
}

/// Why a directory can't be taken for a recorded one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// It has no name.
    #[error("a directory without a name; give absolute recorded ones")]
    Nameless,
    /// It is relative.
    #[error("{path}: give absolute recorded directories, perhaps {perhaps}")]
    Relative {
        /// What was asked for.
        path: String,
        /// The same below the recorded working directory.
        perhaps: String,
    },
    /// It was never there, and wasn't made.
    #[error("{path}: {problem}")]
    Missing {
        /// What was asked for.
        path: String,
        /// What is wrong with it, and what was probably meant.
        problem: String,
    },
}

fn phases(known: &[String]) -> String {
    if known.is_empty() {
        "the tool did not wait for the outside in between, so that there is one phase only".into()
    } else {
        format!("phases are: {}", known.join(", "))
    }
}

impl Error {
    /// Whether the trace is to blame.
    pub fn is_of_trace(&self) -> bool {
        matches!(self, Error::Trace { .. } | Error::Plan { .. })
    }
}

//! Exit codes, as documented in `--help` and docs/reading-a-result.md, and the error that carries
//! one.

use std::sync::atomic::{AtomicBool, Ordering};

use fsreplay_compare::{DirectoryError, Error};
use fsreplay_replayer::ReplayError;
pub use fsreplay_shown::chain;
use fsreplay_trace::format::TraceError;

use crate::term::{self, Text};

/// Success.
pub const OK: i32 = 0;
/// Divergences under `--strict`, or a condition that failed.
pub const DIVERGED: i32 = 1;
/// Bad usage (clap uses it, too).
pub const USAGE: i32 = 2;
/// A trace, or a result of an earlier command, that can't be read.
pub const TRACE: i32 = 3;
/// A target that can't be used.
pub const TARGET: i32 = 4;
/// What was asked can't be told from what was measured.
pub const CANNOT_TELL: i32 = 5;
/// Any other failure.
pub const FAILURE: i32 = 6;
/// A message for the user, and the status to exit with.
#[derive(Debug)]
pub struct Failure {
    /// Exit status.
    pub code: i32,
    /// What went wrong and what to do.
    pub message: String,
}

impl Failure {
    /// A failure with that status.
    pub fn new(code: i32, message: impl Into<String>) -> Failure {
        Failure {
            code,
            message: message.into(),
        }
    }

    /// Whether it is no more than that the user has ended the command: what is wrong with a target
    /// or a trace is told all the same.
    pub fn is_users(&self, cancelled: &AtomicBool) -> bool {
        self.code == FAILURE && cancelled.load(Ordering::Relaxed)
    }

    /// A trace could not be read.
    pub fn trace(path: &std::path::Path, error: &TraceError) -> Failure {
        Failure::new(TRACE, format!("{}: {}", path.display(), chain(error)))
    }
}

impl From<ReplayError> for Failure {
    fn from(error: ReplayError) -> Failure {
        let code = if error.is_target() { TARGET } else { FAILURE };
        Failure::new(code, explained(&error))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error {
            Error::Trace { .. } | Error::Plan { .. } => Failure::new(TRACE, chain(&error)),
            Error::Replay(error) => Failure::from(error),
            Error::Stopped | Error::Mounts(_) => Failure::new(FAILURE, chain(&error)),
            Error::Directory(error) => directory("--move", &error),
            Error::NoMount => Failure::new(TARGET, format!("{error} with --target")),
            Error::NoNeutralPlace => Failure::new(TARGET, format!("{error} with --neutral")),
            Error::OneMount => Failure::new(USAGE, format!("{error} with --target NAME=DIR")),
            Error::SameName { .. } => Failure::new(USAGE, format!("{error}, as NAME=DIR")),
            Error::NoSuchTarget { .. } => Failure::new(USAGE, format!("--baseline {error}")),
            Error::NoSuchPhase { .. } => Failure::new(USAGE, error.to_string()),
            Error::NoRounds => Failure::new(USAGE, format!("--rounds: {error}")),
            Error::PhaseByClock => Failure::new(
                USAGE,
                "--phase goes with times on paper: without --precise and --timing",
            ),
        }
    }
}

/// A directory that an option names is none of the trace.
pub fn directory(option: &str, error: &DirectoryError) -> Failure {
    let message = match error {
        DirectoryError::Nameless => format!("{option}: {error}"),
        DirectoryError::Relative { .. } | DirectoryError::Missing { .. } => {
            format!("{option} {error}")
        }
    };
    Failure::new(USAGE, message)
}

/// A replay's error with its causes and what to do.
pub fn explained(error: &ReplayError) -> String {
    let mut text = chain(error);
    if let Some(advice) = error.advice() {
        text.push_str("; ");
        text.push_str(advice);
    }
    text
}

/// Tells of directories that could not be removed. With any, the status to exit with isn't `status`
/// but that of a failure.
pub fn left(left: &[ReplayError], status: i32) -> i32 {
    for error in left {
        term::tell(&Text::of(&explained(error)));
    }
    if left.is_empty() { status } else { FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_library_get_codes_and_the_names_of_options() {
        let path = || "/w/x".to_owned();
        let missing = DirectoryError::Missing {
            path: path(),
            problem: "why".into(),
        };
        let cases = [
            (Error::NoMount, TARGET, "give a directory with --target"),
            (
                Error::NoNeutralPlace,
                TARGET,
                "give a neutral place with --neutral",
            ),
            (Error::OneMount, USAGE, "name more with --target NAME=DIR"),
            (
                Error::SameName { name: "a".into() },
                USAGE,
                "two targets are called a: give them names, as NAME=DIR",
            ),
            (
                Error::NoSuchTarget {
                    name: "a".into(),
                    known: vec!["b".into(), "c".into()],
                },
                USAGE,
                "--baseline a: no such target; there are b, c",
            ),
            (
                Error::NoSuchPhase {
                    name: "a".into(),
                    known: vec!["start".into()],
                },
                USAGE,
                "there is no phase \"a\"; phases are: start",
            ),
            (Error::PhaseByClock, USAGE, "without --precise and --timing"),
            (Error::Stopped, FAILURE, "unless a warning says otherwise"),
            (Error::Directory(missing), USAGE, "--move /w/x: why"),
            (
                Error::Directory(DirectoryError::Nameless),
                USAGE,
                "--move: a directory without a name; give absolute recorded ones",
            ),
            (
                Error::Trace {
                    trace: "t.zst".into(),
                    source: TraceError::NotATrace,
                },
                TRACE,
                "t.zst: this is not a trace of fsreplay",
            ),
            (
                Error::Replay(ReplayError::Cancelled),
                FAILURE,
                "stopped; the replayed tree",
            ),
        ];
        for (error, code, words) in cases {
            let failure = Failure::from(error);
            assert_eq!(failure.code, code, "{}", failure.message);
            assert!(failure.message.contains(words), "{}", failure.message);
        }
    }
}

//! What can go wrong with an import.

use std::path::PathBuf;

use fsreplay_trace::build::BuildError;
use thiserror::Error;

/// Why a log can't be imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// A log can't be read.
    #[error("{}: reading line {line}", path.display())]
    Read {
        /// Which log.
        path: PathBuf,
        /// Which line of it.
        line: u64,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// No line of it is one of strace's.
    #[error("{}: no line of it is a call as strace prints it (line {line} begins {begin:?})",
        path.display())]
    NoLog {
        /// Which log.
        path: PathBuf,
        /// The first line that isn't.
        line: u64,
        /// How that begins.
        begin: String,
    },
    /// More than is taken from a stranger's file.
    #[error("{}: line {line}: {what}: no more is taken from one import", path.display())]
    TooMuch {
        /// Which log.
        path: PathBuf,
        /// Where it was reached.
        line: u64,
        /// What there is too much of.
        what: &'static str,
    },
    /// Several logs that nothing puts in order.
    #[error(
        "{}: its lines have no time of day: of several logs (strace -ff) nothing tells which call \
         came first. Record with -ttt, or in one log (-f -o FILE)", path.display()
    )]
    NoOrder {
        /// The first such log.
        path: PathBuf,
    },
    /// What a line tells can't be written into the trace.
    #[error("{}: line {line}", path.display())]
    Build {
        /// Which log.
        path: PathBuf,
        /// Which line was being written.
        line: u64,
        /// Why.
        #[source]
        source: BuildError,
    },
    /// The trace can't be written.
    #[error("the trace can't be written")]
    Write(#[from] BuildError),
}

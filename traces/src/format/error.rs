//! What can go wrong with a trace file.

use thiserror::Error;

/// Why a trace can't be read or written.
#[derive(Debug, Error)]
pub enum TraceError {
    /// The file begins with something else.
    #[error("this is not a trace of fsreplay")]
    NotATrace,
    /// The file was written by a newer fsreplay.
    #[error(
        "the trace has format version {found}, this fsreplay reads up to {supported}: use a newer \
         fsreplay"
    )]
    TooNew {
        /// Version that a reader must know.
        found: u16,
        /// Version that this one knows.
        supported: u16,
    },
    /// The file breaks off.
    #[error(
        "the trace is truncated after {events} events: its recording was cut off, or the file \
         was{}",
        what_to_do(*events)
    )]
    Truncated {
        /// Events up to the last whole block.
        events: u64,
    },
    /// The file contradicts itself.
    #[error("the trace is damaged: {0}")]
    Corrupt(&'static str),
    /// The file unpacks to more than is taken from a stranger's.
    #[error(
        "it holds more than {most} {what}, which no recording does: with --limit {name}=NUMBER \
         more is taken"
    )]
    Limit {
        /// Name of the limit.
        name: &'static str,
        /// What it counts.
        what: &'static str,
        /// The limit.
        most: u64,
    },
    /// A call that this version doesn't have.
    #[error(
        "the trace holds the call {0:?}, which this fsreplay doesn't know or knows with other \
         arguments: use a newer fsreplay"
    )]
    UnknownCall(String),
    /// More than the format holds.
    #[error("the recording is too large for a trace: {0}")]
    TooLarge(&'static str),
    /// Names can't be told apart by others of their length.
    #[error("the trace has more names of one length than can be replaced by different ones")]
    TooManyNames,
    /// Encoding the header or footer.
    #[error("the {what} can't be encoded: {message}")]
    Encode {
        /// Which part.
        what: &'static str,
        /// What the encoder says.
        message: String,
    },
    /// Reading or writing the file.
    #[error("{operation} the trace")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
}

/// What can be done with the beginning of a trace.
fn what_to_do(events: u64) -> &'static str {
    if events == 0 {
        ", and nothing is left of it"
    } else {
        " (info, dump, inspect, play, anonymize and export take what is whole, with --truncated)"
    }
}

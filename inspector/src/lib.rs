//! What a tool does to the file system, from its trace: where the time goes, and which of the work
//! is suspicious.
//!
//! One pass over the records. A light model follows them, as far as attribution needs it:
//! `places` (canonical paths, what is there, symbolic links), descriptors and working directories
//! of `processes`, and the files that names lead to (`files`), so that a `read` of a descriptor
//! counts for the file that was opened, by whatever path. What the model can't resolve is counted
//! as such and never dropped.
//!
//! Times are those of the recording: from entry to exit of each call, the recorder's own cost
//! included. They tell what is large and what is small; the time on a mount comes from a replay.
#![forbid(unsafe_code)]

pub mod diff;
mod effects;
mod files;
mod findings;
mod folded;
mod inspector;
mod lookup;
mod mounts;
mod names;
mod open_files;
mod phases;
mod places;
mod processes;
mod report;
mod tally;
mod tree;
mod walk;

#[cfg(test)]
mod tests;

pub use folded::write_folded;
pub use inspector::Inspector;
pub use open_files::{Held, OpenFile};
pub use report::Options;

use fsreplay_trace::format::{TraceError, TraceReader};

/// No place, no file, no text, no tally.
const NONE: u32 = u32::MAX;

/// Inspects a trace.
///
/// # Errors
/// Those of the reader; with `options.truncated`, a trace that breaks off is inspected as far as it
/// goes.
pub fn inspect(reader: &mut TraceReader, options: &Options) -> Result<Inspector, TraceError> {
    let mut inspector = Inspector::new(reader.header());
    loop {
        match reader.next_record() {
            Ok(Some(record)) => inspector.record(&record, reader.tables()),
            Ok(None) => break,
            Err(TraceError::Truncated { .. }) if options.truncated => break,
            Err(error) => return Err(error),
        }
    }
    Ok(inspector)
}

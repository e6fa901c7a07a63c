//! What is counted while a trace is planned.

use fsreplay_results::play::Coverage;

use super::Notes;

/// Counts.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) notes: Notes,
    pub(crate) coverage: Coverage,
    /// Passes over directories.
    pub(crate) listings: u32,
    /// The longest read or write, bytes.
    pub(crate) longest_transfer: u64,
}

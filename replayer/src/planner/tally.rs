//! What is counted while a trace is planned.

use fsreplay_results::play::Coverage;

use super::land::tree::NONE;
use super::{Class, Notes};

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

impl Tally {
    /// Number of events so far.
    pub(crate) fn moment(&self) -> u32 {
        self.coverage.events.min(u64::from(NONE)) as u32
    }

    /// One more event, of which that became.
    pub(crate) fn count(&mut self, class: Class) {
        self.coverage.events += 1;
        let count = match class {
            Class::Issued => &mut self.coverage.issued,
            Class::Pseudo => &mut self.coverage.pseudo,
            Class::Other => &mut self.coverage.other,
            Class::Skipped => &mut self.coverage.skipped,
            Class::Unresolved => &mut self.coverage.unresolved,
            Class::Unfinished => &mut self.coverage.unfinished,
        };
        *count += 1;
    }

    /// A read or write asks for so many bytes; the kernel moves no more than this at once.
    pub(crate) fn transfer(&mut self, length: u64) {
        self.longest_transfer = self.longest_transfer.max(length.min(0x7fff_f000));
    }

    /// The number of a pass over a directory that begins.
    pub(crate) fn begin_listing(&mut self) -> u32 {
        let number = self.listings;
        self.listings = number.saturating_add(1);
        number
    }
}

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

    /// Something was changed to fit, or could not be told.
    pub(crate) fn note(&mut self, note: &'static str) {
        self.notes.add(note);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_counts_as_one_thing() {
        let mut tally = Tally::default();
        for class in [
            Class::Issued,
            Class::Issued,
            Class::Pseudo,
            Class::Unfinished,
        ] {
            tally.count(class);
        }
        let coverage = tally.coverage;
        assert_eq!((coverage.events, tally.moment()), (4, 4));
        assert_eq!(
            (coverage.issued, coverage.pseudo, coverage.unfinished),
            (2, 1, 1)
        );
    }

    #[test]
    fn a_transfer_is_no_longer_than_the_kernel_makes_any() {
        let mut tally = Tally::default();
        tally.transfer(10);
        tally.transfer(5);
        assert_eq!(tally.longest_transfer, 10);
        tally.transfer(u64::MAX);
        assert_eq!(tally.longest_transfer, 0x7fff_f000);
        assert_eq!((tally.begin_listing(), tally.begin_listing()), (0, 1));
        assert_eq!(tally.listings, 2);
    }
}

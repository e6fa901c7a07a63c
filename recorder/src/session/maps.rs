//! Which addresses of a process map files, so that calls on other memory are not recorded.

use std::collections::BTreeMap;

/// Address ranges that map files: start → end.
///
/// May be wider than the truth (the kernel may have replaced parts by anonymous memory, which does not stop);
/// a call is recorded in doubt.
#[derive(Clone, Debug, Default)]
pub struct Maps(BTreeMap<u64, u64>);

impl Maps {
    /// A file was mapped.
    pub fn add(&mut self, start: u64, length: u64) {
        self.remove(start, length);
        if let Some(end) = end(start, length) {
            self.0.insert(start, end);
        }
    }

    /// A range was unmapped.
    pub fn remove(&mut self, start: u64, length: u64) {
        let Some(end) = end(start, length) else {
            return;
        };
        while let Some((from, to)) = self.overlapping(start, end) {
            self.0.remove(&from);
            if from < start {
                self.0.insert(from, start);
            }
            if to > end {
                self.0.insert(end, to);
            }
        }
    }

    /// A mapping was moved or resized.
    pub fn resize(&mut self, start: u64, length: u64, to: u64, to_length: u64) {
        self.remove(start, length);
        self.add(to, to_length);
    }

    /// Whether a range meets a mapping of a file.
    pub fn meets(&self, start: u64, length: u64) -> bool {
        // A length of 0 stands for the page it is on (old mremap), or fails: recorded in doubt.
        end(start, length.max(1)).is_some_and(|end| self.overlapping(start, end).is_some())
    }

    fn overlapping(&self, start: u64, end: u64) -> Option<(u64, u64)> {
        // Ranges don't overlap each other: the last one that starts before `end` is the only candidate.
        let (from, to) = self.0.range(..end).next_back()?;
        (*to > start).then_some((*from, *to))
    }
}

/// The end of a range in whole pages of 4 KiB (a smaller page than the machine's is only less exact).
fn end(start: u64, length: u64) -> Option<u64> {
    let end = start.checked_add(length)?.checked_add(4095)? & !4095;
    (length > 0).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_split_a_range() {
        let mut maps = Maps::default();
        maps.add(0x10000, 0x5000);
        maps.remove(0x11000, 0x1000);
        maps.remove(0x13000, 0x1001);
        assert!(maps.meets(0x10000, 1));
        assert!(!maps.meets(0x11000, 0x1000));
        assert!(maps.meets(0x11000, 0x1001));
        assert!(!maps.meets(0x13000, 0x2000));
        maps.remove(0, u64::MAX - 8192);
        assert!(!maps.meets(0, u64::MAX - 8192));
    }

    #[test]
    fn a_new_mapping_replaces_and_a_moved_one_moves() {
        let mut maps = Maps::default();
        maps.add(0x10000, 10);
        maps.add(0x10000, 0x3000);
        maps.resize(0x10000, 0x3000, 0x90000, 0x6000);
        assert!(!maps.meets(0x10000, 0x3000));
        assert!(maps.meets(0x95fff, 1));
        assert!(!maps.meets(u64::MAX - 5, 100));
    }
}

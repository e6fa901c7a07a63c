//! Which addresses of a process map files: calls on other memory touch none, and are no events.

use std::collections::BTreeMap;

use crate::call::Op;

/// Address ranges that map files: start → end.
///
/// May be wider than the truth, where parts were replaced by anonymous memory unseen: in doubt a
/// call is an event.
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

    /// Follows a call that went well: what it did with these addresses. The third argument is the
    /// new length where a mapping is moved or resized; the result is where a new one lies.
    pub fn follow(&mut self, op: Op, address: u64, length: u64, third: u64, result: u64) {
        match op {
            Op::Map => self.add(result, length),
            Op::Unmap => self.remove(address, length),
            Op::Remap => self.resize(address, length, result, third),
            _ => {}
        }
    }

    /// Whether a call may touch a file as far as addresses tell: one on memory that is no file's
    /// doesn't, and is no event.
    pub fn concerns(&self, op: Op, address: u64, length: u64) -> bool {
        match op {
            Op::Unmap | Op::Remap | Op::MapSync | Op::MapAdvise => self.meets(address, length),
            _ => true,
        }
    }

    /// Whether a range meets a mapping of a file.
    pub fn meets(&self, start: u64, length: u64) -> bool {
        // A length of 0 stands for the page it is on (old mremap), or fails: recorded in doubt.
        end(start, length.max(1)).is_some_and(|end| self.overlapping(start, end).is_some())
    }

    fn overlapping(&self, start: u64, end: u64) -> Option<(u64, u64)> {
        // Ranges don't overlap each other: only the last one that starts before `end` can meet it.
        let (from, to) = self.0.range(..end).next_back()?;
        (*to > start).then_some((*from, *to))
    }
}

/// The end of a range in whole pages of 4 KiB: a page smaller than the machine's is less exact
/// only.
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
    fn a_hole_parts_a_mapping() {
        let mut maps = Maps::default();
        maps.add(0x10000, 0x5000);
        maps.remove(0x11000, 0x1000);
        assert!(maps.meets(0x10000, 1) && maps.meets(0x12000, 0));
        assert!(!maps.meets(0x11000, 0x1000) && !maps.meets(0x15000, 1));
        maps.add(u64::MAX, 1);
        assert!(!maps.meets(u64::MAX, 1));
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

    #[test]
    fn calls_on_memory_that_is_no_file_s_concern_none() {
        let mut maps = Maps::default();
        maps.follow(Op::Map, 0, 0x3000, 0, 0x10000);
        maps.follow(Op::Remap, 0x10000, 0x3000, 0x6000, 0x90000);
        maps.follow(Op::Unmap, 0x90000, 0x1000, 0, 0);
        maps.follow(Op::MapAdvise, 0x91000, 0x5000, 0, 0);
        for op in [Op::Unmap, Op::Remap, Op::MapSync, Op::MapAdvise] {
            let concerned = [0x10000, 0x90000, 0x91000, 0x95000, 0x96000]
                .map(|address| maps.concerns(op, address, 0x1000));
            assert_eq!(concerned, [false, false, true, true, false], "{op:?}");
        }
        // It makes one, or it isn't about memory.
        assert!(maps.concerns(Op::Map, 0x10000, 1) && maps.concerns(Op::Read, 0, 1));
    }
}

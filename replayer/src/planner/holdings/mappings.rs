//! Address spaces: which ranges map which file.

use std::collections::BTreeMap;

use fsreplay_trace::call::ArgKind;

use super::super::hash::FastMap;
use super::super::land::Land;
use super::super::land::tree::NONE;
use super::super::order::Side;
use super::super::order::frontier::Frontier;
use super::super::order::uses::{Resource, Uses};
use super::super::{Class, Cx, Draft, Notes};
use super::Holdings;
use crate::plan::Action;
use crate::sys::TOUCHED_WRITTEN;

/// A mapped range, from its start to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) end: u64,
    /// Number of the mapping.
    pub(crate) map: u32,
    /// Where this range begins in the mapping, bytes.
    pub(crate) start_in_map: u64,
}

/// The file mappings of a process, or of several that share their memory.
#[derive(Debug, Default)]
pub(crate) struct Space {
    pub(crate) refs: u32,
    ranges: BTreeMap<u64, Range>,
}

/// A part of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) map: u32,
    pub(crate) start: u64,
    pub(crate) length: u64,
}

impl Space {
    /// An empty one for one task.
    pub(crate) fn new() -> Space {
        Space {
            refs: 1,
            ranges: BTreeMap::new(),
        }
    }

    /// The first mapped part in a range of addresses.
    pub(crate) fn first(&self, address: u64, length: u64) -> Option<Part> {
        let end = address.saturating_add(length.max(1));
        let before = self
            .ranges
            .range(..=address)
            .next_back()
            .filter(|(_, range)| range.end > address);
        let (start, range) = before.or_else(|| self.ranges.range(address..end).next())?;
        let from = address.max(*start);
        Some(Part {
            map: range.map,
            start: range.start_in_map + (from - start),
            length: end.min(range.end) - from,
        })
    }

    /// Adds a range. What lay there is to be removed first.
    pub(crate) fn add(&mut self, address: u64, length: u64, map: u32, start_in_map: u64) {
        let end = address.saturating_add(length);
        if end > address {
            self.ranges.insert(
                address,
                Range {
                    end,
                    map,
                    start_in_map,
                },
            );
        }
    }

    /// Removes a range of addresses; the parts of mappings that were there.
    pub(crate) fn remove(&mut self, address: u64, length: u64) -> Vec<Part> {
        let end = address.saturating_add(length);
        let mut touched: Vec<(u64, Range)> = Vec::new();
        if let Some((start, range)) = self.ranges.range(..address).next_back()
            && range.end > address
        {
            touched.push((*start, *range));
        }
        touched.extend(self.ranges.range(address..end).map(|(s, r)| (*s, *r)));
        let mut parts = Vec::new();
        for (start, range) in touched {
            self.ranges.remove(&start);
            let from = start.max(address);
            let to = range.end.min(end);
            parts.push(Part {
                map: range.map,
                start: range.start_in_map + (from - start),
                length: to - from,
            });
            if start < from {
                self.add(start, from - start, range.map, range.start_in_map);
            }
            if to < range.end {
                let skipped = to - start;
                let rest = range.end - to;
                self.add(to, rest, range.map, range.start_in_map + skipped);
            }
        }
        parts
    }

    /// Empties it; the parts of mappings that were there.
    pub(crate) fn clear(&mut self) -> Vec<Part> {
        let ranges = std::mem::take(&mut self.ranges);
        ranges
            .into_iter()
            .map(|(start, range)| Part {
                map: range.map,
                start: range.start_in_map,
                length: range.end - start,
            })
            .collect()
    }
}

/// One mapping of the replay.
#[derive(Debug, Default)]
pub(crate) struct Mapping {
    /// Bytes of it that are still mapped.
    pub(crate) live: u64,
    pub(crate) length: u64,
    pub(crate) ino: u32,
    pub(crate) frontier: Frontier,
}

/// All mappings, by number; numbers are used again by the lane that unmapped.
#[derive(Default)]
pub(crate) struct Mappings {
    pub(crate) all: Vec<Mapping>,
    free: FastMap<u32, Vec<u32>>,
}

impl Mappings {
    /// A number for an op of `lane`.
    pub(crate) fn take(&mut self, lane: u32, length: u64, ino: u32) -> u32 {
        let new = Mapping {
            live: length,
            length,
            ino,
            frontier: Frontier::default(),
        };
        if let Some(map) = self.free.get_mut(&lane).and_then(Vec::pop) {
            self.all[map as usize] = new;
            return map;
        }
        self.all.push(new);
        (self.all.len() - 1) as u32
    }

    /// The op that removes a part of a mapping: `None` for a part that only another map covered,
    /// where just the model has to know (`whole_only`).
    pub(crate) fn unmap(
        &mut self,
        lane: u32,
        part: Part,
        whole_only: bool,
        land: &mut Land,
    ) -> Option<(Action, Resource)> {
        let mapping = &mut self.all[part.map as usize];
        mapping.live = mapping.live.saturating_sub(part.length);
        let gone = mapping.live == 0;
        let (whole, ino) = (mapping.length, mapping.ino);
        if gone {
            self.give(lane, part.map);
            if ino != NONE {
                let inode = land.tree.inode_mut(ino);
                inode.opens = inode.opens.saturating_sub(1);
                land.room.maybe_gone(&mut land.tree, ino);
            }
        }
        let (start, length) = match (whole_only, gone) {
            (true, false) => return None,
            (true, true) => (0, whole),
            (false, _) => (part.start, part.length),
        };
        let action = Action::Unmap {
            map: part.map,
            start,
            length,
        };
        Some((action, Resource::Map(part.map)))
    }

    /// A number whose mapping the op being made on `lane` removes.
    pub(crate) fn give(&mut self, lane: u32, map: u32) {
        self.free.entry(lane).or_default().push(map);
    }
}

impl Holdings {
    /// A call mapped so many bytes of a file, perhaps to write to it: the number of that mapping.
    pub(crate) fn mapped(
        &mut self,
        cx: &Cx,
        (length, ino, writes): (u64, u32, bool),
        uses: &mut Uses,
        land: &mut Land,
    ) -> u32 {
        let space = self.procs.task(cx.task).mm;
        let rounded = length.checked_next_multiple_of(4096).unwrap_or(length);
        let map = self.maps.take(cx.lane, rounded, ino);
        uses.add(Resource::Map(map), Side::Write);
        let address = cx.event.result as u64;
        self.procs.spaces[space as usize].add(address, rounded, map, 0);
        if ino != NONE {
            land.tree.inode_mut(ino).opens += 1;
            if writes {
                // So much is touched at most; a file of holes may be larger than any disk.
                let size = land.tree.inode(ino).size.min(TOUCHED_WRITTEN as u64);
                land.room.written(&mut land.tree, ino, 0, size);
            }
        }
        map
    }

    /// `mremap` moves or resizes a mapping of the recorded process; the replay's stays where it is.
    pub(crate) fn remap(&mut self, cx: &Cx, notes: &mut Notes) -> Draft {
        let draft = Draft::nothing(cx, Class::Other);
        if !cx.ok() {
            return draft;
        }
        let (address, length) = mapped_range(cx);
        let space = self.procs.task(cx.task).mm as usize;
        let Some(part) = self.procs.spaces[space].first(address, 1) else {
            return draft;
        };
        let new_length = cx
            .number(ArgKind::Count)
            .checked_next_multiple_of(4096)
            .unwrap_or(0);
        self.procs.spaces[space].remove(address, length);
        let target = cx.event.result as u64;
        self.procs.spaces[space].remove(target, new_length);
        self.procs.spaces[space].add(target, new_length, part.map, part.start);
        let mapping = &mut self.maps.all[part.map as usize];
        mapping.live = mapping
            .live
            .saturating_sub(length)
            .saturating_add(new_length);
        notes.add("memory maps that were moved or resized");
        draft
    }
}

/// The addresses that a call is about: the first, and how many, whole pages.
pub(crate) fn mapped_range(cx: &Cx) -> (u64, u64) {
    let length = cx.number(ArgKind::Length);
    let rounded = length.checked_next_multiple_of(4096).unwrap_or(length);
    (cx.number(ArgKind::Address), rounded)
}

#[cfg(test)]
mod tests {
    use super::super::super::land::tree::{Kind, Tree};
    use super::*;

    #[test]
    fn a_hole_leaves_both_ends() {
        let mut space = Space::new();
        space.add(0x1000, 0x4000, 3, 0);
        let parts = space.remove(0x2000, 0x1000);
        assert_eq!(
            parts,
            vec![Part {
                map: 3,
                start: 0x1000,
                length: 0x1000
            }]
        );
        let rest = space.first(0x3800, 0x100).map(|part| part.start);
        assert_eq!(rest, Some(0x2800));
        assert_eq!(space.first(0x2000, 0x1000), None);
        assert_eq!(space.clear().len(), 2);
    }

    #[test]
    fn ends_of_the_address_space_do_not_overflow() {
        let mut space = Space::new();
        space.add(u64::MAX - 10, 100, 0, 0);
        assert_eq!(space.remove(0, u64::MAX).len(), 1);
    }

    #[test]
    fn only_the_last_part_of_a_mapping_lets_its_file_go() {
        let mut land = Land::new(Tree::new(), &[], 1);
        let ino = land.tree.add_inode(Kind::File, 0, 0);
        land.tree.inode_mut(ino).opens = 1;
        let mut maps = Mappings::default();
        let map = maps.take(0, 0x3000, ino);
        let part = |start, length| Part { map, start, length };
        let first = maps.unmap(0, part(0, 0x1000), true, &mut land);
        assert!(first.is_none(), "another map covers a part only");
        assert_eq!(land.tree.inode(ino).opens, 1);
        let named = maps.unmap(0, part(0x1000, 0x1000), false, &mut land);
        let Some((Action::Unmap { start, length, .. }, _)) = named else {
            panic!("a call removes a part: {named:?}");
        };
        assert_eq!((start, length), (0x1000, 0x1000));
        let last = maps.unmap(0, part(0x2000, 0x1000), true, &mut land);
        let Some((Action::Unmap { start, length, .. }, _)) = last else {
            panic!("the whole goes: {last:?}");
        };
        assert_eq!((start, length), (0, 0x3000));
        assert_eq!(land.tree.inode(ino).opens, 0);
        assert_eq!(
            maps.take(0, 0x1000, ino),
            map,
            "its number is free for that lane"
        );
        assert_ne!(maps.take(1, 0x1000, ino), map);
    }
}

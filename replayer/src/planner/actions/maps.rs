//! Memory maps of files.

use fsreplay_trace::call::{ArgKind, Call, Op};

use super::super::mappings::Part;
use super::super::order::Side;
use super::super::tree::NONE;
use super::super::{Class, Cx, Draft, Planner, Resource};
use super::{flag_bits, number, signed};
use crate::plan::{Action, Check};
use crate::sys::TOUCHED_WRITTEN;

const MAP_SHARED: u32 = 1;
const MAP_TYPE: u32 = 0xf;
const PROT_WRITE: u64 = 2;

/// Advice that is issued: of what an access will be like, to take pages out of memory or into it,
/// and on what a fork or a core dump does. The rest is left out: some of it works on anonymous
/// memory only, and some on pages of the machine (`MADV_HWPOISON`, `MADV_SOFT_OFFLINE`;
/// madvise(2)).
const ISSUED_ADVICE: &[i32] = &[
    libc::MADV_NORMAL,
    libc::MADV_RANDOM,
    libc::MADV_SEQUENTIAL,
    libc::MADV_WILLNEED,
    libc::MADV_DONTNEED,
    libc::MADV_REMOVE,
    libc::MADV_DONTFORK,
    libc::MADV_DOFORK,
    libc::MADV_HUGEPAGE,
    libc::MADV_NOHUGEPAGE,
    libc::MADV_DONTDUMP,
    libc::MADV_DODUMP,
    MADV_COLD,
    MADV_PAGEOUT,
];
const MADV_COLD: i32 = 20;
const MADV_PAGEOUT: i32 = 21;

impl Planner {
    pub(super) fn map(&mut self, cx: &Cx) -> Draft {
        let length = number(cx, ArgKind::Length);
        let space = self.holdings.procs.task(cx.task).mm;
        if cx.ok() {
            // What lay there (a fixed address over an earlier map) is gone.
            let rounded = length.checked_next_multiple_of(4096).unwrap_or(length);
            let parts =
                self.holdings.procs.spaces[space as usize].remove(cx.event.result as u64, rounded);
            for part in parts {
                if let Some((action, resource)) = self.unmap_part(cx.lane, part, true) {
                    self.extra_write(cx.lane, cx.event.entry, action, Call::munmap, resource);
                }
            }
        }
        let file = match self.file(cx, ArgKind::Fd) {
            Ok(file) => file,
            Err(draft) => return draft,
        };
        let bits = flag_bits(cx);
        let prot = number(cx, ArgKind::Prot);
        let writes = bits & MAP_TYPE != 2 && bits & MAP_SHARED != 0 && prot & PROT_WRITE != 0;
        self.mark_read(file.ino);
        self.need_inode(file.ino, if writes { Side::Write } else { Side::Read });
        let map = if cx.ok() {
            self.mapped(cx, space, length, file.ino, writes)
        } else {
            u32::MAX
        };
        let action = Action::Map {
            fd: file.slot,
            map,
            length,
            prot: prot as i32,
            flags: bits as i32,
            offset: signed(cx, ArgKind::Offset),
        };
        Draft::issue(cx, action)
            .check(Check::Success)
            .mount(file.mount)
    }

    fn mapped(&mut self, cx: &Cx, space: u32, length: u64, ino: u32, writes: bool) -> u32 {
        let rounded = length.checked_next_multiple_of(4096).unwrap_or(length);
        let map = self.holdings.maps.take(cx.lane, rounded, ino);
        self.uses.add(Resource::Map(map), Side::Write);
        let address = cx.event.result as u64;
        self.holdings.procs.spaces[space as usize].add(address, rounded, map, 0);
        if ino != NONE {
            self.land.tree.inode_mut(ino).opens += 1;
            if writes {
                // So much is touched at most; a file of holes may be larger than any disk.
                let size = self.land.tree.inode(ino).size.min(TOUCHED_WRITTEN as u64);
                self.land.room.written(&mut self.land.tree, ino, 0, size);
            }
        }
        map
    }

    /// The op that removes a part of a mapping: `None` for a part that only another map covered,
    /// where just the model has to know (`whole_only`).
    pub(crate) fn unmap_part(
        &mut self,
        lane: u32,
        part: Part,
        whole_only: bool,
    ) -> Option<(Action, Resource)> {
        let mapping = &mut self.holdings.maps.all[part.map as usize];
        mapping.live = mapping.live.saturating_sub(part.length);
        let gone = mapping.live == 0;
        let (whole, ino) = (mapping.length, mapping.ino);
        if gone {
            self.holdings.maps.give(lane, part.map);
            if ino != NONE {
                let inode = self.land.tree.inode_mut(ino);
                inode.opens = inode.opens.saturating_sub(1);
                self.land.room.maybe_gone(&mut self.land.tree, ino);
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

    pub(super) fn unmap(&mut self, cx: &Cx) -> Draft {
        if !cx.ok() {
            return Draft::nothing(cx, Class::Other);
        }
        let (address, length) = range(cx);
        let space = self.holdings.procs.task(cx.task).mm;
        let parts = self.holdings.procs.spaces[space as usize].remove(address, length);
        let mut pending = None;
        for part in parts {
            if let Some((action, resource)) = pending.take() {
                self.extra_write(cx.lane, cx.event.entry, action, cx.event.call, resource);
            }
            pending = self.unmap_part(cx.lane, part, false);
        }
        match pending {
            Some((action, resource)) => {
                self.uses.add(resource, Side::Write);
                Draft::issue(cx, action)
            }
            None => Draft::nothing(cx, Class::Other),
        }
    }

    /// `mremap` moves or resizes a mapping of the recorded process; the replay's stays where it is.
    pub(super) fn remap(&mut self, cx: &Cx) -> Draft {
        let draft = Draft::nothing(cx, Class::Other);
        if !cx.ok() {
            return draft;
        }
        let (address, length) = range(cx);
        let space = self.holdings.procs.task(cx.task).mm as usize;
        let Some(part) = self.holdings.procs.spaces[space].first(address, 1) else {
            return draft;
        };
        let new_length = number(cx, ArgKind::Count)
            .checked_next_multiple_of(4096)
            .unwrap_or(0);
        self.holdings.procs.spaces[space].remove(address, length);
        let target = cx.event.result as u64;
        self.holdings.procs.spaces[space].remove(target, new_length);
        self.holdings.procs.spaces[space].add(target, new_length, part.map, part.start);
        let mapping = &mut self.holdings.maps.all[part.map as usize];
        mapping.live = mapping
            .live
            .saturating_sub(length)
            .saturating_add(new_length);
        self.tally
            .notes
            .add("memory maps that were moved or resized");
        draft
    }

    /// `msync` and `madvise`.
    pub(super) fn map_hint(&mut self, cx: &Cx, op: Op) -> Draft {
        let (address, length) = range(cx);
        let space = self.holdings.procs.task(cx.task).mm as usize;
        let Some(part) = self.holdings.procs.spaces[space].first(address, length) else {
            return Draft::nothing(cx, Class::Other);
        };
        self.uses.add(Resource::Map(part.map), Side::Read);
        let ino = self.holdings.maps.all[part.map as usize].ino;
        self.need_inode(ino, Side::Read);
        let bits = flag_bits(cx) as i32;
        if op != Op::MapSync && !ISSUED_ADVICE.contains(&bits) {
            self.tally.notes.add("madvise advice that is not issued");
            return Draft::nothing(cx, Class::Other);
        }
        let (map, start, length) = (part.map, part.start, part.length);
        let action = if op == Op::MapSync {
            Action::MapSync {
                map,
                start,
                length,
                flags: bits,
            }
        } else {
            Action::MapAdvise {
                map,
                start,
                length,
                advice: bits,
            }
        };
        let mount = self.mount_of(ino);
        Draft::issue(cx, action).mount(mount)
    }
}

fn range(cx: &Cx) -> (u64, u64) {
    let length = number(cx, ArgKind::Length);
    let rounded = length.checked_next_multiple_of(4096).unwrap_or(length);
    (number(cx, ArgKind::Address), rounded)
}

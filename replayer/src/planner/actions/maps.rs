//! Memory maps of files.

use fsreplay_trace::call::{ArgKind, Call, Op};

use super::super::holdings::mappings::{Part, mapped_range};
use super::super::order::Side;
use super::super::{Class, Cx, Draft, Planner, Resource};
use crate::plan::{Action, Check};

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
        let length = cx.number(ArgKind::Length);
        let space = self.holdings.procs.task(cx.task).mm;
        if cx.ok() {
            // What lay there (a fixed address over an earlier map) is gone.
            let rounded = length.checked_next_multiple_of(4096).unwrap_or(length);
            let parts =
                self.holdings.procs.spaces[space as usize].remove(cx.event.result as u64, rounded);
            self.unmap_parts(cx.lane, cx.event.entry, parts);
        }
        let file = match self.file(cx, ArgKind::Fd) {
            Ok(file) => file,
            Err(draft) => return draft,
        };
        let bits = cx.flags();
        let prot = cx.number(ArgKind::Prot);
        let writes = bits & MAP_TYPE != 2 && bits & MAP_SHARED != 0 && prot & PROT_WRITE != 0;
        self.land.mark_read(file.ino);
        self.uses
            .inode(file.ino, if writes { Side::Write } else { Side::Read });
        let map = if cx.ok() {
            self.holdings.mapped(
                cx,
                (length, file.ino, writes),
                &mut self.uses,
                &mut self.land,
            )
        } else {
            u32::MAX
        };
        let action = Action::Map {
            fd: file.slot,
            map,
            length,
            prot: prot as i32,
            flags: bits as i32,
            offset: cx.signed(ArgKind::Offset),
        };
        Draft::issue(cx, action)
            .check(Check::Success)
            .mount(file.mount)
    }

    /// Removes parts of mappings that no call names, before an op of `lane` at that time.
    pub(in super::super) fn unmap_parts(&mut self, lane: u32, time: u64, parts: Vec<Part>) {
        for part in parts {
            let unmap = self.holdings.maps.unmap(lane, part, true, &mut self.land);
            if let Some((action, resource)) = unmap {
                self.writer()
                    .extra_write(lane, time, action, Call::munmap, resource);
            }
        }
    }

    pub(super) fn unmap(&mut self, cx: &Cx) -> Draft {
        if !cx.ok() {
            return Draft::nothing(cx, Class::Other);
        }
        let (address, length) = mapped_range(cx);
        let space = self.holdings.procs.task(cx.task).mm;
        let parts = self.holdings.procs.spaces[space as usize].remove(address, length);
        let mut pending = None;
        for part in parts {
            if let Some((action, resource)) = pending.take() {
                self.writer()
                    .extra_write(cx.lane, cx.event.entry, action, cx.event.call, resource);
            }
            pending = self
                .holdings
                .maps
                .unmap(cx.lane, part, false, &mut self.land);
        }
        match pending {
            Some((action, resource)) => {
                self.uses.add(resource, Side::Write);
                Draft::issue(cx, action)
            }
            None => Draft::nothing(cx, Class::Other),
        }
    }

    /// `msync` and `madvise`.
    pub(super) fn map_hint(&mut self, cx: &Cx, op: Op) -> Draft {
        let (address, length) = mapped_range(cx);
        let space = self.holdings.procs.task(cx.task).mm as usize;
        let Some(part) = self.holdings.procs.spaces[space].first(address, length) else {
            return Draft::nothing(cx, Class::Other);
        };
        self.uses.add(Resource::Map(part.map), Side::Read);
        let ino = self.holdings.maps.all[part.map as usize].ino;
        self.uses.inode(ino, Side::Read);
        let bits = cx.flags() as i32;
        if op != Op::MapSync && !ISSUED_ADVICE.contains(&bits) {
            self.tally.note("madvise advice that is not issued");
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
        let mount = self.land.tree.mount_of(ino);
        Draft::issue(cx, action).mount(mount)
    }
}

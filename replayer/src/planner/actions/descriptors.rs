//! Opening, closing and duplicating descriptors.

use fsreplay_trace::abi::{self, CLOSE_RANGE_CLOEXEC, CLOSE_RANGE_UNSHARE, OpenFlags};
use fsreplay_trace::call::ArgKind;

use super::super::holdings::fds::What;
use super::super::holdings::tables::Entry;
use super::super::land::tree::{Kind, NONE};
use super::super::order::Side;
use super::super::paths::Hint;
use super::super::{Class, Cx, Draft, Planner, Resource};
use super::{creation_hint, lookup_hint};
use crate::plan::{Action, Check, Slot};

impl Planner {
    pub(super) fn open(&mut self, cx: &Cx) -> Draft {
        let recorded = cx.flags();
        let creates = cx.event.made().is_some();
        let temporary = self.setting.dialect.recorded.is_temporary(recorded);
        let cloexec = recorded & abi::O_CLOEXEC != 0;
        let mut reached = match self.reach(cx, open_hint(cx, self.setting.dialect.recorded)) {
            Ok(reached) => reached,
            Err(draft) => {
                if cx.ok() {
                    self.holdings
                        .put_virtual(cx, cx.event.result, draft.class, cloexec);
                }
                return draft;
            }
        };
        let mode = if creates || temporary {
            cx.number(ArgKind::Mode) as u32 & 0o7777 & !self.holdings.procs.fs(cx.task).umask
        } else {
            0
        };
        let mut action = Action::Open {
            at: reached.at,
            flags: self.setting.dialect.translate(recorded) as i32,
            mode,
            resolve: cx.number(ArgKind::Mask),
            out: Slot::BAD,
        };
        let mount = self.land.tree.mount_at(&reached.walked);
        if !cx.ok() {
            reached.walked.failed(&mut self.uses);
            return Draft::issue(cx, action).mount(mount);
        }
        let ino = self
            .land
            .opened(&mut self.uses, cx, &mut reached.walked, temporary);
        match self.land.tree.inode(ino).kind {
            Kind::Fifo => return self.holdings.open_fifo(cx, ino, recorded, cloexec),
            Kind::Socket if recorded & abi::O_PATH == 0 => {
                self.holdings
                    .put_virtual(cx, cx.event.result, Class::Other, cloexec);
                return Draft::nothing(cx, Class::Other);
            }
            _ => {}
        }
        let slot = self.holdings.fds.take_slot(cx.lane);
        self.uses.slot(slot, Side::Write);
        if let Action::Open { out, .. } = &mut action {
            *out = Slot(slot);
        }
        let handle = self
            .holdings
            .fds
            .open(What::Real, ino, recorded, Some(slot));
        self.land.tree.inode_mut(ino).opens += 1;
        self.holdings.put_fd(cx, cx.event.result, handle, cloexec);
        Draft::issue(cx, action).check(Check::Success).mount(mount)
    }

    pub(super) fn close(&mut self, cx: &Cx) -> Draft {
        let fd = cx.event.fd(ArgKind::Fd).unwrap_or(-1);
        if cx.event.errno() == Some(libc::EBADF) {
            return Draft::issue(cx, Action::Close { fd: Slot::BAD });
        }
        let taken = self.holdings.procs.table_mut(cx.task).take(fd, cx.horizon);
        let Some(entry) = taken else {
            self.tally.note("descriptors that no recorded call opened");
            return Draft::nothing(cx, Class::Unresolved);
        };
        let class = self.holdings.fds.class_of(entry.handle);
        let mount = self
            .land
            .tree
            .mount_of(self.holdings.fds.description(entry.handle).ino);
        self.unlock_for(cx, entry.handle);
        match self.close_handle(cx, entry.handle) {
            Some(action) => Draft::issue(cx, action).mount(mount),
            None => Draft::nothing(cx, class),
        }
    }

    /// The call closes a descriptor of the process; its locks on that file end before.
    fn unlock_for(&mut self, cx: &Cx, handle: u32) {
        let table = self.holdings.procs.task(cx.task).table;
        self.unlock_first((table, cx.lane, cx.event.entry), handle);
    }

    /// The call that closes one of a handle's descriptors; `None` if nothing is open behind it.
    fn close_handle(&mut self, cx: &Cx, handle: u32) -> Option<Action> {
        let shared = self.holdings.fds.handle(handle);
        if shared.slot().is_some() && shared.holders > 1 {
            let fresh = self.holdings.fds.take_slot(cx.lane);
            self.duplicate_first(cx, shared.slot, fresh);
            self.holdings.fds.let_go(handle);
            self.uses.slot(fresh, Side::Write);
            self.holdings.fds.give_slot(cx.lane, fresh);
            return Some(Action::Close { fd: Slot(fresh) });
        }
        let dropped = self.holdings.fds.let_go(handle);
        self.description_ended(cx.lane, dropped.ended);
        let slot = dropped.slot?;
        self.uses.slot(slot.0, Side::Write);
        self.holdings.fds.give_slot(cx.lane, slot.0);
        Some(Action::Close { fd: slot })
    }

    /// A duplicate made before the call itself, of a descriptor that others still hold.
    pub(crate) fn duplicate_first(&mut self, cx: &Cx, slot: u32, fresh: u32) {
        let action = Action::Dup {
            fd: Slot(slot),
            out: Slot(fresh),
            cloexec: true,
        };
        let needs = [
            (Resource::Slot(slot), Side::Read),
            (Resource::Slot(fresh), Side::Write),
        ];
        self.writer()
            .extra(cx.lane, cx.event.entry, action, cx.event.call, &needs);
    }

    pub(super) fn close_range(&mut self, cx: &Cx) -> Draft {
        if !cx.ok() {
            return Draft::nothing(cx, Class::Other);
        }
        let bits = cx.flags();
        if bits & CLOSE_RANGE_UNSHARE != 0 {
            self.holdings.unshare_table(cx.task);
        }
        let clamp = |kind| cx.number(kind).min(i32::MAX as u64) as u32;
        // Numbers are unsigned ints there; ~0U means "to the end".
        let first = clamp(ArgKind::Fd) as i32;
        let last = (cx.number(ArgKind::NewFd) as u32).min(i32::MAX as u32) as i32;
        let fds = self.holdings.procs.table(cx.task).range(first, last);
        let mut pending: Option<Action> = None;
        for fd in fds {
            if bits & CLOSE_RANGE_CLOEXEC != 0 {
                if let Some(entry) = self.holdings.procs.table_mut(cx.task).get_mut(fd) {
                    entry.cloexec = true;
                }
                continue;
            }
            let Some(entry) = self.holdings.procs.table_mut(cx.task).take(fd, u32::MAX) else {
                continue;
            };
            // All but the last become ops of their own, in front.
            if let Some(action) = pending.take() {
                self.close_first(cx, action);
            }
            self.unlock_for(cx, entry.handle);
            pending = self.close_handle(cx, entry.handle);
        }
        match pending {
            Some(action) => Draft::issue(cx, action),
            None => Draft::nothing(cx, Class::Other),
        }
    }

    fn close_first(&mut self, cx: &Cx, action: Action) {
        if let Action::Close { fd } = action {
            self.writer().extra_write(
                cx.lane,
                cx.event.entry,
                action,
                cx.event.call,
                Resource::Slot(fd.0),
            );
        }
    }

    pub(super) fn dup(&mut self, cx: &Cx) -> Draft {
        self.duplicate(cx, cx.event.result, false)
    }

    /// `dup` and `F_DUPFD*`: a new number for a descriptor.
    pub(super) fn duplicate(&mut self, cx: &Cx, new: i64, cloexec: bool) -> Draft {
        let file = match self.file(cx, ArgKind::Fd) {
            Ok(file) => file,
            Err(draft) => {
                if cx.ok() {
                    self.holdings
                        .duplicate_virtual(cx, new, cloexec, draft.class);
                }
                return draft;
            }
        };
        let mut out = Slot::BAD;
        if cx.ok() && file.handle != NONE {
            let slot = self.holdings.fds.take_slot(cx.lane);
            self.uses.slot(slot, Side::Write);
            let handle = self.holdings.fds.duplicate(file.handle, Some(slot));
            self.holdings.put_fd(cx, new, handle, cloexec);
            out = Slot(slot);
        }
        let action = Action::Dup {
            fd: file.slot,
            out,
            cloexec,
        };
        Draft::issue(cx, action)
            .check(Check::Success)
            .mount(file.mount)
    }

    pub(super) fn dup_to(&mut self, cx: &Cx) -> Draft {
        let new = cx.number(ArgKind::NewFd) as i32;
        let cloexec = cx.flags() & abi::O_CLOEXEC != 0;
        let old = cx.event.fd(ArgKind::Fd).unwrap_or(-1);
        if !cx.ok() {
            return self.duplicate(cx, -1, cloexec);
        }
        if old == new {
            return Draft::nothing(cx, Class::Other);
        }
        let source = self.holdings.procs.table(cx.task).get(old, cx.horizon);
        let replaced = self.holdings.procs.table_mut(cx.task).take(new, u32::MAX);
        if let Some(entry) = replaced {
            self.unlock_for(cx, entry.handle);
        }
        let Some(source) = source else {
            self.tally.note("descriptors that no recorded call opened");
            let closed = replaced.and_then(|entry| self.close_handle(cx, entry.handle));
            self.holdings
                .put_virtual(cx, i64::from(new), Class::Unresolved, cloexec);
            return close_or(cx, closed, Class::Unresolved);
        };
        let shared = self.holdings.fds.handle(source.handle);
        let Some(slot) = shared.slot() else {
            let class = self.holdings.fds.class_of(source.handle);
            let closed = replaced.and_then(|entry| self.close_handle(cx, entry.handle));
            let handle = self.holdings.fds.duplicate(source.handle, None);
            self.holdings.put_fd(cx, i64::from(new), handle, cloexec);
            return close_or(cx, closed, class);
        };
        self.uses.slot(slot.0, Side::Read);
        let mount = self
            .land
            .tree
            .mount_of(self.holdings.fds.description(source.handle).ino);
        let out = self.replaced_slot(cx, replaced);
        self.uses.slot(out, Side::Write);
        let handle = self.holdings.fds.duplicate(source.handle, Some(out));
        self.holdings.put_fd(cx, i64::from(new), handle, cloexec);
        let action = Action::Dup {
            fd: slot,
            out: Slot(out),
            cloexec,
        };
        Draft::issue(cx, action).check(Check::Success).mount(mount)
    }

    /// The slot that a `dup2` replaces: that of the descriptor it closes, or a new one.
    fn replaced_slot(&mut self, cx: &Cx, replaced: Option<Entry>) -> u32 {
        let Some(entry) = replaced else {
            return self.holdings.fds.take_slot(cx.lane);
        };
        let shared = self.holdings.fds.handle(entry.handle);
        if shared.slot().is_some() && shared.holders > 1 {
            let fresh = self.holdings.fds.take_slot(cx.lane);
            self.duplicate_first(cx, shared.slot, fresh);
            self.holdings.fds.let_go(entry.handle);
            return fresh;
        }
        let dropped = self.holdings.fds.let_go(entry.handle);
        self.description_ended(cx.lane, dropped.ended);
        match dropped.slot {
            Some(slot) => slot.0,
            None => self.holdings.fds.take_slot(cx.lane),
        }
    }
}

/// What an open tells about its path.
fn open_hint(cx: &Cx, flags: OpenFlags) -> Hint {
    let recorded = cx.flags();
    if cx.event.made().is_some() && !flags.is_temporary(recorded) {
        creation_hint(cx)
    } else if !cx.ok() {
        lookup_hint(cx, Kind::Unknown)
    } else if recorded & flags.directory != 0 {
        Hint::Exists(Kind::Directory)
    } else {
        Hint::Exists(Kind::Unknown)
    }
}

fn close_or(cx: &Cx, closed: Option<Action>, class: Class) -> Draft {
    match closed {
        Some(action) => Draft::issue(cx, action).check(Check::Success),
        None => Draft::nothing(cx, class),
    }
}

//! Calls on locks, and what has to be planned before them.

use fsreplay_trace::call::{ArgKind, Call};
use fsreplay_trace::model::Record;

use super::super::locking::contention::{Contention, Deed};
use super::super::locking::locks::{LockCall, LockKind};
use super::super::order::Side;
use super::super::writer::Writer;
use super::super::{Cx, Planner, Resource};
use super::File;
use crate::plan::{Action, Slot};

impl Planner {
    /// The descriptor that a lock of `fcntl` is issued on.
    pub(super) fn issued_on(&mut self, cx: &Cx, file: &File) -> Slot {
        let table = self.holdings.procs.task(cx.task).table;
        let moment = self.tally.moment();
        let (order, tree) = (&mut self.order, &mut self.land.tree);
        let mut writer = Writer::new(order, tree, &mut self.holdings, &mut self.time, moment);
        let (paths, notes) = (&mut self.paths, &mut self.tally.notes);
        let slot = self
            .locking
            .issued_on(cx, file, table, &mut writer, paths, notes);
        if slot != file.slot {
            self.uses.slot(slot.0, Side::Read);
        }
        slot
    }

    /// A process is about to close a descriptor, now, by an op of `lane`; its locks on that file
    /// end before.
    pub(in super::super) fn unlock_first(
        &mut self,
        (table, lane, time): (u32, u32, u64),
        handle: u32,
    ) {
        let moment = self.tally.moment();
        let (order, tree) = (&mut self.order, &mut self.land.tree);
        let mut writer = Writer::new(order, tree, &mut self.holdings, &mut self.time, moment);
        self.locking
            .unlock_first((table, lane, time), handle, &mut writer);
    }

    /// Notes what the call being planned does with a lock, and what it has to wait for. Gives
    /// whether the lock can be what the call took.
    pub(super) fn lock_called(&mut self, cx: &Cx) -> bool {
        let deed = Deed::of(cx.event, cx.horizon, &self.holdings, &self.land.tree);
        let (order, notes) = (&mut self.order, &mut self.tally.notes);
        deed.is_none_or(|deed| self.locking.called(&deed, cx.lane, order, notes))
    }

    /// Of the records that are held back, one that must have come before the first because of a
    /// lock.
    pub(in super::super) fn overdue_lock(&mut self) -> Option<usize> {
        loop {
            let contention = Contention {
                locks: &self.locking.locks,
                holdings: &self.holdings,
                tree: &self.land.tree,
                sequence: &self.sequence,
            };
            if !contention.may_matter() {
                return None;
            }
            let Some(index) = contention.before_asking() else {
                return contention.before_giving();
            };
            if !self.lets_go_first(index) {
                return Some(index);
            }
        }
    }

    /// A flock(2) that asks for another kind lets go of the one that it has before it waits. So
    /// that happens first where others got the lock meanwhile.
    fn lets_go_first(&mut self, index: usize) -> bool {
        let Some(held) = self.sequence.held().nth(index) else {
            return false;
        };
        let Record::Event(event) = &held.record else {
            return false;
        };
        let (event, horizon) = (*event, held.horizon());
        let deed = Deed::of(&event, horizon, &self.holdings, &self.land.tree);
        let Some(deed) = deed.filter(|deed| {
            let converts = deed.what == LockCall::Took && deed.lock.kind == LockKind::Whole;
            converts && self.locking.locks.excluded_by(&deed.lock).next().is_some()
        }) else {
            return false;
        };
        let task = event.task.0;
        let fd = event.fd(ArgKind::Fd).unwrap_or(-1);
        let entry = self.holdings.procs.table(task).get(fd, horizon);
        let slot = entry.and_then(|entry| self.holdings.fds.handle(entry.handle).slot());
        let Some(slot) = slot.filter(|_| self.locking.locks.holds(&deed.lock)) else {
            return false;
        };
        let lane = self.holdings.procs.task(task).lane;
        let by = self.order.next(lane);
        self.locking.locks.gave(&mut self.order, &deed.lock, by);
        let action = Action::Flock {
            fd: slot,
            operation: libc::LOCK_UN,
        };
        let needs = [(Resource::Slot(slot.0), Side::Read)];
        self.writer()
            .extra(lane, event.entry, action, Call::flock, &needs);
        true
    }
}

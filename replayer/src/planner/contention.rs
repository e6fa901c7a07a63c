//! Calls on locks: whose lock each means, and which of overlapping calls came first.
//!
//! A trace tells when calls began and returned. A lock that was taken while another excluded it
//! was given back before, by a call that returned later, or by a task's end; an attempt that was
//! refused came before the call that ended what it found. So such records are taken in another
//! order.

use fsreplay_trace::call::{ArgKind, Call, Op};
use fsreplay_trace::model::{Event, Record};

use super::concerns::{may_concern_locks, takes_paths};
use super::locks::{Lock, LockCall, LockKind, LockRange, Owner};
use super::order::Side;
use super::sequence::Held;
use super::tree::NONE;
use super::{Cx, Planner, Resource};
use crate::plan::Action;

pub(super) const F_SETLK: u64 = 6;
pub(super) const F_SETLKW: u64 = 7;
pub(super) const F_OFD_SETLK: u64 = 37;
pub(super) const F_OFD_SETLKW: u64 = 38;
pub(super) const F_RDLCK: u64 = 0;
pub(super) const F_WRLCK: u64 = 1;
pub(super) const F_UNLCK: u64 = 2;
const CLOSE_RANGE_CLOEXEC: u64 = 4;
pub(super) const SEEK_CUR: u64 = 1;
const SEEK_END: u64 = 2;

/// What a record does with a lock.
struct Deed {
    lock: Lock,
    what: LockCall,
}

/// A lock that a record gives back.
struct Given {
    lock: Lock,
    /// Whether the owner keeps one that excludes only those that exclude it.
    shared: bool,
}

impl Planner {
    /// What a call on a lock found, if that decides about order. Questions (`F_GETLK`) don't.
    fn deed(&self, event: &Event, horizon: u32) -> Option<Deed> {
        let task = event.task.0;
        if !self.holdings.procs.is_alive(task) {
            return None;
        }
        let fd = event.fd(ArgKind::Fd)?;
        let entry = self.holdings.procs.table(task).get(fd, horizon)?;
        let handle = self.holdings.fds.handle(entry.handle);
        handle.slot()?;
        let command = event.arg(ArgKind::Command)?;
        let description = self.holdings.fds.description(entry.handle);
        let ino = description.ino;
        let (kind, owner, range, exclusive, gives) = match (event.call, command) {
            (Call::flock, _) => (
                LockKind::Whole,
                Owner::File(handle.description),
                LockRange::ALL,
                command as i32 & libc::LOCK_EX != 0,
                command as i32 & libc::LOCK_UN != 0,
            ),
            (Call::fcntl, F_SETLK | F_SETLKW | F_OFD_SETLK | F_OFD_SETLKW) => {
                let kind = event.arg(ArgKind::Argument)?;
                let owner = match command {
                    F_SETLK | F_SETLKW => Owner::Process(self.holdings.procs.task(task).table),
                    _ => Owner::File(handle.description),
                };
                let range = self.locked_range(event, description.offset, ino);
                let (exclusive, gives) = (kind == F_WRLCK, kind == F_UNLCK);
                (LockKind::Record, owner, range, exclusive, gives)
            }
            _ => return None,
        };
        let what = match event.errno() {
            None if event.result == Event::NO_RETURN => return None,
            None if gives => LockCall::Gave,
            None => LockCall::Took,
            Some(libc::EAGAIN | libc::EACCES) if !gives => LockCall::Refused,
            Some(_) => return None,
        };
        let lock = Lock {
            ino,
            kind,
            owner,
            range,
            exclusive,
        };
        (ino != NONE).then_some(Deed { lock, what })
    }

    /// Where the range of an `fcntl` lock begins, from the start of the file.
    pub(super) fn lock_start(&self, event: &Event, offset: u64, ino: u32) -> i128 {
        let from = match event.arg(ArgKind::Whence) {
            Some(SEEK_CUR) => offset,
            Some(SEEK_END) if ino != NONE => self.land.tree.inode(ino).size,
            _ => 0,
        };
        i128::from(from) + i128::from(event.arg(ArgKind::LockStart).unwrap_or(0) as i64)
    }

    fn locked_range(&self, event: &Event, offset: u64, ino: u32) -> LockRange {
        let start = self.lock_start(event, offset, ino);
        let length = i128::from(event.arg(ArgKind::LockLength).unwrap_or(0) as i64);
        let (first, last) = match length {
            0 => (start, i128::from(u64::MAX)),
            1.. => (start, start + length - 1),
            _ => (start + length, start - 1),
        };
        let byte = |at: i128| u64::try_from(at.max(0)).unwrap_or(u64::MAX);
        LockRange {
            first: byte(first),
            last: byte(last),
        }
    }

    /// Notes what the call being planned does with a lock, and what it has to wait for. Gives
    /// whether the lock can be what the call took: tasks that move an offset which they share at
    /// the same time don't tell which of them moved it last, and a range that begins there may be
    /// another one than the model has.
    pub(super) fn lock_called(&mut self, cx: &Cx) -> bool {
        let Some(deed) = self.deed(cx.event, cx.horizon) else {
            return true;
        };
        if deed.what == LockCall::Took
            && self.locking.locks.excluded_by(&deed.lock).next().is_some()
        {
            self.tally
                .notes
                .add("locks that were taken though another had them, and are not issued");
            return false;
        }
        self.locking
            .locks
            .call(&mut self.order, cx.lane, &deed.lock, deed.what);
        true
    }

    /// What a record gives back, if it does.
    fn given_back(&self, record: &Record, horizon: u32) -> Vec<Given> {
        let mut locks = Vec::new();
        let (task, closed) = match record {
            Record::Event(event) => {
                if let Some(deed) = self.deed(event, horizon) {
                    let (lock, whole) = (deed.lock, deed.lock.kind == LockKind::Whole);
                    let given = |shared| Given { lock, shared };
                    match deed.what {
                        LockCall::Gave => locks.push(given(false)),
                        // A flock(2) of another kind lets go of the one before.
                        LockCall::Took | LockCall::Refused if whole => locks.push(given(false)),
                        LockCall::Took if !lock.exclusive => locks.push(given(true)),
                        LockCall::Took | LockCall::Refused => {}
                    }
                    return locks;
                }
                (event.task.0, self.closed_by(event, horizon))
            }
            Record::TaskExit(exit) if self.holdings.procs.is_alive(exit.task.0) => {
                let table = self.holdings.procs.task(exit.task.0).table;
                if self.holdings.procs.tables.is_shared(table) {
                    return locks;
                }
                (exit.task.0, self.holdings.procs.tables.get(table).handles())
            }
            _ => return locks,
        };
        for handle in closed {
            let ino = self.holdings.fds.description(handle).ino;
            let file = Owner::File(self.holdings.fds.handle(handle).description);
            let process = Owner::Process(self.holdings.procs.task(task).table);
            let all = [
                (LockKind::Whole, file),
                (LockKind::Record, file),
                (LockKind::Record, process),
            ];
            locks.extend(
                all.iter()
                    .filter(|(kind, _)| self.locking.locks.knows(ino, *kind))
                    .map(|(kind, owner)| Given {
                        lock: Lock {
                            ino,
                            kind: *kind,
                            owner: *owner,
                            range: LockRange::ALL,
                            exclusive: false,
                        },
                        shared: false,
                    }),
            );
        }
        locks
    }

    /// Handles of the descriptors that a call closes.
    fn closed_by(&self, event: &Event, horizon: u32) -> Vec<u32> {
        let task = event.task.0;
        if event.errno().is_some() || !self.holdings.procs.is_alive(task) {
            return Vec::new();
        }
        let table = self.holdings.procs.table(task);
        let number = |kind| event.arg(kind).unwrap_or(0);
        let fds = match event.call.row().op {
            Op::Close => event.fd(ArgKind::Fd).into_iter().collect(),
            Op::DupTo => event.fd(ArgKind::NewFd).into_iter().collect(),
            Op::Exec => table.cloexec(),
            Op::CloseRange if number(ArgKind::Flags) & CLOSE_RANGE_CLOEXEC == 0 => {
                let clamp = |fd: u64| fd.min(i32::MAX as u64) as i32;
                let last = u64::from(number(ArgKind::NewFd) as u32);
                table.range(clamp(number(ArgKind::Fd)), clamp(last))
            }
            _ => Vec::new(),
        };
        let entries = fds.iter().filter_map(|fd| table.get(*fd, horizon));
        entries.map(|entry| entry.handle).collect()
    }

    /// Of the records that are held back, one that must have come before the first because of a
    /// lock.
    pub(super) fn overdue_lock(&mut self) -> Option<usize> {
        loop {
            let first = self.sequence.front()?;
            if !may_concern_locks(&first.record) {
                return None;
            }
            let deed = match &first.record {
                Record::Event(event) => self.deed(event, first.horizon()),
                _ => None,
            };
            if deed.is_none() && self.locking.locks.are_unused() {
                return None;
            }
            let index = match deed {
                Some(deed) if deed.what == LockCall::Took => self.before_taking(&deed.lock),
                Some(deed) if deed.what == LockCall::Refused => self.before_refusal(&deed.lock),
                _ => None,
            };
            match index {
                Some(index) if self.lets_go_first(index) => {}
                Some(index) => return Some(index),
                None => return self.before_giving(),
            }
        }
    }

    /// The record that leads to the one that gave back what excludes a lock that was taken.
    fn before_taking(&self, lock: &Lock) -> Option<usize> {
        let holders: Vec<Owner> = self.locking.locks.excluded_by(lock).collect();
        if holders.is_empty() {
            return None;
        }
        let mut begun = Vec::new();
        for (index, held) in self.sequence.held().enumerate() {
            let Some(task) = held.task() else {
                continue;
            };
            if index == 0 {
                begun.push((task, None));
                continue;
            }
            if !begun.iter().any(|(other, _)| *other == task) {
                begun.push((task, Some(index)));
            }
            if !may_concern_locks(&held.record) {
                continue;
            }
            let given = self.given_back(&held.record, held.horizon());
            let frees = given.iter().any(|given| {
                let (other, enough) = (&given.lock, !given.shared || !lock.exclusive);
                enough
                    && (other.ino, other.kind) == (lock.ino, lock.kind)
                    && other.range.overlaps(lock.range)
                    && holders.contains(&other.owner)
            });
            if frees {
                let (_, first) = begun.iter().find(|(other, _)| *other == task)?;
                let first = (*first)?;
                // What a path was before a call stands in front of that; so such a call stays.
                let named = match &self.sequence.held().nth(first)?.record {
                    Record::Event(event) => takes_paths(event),
                    _ => false,
                };
                return (first == index || !named).then_some(first);
            }
        }
        None
    }

    /// The overlapping call that took the lock which another attempt was refused.
    fn before_refusal(&self, lock: &Lock) -> Option<usize> {
        if self.locking.locks.excluded_by(lock).next().is_some() {
            return None;
        }
        self.find_next(|held| {
            let Record::Event(event) = &held.record else {
                return false;
            };
            self.deed(event, held.horizon()).is_some_and(|deed| {
                let other = deed.lock;
                deed.what == LockCall::Took
                    && (other.ino, other.kind) == (lock.ino, lock.kind)
                    && other.owner != lock.owner
                    && other.range.overlaps(lock.range)
                    && (other.exclusive || lock.exclusive)
                    && self.locking.locks.excluded_by(&other).next().is_none()
            })
        })
    }

    /// The overlapping attempt that was refused because of what the first held record gives back.
    fn before_giving(&self) -> Option<usize> {
        let first = self.sequence.front()?;
        let given = self.given_back(&first.record, first.horizon());
        if !given
            .iter()
            .any(|given| self.locking.locks.holds(&given.lock))
        {
            return None;
        }
        self.find_next(|held| {
            let Record::Event(event) = &held.record else {
                return false;
            };
            self.deed(event, held.horizon()).is_some_and(|deed| {
                let lock = deed.lock;
                let ends = |owner: &Owner| {
                    given.iter().any(|given| {
                        let given = &given.lock;
                        (given.ino, given.kind, given.owner) == (lock.ino, lock.kind, *owner)
                    })
                };
                let mut holders = self.locking.locks.excluded_by(&lock).peekable();
                deed.what == LockCall::Refused
                    && holders.peek().is_some()
                    && holders.all(|owner| ends(&owner))
            })
        })
    }

    /// The first held record that overlapped the front one, is its task's next, and is wanted.
    fn find_next(&self, wanted: impl Fn(&Held) -> bool) -> Option<usize> {
        let first = self.sequence.front()?;
        let number = first.number();
        let mut met: Vec<u32> = first.task().into_iter().collect();
        for (index, held) in self.sequence.held().enumerate().skip(1) {
            let Some(task) = held.task() else {
                continue;
            };
            if met.contains(&task) {
                continue;
            }
            met.push(task);
            if held.horizon() <= number && wanted(held) {
                return Some(index);
            }
        }
        None
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
        let deed = self.deed(&event, horizon);
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
        self.extra(lane, event.entry, action, Call::flock, &needs);
        true
    }
}

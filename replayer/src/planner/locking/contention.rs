//! Calls on locks: whose lock each means, and which of overlapping calls came first.
//!
//! A trace tells when calls began and returned. A lock that was taken while another excluded it
//! was given back before, by a call that returned later, or by a task's end; an attempt that was
//! refused came before the call that ended what it found. So such records are taken in another
//! order.

use fsreplay_trace::call::{ArgKind, Call};
use fsreplay_trace::model::{Event, Record};

use super::super::holdings::Holdings;
use super::super::land::tree::{NONE, Tree};
use super::super::sequence::Sequence;
use super::super::sequence::concerns::{may_concern_locks, takes_paths};
use super::locks::{Lock, LockCall, LockKind, LockRange, Locks, Owner};

pub(super) const F_SETLK: u64 = 6;
pub(super) const F_SETLKW: u64 = 7;
pub(super) const F_OFD_SETLK: u64 = 37;
pub(super) const F_OFD_SETLKW: u64 = 38;
pub(super) const F_RDLCK: u64 = 0;
pub(super) const F_WRLCK: u64 = 1;
pub(super) const F_UNLCK: u64 = 2;
pub(super) const SEEK_CUR: u64 = 1;
const SEEK_END: u64 = 2;

/// What a record does with a lock.
pub(crate) struct Deed {
    pub(crate) lock: Lock,
    pub(crate) what: LockCall,
}

/// A lock that a record gives back.
struct Given {
    lock: Lock,
    /// Whether the owner keeps one that excludes only those that exclude it.
    shared: bool,
}

impl Deed {
    /// What a call on a lock found, if that decides about order. Questions (`F_GETLK`) don't.
    pub(crate) fn of(
        event: &Event,
        horizon: u32,
        holdings: &Holdings,
        tree: &Tree,
    ) -> Option<Deed> {
        let task = event.task.0;
        if !holdings.procs.is_alive(task) {
            return None;
        }
        let fd = event.fd(ArgKind::Fd)?;
        let entry = holdings.procs.table(task).get(fd, horizon)?;
        let handle = holdings.fds.handle(entry.handle);
        handle.slot()?;
        let command = event.arg(ArgKind::Command)?;
        let description = holdings.fds.description(entry.handle);
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
                    F_SETLK | F_SETLKW => Owner::Process(holdings.procs.task(task).table),
                    _ => Owner::File(handle.description),
                };
                let range = locked_range(event, description.offset, tree.size_of(ino));
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
}

/// What decides which of overlapping calls on locks came first: the models as they are now, and
/// the records that are held back.
pub(crate) struct Contention<'a> {
    pub(crate) locks: &'a Locks,
    pub(crate) holdings: &'a Holdings,
    pub(crate) tree: &'a Tree,
    pub(crate) sequence: &'a Sequence,
}

impl Contention<'_> {
    fn deed(&self, event: &Event, horizon: u32) -> Option<Deed> {
        Deed::of(event, horizon, self.holdings, self.tree)
    }

    /// What the first of the records that are held back does with a lock.
    fn first_deed(&self) -> Option<Deed> {
        let first = self.sequence.front()?;
        match &first.record {
            Record::Event(event) => self.deed(event, first.horizon()),
            _ => None,
        }
    }

    /// Whether the first of the records that are held back may have to do with a lock.
    pub(crate) fn may_matter(&self) -> bool {
        let first = self.sequence.front();
        first.is_some_and(|first| may_concern_locks(&first.record))
            && (!self.locks.are_unused() || self.first_deed().is_some())
    }

    /// The record that must have come before the first one because of the lock that this asks for.
    pub(crate) fn before_asking(&self) -> Option<usize> {
        let deed = self.first_deed()?;
        match deed.what {
            LockCall::Took => self.before_taking(&deed.lock),
            LockCall::Refused => self.before_refusal(&deed.lock),
            LockCall::Gave => None,
        }
    }

    /// The record that leads to the one that gave back what excludes a lock that was taken.
    fn before_taking(&self, lock: &Lock) -> Option<usize> {
        let holders: Vec<Owner> = self.locks.excluded_by(lock).collect();
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
        if self.locks.excluded_by(lock).next().is_some() {
            return None;
        }
        self.sequence.find_next(|held| {
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
                    && self.locks.excluded_by(&other).next().is_none()
            })
        })
    }

    /// The overlapping attempt that was refused because of what the first held record gives back.
    pub(crate) fn before_giving(&self) -> Option<usize> {
        let first = self.sequence.front()?;
        let given = self.given_back(&first.record, first.horizon());
        if !given.iter().any(|given| self.locks.holds(&given.lock)) {
            return None;
        }
        self.sequence.find_next(|held| {
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
                let mut holders = self.locks.excluded_by(&lock).peekable();
                deed.what == LockCall::Refused
                    && holders.peek().is_some()
                    && holders.all(|owner| ends(&owner))
            })
        })
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
                (event.task.0, self.holdings.closed_by(event, horizon))
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
                    .filter(|(kind, _)| self.locks.knows(ino, *kind))
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
}

/// Where the range of an `fcntl` lock begins, from the start of a file of that size, for an open
/// file description at that offset.
pub(super) fn lock_start(event: &Event, offset: u64, size: u64) -> i128 {
    let from = match event.arg(ArgKind::Whence) {
        Some(SEEK_CUR) => offset,
        Some(SEEK_END) => size,
        _ => 0,
    };
    i128::from(from) + i128::from(event.arg(ArgKind::LockStart).unwrap_or(0) as i64)
}

fn locked_range(event: &Event, offset: u64, size: u64) -> LockRange {
    let start = lock_start(event, offset, size);
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

#[cfg(test)]
mod tests {
    use super::super::super::tests::calls;
    use super::*;

    fn range(whence: u64, start: i64, length: i64) -> LockRange {
        let args = [
            (ArgKind::Command, F_SETLK),
            (ArgKind::Whence, whence),
            (ArgKind::LockStart, start as u64),
            (ArgKind::LockLength, length as u64),
        ];
        let event = calls::event(0, Call::fcntl, &args, 0);
        locked_range(&event, 100, 1000)
    }

    #[test]
    fn a_range_is_counted_from_the_start_the_offset_or_the_end() {
        let bytes = |first, last| LockRange { first, last };
        assert_eq!(range(0, 10, 5), bytes(10, 14));
        assert_eq!(range(SEEK_CUR, 10, 5), bytes(110, 114));
        assert_eq!(range(SEEK_END, -10, 5), bytes(990, 994));
        assert_eq!(range(0, 10, 0), bytes(10, u64::MAX));
        assert_eq!(range(0, 10, -5), bytes(5, 9));
        assert_eq!(range(SEEK_CUR, -200, 5), bytes(0, 0), "before any byte");
    }
}

//! Locks on files: who holds what, who got it from whom, and who was refused because of whom.
//!
//! Who takes a lock that another one's excludes comes after the call that gave that one back,
//! whatever the clocks say: `contention` puts the calls into an order in which each lock is free
//! when it is taken, and here every later taker waits for those before it. So a lane that asks for
//! a lock finds it free, and none waits for one whose holder waits for it. An attempt that failed
//! found the lock held, so it comes after the call that took it and before the one that gave it
//! back.

use super::super::hash::FastMap;
use super::super::order::{OpId, Order};

/// Calls that gave back locks of one file that are remembered one by one.
const REMEMBERED: usize = 256;
/// Locks of one file that are told apart; a made-up trace may have more.
const MOST_HELD: usize = 1024;

/// Two kinds of locks, which don't know of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LockKind {
    /// Of flock(2).
    Whole,
    /// Of `fcntl`: of a process or of an open file description, on a range of bytes.
    Record,
}

/// Whose a lock is: nobody's own locks exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// A process, by the number of its descriptor table, as the kernel has it.
    Process(u32),
    /// An open file description, by number.
    File(u32),
}

/// A range of bytes, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LockRange {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl LockRange {
    /// All that a file may ever hold.
    pub(crate) const ALL: LockRange = LockRange {
        first: 0,
        last: u64::MAX,
    };

    pub(crate) fn overlaps(self, other: LockRange) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Start and length, as `fcntl` takes them: 0 means to the end.
    pub(crate) fn told(self) -> (i64, i64) {
        let start = i64::try_from(self.first).unwrap_or(i64::MAX);
        let last = i64::try_from(self.last).unwrap_or(i64::MAX);
        let length = if last == i64::MAX {
            0
        } else {
            last - start + 1
        };
        (start, length)
    }

    fn covers(self, other: LockRange) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    fn within(self, other: LockRange) -> LockRange {
        LockRange {
            first: self.first.max(other.first),
            last: self.last.min(other.last),
        }
    }

    /// What is left of it in front of another one and behind it.
    fn without(self, other: LockRange) -> impl Iterator<Item = LockRange> {
        let before = (self.first < other.first).then(|| LockRange {
            first: self.first,
            last: other.first - 1,
        });
        let behind = (self.last > other.last).then(|| LockRange {
            first: other.last + 1,
            last: self.last,
        });
        before.into_iter().chain(behind)
    }
}

/// A lock that is asked for, held, or given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lock {
    pub(crate) ino: u32,
    pub(crate) kind: LockKind,
    pub(crate) owner: Owner,
    pub(crate) range: LockRange,
    /// Whether it excludes all others, or only those that exclude it.
    pub(crate) exclusive: bool,
}

/// What a call does with a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockCall {
    /// It got it.
    Took,
    /// It gave it back.
    Gave,
    /// Another had it.
    Refused,
}

/// A part of a file, and the call that took it, gave it back, or was refused it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LockPart {
    pub(crate) range: LockRange,
    pub(crate) exclusive: bool,
    by: OpId,
}

impl LockPart {
    fn excludes(&self, range: LockRange, exclusive: bool) -> bool {
        (self.exclusive || exclusive) && self.range.overlaps(range)
    }
}

#[derive(Default)]
struct LockedFile {
    held: Vec<(Owner, LockPart)>,
    /// What was given back: later takers come after that.
    given: Vec<LockPart>,
    refused: Vec<(Owner, LockPart)>,
}

impl LockedFile {
    /// An owner's locks in a range end with the op `by`, or become what they are called now.
    fn end(&mut self, order: &mut Order, (owner, range): (Owner, LockRange), by: OpId, now: Now) {
        for (holder, part) in std::mem::take(&mut self.held) {
            if holder != owner || !part.range.overlaps(range) {
                self.held.push((holder, part));
                continue;
            }
            let rest = part.range.without(range);
            self.held
                .extend(rest.map(|range| (holder, LockPart { range, ..part })));
            order.after(part.by);
            if part.exclusive || now == Now::Nothing {
                let ended = LockPart {
                    range: part.range.within(range),
                    exclusive: part.exclusive,
                    by,
                };
                if now != Now::Exclusive {
                    self.give(order, owner, ended);
                }
            }
        }
    }

    /// Forgets what is too much; gives how much that is.
    fn limit(&mut self) -> u64 {
        let [held, refused] = [self.held.len(), self.refused.len()];
        self.held.truncate(MOST_HELD);
        self.refused.truncate(MOST_HELD);
        (held - self.held.len() + refused - self.refused.len()) as u64
    }

    fn give(&mut self, order: &mut Order, owner: Owner, ended: LockPart) {
        self.refused.retain(|(asker, attempt)| {
            let was_by_this = *asker != owner && attempt.excludes(ended.range, ended.exclusive);
            if was_by_this {
                order.after(attempt.by);
            }
            !was_by_this
        });
        // Program order implies what the lane did before.
        self.given.retain(|before| {
            let weaker = !before.exclusive || ended.exclusive;
            before.by.lane != ended.by.lane || !weaker || !ended.range.covers(before.range)
        });
        self.given.push(ended);
        if self.given.len() > REMEMBERED {
            for before in self.given.drain(..) {
                order.after(before.by);
            }
            self.given.push(LockPart {
                range: LockRange::ALL,
                exclusive: true,
                by: ended.by,
            });
        }
    }
}

/// What an owner has of a range after a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Now {
    Nothing,
    Shared,
    Exclusive,
}

/// The locks of all files, by inode and kind.
#[derive(Default)]
pub(crate) struct Locks {
    files: FastMap<(u32, LockKind), LockedFile>,
    /// Locks and refused attempts that were too many to be told apart.
    untold: u64,
}

impl Locks {
    /// What to say of what is not in the model.
    pub(crate) fn note(&self) -> Option<(String, u64)> {
        let text = format!(
            "locks beyond {MOST_HELD} on one file at a time: others don't wait for them, and may \
             be refused or get what they had not"
        );
        (self.untold > 0).then_some((text, self.untold))
    }

    /// Whether no lock was ever asked for.
    pub(crate) fn are_unused(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether any call on a lock of a file was seen.
    pub(crate) fn knows(&self, ino: u32, kind: LockKind) -> bool {
        !self.files.is_empty() && self.files.contains_key(&(ino, kind))
    }

    /// Who excludes a lock now.
    pub(crate) fn excluded_by(&self, lock: &Lock) -> impl Iterator<Item = Owner> {
        let lock = *lock;
        let file = self.files.get(&(lock.ino, lock.kind));
        let held = file.into_iter().flat_map(|file| &file.held);
        held.filter(move |(owner, part)| {
            *owner != lock.owner && part.excludes(lock.range, lock.exclusive)
        })
        .map(|(owner, _)| *owner)
    }

    /// Whether an owner holds any part of a range.
    pub(crate) fn holds(&self, lock: &Lock) -> bool {
        let file = self.files.get(&(lock.ino, lock.kind));
        file.is_some_and(|file| {
            let mut held = file.held.iter();
            held.any(|(owner, part)| *owner == lock.owner && part.range.overlaps(lock.range))
        })
    }

    /// What an owner holds in a range, to be given back and taken again by the ops about to be
    /// committed. They come after those that took it, and after those that were refused what may
    /// be free meanwhile.
    pub(crate) fn held_by(&self, order: &mut Order, lock: &Lock) -> Vec<LockPart> {
        let Some(file) = self.files.get(&(lock.ino, lock.kind)) else {
            return Vec::new();
        };
        let held: Vec<LockPart> = file
            .held
            .iter()
            .filter(|(owner, part)| *owner == lock.owner && part.range.overlaps(lock.range))
            .map(|(_, part)| *part)
            .collect();
        for part in &held {
            order.after(part.by);
            for (asker, attempt) in &file.refused {
                if *asker != lock.owner && part.exclusive && attempt.excludes(part.range, true) {
                    order.after(attempt.by);
                }
            }
        }
        held
    }

    /// What [`Locks::held_by`] told is held since the op `by`.
    pub(crate) fn moved(&mut self, lock: &Lock, by: OpId) {
        if let Some(file) = self.files.get_mut(&(lock.ino, lock.kind)) {
            for (owner, part) in &mut file.held {
                if *owner == lock.owner && part.range.overlaps(lock.range) {
                    part.by = by;
                }
            }
        }
    }

    /// The op about to be committed on `lane` does that with a lock.
    pub(crate) fn call(&mut self, order: &mut Order, lane: u32, lock: &Lock, what: LockCall) {
        let by = order.next(lane);
        match what {
            LockCall::Took => self.took(order, lock, by),
            LockCall::Refused => self.refused(order, lock, by),
            LockCall::Gave => self.gave(order, lock, by),
        }
    }

    fn took(&mut self, order: &mut Order, lock: &Lock, by: OpId) {
        let file = self.files.entry((lock.ino, lock.kind)).or_default();
        let mine = LockPart {
            range: lock.range,
            exclusive: lock.exclusive,
            by,
        };
        file.given.retain(|before| {
            if before.excludes(mine.range, mine.exclusive) {
                order.after(before.by);
            }
            // Whoever would wait for that waits for this one's end.
            !(mine.exclusive && mine.range.covers(before.range))
        });
        let now = if lock.exclusive {
            Now::Exclusive
        } else {
            Now::Shared
        };
        file.end(order, (lock.owner, lock.range), by, now);
        file.held.push((lock.owner, mine));
        self.untold += file.limit();
    }

    fn refused(&mut self, order: &mut Order, lock: &Lock, by: OpId) {
        let file = self.files.entry((lock.ino, lock.kind)).or_default();
        for (owner, part) in &file.held {
            if *owner != lock.owner && part.excludes(lock.range, lock.exclusive) {
                order.after(part.by);
            }
        }
        if lock.kind == LockKind::Whole {
            // flock(2): who has one and is refused the other kind has none any more.
            file.end(order, (lock.owner, lock.range), by, Now::Nothing);
        }
        // Program order implies the lane's attempt before.
        file.refused.retain(|(_, before)| {
            let again = before.range == lock.range && before.exclusive == lock.exclusive;
            before.by.lane != by.lane || !again
        });
        let attempt = LockPart {
            range: lock.range,
            exclusive: lock.exclusive,
            by,
        };
        file.refused.push((lock.owner, attempt));
        self.untold += file.limit();
    }

    /// The op `by`, which is about to be committed, gives a lock back.
    pub(crate) fn gave(&mut self, order: &mut Order, lock: &Lock, by: OpId) {
        if let Some(file) = self.files.get_mut(&(lock.ino, lock.kind)) {
            file.end(order, (lock.owner, lock.range), by, Now::Nothing);
            self.untold += file.limit();
        }
    }
}

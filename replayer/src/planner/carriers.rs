//! What carries the locks of `fcntl`, which are a process's, where all processes are one.
//!
//! They are issued as locks of open file descriptions. A recorded process has one description for
//! each inode that *carries* its locks there: the first on which it asks for one, or, where that
//! carries another process's (a child that inherited it) or has locks of its own (`F_OFD_SETLK`),
//! one that is opened for it. A lock that excludes all others can't be had where nothing can be
//! written, nor another one where nothing can be read: what carries the locks changes then. So it
//! does when the description is asked for locks of its own. Closing any of its descriptors of the
//! inode gives back all of them, as in the kernel.

use fsreplay_trace::call::{ArgKind, Call};

use super::contention::{
    F_OFD_SETLK, F_OFD_SETLKW, F_RDLCK, F_SETLK, F_SETLKW, F_UNLCK, F_WRLCK, SEEK_CUR, lock_start,
};
use super::file::File;
use super::hash::FastMap;
use super::locking::Locking;
use super::locks::{Lock, LockKind, LockPart, LockRange, Owner};
use super::order::{OpId, Order, Side};
use super::tree::NONE;
use super::{Cx, Planner, Resource};
use crate::plan::{Action, Slot};

const ACCESS_MODE: u32 = libc::O_ACCMODE as u32;

/// Which locks a description has to carry.
#[derive(Clone, Copy, Debug, Default)]
struct Kinds {
    shared: bool,
    exclusive: bool,
}

impl Kinds {
    /// That which a call asks for.
    fn asked(cx: &Cx) -> Kinds {
        let kind = cx.event.arg(ArgKind::Argument);
        Kinds {
            shared: kind == Some(F_RDLCK),
            exclusive: kind == Some(F_WRLCK),
        }
    }

    /// These, and locks that are held.
    fn and(self, held: &[LockPart]) -> Kinds {
        Kinds {
            shared: self.shared || held.iter().any(|part| !part.exclusive),
            exclusive: self.exclusive || held.iter().any(|part| part.exclusive),
        }
    }

    /// Whether they can all be had on a description that was opened in that mode.
    fn fit(self, mode: u32) -> bool {
        let mode = mode as i32;
        (mode != libc::O_RDONLY || !self.exclusive) && (mode != libc::O_WRONLY || !self.shared)
    }
}

/// What carries a process's locks of an inode.
#[derive(Clone, Copy, Debug)]
struct Carrier {
    slot: u32,
    /// The description that it shares with the tool's own descriptors; [`NONE`] if it was opened
    /// for the locks.
    description: u32,
    /// How it was opened: `O_RDONLY`, `O_WRONLY` or `O_RDWR`.
    mode: u32,
}

impl Carrier {
    /// A call on a lock there: its kind, start and length.
    fn lock(self, (kind, start, length): (u64, i64, i64)) -> Action {
        Action::Lock {
            fd: Slot(self.slot),
            command: F_SETLK as i32,
            kind: kind as i16,
            whence: 0,
            start,
            length,
        }
    }
}

/// All locks of a process on an inode.
fn every_lock(table: u32, ino: u32) -> Lock {
    Lock {
        ino,
        kind: LockKind::Record,
        owner: Owner::Process(table),
        range: LockRange::ALL,
        exclusive: false,
    }
}

/// A call on a lock of all bytes: its kind, start and length.
fn every_byte(kind: u64) -> (u64, i64, i64) {
    (kind, 0, 0)
}

/// What carries the locks of all processes.
#[derive(Default)]
pub(crate) struct Carriers {
    /// By descriptor table and inode: a process can have locks on any number of files.
    of: FastMap<(u32, u32), Carrier>,
    /// The table whose locks a description carries.
    by_description: FastMap<u32, u32>,
    /// When a description was free again that had carried a process's locks.
    freed: FastMap<u32, OpId>,
}

impl Carriers {
    fn find(&self, table: u32, ino: u32) -> Option<Carrier> {
        self.of.get(&(table, ino)).copied()
    }

    fn add(&mut self, (table, ino): (u32, u32), carrier: Carrier) {
        self.of.insert((table, ino), carrier);
        if carrier.description != NONE {
            self.by_description.insert(carrier.description, table);
        }
    }

    fn take(&mut self, table: u32, ino: u32) -> Option<Carrier> {
        let carrier = self.of.remove(&(table, ino))?;
        self.by_description.remove(&carrier.description);
        Some(carrier)
    }
}

impl Locking {
    /// Whether a description can carry a process's locks: it carries no other's, and has none of
    /// its own, which would be the same there.
    fn can_carry(&self, table: u32, file: &File) -> bool {
        let carries = self.carriers.by_description.get(&file.description);
        let own = Lock {
            owner: Owner::File(file.description),
            ..every_lock(table, file.ino)
        };
        carries.is_none_or(|other| *other == table) && !self.locks.holds(&own)
    }

    /// A process closes one of its descriptors of an inode: all its locks there end. What is to be
    /// done for that before the op being made.
    fn unlocking(&mut self, table: u32, ino: u32) -> Option<(Lock, Option<Action>, Carrier)> {
        let carrier = self.carriers.take(table, ino)?;
        let lock = every_lock(table, ino);
        let holds = self.locks.holds(&lock);
        let unlock = holds.then(|| carrier.lock(every_byte(F_UNLCK)));
        Some((lock, unlock, carrier))
    }

    /// An open file description ends with the op `by`, and its locks with it.
    pub(crate) fn description_unlocks(
        &mut self,
        description: u32,
        ino: u32,
        by: OpId,
        order: &mut Order,
    ) {
        if let Some(table) = self.carriers.by_description.get(&description) {
            self.carriers.take(*table, ino);
        }
        self.carriers.freed.remove(&description);
        for kind in [LockKind::Whole, LockKind::Record] {
            if self.locks.knows(ino, kind) {
                let lock = Lock {
                    ino,
                    kind,
                    owner: Owner::File(description),
                    range: LockRange::ALL,
                    exclusive: false,
                };
                self.locks.gave(order, &lock, by);
            }
        }
    }
}

impl Planner {
    /// The descriptor that a lock of `fcntl` is issued on, and where its range begins, with what it
    /// is counted from.
    pub(super) fn carrier(&mut self, cx: &Cx, file: &File) -> (Slot, u64, i64) {
        let (whence, asked) = self.asked_start(cx, file);
        let own = (file.slot, whence, asked);
        let command = cx.number(ArgKind::Command);
        let refused = cx.event.errno() == Some(libc::EBADF);
        if file.ino == NONE || refused {
            return own;
        }
        if [F_OFD_SETLK, F_OFD_SETLKW].contains(&command) {
            self.cede(cx, file);
            return own;
        }
        if ![F_SETLK, F_SETLKW].contains(&command) {
            return own;
        }
        let Some(carrier) = self.carried(cx, file) else {
            return own;
        };
        if carrier.slot == file.slot.0 {
            return own;
        }
        self.uses.slot(carrier.slot, Side::Read);
        (Slot(carrier.slot), whence, asked)
    }

    /// What the range of a lock is counted from, and where it begins. Where it is counted from the
    /// offset, it is told from the start of the file: the carrier's offset is another one, and
    /// tasks that share one may move it in another order than the model has it.
    fn asked_start(&mut self, cx: &Cx, file: &File) -> (u64, i64) {
        let asked = cx.number(ArgKind::LockStart) as i64;
        let whence = cx.number(ArgKind::Whence);
        if whence != SEEK_CUR || file.ino == NONE {
            return (whence, asked);
        }
        let offset = self.holdings.fds.by_number(file.description).offset;
        let size = self.land.tree.size_of(file.ino);
        let start = lock_start(cx.event, offset, size);
        i64::try_from(start).map_or((whence, asked), |start| (0, start))
    }

    /// What carries the calling process's locks of a file from now on.
    fn carried(&mut self, cx: &Cx, file: &File) -> Option<Carrier> {
        let table = self.holdings.procs.task(cx.task).table;
        let asked = Kinds::asked(cx);
        let is_free = self.locking.can_carry(table, file);
        if let Some(carrier) = self.locking.carriers.find(table, file.ino) {
            let all = every_lock(table, file.ino);
            let stays = self.locking.locks.holds(&all) || !is_free || carrier.description == NONE;
            if stays && asked.fit(carrier.mode) {
                return Some(carrier);
            }
            let held = self.locking.locks.held_by(&mut self.order, &all);
            let fresh = self.new_carrier(cx, file, is_free, asked.and(&held))?;
            self.move_locks(cx, &all, &held, (carrier, fresh));
            self.locking.carriers.take(table, file.ino);
            self.locking.carriers.add((table, file.ino), fresh);
            return Some(fresh);
        }
        let carrier = self.new_carrier(cx, file, is_free, asked)?;
        self.locking.carriers.add((table, file.ino), carrier);
        Some(carrier)
    }

    /// A description is asked for locks of its own: it carries no process's any more.
    fn cede(&mut self, cx: &Cx, file: &File) {
        let table = self
            .locking
            .carriers
            .by_description
            .get(&file.description)
            .copied();
        let carried =
            table.and_then(|table| Some((table, self.locking.carriers.find(table, file.ino)?)));
        if let Some((table, carrier)) = carried {
            let all = every_lock(table, file.ino);
            let held = self.locking.locks.held_by(&mut self.order, &all);
            if held.is_empty() {
                self.locking.carriers.take(table, file.ino);
            } else if let Some(fresh) = self.open_carrier(cx, file, carrier.mode) {
                self.move_locks(cx, &all, &held, (carrier, fresh));
                self.locking.carriers.take(table, file.ino);
                self.locking.carriers.add((table, file.ino), fresh);
            }
        }
        if let Some(freed) = self.locking.carriers.freed.get(&file.description) {
            self.order.after(*freed);
        }
    }

    /// What can carry locks of these kinds: the descriptor that the call works on, if no other
    /// process's are there, or one of the locks' own.
    fn new_carrier(
        &mut self,
        cx: &Cx,
        file: &File,
        is_free: bool,
        kinds: Kinds,
    ) -> Option<Carrier> {
        let mode = self.holdings.fds.by_number(file.description).flags & ACCESS_MODE;
        let fits = kinds.fit(mode);
        if !is_free || !fits {
            let mode = if fits { mode } else { libc::O_RDWR as u32 };
            return self.open_carrier(cx, file, mode);
        }
        if let Some(freed) = self.locking.carriers.freed.get(&file.description) {
            self.order.after(*freed);
        }
        Some(Carrier {
            slot: file.slot.0,
            description: file.description,
            mode,
        })
    }

    /// Opens a file for locks only.
    fn open_carrier(&mut self, cx: &Cx, file: &File, mode: u32) -> Option<Carrier> {
        let dent = self.land.tree.inode(file.ino).dent;
        if dent == NONE {
            self.tally
                .notes
                .add("locks on removed files that processes, or they and open files, share");
            return None;
        }
        let at = self.paths.place_of(&self.land.tree, file.ino);
        let slot = self.holdings.fds.take_slot(cx.lane);
        let action = Action::Open {
            at,
            flags: mode as i32,
            mode: 0,
            resolve: 0,
            out: Slot(slot),
        };
        let needs = [
            (Resource::Slot(slot), Side::Write),
            (Resource::Dent(dent), Side::Read),
        ];
        self.extra(cx.lane, cx.event.entry, action, cx.event.call, &needs);
        Some(Carrier {
            slot,
            description: NONE,
            mode,
        })
    }

    /// Takes what a process holds on what carries its locks from now on, and gives it back on what
    /// did. Locks that don't exclude each other are held throughout; of others, whoever is refused
    /// one comes before or after.
    fn move_locks(
        &mut self,
        cx: &Cx,
        all: &Lock,
        held: &[LockPart],
        (from, to): (Carrier, Carrier),
    ) {
        for part in held.iter().filter(|part| !part.exclusive) {
            self.retake(cx, to, part);
        }
        if !held.is_empty() {
            // Other tasks may have given back part of it there before.
            let action = from.lock(every_byte(F_UNLCK));
            let needs = [(Resource::Slot(from.slot), Side::Write)];
            self.extra(cx.lane, cx.event.entry, action, Call::fcntl, &needs);
        }
        for part in held.iter().filter(|part| part.exclusive) {
            self.retake(cx, to, part);
        }
        let last = self.order.last(cx.lane);
        if let Some(by) = last.filter(|_| !held.is_empty()) {
            self.locking.locks.moved(all, by);
        }
        if from.description == NONE {
            self.close_carrier((cx.lane, cx.event.entry), from);
        } else if let Some(freed) = last {
            self.locking.carriers.freed.insert(from.description, freed);
        }
    }

    /// Takes a lock that the process holds.
    fn retake(&mut self, cx: &Cx, on: Carrier, part: &LockPart) {
        let kind = if part.exclusive { F_WRLCK } else { F_RDLCK };
        let (start, length) = part.range.told();
        self.on_carrier(cx, on, (kind, start, length));
    }

    /// A call on a lock that no recorded one stands for: its kind, start and length.
    fn on_carrier(&mut self, cx: &Cx, carrier: Carrier, lock: (u64, i64, i64)) {
        let action = carrier.lock(lock);
        let needs = [(Resource::Slot(carrier.slot), Side::Read)];
        self.extra(cx.lane, cx.event.entry, action, Call::fcntl, &needs);
    }

    /// Closes what was opened for locks only.
    fn close_carrier(&mut self, (lane, time): (u32, u64), carrier: Carrier) {
        let fd = Slot(carrier.slot);
        let resource = Resource::Slot(carrier.slot);
        self.extra_write(lane, time, Action::Close { fd }, Call::close, resource);
        self.holdings.fds.give_slot(lane, carrier.slot);
    }

    /// A process is about to close a descriptor, now, by an op of `lane`.
    pub(super) fn unlock_first(&mut self, (table, lane, time): (u32, u32, u64), handle: u32) {
        if self.locking.carriers.of.is_empty() {
            return;
        }
        let ino = self.holdings.fds.description(handle).ino;
        let Some((lock, unlock, carrier)) = self.locking.unlocking(table, ino) else {
            return;
        };
        if let Some(action) = unlock {
            let by = self.order.next(lane);
            self.locking.locks.gave(&mut self.order, &lock, by);
            let needs = [(Resource::Slot(carrier.slot), Side::Read)];
            self.extra(lane, time, action, Call::fcntl, &needs);
        }
        if carrier.description == NONE {
            self.close_carrier((lane, time), carrier);
        } else if let Some(freed) = self.order.last(lane) {
            self.locking
                .carriers
                .freed
                .insert(carrier.description, freed);
        }
    }

    /// A process closes a descriptor after the op being made, of `lane`.
    pub(super) fn unlock_after(&mut self, (table, lane): (u32, u32), handle: u32) {
        if self.locking.carriers.of.is_empty() {
            return;
        }
        let ino = self.holdings.fds.description(handle).ino;
        let Some((lock, unlock, carrier)) = self.locking.unlocking(table, ino) else {
            return;
        };
        let resource = Resource::Slot(carrier.slot);
        if let Some(action) = unlock {
            self.order.put_behind(action, resource);
            let by = self.order.last_behind(lane);
            self.locking.locks.gave(&mut self.order, &lock, by);
        }
        if carrier.description == NONE {
            let fd = Slot(carrier.slot);
            let action = Action::Close { fd };
            self.order.put_behind(action, resource);
            self.holdings.fds.give_slot(lane, carrier.slot);
        } else {
            let freed = self.order.last_behind(lane);
            self.locking
                .carriers
                .freed
                .insert(carrier.description, freed);
        }
    }
}

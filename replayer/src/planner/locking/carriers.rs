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

use super::super::holdings::fds::Descriptors;
use super::super::holdings::file::File;
use super::super::land::tree::{NONE, Tree};
use super::super::order::uses::Resource;
use super::super::order::{OpId, Order, Side};
use super::super::paths::Paths;
use super::super::writer::Writer;
use super::super::{Cx, Notes};
use super::Locking;
use super::carrier::{Carrier, Kinds, every_byte, every_lock};
use super::contention::{
    F_OFD_SETLK, F_OFD_SETLKW, F_SETLK, F_SETLKW, F_UNLCK, SEEK_CUR, lock_start,
};
use super::locks::{Lock, LockKind, LockPart, LockRange, Owner};
use crate::plan::{Action, Slot};

const ACCESS_MODE: u32 = libc::O_ACCMODE as u32;

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

    /// The descriptor that a lock of `fcntl` is issued on, which the process with that descriptor
    /// table asks for.
    pub(crate) fn issued_on(
        &mut self,
        cx: &Cx,
        file: &File,
        table: u32,
        writer: &mut Writer,
        paths: &mut Paths,
        notes: &mut Notes,
    ) -> Slot {
        let command = cx.number(ArgKind::Command);
        let refused = cx.event.errno() == Some(libc::EBADF);
        if file.ino == NONE || refused {
            return file.slot;
        }
        if [F_OFD_SETLK, F_OFD_SETLKW].contains(&command) {
            self.cede(cx, file, writer, paths, notes);
            return file.slot;
        }
        if ![F_SETLK, F_SETLKW].contains(&command) {
            return file.slot;
        }
        let carrier = self.carried(cx, file, table, writer, paths, notes);
        carrier.map_or(file.slot, |carrier| Slot(carrier.slot))
    }

    /// What carries the calling process's locks of a file from now on.
    fn carried(
        &mut self,
        cx: &Cx,
        file: &File,
        table: u32,
        writer: &mut Writer,
        paths: &mut Paths,
        notes: &mut Notes,
    ) -> Option<Carrier> {
        let asked = Kinds::asked(cx);
        let is_free = self.can_carry(table, file);
        let Some(carrier) = self.carriers.find(table, file.ino) else {
            let fresh = match self.shares(file, is_free, asked, writer) {
                Ok(shared) => shared,
                Err(mode) => Carrier::open(cx, file, mode, writer, paths, notes)?,
            };
            self.carriers.add((table, file.ino), fresh);
            return Some(fresh);
        };
        let all = every_lock(table, file.ino);
        let stays = self.locks.holds(&all) || !is_free || carrier.description == NONE;
        if stays && asked.fit(carrier.mode) {
            return Some(carrier);
        }
        let held = self.locks.held_by(writer.order, &all);
        let fresh = match self.shares(file, is_free, asked.and(&held), writer) {
            Ok(shared) => shared,
            Err(mode) => Carrier::open(cx, file, mode, writer, paths, notes)?,
        };
        self.move_locks(cx, &all, &held, (carrier, fresh), writer);
        self.carriers.take(table, file.ino);
        self.carriers.add((table, file.ino), fresh);
        Some(fresh)
    }

    /// A description is asked for locks of its own: it carries no process's any more.
    fn cede(
        &mut self,
        cx: &Cx,
        file: &File,
        writer: &mut Writer,
        paths: &mut Paths,
        notes: &mut Notes,
    ) {
        let table = self.carriers.by_description.get(&file.description).copied();
        let carried = table.and_then(|table| Some((table, self.carriers.find(table, file.ino)?)));
        if let Some((table, carrier)) = carried {
            let all = every_lock(table, file.ino);
            let held = self.locks.held_by(writer.order, &all);
            if held.is_empty() {
                self.carriers.take(table, file.ino);
            } else if let Some(fresh) = Carrier::open(cx, file, carrier.mode, writer, paths, notes)
            {
                self.move_locks(cx, &all, &held, (carrier, fresh), writer);
                self.carriers.take(table, file.ino);
                self.carriers.add((table, file.ino), fresh);
            }
        }
        if let Some(freed) = self.carriers.freed.get(&file.description) {
            writer.order.after(*freed);
        }
    }

    /// The descriptor that a call works on, as what carries locks of these kinds, if no other
    /// process's are there. Else how the file is to be opened for the locks.
    fn shares(
        &self,
        file: &File,
        is_free: bool,
        kinds: Kinds,
        writer: &mut Writer,
    ) -> Result<Carrier, u32> {
        let mode = writer.fds.by_number(file.description).flags & ACCESS_MODE;
        if !kinds.fit(mode) {
            return Err(libc::O_RDWR as u32);
        }
        if !is_free {
            return Err(mode);
        }
        if let Some(freed) = self.carriers.freed.get(&file.description) {
            writer.order.after(*freed);
        }
        Ok(Carrier {
            slot: file.slot.0,
            description: file.description,
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
        writer: &mut Writer,
    ) {
        for part in held.iter().filter(|part| !part.exclusive) {
            to.retake(cx, part, writer);
        }
        if !held.is_empty() {
            // Other tasks may have given back part of it there before.
            let action = from.lock(every_byte(F_UNLCK));
            let needs = [(Resource::Slot(from.slot), Side::Write)];
            writer.extra(cx.lane, cx.event.entry, action, Call::fcntl, &needs);
        }
        for part in held.iter().filter(|part| part.exclusive) {
            to.retake(cx, part, writer);
        }
        let last = writer.order.last(cx.lane);
        if let Some(by) = last.filter(|_| !held.is_empty()) {
            self.locks.moved(all, by);
        }
        if from.description == NONE {
            from.close((cx.lane, cx.event.entry), writer);
        } else if let Some(freed) = last {
            self.carriers.freed.insert(from.description, freed);
        }
    }

    /// A process is about to close a descriptor of an inode, now, by an op of `lane`.
    pub(crate) fn unlock_first(
        &mut self,
        (table, lane, time): (u32, u32, u64),
        handle: u32,
        writer: &mut Writer,
    ) {
        if self.carriers.of.is_empty() {
            return;
        }
        let ino = writer.fds.description(handle).ino;
        let Some((lock, unlock, carrier)) = self.unlocking(table, ino) else {
            return;
        };
        if let Some(action) = unlock {
            let by = writer.order.next(lane);
            self.locks.gave(writer.order, &lock, by);
            let needs = [(Resource::Slot(carrier.slot), Side::Read)];
            writer.extra(lane, time, action, Call::fcntl, &needs);
        }
        if carrier.description == NONE {
            carrier.close((lane, time), writer);
        } else if let Some(freed) = writer.order.last(lane) {
            self.carriers.freed.insert(carrier.description, freed);
        }
    }

    /// A process closes a descriptor after the op being made, of `lane`.
    pub(crate) fn unlock_after(
        &mut self,
        (table, lane): (u32, u32),
        handle: u32,
        order: &mut Order,
        fds: &mut Descriptors,
    ) {
        if self.carriers.of.is_empty() {
            return;
        }
        let ino = fds.description(handle).ino;
        let Some((lock, unlock, carrier)) = self.unlocking(table, ino) else {
            return;
        };
        let resource = Resource::Slot(carrier.slot);
        if let Some(action) = unlock {
            order.put_behind(action, resource);
            let by = order.last_behind(lane);
            self.locks.gave(order, &lock, by);
        }
        if carrier.description == NONE {
            let fd = Slot(carrier.slot);
            let action = Action::Close { fd };
            order.put_behind(action, resource);
            fds.give_slot(lane, carrier.slot);
        } else {
            let freed = order.last_behind(lane);
            self.carriers.freed.insert(carrier.description, freed);
        }
    }
}

/// What the range of a lock is counted from, and where it begins, as it is issued. Where it is
/// counted from the offset, it is told from the start of the file: the carrier's offset is another
/// one, and tasks that share one may move it in another order than the model has it.
pub(crate) fn issued_start(cx: &Cx, file: &File, fds: &Descriptors, tree: &Tree) -> (u64, i64) {
    let asked = cx.signed(ArgKind::LockStart);
    let whence = cx.number(ArgKind::Whence);
    if whence != SEEK_CUR || file.ino == NONE {
        return (whence, asked);
    }
    let offset = fds
        .numbered(file.description)
        .map_or(0, |description| description.offset);
    let start = lock_start(cx.event, offset, tree.size_of(file.ino));
    i64::try_from(start).map_or((whence, asked), |start| (0, start))
}

#[cfg(test)]
mod tests {
    use fsreplay_trace::format::Tables;
    use fsreplay_trace::model::Header;

    use super::super::super::holdings::Holdings;
    use super::super::super::holdings::fds::What;
    use super::super::super::land::areas;
    use super::super::super::land::tree::Kind;
    use super::super::super::tests::calls;
    use super::super::super::time::Time;
    use super::super::contention::F_WRLCK;
    use super::super::locks::LockCall;
    use super::*;

    struct Locker {
        locking: Locking,
        holdings: Holdings,
        tree: Tree,
        order: Order,
        time: Time,
        paths: Paths,
        notes: Notes,
        file: File,
    }

    impl Locker {
        /// A file that is open for reading and writing, in slot 1.
        fn new() -> Locker {
            let mut tree = Tree::new();
            let ino = areas::ensure(&mut tree, b"/file");
            tree.set_kind(ino, Kind::File);
            let mut holdings = Holdings::new(&Header::default(), 1, false);
            let mut order = Order::default();
            let lane = order.add_lane();
            let slot = holdings.fds.take_slot(lane);
            let mode = libc::O_RDWR as u32;
            let handle = holdings.fds.open(What::Real, ino, mode, Some(slot));
            let file = File {
                slot: Slot(slot),
                handle,
                description: holdings.fds.handle(handle).description,
                ino,
                mount: 0,
            };
            Locker {
                locking: Locking::default(),
                holdings,
                tree,
                order,
                time: Time::new(&Header::default()),
                paths: Paths::new(&[]),
                notes: Notes::default(),
                file,
            }
        }

        /// The slot on which a process takes a lock there.
        fn takes(&mut self, table: u32, command: u64) -> Slot {
            let args = [(ArgKind::Command, command), (ArgKind::Argument, F_WRLCK)];
            let event = calls::event(0, Call::fcntl, &args, 0);
            let tables = Tables::new();
            let cx = calls::alone(&event, &tables, 0);
            let (order, tree) = (&mut self.order, &mut self.tree);
            let mut writer = Writer::new(order, tree, &mut self.holdings, &mut self.time, 0);
            let (paths, notes) = (&mut self.paths, &mut self.notes);
            let file = self.file;
            let slot = self
                .locking
                .issued_on(&cx, &file, table, &mut writer, paths, notes);
            if command == F_SETLK {
                let lock = Lock {
                    exclusive: true,
                    ..every_lock(table, file.ino)
                };
                let order = &mut self.order;
                self.locking.locks.call(order, 0, &lock, LockCall::Took);
            }
            slot
        }

        fn ops(&self) -> usize {
            self.order.lanes[0].len()
        }
    }

    #[test]
    fn a_process_that_inherited_the_description_gets_one_of_its_own() {
        let mut locker = Locker::new();
        assert_eq!(locker.takes(0, F_SETLK), locker.file.slot);
        assert_eq!(locker.ops(), 0);
        let other = locker.takes(1, F_SETLK);
        assert_ne!(other, locker.file.slot);
        assert_eq!(locker.ops(), 1, "it is opened once more");
        assert_eq!(locker.takes(1, F_SETLK), other);
        assert_eq!(locker.takes(0, F_SETLK), locker.file.slot);
        assert_eq!(locker.ops(), 1);
    }

    #[test]
    fn a_removed_file_is_not_opened_once_more() {
        let mut locker = Locker::new();
        locker.takes(0, F_SETLK);
        let dent = locker.tree.inode(locker.file.ino).dent;
        locker.tree.detach(dent);
        assert_eq!(locker.takes(1, F_SETLK), locker.file.slot);
        assert_eq!(locker.notes.counts.len(), 1);
    }

    #[test]
    fn a_description_with_locks_of_its_own_carries_no_process() {
        let mut locker = Locker::new();
        locker.takes(0, F_SETLK);
        assert_eq!(locker.takes(0, F_OFD_SETLK), locker.file.slot);
        assert_eq!(locker.ops(), 3, "open once more, give back, take there");
        assert!(locker.locking.carriers.by_description.is_empty());
    }

    #[test]
    fn the_end_of_a_description_ends_what_it_has_and_carries() {
        let mut locker = Locker::new();
        locker.takes(0, F_SETLK);
        let own = Lock {
            owner: Owner::File(locker.file.description),
            ..every_lock(0, locker.file.ino)
        };
        let order = &mut locker.order;
        locker.locking.locks.call(order, 0, &own, LockCall::Took);
        assert!(locker.locking.locks.holds(&own));
        let by = order.next(0);
        let (description, ino) = (locker.file.description, locker.file.ino);
        locker
            .locking
            .description_unlocks(description, ino, by, order);
        assert!(!locker.locking.locks.holds(&own));
        assert!(locker.locking.carriers.find(0, ino).is_none());
    }
}

//! What carries a process's locks of a file: how it is opened, closed, and asked.

use fsreplay_trace::call::{ArgKind, Call};

use super::super::hash::FastMap;
use super::super::holdings::file::File;
use super::super::land::tree::NONE;
use super::super::order::uses::Resource;
use super::super::order::{OpId, Side};
use super::super::paths::Paths;
use super::super::writer::Writer;
use super::super::{Cx, Notes};
use super::contention::{F_RDLCK, F_SETLK, F_WRLCK};
use super::locks::{Lock, LockKind, LockPart, LockRange, Owner};
use crate::plan::{Action, Slot};

/// Which locks a description has to carry.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kinds {
    pub(super) shared: bool,
    pub(super) exclusive: bool,
}

impl Kinds {
    /// That which a call asks for.
    pub(super) fn asked(cx: &Cx) -> Kinds {
        let kind = cx.event.arg(ArgKind::Argument);
        Kinds {
            shared: kind == Some(F_RDLCK),
            exclusive: kind == Some(F_WRLCK),
        }
    }

    /// These, and locks that are held.
    pub(super) fn and(self, held: &[LockPart]) -> Kinds {
        Kinds {
            shared: self.shared || held.iter().any(|part| !part.exclusive),
            exclusive: self.exclusive || held.iter().any(|part| part.exclusive),
        }
    }

    /// Whether they can all be had on a description that was opened in that mode.
    pub(super) fn fit(self, mode: u32) -> bool {
        let mode = mode as i32;
        (mode != libc::O_RDONLY || !self.exclusive) && (mode != libc::O_WRONLY || !self.shared)
    }
}

/// What carries a process's locks of an inode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carrier {
    pub(super) slot: u32,
    /// The description that it shares with the tool's own descriptors; [`NONE`] if it was opened
    /// for the locks.
    pub(super) description: u32,
    /// How it was opened: `O_RDONLY`, `O_WRONLY` or `O_RDWR`.
    pub(super) mode: u32,
}

impl Carrier {
    /// A call on a lock there: its kind, start and length.
    pub(super) fn lock(self, (kind, start, length): (u64, i64, i64)) -> Action {
        Action::Lock {
            fd: Slot(self.slot),
            command: F_SETLK as i32,
            kind: kind as i16,
            whence: 0,
            start,
            length,
        }
    }

    /// Opens a file for locks only.
    pub(super) fn open(
        cx: &Cx,
        file: &File,
        mode: u32,
        writer: &mut Writer,
        paths: &mut Paths,
        notes: &mut Notes,
    ) -> Option<Carrier> {
        let dent = writer.tree.inode(file.ino).dent;
        if dent == NONE {
            notes.add("locks on removed files that processes, or they and open files, share");
            return None;
        }
        let at = paths.place_of(writer.tree, file.ino);
        let slot = writer.fds.take_slot(cx.lane);
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
        writer.extra(cx.lane, cx.event.entry, action, cx.event.call, &needs);
        Some(Carrier {
            slot,
            description: NONE,
            mode,
        })
    }

    /// Takes a lock there that the process holds.
    pub(super) fn retake(self, cx: &Cx, part: &LockPart, writer: &mut Writer) {
        let kind = if part.exclusive { F_WRLCK } else { F_RDLCK };
        let (start, length) = part.range.told();
        let action = self.lock((kind, start, length));
        let needs = [(Resource::Slot(self.slot), Side::Read)];
        writer.extra(cx.lane, cx.event.entry, action, Call::fcntl, &needs);
    }

    /// Closes what was opened for locks only.
    pub(super) fn close(self, (lane, time): (u32, u64), writer: &mut Writer) {
        let fd = Slot(self.slot);
        let resource = Resource::Slot(self.slot);
        writer.extra_write(lane, time, Action::Close { fd }, Call::close, resource);
        writer.fds.give_slot(lane, self.slot);
    }
}

/// All locks of a process on an inode.
pub(super) fn every_lock(table: u32, ino: u32) -> Lock {
    Lock {
        ino,
        kind: LockKind::Record,
        owner: Owner::Process(table),
        range: LockRange::ALL,
        exclusive: false,
    }
}

/// A call on a lock of all bytes: its kind, start and length.
pub(super) fn every_byte(kind: u64) -> (u64, i64, i64) {
    (kind, 0, 0)
}

/// What carries the locks of all processes.
#[derive(Default)]
pub(crate) struct Carriers {
    /// By descriptor table and inode: a process can have locks on any number of files.
    pub(super) of: FastMap<(u32, u32), Carrier>,
    /// The table whose locks a description carries.
    pub(super) by_description: FastMap<u32, u32>,
    /// When a description was free again that had carried a process's locks.
    pub(super) freed: FastMap<u32, OpId>,
}

impl Carriers {
    pub(super) fn find(&self, table: u32, ino: u32) -> Option<Carrier> {
        self.of.get(&(table, ino)).copied()
    }

    pub(super) fn add(&mut self, (table, ino): (u32, u32), carrier: Carrier) {
        self.of.insert((table, ino), carrier);
        if carrier.description != NONE {
            self.by_description.insert(carrier.description, table);
        }
    }

    pub(super) fn take(&mut self, table: u32, ino: u32) -> Option<Carrier> {
        let carrier = self.of.remove(&(table, ino))?;
        self.by_description.remove(&carrier.description);
        Some(carrier)
    }
}

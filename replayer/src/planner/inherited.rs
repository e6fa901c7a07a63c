//! Descriptors that came from outside the recording: open at its start, or received over a socket.

use fsreplay_trace::abi;
use fsreplay_trace::call::Call;
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{FdState, FileKind, StringId};

use super::fds::What;
use super::hash::{FastMap, Seed};
use super::tables::Entry;
use super::tree::{NONE, PSEUDO, SKIPPED};
use super::{PlanError, Planner, Resource};
use crate::plan::{Action, At, InitialFd, Slot};

/// By what descriptors from outside are told to lead to one open file.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct OpenFile {
    task: u32,
    flags: u32,
    offset: u64,
    /// Hash of where it leads.
    target: u32,
}

impl OpenFile {
    fn of(state: &FdState, target: &[u8], seed: Seed) -> OpenFile {
        OpenFile {
            task: state.task.0,
            flags: state.open_flags() & !abi::O_CLOEXEC,
            offset: state.offset,
            target: seed.bytes(target),
        }
    }
}

/// Open files that descriptors of the start lead to.
#[derive(Default)]
pub(crate) struct Inherited {
    /// What hashes of texts start from.
    seed: Seed,
    /// Where each leads, and its handle.
    files: FastMap<OpenFile, (StringId, u32)>,
}

impl Inherited {
    /// A descriptor leads to an open file, known by that handle from now on.
    fn add(&mut self, state: &FdState, target: &[u8], handle: u32) {
        let key = OpenFile::of(state, target, self.seed);
        self.files.insert(key, (state.target, handle));
    }

    /// The descriptor that leads to the same open file (`> log 2>&1`), whose offset is one for
    /// both.
    ///
    /// Two of a task that were open from the start and agree in file, offset and all flags but
    /// close-on-exec are nearly always one. Where the recorder could ask the kernel and they are
    /// not, the state says so.
    fn shared_with(&self, state: &FdState, tables: &Tables, are_from_start: bool) -> Option<u32> {
        if !are_from_start || state.is_apart() {
            return None;
        }
        self.find(state, tables)
    }

    /// The handle of the open file that another descriptor led to, if this one leads there, too.
    fn find(&self, state: &FdState, tables: &Tables) -> Option<u32> {
        let target = tables.string(state.target);
        let key = OpenFile::of(state, target, self.seed);
        let (known, handle) = self.files.get(&key)?;
        (tables.string(*known) == target).then_some(*handle)
    }
}

impl Planner {
    pub(crate) fn fd_state(&mut self, state: &FdState, tables: &Tables) -> Result<(), PlanError> {
        let task = state.task.0;
        if !self.holdings.procs.is_alive(task) {
            self.adopt(task, 0)?;
        }
        if state.fd < 0 || state.target.0 as usize >= tables.string_count() {
            return Ok(());
        }
        if self
            .holdings
            .procs
            .table(task)
            .get(state.fd, u32::MAX)
            .is_some()
        {
            return Ok(());
        }
        let target = tables.string(state.target);
        // No link of /proc says more (PATH_MAX); a made-up one would be walked each time.
        let short = target.len() < abi::PATH_MAX;
        let real = short && matches!(state.kind, FileKind::File | FileKind::Directory);
        let shared = if real {
            self.holdings
                .inherited
                .shared_with(state, tables, self.tally.coverage.events == 0)
        } else {
            None
        };
        let handle = match shared {
            Some(handle) => {
                self.holdings.fds.hold(handle);
                handle
            }
            None if real && target.first() == Some(&b'/') => {
                let handle = self.inherit_file(state, target);
                if self.tally.coverage.events == 0 {
                    self.holdings.inherited.add(state, target, handle);
                }
                handle
            }
            None => self
                .holdings
                .fds
                .open(What::Other, NONE, state.open_flags(), None),
        };
        let entry = Entry {
            handle,
            cloexec: state.flags & abi::O_CLOEXEC != 0,
            since: 0,
        };
        self.holdings.procs.table_mut(task).put(state.fd, entry);
        Ok(())
    }

    /// A file or directory that was open already, or came over a socket.
    fn inherit_file(&mut self, state: &FdState, target: &[u8]) -> u32 {
        let deleted = target.ends_with(b" (deleted)");
        let ino = if deleted {
            NONE
        } else {
            self.land.existing(target, state.kind)
        };
        if ino == NONE {
            self.tally
                .notes
                .add("inherited descriptors of files that have no name");
            return self
                .holdings
                .fds
                .open(What::Unresolved, NONE, state.open_flags(), None);
        }
        let area = self.land.tree.inode(ino).flags;
        if area & (PSEUDO | SKIPPED) != 0 {
            let what = if area & PSEUDO != 0 {
                What::Pseudo
            } else {
                What::Skipped
            };
            return self.holdings.fds.open(what, NONE, state.open_flags(), None);
        }
        self.land
            .initial
            .grow(&mut self.land.tree, ino, state.offset);
        let lane = self.holdings.procs.task(state.task.0).lane;
        let slot = self.holdings.fds.take_slot(lane);
        let at = self.paths.place_of(&self.land.tree, ino);
        let clean = state.open_flags() & !(abi::O_CREAT | abi::O_EXCL | abi::O_TRUNC);
        let flags = self.setting.dialect.translate(clean) as i32;
        if self.tally.coverage.events == 0 {
            self.holdings.initial_fds.push(InitialFd {
                out: Slot(slot),
                at,
                flags,
                offset: state.offset,
            });
        } else {
            self.open_received(lane, at, flags, slot, state.offset);
        }
        let handle = self
            .holdings
            .fds
            .open(What::Real, ino, state.open_flags(), Some(slot));
        self.holdings.fds.description_mut(handle).offset = state.offset;
        self.land.tree.inode_mut(ino).opens += 1;
        handle
    }

    fn open_received(&mut self, lane: u32, at: At, flags: i32, slot: u32, offset: u64) {
        let open = Action::Open {
            at,
            flags,
            mode: 0,
            resolve: 0,
            out: Slot(slot),
        };
        let time = self.order.last_exit(lane);
        self.writer()
            .extra_write(lane, time, open, Call::openat, Resource::Slot(slot));
        if offset > 0 {
            let seek = Action::Seek {
                fd: Slot(slot),
                offset: offset.min(i64::MAX as u64) as i64,
                whence: 0,
            };
            self.writer()
                .extra_write(lane, time, seek, Call::lseek, Resource::Slot(slot));
        }
    }
}

#[cfg(test)]
mod tests {
    use fsreplay_trace::model::TaskId;

    use super::*;

    #[test]
    fn descriptors_lead_to_one_open_file_where_all_but_close_on_exec_agrees() {
        let mut tables = Tables::new();
        let first = FdState {
            task: TaskId(0),
            fd: 1,
            kind: FileKind::File,
            target: tables.add_string(b"/work/log"),
            flags: abi::O_APPEND,
            offset: 7,
        };
        let elsewhere = tables.add_string(b"/work/other");
        let mut inherited = Inherited::default();
        inherited.add(&first, b"/work/log", 5);
        let same = FdState {
            fd: 2,
            flags: first.flags | abi::O_CLOEXEC,
            ..first
        };
        assert_eq!(inherited.find(&same, &tables), Some(5));
        for other in [
            FdState { offset: 8, ..first },
            FdState { flags: 0, ..first },
            FdState {
                task: TaskId(1),
                ..first
            },
            FdState {
                target: elsewhere,
                ..first
            },
        ] {
            assert_eq!(inherited.find(&other, &tables), None, "{other:?}");
        }
    }
}

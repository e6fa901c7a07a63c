//! Descriptors that came from outside the recording: open at its start, or received over a socket.

use fsreplay_trace::abi;
use fsreplay_trace::call::Call;
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{FdState, FileKind};

use super::holdings::fds::What;
use super::holdings::tables::Entry;
use super::land::tree::{NONE, PSEUDO, SKIPPED};
use super::{PlanError, Planner, Resource};
use crate::plan::{Action, At, InitialFd, Slot};

impl Planner {
    /// Where a descriptor leads that no recorded call opened.
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
                .note("inherited descriptors of files that have no name");
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

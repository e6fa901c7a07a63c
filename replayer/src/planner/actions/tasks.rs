//! Working directories, program starts, and what tasks share.

use fsreplay_trace::abi::{self, CLONE_FILES, CLONE_FS, CLONE_NEWNS};
use fsreplay_trace::call::ArgKind;

use super::super::holdings::fds::What;
use super::super::land::tree::{Kind, NONE};
use super::super::order::Side;
use super::super::paths::Hint;
use super::super::{Class, Cx, Draft, Planner, Resource};
use super::{File, lookup_hint};
use crate::plan::{Action, At, Check, Slot};

impl Planner {
    pub(super) fn umask(&mut self, cx: &Cx) -> Draft {
        self.holdings.procs.fs_mut(cx.task).umask = cx.number(ArgKind::Mode) as u32 & 0o777;
        Draft::nothing(cx, Class::Other)
    }

    pub(super) fn change_dir(&mut self, cx: &Cx) -> Draft {
        let reached = match self.reach(cx, lookup_hint(cx, Kind::Directory)) {
            Ok(reached) => reached,
            Err(draft) => {
                if cx.ok() {
                    return self.leave_tree(cx, draft);
                }
                return draft;
            }
        };
        reached.walked.failed(&mut self.uses);
        let at = reached.at;
        let mount = self.land.tree.mount_at(&reached.walked);
        let out = match reached.found() {
            Some(ino) if cx.ok() => self.enter(cx, ino),
            _ => Slot::BAD,
        };
        Draft::issue(cx, Action::ChangeDir { at, out }).mount(mount)
    }

    pub(super) fn fd_change_dir(&mut self, cx: &Cx) -> Draft {
        let file = match self.file(cx, ArgKind::Fd) {
            Ok(file) => file,
            Err(draft) => {
                if cx.ok() {
                    return self.leave_tree(cx, draft);
                }
                return draft;
            }
        };
        let out = if cx.ok() && file.ino != NONE {
            self.enter(cx, file.ino)
        } else {
            Slot::BAD
        };
        let fd = file.slot;
        Draft::issue(cx, Action::FdChangeDir { fd, out }).mount(file.mount)
    }

    /// The working directory is a directory of the replayed tree now; the slot that holds it.
    fn enter(&mut self, cx: &Cx, ino: u32) -> Slot {
        let old = self.holdings.procs.fs(cx.task).cwd;
        let mut slot = None;
        if old != NONE {
            // The directory just left keeps its slot if another process is still in it.
            let dropped = self.holdings.fds.let_go(old);
            slot = dropped.slot;
            self.description_ended(cx.lane, dropped.ended);
        }
        let slot = match slot {
            Some(slot) => slot.0,
            None => self.holdings.fds.take_slot(cx.lane),
        };
        self.uses.slot(slot, Side::Write);
        let handle = self
            .holdings
            .fds
            .open(What::Real, ino, abi::O_PATH, Some(slot));
        self.land.tree.inode_mut(ino).opens += 1;
        let fs = self.holdings.procs.fs_mut(cx.task);
        fs.cwd = handle;
        fs.cwd_ino = ino;
        Slot(slot)
    }

    /// The working directory is outside of the replayed tree now.
    fn leave_tree(&mut self, cx: &Cx, draft: Draft) -> Draft {
        let old = self.holdings.procs.fs(cx.task).cwd;
        let fs = self.holdings.procs.fs_mut(cx.task);
        fs.cwd = NONE;
        fs.cwd_ino = NONE;
        if old != NONE {
            self.drop_after(cx.lane, old);
        }
        draft
    }

    /// Lets go of a handle after the op being made.
    fn drop_after(&mut self, lane: u32, handle: u32) {
        let dropped = self.holdings.fds.let_go(handle);
        let Some(slot) = dropped.slot else {
            self.description_ended(lane, dropped.ended);
            return;
        };
        let action = Action::Close { fd: slot };
        self.order.put_behind(action, Resource::Slot(slot.0));
        let by = Some(self.order.last_behind(lane));
        self.description_ended_by(lane, dropped.ended, by);
        self.holdings.fds.give_slot(lane, slot.0);
    }

    pub(super) fn change_root(&mut self, cx: &Cx) -> Draft {
        let hint = if cx.ok() {
            Hint::Exists(Kind::Directory)
        } else {
            Hint::Silent
        };
        if let Ok(reached) = self.reach(cx, hint)
            && let Some(ino) = reached.found().filter(|_| cx.ok())
        {
            self.holdings.procs.fs_mut(cx.task).root = ino;
            self.tally.note("changes of the root directory");
        }
        self.uses.clear();
        Draft::nothing(cx, Class::Other)
    }

    pub(super) fn exec(&mut self, cx: &Cx) -> Draft {
        let bits = cx.flags();
        let draft = self.program(cx, bits);
        if cx.ok() {
            self.started(cx);
        }
        draft
    }

    /// The program file of an `execve`.
    fn program(&mut self, cx: &Cx, bits: u32) -> Draft {
        let (at, ino, mount) = if cx.is_empty_path(bits) {
            match self.empty_path(cx) {
                Ok(file) => (self.program_at(&file), Some(file.ino), file.mount),
                Err(draft) => return draft,
            }
        } else {
            match self.look(cx, Kind::File) {
                Ok((reached, mount)) => (reached.at, reached.found(), mount),
                Err(draft) => return draft,
            }
        };
        if let Some(ino) = ino {
            self.uses.inode(ino, Side::Read);
            self.land.mark_read(ino);
            if cx.ok() {
                self.holdings.users.runs_as(cx.task, ino, &self.land);
            }
        }
        let action = Action::Exec {
            at,
            flags: bits as i32,
        };
        let mut draft = Draft::issue(cx, action).mount(mount);
        let by_file = [
            libc::ENOENT,
            libc::ENOTDIR,
            libc::EACCES,
            libc::ELOOP,
            libc::ENAMETOOLONG,
            libc::EBADF,
        ];
        if cx.event.errno().is_some_and(|e| !by_file.contains(&e)) {
            // Not for the file's sake (too long an argument list, no format): opening it goes well.
            draft.expected = 0;
            draft.check = Check::Nothing;
        }
        draft
    }

    /// How the program behind a descriptor is reached: of a descriptor that only names the file
    /// (`O_PATH`) nothing can be read, so by its name.
    fn program_at(&mut self, file: &File) -> At {
        let only_names = self.holdings.fds.only_names(file);
        let named = file.ino != NONE && self.land.tree.inode(file.ino).kind == Kind::File;
        let dent = if only_names && named {
            self.land.tree.inode(file.ino).dent
        } else {
            NONE
        };
        if dent == NONE {
            return At {
                dir: file.slot,
                path: super::super::TextBuilder::EMPTY,
            };
        }
        self.uses.add(Resource::Dent(dent), Side::Read);
        self.paths.place_of(&self.land.tree, file.ino)
    }

    /// A new program runs: descriptors close, tables and memory are its own.
    fn started(&mut self, cx: &Cx) {
        self.holdings.unshare_table(cx.task);
        for fd in self.holdings.procs.table(cx.task).cloexec() {
            if let Some(entry) = self.holdings.procs.table_mut(cx.task).take(fd, u32::MAX) {
                let table = self.holdings.procs.task(cx.task).table;
                let (order, fds) = (&mut self.order, &mut self.holdings.fds);
                self.locking
                    .unlock_after((table, cx.lane), entry.handle, order, fds);
                self.drop_after(cx.lane, entry.handle);
            }
        }
        let old = self.holdings.procs.task(cx.task).mm;
        if self.holdings.procs.leave_space(old) {
            let parts = self.holdings.procs.spaces[old as usize].clear();
            self.holdings.procs.free_space(old);
            for part in parts {
                if let Some((action, resource)) =
                    self.holdings
                        .maps
                        .unmap(cx.lane, part, true, &mut self.land)
                {
                    self.order.put_behind(action, resource);
                }
            }
        }
        let space = self.holdings.procs.add_space();
        self.holdings.procs.task_mut(cx.task).mm = space;
    }

    pub(super) fn unshare(&mut self, cx: &Cx) -> Draft {
        let bits = u64::from(cx.flags());
        if cx.ok() && bits & CLONE_FILES != 0 {
            self.holdings.unshare_table(cx.task);
        }
        if cx.ok()
            && bits & (CLONE_FS | CLONE_NEWNS) != 0
            && let Some(cwd) = self.holdings.procs.unshare_fs(cx.task)
        {
            self.holdings.fds.hold(cwd);
        }
        if cx.ok() && bits & CLONE_NEWNS != 0 {
            let fs = self.holdings.procs.fs_mut(cx.task);
            fs.namespace = self.land.mounts.copy(fs.namespace);
        }
        Draft::nothing(cx, Class::Other)
    }

    pub(super) fn wait(&mut self, cx: &Cx) -> Draft {
        const P_PID: u64 = 1;
        let pid = match cx.event.arg(ArgKind::Mode) {
            // waitid: the child is told through memory.
            Some(P_PID) if cx.ok() => cx.number(ArgKind::Pid) as u32,
            Some(_) if cx.ok() => 0,
            None if cx.event.result > 0 => cx.event.result as u32,
            _ => return Draft::nothing(cx, Class::Other),
        };
        for end in self.holdings.procs.reap(cx.task, pid) {
            self.order.after(end);
            self.order.in_sync(end);
            self.time.paces.caused = true;
        }
        Draft::nothing(cx, Class::Other)
    }
}

//! Who has what open: tasks and whom they ask as, descriptors and what they lead to, mappings.

pub(super) mod arguments;
pub(super) mod clones;
pub(super) mod fds;
pub(super) mod file;
pub(super) mod inherited;
pub(super) mod mappings;
pub(super) mod pipes;
pub(super) mod processes;
pub(super) mod tables;
pub(super) mod users;

use fsreplay_trace::abi::{self, CLONE_FILES, CLONE_FS};
use fsreplay_trace::call::{ArgKind, Call, Op};
use fsreplay_trace::model::{Header, TaskStart};

use super::land::tree::NONE;
use super::{Class, Cx, Draft, Notes, PlanError};
use crate::plan::InitialFd;
use fds::{Descriptors, What};
use inherited::Inherited;
use mappings::Mappings;
use pipes::Pipes;
use processes::Processes;
use tables::{Entry, FdTable};
use users::Users;

const SOCK_CLOEXEC: u32 = abi::O_CLOEXEC;
/// Descriptor numbers beyond this are made up.
const MAX_FD: i64 = 1 << 30;

/// What tasks have.
pub(crate) struct Holdings {
    pub(crate) procs: Processes,
    pub(crate) fds: Descriptors,
    pub(crate) pipes: Pipes,
    pub(crate) maps: Mappings,
    pub(crate) users: Users,
    pub(crate) inherited: Inherited,
    /// Descriptors of the replay that are open before its first op.
    pub(crate) initial_fds: Vec<InitialFd>,
}

impl Holdings {
    /// Nobody has anything. The first slots are those of the roots. `waits_are_told` is that of
    /// [`Pipes::new`].
    pub(crate) fn new(header: &Header, roots: usize, waits_are_told: bool) -> Holdings {
        Holdings {
            procs: Processes::default(),
            fds: Descriptors::new(roots),
            pipes: Pipes::new(waits_are_told),
            maps: Mappings::default(),
            users: Users::new(header),
            inherited: Inherited::default(),
            initial_fds: Vec::new(),
        }
    }

    /// Adds a task made by another one, with what it has of that one.
    pub(crate) fn add_child(
        &mut self,
        start: &TaskStart,
        parent: u32,
        lane: u32,
    ) -> Result<(), PlanError> {
        self.procs.add_child(start, parent, lane)?;
        self.users.started(start.task.0, parent);
        if start.flags & CLONE_FILES == 0 {
            for handle in self.procs.table(start.task.0).handles() {
                self.fds.hold(handle);
            }
        }
        let cwd = self.procs.fs(start.task.0).cwd;
        if start.flags & CLONE_FS == 0 && cwd != NONE {
            self.fds.hold(cwd);
        }
        Ok(())
    }

    /// Puts a descriptor into the calling task's table.
    pub(crate) fn put_fd(&mut self, cx: &Cx, fd: i64, handle: u32, cloexec: bool) {
        let entry = Entry {
            handle,
            cloexec,
            since: cx.number,
        };
        if (0..MAX_FD).contains(&fd) {
            self.procs.table_mut(cx.task).put(fd as i32, entry);
        }
    }

    /// A descriptor of something that isn't replayed.
    pub(crate) fn put_virtual(&mut self, cx: &Cx, fd: i64, class: Class, cloexec: bool) {
        let what = match class {
            Class::Pseudo => What::Pseudo,
            Class::Skipped => What::Skipped,
            Class::Unresolved => What::Unresolved,
            _ => What::Other,
        };
        let handle = self.fds.open(what, NONE, 0, None);
        self.put_fd(cx, fd, handle, cloexec);
    }

    /// A new number for a descriptor behind which nothing is open. Where the old one isn't known,
    /// what it leads to is told by `class`.
    pub(crate) fn duplicate_virtual(&mut self, cx: &Cx, new: i64, cloexec: bool, class: Class) {
        let fd = cx.event.fd(ArgKind::Fd).unwrap_or(-1);
        match self.procs.table(cx.task).get(fd, cx.horizon) {
            Some(entry) => {
                let handle = self.fds.duplicate(entry.handle, None);
                self.put_fd(cx, new, handle, cloexec);
            }
            None => self.put_virtual(cx, new, class, cloexec),
        }
    }

    /// Sockets, events and the like: tracked by number only.
    pub(crate) fn virtual_fd(&mut self, cx: &Cx, notes: &mut Notes) -> Draft {
        let draft = Draft::nothing(cx, Class::Other);
        if !cx.ok() {
            return draft;
        }
        let fd = cx.event.result;
        // signalfd(2) may change one that is there.
        if cx.event.fd(ArgKind::NewFd) == Some(fd as i32) {
            return draft;
        }
        let cloexec = cx.flags() & SOCK_CLOEXEC != 0;
        if matches!(cx.event.call.name(), "eventfd" | "eventfd2") {
            let counter = self.pipes.add_counter();
            // Without access bits: its end is nobody's end of file.
            let handle = self.fds.open(What::Pipe(counter), NONE, 0, None);
            self.put_fd(cx, fd, handle, cloexec);
            return draft;
        }
        let class = if cx.event.call == Call::pidfd_getfd {
            // It may lead to a file.
            notes.add(
                "descriptors taken from other processes (pidfd_getfd): what they lead to isn't \
                 known, and calls on them are not issued",
            );
            Class::Unresolved
        } else {
            Class::Other
        };
        self.put_virtual(cx, fd, class, cloexec);
        draft
    }

    /// `pipe` and `socketpair`.
    pub(crate) fn pair(&mut self, cx: &Cx, op: Op) -> Draft {
        let draft = Draft::nothing(cx, Class::Other);
        if !cx.ok() {
            return draft;
        }
        let cloexec = cx.flags() & SOCK_CLOEXEC != 0;
        let pipe = self.pipes.add();
        self.pipes.writer(pipe);
        let back = (op == Op::SocketPair).then(|| self.pipes.add());
        if let Some(back) = back {
            self.pipes.writer(back);
        }
        for (kind, end) in [(ArgKind::OutFd0, 0), (ArgKind::OutFd1, 1)] {
            let what = match (back, end) {
                (None, _) => What::Pipe(pipe),
                (Some(back), 0) => What::Pair(pipe, back),
                (Some(back), _) => What::Pair(back, pipe),
            };
            let handle = self.fds.open(what, NONE, end, None);
            let fd = cx.number(kind) as i64;
            self.put_fd(cx, fd, handle, cloexec);
        }
        draft
    }

    /// A named pipe is no file: reads wait for writes as on any pipe.
    pub(crate) fn open_fifo(&mut self, cx: &Cx, ino: u32, recorded: u32, cloexec: bool) -> Draft {
        let pipe = self.pipes.of_fifo(ino);
        if recorded & 3 != 0 {
            self.pipes.writer(pipe);
        }
        let handle = self.fds.open(What::Pipe(pipe), NONE, recorded & 3, None);
        self.put_fd(cx, cx.event.result, handle, cloexec);
        Draft::nothing(cx, Class::Other)
    }

    /// A descriptor is closed by the start of a program from now on, or no more.
    pub(crate) fn set_cloexec(&mut self, cx: &Cx, cloexec: bool) {
        let fd = cx.event.fd(ArgKind::Fd).unwrap_or(-1);
        if cx.ok()
            && let Some(entry) = self.procs.table_mut(cx.task).get_mut(fd)
        {
            entry.cloexec = cloexec;
        }
    }

    /// The task gets a descriptor table of its own.
    pub(crate) fn unshare_table(&mut self, task: u32) {
        let shared = self.procs.task(task).table;
        if !self.procs.tables.is_shared(shared) {
            return;
        }
        let copy: FdTable = self.procs.tables.get(shared).copy();
        for handle in copy.handles() {
            self.fds.hold(handle);
        }
        self.procs.tables.leave(shared);
        let table = self.procs.tables.add(copy);
        self.procs.task_mut(task).table = table;
    }
}

#[cfg(test)]
mod tests {
    use fsreplay_trace::format::Tables;
    use fsreplay_trace::model::TaskId;

    use super::super::tests::calls;
    use super::*;

    fn start(task: u32, flags: u64) -> TaskStart {
        TaskStart {
            task: TaskId(task),
            parent: None,
            time: 0,
            flags,
            tid: task + 1,
            think: 0,
        }
    }

    /// One task, without descriptors.
    fn holdings() -> Holdings {
        let mut holdings = Holdings::new(&Header::default(), 1, false);
        let first = holdings.procs.add_first(&start(0, 0), 0, 0o022);
        first.expect("a first task");
        holdings
    }

    #[test]
    fn a_child_holds_what_it_copied_and_not_what_it_shares() {
        let tables = Tables::new();
        let event = calls::event(0, Call::dup, &[], 5);
        for (flags, holders) in [(0, 2), (CLONE_FILES, 1)] {
            let mut holdings = holdings();
            let slot = holdings.fds.take_slot(0);
            let handle = holdings.fds.open(What::Real, 7, 0, Some(slot));
            holdings.put_fd(&calls::alone(&event, &tables, 0), 5, handle, false);
            let child = holdings.add_child(&start(1, flags), 0, 1);
            child.expect("a child");
            assert_eq!(holdings.fds.handle(handle).holders, holders);
        }
    }

    #[test]
    fn a_table_of_ones_own_leaves_the_others_as_it_was() {
        let tables = Tables::new();
        let event = calls::event(1, Call::fcntl, &[(ArgKind::Fd, 5)], 0);
        let cx = calls::alone(&event, &tables, 1);
        let mut holdings = holdings();
        holdings
            .add_child(&start(1, CLONE_FILES), 0, 1)
            .expect("a child");
        holdings.put_virtual(&cx, 5, Class::Other, false);
        holdings.unshare_table(1);
        holdings.set_cloexec(&cx, true);
        assert_eq!(holdings.procs.table(1).cloexec(), [5]);
        assert_eq!(holdings.procs.table(0).cloexec(), [0; 0]);
        let handle = holdings
            .procs
            .table(0)
            .get(5, u32::MAX)
            .map(|entry| entry.handle);
        let handle = handle.expect("a descriptor");
        assert_eq!(holdings.fds.handle(handle).holders, 2);
    }

    #[test]
    fn what_one_end_of_a_pair_writes_the_other_reads() {
        let tables = Tables::new();
        let ends = [(ArgKind::OutFd0, 3), (ArgKind::OutFd1, 4)];
        for (call, op, both_ways) in [
            (Call::pipe, Op::Pipe, false),
            (Call::socketpair, Op::SocketPair, true),
        ] {
            let mut holdings = holdings();
            let made = calls::event(0, call, &ends, 0);
            holdings.pair(&calls::alone(&made, &tables, 0), op);
            let of = |fd: u64| calls::event(0, Call::read, &[(ArgKind::Fd, fd)], 1);
            let (three, four) = (of(3), of(4));
            let reads = |event| holdings.pipe_read(&calls::alone(event, &tables, 1), ArgKind::Fd);
            let writes =
                |event| holdings.pipe_written(&calls::alone(event, &tables, 1), ArgKind::Fd);
            assert!(reads(&three).is_some());
            assert_eq!(reads(&three), writes(&four), "{call:?}");
            assert_eq!(reads(&four), writes(&three), "{call:?}");
            assert_eq!(reads(&three) != reads(&four), both_ways, "{call:?}");
        }
    }

    #[test]
    fn what_a_descriptor_of_another_process_leads_to_is_not_known() {
        let tables = Tables::new();
        let mut notes = Notes::default();
        let mut class_of = |call: Call| {
            let mut holdings = holdings();
            let event = calls::event(0, call, &[], 6);
            holdings.virtual_fd(&calls::alone(&event, &tables, 0), &mut notes);
            let entry = holdings
                .procs
                .table(0)
                .get(6, u32::MAX)
                .expect("a descriptor");
            holdings.fds.class_of(entry.handle)
        };
        assert_eq!(class_of(Call::socket), Class::Other);
        assert_eq!(class_of(Call::pidfd_getfd), Class::Unresolved);
        assert_eq!(notes.counts.len(), 1);
    }
}

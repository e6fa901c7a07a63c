//! From calls to records: what is written at the entry and the exit of a call.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use fsreplay_trace::call::{ArgKind, Call, Op};
use fsreplay_trace::model::{Event, FdState, NodeId, Record, Spent, TaskId, UNREADABLE_ARGUMENTS};

use super::interrupted::sum;
use super::memory::TaskMemory;
use crate::arch::Numbers;
use crate::calibrate::Costs;
use crate::decode::{self, Arguments, Decoded};
use crate::effects::{self, Change};
use crate::fds::{self, Descriptor};
use crate::observe::{Found, States};
use crate::paths::{self, PathUse};
use crate::spawn;
use crate::sys;
use crate::tasks::{InCall, Phase, Task};
use crate::trace::Trace;

/// The first of the results that stand for "interrupted, to be restarted": `-ERESTARTSYS`.
const RESTART_FIRST: i64 = -512;
/// The last: `-ERESTART_RESTARTBLOCK`.
const RESTART_LAST: i64 = -516;

/// The recorder looks at its clock once a second at least. If that is so much late, it was stopped,
/// nanoseconds.
const LATE: u64 = 1_500_000_000;

/// Whether the exit of a call is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The call is recorded: to its exit.
    Exit,
    /// It is not: on.
    Continue,
}

/// Everything that is written, and what is known to write it.
pub struct Session {
    /// The trace.
    pub trace: Trace,
    /// What is known of paths.
    pub states: States,
    /// Calls seen and not recorded.
    pub unrecorded: BTreeMap<String, u64>,
    /// What a reader should know.
    pub warnings: BTreeSet<String>,
    numbers: Numbers,
    decoded: Decoded,
    start: u64,
    /// The last time that was told.
    last: Cell<u64>,
    through_proc: bool,
    inherited_done: bool,
    /// Set-id programs keep their privilege: the recorder may trace them with it.
    privileged: bool,
    costs: Costs,
    /// Tasks whose memory may not be read.
    unreadable: HashSet<i32>,
}

impl Session {
    /// A session that begins now.
    pub fn new(trace: Trace, states: States, start: u64, costs: Costs) -> Session {
        Session {
            trace,
            states,
            unrecorded: BTreeMap::new(),
            warnings: BTreeSet::new(),
            numbers: Numbers::new(),
            decoded: Decoded::default(),
            start,
            last: Cell::new(0),
            through_proc: false,
            inherited_done: false,
            privileged: sys::effective_ids().0 == 0,
            costs,
            unreadable: HashSet::new(),
        }
    }

    /// Keeps all arguments of programs.
    pub fn keep_arguments(&mut self) {
        self.decoded.keep = Arguments::All;
    }

    /// Nanoseconds since the start of the recording.
    pub fn time(&self) -> u64 {
        let time = sys::now().saturating_sub(self.start);
        self.last.set(time);
        time
    }

    /// Whether nothing was told for longer than the recorder's own ticks would let pass.
    pub fn is_late(&self) -> bool {
        sys::now().saturating_sub(self.start) > self.last.get() + LATE
    }

    /// The tool stood still since something was told last: that time is not its own.
    pub fn stood_still(&mut self) {
        let time = sys::now().saturating_sub(self.start);
        self.start += time.saturating_sub(self.last.get());
    }

    /// Counts a call that is not recorded.
    pub fn count_unrecorded(&mut self, name: &str) {
        match self.unrecorded.get_mut(name) {
            Some(count) => *count += 1,
            None => {
                self.unrecorded.insert(name.to_owned(), 1);
            }
        }
    }

    /// A stop at the filter at a call of the table.
    pub fn entry(&mut self, tid: i32, task: &mut Task, number: u64, registers: [u64; 6]) -> Next {
        let Some(call) = self.numbers.call(number) else {
            return match number as i64 {
                libc::SYS_restart_syscall => self.restarted(task),
                _ => Next::Continue,
            };
        };
        let again = self.settle(task, call, &registers);
        if Session::is_only_counted(task, call.row()) {
            self.unsupported(call);
            self.unrecorded_stop(task);
            let side = self.changes_mounts(tid, task, call, &registers);
            let Some(side) = side else {
                return Next::Continue;
            };
            task.phase = Phase::Side(side);
            return Next::Exit;
        }
        if !meets_file(task, call, &registers) {
            return self.pass(task);
        }
        let mut spent = self.gap(task, self.time());
        if let Some(again) = &again {
            spent = sum(again.spent, spent);
        }
        if !self.inherited_done {
            self.inherited_done = true;
            self.inherited(tid, task);
        }
        let memory = TaskMemory::new(tid, self.through_proc);
        decode::entry(call, &registers, &memory, &mut self.decoded);
        self.through_proc = memory.refused();
        if memory.denied() {
            self.unreadable(tid);
        }
        let found = self.walk_paths(tid, task, call);
        self.intern(call, &found);
        self.observe_directory(tid, task, call, found[0]);
        let target = match call.row().op {
            Op::Symlink => self
                .decoded
                .string(ArgKind::Target)
                .unwrap_or_default()
                .to_vec(),
            _ => Vec::new(),
        };
        let in_call = InCall {
            call,
            registers,
            args: self.decoded.args,
            entry: again.as_ref().map_or_else(|| self.time(), |a| a.entry),
            events_at_entry: again
                .as_ref()
                .map_or_else(|| self.trace.events(), |a| a.events_at_entry),
            moves: self.states.moves(),
            found,
            target,
            spent,
        };
        if wakes(call, &registers) {
            // Recorded now, so that it stands before the return of those that it wakes.
            self.event(task.id, &in_call, in_call.entry, 0);
            task.time.leaves(self.time());
            return Next::Continue;
        }
        task.phase = Phase::InCall(in_call);
        Next::Exit
    }

    /// A stop of which nothing is recorded.
    pub(super) fn pass(&mut self, task: &mut Task) -> Next {
        self.unrecorded_stop(task);
        Next::Continue
    }

    /// A task stopped, and nothing is recorded of it.
    pub fn unrecorded_stop(&self, task: &mut Task) {
        task.time.foreign_stop();
    }

    /// The parent's record of a new task is about to be written: its time so far.
    pub fn forks(&mut self, task: &mut Task) -> u64 {
        let now = self.time();
        let spent = self.gap(task, now);
        task.time.leaves(now);
        spent.think
    }

    /// Where a task's time went until now.
    pub fn gap(&self, task: &mut Task, now: u64) -> Spent {
        let costs = self.costs.of(task.placement.gathered);
        task.time.gap(now, costs.think)
    }

    /// A task's memory may not be read: its program may not, or it made itself so.
    fn unreadable(&mut self, tid: i32) {
        self.count_unrecorded(UNREADABLE_ARGUMENTS);
        if self.unreadable.insert(tid) {
            let name = spawn::program_name(tid);
            self.warnings.insert(format!(
                "{name} may not be looked into by this user (its file may not be read, or it made \
                 itself undumpable): paths of its calls are not in the trace"
            ));
        }
    }

    fn unsupported(&mut self, call: Call) {
        self.count_unrecorded(call.name());
        if matches!(call, Call::io_uring_setup) {
            self.warnings.insert(
                "the tool uses io_uring: what it does through rings is not in the trace. record \
                 --no-io-uring makes tools that can do without do so"
                    .to_owned(),
            );
        }
    }

    /// Walks the paths of a call, so that their states stand before it.
    fn walk_paths(&mut self, tid: i32, task: &Task, call: Call) -> [Option<Found>; 2] {
        let uses = paths::of_call(call, &self.decoded.args);
        uses.map(|path_use| self.walk_path(tid, task, path_use?))
    }

    fn walk_path(&mut self, tid: i32, task: &Task, path_use: PathUse) -> Option<Found> {
        // The walk needs all of `self`; the buffer goes back at once.
        let decoded = std::mem::take(&mut self.decoded);
        let found = decoded
            .string(path_use.kind)
            .filter(|path| !path.is_empty())
            .and_then(|path| {
                let base = match path.first() {
                    Some(b'/') => NodeId::ROOT,
                    _ => self.base(tid, task, path_use.base)?,
                };
                let view = task.place.borrow().view(tid);
                self.states
                    .walk(&mut self.trace, &view, base, path, path_use.follow)
            });
        self.decoded = decoded;
        found
    }

    /// The directory that a relative path starts from.
    pub(super) fn base(&mut self, tid: i32, task: &Task, fd: Option<i32>) -> Option<NodeId> {
        let kept = match fd {
            None => task.place.borrow().cwd,
            Some(fd) => task.directories.borrow().get(&fd).copied(),
        };
        let moves = self.states.moves();
        if let Some((node, at)) = kept
            && at == moves
        {
            return Some(node);
        }
        let link = match fd {
            None => format!("/proc/{tid}/cwd"),
            Some(fd) => format!("/proc/{tid}/fd/{fd}"),
        };
        let node = self.node_of_link(tid, task, &link)?;
        match fd {
            None => task.place.borrow_mut().cwd = Some((node, moves)),
            Some(fd) => {
                task.directories.borrow_mut().insert(fd, (node, moves));
            }
        }
        Some(node)
    }

    /// The node that a link of /proc leads to; `None` for what is no path, or deleted.
    pub(super) fn node_of_link(&mut self, tid: i32, task: &Task, link: &str) -> Option<NodeId> {
        use std::os::unix::ffi::OsStrExt;
        let path = std::fs::read_link(link).ok()?;
        let path = path.as_os_str().as_bytes();
        if path.first() != Some(&b'/') || path.ends_with(b" (deleted)") {
            return None;
        }
        let view = task.place.borrow().view(tid);
        let found = self.states.canonical(&mut self.trace, &view, path)?;
        Some(found.node)
    }

    /// Puts the ids of the strings into the arguments.
    fn intern(&mut self, call: Call, found: &[Option<Found>; 2]) {
        let row = call.row();
        for text in &self.decoded.strings {
            let bytes = self
                .decoded
                .text
                .get(text.range.clone())
                .unwrap_or_default();
            let node = match text.kind {
                ArgKind::Path => found[0],
                // A call with one path only has it first.
                ArgKind::NewPath if row.position(ArgKind::Path).is_some() => found[1],
                ArgKind::NewPath => found[0],
                _ => None,
            };
            let id = match node {
                Some(found) => self.trace.path_string(bytes, found.node),
                None => self.trace.string(bytes),
            };
            self.decoded.args[text.position] = u64::from(id.0);
        }
    }

    /// What is taken besides the states of paths: listings and extended attributes.
    fn observe_directory(&mut self, tid: i32, task: &Task, call: Call, found: Option<Found>) {
        let node = match call.row().op {
            Op::GetXattr | Op::SetXattr | Op::ListXattr | Op::RemoveXattr => found.map(|f| f.node),
            Op::ListDirectory => {
                let fd = self.decoded.args[0] as i32;
                self.base(tid, task, Some(fd))
            }
            Op::FdGetXattr | Op::FdSetXattr | Op::FdListXattr | Op::FdRemoveXattr => {
                let fd = self.decoded.args[0] as i32;
                self.node_of_link(tid, task, &format!("/proc/{tid}/fd/{fd}"))
            }
            _ => return,
        };
        let Some(node) = node else { return };
        let view = task.place.borrow().view(tid);
        match call.row().op {
            Op::ListDirectory => self.states.list(&mut self.trace, &view, node),
            _ => self.states.xattrs(&mut self.trace, &view, node),
        }
    }

    /// The descriptors that the command starts with. Those of the recorder are closed by exec.
    fn inherited(&mut self, tid: i32, task: &Task) {
        let mut all = fds::all(tid);
        all.retain(|descriptor| !descriptor.closes_on_exec());
        for (index, descriptor) in all.iter().enumerate() {
            let earlier = all.iter().take(index);
            self.descriptor(tid, task, descriptor, descriptor.is_apart(tid, earlier));
        }
    }

    fn descriptor(&mut self, tid: i32, task: &Task, descriptor: &Descriptor, is_apart: bool) {
        if let Some(path) = descriptor.path() {
            let view = task.place.borrow().view(tid);
            self.states.canonical(&mut self.trace, &view, path);
        }
        let target = self.trace.string(&descriptor.target);
        self.trace.push(Record::FdState(FdState {
            task: task.id,
            fd: descriptor.fd,
            target,
            kind: descriptor.kind,
            flags: descriptor.flags | if is_apart { FdState::APART } else { 0 },
            offset: descriptor.offset,
        }));
    }

    /// The exit of a recorded call.
    pub fn exit(&mut self, tid: i32, task: &mut Task, result: i64) {
        let Phase::InCall(mut call) = std::mem::take(&mut task.phase) else {
            return;
        };
        let now = self.time();
        let costs = self.costs.of(task.placement.gathered);
        let spent = task.time.call(now.saturating_sub(call.entry), costs.cpu);
        call.spent.cpu += spent.cpu;
        call.spent.asleep += spent.asleep;
        task.time.leaves(now);
        if (RESTART_LAST..=RESTART_FIRST).contains(&result) {
            task.phase = Phase::Interrupted(call, now);
            return;
        }
        if result >= 0 {
            let memory = TaskMemory::new(tid, self.through_proc);
            decode::exit(call.call, &call.registers, &memory, &mut call.args);
        }
        self.event(task.id, &call, now, result);
        self.forget_descriptors(task, &call, result);
        if result >= 0 {
            self.learn_directory(task, &call, result);
        }
        if result >= 0 || (call.call == Call::mmap && !(-4095..0).contains(&result)) {
            self.succeeded(tid, task, &call, result);
        }
        task.time.leaves(self.time());
    }

    /// Writes an event.
    pub(super) fn event(&mut self, task: TaskId, call: &InCall, end: u64, result: i64) {
        let event = Event {
            task,
            call: call.call,
            entry: call.entry,
            duration: end.saturating_sub(call.entry),
            overlapped: 0,
            spent: call.spent,
            result,
            args: call.args,
        };
        self.trace.event(event, call.events_at_entry);
    }

    /// A task is gone: what it was in never returned.
    pub fn abandoned(&mut self, task: &mut Task) {
        let now = self.time();
        match std::mem::take(&mut task.phase) {
            Phase::InCall(call) => self.event(task.id, &call, now, Event::NO_RETURN),
            Phase::Interrupted(call, time) => {
                self.event(task.id, &call, time, -i64::from(libc::EINTR));
            }
            Phase::Running | Phase::Side(_) => {}
        }
    }

    /// What a successful call changed.
    fn succeeded(&mut self, tid: i32, task: &mut Task, call: &InCall, result: i64) {
        let op = call.call.row().op;
        if effects::changes_names(call.call) {
            let change = Change {
                call: call.call,
                args: &call.args,
                found: call.found,
                target: &call.target,
            };
            effects::apply(&change, &mut self.states, &self.trace);
            return;
        }
        let [address, length, third, ..] = call.registers;
        match op {
            Op::ChangeRoot => self.changed_root(tid, task),
            Op::Mount | Op::Unmount => self.changed_mounts(call),
            Op::Unshare => self.unshared(task, call),
            Op::Map => task.maps.borrow_mut().add(result as u64, length),
            Op::Unmap => task.maps.borrow_mut().remove(address, length),
            Op::Remap => {
                let mut maps = task.maps.borrow_mut();
                maps.resize(address, length, result as u64, third);
            }
            Op::ReceiveMessage => self.received(tid, task, call),
            Op::Exec => self.started_program(call),
            _ => {}
        }
    }

    fn received(&mut self, tid: i32, task: &Task, call: &InCall) {
        let memory = TaskMemory::new(tid, self.through_proc);
        for fd in decode::received_descriptors(call.registers[1], &memory) {
            task.directories.borrow_mut().remove(&fd);
            if let Some(descriptor) = Descriptor::of(tid, fd) {
                self.descriptor(tid, task, &descriptor, false);
            }
        }
    }

    fn started_program(&mut self, call: &InCall) {
        let Some(found) = call.found[0] else { return };
        if !self.privileged && self.states.is_set_id(found.node) {
            let path = self.trace.path(found.node);
            self.warnings.insert(format!(
                "{} is set-user-id or set-group-id and ran without that privilege",
                String::from_utf8_lossy(&path)
            ));
        }
    }
}

/// Whether a call wakes those that wait at a futex.
fn wakes(call: Call, registers: &[u64; 6]) -> bool {
    use libc::{
        FUTEX_CMP_REQUEUE, FUTEX_CMP_REQUEUE_PI, FUTEX_REQUEUE, FUTEX_UNLOCK_PI, FUTEX_WAKE,
        FUTEX_WAKE_BITSET, FUTEX_WAKE_OP,
    };
    call == Call::futex
        && matches!(
            registers[1] as i32 & libc::FUTEX_CMD_MASK,
            FUTEX_WAKE
                | FUTEX_WAKE_BITSET
                | FUTEX_WAKE_OP
                | FUTEX_REQUEUE
                | FUTEX_CMP_REQUEUE
                | FUTEX_CMP_REQUEUE_PI
                | FUTEX_UNLOCK_PI
        )
}

/// Whether a call on memory meets a mapping of a file; true for all other calls.
fn meets_file(task: &Task, call: Call, registers: &[u64; 6]) -> bool {
    match call.row().op {
        Op::Unmap | Op::Remap | Op::MapSync | Op::MapAdvise => {
            task.maps.borrow().meets(registers[0], registers[1])
        }
        _ => true,
    }
}

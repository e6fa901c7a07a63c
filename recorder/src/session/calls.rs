//! From calls to records: what is written at the entry and the exit of a call.

use fsreplay_trace::call::{ArgKind, Call, Op};
use fsreplay_trace::model::{
    Event, FdState, FileKind, NodeId, Record, TaskId, UNREADABLE_ARGUMENTS,
};

use super::decode;
use super::effects::{self, Change};
use super::interrupted::sum;
use super::paths::{self, PathUse};
use super::states::Found;
use super::task::{InCall, Phase, Task};
use super::world::{Descriptor, Link, is_path};
use super::{Clock, Memory, Next, RawCall, Session};

/// The first of the results that stand for "interrupted, to be restarted": `-ERESTARTSYS`.
const RESTART_FIRST: i64 = -512;
/// The last: `-ERESTART_RESTARTBLOCK`.
const RESTART_LAST: i64 = -516;

impl Session {
    /// A task makes a call.
    pub fn entry(&mut self, task: &mut Task, raw: &RawCall<'_>, clock: &mut dyn Clock) -> Next {
        let Some(call) = self.numbers.call(raw.number) else {
            return match raw.number as i64 {
                libc::SYS_restart_syscall => self.restarted(task, clock),
                _ => Next::Nothing,
            };
        };
        let argument = |kind| call.row().register(kind).map_or(0, |at| raw.registers[at]);
        if !call.may_be_event(argument) {
            return Next::Nothing;
        }
        let again = self.settle(task, call, &raw.registers);
        if call.row().op == Op::Unsupported {
            self.unsupported(call);
            if !enters_namespaces(call, &raw.registers) {
                return Next::Nothing;
            }
            task.phase = Phase::Counted;
            return Next::Result;
        }
        let [address, length, ..] = raw.registers;
        let concerns = task.maps.borrow().concerns(call.row().op, address, length);
        if !concerns {
            return Next::Nothing;
        }
        let mut spent = sum(std::mem::take(&mut task.owed), clock.gap());
        if let Some(again) = &again {
            spent = sum(again.spent, spent);
        }
        if !self.inherited_done {
            self.inherited_done = true;
            self.inherited(task);
        }
        decode::entry(call, &raw.registers, &raw.memory, &mut self.decoded);
        if raw.memory.is_denied() {
            self.unreadable(task);
        }
        let found = self.walk_paths(task, call);
        self.intern(call, &found);
        self.observe_directory(task, call, found[0]);
        let since = clock.moment();
        let (entry, events_at_entry) = match &again {
            Some(again) => (again.entry, again.events_at_entry),
            None => (since, self.trace.returned_before(since)),
        };
        let in_call = InCall {
            call,
            registers: raw.registers,
            args: self.decoded.args,
            entry,
            since,
            is_again: again.is_some(),
            events_at_entry,
            moves: self.states.moves(),
            found,
            target: self.link_text(call),
            spent,
        };
        if call.wakes(raw.registers[1] as u32) {
            // Written now, so that it stands before the return of those that it wakes.
            self.event(task.id, &in_call, in_call.entry, 0);
            return Next::Written;
        }
        task.phase = Phase::InCall(in_call);
        Next::Exit
    }

    /// The text of the link that a call makes.
    fn link_text(&self, call: Call) -> Vec<u8> {
        if call.row().op != Op::Symlink {
            return Vec::new();
        }
        let text = self.decoded.string(ArgKind::Target);
        text.unwrap_or_default().to_vec()
    }

    /// A task's memory may not be read: its program may not, or it made itself so.
    fn unreadable(&mut self, task: &Task) {
        self.count_unrecorded(UNREADABLE_ARGUMENTS);
        if self.unreadable.insert(task.id) {
            let name = self.world.program_name(task.tid);
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
    fn walk_paths(&mut self, task: &Task, call: Call) -> [Option<Found>; 2] {
        let uses = paths::of_call(call, &self.decoded.args);
        uses.map(|path_use| self.walk_path(task, path_use?))
    }

    fn walk_path(&mut self, task: &Task, path_use: PathUse) -> Option<Found> {
        // The walk needs all of `self`; the buffer goes back at once.
        let decoded = std::mem::take(&mut self.decoded);
        let found = decoded
            .string(path_use.kind)
            .filter(|path| !path.is_empty())
            .and_then(|path| {
                let base = match path.first() {
                    Some(b'/') => NodeId::ROOT,
                    _ => self.base(task, path_use.base)?,
                };
                let view = task.view();
                self.states
                    .walk(&mut self.trace, &view, base, path, path_use.follow)
            });
        self.decoded = decoded;
        found
    }

    /// The directory that a relative path starts from.
    pub(super) fn base(&mut self, task: &Task, fd: Option<i32>) -> Option<NodeId> {
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
        let link = fd.map_or(Link::WorkingDirectory, Link::Descriptor);
        let node = self.node_of_link(task, link)?;
        match fd {
            None => task.place.borrow_mut().cwd = Some((node, moves)),
            Some(fd) => {
                task.directories.borrow_mut().insert(fd, (node, moves));
            }
        }
        Some(node)
    }

    /// How often directories were renamed: what is known of a task's descriptors holds for one
    /// count.
    pub fn moves(&self) -> u32 {
        self.states.moves()
    }

    /// A directory was renamed, or a program started. Asks anew where a task's descriptors lead,
    /// while it is what the task has open: calls that are told after the fact may have closed it by
    /// then.
    pub fn look_at_directories(&mut self, task: &Task) {
        let known: Vec<i32> = task.directories.borrow().keys().copied().collect();
        for fd in known {
            let moves = self.states.moves();
            let node = self.node_of_link(task, Link::Descriptor(fd));
            let mut directories = task.directories.borrow_mut();
            match node {
                Some(node) => directories.insert(fd, (node, moves)),
                None => directories.remove(&fd),
            };
        }
    }

    /// The node that a link of a task leads to; `None` for what is no path, or deleted.
    pub(super) fn node_of_link(&mut self, task: &Task, link: Link) -> Option<NodeId> {
        let path = self.world.link(task.tid, link)?;
        if !is_path(&path) {
            return None;
        }
        let found = self
            .states
            .canonical(&mut self.trace, &task.view(), &path)?;
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
    fn observe_directory(&mut self, task: &Task, call: Call, found: Option<Found>) {
        let fd = self.decoded.args[0] as i32;
        let node = match call.row().op {
            Op::GetXattr | Op::SetXattr | Op::ListXattr | Op::RemoveXattr => found.map(|f| f.node),
            Op::ListDirectory => self.base(task, Some(fd)),
            Op::FdGetXattr | Op::FdSetXattr | Op::FdListXattr | Op::FdRemoveXattr => {
                self.node_of_link(task, Link::Descriptor(fd))
            }
            _ => return,
        };
        let Some(node) = node else { return };
        let view = task.view();
        match call.row().op {
            Op::ListDirectory => self.states.list(&mut self.trace, &view, node),
            _ => self.states.xattrs(&mut self.trace, &view, node),
        }
    }

    /// The descriptors that the command starts with. Those of the recorder are closed by exec.
    fn inherited(&mut self, task: &Task) {
        let mut all = self.world.descriptors(task.tid);
        all.retain(|descriptor| !descriptor.closes_on_exec());
        self.descriptors_of(task, &all);
    }

    /// Writes all descriptors of a task.
    pub(super) fn descriptors_of(&mut self, task: &Task, all: &[Descriptor]) {
        for (index, descriptor) in all.iter().enumerate() {
            let is_apart = self.is_apart(task.tid, descriptor, &all[..index]);
            self.descriptor(task, descriptor, is_apart);
        }
    }

    /// Whether it is not the open file of the last of the earlier ones that looks like it. Where
    /// that can't be told, it is taken for that.
    fn is_apart(&self, tid: i32, descriptor: &Descriptor, earlier: &[Descriptor]) -> bool {
        let looks_alike = |other: &&Descriptor| {
            let own = (&descriptor.target, descriptor.flags, descriptor.offset);
            own == (&other.target, other.flags, other.offset)
        };
        let last = earlier.iter().rev().find(looks_alike);
        last.is_some_and(|other| {
            let one = self.world.is_one_open_file(tid, other.fd, descriptor.fd);
            one == Some(false)
        })
    }

    fn descriptor(&mut self, task: &Task, descriptor: &Descriptor, is_apart: bool) {
        let path = descriptor.path();
        let found =
            path.and_then(|path| (self.states).canonical(&mut self.trace, &task.view(), path));
        if let Some(found) = found.filter(|found| found.kind == FileKind::Directory) {
            // Calls on it may be told when it is closed or replaced.
            let at = (found.node, self.states.moves());
            task.directories.borrow_mut().insert(descriptor.fd, at);
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

    /// A call returned of which this was to be told.
    pub fn exit(
        &mut self,
        task: &mut Task,
        result: i64,
        memory: &dyn Memory,
        clock: &mut dyn Clock,
    ) {
        let mut call = match std::mem::take(&mut task.phase) {
            Phase::InCall(call) => call,
            Phase::Counted => return self.counted(task, result),
            Phase::Running | Phase::Interrupted(..) => return,
        };
        let now = clock.moment();
        let within = clock.within(now.saturating_sub(call.since));
        call.spent.cpu += within.cpu;
        call.spent.asleep += within.asleep;
        if (RESTART_LAST..=RESTART_FIRST).contains(&result) {
            task.phase = Phase::Interrupted(call, now);
            return;
        }
        if result >= 0 {
            decode::exit(call.call, &call.registers, &memory, &mut call.args);
        }
        self.event(task.id, &call, now, result);
        self.forget_descriptors(task, &call, result);
        if result >= 0 {
            self.learn_directory(task, &call, result);
        }
        if result >= 0 || (call.call == Call::mmap && !(-4095..0).contains(&result)) {
            self.succeeded(task, &call, result, memory);
        }
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
    pub(super) fn abandoned(&mut self, task: &mut Task, now: u64) {
        match std::mem::take(&mut task.phase) {
            Phase::InCall(call) if self.was_done(task, &call) => {
                self.event(task.id, &call, now, 0);
                self.names_changed(&call);
            }
            Phase::InCall(call) => self.event(task.id, &call, now, Event::NO_RETURN),
            Phase::Interrupted(call, time) => {
                self.event(task.id, &call, time, -i64::from(libc::EINTR));
            }
            Phase::Running | Phase::Counted => {}
        }
    }

    /// What a successful call changed.
    fn succeeded(&mut self, task: &mut Task, call: &InCall, result: i64, memory: &dyn Memory) {
        let op = call.call.row().op;
        if effects::changes_names(call.call) {
            self.names_changed(call);
            return;
        }
        let [address, length, third, ..] = call.registers;
        match op {
            Op::ChangeRoot => self.changed_root(task),
            Op::Mount | Op::Unmount | Op::MoveMount | Op::PivotRoot => self.changed_mounts(call),
            Op::Unshare => self.unshared(task, call),
            Op::Map | Op::Unmap | Op::Remap => {
                let mut maps = task.maps.borrow_mut();
                maps.follow(op, address, length, third, result as u64);
            }
            Op::ReceiveMessage => self.received(task, call, memory),
            Op::Exec => {
                self.look_at_directories(task);
                self.started_program(call);
            }
            _ => {}
        }
    }

    fn names_changed(&mut self, call: &InCall) {
        let change = Change {
            call: call.call,
            args: &call.args,
            found: call.found,
            target: &call.target,
        };
        effects::apply(&change, &mut self.states, &self.trace);
    }

    fn received(&mut self, task: &Task, call: &InCall, memory: &dyn Memory) {
        for fd in decode::received_descriptors(call.registers[1], &memory) {
            task.directories.borrow_mut().remove(&fd);
            if let Some(descriptor) = self.world.descriptor(task.tid, fd) {
                self.descriptor(task, &descriptor, false);
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

/// Whether a call may enter a mount namespace: `setns` with its kind, or with any.
fn enters_namespaces(call: Call, registers: &[u64; 6]) -> bool {
    let kinds = registers[1];
    call == Call::setns && (kinds == 0 || kinds & libc::CLONE_NEWNS as u64 != 0)
}

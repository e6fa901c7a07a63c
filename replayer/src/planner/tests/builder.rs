//! Makes records by hand and plans them.

use std::ops::Range;

use fsreplay_trace::call::{ArgKind, Call, MAX_ARGS, NONE as NO_ARGUMENT};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{
    Event, FdState, FileKind, Header, Listing, Metadata, Mount, NodeId, PathState, Record, Spent,
    StopCosts, StringId, TaskExit, TaskId, TaskStart, Xattrs,
};

use super::super::{PlanOptions, Planner};
use crate::plan::{At, Op, Plan, Slot, TreeEntry, WaitFor};

pub(crate) const AT_FDCWD: u64 = -100i64 as u64;

/// An argument by its meaning.
pub(crate) enum Arg<'a> {
    Text(ArgKind, &'a str),
    Number(ArgKind, u64),
}

/// A trace in the making.
pub(crate) struct Trace {
    pub(crate) tables: Tables,
    pub(crate) planner: Planner,
    now: u64,
    /// When each event returned.
    exits: Vec<u64>,
}

pub(crate) fn header() -> Header {
    let mount = |point: &str, kind: &str| Mount {
        mount_point: point.as_bytes().to_vec(),
        fs_type: kind.to_string(),
        ..Mount::default()
    };
    Header {
        cwd: b"/work".to_vec(),
        umask: 0o022,
        uid: 1000,
        gid: 1000,
        architecture: std::env::consts::ARCH.to_string(),
        mounts: vec![
            mount("/", "ext4"),
            mount("/proc", "proc"),
            mount("/dev", "tmpfs"),
        ],
        ..Header::default()
    }
}

impl Trace {
    pub(crate) fn new() -> Trace {
        Trace::with(PlanOptions {
            target: "/target".into(),
            ..PlanOptions::default()
        })
    }

    pub(crate) fn with(options: PlanOptions) -> Trace {
        Trace::of(&header(), options)
    }

    pub(crate) fn recorded_by_root(options: PlanOptions) -> Trace {
        let by_root = Header {
            uid: 0,
            gid: 0,
            ..header()
        };
        Trace::of(&by_root, options)
    }

    /// All of the recorded machine lies on one mount.
    pub(crate) fn on(mount: Mount) -> Trace {
        let on_it = Header {
            mounts: vec![mount],
            ..header()
        };
        Trace::of(&on_it, PlanOptions::default())
    }

    pub(crate) fn of(header: &Header, options: PlanOptions) -> Trace {
        let mut trace = Trace {
            tables: Tables::new(),
            planner: Planner::new(header, options),
            now: 100,
            exits: Vec::new(),
        };
        trace.task(0, None, 0);
        trace
    }

    /// Of a recorder that told computing from waiting, at so much for each stop, nanoseconds.
    pub(crate) fn timed(stop: u64) -> Trace {
        let mut header = header();
        header.costs = Some(StopCosts {
            think: stop,
            cpu: stop,
            duration: stop,
        });
        header.tells_waiting = true;
        let mut trace = Trace::new();
        trace.planner = Planner::new(&header, PlanOptions::default());
        trace.task(0, None, 0);
        trace
    }

    pub(crate) fn push(&mut self, record: Record) {
        let done = self.planner.record(&record, &self.tables);
        assert!(done.is_ok(), "{done:?}");
    }

    pub(crate) fn task(&mut self, task: u32, parent: Option<u32>, flags: u64) {
        self.push(Record::TaskStart(TaskStart {
            task: TaskId(task),
            parent: parent.map(TaskId),
            time: self.now,
            flags,
            tid: 1000 + task,
            think: 0,
        }));
    }

    pub(crate) fn exit(&mut self, task: u32) {
        self.push(Record::TaskExit(TaskExit {
            task: TaskId(task),
            time: self.now,
            status: 0,
            cpu: 0,
            think: 0,
        }));
    }

    pub(crate) fn node(&mut self, path: &str) -> NodeId {
        path.split('/')
            .filter(|name| !name.is_empty())
            .fold(NodeId::ROOT, |parent, name| {
                self.tables.add_node(parent, name.as_bytes())
            })
    }

    fn state(&mut self, path: &str, kind: FileKind, metadata: Option<Metadata>) {
        let node = self.node(path);
        self.push(Record::PathState(PathState {
            node,
            kind,
            metadata,
        }));
    }

    pub(crate) fn dir(&mut self, path: &str) {
        let metadata = Metadata {
            mode: 0o755,
            ..Metadata::default()
        };
        self.state(path, FileKind::Directory, Some(metadata));
    }

    pub(crate) fn file(&mut self, path: &str, size: u64) {
        self.file_with(path, size, 0);
    }

    pub(crate) fn file_with(&mut self, path: &str, size: u64, link_group: u64) {
        let metadata = Metadata {
            size,
            mode: 0o644,
            uid: 1000,
            link_group,
            ..Metadata::default()
        };
        self.state(path, FileKind::File, Some(metadata));
    }

    /// A file with all of its mode's bits and an owner.
    pub(crate) fn program(&mut self, path: &str, mode: u32, uid: u32) {
        let metadata = Metadata {
            mode,
            uid,
            ..Metadata::default()
        };
        self.state(path, FileKind::File, Some(metadata));
    }

    pub(crate) fn sparse_file(&mut self, path: &str, size: u64, allocated: u64) {
        let metadata = Metadata {
            size,
            mode: 0o644,
            uid: 1000,
            allocated: Some(allocated),
            ..Metadata::default()
        };
        self.state(path, FileKind::File, Some(metadata));
    }

    pub(crate) fn symlink(&mut self, path: &str, target: &str) {
        let target = self.tables.add_string(target.as_bytes());
        let metadata = Metadata {
            target: Some(target),
            ..Metadata::default()
        };
        self.state(path, FileKind::Symlink, Some(metadata));
    }

    pub(crate) fn absent(&mut self, path: &str) {
        self.state(path, FileKind::Absent, None);
    }

    pub(crate) fn listing(&mut self, path: &str, entries: &[(&str, FileKind)]) {
        let directory = self.node(path);
        let entries = entries
            .iter()
            .map(|(name, kind)| (self.tables.add_node(directory, name.as_bytes()), *kind))
            .collect();
        self.push(Record::Listing(Listing { directory, entries }));
    }

    pub(crate) fn xattrs(&mut self, path: &str, entries: &[(&str, u32)]) {
        let node = self.node(path);
        let entries = entries
            .iter()
            .map(|(name, size)| (self.tables.add_string(name.as_bytes()), *size))
            .collect();
        self.push(Record::Xattrs(Xattrs { node, entries }));
    }

    pub(crate) fn fd(&mut self, task: u32, fd: i32, target: &str, kind: FileKind, offset: u64) {
        let target: StringId = self.tables.add_string(target.as_bytes());
        self.push(Record::FdState(FdState {
            task: TaskId(task),
            fd,
            target,
            kind,
            flags: 2,
            offset,
        }));
    }

    /// A call that nothing overlaps.
    pub(crate) fn call(&mut self, task: u32, call: Call, args: &[Arg], result: i64) {
        self.now += 100;
        let entry = self.now;
        self.call_at(task, call, args, result, entry, entry + 10);
    }

    pub(crate) fn call_at(
        &mut self,
        task: u32,
        call: Call,
        args: &[Arg],
        result: i64,
        entry: u64,
        exit: u64,
    ) {
        let event = self.event_at(task, call, args, result, entry, exit);
        self.push(event);
    }

    /// A look at a path that took so many nanoseconds, all of them on a processor.
    pub(crate) fn look_on_cpu(&mut self, path: &str, took: u64) {
        let path = [Arg::Text(ArgKind::Path, path)];
        let entry = self.now + 100;
        self.on_cpu(0, Call::stat, &path, 0, entry..entry + took);
    }

    /// A call from entry to exit, all of which counts as time on a processor.
    pub(crate) fn on_cpu(
        &mut self,
        task: u32,
        call: Call,
        args: &[Arg],
        result: i64,
        time: Range<u64>,
    ) {
        let mut record = self.event_at(task, call, args, result, time.start, time.end);
        if let Record::Event(event) = &mut record {
            event.spent = Spent {
                cpu: event.duration,
                ..Spent::default()
            };
        }
        self.push(record);
    }

    fn event_at(
        &mut self,
        task: u32,
        call: Call,
        args: &[Arg],
        result: i64,
        entry: u64,
        exit: u64,
    ) -> Record {
        self.now = self.now.max(exit);
        let row = call.row();
        let mut values = [0u64; MAX_ARGS];
        for (index, (kind, _)) in row.args.iter().enumerate() {
            values[index] = match kind {
                ArgKind::DirFd | ArgKind::NewDirFd => AT_FDCWD,
                ArgKind::OffsetIn | ArgKind::OffsetOut => NO_ARGUMENT,
                _ => 0,
            };
        }
        for arg in args {
            let (kind, value) = match arg {
                Arg::Text(kind, text) => {
                    let id = self.tables.add_string(text.as_bytes());
                    (*kind, u64::from(id.0))
                }
                Arg::Number(kind, value) => (*kind, *value),
            };
            values[row.position(kind).expect("the call has that argument")] = value;
        }
        let overlapped = self.exits.iter().filter(|e| **e > entry).count() as u32;
        self.exits.push(exit);
        Record::Event(Event {
            overlapped,
            task: TaskId(task),
            call,
            entry,
            duration: exit - entry,
            spent: Spent {
                asleep: exit - entry,
                ..Spent::default()
            },
            result,
            args: values,
        })
    }

    /// An `openat` from the working directory.
    pub(crate) fn open(&mut self, task: u32, path: &str, flags: i32, result: i64) {
        let args = [
            Arg::Text(ArgKind::Path, path),
            Arg::Number(ArgKind::Flags, flags as u64),
            Arg::Number(ArgKind::Mode, 0o666),
        ];
        self.call(task, Call::openat, &args, result);
    }

    /// A call whose only arguments that matter are a path and nothing else.
    pub(crate) fn path(&mut self, task: u32, call: Call, path: &str, result: i64) {
        self.call(task, call, &[Arg::Text(ArgKind::Path, path)], result);
    }

    /// Whether the planner takes one more call, which succeeds.
    pub(crate) fn takes(&mut self, call: Call, args: &[Arg]) -> bool {
        self.now += 100;
        let event = self.event_at(0, call, args, 0, self.now, self.now + 10);
        self.planner.record(&event, &self.tables).is_ok()
    }

    /// A call on a descriptor, with a length where it has one.
    pub(crate) fn on_fd(&mut self, task: u32, call: Call, fd: u64, length: u64, result: i64) {
        let mut args = vec![Arg::Number(ArgKind::Fd, fd)];
        if call.row().position(ArgKind::Length).is_some() {
            args.push(Arg::Number(ArgKind::Length, length));
        }
        self.call(task, call, &args, result);
    }

    pub(crate) fn rename(&mut self, task: u32, from: &str, to: &str, result: i64) {
        let args = [
            Arg::Text(ArgKind::Path, from),
            Arg::Text(ArgKind::NewPath, to),
        ];
        self.call(task, Call::rename, &args, result);
    }

    pub(crate) fn finish(self) -> Plan {
        let plan = self.planner.finish(&self.tables).expect("a plan");
        check(&plan);
        plan
    }
}

/// What holds for every plan, whatever the trace: paths stay inside, and the order of waits lets
/// every lane end.
pub(crate) fn check(plan: &Plan) {
    crate::contain::check(plan).expect("contained");
    for op in &plan.ops {
        for at in op.action.paths() {
            assert!(at.dir.0 < plan.slots || at.dir == Slot::BAD);
        }
    }
    assert!(runs(plan), "lanes wait for each other");
}

/// Whether all lanes come to their end if each op waits as told.
fn runs(plan: &Plan) -> bool {
    let mut done = vec![0usize; plan.lanes.len()];
    loop {
        let mut moved = false;
        for (number, lane) in plan.lanes.iter().enumerate() {
            while done[number] < lane.len() {
                let waits = lane.waits_of(done[number]).iter().map(|wait| wait.until);
                if waits
                    .clone()
                    .any(|w| done[w.lane as usize] < w.done as usize)
                {
                    break;
                }
                for wait in waits {
                    let cause = plan.lanes[wait.lane as usize].steps()[wait.done as usize - 1];
                    assert!(
                        cause.is_published(),
                        "an op that is waited for must be published"
                    );
                }
                done[number] += 1;
                moved = true;
            }
        }
        if !moved {
            return done
                .iter()
                .zip(&plan.lanes)
                .all(|(d, lane)| *d == lane.len());
        }
    }
}

pub(crate) fn text(plan: &Plan, at: At) -> (u32, String) {
    let bytes = plan.bytes(at.path);
    (at.dir.0, String::from_utf8_lossy(bytes).into_owned())
}

/// Slot and path that an event's op is issued with.
pub(crate) fn issued(plan: &Plan, event: u32) -> (u32, String) {
    text(plan, op(plan, event).action.paths().next().expect("a path"))
}

pub(crate) fn op(plan: &Plan, event: u32) -> &Op {
    let (lane, at) = step(plan, event);
    plan.op(lane, at)
}

/// Lane and index of an event's op.
pub(crate) fn step(plan: &Plan, event: u32) -> (usize, usize) {
    let lanes = plan.lanes.iter().enumerate();
    let mut steps = lanes.flat_map(|(lane, ops)| (0..ops.len()).map(move |at| (lane, at)));
    let found = steps.find(|(lane, at)| plan.event(*lane, *at) == Some(event));
    found.expect("the event's op")
}

/// The events that an event's op waits for, of any lane.
pub(crate) fn waits(plan: &Plan, event: u32) -> Vec<u32> {
    let (lane, at) = step(plan, event);
    let waits = plan.lanes[lane].waits_of(at).iter().map(|wait| wait.until);
    let cause = |w: WaitFor| plan.event(w.lane as usize, w.done as usize - 1);
    waits.map(|w| cause(w).unwrap_or(u32::MAX)).collect()
}

pub(crate) fn entry<'p>(plan: &'p Plan, path: &str) -> Option<&'p TreeEntry> {
    plan.tree.iter().find(|entry| {
        entry.root == 0 && plan.bytes(entry.path) == path.trim_start_matches('/').as_bytes()
    })
}

//! Each row of the table of calls is planned and issued, on whichever architecture it was recorded.
//!
//! Every call is made once, in a trace of its own, on a file, a directory, a link or a descriptor
//! that it can be made on. What the kernel makes of it is of no matter here.

use std::sync::atomic::AtomicBool;

use fsreplay_replayer::plan::{Action, Plan};
use fsreplay_replayer::planner::{PlanOptions, Planner};
use fsreplay_replayer::{PlayOptions, play};
use fsreplay_trace::abi::{self, Architecture, OpenFlags};
use fsreplay_trace::call::{ArgKind, Call, LastRule, MAX_ARGS, NONE, Op, ResultKind};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{
    Event, FileKind, Header, Metadata, NodeId, PathState, Record, TaskId, TaskStart,
};

/// The errno of an action that was sent to where nobody issues it.
const UNISSUED: i64 = -4095;
const FILE: u64 = 5;
const DIRECTORY: u64 = 6;
const MAPPED: u64 = 0x7000_0000;

/// Whether calls of an operation are followed and not issued: what they do isn't a file system's
/// matter, or is done otherwise in the replay. All others must be issued.
fn is_only_followed(op: Op) -> bool {
    matches!(
        op,
        Op::GetCwd
            | Op::ChangeRoot
            | Op::Umask
            | Op::SetUser
            | Op::Remap
            | Op::Unwatch
            | Op::Pipe
            | Op::Socket
            | Op::SocketPair
            | Op::Accept
            | Op::EventFd
            | Op::ReceiveMessage
            | Op::Unshare
            | Op::Wait
            | Op::Futex
            | Op::Poll
            | Op::Mount
            | Op::Unmount
            | Op::MoveMount
            | Op::PivotRoot
            | Op::Unsupported
    )
}

/// A trace in the making.
struct Trace {
    tables: Tables,
    planner: Planner,
    now: u64,
}

impl Trace {
    fn new(architecture: &str, target: &std::path::Path) -> Trace {
        let header = Header {
            cwd: b"/work".to_vec(),
            uid: 1000,
            architecture: architecture.into(),
            page_size: 4096,
            ..Header::default()
        };
        let options = PlanOptions {
            target: target.into(),
            ..PlanOptions::default()
        };
        let mut trace = Trace {
            tables: Tables::new(),
            planner: Planner::new(&header, options),
            now: 100,
        };
        trace.push(Record::TaskStart(TaskStart {
            task: TaskId(0),
            parent: None,
            time: 0,
            flags: 0,
            tid: 1000,
            think: 0,
        }));
        for (path, kind) in [
            ("work", FileKind::Directory),
            ("work/d", FileKind::Directory),
            ("work/f", FileKind::File),
            ("work/g", FileKind::File),
            ("work/l", FileKind::Symlink),
            ("work/new", FileKind::Absent),
        ] {
            trace.state(path, kind);
        }
        trace
    }

    fn push(&mut self, record: Record) {
        self.planner
            .record(&record, &self.tables)
            .expect("a record that is taken");
    }

    fn state(&mut self, path: &str, kind: FileKind) {
        let names = path.split('/');
        let node = names.fold(NodeId::ROOT, |at, name| {
            self.tables.add_node(at, name.as_bytes())
        });
        let target = (kind == FileKind::Symlink).then(|| self.tables.add_string(b"f"));
        let metadata = (kind != FileKind::Absent).then(|| Metadata {
            size: 8192,
            mode: 0o755,
            uid: 1000,
            target,
            ..Metadata::default()
        });
        self.push(Record::PathState(PathState {
            node,
            kind,
            metadata,
        }));
    }

    fn call(&mut self, call: Call, given: &[(ArgKind, u64)], result: i64) {
        let mut args = [0; MAX_ARGS];
        for (position, (kind, _)) in call.row().args.iter().enumerate() {
            let named = given.iter().find(|(given, _)| given == kind);
            args[position] = match named {
                Some((_, value)) => *value,
                None => self.usual(call, *kind),
            };
        }
        self.now += 100;
        self.push(Record::Event(Event {
            task: TaskId(0),
            call,
            entry: self.now,
            duration: 10,
            overlapped: 0,
            result,
            spent: Default::default(),
            args,
        }));
    }

    /// An argument with which a call goes well.
    fn usual(&mut self, call: Call, kind: ArgKind) -> u64 {
        let row = call.row();
        let mut text = |text: &str| u64::from(self.tables.add_string(text.as_bytes()).0);
        match (kind, row.op) {
            (ArgKind::DirFd | ArgKind::NewDirFd, _) => abi::AT_FDCWD as i64 as u64,
            (ArgKind::Path, Op::MakeDir | Op::MakeNode) => text("new"),
            (ArgKind::Path, Op::RemoveDir | Op::ChangeDir) => text("d"),
            (ArgKind::Path, Op::ReadLink) => text("l"),
            (ArgKind::Path, _) => text("f"),
            (ArgKind::NewPath, _) => text("new"),
            (ArgKind::Target, _) => text("g"),
            (ArgKind::Name, _) => text("user.name"),
            (ArgKind::Argv, _) => text("f"),
            (ArgKind::Fd, Op::ListDirectory | Op::FdChangeDir) => DIRECTORY,
            (ArgKind::Fd | ArgKind::FdIn | ArgKind::FdOut, _) => FILE,
            (ArgKind::NewFd, Op::CloseRange) => FILE,
            (ArgKind::NewFd, _) => 9,
            (ArgKind::OutFd0, _) => 10,
            (ArgKind::OutFd1, _) => 11,
            (ArgKind::Length | ArgKind::LockLength, _) => 4096,
            (ArgKind::OffsetIn | ArgKind::OffsetOut, _) => NONE,
            (ArgKind::Mode, _) => 0o644,
            (ArgKind::Command, Op::Fcntl) => 3, // F_GETFL
            (ArgKind::Command, Op::Flock) => 2, // LOCK_EX
            (ArgKind::Command, Op::Ioctl) => abi::FICLONE.into(),
            (ArgKind::Prot | ArgKind::Count, _) => 1,
            (ArgKind::Flags, Op::Map) => 1, // MAP_SHARED
            (ArgKind::Address, _) => MAPPED,
            _ => 0,
        }
    }

    fn finish(self) -> Plan {
        self.planner.finish(&self.tables).expect("a plan")
    }
}

/// The plan of a trace that makes a call once, on an architecture.
fn plan(call: Call, architecture: &str, target: &std::path::Path) -> Plan {
    let mut trace = Trace::new(architecture, target);
    let path = |trace: &mut Trace, path: &str| {
        (
            ArgKind::Path,
            u64::from(trace.tables.add_string(path.as_bytes()).0),
        )
    };
    let (file, directory) = (path(&mut trace, "f"), path(&mut trace, "d"));
    let is_directory = OpenFlags::of(architecture).directory;
    trace.call(
        Call::openat,
        &[file, (ArgKind::Flags, abi::O_RDWR.into())],
        FILE as i64,
    );
    trace.call(
        Call::openat,
        &[directory, (ArgKind::Flags, is_directory.into())],
        DIRECTORY as i64,
    );
    if matches!(
        call.row().op,
        Op::Unmap | Op::Remap | Op::MapSync | Op::MapAdvise
    ) {
        trace.call(Call::mmap, &[], MAPPED as i64);
    }
    let result = match call.row().result {
        ResultKind::Fd => 9,
        ResultKind::Address => MAPPED as i64,
        ResultKind::Status
        | ResultKind::Bytes
        | ResultKind::Offset
        | ResultKind::Pid
        | ResultKind::Value => 0,
    };
    trace.call(call, &[], result);
    trace.finish()
}

const NAMES: [(Architecture, &str); 2] = [
    (Architecture::X86_64, "x86_64"),
    (Architecture::Aarch64, "aarch64"),
];

#[test]
fn each_call_is_planned_and_issued_on_each_architecture() {
    for call in Call::all() {
        for (architecture, name) in NAMES {
            if call.number(architecture).is_none() {
                continue;
            }
            let target = tempfile::tempdir().expect("a directory");
            let plan = plan(call, name, target.path());
            let unresolved = u64::from(call.row().op == Op::Unsupported);
            assert!(
                plan.coverage.unresolved <= unresolved,
                "{call}: {:?}",
                plan.notes
            );
            let lanes = 0..plan.lanes.len();
            let ops = lanes.flat_map(|lane| plan.ops_of(lane));
            let issued = ops
                .filter(|op| op.call == call && op.action != Action::Nothing)
                .count();
            // Two opens stand before every call.
            let others = if call == Call::openat { 2 } else { 0 };
            let is_issued = issued > others;
            assert_eq!(
                is_issued,
                !is_only_followed(call.row().op),
                "{call} on {name}"
            );
            let options = PlayOptions {
                rounds: 1,
                keep: false,
                timing: Default::default(),
                cache: Default::default(),
            };
            let played = play(&plan, options, &AtomicBool::new(false), &|_| {});
            let result = played.expect("a replay").result;
            let mut examples = result.divergence_groups.iter().flat_map(|g| &g.examples);
            assert!(
                examples.all(|example| example.got != UNISSUED),
                "{call} is sorted to where nobody issues it"
            );
        }
    }
}

#[test]
fn each_call_with_a_path_is_issued_with_one() {
    let target = tempfile::tempdir().expect("a directory");
    for call in Call::all() {
        let row = call.row();
        if row.last == LastRule::NoPath || is_only_followed(row.op) {
            continue;
        }
        let plan = plan(call, std::env::consts::ARCH, target.path());
        let mut ops = (0..plan.lanes.len()).flat_map(|lane| plan.ops_of(lane));
        assert!(
            ops.any(|op| op.call == call && op.action.paths().next().is_some()),
            "{call}"
        );
    }
}

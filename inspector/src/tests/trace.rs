//! Makes records by hand and inspects them.

use fsreplay_results::inspect::{Finding, FindingKind, Inspect};
use fsreplay_trace::call::{ArgKind, Call, MAX_ARGS};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{
    Event, FileKind, Header, Metadata, Mount, NodeId, PathState, Record, TaskId, TaskStart,
};

use crate::{Inspector, Options};

pub(super) const AT_FDCWD: i64 = -100;
pub(super) const O_CREAT: i64 = 0o100;
pub(super) const O_EXCL: i64 = 0o200;
pub(super) const O_WRONLY: i64 = 1;
pub(super) const ENOENT: i64 = -2;
pub(super) const EINVAL: i64 = -22;

pub(super) enum Arg<'a> {
    Text(ArgKind, &'a str),
    Number(ArgKind, i64),
}
pub(super) use Arg::{Number, Text};

/// A trace in the making.
pub(super) struct Trace {
    pub(super) tables: Tables,
    pub(super) inspector: Inspector,
    time: u64,
}

impl Trace {
    pub(super) fn new() -> Trace {
        let mount = |point: &str, fs_type: &str| Mount {
            mount_point: point.into(),
            fs_type: fs_type.into(),
            ..Mount::default()
        };
        let header = Header {
            command: vec![b"/bin/tool".to_vec()],
            cwd: b"/w".to_vec(),
            architecture: "x86_64".into(),
            page_size: 4096,
            mounts: vec![
                mount("/", "ext4"),
                mount("/proc", "proc"),
                mount("/dev", "tmpfs"),
                mount("/dev/shm", "tmpfs"),
                mount("/host", "virtiofs"),
            ],
            ..Header::default()
        };
        let mut trace = Trace {
            tables: Tables::new(),
            inspector: Inspector::new(&header),
            time: 0,
        };
        trace.task(0, None, 0);
        trace
    }

    pub(super) fn push(&mut self, record: &Record) {
        self.inspector.record(record, &self.tables);
    }

    pub(super) fn task(&mut self, task: u32, parent: Option<u32>, flags: u64) {
        self.push(&Record::TaskStart(TaskStart {
            task: TaskId(task),
            parent: parent.map(TaskId),
            time: 0,
            flags,
            tid: 100 + task,
            think: 0,
        }));
    }

    pub(super) fn node(&mut self, path: &str) -> NodeId {
        let mut at = NodeId::ROOT;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = self.tables.add_node(at, name.as_bytes());
        }
        at
    }

    pub(super) fn state(&mut self, path: &str, kind: FileKind, size: u64) {
        let node = self.node(path);
        self.push(&Record::PathState(PathState {
            node,
            kind,
            metadata: (kind != FileKind::Absent).then(|| Metadata {
                size,
                mount: if path.starts_with("/host") { 4 } else { 0 },
                ..Metadata::default()
            }),
        }));
    }

    pub(super) fn link(&mut self, path: &str, text: &str) {
        let node = self.node(path);
        let target = Some(self.tables.add_string(text.as_bytes()));
        self.push(&Record::PathState(PathState {
            node,
            kind: FileKind::Symlink,
            metadata: Some(Metadata {
                target,
                ..Metadata::default()
            }),
        }));
    }

    pub(super) fn call(&mut self, task: u32, call: Call, args: &[Arg], result: i64) {
        let mut values = [0; MAX_ARGS];
        for kind in [ArgKind::DirFd, ArgKind::NewDirFd] {
            if let Some(at) = call.row().position(kind) {
                values[at] = AT_FDCWD as u64;
            }
        }
        for arg in args {
            let (kind, value) = match arg {
                Text(kind, text) => (*kind, u64::from(self.tables.add_string(text.as_bytes()).0)),
                Number(kind, value) => (*kind, *value as u64),
            };
            let at = call.row().position(kind);
            values[at.expect("an argument of that call")] = value;
        }
        let entry = self.time;
        self.time += 1000;
        self.push(&Record::Event(Event {
            task: TaskId(task),
            call,
            entry,
            duration: 1000,
            overlapped: 0,
            spent: Default::default(),
            result,
            args: values,
        }));
    }

    pub(super) fn open(&mut self, task: u32, path: &str, flags: i64, fd: i64) {
        let args = [Text(ArgKind::Path, path), Number(ArgKind::Flags, flags)];
        self.call(task, Call::openat, &args, fd);
    }

    pub(super) fn fd(&mut self, task: u32, call: Call, fd: i64, length: i64, result: i64) {
        let mut args = vec![Number(ArgKind::Fd, fd)];
        if call.row().position(ArgKind::Length).is_some() {
            args.push(Number(ArgKind::Length, length));
        }
        self.call(task, call, &args, result);
    }

    pub(super) fn path(&mut self, task: u32, call: Call, path: &str, result: i64) {
        self.call(task, call, &[Text(ArgKind::Path, path)], result);
    }

    pub(super) fn exec(&mut self, task: u32, path: &str, argv: &str) {
        let args = [Text(ArgKind::Path, path), Text(ArgKind::Argv, argv)];
        self.call(task, Call::execve, &args, 0);
    }

    /// Opens, reads to the end, closes.
    pub(super) fn read_whole(&mut self, task: u32, path: &str, size: i64) {
        self.open(task, path, 0, 5);
        self.fd(task, Call::read, 5, 65536, size);
        self.fd(task, Call::read, 5, 65536, 0);
        self.fd(task, Call::close, 5, 0, 0);
    }

    /// Makes a file with so many bytes.
    pub(super) fn write_new(&mut self, path: &str, bytes: i64) {
        self.open(0, path, O_CREAT | O_EXCL | O_WRONLY, 5);
        self.fd(0, Call::write, 5, bytes, bytes);
        self.fd(0, Call::close, 5, 0, 0);
    }

    pub(super) fn inspection(&self) -> Inspect {
        let options = Options {
            top: 10,
            truncated: false,
        };
        self.inspector.finish(&self.tables, None, &options)
    }

    #[track_caller]
    pub(super) fn finding(&self, kind: FindingKind) -> Finding {
        let findings = self.inspection().findings;
        let kinds: Vec<_> = findings.iter().map(|finding| finding.kind).collect();
        let found = findings.into_iter().find(|finding| finding.kind == kind);
        found.unwrap_or_else(|| panic!("{kind:?} is not among {kinds:?}"))
    }

    #[track_caller]
    pub(super) fn no_finding(&self, kind: FindingKind) {
        let findings = self.inspection().findings;
        let found = findings.iter().find(|finding| finding.kind == kind);
        assert!(found.is_none(), "{found:?}");
    }
}

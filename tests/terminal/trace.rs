//! A trace whose every name would act on a terminal.

use std::path::Path;

use fsreplay_trace::call::{ArgKind, Call, MAX_ARGS};
use fsreplay_trace::format::{TraceWriter, WriterOptions};
use fsreplay_trace::model::*;

/// Sets the title, rings, clears the screen, forges lines, turns the direction, hides.
pub const NASTY: &[u8] = "\u{1b}]0;t\u{7}\u{1b}[2J\r\nFORGED line\n\tFORGED\u{7f}\u{9b}31m\
    \u{85}\u{202e}\u{2066}\u{200b}\u{2028}\u{feff}\u{ad}\u{fe0f}\u{e0041}"
    .as_bytes();

/// The name of a file.
pub fn name(end: &[u8]) -> Vec<u8> {
    [NASTY, end].concat()
}

fn text() -> String {
    String::from_utf8_lossy(NASTY).into_owned()
}

fn header() -> Header {
    let mount = |point: &[u8], kind: &str| Mount {
        mount_point: point.to_vec(),
        fs_type: kind.into(),
        source: NASTY.to_vec(),
        root: NASTY.to_vec(),
        options: text(),
        optional: text(),
        super_options: text(),
        ..Mount::default()
    };
    Header {
        producer: text(),
        command: vec![NASTY.to_vec(), name(b"\xff")],
        cwd: name(b"\xff")
            .iter()
            .fold(b"/ws/".to_vec(), |mut path, byte| {
                path.push(*byte);
                path
            }),
        architecture: std::env::consts::ARCH.into(),
        kernel: text(),
        cpus: 2,
        page_size: 4096,
        backend: text(),
        mounts: vec![mount(b"/", "ext4"), mount(&[b"/", NASTY].concat(), &text())],
        ..Header::default()
    }
}

/// Writes events, one after the other.
struct Events {
    writer: TraceWriter<Vec<u8>>,
    now: u64,
    count: u64,
}

impl Events {
    fn push(&mut self, call: Call, strings: &[(ArgKind, &[u8])], result: i64) {
        let mut args = [0; MAX_ARGS];
        for (position, (kind, _)) in call.row().args.iter().enumerate() {
            args[position] = match kind {
                ArgKind::DirFd | ArgKind::NewDirFd => -100_i64 as u64,
                ArgKind::Mode => 0o755,
                _ => 0,
            };
        }
        for (kind, string) in strings {
            let position = call.row().position(*kind).expect("such an argument");
            args[position] = self.writer.string(string).0.into();
        }
        let event = Event {
            task: TaskId(0),
            call,
            entry: self.now,
            duration: 1000,
            overlapped: 0,
            result,
            spent: Spent::default(),
            args,
        };
        self.writer.push(&Record::Event(event)).expect("written");
        self.now += 2000;
        self.count += 1;
    }

    fn state(&mut self, path: &[&[u8]], kind: FileKind, target: Option<&[u8]>) -> NodeId {
        let mut node = NodeId::ROOT;
        for part in path {
            node = self.writer.node(node, part);
        }
        let target = target.map(|target| self.writer.string(target));
        let metadata = (kind != FileKind::Absent).then(|| Metadata {
            mode: 0o755,
            target,
            ..Metadata::default()
        });
        let state = PathState {
            node,
            kind,
            metadata,
        };
        let record = Record::PathState(state);
        self.writer.push(&record).expect("written");
        node
    }
}

/// Writes the trace.
pub fn write(path: &Path) {
    let options = WriterOptions::default();
    let writer = TraceWriter::new(Vec::new(), &header(), options).expect("a writer");
    let mut events = Events {
        writer,
        now: 1000,
        count: 0,
    };
    let start = TaskStart {
        task: TaskId(0),
        parent: None,
        time: 0,
        flags: 0,
        tid: 1,
        think: 0,
    };
    events
        .writer
        .push(&Record::TaskStart(start))
        .expect("written");
    let (odd, file) = (name(b"\xff"), name(b"file"));
    events.state(&[b"ws"], FileKind::Directory, None);
    let directory = events.state(&[b"ws", &odd], FileKind::Directory, None);
    let node = events.state(&[b"ws", &odd, &file], FileKind::File, None);
    events.state(&[b"ws", &odd, b"link"], FileKind::Symlink, Some(NASTY));
    let attribute = events.writer.string(NASTY);
    let listing = Listing {
        directory,
        entries: vec![(node, FileKind::File)],
    };
    let xattrs = Xattrs {
        node,
        entries: vec![(attribute, 3)],
    };
    let descriptor = FdState {
        task: TaskId(0),
        fd: 9,
        target: attribute,
        kind: FileKind::Unknown,
        flags: 0,
        offset: 0,
    };
    for record in [
        Record::Listing(listing),
        Record::Xattrs(xattrs),
        Record::FdState(descriptor),
    ] {
        events.writer.push(&record).expect("written");
    }
    calls(&mut events, &odd, &file);
    let footer = Footer {
        status: Some(0),
        elapsed: events.now,
        events: events.count,
        tasks: 1,
        unrecorded: [(text(), 3)].into(),
        warnings: vec![text()],
        ..Footer::default()
    };
    let bytes = events.writer.finish(&footer).expect("finished");
    std::fs::write(path, bytes).expect("written");
}

/// Enough of them for findings, and some whose outcome can't be had again.
fn calls(events: &mut Events, odd: &[u8], file: &[u8]) {
    let path = |parts: &[&[u8]]| [b"/ws/", parts.join(&b'/').as_slice()].concat();
    let file = path(&[odd, file]);
    let missing = path(&[odd, &name(b"missing")]);
    let fresh = path(&[odd, &name(b"fresh")]);
    let argv = [NASTY, b"\0", NASTY].concat();
    events.push(
        Call::execve,
        &[(ArgKind::Path, &file), (ArgKind::Argv, &argv)],
        0,
    );
    for _ in 0..3000 {
        events.push(Call::stat, &[(ArgKind::Path, &missing)], -2);
        events.push(Call::stat, &[(ArgKind::Path, &file)], 0);
    }
    events.push(
        Call::readlink,
        &[(ArgKind::Path, &path(&[odd, b"link"]))],
        7,
    );
    events.push(
        Call::getxattr,
        &[(ArgKind::Path, &file), (ArgKind::Name, NASTY)],
        3,
    );
    events.push(
        Call::symlink,
        &[(ArgKind::Target, NASTY), (ArgKind::NewPath, &fresh)],
        0,
    );
    // It isn't there: a divergence.
    events.push(Call::chmod, &[(ArgKind::Path, &missing)], 0);
}

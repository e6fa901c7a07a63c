//! A small trace that describes more than a machine holds is refused by every command that reads
//! it, with what to do if it is trusted.

mod common;

use std::fs::File;
use std::path::{Path, PathBuf};

use common::{fsreplay, text};
use fsreplay_trace::call::{ArgKind, Call, MAX_ARGS};
use fsreplay_trace::format::{TraceWriter, WriterOptions};
use fsreplay_trace::model::*;

/// A trace being written.
struct Made {
    dir: tempfile::TempDir,
    writer: TraceWriter<File>,
    events: u64,
}

impl Made {
    fn new() -> Made {
        let dir = tempfile::tempdir().expect("a directory");
        let file = File::create(dir.path().join("t.zst")).expect("a file");
        let header = Header {
            cwd: b"/work".to_vec(),
            architecture: std::env::consts::ARCH.to_string(),
            ..Header::default()
        };
        let writer = TraceWriter::new(file, &header, WriterOptions::default());
        let mut made = Made {
            dir,
            writer: writer.expect("a trace"),
            events: 0,
        };
        made.task(0);
        made
    }

    fn task(&mut self, task: u32) {
        self.push(&Record::TaskStart(TaskStart {
            task: TaskId(task),
            parent: (task > 0).then_some(TaskId(0)),
            time: 0,
            flags: 0x1_0f00,
            tid: task + 1,
            think: 0,
        }));
    }

    fn push(&mut self, record: &Record) {
        self.writer.push(record).expect("it is written");
    }

    /// A task asks whether there is such a file, in vain.
    fn ask(&mut self, task: u32, path: &[u8]) {
        let path = self.writer.string(path);
        let mut args = [0; MAX_ARGS];
        let at = Call::access
            .row()
            .position(ArgKind::Path)
            .expect("it has a path");
        args[at] = u64::from(path.0);
        self.events += 1;
        self.push(&Record::Event(Event {
            task: TaskId(task),
            call: Call::access,
            entry: self.events * 1000,
            duration: 10,
            overlapped: 0,
            spent: Spent::default(),
            result: -2,
            args,
        }));
    }

    fn finish(self) -> (tempfile::TempDir, PathBuf) {
        let footer = Footer {
            events: self.events,
            ..Footer::default()
        };
        self.writer.finish(&footer).expect("it is whole");
        let path = self.dir.path().join("t.zst");
        (self.dir, path)
    }
}

/// What a command that reads a trace is called with besides it.
fn commands(dir: &Path) -> Vec<Vec<String>> {
    let dir = |name: &str| dir.join(name).display().to_string();
    let target = common::targets().remove(0).display().to_string();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    vec![
        words(&["info"]),
        words(&["dump", "--all"]),
        words(&["inspect"]),
        words(&["anonymize", "--force", "-o", &dir("o.zst")]),
        words(&["play", "--target", &target]),
        words(&["compare", "--rounds", "2", "--target", &target]),
        words(&["advise", "--rounds", "2", "--target", &target]),
    ]
}

/// Runs a command on a trace with such limits; exit status and what it said.
fn run(command: &[String], trace: &Path, limits: &[&str]) -> (Option<i32>, String) {
    let mut run = fsreplay();
    run.args(command).arg(trace);
    for limit in limits {
        run.args(["--limit", limit]);
    }
    let output = run.output().expect("it runs");
    (output.status.code(), text(&output))
}

/// All commands refuse a trace for a limit, and `info` takes it where the limit is raised.
fn refused(made: Made, name: &str, limits: &[&str], raised: &str) {
    let (dir, trace) = made.finish();
    for command in commands(dir.path()) {
        let (status, said) = run(&command, &trace, limits);
        assert_eq!(status, Some(3), "{command:?}: {said}");
        let told = format!("--limit {name}=");
        assert!(said.contains(&told), "{command:?}: {said}");
    }
    let (status, said) = run(&["info".to_owned()], &trace, &[raised]);
    assert_eq!(status, Some(0), "{said}");
}

#[test]
fn a_string_longer_than_any_that_a_kernel_takes() {
    let mut made = Made::new();
    made.ask(0, &vec![b'x'; (8 << 20) + 1]);
    refused(made, "string", &[], "string=9M");
}

#[test]
fn strings_that_repeat_each_other() {
    let mut made = Made::new();
    for number in 0..40u32 {
        let mut path = vec![b'x'; 50_000];
        path.extend(number.to_string().bytes());
        made.ask(0, &path);
    }
    refused(made, "strings", &["strings=1M"], "strings=1G");
}

#[test]
fn names_below_each_other() {
    let deep = || {
        let mut made = Made::new();
        let mut node = NodeId::ROOT;
        for _ in 0..2000 {
            node = made
                .writer
                .node(node, b"directory-with-a-name-of-its-own-that-is-long");
            made.push(&Record::PathState(PathState {
                node,
                kind: FileKind::Directory,
                metadata: None,
            }));
        }
        made.ask(0, b"/a");
        made
    };
    refused(deep(), "path", &[], "path=1M");
    refused(deep(), "paths", &["path=1M", "paths=1M"], "path=1M");
}

#[test]
fn like_events_by_the_million() {
    let mut made = Made::new();
    for _ in 0..5_000_000 {
        made.ask(0, b"/a");
    }
    refused(made, "events-per-byte", &[], "events-per-byte=1M");
}

#[test]
fn like_records_by_the_million_that_are_no_events() {
    let mut made = Made::new();
    for _ in 0..5_000_000 {
        made.push(&Record::PathState(PathState {
            node: NodeId::ROOT,
            kind: FileKind::Directory,
            metadata: None,
        }));
    }
    refused(made, "events-per-byte", &[], "events-per-byte=1M");
    let mut made = Made::new();
    for _ in 0..50 {
        made.push(&Record::Listing(Listing {
            directory: NodeId::ROOT,
            entries: vec![(NodeId::ROOT, FileKind::Directory); 100_000],
        }));
    }
    refused(made, "events-per-byte", &[], "events-per-byte=1M");
}

#[test]
fn more_tasks_and_memory_than_a_replay_may_take() {
    let made = || {
        let mut made = Made::new();
        for task in 1..300 {
            made.task(task);
        }
        for task in 0..300 {
            made.ask(task, format!("/file-{task}").as_bytes());
        }
        made
    };
    for (name, limit) in [("tasks", "tasks=299"), ("plan", "plan=10K")] {
        let (dir, trace) = made().finish();
        for command in commands(dir.path()) {
            let (status, said) = run(&command, &trace, &[limit]);
            let replays = ["play", "compare", "advise"].contains(&command[0].as_str());
            assert_eq!(
                status,
                Some(if replays { 3 } else { 0 }),
                "{command:?}: {said}"
            );
            // It plans, too, to tell the share of file access, and tells the rest without that.
            let plans = replays || command[0] == "inspect";
            let hint = format!("--limit {name}=");
            assert_eq!(said.contains(&hint), plans, "{command:?}: {said}");
        }
        let play = &commands(dir.path())[4];
        let (status, said) = run(play, &trace, &[]);
        assert_eq!(status, Some(0), "{said}");
    }
}

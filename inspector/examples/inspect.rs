//! Inspects a trace and says how long it took.
//!
//!     cargo run --release -p fsreplay-inspector --example inspect -- trace.zst
//!     cargo run --release -p fsreplay-inspector --example inspect -- --made-up 1000000 4
//!
//! The second form makes a trace of that many events by that many processes (in memory, as a file
//! would be) and inspects it.

use std::path::Path;
use std::time::Instant;

use fsreplay_inspector::{Options, inspect};
use fsreplay_trace::call::{ArgKind, Call, MAX_ARGS};
use fsreplay_trace::format::{TraceError, TraceReader, TraceWriter, WriterOptions, open};
use fsreplay_trace::model::{
    Event, FileKind, Footer, Header, Metadata, NodeId, PathState, Record, TaskId, TaskStart,
};

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: Option<u64> = statm.split(' ').nth(1).and_then(|n| n.parse().ok());
    pages.unwrap_or(0) * 4096
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let made = match args[..] {
        ["--made-up", events, processes] => Some(made_up(events.parse()?, processes.parse()?)?),
        [_] => None,
        _ => return Err("a trace, or --made-up EVENTS PROCESSES".into()),
    };
    let before = resident();
    let begin = Instant::now();
    let mut reader = match made {
        Some(bytes) => TraceReader::new(bytes)?,
        None => open(Path::new(args[0]))?,
    };
    let options = Options {
        top: 10,
        truncated: true,
    };
    let inspector = inspect(&mut reader, &options)?;
    let passed = begin.elapsed().as_secs_f64();
    let inspection = inspector.finish(reader.tables(), reader.footer(), &options);
    let taken = begin.elapsed().as_secs_f64();
    println!(
        "{} events: {passed:.3} s reading and following, {:.3} s summing up, {:.2} million \
         events/s, {:.0} MB",
        inspection.events,
        taken - passed,
        inspection.events as f64 / taken / 1e6,
        resident().saturating_sub(before) as f64 / 1e6,
    );
    let unresolved = inspection.totals.unresolved.count;
    println!("{unresolved} events could not be attributed");
    for finding in &inspection.findings {
        println!(
            "{:?}: {} on {} paths, {:.3} s",
            finding.kind, finding.count, finding.paths, finding.seconds
        );
    }
    Ok(())
}

/// Something like a build: each process looks files up, misses some, opens, reads and closes them.
struct Maker {
    writer: TraceWriter<Vec<u8>>,
    time: u64,
}

impl Maker {
    fn call(
        &mut self,
        task: u32,
        call: Call,
        args: &[(ArgKind, u64)],
        result: i64,
    ) -> Result<(), TraceError> {
        let mut values = [0; MAX_ARGS];
        for (kind, value) in args {
            if let Some(at) = call.row().position(*kind) {
                values[at] = *value;
            }
        }
        self.time += 1000;
        self.writer.push(&Record::Event(Event {
            task: TaskId(task),
            call,
            entry: self.time,
            duration: 500,
            overlapped: 0,
            spent: Default::default(),
            result,
            args: values,
        }))
    }

    fn state(&mut self, node: NodeId, kind: FileKind) -> Result<(), TraceError> {
        self.writer.push(&Record::PathState(PathState {
            node,
            kind,
            metadata: (kind != FileKind::Absent).then(|| Metadata {
                size: 100,
                mode: 0o644,
                ..Metadata::default()
            }),
        }))
    }
}

fn made_up(events: u32, processes: u32) -> Result<Vec<u8>, TraceError> {
    let header = Header {
        cwd: b"/work".to_vec(),
        architecture: std::env::consts::ARCH.to_string(),
        ..Header::default()
    };
    let mut maker = Maker {
        writer: TraceWriter::new(Vec::new(), &header, WriterOptions::default())?,
        time: 0,
    };
    for task in 0..processes {
        maker.writer.push(&Record::TaskStart(TaskStart {
            task: TaskId(task),
            parent: (task > 0).then_some(TaskId(0)),
            time: 0,
            flags: 0,
            tid: task + 1,
            think: 0,
        }))?;
    }
    let work = maker.writer.node(NodeId::ROOT, b"work");
    let src = maker.writer.node(work, b"src");
    let (mut dir, mut dir_name) = (src, String::new());
    for n in 0..events / 6 {
        if n % 50 == 0 {
            dir_name = format!("package-{:05}", n / 50);
            dir = maker.writer.node(src, dir_name.as_bytes());
            maker.state(dir, FileKind::Directory)?;
        }
        let name = format!("source_file_{n}.rs");
        let node = maker.writer.node(dir, name.as_bytes());
        maker.state(node, FileKind::File)?;
        let none = maker.writer.node(dir, format!("{name}.lock").as_bytes());
        maker.state(none, FileKind::Absent)?;
        let path = format!("/work/src/{dir_name}/{name}");
        let file = maker.writer.path_string(path.as_bytes(), node);
        let miss = maker
            .writer
            .path_string(format!("{path}.lock").as_bytes(), none);
        let task = n % processes.max(1);
        let fd = 10 + i64::from(task);
        let at = (ArgKind::DirFd, -100i64 as u64);
        let this = (ArgKind::Fd, fd as u64);
        let file = (ArgKind::Path, u64::from(file.0));
        let miss = (ArgKind::Path, u64::from(miss.0));
        maker.call(task, Call::newfstatat, &[at, file], 0)?;
        maker.call(task, Call::newfstatat, &[at, miss], -2)?;
        maker.call(task, Call::openat, &[at, file], fd)?;
        maker.call(task, Call::fstat, &[this], 0)?;
        maker.call(task, Call::read, &[this, (ArgKind::Length, 4096)], 100)?;
        maker.call(task, Call::close, &[this], 0)?;
    }
    maker.writer.finish(&Footer::default())
}

//! Memory and time of `play` by the number of events, from thousands to hundreds of millions.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fsreplay_trace::call::{ArgKind, Call, MAX_ARGS};
use fsreplay_trace::format::{TraceWriter, WriterOptions};
use fsreplay_trace::model::*;

/// Files that are read again and again.
const FILES: u64 = 20_000;
/// Processes that do so.
const TASKS: u32 = 4;
/// In one of so many turns, the file looked for is one whose name never came before.
const NEW_NAMES: u64 = 100;
/// Calls of a turn.
const CALLS: u64 = 6;

#[derive(clap::Args)]
pub struct Options {
    /// The fsreplay binary
    #[arg(long, default_value = "target/release/fsreplay")]
    fsreplay: PathBuf,
    /// Events of each trace
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "100000,1000000,10000000,100000000"
    )]
    events: Vec<u64>,
    /// Where the traces are made, and played
    #[arg(long, default_value = "/var/tmp/fsreplay-bench")]
    dir: PathBuf,
}

/// Plays made-up traces of rising length once, as fast as possible, and prints for each what it
/// took.
pub fn run(options: &Options) -> io::Result<()> {
    println!(
        "{TASKS} processes read {FILES} files again and again; one look-up of {} is of a new name",
        NEW_NAMES * CALLS
    );
    println!("    events  trace MB  played in s  peak MB  bytes an event  diverged");
    for events in &options.events {
        let dir = options.dir.join("scale");
        std::fs::create_dir_all(&dir)?;
        let trace = dir.join("made-up.zst");
        made_up(*events, &trace).map_err(io::Error::other)?;
        let size = std::fs::metadata(&trace)?.len();
        let played = play(&options.fsreplay, &trace, &dir)?;
        println!(
            "{events:>10} {:>9.1} {:>12.1} {:>8} {:>15.1}  {}",
            size as f64 / 1e6,
            played.took.as_secs_f64(),
            played.peak / 1_000_000,
            played.peak as f64 / *events as f64,
            played.diverged
        );
        std::fs::remove_dir_all(&dir)?;
    }
    Ok(())
}

struct Played {
    took: Duration,
    /// Most bytes of memory that were resident at once.
    peak: u64,
    diverged: u64,
}

fn play(fsreplay: &Path, trace: &Path, dir: &Path) -> io::Result<Played> {
    let result = dir.join("result.json");
    let begin = Instant::now();
    let mut child = Command::new(fsreplay)
        .arg("play")
        .arg(trace)
        .arg("--target")
        .arg(dir)
        .args(["--timing", "fast", "--rounds", "1", "--json"])
        .arg(&result)
        .stdout(Stdio::null())
        .spawn()?;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = 0;
    let ended = loop {
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        peak = peak.max(peak_of(&status).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(20));
    };
    let took = begin.elapsed();
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&result)?)?;
    if !ended.success() {
        eprintln!("fsreplay play ended with {ended}");
    }
    Ok(Played {
        took,
        peak,
        diverged: json["divergences"].as_u64().unwrap_or(0),
    })
}

fn peak_of(status: &Path) -> Option<u64> {
    let status = std::fs::read_to_string(status).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib * 1024)
}

type Written = Result<(), fsreplay_trace::format::TraceError>;

/// A made-up trace being written.
struct MadeUp {
    writer: TraceWriter<File>,
    /// Nanoseconds.
    time: u64,
}

fn made_up(events: u64, path: &Path) -> Written {
    let header = Header {
        cwd: b"/work".to_vec(),
        architecture: std::env::consts::ARCH.to_string(),
        ..Header::default()
    };
    let file = File::create(path).map_err(|source| fsreplay_trace::format::TraceError::Io {
        operation: "making the trace",
        source,
    })?;
    let writer = TraceWriter::new(file, &header, WriterOptions::default())?;
    let mut made = MadeUp { writer, time: 0 };
    made.start()?;
    for turn in 0..events / CALLS {
        made.turn(turn)?;
    }
    let footer = Footer {
        events: events / CALLS * CALLS,
        ..Footer::default()
    };
    made.writer.finish(&footer).map(drop)
}

fn name_of(file: u64) -> String {
    format!("/work/package-{:03}/source-{file:05}.rs", file / 100)
}

impl MadeUp {
    fn start(&mut self) -> Written {
        for task in 0..TASKS {
            self.writer.push(&Record::TaskStart(TaskStart {
                task: TaskId(task),
                parent: (task > 0).then_some(TaskId(0)),
                time: 0,
                flags: 0,
                tid: task + 1,
                think: 0,
            }))?;
        }
        for file in 0..FILES {
            let mut node = NodeId::ROOT;
            for name in name_of(file).split('/').skip(1) {
                node = self.writer.node(node, name.as_bytes());
            }
            self.writer.push(&Record::PathState(PathState {
                node,
                kind: FileKind::File,
                metadata: Some(Metadata {
                    size: 100,
                    mode: 0o644,
                    ..Metadata::default()
                }),
            }))?;
        }
        Ok(())
    }

    /// A task looks a file up, looks for another in vain, opens, reads and closes the first.
    fn turn(&mut self, turn: u64) -> Written {
        let task = turn as u32 % TASKS;
        // Neighbours one after the other, as tools do; each task somewhere else.
        let file = (turn / u64::from(TASKS) + u64::from(task) * FILES / u64::from(TASKS)) % FILES;
        let name = name_of(file);
        let missing = if turn.is_multiple_of(NEW_NAMES) {
            format!("{name}.{turn:x}")
        } else {
            format!("{name}.lock")
        };
        let path = u64::from(self.writer.string(name.as_bytes()).0);
        let missing = u64::from(self.writer.string(missing.as_bytes()).0);
        let at = (ArgKind::DirFd, -100i64 as u64);
        let fd = 10;
        let this = (ArgKind::Fd, fd as u64);
        self.call(task, Call::newfstatat, &[at, (ArgKind::Path, path)], 0)?;
        self.call(task, Call::newfstatat, &[at, (ArgKind::Path, missing)], -2)?;
        self.call(task, Call::openat, &[at, (ArgKind::Path, path)], fd)?;
        self.call(task, Call::fstat, &[this], 0)?;
        self.call(task, Call::read, &[this, (ArgKind::Length, 4096)], 100)?;
        self.call(task, Call::close, &[this], 0)
    }

    fn call(&mut self, task: u32, call: Call, args: &[(ArgKind, u64)], result: i64) -> Written {
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
            spent: Spent {
                think: 400,
                ..Spent::default()
            },
            result,
            args: values,
        }))
    }
}

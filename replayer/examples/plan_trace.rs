//! Plans a trace and says what came of it: coverage, notes, speed, memory.
//!
//!     cargo run --release -p fsreplay-replayer --example plan_trace -- trace.zst
//!     cargo run --release -p fsreplay-replayer --example plan_trace -- --made-up 1000000 4
//!
//! The second form plans a made-up trace of that many events by that many tasks.

use std::path::Path;
use std::time::Instant;

use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::planner::{PlanError, PlanOptions, Planner, plan};
use fsreplay_trace::call::{ArgKind, Call, MAX_ARGS};
use fsreplay_trace::format::{Tables, open};
use fsreplay_trace::model::{
    Event, FileKind, Header, Metadata, NodeId, PathState, Record, TaskId, TaskStart,
};

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: Option<u64> = statm.split(' ').nth(1).and_then(|n| n.parse().ok());
    pages.unwrap_or(0) * 4096
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let options = PlanOptions {
        target: "/tmp".into(),
        as_root: true,
        ..PlanOptions::default()
    };
    let made = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--made-up", events, tasks] => made_up(events.parse()?, tasks.parse()?, options)?,
        [path] => {
            let before = resident();
            let begin = Instant::now();
            let mut reader = open(Path::new(path))?;
            let made = plan(&mut reader, &options)?;
            let taken = begin.elapsed().as_secs_f64();
            println!(
                "reading and planning: {taken:.3} s, {:.1} MB",
                (resident() - before) as f64 / 1e6
            );
            made
        }
        _ => return Err("a trace, or --made-up EVENTS TASKS".into()),
    };
    report(&made);
    Ok(())
}

fn report(plan: &Plan) {
    println!("{:#?}", plan.coverage);
    for (note, count) in &plan.notes {
        println!("note: {count} × {note}");
    }
    let ops: usize = plan.lanes.iter().map(|lane| lane.len()).sum();
    println!(
        "{ops} ops ({} different), {} lanes, {} waits, {} slots, {} entries, {} bytes of text, {} \
         peak bytes",
        plan.ops.len(),
        plan.lanes.len(),
        plan.lanes
            .iter()
            .map(|lane| lane.waits().len())
            .sum::<usize>(),
        plan.slots,
        plan.tree.len(),
        plan.text.len(),
        plan.peak_bytes,
    );
}

/// Plans a made-up trace, and says how fast.
fn made_up(events: u32, tasks: u32, options: PlanOptions) -> Result<Plan, PlanError> {
    let header = Header {
        cwd: b"/work".to_vec(),
        architecture: std::env::consts::ARCH.to_string(),
        ..Header::default()
    };
    let mut tables = Tables::new();
    let records = build(events, tasks, &mut tables);
    let before = resident();
    let begin = Instant::now();
    let mut planner = Planner::new(&header, options);
    for record in &records {
        planner.record(record, &tables)?;
    }
    let passed = begin.elapsed().as_secs_f64();
    let during = resident();
    let plan = planner.finish(&tables)?;
    let taken = begin.elapsed().as_secs_f64();
    let per_event = |bytes: u64| bytes as f64 / f64::from(events);
    println!(
        "{events} events, {tasks} tasks: {passed:.3} s + {:.3} s, {:.2} million events/s, {:.0} \
         bytes per event before the end, {:.0} after",
        taken - passed,
        f64::from(events) / taken / 1e6,
        per_event(during - before),
        per_event(resident().saturating_sub(before)),
    );
    Ok(plan)
}

/// Records of something like a build: each task looks a file up, opens, reads and closes it, and
/// misses another.
fn build(events: u32, tasks: u32, tables: &mut Tables) -> Vec<Record> {
    let mut records = Vec::new();
    for task in 0..tasks {
        records.push(Record::TaskStart(TaskStart {
            task: TaskId(task),
            parent: (task > 0).then_some(TaskId(0)),
            time: 0,
            flags: 0x1_0f00,
            tid: task + 1,
            think: 0,
        }));
    }
    let work = tables.add_node(NodeId::ROOT, b"work");
    let src = tables.add_node(work, b"src");
    let mut dir = src;
    let mut dir_name = String::new();
    let mut time = 0;
    for n in 0..events / 6 {
        if n % 50 == 0 {
            dir_name = format!("package-{:05}", n / 50);
            dir = tables.add_node(src, dir_name.as_bytes());
            records.push(state(dir, FileKind::Directory));
        }
        let name = format!("source_file_{n}.rs");
        let node = tables.add_node(dir, name.as_bytes());
        records.push(state(node, FileKind::File));
        let file = tables.add_string(format!("/work/src/{dir_name}/{name}").as_bytes());
        let miss = tables.add_string(format!("/work/src/{dir_name}/{name}.lock").as_bytes());
        let task = n % tasks;
        let fd = 10 + i64::from(task);
        let at = (ArgKind::DirFd, -100i64 as u64);
        let (file, miss) = (u64::from(file.0), u64::from(miss.0));
        let this = (ArgKind::Fd, fd as u64);
        let mut call = |call: Call, args: &[(ArgKind, u64)], result: i64| {
            time += 1000;
            records.push(event(TaskId(task), time, call, args, result));
        };
        call(Call::newfstatat, &[at, (ArgKind::Path, file)], 0);
        call(Call::newfstatat, &[at, (ArgKind::Path, miss)], -2);
        call(Call::openat, &[at, (ArgKind::Path, file)], fd);
        call(Call::fstat, &[this], 0);
        call(Call::read, &[this, (ArgKind::Length, 4096)], 100);
        call(Call::close, &[this], 0);
    }
    records
}

fn event(task: TaskId, entry: u64, call: Call, args: &[(ArgKind, u64)], result: i64) -> Record {
    let mut values = [0; MAX_ARGS];
    for (kind, value) in args {
        if let Some(at) = call.row().position(*kind) {
            values[at] = *value;
        }
    }
    Record::Event(Event {
        task,
        call,
        entry,
        duration: 500,
        overlapped: 0,
        spent: Default::default(),
        result,
        args: values,
    })
}

fn state(node: NodeId, kind: FileKind) -> Record {
    Record::PathState(PathState {
        node,
        kind,
        metadata: Some(Metadata {
            size: 100,
            mode: 0o644,
            ..Metadata::default()
        }),
    })
}

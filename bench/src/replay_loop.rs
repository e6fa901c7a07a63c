//! What the replay loop adds to a straight loop that issues the same calls with no bookkeeping.

use std::collections::HashMap;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use fsreplay_measure::estimate::{median, spread};
use fsreplay_replayer::execute::{Run, Tempo, execute};
use fsreplay_replayer::plan::*;
use fsreplay_replayer::prepare::prepare;
use fsreplay_replayer::sandbox::Sandbox;
use fsreplay_trace::call::Call;
use fsreplay_trace::model::FileKind;
use rustix::fs::{AtFlags, Mode, OFlags};

const FILES: usize = 1000;
const PASSES: usize = 50;
/// Stat, open, fstat, read, read to the end, close.
const CALLS: usize = 6;
/// Files of a piece. A piece takes some 50 µs: on a busy machine nearly all of them are done
/// without an interruption, which whole runs never are.
const PIECE: usize = 10;

/// Each pass does its calls for each file.
pub fn run(rounds: usize, dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let (plan, paths) = plan(dir);
    let never = AtomicBool::new(false);
    let sandboxes = [Sandbox::create(dir).map_err(io::Error::other)?];
    prepare(&plan, &sandboxes, &never, &|_, _| {}).map_err(io::Error::other)?;
    let fast = Tempo {
        scale: None,
        rest: Duration::ZERO,
    };
    let (mut straight, mut replayed) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let a = straight_loop(sandboxes[0].root(), &paths)?;
        let run = execute(&plan, &sandboxes, fast, &never).map_err(io::Error::other)?;
        if round > 0 {
            straight.push(median(&a));
            replayed.push(median(&pieces(&plan, &run)));
        }
    }
    let ratios: Vec<f64> = straight.iter().zip(&replayed).map(|(a, b)| b / a).collect();
    let calls = FILES * PASSES * CALLS;
    println!("{calls} calls a run, {rounds} runs, single task; a run is the median of its pieces");
    for (name, times) in [("straight loop", &straight), ("replay loop", &replayed)] {
        let call = 1e9 / (PIECE * CALLS) as f64;
        let (time, around) = (median(times) * call, spread(times) * call);
        println!("{name:14} {time:8.1} ns a call ± {around:.1}");
    }
    let (ratio, around) = (median(&ratios), spread(&ratios));
    println!("ratio          {ratio:8.3} ± {around:.3}");
    Ok(())
}

/// Seconds of each piece.
fn straight_loop(root: &OwnedFd, paths: &[CString]) -> io::Result<Vec<f64>> {
    let mut buffer = vec![0u8; 1 << 16];
    let mut pieces = Vec::with_capacity(PASSES * FILES / PIECE);
    for _ in 0..PASSES {
        for paths in paths.chunks(PIECE) {
            let begin = Instant::now();
            for path in paths {
                rustix::fs::statat(root, path, AtFlags::empty())?;
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                let file = rustix::fs::openat(root, path, flags, Mode::empty())?;
                rustix::fs::fstat(&file)?;
                while rustix::io::read(&file, &mut buffer[..4096])? > 0 {}
            }
            pieces.push(begin.elapsed().as_secs_f64());
        }
    }
    Ok(pieces)
}

/// The same of a replay: what lies between two calls is part of the second one's time.
fn pieces(plan: &Plan, run: &Run) -> Vec<f64> {
    let (lane, samples) = (&plan.lanes[0], &run.lanes[0].samples);
    let ops: Vec<usize> = (0..lane.len()).collect();
    let nanoseconds = |at: &usize| samples.get(*at, &plan.ops[lane.steps()[*at].op()]).duration;
    ops.chunks(PIECE * CALLS)
        .map(|piece| piece.iter().map(nanoseconds).sum::<u64>() as f64 / 1e9)
        .collect()
}

fn plan(dir: &Path) -> (Plan, Vec<CString>) {
    let mut plan = Plan {
        roots: vec![Root {
            recorded: b"/".to_vec(),
            target: dir.into(),
        }],
        slots: 2,
        longest_transfer: 4096,
        ..Plan::default()
    };
    let mut paths = Vec::new();
    let mut texts = Vec::new();
    for number in 0..=FILES {
        let name = if number == 0 {
            String::new()
        } else {
            format!("file{number}")
        };
        let at = Text(plan.text.len() as u32);
        plan.text.extend_from_slice(name.as_bytes());
        plan.text.push(0);
        plan.tree.push(entry(at, number == 0));
        if number > 0 {
            texts.push(at);
            paths.extend(CString::new(name));
        }
    }
    let (root, fd) = (Slot(0), Slot(1));
    plan.lanes.push(Lane::default());
    let mut known = HashMap::new();
    for _ in 0..PASSES {
        for path in &texts {
            let at = At {
                dir: root,
                path: *path,
            };
            for (action, expected, check) in [
                (Action::Stat { at, flags: 0 }, 0, Check::Exact),
                (
                    Action::Open {
                        at,
                        flags: libc::O_RDONLY,
                        mode: 0,
                        resolve: 0,
                        out: fd,
                    },
                    3,
                    Check::Success,
                ),
                (Action::FdStat { fd }, 0, Check::Exact),
                (
                    Action::Read {
                        fd,
                        length: 4096,
                        vectors: 0,
                    },
                    1000,
                    Check::Exact,
                ),
                (
                    Action::Read {
                        fd,
                        length: 4096,
                        vectors: 0,
                    },
                    0,
                    Check::Exact,
                ),
                (Action::Close { fd }, 0, Check::Exact),
            ] {
                let op = Op {
                    action,
                    expected,
                    check,
                    call: Call::openat,
                    recorded: true,
                    mount: u16::MAX,
                    place: u32::MAX,
                };
                add(&mut plan, &mut known, op);
            }
        }
    }
    (plan, paths)
}

/// Ops that are alike stand once, as the planner has it.
fn add(plan: &mut Plan, known: &mut HashMap<Op, Step>, op: Op) {
    let moment = plan.lanes[0].len() as u32;
    if let Some(step) = known.get(&op) {
        plan.lanes[0].push(*step, moment, Pace::NONE);
        return;
    }
    known.extend(Step::of(plan.ops.len()).map(|step| (op, step)));
    plan.push(0, op, moment, Pace::NONE);
}

fn entry(path: Text, directory: bool) -> TreeEntry {
    TreeEntry {
        root: 0,
        path,
        kind: if directory {
            FileKind::Directory
        } else {
            FileKind::File
        },
        size: if directory { 0 } else { 1000 },
        mode: 0o755,
        owner: (0, 0),
        mtime: None,
        target: None,
        target_root: None,
        link_of: None,
        changed: false,
        data: true,
        allocated: None,
        xattrs: Vec::new(),
    }
}

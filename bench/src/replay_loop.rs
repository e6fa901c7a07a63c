//! What the replay loop adds to a straight loop that issues the same calls with no bookkeeping.
//!
//! There are two straight loops: one by the instruction itself, as the replay loop has it, and one
//! as programs call, through rustix and the C library.

mod plan;
mod straight;

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use fsreplay_measure::estimate::{median, spread};
use fsreplay_replayer::execute::{Run, Tempo, execute};
use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::prepare::prepare;
use fsreplay_replayer::sandbox::Sandbox;

/// Calls of a run: stat, open, fstat, read, read to the end, close, 50,000 times.
const CALLS: usize = 6;
/// How often they are made.
const TIMES: usize = 50_000;
/// Files of a piece. A piece takes some 50 µs: on a busy machine nearly all of them are done
/// without an interruption, which whole runs never are.
const PIECE: usize = 10;
/// Bytes of a file.
const SIZE: u64 = 1000;
/// More than the caches hold.
const EVICTING: usize = 256 << 20;

/// How near what a run needs is to the processor.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Kind {
    /// A thousand files, again and again: ops, paths and inodes are in the caches.
    Warm,
    /// Each file once, after all caches were filled with something else.
    Cold,
}

impl Kind {
    fn files(self) -> usize {
        match self {
            Kind::Warm => 1000,
            Kind::Cold => TIMES,
        }
    }

    fn passes(self) -> usize {
        TIMES / self.files()
    }
}

/// Runs each of the loops in turn.
pub fn run(rounds: usize, dir: &Path, kind: Kind) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let (plan, paths) = plan::plan(dir, kind);
    let never = AtomicBool::new(false);
    let sandboxes = [Sandbox::create(dir).map_err(io::Error::other)?];
    prepare(&plan, &sandboxes, &never, &|_, _| {}).map_err(io::Error::other)?;
    let fast = Tempo {
        scale: None,
        rest: Duration::ZERO,
    };
    let root = sandboxes[0].root();
    let mut other = vec![0; EVICTING];
    let mut times: [Vec<f64>; 3] = Default::default();
    for round in 0..=rounds {
        let mut ready = || {
            if matches!(kind, Kind::Cold) {
                evict(&mut other);
            }
        };
        ready();
        let bare = straight::by_instruction(root, &paths, kind.passes())?;
        ready();
        let called = straight::by_libraries(root, &paths, kind.passes())?;
        ready();
        let run = execute(&plan, &sandboxes, fast, &never).map_err(io::Error::other)?;
        let replayed = pieces(&plan, &run);
        if round > 0 {
            for (times, pieces) in times.iter_mut().zip([bare, called, replayed]) {
                times.push(median(&pieces));
            }
        }
    }
    tell(rounds, &times);
    Ok(())
}

fn tell(rounds: usize, [bare, called, replayed]: &[Vec<f64>; 3]) {
    let calls = TIMES * CALLS;
    println!("{calls} calls a run, {rounds} runs, single task; a run is the median of its pieces");
    let ratio = |to: &[f64]| -> Vec<f64> { replayed.iter().zip(to).map(|(a, b)| a / b).collect() };
    for (name, times) in [
        ("bare loop", bare),
        ("by libraries", called),
        ("replay loop", replayed),
    ] {
        let call = 1e9 / (PIECE * CALLS) as f64;
        let (time, around) = (median(times) * call, spread(times) * call);
        println!("{name:24} {time:8.1} ns a call ± {around:.1}");
    }
    for (name, ratios) in [
        ("to the bare loop", ratio(bare)),
        ("to that by libraries", ratio(called)),
    ] {
        let (ratio, around) = (median(&ratios), spread(&ratios));
        println!("{name:24} {ratio:8.3} ± {around:.3}");
    }
}

/// Fills the caches with something else.
fn evict(other: &mut [u8]) {
    for line in other.chunks_mut(64) {
        line[0] = line[0].wrapping_add(1);
    }
    std::hint::black_box(other);
}

/// Seconds of each piece of a replay: what lies between two calls is part of the second one's time.
fn pieces(plan: &Plan, run: &Run) -> Vec<f64> {
    let (lane, samples) = (&plan.lanes[0], &run.lanes[0].samples);
    let ops: Vec<usize> = (0..lane.len()).collect();
    let nanoseconds = |at: &usize| samples.get(*at, &plan.ops[lane.steps()[*at].op()]).duration;
    ops.chunks(PIECE * CALLS)
        .map(|piece| piece.iter().map(nanoseconds).sum::<u64>() as f64 / 1e9)
        .collect()
}

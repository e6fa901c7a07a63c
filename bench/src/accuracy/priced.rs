//! Predictions from fast rounds: on paper, and by the crudest sum.

use std::io;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Instant;

use fsreplay_measure::estimate::median;
use fsreplay_replayer::fit::factor;
use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::prices::OpPrices;
use fsreplay_replayer::simulate::{Groups, simulate_with};

use super::log::{Single, Writer};
use super::measure::Runs;

/// Halvings of the range of factors, to a thousandth.
const HALVINGS: usize = 11;

/// Logs what is predicted for each mount. The first is the recorded one, where the tool took so
/// many seconds by the clock when it was calibrated.
pub fn predict(workload: &str, all: &[Runs<'_>], tool: f64, log: &mut Writer) -> io::Result<()> {
    let Some(first) = all.first() else {
        return Ok(());
    };
    let mut add = |runs: &Runs<'_>, what: &str, wall: f64, taken: f64| {
        log.add(&Single {
            workload,
            mount: runs.mount,
            what,
            round: 1,
            wall,
            cpu: taken,
            run_queue: None,
        })
    };
    let base = median(&first.walls);
    let there = first.rounds.prices();
    let timing = first.calibrated.timing;
    // By what calls take in replays where it was recorded, instead of what they took then.
    let by_prices = timing
        .processor_seconds
        .and_then(|seconds| factor(first.plan, &there, seconds))
        .unwrap_or(timing.computing);
    let by_clock = by_clock(first.plan, &there, tool)?;
    for runs in all {
        let begin = Instant::now();
        let prices = runs.rounds.prices();
        let as_recorded = on_paper(runs.plan, 1.0, &prices)?;
        let taken = begin.elapsed().as_secs_f64();
        add(runs, "crude", tool + median(&runs.walls) - base, 0.0)?;
        add(runs, "sim as recorded", as_recorded, taken)?;
        if !runs.fast_rounds.is_empty() {
            let prices = runs.fast_rounds.prices();
            let all_fast = on_paper(runs.plan, 1.0, &prices)?;
            add(runs, "sim from fast", all_fast, taken)?;
        }
        for (what, computing) in [
            ("sim calibrated", timing.computing),
            ("sim by prices", by_prices),
            ("sim by the clock", by_clock),
        ] {
            add(runs, what, on_paper(runs.plan, computing, &prices)?, taken)?;
        }
    }
    Ok(())
}

/// The factor with which the plan takes as long on paper as the tool did.
fn by_clock(plan: &Plan, prices: &OpPrices, tool: f64) -> io::Result<f64> {
    let (mut least, mut most) = (0.0, 2.0);
    for _ in 0..HALVINGS {
        let middle = (least + most) / 2.0;
        if on_paper(plan, middle, prices)? < tool {
            least = middle;
        } else {
            most = middle;
        }
    }
    Ok((least + most) / 2.0)
}

fn on_paper(plan: &Plan, computing: f64, prices: &OpPrices) -> io::Result<f64> {
    let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let simulated = simulate_with(computing, plan, prices, &Groups::one(), cores);
    Ok(simulated.map_err(io::Error::other)?.seconds)
}

//! Predictions from fast rounds: on paper, by each estimator, and by the crudest sum.

use std::io;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Instant;

use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::prices::{Estimator, OpPrices, anchored};
use fsreplay_replayer::simulate::{Groups, simulate};
use fsreplay_trace::model::Unobserved;

use super::log::{Single, Writer};
use super::measure::Runs;
use fsreplay_measure::estimate::median;

const ESTIMATORS: [(&str, Estimator); 4] = [
    ("median", Estimator::Median),
    ("quartile", Estimator::LowerQuartile),
    ("kind", Estimator::ByKind),
    ("mean", Estimator::Mean),
];

/// Logs what is predicted for each mount. The first is the recorded one, where the tool took what
/// `anchor` says.
pub fn predict(
    workload: &str,
    all: &[Runs<'_>],
    anchor: Unobserved,
    log: &mut Writer,
) -> io::Result<()> {
    let Some(first) = all.first() else {
        return Ok(());
    };
    let tool = anchor.elapsed as f64 / 1e9;
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
    for runs in all {
        let crude = tool + median(&runs.walls) - base;
        add(runs, "crude", crude, 0.0)?;
    }
    for (name, estimator) in ESTIMATORS {
        let recorded = first.rounds.prices(estimator);
        let base = on_paper(first.plan, &recorded)?;
        let cores = cores();
        for runs in all {
            let begin = Instant::now();
            let prices = runs.rounds.prices(estimator);
            let plain = on_paper(runs.plan, &prices)?;
            let taken = begin.elapsed().as_secs_f64();
            add(runs, &format!("sim {name} unanchored"), plain, taken)?;
            add(
                runs,
                &format!("sim {name} added"),
                plain + tool - base,
                taken,
            )?;
            // The same for each event on all mounts: plans differ in roots only.
            let plan = anchored(runs.plan, &recorded, cores, anchor).map_err(io::Error::other)?;
            let fitted = on_paper(&plan, &prices)?;
            add(runs, &format!("sim {name} each"), fitted, taken)?;
        }
    }
    Ok(())
}

fn on_paper(plan: &Plan, prices: &OpPrices) -> io::Result<f64> {
    let simulated = simulate(plan, prices, &Groups::one(), cores());
    Ok(simulated.map_err(io::Error::other)?.seconds)
}

fn cores() -> NonZeroUsize {
    available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

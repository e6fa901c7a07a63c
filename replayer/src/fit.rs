//! The one correction of recorded times: how much longer a tool computes while it is recorded.
//!
//! A recorder stops a tool at each call. What the stops themselves take is known and taken out;
//! that the tool's memory is gone from the caches after each of them isn't. So `record --calibrate`
//! runs the command some more times without the recorder. All recorded processor time is multiplied
//! by the one factor that makes it the median of these runs. The same factor holds on all mounts,
//! on paper and by the clock.
//!
//! What a stop takes in a call is known less well than all of it together: five recordings of the
//! same `find` had 4.7 to 8.5 ms in calls and 4.1 to 5.2 of computing, where the tool took 14.4 ms
//! in each series of runs. So calls have the same factor, and not what computing leaves of the
//! whole. Where it is known what calls take on the recorded mount, from rounds, that is what
//! is taken from the whole ([`factor`]).
//!
//! By processor time and not by the clock: beside busy neighbours, runs take several times as long
//! by the clock, as they wait for a processor; of several processes nobody tells how long each did.
//! Beside a load of 11 on 2 processors, with medians of 10 to 21 runs, against the same recordings
//! (ms; *clock* without the first task's time in the run queue):
//!
//! | | recorded | by processor time, least | median | by the clock, least | median |
//! |---|---|---|---|---|---|
//! | `git status`, 1,600 files | 10.1 | 5.8 | 7.5 | 6.9 | 14.9 |
//! | `tar` | 13.4 | 12.2 | 12.7 | 12.9 | 28.0 |
//! | `find` | 9.4 | 8.7 | 9.4 | 9.0 | 23.9 |
//! | `find`, `xargs wc` | 165 | 118 | 127 | 217 | 279 |
//! | `python3` | 173 | 144 | 163 | 322 | 409 |

use std::ops::RangeInclusive;

use fsreplay_measure::estimate::median;
use fsreplay_trace::model::{Footer, Samples};

use crate::plan::{Action, Plan};
use crate::prices::AsRecorded;
use crate::simulate::Prices;

/// What a recorder can have made of computing. What is beyond that has other reasons, such as a
/// command that does something else when it is run again, or that leaves others behind which nobody
/// waits for.
const FACTORS: RangeInclusive<f64> = 0.1..=2.0;

/// The factor of computing with which a plan takes so many seconds of processor time, where calls
/// have those prices. None if no recorder explains it.
pub fn factor(plan: &Plan, prices: &impl Prices, processor_seconds: f64) -> Option<f64> {
    let (computing, calls) = on_processors(plan, prices);
    within_reason((processor_seconds - calls) / computing)
}

fn within_reason(factor: f64) -> Option<f64> {
    FACTORS.contains(&factor).then_some(factor)
}

/// What a plan computes as it was recorded, and what calls with those prices take on processors,
/// seconds.
fn on_processors(plan: &Plan, prices: &impl Prices) -> (f64, f64) {
    let (mut computing, mut calls) = (0.0, 0.0);
    for (number, lane) in plan.lanes.iter().enumerate() {
        for (op, pace) in lane.paces().enumerate() {
            computing += f64::from(pace.think) + f64::from(pace.own);
            if !matches!(plan.op(number, op).action, Action::Nothing) {
                calls += f64::from(prices.price(number, op).on_cpu);
            }
        }
    }
    (computing / 1e9, calls / 1e9)
}

/// Fits a plan to what the trace's footer knows of runs without the recorder. Nothing changes where
/// it knows none, or where no factor explains them.
pub fn calibrate(plan: &mut Plan, footer: &Footer) {
    let Some(seconds) = processor_seconds(footer) else {
        return;
    };
    let (computing, calls) = on_processors(plan, &AsRecorded(plan));
    let found = within_reason(seconds / (computing + calls));
    tracing::debug!(?found, seconds, "calibrated");
    if let Some(found) = found {
        plan.timing.computing = found;
        plan.timing.processor_seconds = Some(seconds);
    }
}

/// The processor time that the command typically took without the recorder, seconds. None where it
/// wasn't run so, or was measured in a way that this version doesn't know. Earlier versions kept
/// one time alone.
pub fn processor_seconds(footer: &Footer) -> Option<f64> {
    let samples = footer
        .samples
        .as_ref()
        .filter(|samples| samples.engine == Samples::ENGINE);
    let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
    let runs = samples.map(|samples| samples.runs.iter().map(|run| seconds(run.cpu)));
    let typical = runs.map(|runs| median(&runs.collect::<Vec<_>>()));
    let one = footer.unobserved.map(|run| seconds(run.cpu));
    typical.or(one).filter(|seconds| *seconds > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Lane, Op, Pace, Slot, Took};
    use crate::simulate::Price;
    use fsreplay_trace::call::Call;
    use fsreplay_trace::model::{Sample, Unobserved};

    /// Two lanes that compute 1000 ns before each of four calls, which took 250 on a processor.
    fn plan() -> Plan {
        let mut plan = Plan::default();
        let pace = Pace {
            think: 990.0,
            own: 10.0,
            asleep: 5000.0,
            ..Pace::NONE
        };
        for lane in 0..2 {
            plan.lanes.push(Lane::of([pace; 4]));
            for op in 0..4 {
                plan.lanes[lane].keep(op, Took::of(250.0, 700.0));
            }
        }
        let ops = (0..8).map(|at| Op::new(Action::Close { fd: Slot(at) }, Call::close));
        plan.ops = ops.collect();
        plan
    }

    fn footer(engine: u32, cpu: &[u64]) -> Footer {
        let runs = cpu.iter().map(|cpu| Sample {
            cpu: *cpu,
            elapsed: 1_000_000,
            queued: 0,
        });
        Footer {
            samples: Some(Samples {
                engine,
                runs: runs.collect(),
            }),
            ..Footer::default()
        }
    }

    #[test]
    fn a_plan_takes_the_processor_time_that_the_tool_took() {
        let mut plan = plan();
        calibrate(&mut plan, &footer(Samples::ENGINE, &[9_000, 6_000, 5_000]));
        // Of 8000 ns, and 8 times 250 for calls; sleep is none of it.
        let factor = plan.timing.computing;
        assert!((factor - 0.6).abs() < 0.002, "{factor}");
        assert_eq!(plan.timing.processor_seconds, Some(6e-6));
    }

    #[test]
    fn what_no_recorder_explains_changes_nothing() {
        for cpu in [0, 900, 21_000] {
            let mut plan = plan();
            calibrate(&mut plan, &footer(Samples::ENGINE, &[cpu]));
            assert_eq!(plan.timing, crate::plan::OwnTime::default(), "{cpu}");
        }
        assert_eq!(
            factor(&Plan::default(), &|_, _| Price::default(), 1.0),
            None
        );
    }

    #[test]
    fn calls_may_have_other_prices() {
        let price = |_: usize, _: usize| Price {
            on_cpu: 500.0,
            blocked: 9000.0,
        };
        let found = factor(&plan(), &price, 6e-6).expect("a factor");
        assert!((found - 0.25).abs() < 1e-6, "{found}");
    }

    #[test]
    fn the_typical_run_counts_and_that_of_earlier_versions() {
        let known = footer(Samples::ENGINE, &[3_000, 9_000_000, 2_000]);
        assert_eq!(processor_seconds(&known), Some(3e-6));
        let other = footer(Samples::ENGINE + 1, &[3_000]);
        assert_eq!(processor_seconds(&other), None);
        assert_eq!(processor_seconds(&footer(Samples::ENGINE, &[])), None);
        assert_eq!(processor_seconds(&Footer::default()), None);
        let earlier = Footer {
            unobserved: Some(Unobserved {
                cpu: 5_000,
                per_event: Some(-100.0),
                ..Unobserved::default()
            }),
            ..Footer::default()
        };
        assert_eq!(processor_seconds(&earlier), Some(5e-6));
    }
}

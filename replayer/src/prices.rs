//! What each call of a plan takes on a mount, from some rounds as fast as possible: the median.
//!
//! A busy neighbour makes some calls of a round long, others in each round: the median over rounds
//! hardly knows of it. It doesn't know either of what is rare in each call but certain in all of
//! them, such as a journal that is written back once in a hundred calls. Means, lower quartiles, and
//! medians that are multiplied so that all calls of a kind take what they take together in a round
//! were tried beside it (`bench/results/prices-*.csv`): none is nearer to the tool in general, and
//! the means and sums are moved by neighbours. `git status` on bindfs, 4 rounds beside 4 busy loops
//! on 2 processors: 66 ms by the median and 353 by kind, where the tool takes 103 at rest on a quiet
//! machine.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use fsreplay_measure::estimate::median;

use crate::execute::LaneRun;
use crate::plan::Plan;
use crate::simulate::{Price, Prices};

/// Bytes of samples that are kept at most: of large plans fewer rounds.
const ROOM: usize = 512 << 20;
/// Bytes of the sample of one op.
const SAMPLE: usize = size_of::<u32>();
/// Rounds that are kept even of a plan for which there is no room: a median needs three.
const FEWEST: usize = 3;
/// Rounds of one plan on one mount.
pub struct Rounds<'p> {
    plan: &'p Plan,
    kept: VecDeque<Vec<LaneRun>>,
    most: usize,
}

impl<'p> Rounds<'p> {
    /// None yet.
    pub fn new(plan: &'p Plan) -> Rounds<'p> {
        let ops: usize = plan.lanes.iter().map(|lane| lane.len()).sum();
        Rounds {
            plan,
            kept: VecDeque::new(),
            most: (ROOM / (ops * SAMPLE).max(1)).max(FEWEST),
        }
    }

    /// Keeps what the lanes of a round did; the oldest one goes where there is no room for more.
    pub fn add(&mut self, lanes: Vec<LaneRun>) {
        if self.kept.len() >= self.most {
            self.kept.pop_front();
        }
        self.kept.push_back(lanes);
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// From all rounds.
    pub fn prices(&self) -> OpPrices {
        self.of(&self.kept.iter().collect::<Vec<_>>())
    }

    /// From all rounds but those of one of so many groups, each left out in turn, as far as there
    /// are rounds: how much the whole depends on single rounds tells how far it can be trusted.
    /// Neighbours in time are in different groups, so that all groups see the same drift.
    pub fn leaving_out(&self, groups: NonZeroUsize) -> impl Iterator<Item = OpPrices> + '_ {
        let groups = groups.get().min(self.kept.len());
        (0..groups).map(move |left_out| {
            let rounds = self.kept.iter().enumerate();
            let rounds = rounds.filter(|(at, _)| groups == 1 || at % groups != left_out);
            let rounds: Vec<_> = rounds.map(|(_, round)| round).collect();
            self.of(&rounds)
        })
    }

    fn of(&self, rounds: &[&Vec<LaneRun>]) -> OpPrices {
        let lanes = 0..self.plan.lanes.len();
        let calls: Vec<Vec<f32>> = lanes.map(|lane| self.lane(rounds, lane)).collect();
        let on_cpu = calls.iter().enumerate().map(|(lane, calls)| {
            let cpu = rounds.iter().map(|round| round[lane].cpu as f64);
            let cpu = median(&cpu.collect::<Vec<_>>());
            let all: f64 = calls.iter().copied().map(f64::from).sum();
            if all > 0.0 {
                (cpu / all).min(1.0) as f32
            } else {
                1.0
            }
        });
        OpPrices {
            on_cpu: on_cpu.collect(),
            calls,
        }
    }

    fn lane(&self, rounds: &[&Vec<LaneRun>], lane: usize) -> Vec<f32> {
        let mut times = Vec::with_capacity(rounds.len());
        let ops = 0..self.plan.lanes[lane].len();
        ops.map(|at| {
            times.clear();
            times.extend(rounds.iter().map(|round| self.took(round, lane, at)));
            typical(&mut times)
        })
        .collect()
    }

    /// What an op took in a round, nanoseconds.
    fn took(&self, round: &[LaneRun], lane: usize, at: usize) -> f32 {
        let op = self.plan.op(lane, at);
        round
            .get(lane)
            .map_or(0.0, |lane| lane.samples.get(at, op).duration as f32)
    }
}

/// The median of some times, the lower one of two; nothing of none.
fn typical(times: &mut [f32]) -> f32 {
    let Some(last) = times.len().checked_sub(1) else {
        return 0.0;
    };
    *times.select_nth_unstable_by(last / 2, f32::total_cmp).1
}

/// The price of each op of a plan.
#[derive(Clone, Debug)]
pub struct OpPrices {
    /// By lane and op, nanoseconds.
    calls: Vec<Vec<f32>>,
    /// By lane: the share of that on a processor.
    on_cpu: Vec<f32>,
}

impl OpPrices {
    /// What all calls take together, seconds.
    pub fn call_seconds(&self) -> f64 {
        let calls = self.calls.iter().flatten();
        calls.copied().map(f64::from).sum::<f64>() / 1e9
    }
}

impl Prices for OpPrices {
    fn price(&self, lane: usize, op: usize) -> Price {
        let calls = self.calls.get(lane);
        let price = calls.and_then(|calls| calls.get(op)).copied();
        let price = price.unwrap_or(0.0);
        let on_cpu = price * self.on_cpu.get(lane).copied().unwrap_or(1.0);
        Price {
            on_cpu,
            blocked: price - on_cpu,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::Samples;
    use crate::plan::{Action, Check, Lane, Op, Pace, Slot};
    use fsreplay_trace::call::Call;

    /// A plan of one lane with calls of those kinds.
    fn plan(calls: &[Call]) -> Plan {
        let ops = calls.iter().enumerate().map(|(at, call)| Op {
            action: Action::Close {
                fd: Slot(at as u32),
            },
            expected: 0,
            check: Check::Nothing,
            call: *call,
            recorded: true,
            mount: u16::MAX,
            place: u32::MAX,
        });
        Plan {
            ops: ops.collect(),
            lanes: vec![Lane::of(calls.iter().map(|_| Pace::NONE))],
            ..Plan::default()
        }
    }

    /// What one lane did.
    fn round(nanoseconds: &[u32], cpu: u64) -> Vec<LaneRun> {
        vec![LaneRun {
            samples: Samples::of(nanoseconds),
            cpu,
            ..LaneRun::default()
        }]
    }

    fn rounds<'p>(plan: &'p Plan, all: &[&[u32]], cpu: u64) -> Rounds<'p> {
        let mut rounds = Rounds::new(plan);
        all.iter().for_each(|times| rounds.add(round(times, cpu)));
        rounds
    }

    #[test]
    fn a_neighbour_that_takes_its_turn_in_another_call_of_each_round_moves_no_median() {
        let plan = plan(&[Call::fstat; 3]);
        let turn = 4_000_000;
        let all: [&[u32]; 3] = [&[turn, 20, 30], &[10, turn, 30], &[10, 20, turn]];
        let rounds = rounds(&plan, &all, 60);
        let prices = rounds.prices();
        assert_eq!(prices.calls, [[10.0, 20.0, 30.0]]);
        assert!((prices.call_seconds() - 60e-9).abs() < 1e-15);
    }

    #[test]
    fn what_was_not_on_a_processor_blocked() {
        let plan = plan(&[Call::fsync, Call::fsync]);
        let prices = rounds(&plan, &[&[100, 300]], 100).prices();
        let price = prices.price(0, 1);
        assert_eq!((price.on_cpu, price.blocked), (75.0, 225.0));
        assert_eq!(prices.price(3, 9), Price::default());
    }

    #[test]
    fn each_round_is_left_out_once() {
        let plan = plan(&[Call::fstat]);
        let rounds = rounds(&plan, &[&[10], &[20], &[30]], 0);
        let without = |groups| {
            let groups = NonZeroUsize::new(groups).expect("some");
            let all = rounds.leaving_out(groups);
            all.map(|prices| prices.calls[0][0]).collect::<Vec<_>>()
        };
        assert_eq!(without(3), [20.0, 10.0, 10.0]);
        assert_eq!(without(9), [20.0, 10.0, 10.0]);
        assert_eq!(without(2), [20.0, 10.0]);
        assert_eq!(without(1), [20.0]);
    }
}

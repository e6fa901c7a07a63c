//! What each call of a plan takes on a mount, from some rounds: the median.
//!
//! A busy neighbour makes some calls of a round long, others in each round: the median over rounds
//! hardly knows of it. It doesn't know either of what is rare in each call but certain in all of
//! them, such as a journal that is written back once in a hundred calls. Means, lower quartiles,
//! and medians that are multiplied so that all calls of a kind take what they take together in a
//! round were tried beside it (`bench/results/prices-*.csv`): none is nearer to the tool in
//! general, and the means and sums are moved by neighbours. `git status` on bindfs, 4 rounds beside
//! 4 busy loops on 2 processors: 66 ms by the median and 353 by kind, where the tool takes 103 at
//! rest on a quiet machine.

use std::collections::VecDeque;

use fsreplay_measure::estimate::median;
use fsreplay_measure::simulated::Chance;

use crate::execute::LaneRun;
use crate::plan::Plan;
use crate::simulate::{Price, Prices};

/// Bytes of samples that are kept at most: of large plans fewer rounds.
const ROOM: usize = 512 << 20;
/// Rounds that are kept even of a plan for which there is no room: a median needs three.
const FEWEST: usize = 3;
/// Half of what was measured lies below.
const MEDIAN: usize = 2;
/// A quarter does.
const LOWER_QUARTILE: usize = 4;

/// Calls take what they took when they were recorded, on a processor (with the factor that recorded
/// processor time has, [`crate::fit`]) or asleep.
pub struct AsRecorded<'p>(pub &'p Plan);

impl Prices for AsRecorded<'_> {
    #[inline]
    fn price(&self, lane: usize, op: usize) -> Price {
        let took = self.0.lanes[lane].took(op);
        Price {
            on_cpu: took.on_cpu() * self.0.timing.computing as f32,
            blocked: took.blocked(),
        }
    }
}

/// Rounds of one plan on one mount.
pub struct Rounds<'p> {
    plan: &'p Plan,
    kept: VecDeque<Vec<LaneRun>>,
}

impl<'p> Rounds<'p> {
    /// None yet.
    pub fn new(plan: &'p Plan) -> Rounds<'p> {
        Rounds {
            plan,
            kept: VecDeque::new(),
        }
    }

    /// Keeps what the lanes of a round did; the oldest one goes where there is no room for more.
    pub fn add(&mut self, lanes: Vec<LaneRun>) {
        let bytes: usize = lanes.iter().map(|lane| lane.samples.bytes()).sum();
        if self.kept.len() >= (ROOM / bytes.max(1)).max(FEWEST) {
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

    /// What calls take by these rounds alone.
    pub fn prices(&self) -> OpPrices {
        self.alone().prices()
    }

    /// These rounds alone.
    pub fn alone(&self) -> Contestant<'_, 'p> {
        Contestant {
            own: self,
            others: Vec::new(),
            common: &[],
        }
    }

    /// What an op took in a round, with what its wait cost the computing after it, nanoseconds.
    fn took(&self, round: &[LaneRun], lane: usize, at: usize) -> f32 {
        let op = self.plan.op(lane, at);
        let took = |lane: &LaneRun| lane.samples.get(at, op).duration + lane.samples.lost(at);
        round.get(lane).map_or(0.0, |lane| took(lane) as f32)
    }
}

/// Rounds of one plan, and those of plans that were played in turn with it: what all of them do at
/// the same place takes the same with each, so that a disk which was slow for one of them is no
/// difference between them.
pub struct Contestant<'r, 'p> {
    /// Its own.
    pub own: &'r Rounds<'p>,
    /// Those of others.
    pub others: Vec<&'r Rounds<'p>>,
    /// By op of the plan, whether all plans make it at the same place (`crate::common`).
    pub common: &'r [bool],
}

impl Contestant<'_, '_> {
    /// From all rounds.
    pub fn prices(&self) -> OpPrices {
        self.of(&self.all(), MEDIAN)
    }

    /// From each round by itself.
    pub fn each(&self) -> impl Iterator<Item = OpPrices> + '_ {
        (0..self.own.len()).map(|round| self.of(&[round], MEDIAN))
    }

    /// What calls take when nobody is in their way: the lower quartiles. Beside neighbours, a
    /// server of a FUSE mount waits for a processor in more than half of all requests, so that
    /// medians hold that wait.
    pub fn quick_prices(&self) -> OpPrices {
        self.of(&self.all(), LOWER_QUARTILE)
    }

    /// From as many rounds, drawn anew from all of them, so many times: how much that scatters
    /// tells how far the prices can be trusted. The same rounds are drawn for each plan that
    /// has as many, so that what the machine did in a round meets all plans alike.
    pub fn drawn_anew(&self, times: usize) -> impl Iterator<Item = OpPrices> + '_ {
        (0..times).map(move |time| {
            let mut chance = Chance::new(time as u64);
            let count = self.own.len();
            let mut any = || ((chance.even() * count as f64) as usize).min(count - 1);
            let rounds: Vec<usize> = (0..count).map(|_| any()).collect();
            self.of(&rounds, MEDIAN)
        })
    }

    fn all(&self) -> Vec<usize> {
        (0..self.own.len()).collect()
    }

    /// From the rounds with these numbers.
    fn of(&self, numbers: &[usize], at: usize) -> OpPrices {
        let rounds: Vec<_> = numbers
            .iter()
            .filter_map(|number| self.own.kept.get(*number))
            .collect();
        let others: Vec<_> = self
            .others
            .iter()
            .flat_map(|of| numbers.iter().filter_map(|number| of.kept.get(*number)))
            .collect();
        let lanes = 0..self.own.plan.lanes.len();
        let calls: Vec<Vec<f32>> = lanes
            .map(|lane| self.lane(&rounds, &others, lane, at))
            .collect();
        let on_cpu = calls.iter().enumerate().map(|(lane, calls)| {
            let cpu = rounds.iter().map(|round| round[lane].calls_cpu() as f64);
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

    fn lane(
        &self,
        rounds: &[&Vec<LaneRun>],
        others: &[&Vec<LaneRun>],
        lane: usize,
        part: usize,
    ) -> Vec<f32> {
        let mut times = Vec::with_capacity(rounds.len() + others.len());
        let steps = self.own.plan.lanes[lane].steps();
        let ops = steps.iter().map(|step| step.op());
        ops.enumerate()
            .map(|(at, op)| {
                let took = |round: &&Vec<LaneRun>| self.own.took(round, lane, at);
                times.clear();
                times.extend(rounds.iter().map(took));
                if self.common.get(op).is_some_and(|is_common| *is_common) {
                    times.extend(others.iter().map(took));
                }
                typical(&mut times, part)
            })
            .collect()
    }
}

/// The one of some times below which lies that part of them, the lower one of two; nothing of none.
fn typical(times: &mut [f32], part: usize) -> f32 {
    let Some(last) = times.len().checked_sub(1) else {
        return 0.0;
    };
    *times.select_nth_unstable_by(last / part, f32::total_cmp).1
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
        let price = calls
            .and_then(|calls| calls.get(op))
            .copied()
            .unwrap_or(0.0);
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
    use crate::plan::{Action, Lane, Op, Pace, Slot};
    use fsreplay_trace::call::Call;

    /// A plan of one lane with calls of those kinds.
    fn plan(calls: &[Call]) -> Plan {
        let close = |at: usize| Action::Close {
            fd: Slot(at as u32),
        };
        let ops = calls.iter().enumerate();
        let ops = ops.map(|(at, call)| Op::new(close(at), *call));
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
    fn what_a_wait_makes_computing_longer_is_part_of_its_price_alone() {
        let plan = plan(&[Call::openat, Call::fstat]);
        let paced = |lost: &[u32]| {
            let mut rounds = Rounds::new(&plan);
            let lane = LaneRun {
                samples: Samples::losing(&[50, 20], lost),
                cpu: 130,
                ..LaneRun::default()
            };
            rounds.add(vec![lane]);
            rounds
        };
        let (share, disk) = (paced(&[60, 0]), rounds(&plan, &[&[10, 20]], 30));
        // The first is moved, the second is not.
        let prices = |own, other| {
            let contestant = Contestant {
                own,
                others: vec![other],
                common: &[false, true],
            };
            contestant.prices().calls
        };
        assert_eq!(prices(&share, &disk), [[110.0, 20.0]]);
        assert_eq!(prices(&disk, &share), [[10.0, 20.0]]);
    }

    #[test]
    fn rounds_are_drawn_anew_alike_for_plans_with_as_many() {
        let plan = plan(&[Call::fstat]);
        let drawn = |all: &[&[u32]]| {
            let rounds = rounds(&plan, all, 0);
            let rounds = rounds.alone();
            let drawn = rounds.drawn_anew(50);
            drawn.map(|prices| prices.calls[0][0]).collect::<Vec<_>>()
        };
        let one = drawn(&[&[10], &[20], &[30]]);
        let other = drawn(&[&[100], &[200], &[300]]);
        let alike = one.iter().zip(&other);
        assert!(alike.clone().all(|(one, other)| one * 10.0 == *other));
        for wanted in [10.0, 20.0, 30.0] {
            assert!(one.contains(&wanted), "{one:?}");
        }
        assert!(one.iter().filter(|time| **time == 20.0).count() > 15);
    }

    #[test]
    fn what_is_done_at_the_same_place_takes_the_same_with_all() {
        let plan = plan(&[Call::mkdir, Call::mkdir]);
        // The disk of the first call was slow for the one, and nothing is known of that of the
        // second.
        let one = rounds(&plan, &[&[900, 10], &[900, 10], &[900, 10]], 0);
        let other = rounds(&plan, &[&[9, 20], &[10, 20], &[11, 20]], 0);
        let calls = |own, other| {
            let contestant = Contestant {
                own,
                others: vec![other],
                common: &[true, false],
            };
            contestant.prices().calls
        };
        assert_eq!(calls(&one, &other), [[11.0, 10.0]]);
        assert_eq!(calls(&other, &one), [[11.0, 20.0]]);
    }

    #[test]
    fn what_nobody_is_in_the_way_of_is_quick() {
        let plan = plan(&[Call::fstat]);
        let all: [&[u32]; 5] = [&[10], &[11], &[900], &[800], &[700]];
        let rounds = rounds(&plan, &all, 0);
        assert_eq!(rounds.alone().quick_prices().calls, [[11.0]]);
        assert_eq!(rounds.prices().calls, [[700.0]]);
    }
}

//! What each call of a plan takes on a mount, from some rounds as fast as possible.
//!
//! A busy neighbour makes some calls of a round long, others in each round: the median over rounds
//! hardly knows of it. It doesn't know either of what is rare in each call but certain in all of
//! them, such as a journal that is written back once in a hundred calls. [`Estimator::ByKind`]
//! puts that back: calls of one kind take together what they typically take in a round. It pays for
//! it beside others: `git status` on bindfs, 4 rounds beside 4 busy loops on 2 processors,
//! simulated 66 ms by the median and 353 by kind (that with its anchor); 95 and 106 ms on a quiet
//! machine, where the tool took 103 at rest (`bench/results/prices-*.csv`). One tool: not yet a
//! choice.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;

use fsreplay_trace::call::Call;
use fsreplay_trace::model::Unobserved;

use crate::execute::LaneRun;
use crate::plan::Plan;
use crate::simulate::{Groups, Price, Prices, Stuck, simulate};
use fsreplay_measure::estimate::median;

/// Bytes of samples that are kept at most: of large plans fewer rounds.
const ROOM: usize = 512 << 20;
/// Bytes of the sample of one op.
const SAMPLE: usize = size_of::<u32>();
/// Rounds that are kept even of a plan for which there is no room: a median needs three.
const FEWEST: usize = 3;
/// Halvings of the range in which [`anchored`] looks: to a thousandth of a microsecond.
const HALVINGS: usize = 24;
/// What an event can have taken besides what was recorded, nanoseconds, either way.
const MOST_EACH: f64 = 20_000.0;

/// How the price of an op comes from what it took in some rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Estimator {
    /// The median.
    Median,
    /// The lower quartile.
    LowerQuartile,
    /// The median, multiplied so that all calls of a kind take together the median of what they
    /// took together in a round.
    ByKind,
    /// The mean.
    Mean,
}

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
    pub fn prices(&self, estimator: Estimator) -> OpPrices {
        self.of(&self.kept.iter().collect::<Vec<_>>(), estimator)
    }

    /// From all rounds but those of one of so many groups, each left out in turn, as far as there
    /// are rounds: how much the whole depends on single rounds tells how far it can be trusted.
    /// Neighbours in time are in different groups, so that all groups see the same drift.
    pub fn leaving_out(
        &self,
        groups: NonZeroUsize,
        estimator: Estimator,
    ) -> impl Iterator<Item = OpPrices> + '_ {
        let groups = groups.get().min(self.kept.len());
        (0..groups).map(move |left_out| {
            let rounds = self.kept.iter().enumerate();
            let rounds = rounds.filter(|(at, _)| groups == 1 || at % groups != left_out);
            let rounds: Vec<_> = rounds.map(|(_, round)| round).collect();
            self.of(&rounds, estimator)
        })
    }

    fn of(&self, rounds: &[&Vec<LaneRun>], estimator: Estimator) -> OpPrices {
        let lanes = 0..self.plan.lanes.len();
        let mut calls: Vec<Vec<f32>> = lanes
            .map(|lane| self.lane(rounds, lane, estimator))
            .collect();
        if estimator == Estimator::ByKind {
            self.scale(rounds, &mut calls);
        }
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

    fn lane(&self, rounds: &[&Vec<LaneRun>], lane: usize, estimator: Estimator) -> Vec<f32> {
        let mut times = Vec::with_capacity(rounds.len());
        let ops = 0..self.plan.lanes[lane].len();
        ops.map(|at| {
            times.clear();
            times.extend(rounds.iter().map(|round| self.took(round, lane, at)));
            typical(&mut times, estimator)
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

    /// Lets the calls of each kind take together what they typically took together.
    fn scale(&self, rounds: &[&Vec<LaneRun>], calls: &mut [Vec<f32>]) {
        let priced = self.by_kind(|lane, at| calls[lane][at]);
        let took: Vec<_> = rounds
            .iter()
            .map(|round| self.by_kind(|lane, at| self.took(round, lane, at)))
            .collect();
        let scale = |(call, priced): (Call, f64)| {
            let took: Vec<f64> = took.iter().map(|took| took[&call]).collect();
            let scale = median(&took) / priced;
            (call, if priced > 0.0 { scale as f32 } else { 1.0 })
        };
        let scales: BTreeMap<Call, f32> = priced.into_iter().map(scale).collect();
        for (lane, calls) in calls.iter_mut().enumerate() {
            for (at, price) in calls.iter_mut().enumerate() {
                *price *= scales[&self.plan.op(lane, at).call];
            }
        }
    }

    fn by_kind(&self, time: impl Fn(usize, usize) -> f32) -> BTreeMap<Call, f64> {
        let mut sums = BTreeMap::new();
        for (number, lane) in self.plan.lanes.iter().enumerate() {
            for at in 0..lane.len() {
                let sum = sums.entry(self.plan.op(number, at).call).or_insert(0.0);
                *sum += f64::from(time(number, at));
            }
        }
        sums
    }
}

/// One of some times, by an estimator; nothing of none.
fn typical(times: &mut [f32], estimator: Estimator) -> f32 {
    if times.is_empty() {
        return 0.0;
    }
    if estimator == Estimator::Mean {
        return times.iter().sum::<f32>() / times.len() as f32;
    }
    let last = times.len() - 1;
    let at = match estimator {
        Estimator::LowerQuartile => last / 4,
        Estimator::Median | Estimator::ByKind | Estimator::Mean => last / 2,
    };
    *times.select_nth_unstable_by(at, f32::total_cmp).1
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

/// The plan with the same added to what is computed before each event (or taken away), so that it
/// takes on paper, with what calls take on the mount that was recorded on, as long as the tool took
/// there without the recorder.
pub fn anchored(
    plan: &Plan,
    prices: &impl Prices,
    processors: NonZeroUsize,
    unobserved: Unobserved,
) -> Result<Plan, Stuck> {
    let with = |each: f64| {
        let mut plan = plan.clone();
        plan.anchor(Unobserved {
            per_event: Some(each),
            ..unobserved
        });
        plan
    };
    let (mut least, mut most) = (-MOST_EACH, MOST_EACH);
    for _ in 0..HALVINGS {
        let each = (least + most) / 2.0;
        let simulated = simulate(&with(each), prices, &Groups::one(), processors)?;
        if simulated.seconds * 1e9 < unobserved.elapsed as f64 {
            least = each;
        } else {
            most = each;
        }
    }
    Ok(with((least + most) / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::Samples;
    use crate::plan::{Action, Check, Lane, Op, Pace, Slot};

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
        let prices = rounds.prices(Estimator::Median);
        assert_eq!(prices.calls, [[10.0, 20.0, 30.0]]);
        assert!((prices.call_seconds() - 60e-9).abs() < 1e-15);
    }

    #[test]
    fn what_is_rare_in_each_call_and_certain_in_all_counts_by_kind() {
        let plan = plan(&[Call::write, Call::write, Call::write, Call::fstat]);
        let all: [&[u32]; 3] = [&[90, 10, 10, 5], &[10, 90, 10, 5], &[10, 10, 90, 5]];
        let prices = rounds(&plan, &all, 0).prices(Estimator::ByKind);
        let writes: f32 = prices.calls[0][..3].iter().sum();
        assert!((writes - 110.0).abs() < 1e-3, "{writes}");
        assert_eq!(prices.calls[0][3], 5.0);
    }

    #[test]
    fn what_was_not_on_a_processor_blocked() {
        let plan = plan(&[Call::fsync, Call::fsync]);
        let prices = rounds(&plan, &[&[100, 300]], 100).prices(Estimator::Median);
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
            let all = rounds.leaving_out(groups, Estimator::Mean);
            all.map(|prices| prices.calls[0][0]).collect::<Vec<_>>()
        };
        assert_eq!(without(3), [25.0, 20.0, 15.0]);
        assert_eq!(without(9), [25.0, 20.0, 15.0]);
        assert_eq!(without(2), [20.0, 20.0]);
        assert_eq!(without(1), [20.0]);
    }

    #[test]
    fn an_anchored_plan_takes_what_the_tool_took() {
        let calls = [Call::fstat; 4];
        let mut plan = plan(&calls);
        plan.lanes = vec![Lane::of(calls.map(|_| Pace {
            think: 1000.0,
            ..Pace::NONE
        }))];
        let rounds = rounds(&plan, &[&[100, 100, 100, 100]], 400);
        let prices = rounds.prices(Estimator::Median);
        let cores = NonZeroUsize::MIN;
        for elapsed in [2000, 4400, 9000] {
            let unobserved = Unobserved {
                elapsed,
                cpu: elapsed,
                per_event: None,
            };
            let plan = anchored(&plan, &prices, cores, unobserved).expect("it ends");
            let simulated = simulate(&plan, &prices, &Groups::one(), cores).expect("it ends");
            let found = simulated.seconds * 1e9;
            assert!((found - elapsed as f64).abs() < 1.0, "{found} of {elapsed}");
        }
    }
}

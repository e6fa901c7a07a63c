//! Graphs worked by hand, and what is true of any.

use std::num::NonZeroUsize;

use proptest::prelude::*;

use super::{Groups, Path, Price, Simulated, Stuck, simulate};
use crate::plan::{Action, Birth, Check, Op, Pace, Plan, Sleep, Slept, Slot, WaitFor};
use fsreplay_trace::call::Call;

const NONE: Price = Price {
    on_cpu: 0.0,
    blocked: 0.0,
};

fn op(action: Action, place: u32) -> Op {
    Op {
        action,
        expected: 0,
        check: Check::Nothing,
        call: Call::close,
        recorded: true,
        mount: u16::MAX,
        place,
    }
}

/// A call; those of one number are the same op.
fn call(number: u32) -> Op {
    op(Action::Close { fd: Slot(number) }, number)
}

fn think(nanoseconds: f32) -> Pace {
    Pace {
        think: nanoseconds,
        ..Pace::NONE
    }
}

fn lanes(count: usize) -> Plan {
    let mut plan = Plan::default();
    plan.lanes.resize_with(count, Default::default);
    plan
}

fn until(lane: u32, done: u32) -> WaitFor {
    WaitFor { lane, done }
}

fn processors(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).expect("some")
}

fn played(plan: &Plan, each: Price, count: usize) -> Simulated {
    let price = |_: usize, _: usize| each;
    simulate(plan, &price, &Groups::one(), processors(count)).expect("it ends")
}

fn nanoseconds(simulated: &Simulated) -> f64 {
    simulated.seconds * 1e9
}

fn assert_near(found: f64, wanted: f64) {
    assert!((found - wanted).abs() < 1e-3, "{found} instead of {wanted}");
}

/// Nanoseconds: computing, queued, asleep, in calls.
fn assert_path(path: &Path, wanted: [f64; 4]) {
    let found = [path.computing, path.queued, path.asleep, path.in_calls()];
    for (found, wanted) in found.into_iter().zip(wanted) {
        assert!((found * 1e9 - wanted).abs() < 1e-3, "{path:?}: {wanted}");
    }
}

#[test]
fn a_lane_does_one_thing_after_the_other() {
    let mut plan = lanes(1);
    let pace = Pace {
        think: 10.0,
        asleep: 20.0,
        own: 5.0,
        own_asleep: 7.0,
    };
    plan.push(0, call(0), 0, pace);
    plan.push(0, op(Action::Nothing, 0), 1, think(3.0));
    let price = Price {
        on_cpu: 100.0,
        blocked: 1000.0,
    };
    let simulated = played(&plan, price, 1);
    // What isn't issued has no price.
    assert_near(nanoseconds(&simulated), 1145.0);
    assert_path(&simulated.path, [18.0, 0.0, 27.0, 1100.0]);
    assert_eq!(played(&Plan::default(), price, 1).seconds, 0.0);
}

#[test]
fn lanes_share_a_processor_evenly() {
    let mut plan = lanes(2);
    plan.push(0, call(0), 0, think(100.0));
    plan.push(1, call(0), 1, think(300.0));
    let one = played(&plan, NONE, 1);
    // Both go on at half their speed for 200, then the longer one alone.
    assert_near(nanoseconds(&one), 400.0);
    assert_path(&one.path, [300.0, 100.0, 0.0, 0.0]);
    let two = played(&plan, NONE, 2);
    assert_near(nanoseconds(&two), 300.0);
    assert_path(&two.path, [300.0, 0.0, 0.0, 0.0]);
}

#[test]
fn who_is_blocked_needs_no_processor() {
    let mut plan = lanes(2);
    plan.push(0, call(0), 0, think(100.0));
    plan.push(1, call(1), 1, think(0.0));
    let price = |lane: usize, _: usize| Price {
        on_cpu: 0.0,
        blocked: if lane == 1 { 100.0 } else { 0.0 },
    };
    let simulated = simulate(&plan, &price, &Groups::one(), processors(1));
    assert_near(nanoseconds(&simulated.expect("it ends")), 100.0);
}

#[test]
fn a_chain_of_waits_is_the_way_through_all_lanes() {
    let mut plan = lanes(3);
    plan.push(0, call(0), 0, think(10.0));
    plan.push(0, call(0), 1, think(500.0));
    plan.push(1, call(1), 2, think(1.0));
    plan.lanes[1].wait(until(0, 1));
    plan.push(1, call(1), 3, think(20.0));
    plan.push(2, call(2), 4, think(2.0));
    plan.lanes[2].wait(until(1, 2));
    plan.push(2, call(2), 5, think(1000.0));
    let groups = Groups::of_ops(vec![0, 0, 1, 1, 2, 2]);
    let price = |_: usize, _: usize| Price {
        on_cpu: 4.0,
        blocked: 3.0,
    };
    let simulated = simulate(&plan, &price, &groups, processors(9)).expect("it ends");
    // Lane 0: 17; lane 1: 24, 51; lane 2: 58, 1065.
    assert_near(nanoseconds(&simulated), 1065.0);
    assert_path(&simulated.path, [1030.0, 0.0, 0.0, 35.0]);
    let calls = simulated.path.calls.iter().map(|seconds| seconds * 1e9);
    let wanted = [7.0, 14.0, 14.0];
    calls
        .zip(wanted)
        .for_each(|(found, wanted)| assert_near(found, wanted));
}

#[test]
fn tasks_begin_when_their_parents_have_started_them() {
    let mut plan = lanes(2);
    for number in 0..3 {
        plan.push(0, call(0), number, think(100.0));
    }
    plan.push(1, call(1), 3, think(10.0));
    plan.push(1, call(1), 4, think(10.0));
    let birth = |done: u32, op: u32| Birth {
        after: until(0, done),
        lane: 1,
        op,
    };
    // The second task of that lane begins after the parent's last op.
    plan.births = vec![birth(1, 0), birth(3, 1)];
    let simulated = played(&plan, NONE, 4);
    assert_near(nanoseconds(&simulated), 310.0);
    assert_path(&simulated.path, [310.0, 0.0, 0.0, 0.0]);
}

fn napping(time: f32, last: Option<WaitFor>, after: f32) -> Plan {
    let mut plan = lanes(2);
    let asleep = Pace {
        think: 10.0,
        asleep: time,
        ..Pace::NONE
    };
    plan.push(0, call(0), 0, asleep);
    plan.push(1, call(1), 1, think(100.0));
    let before = Slept {
        time,
        events: 1,
        last,
        after,
    };
    plan.sleeps.push(Sleep {
        before,
        ..Sleep::default()
    });
    plan
}

#[test]
fn who_sleeps_until_others_have_done_something_wakes_after_them() {
    let simulated = |plan: &Plan| played(plan, NONE, 2);
    let found = simulated(&napping(1000.0, Some(until(1, 1)), 30.0));
    assert_near(nanoseconds(&found), 130.0);
    assert_path(&found.path, [100.0, 0.0, 30.0, 0.0]);
    // No longer than it did, whatever others do, and whatever came after that.
    for plan in [
        napping(50.0, Some(until(1, 1)), 30.0),
        napping(50.0, Some(until(1, 7)), 30.0),
        napping(50.0, None, 30.0),
        napping(50.0, Some(until(9, 1)), 30.0),
    ] {
        let mut longer = plan.clone();
        longer.push(0, call(0), 2, think(500.0));
        let found = simulated(&longer);
        assert_near(nanoseconds(&found), 560.0);
        assert_path(&found.path, [510.0, 0.0, 50.0, 0.0]);
    }
    let found = simulated(&napping(110.0, Some(until(1, 1)), 30.0));
    assert_near(nanoseconds(&found), 120.0);
    // What is done already is not waited for.
    let mut plan = napping(1000.0, Some(until(1, 1)), 30.0);
    plan.lanes[0].set_pace(
        0,
        Pace {
            think: 200.0,
            asleep: 1000.0,
            ..Pace::NONE
        },
    );
    let found = simulated(&plan);
    assert_near(nanoseconds(&found), 230.0);
    assert_path(&found.path, [200.0, 0.0, 30.0, 0.0]);
}

#[test]
fn what_never_comes_is_an_error() {
    let mut ring = lanes(2);
    ring.push(0, call(0), 0, Pace::NONE);
    ring.push(0, call(0), 1, Pace::NONE);
    ring.lanes[0].wait(until(1, 1));
    ring.push(1, call(0), 2, Pace::NONE);
    ring.lanes[1].wait(until(0, 2));
    let price = |_: usize, _: usize| NONE;
    let end = simulate(&ring, &price, &Groups::one(), processors(1));
    assert_eq!(end, Err(Stuck { done: 1, of: 3 }));
    let mut nobody = lanes(1);
    nobody.push(0, call(0), 0, Pace::NONE);
    nobody.lanes[0].wait(until(u32::MAX, 1));
    let end = simulate(&nobody, &price, &Groups::one(), processors(1));
    assert_eq!(end, Err(Stuck { done: 0, of: 1 }));
}

#[test]
fn what_is_no_time_takes_none() {
    let mut plan = lanes(2);
    for strange in [f32::NAN, f32::INFINITY, -1.0, f32::NEG_INFINITY] {
        let pace = Pace {
            think: strange,
            asleep: strange,
            own: strange,
            own_asleep: strange,
        };
        plan.push(0, call(0), 0, pace);
        plan.push(1, call(0), 0, think(5.0));
    }
    let price = Price {
        on_cpu: f32::NAN,
        blocked: -3.0,
    };
    assert_near(nanoseconds(&played(&plan, price, 8)), 20.0);
    // The longest one that there is, too.
    plan.push(0, call(0), 0, think(f32::MAX));
    assert!(played(&plan, price, 1).seconds.is_finite());
}

/// What an op of a random plan does.
#[derive(Clone, Debug)]
struct Drawn {
    lane: usize,
    pace: Pace,
    price: Price,
    /// It waits for the last op so far of that lane.
    after: Option<usize>,
}

impl Drawn {
    fn all(&self) -> f64 {
        let pace = self.pace;
        let times = [
            pace.think,
            pace.asleep,
            pace.own,
            pace.own_asleep,
            self.price.on_cpu,
            self.price.blocked,
        ];
        times.iter().map(|time| f64::from(*time)).sum()
    }

    fn work(&self) -> f64 {
        let times = [self.pace.think, self.pace.own, self.price.on_cpu];
        times.iter().map(|time| f64::from(*time)).sum()
    }
}

const LANES: usize = 5;

fn drawn() -> impl Strategy<Value = Drawn> {
    let time = || prop_oneof![Just(0.0f32), 1.0f32..1000.0];
    (
        0..LANES,
        [time(), time(), time(), time(), time(), time()],
        proptest::option::of(0..LANES),
    )
        .prop_map(|(lane, times, after)| Drawn {
            lane,
            pace: Pace {
                think: times[0],
                asleep: times[1],
                own: times[2],
                own_asleep: times[3],
            },
            price: Price {
                on_cpu: times[4],
                blocked: times[5],
            },
            after,
        })
}

/// The plan, and by lane the prices of its ops.
fn plan_of(drawn: &[Drawn]) -> (Plan, Vec<Vec<Price>>) {
    let mut plan = lanes(LANES);
    let mut prices = vec![Vec::new(); LANES];
    for (number, one) in (0..).zip(drawn) {
        plan.push(one.lane, call(number), number, one.pace);
        prices[one.lane].push(one.price);
        let after = one.after.filter(|other| *other != one.lane);
        if let Some(other) = after
            && let done @ 1.. = plan.lanes[other].len() as u32
        {
            plan.lanes[one.lane].wait(until(other as u32, done));
        }
    }
    (plan, prices)
}

/// The longest chain of ops, each after the one before in its lane and after what it waits for.
fn longest_chain(drawn: &[Drawn]) -> f64 {
    let mut ends = [0.0f64; LANES];
    for one in drawn {
        let before = one.after.map_or(0.0, |other| ends[other]);
        let first = f64::from(one.pace.think) + f64::from(one.pace.asleep);
        let called = (ends[one.lane] + first).max(before);
        ends[one.lane] = called + one.all() - first;
    }
    ends.iter().copied().fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_plan_is_shorter_than_its_chain_and_work_or_longer_than_their_sum(
        drawn in proptest::collection::vec(drawn(), 0..60),
        count in 1usize..7,
    ) {
        let (plan, prices) = plan_of(&drawn);
        let price = |lane: usize, op: usize| prices[lane][op];
        let run = simulate(&plan, &price, &Groups::one(), processors(count));
        let simulated = run.expect("it ends");
        let time = nanoseconds(&simulated);
        let work: f64 = drawn.iter().map(Drawn::work).sum();
        let all: f64 = drawn.iter().map(Drawn::all).sum();
        let chain = longest_chain(&drawn);
        prop_assert!(time >= chain - 1e-2, "{time} for a chain of {chain}");
        prop_assert!(time >= work / count as f64 - 1e-2, "{time} for work of {work}");
        prop_assert!(time <= all + 1e-2, "{time} of {all}");
        // With a processor for each lane there is nothing but the chain.
        if count >= LANES {
            prop_assert!((time - chain).abs() < 1e-2, "{time} instead of {chain}");
        }
        // The way is as long as the whole.
        let path = &simulated.path;
        let sum = path.computing + path.queued + path.asleep + path.in_calls();
        prop_assert!((sum * 1e9 - time).abs() < 1e-2, "{path:?} for {time}");
    }

    #[test]
    fn lanes_that_wait_for_nobody_take_no_longer_with_more_processors(
        mut drawn in proptest::collection::vec(drawn(), 0..60),
        count in 1usize..7,
    ) {
        drawn.iter_mut().for_each(|one| one.after = None);
        let (plan, prices) = plan_of(&drawn);
        let price = |lane: usize, op: usize| prices[lane][op];
        let seconds = |count| {
            let run = simulate(&plan, &price, &Groups::one(), processors(count));
            run.map(|simulated| simulated.seconds)
        };
        prop_assert!(seconds(count + 1)? <= seconds(count)? + 1e-12);
    }

    #[test]
    fn calls_that_take_nothing_make_no_plan_longer(
        drawn in proptest::collection::vec(drawn(), 0..60),
    ) {
        let (plan, prices) = plan_of(&drawn);
        let price = |lane: usize, op: usize| prices[lane][op];
        let groups = Groups::one();
        let with = simulate(&plan, &price, &groups, processors(LANES))?;
        let without = played(&plan, NONE, LANES);
        prop_assert!(without.seconds <= with.seconds + 1e-12);
        // No more can be gained than what the longest way has of them.
        let least = with.seconds - with.path.in_calls();
        prop_assert!(without.seconds >= least - 1e-12);
    }
}

#[test]
fn what_all_lanes_sleep_is_no_work() {
    let mut plan = lanes(2);
    let pace = Pace {
        asleep: 1000.0,
        ..think(10.0)
    };
    plan.push(0, call(0), 0, pace);
    plan.push(1, call(1), 1, think(300.0));
    let each = Price {
        on_cpu: 1.0,
        blocked: 4.0,
    };
    let simulated = played(&plan, each, 2);
    assert_near(nanoseconds(&simulated), 1015.0);
    // One works 305 meanwhile, the other 5 after its sleep.
    assert_near(simulated.busy_seconds() * 1e9, 310.0);
}

#[test]
fn work_counts_for_the_phase_of_its_event() {
    let mut plan = lanes(1);
    let pace = |think: f32| Pace {
        think,
        asleep: 1000.0,
        ..Pace::NONE
    };
    for (event, think) in [10.0, 20.0, 40.0, 80.0].into_iter().enumerate() {
        plan.push(0, call(0), event as u32, pace(think));
    }
    let groups = Groups::in_phases(vec![0..2, 3..4]);
    let price = |_: usize, _: usize| NONE;
    let simulated = simulate(&plan, &price, &groups, processors(1)).expect("it ends");
    let busy: Vec<f64> = simulated.busy.iter().map(|busy| busy * 1e9).collect();
    for (found, wanted) in busy.iter().zip([30.0, 80.0, 40.0]) {
        assert_near(*found, wanted);
    }
    assert_eq!(busy.len(), 3);
}

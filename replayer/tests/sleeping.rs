//! When lanes that sleep or wait get on.

mod common;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use common::Builder;
use fsreplay_replayer::execute::{Run, Tempo, execute};
use fsreplay_replayer::plan::{Action, Sleep, Slept, WaitFor};
use fsreplay_replayer::prepare::prepare;
use fsreplay_replayer::sandbox::Sandbox;

const SECOND: f32 = 1e9;

/// Executes a plan with the tool's own time.
fn run(b: &Builder) -> Run {
    let never = AtomicBool::new(false);
    let sandboxes = [Sandbox::create(&b.plan.roots[0].target).expect("a sandbox")];
    prepare(&b.plan, &sandboxes, &never, &|_, _| {}).expect("a tree");
    let tempo = Tempo {
        scale: Some(1.0),
        rest: Duration::ZERO,
    };
    execute(&b.plan, &sandboxes, tempo, None, &never).expect("a run")
}

/// Two lanes with one op each. The first sleeps before its own for `first`, of which `after` once the other's is done; the other for `second`.
fn sleepers(b: &mut Builder, first: f32, after: f32, second: f32) {
    let at = b.at("nothing");
    for time in [first, second] {
        let lane = b.lane();
        b.op(lane, Action::Stat { at, flags: 0 }, -2);
        b.paces(lane)[0].asleep = time;
    }
    b.plan.sleeps = vec![Sleep {
        lane: 0,
        op: 0,
        before: Slept {
            time: first,
            events: 1,
            last: Some(WaitFor { lane: 1, done: 1 }),
            after,
        },
        within: Slept::default(),
    }];
}

#[test]
fn a_sleep_ends_when_others_have_done_what_they_did_meanwhile() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut b = Builder::new(dir.path());
    sleepers(&mut b, 60.0 * SECOND, 0.3 * SECOND, 0.1 * SECOND);
    let run = run(&b);
    let slept = Duration::from_nanos(run.lanes[0].paced);
    assert!(slept > Duration::from_millis(300), "{slept:?}");
    assert!(slept < Duration::from_secs(30), "{slept:?}");
}

#[test]
fn a_sleep_is_no_longer_for_others_that_are_late() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut b = Builder::new(dir.path());
    sleepers(&mut b, 0.1 * SECOND, 0.0, 5.0 * SECOND);
    let run = run(&b);
    let slept = Duration::from_nanos(run.lanes[0].paced);
    assert!(slept > Duration::from_millis(90), "{slept:?}");
    assert!(slept < Duration::from_secs(4), "{slept:?}");
}

#[test]
fn all_who_wait_for_an_op_that_wakes_in_sync_are_woken() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut b = Builder::new(dir.path());
    let at = b.at("nothing");
    let stat = Action::Stat { at, flags: 0 };
    let (first, others) = (b.lane(), [b.lane(), b.lane(), b.lane()]);
    for _ in 0..2 {
        b.op(first, stat, -2);
    }
    for lane in others {
        b.op(lane, stat, -2);
        b.wait(lane, first, 1);
    }
    // One more by a futex.
    let last = b.lane();
    b.op(last, stat, -2);
    b.wait(last, first, 2);
    b.plan.lanes[first].ops[0].in_sync = true;
    b.paces(first)[0].asleep = 0.3 * SECOND;
    b.paces(first)[1].asleep = 0.3 * SECOND;
    for lane in others.into_iter().chain([last]) {
        b.paces(lane);
    }
    let run = run(&b);
    for lane in others {
        let waited = Duration::from_nanos(run.lanes[lane].waited);
        assert!(waited > Duration::from_millis(250), "{waited:?}");
        assert!(waited < Duration::from_secs(10), "{waited:?}");
    }
    let waited = Duration::from_nanos(run.lanes[last].waited);
    assert!(waited > Duration::from_millis(550), "{waited:?}");
}

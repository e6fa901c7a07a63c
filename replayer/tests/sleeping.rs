//! When lanes that sleep or wait get on.

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::Builder;
use fsreplay_replayer::ReplayError;
use fsreplay_replayer::execute::{Run, Tempo, execute};
use fsreplay_replayer::plan::{Action, Pace, Sleep, Slept, WaitFor};
use fsreplay_replayer::prepare::prepare;
use fsreplay_replayer::sandbox::Sandbox;

const SECOND: f32 = 1e9;
/// What no busy machine adds to a test: who ends before it did so for a reason.
const HOUR: f32 = 3600.0 * SECOND;

/// Executes a plan with the tool's own time.
fn run(b: &Builder) -> Run {
    run_until(b, &AtomicBool::new(false)).expect("a run")
}

/// Executes a plan with the tool's own time until it is to stop.
fn run_until(b: &Builder, stop: &AtomicBool) -> Result<Run, ReplayError> {
    let sandboxes = [Sandbox::create(&b.plan.roots[0].target)?];
    prepare(&b.plan, &sandboxes, &AtomicBool::new(false), &|_, _| {})?;
    let tempo = Tempo {
        scale: Some(1.0),
        rest: Duration::ZERO,
    };
    execute(&b.plan, &sandboxes, tempo, stop)
}

fn asleep(asleep: f32) -> Pace {
    Pace {
        asleep,
        ..Pace::NONE
    }
}

/// Whether a directory was made in the tree of the replay in a target.
fn is_made(target: &Path, name: &str) -> bool {
    let mut entries = std::fs::read_dir(target).expect("a list").flatten();
    entries.any(|entry| entry.path().join("tree").join(name).is_dir())
}

/// Two lanes that make a directory each. The first sleeps before its own for `first`, of which
/// `after` once the other's is done; the other for `second`.
fn sleepers(b: &mut Builder, first: f32, after: f32, second: f32) {
    for (time, name) in [(first, "first"), (second, "second")] {
        let (at, lane) = (b.at(name), b.lane());
        b.op(lane, Action::MakeDir { at, mode: 0o755 }, 0);
        b.pace(lane, 0, asleep(time));
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
    sleepers(&mut b, HOUR, 0.3 * SECOND, 0.1 * SECOND);
    let run = run(&b);
    let slept = Duration::from_nanos(run.lanes[0].paced);
    assert!(slept > Duration::from_millis(299), "{slept:?}");
    assert!(run.wall_seconds < 3600.0, "it ended before its time");
}

#[test]
fn a_sleep_is_no_longer_for_others_that_are_late() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut b = Builder::new(dir.path());
    sleepers(&mut b, 0.1 * SECOND, 0.0, HOUR);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let replay = scope.spawn(|| run_until(&b, &stop));
        // The other still sleeps when the first has done its op.
        while !is_made(dir.path(), "first") && !replay.is_finished() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(!is_made(dir.path(), "second"));
        stop.store(true, Ordering::Relaxed);
        let ended = replay.join().expect("no panic");
        assert!(matches!(ended, Err(ReplayError::Cancelled)), "{ended:?}");
    });
}

#[test]
fn all_who_wait_for_an_op_that_wakes_in_sync_are_woken() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut b = Builder::new(dir.path());
    let (first, others, last) = (b.lane(), [b.lane(), b.lane(), b.lane()], b.lane());
    let made = [b.at("one"), b.at("two")];
    for at in made {
        b.op(first, Action::MakeDir { at, mode: 0o755 }, 0);
    }
    b.plan.lanes[first].set_in_sync(0);
    // They see what they waited for. The last is woken by a futex.
    for (lane, at, done) in others
        .map(|lane| (lane, made[0], 1))
        .into_iter()
        .chain([(last, made[1], 2)])
    {
        b.op(lane, Action::Stat { at, flags: 0 }, 0);
        b.wait(lane, first, done);
    }
    // Time to go to sleep in.
    for op in 0..made.len() {
        b.pace(first, op, asleep(0.3 * SECOND));
    }
    let run = run(&b);
    for lane in others.into_iter().chain([last]) {
        let sample = run.lanes[lane].samples.get(0, b.plan.op(lane, 0));
        assert_eq!(sample.result, 0, "lane {lane}");
    }
}

//! Which calls of different tasks are put in order, and which stay free.

use fsreplay_trace::call::{ArgKind, Call};
use fsreplay_trace::model::{Header, StopCosts};

use super::builder::{Arg, Trace, header, step, waits};
use crate::plan::{Plan, Sleep, Slept, WaitFor};
use crate::planner::PlanOptions;

const CLONE_THREAD: u64 = 0x1_0f00;

fn threads() -> Trace {
    let mut trace = Trace::new();
    trace.dir("/work");
    trace.file("/work/f", 1);
    trace.path(0, Call::stat, "f", 0);
    trace.task(1, Some(0), CLONE_THREAD);
    trace.task(2, Some(0), CLONE_THREAD);
    trace
}

fn path(path: &str) -> [Arg<'_>; 1] {
    [Arg::Text(ArgKind::Path, path)]
}

/// Whether an event's op wakes others in sync.
fn is_in_sync(plan: &Plan, event: u32) -> bool {
    let (lane, at) = step(plan, event);
    plan.lanes[lane].steps()[at].is_in_sync()
}

#[test]
fn a_task_begins_after_what_its_parent_did() {
    let mut trace = threads();
    trace.path(1, Call::stat, "f", 0);
    trace.path(2, Call::stat, "f", 0);
    let plan = trace.finish();
    assert_eq!(waits(&plan, 1), vec![0]);
    assert_eq!(waits(&plan, 2), vec![0]);
    assert_eq!(plan.lanes.len(), 3);
}

#[test]
fn readers_stay_free_and_a_writer_waits_for_them() {
    let mut trace = threads();
    trace.path(1, Call::stat, "f", 0);
    trace.path(2, Call::stat, "f", 0);
    trace.path(0, Call::chmod, "f", 0);
    trace.path(1, Call::stat, "f", 0);
    let plan = trace.finish();
    let mut causes = waits(&plan, 3);
    causes.sort_unstable();
    assert_eq!(causes, vec![1, 2]);
    assert_eq!(waits(&plan, 4), vec![3]);
}

#[test]
fn implied_edges_are_left_out() {
    let mut trace = threads();
    trace.path(1, Call::chmod, "f", 0);
    trace.path(2, Call::chmod, "f", 0);
    trace.path(0, Call::chmod, "f", 0);
    trace.path(0, Call::chmod, "f", 0);
    let plan = trace.finish();
    assert_eq!(waits(&plan, 2), vec![1], "and not for the parent too");
    assert_eq!(waits(&plan, 3), vec![2]);
    assert!(waits(&plan, 4).is_empty());
}

#[test]
fn calls_that_overlapped_stay_free() {
    let mut trace = threads();
    trace.call_at(1, Call::stat, &path("f"), 0, 1000, 1500);
    trace.call_at(2, Call::chmod, &path("f"), 0, 1200, 1600);
    trace.call_at(0, Call::chmod, &path("f"), 0, 1599, 1700);
    let plan = trace.finish();
    assert_eq!(waits(&plan, 2), vec![0]);
    // The stat had returned before it was called, the other chmod had not.
    assert_eq!(waits(&plan, 3), vec![1]);
}

#[test]
fn a_failed_look_up_comes_before_the_creation() {
    let mut trace = threads();
    trace.path(1, Call::stat, "new", -2);
    trace.open(2, "new", libc::O_CREAT | libc::O_WRONLY, 3);
    trace.path(1, Call::stat, "new", 0);
    let plan = trace.finish();
    assert_eq!(waits(&plan, 2), vec![1]);
    assert_eq!(waits(&plan, 3), vec![2]);
}

#[test]
fn creations_of_different_names_stay_free_but_listings_do_not() {
    let mut trace = threads();
    trace.open(0, "/work", libc::O_DIRECTORY, 9);
    trace.open(1, "a", libc::O_CREAT | libc::O_WRONLY, 3);
    trace.open(2, "b", libc::O_CREAT | libc::O_WRONLY, 4);
    trace.on_fd(0, Call::getdents64, 9, 1000, 100);
    trace.path(1, Call::unlink, "a", 0);
    let plan = trace.finish();
    assert!(!waits(&plan, 3).contains(&2));
    let mut causes = waits(&plan, 4);
    causes.sort_unstable();
    assert_eq!(causes, vec![2, 3]);
    assert_eq!(waits(&plan, 5), vec![4]);
}

#[test]
fn work_in_a_directory_comes_after_its_making_and_before_its_removal() {
    let mut trace = threads();
    trace.path(1, Call::mkdir, "d", 0);
    trace.open(2, "d/x", libc::O_CREAT | libc::O_WRONLY, 3);
    trace.path(2, Call::unlink, "d/x", 0);
    trace.rename(1, "d", "e", 0);
    trace.path(0, Call::stat, "e/x", -2);
    trace.path(2, Call::rmdir, "e", 0);
    let plan = trace.finish();
    assert_eq!(waits(&plan, 2).first(), Some(&1));
    assert_eq!(waits(&plan, 4), vec![3]);
    assert_eq!(waits(&plan, 5), vec![4]);
    assert_eq!(waits(&plan, 6), vec![5]);
}

#[test]
fn a_wait_comes_after_all_that_the_child_did() {
    let mut trace = Trace::new();
    trace.task(1, Some(0), 0);
    trace.path(1, Call::mkdir, "x", 0);
    trace.exit(1);
    trace.call(0, Call::wait4, &[Arg::Number(ArgKind::Pid, u64::MAX)], 1001);
    trace.path(0, Call::rmdir, "x", 0);
    let plan = trace.finish();
    assert_eq!(waits(&plan, 1), vec![0]);
    assert!(waits(&plan, 2).is_empty());
    assert!(is_in_sync(&plan, 0));
}

#[test]
fn lanes_are_used_again() {
    let mut trace = Trace::new();
    for task in 1..50 {
        trace.task(task, Some(0), 0);
        trace.path(task, Call::stat, "x", -2);
        trace.exit(task);
    }
    let plan = trace.finish();
    assert_eq!(plan.lanes.len(), 2);
}

fn pipe_between(trace: &mut Trace) {
    let ends = [
        Arg::Number(ArgKind::OutFd0, 5),
        Arg::Number(ArgKind::OutFd1, 6),
    ];
    trace.call(0, Call::pipe2, &ends, 0);
    trace.task(1, Some(0), 0);
}

#[test]
fn a_read_from_a_pipe_waits_for_the_write_of_its_bytes() {
    let mut trace = Trace::new();
    pipe_between(&mut trace);
    trace.on_fd(1, Call::write, 6, 10, 10);
    trace.on_fd(1, Call::write, 6, 10, 10);
    trace.on_fd(0, Call::read, 5, 15, 15);
    let plan = trace.finish();
    assert_eq!(waits(&plan, 3), vec![2]);
    assert!(is_in_sync(&plan, 2) && !is_in_sync(&plan, 1));
}

#[test]
fn a_write_that_returned_after_the_read_of_its_bytes() {
    let mut trace = Trace::new();
    pipe_between(&mut trace);
    trace.path(1, Call::mkdir, "ready", 0);
    let fd = |fd| {
        [
            Arg::Number(ArgKind::Fd, fd),
            Arg::Number(ArgKind::Length, 4),
        ]
    };
    trace.call_at(0, Call::read, &fd(5), 4, 900, 2000);
    trace.call_at(1, Call::write, &fd(6), 4, 1990, 2010);
    trace.path(0, Call::rmdir, "ready", 0);
    let plan = trace.finish();
    // What the writer did before the write.
    assert_eq!(waits(&plan, 2), vec![1]);
    assert!(is_in_sync(&plan, 1));
}

#[test]
fn a_read_inside_worked_no_longer_than_since_what_it_waited_for() {
    // By the kernel's counts it worked all the time, and by those of a recording inside it may have
    // waited.
    for (backend, own) in [
        (Header::INSIDE, [300.0, 500.0]),
        ("ptrace", [1100.0, 1500.0]),
    ] {
        let header = Header {
            tells_waiting: true,
            backend: backend.to_owned(),
            ..header()
        };
        let mut trace = Trace::of(&header, PlanOptions::default());
        pipe_between(&mut trace);
        let fd = |fd| {
            [
                Arg::Number(ArgKind::Fd, fd),
                Arg::Number(ArgKind::Length, 4),
            ]
        };
        // The write returned before the read did,
        trace.on_cpu(1, Call::write, &fd(6), 4, 1000..1800);
        trace.on_cpu(0, Call::read, &fd(5), 4, 1000..2100);
        // and after it: what the writer did before is waited for.
        trace.on_cpu(1, Call::stat, &path("f"), -2, 2200..3000);
        trace.on_cpu(0, Call::read, &fd(5), 4, 2000..3500);
        trace.on_cpu(1, Call::write, &fd(6), 4, 3100..3600);
        let plan = trace.finish();
        let reads = [1, 2].map(|op| plan.lanes[0].pace(op).own);
        assert_eq!(reads, own, "{backend}");
    }
}

#[test]
fn the_end_of_a_pipe_comes_from_its_last_close() {
    let mut trace = Trace::new();
    pipe_between(&mut trace);
    trace.on_fd(0, Call::close, 6, 0, 0);
    trace.path(1, Call::mkdir, "x", 0);
    trace.on_fd(1, Call::close, 6, 0, 0);
    trace.on_fd(0, Call::read, 5, 10, 0);
    let plan = trace.finish();
    assert_eq!(waits(&plan, 4), vec![3]);
}

#[test]
fn polling_waits_for_the_first_write_since_it_began() {
    let mut trace = Trace::new();
    pipe_between(&mut trace);
    let fd = [Arg::Number(ArgKind::Fd, 6), Arg::Number(ArgKind::Length, 4)];
    trace.call_at(1, Call::write, &fd, 4, 500, 510);
    trace.path(1, Call::mkdir, "x", 0);
    let forever = [Arg::Number(ArgKind::Argument, -1i64 as u64)];
    trace.call_at(1, Call::write, &fd, 4, 1000, 1010);
    trace.call_at(1, Call::write, &fd, 4, 1100, 1110);
    trace.call_at(0, Call::poll, &forever, 1, 900, 1120);
    trace.call_at(0, Call::poll, &forever, 0, 1200, 1300);
    let plan = trace.finish();
    assert_eq!(waits(&plan, 5), vec![3]);
    assert_eq!(waits(&plan, 6), Vec::<u32>::new(), "its time was over");
}

#[test]
fn polling_for_room_waits_for_the_last_read_that_made_some() {
    let forever = [Arg::Number(ArgKind::Argument, -1i64 as u64)];
    for (bytes, made_room) in [(60_000, true), (1000, false)] {
        let mut trace = Trace::new();
        pipe_between(&mut trace);
        trace.on_fd(0, Call::write, 6, bytes, bytes as i64);
        let part = bytes / 4;
        let fd = [
            Arg::Number(ArgKind::Fd, 5),
            Arg::Number(ArgKind::Length, part),
        ];
        trace.call_at(1, Call::read, &fd, part as i64, 1000, 1010);
        trace.call_at(1, Call::read, &fd, part as i64, 1100, 1110);
        trace.call_at(0, Call::poll, &forever, 1, 900, 1120);
        let plan = trace.finish();
        let expected = if made_room { vec![3] } else { vec![] };
        assert_eq!(waits(&plan, 4), expected, "{bytes} bytes");
    }
}

#[test]
fn polling_that_a_childs_end_interrupts_waits_for_that_end() {
    let mut trace = Trace::new();
    pipe_between(&mut trace);
    trace.path(1, Call::mkdir, "x", 0);
    trace.exit(1);
    let forever = [Arg::Number(ArgKind::Argument, -1i64 as u64)];
    trace.call_at(0, Call::poll, &forever, -4, 150, 900);
    let plan = trace.finish();
    assert_eq!(waits(&plan, 2), vec![1]);
}

#[test]
fn sleep_is_shorter_by_what_recording_others_took_meanwhile() {
    let mut trace = threads();
    let forever = [Arg::Number(ArgKind::Argument, 10_000)];
    for turn in 0..3 {
        let at = 1_100_000 + turn * 1000;
        trace.call_at(1, Call::stat, &path("f"), 0, at, at + 10);
    }
    trace.call_at(0, Call::poll, &forever, 0, 1_000_000, 3_000_000);
    let mut plan = trace.finish();
    plan.sleeps = vec![Sleep {
        lane: 0,
        op: 1,
        before: Slept {
            time: 500.0,
            events: 9,
            ..Slept::default()
        },
        within: Slept {
            time: 2_000_000.0,
            events: 3,
            ..Slept::default()
        },
    }];
    plan.wake_earlier(100_000.0);
    let pace = plan.lanes[0].pace(1);
    assert_eq!((pace.asleep, pace.own_asleep), (0.0, 1_700_000.0));
    plan.wake_earlier(0.0);
    let pace = plan.lanes[0].pace(1);
    assert_eq!((pace.asleep, pace.own_asleep), (500.0, 2_000_000.0));
}

#[test]
fn a_sleeper_may_have_waited_for_what_others_did_last() {
    let mut trace = Trace::timed(10);
    trace.task(1, Some(0), CLONE_THREAD);
    let timeout = [Arg::Number(ArgKind::Argument, 2)];
    for turn in 0..3 {
        let at = 1_100_000 + turn * 300_000;
        trace.call_at(1, Call::stat, &path("f"), -2, at, at + 50_000);
    }
    // It looks whether there is work, in vain.
    trace.call_at(0, Call::poll, &timeout, 0, 1_000_000, 2_000_000);
    // Nobody does anything now.
    trace.call_at(0, Call::poll, &timeout, 0, 3_000_000, 4_000_000);
    let plan = trace.finish();
    let [first, second] = plan.sleeps[..] else {
        panic!("{:?}", plan.sleeps);
    };
    let last = WaitFor { lane: 1, done: 3 };
    assert_eq!((first.within.events, first.within.last), (3, Some(last)));
    assert_eq!(first.within.after, 250_000.0);
    assert!(plan.lanes[1].steps()[2].is_published());
    assert_eq!((second.within.events, second.within.last), (0, None));
    assert_eq!(plan.sleep_of(0, second.op as usize), Some(&second));
    assert_eq!(plan.sleep_of(1, 0), None);
}

#[test]
fn a_recorder_may_tell_waiting_and_add_nothing_to_times() {
    for (tells_waiting, think) in [(true, 0.0), (false, 100.0)] {
        let header = Header {
            tells_waiting,
            ..header()
        };
        let mut trace = Trace::of(&header, PlanOptions::default());
        trace.path(0, Call::stat, "f", -2);
        trace.path(0, Call::stat, "f", -2);
        let plan = trace.finish();
        assert_eq!(plan.lanes[0].pace(1).think, think, "{tells_waiting}");
        assert_eq!(plan.timing.told, tells_waiting);
    }
}

#[test]
fn a_call_recorded_inside_has_no_stop_to_be_taken_out() {
    let header = Header {
        tells_waiting: true,
        backend: Header::INSIDE.to_owned(),
        costs: Some(StopCosts {
            think: 9_000,
            cpu: 9_000,
            duration: 9_000,
        }),
        ..header()
    };
    let mut trace = Trace::of(&header, PlanOptions::default());
    trace.dir("/work");
    trace.file("/work/f", 1);
    trace.look_on_cpu("f", 2048);
    let plan = trace.finish();
    assert_eq!(plan.lanes[0].took(0).on_cpu(), 2048.0);
}

#[test]
fn offsets_of_shared_descriptions_keep_their_order() {
    let mut trace = Trace::new();
    trace.file("/work/f", 100);
    trace.open(0, "f", 0, 3);
    trace.task(1, Some(0), 0);
    trace.on_fd(1, Call::read, 3, 10, 10);
    trace.on_fd(0, Call::read, 3, 10, 10);
    let plan = trace.finish();
    assert_eq!(waits(&plan, 2), vec![1]);
}

#[test]
fn a_task_on_a_used_lane_begins_after_what_its_own_parent_did() {
    let mut trace = Trace::new();
    trace.file("/work/a", 1);
    trace.open(0, "/work/a", 0, 3);
    trace.task(1, Some(0), 0);
    trace.path(1, Call::access, "/work/a", 0);
    trace.exit(1);
    trace.path(0, Call::access, "/work/a", 0);
    trace.task(2, Some(0), 0);
    trace.path(2, Call::access, "/work/a", 0);
    let plan = trace.finish();
    let births: Vec<_> = plan.births.iter().collect();
    let [first, second] = births[..] else {
        panic!("{births:?}");
    };
    assert_eq!(
        (first.lane, first.op, first.after.lane),
        (second.lane, 0, 0)
    );
    assert_eq!(
        plan.event(second.lane as usize, second.op as usize),
        Some(3),
        "the second task's only call"
    );
    assert!(first.after.done < second.after.done);
}

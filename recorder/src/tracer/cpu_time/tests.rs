//! What is told of a task's time.

use super::*;

#[test]
fn the_kernel_s_line_is_read() {
    let counts = parse(b"1234567 89 3\n").expect("counts");
    assert_eq!((counts.cpu, counts.delay), (1_234_567, 89));
    assert!(parse(b"").is_none());
    assert!(parse(b"12 x 3").is_none());
    assert!(parse(b"99999999999999999999999 1 1").is_none());
}

#[test]
fn sums_stay_right_where_a_gap_is_shorter_than_a_stop() {
    let mut debt = 0;
    let gaps = [500, 1500, 900, 3000, 1000];
    let kept: u64 = gaps.iter().map(|gap| less(&mut debt, *gap, 1000)).sum();
    assert_eq!(kept - debt, gaps.iter().sum::<u64>() - 5000);
}

/// Of a task of which the kernel says what stands in the file.
fn counted(tid: i32, counts: &str) -> (tempfile::NamedTempFile, CpuTime) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), counts).expect("written");
    let mut time = CpuTime::new(tid);
    time.opened = true;
    time.source = Some(File::open(file.path()).expect("opened"));
    time.leaves(0);
    (file, time)
}

fn away(time: u64, sleeps: Option<u64>) -> Option<Away> {
    Some(Away { time, sleeps })
}

#[test]
fn what_is_no_event_belongs_to_the_gap_that_it_lies_in() {
    let mut time = CpuTime::new(0);
    time.leaves(1_000);
    let spent = time.inside(1_500, 1_700, Off::default(), 500);
    assert_eq!(spent.think, 500);
    time.is_no_event(spent);
    let next = time.inside(2_000, 2_100, Off::default(), 500);
    assert_eq!((next.think, next.cpu), (1_000, 100));
    // What the task told of it: it waited for a processor, and slept.
    let off = Off {
        before: away(900, None),
        within: away(700, Some(1)),
        later: Later::default(),
    };
    let spent = time.inside(3_100, 4_000, off, 500);
    time.is_no_event(spent);
    let next = time.inside(4_100, 4_200, Off::default(), 500);
    assert_eq!((next.think, next.blocked), (400, 700));
}

#[test]
fn waiting_behind_sleep_in_a_call_is_told_from_both_that_and_a_later_gap() {
    let own = i32::try_from(std::process::id()).expect("an id");
    let (file, mut time) = counted(own, "0 0 0\n");
    time.gap(0, 0);
    time.leaves(0);
    // A call sleeps for 10 ms, and then waits for a processor for 5; before the next one it waits
    // for 2 ms again. All of that is read at once.
    std::fs::write(file.path(), "0 7000000 101\n").expect("written");
    let mut off = Off {
        before: away(0, None),
        within: away(15_000_000, Some(time.stops + 1)),
        later: Later {
            waited: 2_000_000,
            slept: 0,
        },
    };
    assert_eq!(time.inside(0, 15_000_000, off, 1).asleep, 10_000_000);
    off.before = away(2_000_000, None);
    (off.within, off.later) = (away(0, None), Later::default());
    let next = time.inside(17_000_000, 17_000_000, off, 1);
    assert_eq!((next.think, next.asleep), (0, 0));
    // The gap that follows is sleep as a whole.
    time.sleeps = 0;
    assert_eq!(time.gap(37_000_000, 0).blocked, 20_000_000);
}

#[test]
fn a_call_inside_leaves_the_stop_in_which_it_is_looked_at() {
    // The call slept, and the task stands in a stop; or it slept twice.
    assert_eq!(told_inside(4, 6), 5);
    // It slept, and runs on.
    assert_eq!(told_inside(4, 5), 5);
    assert_eq!(told_inside(4, 9), 8);
}

#[test]
fn one_turn_on_a_processor_for_each_stop_is_no_sleep() {
    let mut time = CpuTime::new(0);
    let turns = |slices| Counts {
        slices,
        ..Counts::default()
    };
    time.stops = 3;
    assert!(!time.looked(turns(3)));
    time.foreign_stop();
    time.stops += 1;
    assert!(!time.looked(turns(5)));
    time.stops += 1;
    assert!(time.looked(turns(7)));
}

#[test]
fn sleeps_that_the_task_told_are_no_others() {
    let turns = |slices| Counts {
        slices,
        ..Counts::default()
    };
    let tell = |time: &mut CpuTime, sleeps| {
        let away = Away {
            time: 10,
            sleeps: Some(time.stops + sleeps),
        };
        time.told_by_task(10, away, Later::default());
    };
    let mut time = CpuTime::new(0);
    tell(&mut time, 2);
    time.stops += 1;
    assert!(!time.looked(turns(3)));
    // One more than it told.
    tell(&mut time, 3);
    time.stops += 1;
    assert!(time.looked(turns(6)));
    // That one may have been a sleep, which it tells of with its next one.
    tell(&mut time, 5);
    time.stops += 1;
    assert!(time.looked(turns(8)));
}

fn is_asleep(tid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{tid}/stat")).expect("its state");
    status
        .rsplit(") ")
        .next()
        .is_some_and(|rest| rest.starts_with('S'))
}

#[test]
fn sleeping_is_told_from_standing_still() {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};
    let mut child = Command::new("sh")
        .args(["-c", "echo; while read a; do echo; done"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sh");
    let mut input = child.stdin.take().expect("its input");
    let mut output = child.stdout.take().expect("its output");
    let tid = child.id() as i32;
    let mut time = CpuTime::new(tid);
    // Until it sleeps: after its line it sleeps for nothing but its input.
    let mut rests = || {
        output.read_exact(&mut [0]).expect("a line");
        while !is_asleep(tid) {
            std::thread::yield_now();
        }
    };
    rests();
    if time.counts().is_none() {
        println!("skipped: no schedstat");
        assert!(std::env::var_os("CI").is_none(), "no schedstat");
        drop(input);
        child.wait().expect("its end");
        return;
    }
    time.gap(0, 0);
    time.leaves(0);
    let still = time.gap(5_000_000_000, 0);
    assert_eq!(still.blocked, 0, "{still:?}");
    let still = time.call(5_000_000_000, 0);
    assert_eq!(still.asleep, 0, "{still:?}");
    // More often than looks, each of which counts as one stop.
    for _ in 0..6 {
        input.write_all(b"\n").expect("written");
        rests();
    }
    time.leaves(0);
    time.stands();
    let slept = time.gap(5_000_000_000, 0);
    assert!(slept.blocked > 3_000_000_000, "{slept:?}");
    for _ in 0..6 {
        input.write_all(b"\n").expect("written");
        rests();
    }
    time.stands();
    let slept = time.call(5_000_000_000, 0);
    assert!(slept.asleep > 3_000_000_000, "{slept:?}");
    drop(input);
    child.wait().expect("its end");
}

#[test]
fn a_task_tells_where_it_was_before_a_call_and_in_it() {
    let mut time = CpuTime::new(0);
    time.leaves(1_000);
    time.stops = 2;
    let off = |before, within, sleeps| Off {
        before: away(before, None),
        within: away(within, sleeps),
        later: Later::default(),
    };
    // It waited for a processor, and then slept.
    let spent = time.inside(1_500, 2_500, off(200, 900, Some(5)), 10);
    assert_eq!((spent.think, spent.blocked), (300, 0));
    assert_eq!((spent.cpu, spent.asleep), (100, 900));
    assert_eq!((time.told, time.told_delay, time.sleeps), (400, 200, 3));
    // It waited for a processor in the call.
    let spent = time.inside(2_500, 3_500, off(0, 600, None), 10);
    assert_eq!((spent.cpu, spent.asleep), (400, 0));
    assert_eq!((time.told, time.told_delay, time.sleeps), (800, 800, 3));
    // Never for longer than it took.
    let spent = time.inside(3_600, 3_700, off(5_000, 5_000, Some(6)), 10);
    assert_eq!((spent.think, spent.cpu, spent.asleep), (0, 0, 100));
}

#[test]
fn sleep_in_a_gap_is_told_from_what_followed_it() {
    // It computed for 1 ms, slept for 6, and waited for a processor for 3; in the call it waited
    // for 2 ms more.
    let (_file, mut time) = counted(0, "1000000 5000000 3\n");
    time.stops = 1;
    let off = Off {
        before: away(9_000_000, Some(2)),
        within: away(2_000_000, None),
        later: Later::default(),
    };
    let spent = time.inside(10_000_000, 12_000_000, off, 1);
    assert_eq!((spent.think, spent.blocked), (1_000_000, 6_000_000));
    assert_eq!((spent.cpu, spent.asleep), (0, 0));
    // What it told before is no sleep, however often it says that.
    let spent = time.inside(22_000_000, 24_000_000, off, 1);
    assert_eq!((spent.think, spent.blocked), (1_000_000, 0));
}

#[test]
fn sleeps_that_are_read_together_share_what_followed_them() {
    // Ten naps of 900 ns, behind each of which it waits for 100.
    let (_file, mut time) = counted(0, "0 1000 11\n");
    time.stops = 1;
    for nap in 1..=10u64 {
        let later = Later {
            waited: 0,
            slept: 1_000 * (10 - nap),
        };
        let off = Off {
            before: away(1_000, Some(1 + nap)),
            within: None,
            later,
        };
        let spent = time.inside(1_000 * nap, 1_000 * nap, off, 1);
        assert_eq!((spent.think, spent.blocked), (0, 900), "{nap}");
    }
}

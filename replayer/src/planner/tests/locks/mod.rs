//! Locks: any history that a kernel allows gives a plan that can't stand still, in which whoever
//! takes a lock finds it free, and whoever was refused one is refused again.

mod explore;
mod history;

use fsreplay_trace::call::{ArgKind, Call};

use super::builder::{Arg, Trace, waits};
use crate::plan::Action;
use explore::explore;
use history::*;

const CLONE_THREAD: u64 = 0x1_0f00;
const EAGAIN: i64 = -11;

fn try_many(way: Way) {
    let mut tried = 0;
    for seed in 1..400 {
        let mut random = Random(seed * 7919);
        let tasks = 2 + random.below(2) as usize;
        let programs: Vec<Vec<Step>> = (0..tasks).map(|_| program(&mut random, way)).collect();
        let history = History::new(way, tasks);
        if let Some(plan) = history.run(&programs, &mut random) {
            tried += 1;
            println!("{way:?}, seed {seed}: {programs:?}");
            explore(&plan);
        }
    }
    assert!(tried > 200, "{tried} histories");
}

#[test]
fn no_history_of_locks_of_files_stands_still() {
    try_many(FLOCK);
}

#[test]
fn no_history_of_locks_that_a_child_inherited_stands_still() {
    try_many(Way {
        inherited: true,
        ..FLOCK
    });
}

#[test]
fn no_history_of_locks_of_processes_stands_still() {
    try_many(POSIX);
    try_many(Way {
        inherited: true,
        ..POSIX
    });
}

#[test]
fn no_history_of_locks_on_descriptors_that_only_read_or_write_stands_still() {
    let accesses = [libc::O_RDWR, libc::O_WRONLY];
    for (access, flags) in accesses
        .into_iter()
        .flat_map(|a| [(a, 0), (a, CLONE_THREAD)])
    {
        try_many(Way {
            access,
            flags,
            shared_on: Some(libc::O_RDONLY),
            ..POSIX
        });
    }
}

#[test]
fn no_history_of_locks_of_descriptions_stands_still() {
    try_many(OFD);
}

#[test]
fn no_history_of_locks_of_threads_stands_still() {
    for way in [FLOCK, OFD, POSIX] {
        let flags = CLONE_THREAD;
        try_many(Way { flags, ..way });
    }
}

fn flock(trace: &mut Trace, task: u32, operation: u64, result: i64, time: (u64, u64)) {
    let args = [
        Arg::Number(ArgKind::Fd, 10 + u64::from(task)),
        Arg::Number(ArgKind::Command, operation),
    ];
    trace.call_at(task, Call::flock, &args, result, time.0, time.1);
}

#[test]
fn who_takes_a_lock_comes_after_a_release_that_returned_later() {
    let mut trace = History::new(FLOCK, 2).trace;
    flock(&mut trace, 1, 2, 0, (1_000_000, 1_000_100));
    flock(&mut trace, 2, 2, 0, (1_000_200, 1_000_400));
    flock(&mut trace, 1, 8, 0, (1_000_300, 1_000_500));
    flock(&mut trace, 2, 8, 0, (1_000_600, 1_000_700));
    let plan = trace.finish();
    assert!(waits(&plan, 4).contains(&5));
    explore(&plan);
}

#[test]
fn who_takes_a_lock_comes_after_a_release_that_began_later_by_the_clocks() {
    let mut trace = History::new(FLOCK, 2).trace;
    flock(&mut trace, 1, 2, 0, (1_000_000, 1_000_100));
    flock(&mut trace, 2, 2, 0, (1_000_200, 1_000_400));
    flock(&mut trace, 1, 8, 0, (1_000_410, 1_000_500));
    flock(&mut trace, 2, 8, 0, (1_000_600, 1_000_700));
    let plan = trace.finish();
    assert!(waits(&plan, 4).contains(&5));
    explore(&plan);
}

#[test]
fn a_lock_of_a_process_ends_with_any_descriptor_of_the_file() {
    let mut trace = History::new(POSIX, 2).trace;
    let lock = |fd| {
        [
            Arg::Number(ArgKind::Fd, fd),
            Arg::Number(ArgKind::Command, 6),
            Arg::Number(ArgKind::Argument, 1),
        ]
    };
    trace.open(1, "lk", libc::O_RDWR, 20);
    trace.call(1, Call::fcntl, &lock(11), 0);
    // Its own lock doesn't keep it from another one, another process's does.
    trace.call(1, Call::fcntl, &lock(20), 0);
    trace.call(2, Call::fcntl, &lock(12), EAGAIN);
    trace.on_fd(1, Call::close, 20, 0, 0);
    trace.call(2, Call::fcntl, &lock(12), 0);
    explore(&trace.finish());
}

/// `fcntl(F_SETLK)` for writing on eight bytes from the offset on.
fn lock_here(fd: u64) -> [Arg<'static>; 5] {
    [
        Arg::Number(ArgKind::Fd, fd),
        Arg::Number(ArgKind::Command, POSIX.tries),
        Arg::Number(ArgKind::Argument, 1),
        Arg::Number(ArgKind::Whence, 1),
        Arg::Number(ArgKind::LockLength, 8),
    ]
}

#[test]
fn locks_that_are_too_many_to_be_told_apart_are_noted() {
    let noted = |count: u64| {
        let mut trace = History::new(POSIX, 1).trace;
        for at in 0..count {
            let args = [
                Arg::Number(ArgKind::Fd, 11),
                Arg::Number(ArgKind::Command, POSIX.tries),
                Arg::Number(ArgKind::Argument, 1),
                Arg::Number(ArgKind::LockStart, 2 * at),
                Arg::Number(ArgKind::LockLength, 1),
            ];
            trace.call(1, Call::fcntl, &args, 0);
        }
        let mut notes = trace.finish().notes.into_iter();
        let told = notes.find(|(note, _)| note.starts_with("locks beyond 1024"));
        told.map(|(_, count)| count)
    };
    assert_eq!(noted(1024), None);
    assert_eq!(noted(1027), Some(3));
}

#[test]
fn a_range_from_the_offset_is_where_the_model_has_it() {
    let mut trace = History::new(POSIX, 1).trace;
    trace.on_fd(1, Call::lseek, 11, 40, 40);
    trace.call(1, Call::fcntl, &lock_here(11), 0);
    let plan = trace.finish();
    let ranges = plan.ops.iter().filter_map(|op| match op.action {
        Action::Lock { whence, start, .. } => Some((whence, start)),
        _ => None,
    });
    assert_eq!(ranges.collect::<Vec<_>>(), [(0, 40)]);
}

#[test]
fn a_circle_of_locks_is_not_issued() {
    let mut trace = History::new(POSIX, 1).trace;
    trace.call(1, Call::fcntl, &lock_here(11), -i64::from(libc::EDEADLK));
    let plan = trace.finish();
    assert!(
        !plan
            .ops
            .iter()
            .any(|op| matches!(op.action, Action::Lock { .. }))
    );
}

#[test]
fn a_lock_that_cannot_be_the_one_that_was_taken_is_not_issued() {
    let mut trace = History::new(POSIX, 2).trace;
    trace.call(1, Call::fcntl, &lock_here(11), 0);
    trace.call(2, Call::fcntl, &lock_here(12), 0);
    let plan = trace.finish();
    let issued = plan
        .ops
        .iter()
        .filter(|op| matches!(op.action, Action::Lock { .. }));
    assert_eq!(issued.count(), 1);
    explore(&plan);
}

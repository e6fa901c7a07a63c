//! What is copied where cloning failed.

use fsreplay_trace::call::{ArgKind, Call};

use super::builder::{Arg, Trace};
use crate::plan::Plan;

const FICLONE: u64 = 0x4004_9409;

/// A file of 100 bytes is open as 3, a new one as 4, and cloning the first into the second failed.
fn clone_failed() -> Trace {
    let mut trace = Trace::new();
    trace.file("/work/a", 100);
    trace.absent("/work/b");
    trace.open(0, "a", libc::O_RDONLY, 3);
    trace.open(0, "b", libc::O_WRONLY | libc::O_CREAT, 4);
    let arguments = [
        Arg::Number(ArgKind::Fd, 4),
        Arg::Number(ArgKind::Command, FICLONE),
        Arg::Number(ArgKind::FdIn, 3),
    ];
    let refused = -i64::from(libc::EOPNOTSUPP);
    trace.call(0, Call::ioctl, &arguments, refused);
    trace
}

/// Indexes of ops that are done only if the clone (the third) fails.
fn fallbacks(plan: &Plan) -> Vec<u32> {
    let fallbacks = plan.lanes[0].fallbacks.iter();
    fallbacks
        .map(|fallback| {
            assert_eq!(fallback.failed, 2);
            fallback.op
        })
        .collect()
}

#[test]
fn copying_after_a_clone_that_failed_is_its_fallback() {
    let mut trace = clone_failed();
    trace.on_fd(0, Call::fstat, 3, 0, 0);
    trace.on_fd(0, Call::read, 3, 100, 100);
    trace.on_fd(0, Call::write, 4, 100, 100);
    trace.on_fd(0, Call::read, 3, 100, 0);
    // More than the source has: not its copy.
    trace.on_fd(0, Call::write, 4, 20, 20);
    assert_eq!(fallbacks(&trace.finish()), [4, 5, 6]);

    let mut trace = clone_failed();
    let copy = [
        Arg::Number(ArgKind::FdIn, 3),
        Arg::Number(ArgKind::FdOut, 4),
        Arg::Number(ArgKind::Length, 100),
    ];
    trace.call(0, Call::copy_file_range, &copy, 100);
    assert_eq!(fallbacks(&trace.finish()), [3]);
}

#[test]
fn once_one_of_both_files_is_closed_nothing_is_a_fallback() {
    let mut trace = clone_failed();
    trace.on_fd(0, Call::close, 4, 0, 0);
    trace.on_fd(0, Call::read, 3, 100, 100);
    trace.open(0, "b", libc::O_WRONLY, 4);
    trace.on_fd(0, Call::write, 4, 100, 100);
    assert_eq!(fallbacks(&trace.finish()), [0u32; 0]);
}

#[test]
fn what_is_read_or_written_elsewhere_ends_the_copying() {
    let mut trace = clone_failed();
    let header = [
        Arg::Number(ArgKind::Fd, 4),
        Arg::Number(ArgKind::Length, 8),
        Arg::Number(ArgKind::Offset, 0),
    ];
    trace.on_fd(0, Call::read, 3, 100, 100);
    trace.on_fd(0, Call::write, 4, 100, 100);
    // A part is written anew, and a sum is made of the source.
    trace.call(0, Call::pwrite64, &header, 8);
    trace.on_fd(0, Call::write, 4, 0, 0);
    let again = [
        Arg::Number(ArgKind::Fd, 3),
        Arg::Number(ArgKind::Length, 100),
        Arg::Number(ArgKind::Offset, 0),
    ];
    trace.call(0, Call::pread64, &again, 100);
    trace.call(0, Call::pread64, &again, 100);
    assert_eq!(fallbacks(&trace.finish()), [3, 4]);
}

#[test]
fn copying_that_ends_halfway_is_no_fallback() {
    let mut trace = clone_failed();
    trace.on_fd(0, Call::read, 3, 50, 50);
    trace.on_fd(0, Call::write, 4, 50, 50);
    // The rest is left a hole, and written to after it.
    let hole = [
        Arg::Number(ArgKind::Fd, 4),
        Arg::Number(ArgKind::Length, 25),
        Arg::Number(ArgKind::Offset, 75),
    ];
    trace.on_fd(0, Call::read, 3, 50, 50);
    trace.call(0, Call::pwrite64, &hole, 25);
    assert_eq!(fallbacks(&trace.finish()), [0u32; 0]);
}

#[test]
fn a_copy_into_another_file_ends_the_copying() {
    let mut trace = clone_failed();
    trace.absent("/work/c");
    trace.open(0, "c", libc::O_WRONLY | libc::O_CREAT, 5);
    let copy = [
        Arg::Number(ArgKind::FdIn, 3),
        Arg::Number(ArgKind::FdOut, 5),
        Arg::Number(ArgKind::Length, 100),
    ];
    trace.call(0, Call::copy_file_range, &copy, 100);
    trace.on_fd(0, Call::write, 4, 100, 100);
    assert_eq!(fallbacks(&trace.finish()), [0u32; 0]);
}

#[test]
fn a_later_task_on_the_same_lane_copies_for_itself() {
    let mut trace = Trace::new();
    trace.file("/work/a", 100);
    trace.absent("/work/b");
    trace.open(0, "a", libc::O_RDONLY, 3);
    trace.open(0, "b", libc::O_WRONLY | libc::O_CREAT, 4);
    trace.task(1, Some(0), 0);
    let arguments = [
        Arg::Number(ArgKind::Fd, 4),
        Arg::Number(ArgKind::Command, FICLONE),
        Arg::Number(ArgKind::FdIn, 3),
    ];
    trace.call(1, Call::ioctl, &arguments, -i64::from(libc::EOPNOTSUPP));
    trace.exit(1);
    trace.task(2, Some(0), 0);
    trace.on_fd(2, Call::read, 3, 100, 100);
    let plan = trace.finish();
    assert!(plan.lanes.iter().all(|lane| lane.fallbacks.is_empty()));
}

#[test]
fn what_another_task_does_with_the_files_is_no_fallback() {
    let mut trace = clone_failed();
    trace.task(1, Some(0), 0);
    trace.on_fd(1, Call::read, 3, 100, 100);
    let plan = trace.finish();
    assert!(plan.lanes.iter().all(|lane| lane.fallbacks.is_empty()));
}

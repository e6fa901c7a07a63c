//! Calls from one mount to another.

use fsreplay_trace::call::{ArgKind, Call};

use super::builder::{Arg, Trace};
use crate::plan::{Action, Plan};
use crate::planner::PlanOptions;

const FICLONE: u64 = 0x4004_9409;

/// `a` and `b` are two directories, of which the second one is placed elsewhere or isn't.
fn refused_across(placed: bool) -> Plan {
    let place = placed.then(|| (b"/work/b".to_vec(), "/other".into()));
    let mut trace = Trace::with(PlanOptions {
        target: "/target".into(),
        place: place.into_iter().collect(),
        as_root: true,
        ..PlanOptions::default()
    });
    trace.dir("/work/a");
    trace.dir("/work/b");
    trace.file("/work/a/f", 10);
    let refused = -i64::from(libc::EXDEV);
    trace.rename(0, "a/f", "b/f", refused);
    let names = [
        Arg::Text(ArgKind::Path, "a/f"),
        Arg::Text(ArgKind::NewPath, "b/f"),
    ];
    trace.call(0, Call::link, &names, refused);
    trace.open(0, "a/f", libc::O_RDONLY, 3);
    trace.open(0, "b/f", libc::O_WRONLY | libc::O_CREAT, 4);
    let clone = [
        Arg::Number(ArgKind::Fd, 4),
        Arg::Number(ArgKind::Command, FICLONE),
        Arg::Number(ArgKind::FdIn, 3),
    ];
    trace.call(0, Call::ioctl, &clone, refused);
    let copy = [
        Arg::Number(ArgKind::FdIn, 3),
        Arg::Number(ArgKind::FdOut, 4),
        Arg::Number(ArgKind::Length, 10),
    ];
    trace.call(0, Call::copy_file_range, &copy, refused);
    trace.on_fd(0, Call::read, 3, 10, 10);
    trace.on_fd(0, Call::write, 4, 10, 10);
    trace.finish()
}

#[test]
fn what_was_refused_between_mounts_is_not_issued_wherever_things_are_placed() {
    for placed in [false, true] {
        let plan = refused_across(placed);
        let issued: Vec<&str> = plan
            .ops_of(0)
            .filter(|op| op.action != Action::Nothing)
            .map(|op| op.call.name())
            .collect();
        assert_eq!(
            issued[..4],
            ["openat", "openat", "read", "write"],
            "placed: {placed}"
        );
        assert_eq!(plan.coverage.other, 4);
        let told = plan
            .notes
            .iter()
            .find(|(note, _)| note.contains("between two mounts"));
        assert_eq!(told.map(|(_, count)| *count), Some(4));
        // The copying is what the tool did, not what it does where a clone fails.
        assert!(plan.lanes[0].fallbacks.is_empty());
    }
}

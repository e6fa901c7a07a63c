//! Calls that overlapped are put into an order that explains what they found.

use fsreplay_trace::abi::{AT_SYMLINK_FOLLOW, O_CREAT, O_EXCL, O_NOCTTY};
use fsreplay_trace::call::{ArgKind, Call};

use super::builder::{Arg, Trace, waits};

const CLONE_THREAD: u64 = 0x1_0f00;

fn threads() -> Trace {
    let mut trace = Trace::new();
    trace.dir("/work");
    trace.file("/work/f", 1);
    trace.task(1, Some(0), CLONE_THREAD);
    trace.task(2, Some(0), CLONE_THREAD);
    trace
}

fn path(path: &str) -> [Arg<'_>; 1] {
    [Arg::Text(ArgKind::Path, path)]
}

fn has_notes(plan: &crate::plan::Plan) -> bool {
    !plan.notes.is_empty()
}

#[test]
fn a_look_up_that_found_nothing_precedes_a_creation_that_returned_first() {
    let mut trace = threads();
    trace.absent("/work/d");
    trace.call_at(1, Call::mkdir, &path("d"), 0, 1000, 1500);
    trace.call_at(2, Call::stat, &path("d"), -2, 1100, 1600);
    let plan = trace.finish();
    assert_eq!(waits(&plan, 0), vec![1], "the mkdir waits for the stat");
    assert!(!has_notes(&plan), "{:?}", plan.notes);
}

#[test]
fn a_creation_that_returned_long_after_its_effect_precedes_who_found_it() {
    let mut trace = threads();
    trace.absent("/work/d");
    for at in 0..3000 {
        trace.call_at(2, Call::stat, &path("d"), 0, 1100 + at, 1101 + at);
    }
    trace.call_at(1, Call::mkdir, &path("d"), 0, 1000, 9000);
    let plan = trace.finish();
    assert_eq!(
        waits(&plan, 0),
        vec![3000],
        "the first stat waits for the mkdir"
    );
    assert!(!has_notes(&plan), "{:?}", plan.notes);
}

#[test]
fn who_found_the_name_taken_came_after_its_maker() {
    let mut trace = threads();
    trace.absent("/work/d");
    trace.call_at(1, Call::mkdir, &path("d"), -17, 1000, 1500);
    trace.call_at(2, Call::mkdir, &path("d"), 0, 1100, 1600);
    let plan = trace.finish();
    assert_eq!(waits(&plan, 0), vec![1]);
    assert!(!has_notes(&plan), "{:?}", plan.notes);
}

#[test]
fn who_found_no_parent_precedes_its_making() {
    let mut trace = threads();
    trace.absent("/work/d");
    trace.call_at(1, Call::mkdir, &path("d"), 0, 1000, 1500);
    trace.call_at(2, Call::mkdir, &path("d/e"), -2, 1100, 1600);
    trace.call_at(2, Call::mkdir, &path("d/e"), 0, 1700, 1800);
    let plan = trace.finish();
    assert_eq!(waits(&plan, 0), vec![1]);
    assert_eq!(waits(&plan, 2), vec![0]);
    assert!(!has_notes(&plan), "{:?}", plan.notes);
}

#[test]
fn who_still_found_a_name_precedes_its_removal() {
    let mut trace = threads();
    trace.call_at(1, Call::unlink, &path("f"), 0, 1000, 1500);
    trace.call_at(2, Call::stat, &path("f"), 0, 1100, 1600);
    let plan = trace.finish();
    assert_eq!(waits(&plan, 0), vec![1]);
    assert!(!has_notes(&plan), "{:?}", plan.notes);
}

#[test]
fn calls_that_had_returned_are_never_passed() {
    let mut trace = threads();
    trace.absent("/work/d");
    // The outcome contradicts the order of time: something unseen made and removed names.
    trace.call_at(1, Call::mkdir, &path("d"), 0, 1000, 1500);
    trace.call_at(2, Call::stat, &path("d"), -2, 1600, 1700);
    let plan = trace.finish();
    assert_eq!(waits(&plan, 1), vec![0]);
}

#[test]
fn a_listing_during_which_names_were_made_may_have_any_length() {
    let mut trace = threads();
    trace.open(0, "/work", libc::O_DIRECTORY, 9);
    trace.call_at(1, Call::mkdir, &path("d"), 0, 2000, 2500);
    trace.on_fd(2, Call::getdents64, 9, 1000, 72);
    let plan = trace.finish();
    let after = super::builder::op(&plan, 2).check;
    assert_eq!(after, crate::plan::Check::Listing);

    let mut trace = threads();
    trace.open(0, "/work", libc::O_DIRECTORY, 9);
    let fd = [
        Arg::Number(ArgKind::Fd, 9),
        Arg::Number(ArgKind::Length, 1000),
    ];
    trace.call_at(2, Call::getdents64, &fd, 72, 2000, 2400);
    trace.call_at(1, Call::mkdir, &path("d"), 0, 2100, 2500);
    let plan = trace.finish();
    let during = super::builder::op(&plan, 1).check;
    assert_eq!(during, crate::plan::Check::Success);
}

#[test]
fn a_listing_goes_to_the_end_where_the_tool_was_told_that_it_is_there() {
    let mut trace = threads();
    trace.open(0, "/work", libc::O_DIRECTORY, 9);
    trace.on_fd(0, Call::getdents64, 9, 1000, 72);
    trace.on_fd(0, Call::getdents64, 9, 1000, 0);
    let plan = trace.finish();
    let ends = [1, 2].map(|event| match super::builder::op(&plan, event).action {
        crate::plan::Action::ListDirectory { to_end, .. } => to_end,
        ref other => panic!("no listing: {other:?}"),
    });
    assert_eq!(ends, [false, true]);
}

/// A call that returned first and the one overlapping it without which its outcome couldn't be.
struct Pair<'a> {
    says: &'a str,
    first: (Call, Vec<Arg<'a>>, i64),
    second: (Call, Vec<Arg<'a>>, i64),
}

fn opened(path: &str, flags: u32) -> Vec<Arg<'_>> {
    let flags = Arg::Number(ArgKind::Flags, flags.into());
    vec![Arg::Text(ArgKind::Path, path), flags]
}

#[test]
fn what_a_link_at_the_end_means_is_each_calls_own() {
    // `l` is a link to `t`, which isn't there.
    let linked = vec![
        Arg::Text(ArgKind::Path, "l"),
        Arg::Text(ArgKind::NewPath, "n"),
        Arg::Number(ArgKind::Flags, AT_SYMLINK_FOLLOW.into()),
    ];
    let pairs = [
        Pair {
            says: "listxattr follows, although its name begins as those that don't",
            first: (Call::mkdir, vec![Arg::Text(ArgKind::Path, "t")], 0),
            second: (Call::listxattr, vec![Arg::Text(ArgKind::Path, "l")], -2),
        },
        Pair {
            says: "an exclusive open makes the name itself: the link has to be gone",
            first: (Call::openat, opened("l", O_CREAT | O_EXCL), 5),
            second: (Call::unlink, vec![Arg::Text(ArgKind::Path, "l")], 0),
        },
        Pair {
            says: "linkat follows where it is told to",
            first: (Call::linkat, linked, 0),
            second: (Call::openat, opened("t", O_CREAT), 5),
        },
        Pair {
            says: "O_NOCTTY is the bit of AT_SYMLINK_NOFOLLOW, and not meant by it",
            first: (Call::openat, opened("l", O_NOCTTY), 5),
            second: (Call::mkdir, vec![Arg::Text(ArgKind::Path, "t")], 0),
        },
        Pair {
            says: "a watch looks names up, too",
            first: (
                Call::inotify_add_watch,
                vec![Arg::Text(ArgKind::Path, "l")],
                1,
            ),
            second: (Call::mkdir, vec![Arg::Text(ArgKind::Path, "t")], 0),
        },
    ];
    for Pair {
        says,
        first,
        second,
    } in pairs
    {
        let mut trace = threads();
        trace.symlink("/work/l", "t");
        trace.absent("/work/t");
        trace.absent("/work/n");
        trace.call_at(1, first.0, &first.1, first.2, 1000, 1500);
        trace.call_at(2, second.0, &second.1, second.2, 1100, 1600);
        assert_eq!(waits(&trace.finish(), 0), vec![1], "{says}");
    }
}

//! Calls that overlapped are put into an order that explains what they found.

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

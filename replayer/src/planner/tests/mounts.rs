//! What the tool mounts itself, and descriptors that are closed by exec.

use fsreplay_trace::abi::MS_BIND;
use fsreplay_trace::call::{ArgKind, Call};

use super::builder::{Arg, Trace, issued, op};
use crate::plan::Action;

fn mount(trace: &mut Trace, source: &str, place: &str, flags: u32) {
    let arguments = [
        Arg::Text(ArgKind::Target, source),
        Arg::Text(ArgKind::Path, place),
        Arg::Number(ArgKind::Flags, flags.into()),
    ];
    trace.call(0, Call::mount, &arguments, 0);
}

#[test]
fn below_a_mount_nothing_is_issued_until_it_is_taken_away() {
    let mut trace = Trace::new();
    trace.dir("/work/m");
    trace.file("/work/m/old", 3);
    mount(&mut trace, "none", "m", 0);
    trace.open(0, "m/new", libc::O_WRONLY | libc::O_CREAT, 3);
    trace.on_fd(0, Call::write, 3, 10, 10);
    trace.path(0, Call::umount2, "m", 0);
    trace.open(0, "m/old", libc::O_RDONLY, 4);
    let plan = trace.finish();
    assert_eq!(op(&plan, 1).action, Action::Nothing);
    assert_eq!(op(&plan, 2).action, Action::Nothing);
    assert!(issued(&plan, 4).1.ends_with("m/old"));
    let told = |(note, count): &(String, u64)| note.contains("doesn't mount") && *count == 1;
    assert!(plan.notes.iter().any(told), "{:?}", plan.notes);
}

#[test]
fn a_directory_bound_to_a_second_place_is_replayed_at_its_first() {
    let mut trace = Trace::new();
    trace.dir("/work/first");
    trace.dir("/work/second");
    mount(&mut trace, "first", "second", MS_BIND);
    trace.open(0, "second/new", libc::O_WRONLY | libc::O_CREAT, 3);
    trace.path(0, Call::umount2, "second", 0);
    trace.open(0, "first/new", libc::O_RDONLY, 4);
    let plan = trace.finish();
    assert!(issued(&plan, 1).1.ends_with("first/new"));
    assert!(issued(&plan, 3).1.ends_with("first/new"));
}

#[test]
fn closing_by_exec_is_asked_for_by_fcntl_and_not_noted() {
    const FIOCLEX: u64 = 0x5451;
    let mut trace = Trace::new();
    trace.file("/work/f", 3);
    trace.open(0, "f", libc::O_RDONLY, 3);
    let arguments = [
        Arg::Number(ArgKind::Fd, 3),
        Arg::Number(ArgKind::Command, FIOCLEX),
    ];
    trace.call(0, Call::ioctl, &arguments, 0);
    let plan = trace.finish();
    assert!(matches!(op(&plan, 1).action, Action::Fcntl { .. }));
    assert!(plan.notes.is_empty(), "{:?}", plan.notes);
}

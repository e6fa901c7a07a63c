//! What the tool mounts itself, and descriptors that are closed by exec.

use fsreplay_trace::abi::{CLONE_NEWNS, MOVE_MOUNT_T_EMPTY_PATH, MS_BIND, MS_MOVE};
use fsreplay_trace::call::{ArgKind, Call};

use super::builder::{AT_FDCWD, Arg, Trace, issued, op};
use crate::plan::Action;

fn mount(trace: &mut Trace, source: &str, place: &str, flags: u32) {
    mount_by(trace, 0, source, place, flags);
}

fn mount_by(trace: &mut Trace, task: u32, source: &str, place: &str, flags: u32) {
    let arguments = [
        Arg::Text(ArgKind::Target, source),
        Arg::Text(ArgKind::Path, place),
        Arg::Number(ArgKind::Flags, flags.into()),
    ];
    trace.call(task, Call::mount, &arguments, 0);
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
fn what_is_moved_is_below_its_new_place_only() {
    for moves_by_descriptor in [false, true] {
        let mut trace = Trace::new();
        trace.dir("/work/from");
        trace.dir("/work/to");
        trace.file("/work/from/old", 3);
        trace.file("/work/to/old", 3);
        mount(&mut trace, "none", "from", 0);
        if moves_by_descriptor {
            trace.open(0, "to", libc::O_PATH, 5);
            let arguments = [
                Arg::Text(ArgKind::Target, "/work/from"),
                Arg::Number(ArgKind::DirFd, 5),
                Arg::Text(ArgKind::Path, ""),
                Arg::Number(ArgKind::Flags, MOVE_MOUNT_T_EMPTY_PATH.into()),
            ];
            trace.call(0, Call::move_mount, &arguments, 0);
        } else {
            trace.path(0, Call::chdir, "from", 0);
            trace.path(0, Call::chdir, "/work", 0);
            mount(&mut trace, "from", "to", MS_MOVE);
        }
        let at = if moves_by_descriptor { 3 } else { 4 };
        trace.open(0, "from/old", libc::O_RDONLY, 3);
        trace.open(0, "to/new", libc::O_WRONLY | libc::O_CREAT, 4);
        trace.path(0, Call::umount2, "to", 0);
        trace.open(0, "to/old", libc::O_RDONLY, 6);
        let plan = trace.finish();
        assert!(issued(&plan, at).1.ends_with("from/old"));
        assert_eq!(op(&plan, at + 1).action, Action::Nothing);
        assert!(issued(&plan, at + 3).1.ends_with("to/old"));
    }
}

#[test]
fn what_was_mounted_nowhere_gets_a_place() {
    let mut trace = Trace::new();
    trace.dir("/work/m");
    let arguments = [
        Arg::Text(ArgKind::Target, ""),
        Arg::Number(ArgKind::DirFd, AT_FDCWD),
        Arg::Text(ArgKind::Path, "m"),
        // MOVE_MOUNT_F_EMPTY_PATH
        Arg::Number(ArgKind::Flags, 4),
    ];
    trace.call(0, Call::move_mount, &arguments, 0);
    trace.open(0, "m/new", libc::O_WRONLY | libc::O_CREAT, 3);
    let plan = trace.finish();
    assert_eq!(op(&plan, 1).action, Action::Nothing);
}

#[test]
fn each_namespace_has_the_mounts_of_its_own() {
    let mut trace = Trace::new();
    trace.dir("/work/m");
    trace.file("/work/m/old", 3);
    trace.task(1, Some(0), CLONE_NEWNS);
    trace.task(2, Some(0), 0);
    mount_by(&mut trace, 1, "none", "m", 0);
    trace.open(0, "m/old", libc::O_RDONLY, 3);
    trace.open(1, "m/new", libc::O_WRONLY | libc::O_CREAT, 3);
    // Another one, from here on as it is.
    let flags = [Arg::Number(ArgKind::Flags, CLONE_NEWNS)];
    trace.call(2, Call::unshare, &flags, 0);
    mount_by(&mut trace, 0, "none", "m", 0);
    trace.open(2, "m/old", libc::O_RDONLY, 3);
    trace.open(0, "m/new", libc::O_WRONLY | libc::O_CREAT, 4);
    trace.path(1, Call::umount2, "m", 0);
    trace.open(1, "m/old", libc::O_RDONLY, 4);
    trace.open(0, "m/newer", libc::O_WRONLY | libc::O_CREAT, 5);
    let plan = trace.finish();
    for (event, is_issued) in [
        (1, true),
        (2, false),
        (5, true),
        (6, false),
        (8, true),
        (9, false),
    ] {
        let is_nothing = op(&plan, event).action == Action::Nothing;
        assert_eq!(is_nothing, !is_issued, "{event}");
    }
}

#[test]
fn another_root_directory_is_told_and_no_mount_is_in_its_way() {
    let mut trace = Trace::new();
    trace.dir("/work/m");
    trace.file("/work/m/old", 3);
    mount(&mut trace, "none", "m", 0);
    let arguments = [
        Arg::Text(ArgKind::Path, "m"),
        Arg::Text(ArgKind::Target, "m"),
    ];
    trace.call(0, Call::pivot_root, &arguments, 0);
    trace.open(0, "m/old", libc::O_RDONLY, 3);
    let plan = trace.finish();
    assert!(issued(&plan, 2).1.ends_with("m/old"));
    assert!(
        plan.notes
            .iter()
            .any(|(note, _)| note.contains("pivot_root"))
    );
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
    // `fcntl` sets the flag of a descriptor that only names a file, `ioctl` doesn't.
    trace.open(0, "f", libc::O_PATH, 4);
    let of_name = [
        Arg::Number(ArgKind::Fd, 4),
        Arg::Number(ArgKind::Command, FIOCLEX),
    ];
    trace.call(0, Call::ioctl, &of_name, (-libc::EBADF).into());
    let plan = trace.finish();
    assert!(matches!(op(&plan, 1).action, Action::Fcntl { .. }));
    assert!(matches!(op(&plan, 3).action, Action::Ioctl { .. }));
    assert!(plan.notes.is_empty(), "{:?}", plan.notes);
}

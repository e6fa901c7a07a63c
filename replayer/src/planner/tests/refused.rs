//! Calls that were refused for what a trace doesn't hold, or the replay does otherwise.

use fsreplay_trace::call::{ArgKind, Call};

use super::builder::{AT_FDCWD, Arg, Trace, op};
use crate::plan::Action;

#[test]
fn what_would_go_well_in_the_replay_is_not_issued_and_told() {
    const RESOLVE_BENEATH: u64 = 8;
    const FLAGS: &str = "calls that were refused for flags";
    const KERNEL: &str = "calls that the recorded kernel did not have";
    const POINTER: &str = "calls refused for what stood behind a pointer";
    let between = [
        Arg::Number(ArgKind::FdIn, 3),
        Arg::Number(ArgKind::FdOut, 4),
        Arg::Number(ArgKind::Length, 1),
    ];
    let beneath = [
        Arg::Number(ArgKind::DirFd, AT_FDCWD),
        Arg::Text(ArgKind::Path, "/work/a"),
        Arg::Number(ArgKind::Mask, RESOLVE_BENEATH),
    ];
    let mapping = [
        Arg::Number(ArgKind::Fd, 3),
        Arg::Number(ArgKind::Length, 4096),
        Arg::Number(ArgKind::Prot, 1),
        // MAP_SHARED_VALIDATE, and a flag that no kernel knows.
        Arg::Number(ArgKind::Flags, 3 | 1 << 27),
    ];
    let long = [
        Arg::Text(ArgKind::Path, "a"),
        Arg::Number(ArgKind::Length, 1 << 30),
    ];
    let of_link = [
        Arg::Text(ArgKind::Path, "link"),
        Arg::Number(ArgKind::Length, 1),
    ];
    let linked = [
        Arg::Number(ArgKind::DirFd, AT_FDCWD),
        Arg::Text(ArgKind::Path, "a"),
        Arg::Number(ArgKind::NewDirFd, AT_FDCWD),
        Arg::Text(ArgKind::NewPath, "c"),
        Arg::Number(ArgKind::Flags, 1),
    ];
    let removed = [
        Arg::Number(ArgKind::DirFd, AT_FDCWD),
        Arg::Text(ArgKind::Path, "a"),
        Arg::Number(ArgKind::Flags, 9999),
    ];
    let made = [
        Arg::Number(ArgKind::DirFd, AT_FDCWD),
        Arg::Text(ArgKind::Path, "c"),
        Arg::Number(ArgKind::Mode, 0o170_000),
    ];
    let handle = [
        Arg::Number(ArgKind::DirFd, AT_FDCWD),
        Arg::Text(ArgKind::Path, "a"),
        Arg::Number(ArgKind::Flags, 0),
    ];
    let read = [Arg::Number(ArgKind::Fd, 3), Arg::Number(ArgKind::Length, 1)];
    for (call, arguments, errno, told) in [
        (Call::splice, &between[..], libc::EINVAL, "splices"),
        (Call::tee, &between[..], libc::EINVAL, "splices"),
        (Call::openat2, &beneath[..], libc::EXDEV, "openat2"),
        (Call::openat2, &beneath[..], libc::ENOSYS, KERNEL),
        (Call::copy_file_range, &between[..], libc::ENOSYS, KERNEL),
        (Call::mmap, &mapping[..], libc::EOPNOTSUPP, "mappings"),
        (Call::mmap, &mapping[..], libc::EEXIST, "mappings"),
        (Call::linkat, &linked[..], libc::EINVAL, FLAGS),
        (Call::unlinkat, &removed[..], libc::EINVAL, FLAGS),
        (
            Call::mknodat,
            &made[..],
            libc::EINVAL,
            "calls refused for leases",
        ),
        (Call::name_to_handle_at, &handle[..], libc::EINVAL, POINTER),
        (Call::sendfile, &between[..], libc::EINVAL, POINTER),
        (Call::read, &read[..], libc::EINVAL, POINTER),
        (
            Call::truncate,
            &long[..],
            libc::EFBIG,
            "calls that were refused for the size",
        ),
        (
            Call::llistxattr,
            &of_link[..],
            libc::ERANGE,
            "calls on attributes of links",
        ),
    ] {
        let mut trace = Trace::new();
        trace.file("/work/a", 3);
        trace.file("/work/b", 3);
        trace.symlink("/work/link", "a");
        trace.open(0, "a", libc::O_RDONLY, 3);
        trace.open(0, "b", libc::O_WRONLY, 4);
        trace.call(0, call, arguments, -i64::from(errno));
        let plan = trace.finish();
        assert_eq!(op(&plan, 2).action, Action::Nothing, "{told}");
        let is_told = plan.notes.iter().any(|(note, _)| note.starts_with(told));
        assert!(is_told, "{:?}", plan.notes);
    }
}

#[test]
fn an_attribute_that_a_device_was_refused_is_told() {
    for (mode, is_device) in [(libc::S_IFCHR, true), (libc::S_IFBLK, true), (0, false)] {
        let mut trace = Trace::new();
        let node = [
            Arg::Number(ArgKind::DirFd, AT_FDCWD),
            Arg::Text(ArgKind::Path, "node"),
            Arg::Number(ArgKind::Mode, u64::from(mode) | 0o644),
        ];
        trace.call(0, Call::mknodat, &node, 0);
        let set = [
            Arg::Text(ArgKind::Path, "node"),
            Arg::Text(ArgKind::Name, "user.a"),
        ];
        trace.call(0, Call::setxattr, &set, -i64::from(libc::EPERM));
        trace.open(0, "node", libc::O_RDONLY, 3);
        let by_descriptor = [
            Arg::Number(ArgKind::Fd, 3),
            Arg::Text(ArgKind::Name, "user.a"),
        ];
        trace.call(0, Call::fsetxattr, &by_descriptor, -i64::from(libc::EPERM));
        let plan = trace.finish();
        for event in [1, 3] {
            let is_issued = op(&plan, event).action != Action::Nothing;
            assert_eq!(is_issued, !is_device, "{mode:o} {event}");
        }
        let mut told = plan.notes.iter();
        assert_eq!(
            told.any(|(note, _)| note.contains("a device node")),
            is_device
        );
    }
}

#[test]
fn a_list_of_attributes_that_fitted_fits() {
    let mut trace = Trace::new();
    trace.file("/work/a", 3);
    let name = "security.ltptest";
    let set = [
        Arg::Text(ArgKind::Path, "a"),
        Arg::Text(ArgKind::Name, name),
        Arg::Number(ArgKind::Length, 4),
    ];
    trace.call(0, Call::setxattr, &set, 0);
    let recorded = name.len() as u64 + 1;
    for (length, result) in [(0, recorded as i64), (recorded, recorded as i64), (1, -34)] {
        let list = [
            Arg::Text(ArgKind::Path, "a"),
            Arg::Number(ArgKind::Length, length),
        ];
        trace.call(0, Call::listxattr, &list, result);
    }
    let plan = trace.finish();
    let length = |number| match op(&plan, number).action {
        Action::ListXattr { length, .. } => length,
        ref other => panic!("{other:?}"),
    };
    assert_eq!(length(1), 0);
    assert!(length(2) >= recorded + "user.fsreplay.".len() as u64);
    assert_eq!(length(3), 1);
}

//! Descriptors over fork, exec, dup and close.

use fsreplay_trace::call::{ArgKind, Call};
use fsreplay_trace::model::{FdState, FileKind, Record, StringId, TaskId};

use super::builder::{Arg, Trace, issued, op};
use crate::plan::{Action, Plan, Slot};

const CLONE_THREAD: u64 = 0x1_0f00;

fn actions(plan: &Plan, lane: usize) -> Vec<Action> {
    plan.ops_of(lane).map(|op| op.action).collect()
}

#[test]
fn what_is_taken_from_another_process_is_noted() {
    let mut trace = Trace::new();
    trace.dir("/work");
    trace.call(0, Call::pidfd_getfd, &[], 7);
    trace.on_fd(0, Call::read, 7, 10, 10);
    let plan = trace.finish();
    assert_eq!(plan.coverage.unresolved, 1);
    assert!(
        plan.notes
            .iter()
            .any(|(note, _)| note.contains("(pidfd_getfd)"))
    );
}

#[test]
fn a_descriptor_is_closed_as_often_as_it_was() {
    let mut trace = Trace::new();
    trace.file("/work/f", 10);
    trace.open(0, "f", 0, 3);
    trace.task(1, Some(0), 0);
    trace.on_fd(0, Call::close, 3, 0, 0);
    trace.on_fd(1, Call::read, 3, 10, 10);
    trace.on_fd(1, Call::close, 3, 0, 0);
    trace.exit(1);
    let plan = trace.finish();
    let parent = actions(&plan, 0);
    assert!(matches!(parent[1], Action::Dup { .. }), "{parent:?}");
    assert!(matches!(parent[2], Action::Close { .. }));
    let child = actions(&plan, 1);
    assert!(matches!(child[0], Action::Read { .. }));
    assert!(matches!(child[1], Action::Close { .. }));
    assert_ne!(parent[2], child[1]);
    assert_eq!(plan.coverage.unresolved, 0);
}

#[test]
fn a_program_start_closes_what_it_must_and_an_end_the_rest() {
    let mut trace = Trace::new();
    trace.file("/work/f", 10);
    trace.file("/work/prog", 10);
    trace.open(0, "f", libc::O_CLOEXEC, 3);
    trace.open(0, "f", 0, 4);
    trace.path(0, Call::execve, "/work/prog", 0);
    trace.on_fd(0, Call::read, 4, 10, 10);
    trace.exit(0);
    let plan = trace.finish();
    let all = actions(&plan, 0);
    assert!(matches!(all[2], Action::Exec { .. }));
    assert!(matches!(all[3], Action::Close { .. }));
    assert!(matches!(all[4], Action::Read { .. }));
    assert!(matches!(all[5], Action::Close { .. }));
    assert_eq!(plan.event(0, 3), None);
}

#[test]
fn numbers_given_out_again_before_their_close_returned() {
    let mut trace = Trace::new();
    trace.file("/work/a", 10);
    trace.file("/work/b", 10);
    trace.task(1, Some(0), CLONE_THREAD);
    trace.open(0, "a", 0, 5);
    let fd = [Arg::Number(ArgKind::Fd, 5)];
    let open = [Arg::Text(ArgKind::Path, "b")];
    trace.call_at(1, Call::openat, &open, 5, 1010, 1020);
    trace.call_at(0, Call::close, &fd, 0, 1000, 1030);
    trace.on_fd(1, Call::read, 5, 10, 10);
    let plan = trace.finish();
    let Action::Open { out: first, .. } = op(&plan, 0).action else {
        panic!("no open")
    };
    let Action::Open { out: second, .. } = op(&plan, 1).action else {
        panic!("no open")
    };
    assert_eq!(op(&plan, 2).action, Action::Close { fd: first });
    assert!(matches!(op(&plan, 3).action, Action::Read { fd, .. } if fd == second));
}

#[test]
fn dup2_replaces_in_one_call() {
    let mut trace = Trace::new();
    trace.file("/work/a", 10);
    trace.file("/work/b", 10);
    trace.open(0, "a", 0, 3);
    trace.open(0, "b", 0, 4);
    let args = [Arg::Number(ArgKind::Fd, 3), Arg::Number(ArgKind::NewFd, 4)];
    trace.call(0, Call::dup2, &args, 4);
    trace.on_fd(0, Call::close, 3, 0, 0);
    trace.on_fd(0, Call::read, 4, 10, 10);
    let plan = trace.finish();
    let Action::Open { out: b, .. } = op(&plan, 1).action else {
        panic!("no open")
    };
    assert!(matches!(op(&plan, 2).action, Action::Dup { out, .. } if out == b));
    assert!(matches!(op(&plan, 4).action, Action::Read { fd, .. } if fd == b));
}

#[test]
fn redirections_of_a_shell() {
    // fork; the child opens a file, puts it on 1 (which was the terminal) and runs a program.
    let mut trace = Trace::new();
    trace.fd(0, 1, "/dev/pts/0", FileKind::CharDevice, 0);
    trace.file("/work/prog", 10);
    trace.task(1, Some(0), 0);
    trace.open(1, "out", libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC, 3);
    let args = [Arg::Number(ArgKind::Fd, 3), Arg::Number(ArgKind::NewFd, 1)];
    trace.call(1, Call::dup2, &args, 1);
    trace.on_fd(1, Call::close, 3, 0, 0);
    trace.path(1, Call::execve, "/work/prog", 0);
    trace.on_fd(1, Call::write, 1, 5, 5);
    trace.exit(1);
    trace.on_fd(0, Call::write, 1, 5, 5);
    let plan = trace.finish();
    assert!(matches!(op(&plan, 4).action, Action::Write { .. }));
    assert_eq!(op(&plan, 5).action, Action::Nothing);
    assert_eq!(plan.coverage.unresolved, 0);
}

#[test]
fn inherited_files_are_open_before_the_start() {
    let mut trace = Trace::new();
    trace.fd(0, 1, "/tmp/log", FileKind::File, 77);
    trace.on_fd(0, Call::write, 1, 5, 5);
    let plan = trace.finish();
    assert_eq!(plan.initial_fds.len(), 2);
    assert_eq!(plan.initial_fds[1].offset, 77);
    assert_eq!(plan.bytes(plan.initial_fds[1].at.path), b"tmp/log");
    assert!(matches!(op(&plan, 0).action, Action::Write { .. }));
}

#[test]
fn inherited_descriptors_of_one_open_file_share_its_offset() {
    let mut trace = Trace::new();
    trace.fd(0, 1, "/tmp/log", FileKind::File, 77);
    trace.fd(0, 2, "/tmp/log", FileKind::File, 77);
    trace.fd(0, 5, "/tmp/log", FileKind::File, 70);
    trace.on_fd(0, Call::write, 1, 5, 5);
    trace.on_fd(0, Call::write, 2, 5, 5);
    trace.on_fd(0, Call::write, 5, 5, 5);
    trace.on_fd(0, Call::close, 1, 0, 0);
    trace.on_fd(0, Call::write, 2, 5, 5);
    let plan = trace.finish();
    let fd = |event| match op(&plan, event).action {
        Action::Write { fd, .. } => fd,
        other => panic!("{other:?}"),
    };
    assert_eq!(fd(0), fd(1));
    assert_ne!(fd(0), fd(2), "it stands elsewhere");
    assert_eq!(fd(4), fd(1), "and lives on");
    assert_eq!(plan.initial_fds.len(), 3);
}

/// In proportion to them: with each looked for among all before, this would take minutes.
#[test]
fn very_many_descriptors_from_outside_are_told_apart() {
    const MANY: u32 = 200_000;
    let mut trace = Trace::new();
    let target: StringId = trace.tables.add_string(b"/tmp/log");
    for number in 0..2 * MANY {
        trace.push(Record::FdState(FdState {
            task: TaskId(0),
            fd: 10 + number as i32,
            target,
            kind: FileKind::File,
            flags: 2,
            offset: u64::from(number / 2),
        }));
    }
    let plan = trace.finish();
    assert_eq!(plan.initial_fds.len(), MANY as usize + 1);
}

#[test]
fn a_descriptor_does_not_lead_further_than_a_kernel_says() {
    let inherited = |length: usize| {
        let mut trace = Trace::new();
        let path = format!("/tmp{}", "/a".repeat(length / 2));
        trace.fd(0, 1, &path, FileKind::File, 0);
        trace.finish().initial_fds.len()
    };
    assert_eq!(inherited(4000), 2);
    assert_eq!(inherited(5000), 1);
}

#[test]
fn a_program_behind_a_descriptor_that_only_names_it_is_started_by_name() {
    for (flags, expected) in [(libc::O_PATH, "work/prog"), (libc::O_RDONLY, "")] {
        let mut trace = Trace::new();
        trace.file("/work/prog", 10);
        trace.open(0, "prog", flags, 3);
        let args = [
            Arg::Number(ArgKind::DirFd, 3),
            Arg::Text(ArgKind::Path, ""),
            Arg::Number(ArgKind::Flags, libc::AT_EMPTY_PATH as u64),
        ];
        trace.call(0, Call::execveat, &args, 0);
        assert_eq!(issued(&trace.finish(), 1).1, expected);
    }
}

#[test]
fn bad_descriptors_stay_bad() {
    let mut trace = Trace::new();
    trace.on_fd(0, Call::close, 9, 0, -9);
    trace.on_fd(0, Call::read, 9, 1, -9);
    trace.on_fd(0, Call::read, 9, 1, 1);
    let plan = trace.finish();
    assert_eq!(op(&plan, 0).action, Action::Close { fd: Slot::BAD });
    assert_eq!(plan.coverage.unresolved, 1);
}

#[test]
fn working_directories_are_slots_of_their_own() {
    let mut trace = Trace::new();
    trace.dir("/work");
    trace.dir("/work/d");
    trace.file("/work/d/f", 1);
    trace.file("/work/g", 1);
    trace.task(1, Some(0), 0);
    trace.path(1, Call::chdir, "d", 0);
    trace.path(1, Call::stat, "f", 0);
    trace.path(0, Call::stat, "g", 0);
    trace.path(0, Call::chdir, "/proc", 0);
    trace.path(0, Call::stat, "self", 0);
    let plan = trace.finish();
    let Action::ChangeDir { out, .. } = op(&plan, 0).action else {
        panic!("no chdir")
    };
    assert_eq!(issued(&plan, 1), (out.0, "f".into()));
    assert_ne!(issued(&plan, 2).0, out.0);
    assert_eq!(plan.coverage.pseudo, 2);
}

#[test]
fn ranges_are_closed_one_by_one() {
    let mut trace = Trace::new();
    trace.file("/work/a", 10);
    for fd in 3..6 {
        trace.open(0, "a", 0, fd);
    }
    let args = [
        Arg::Number(ArgKind::Fd, 3),
        Arg::Number(ArgKind::NewFd, u64::from(u32::MAX)),
    ];
    trace.call(0, Call::close_range, &args, 0);
    trace.on_fd(0, Call::read, 4, 1, -9);
    let plan = trace.finish();
    let actions = actions(&plan, 0);
    let closes = actions.iter().filter(|a| matches!(a, Action::Close { .. }));
    assert_eq!(closes.count(), 3);
}

#[test]
fn maps_end_with_their_process() {
    let mut trace = Trace::new();
    trace.file("/work/a", 8192);
    trace.open(0, "a", 0, 3);
    let map = |address: i64| (address, Call::mmap);
    for (address, call) in [map(0x10000), map(0x20000)] {
        let args = [
            Arg::Number(ArgKind::Fd, 3),
            Arg::Number(ArgKind::Length, 8192),
            Arg::Number(ArgKind::Prot, 1),
            Arg::Number(ArgKind::Flags, 2),
        ];
        trace.call(0, call, &args, address);
    }
    let args = [
        Arg::Number(ArgKind::Address, 0x11000),
        Arg::Number(ArgKind::Length, 4096),
    ];
    trace.call(0, Call::munmap, &args, 0);
    trace.exit(0);
    let plan = trace.finish();
    assert_eq!(plan.maps, 2);
    let Action::Unmap { start, length, .. } = op(&plan, 3).action else {
        panic!("no munmap")
    };
    assert_eq!((start, length), (4096, 4096));
    let all = actions(&plan, 0);
    let unmaps = all.iter().filter(|a| matches!(a, Action::Unmap { .. }));
    assert_eq!(unmaps.count(), 3);
}

#[test]
fn a_file_of_holes_that_is_mapped_for_writing_takes_what_is_touched_of_it() {
    let mut trace = Trace::new();
    trace.dir("/work");
    trace.open(0, "big", libc::O_RDWR | libc::O_CREAT, 3);
    let size = 100 << 30;
    let args = [
        Arg::Number(ArgKind::Fd, 3),
        Arg::Number(ArgKind::Length, size),
    ];
    trace.call(0, Call::ftruncate, &args, 0);
    let [fd, length] = args;
    let (prot, flags) = (
        Arg::Number(ArgKind::Prot, 3),
        Arg::Number(ArgKind::Flags, 1),
    );
    trace.call(0, Call::mmap, &[fd, length, prot, flags], 0x10000);
    let plan = trace.finish();
    assert_eq!(plan.peak_bytes, crate::sys::TOUCHED_WRITTEN as u64);
}

#[test]
fn advice_that_acts_on_the_machine_is_not_issued() {
    const MADV_HWPOISON: u64 = 100;
    const MADV_SOFT_OFFLINE: u64 = 101;
    let mut trace = Trace::new();
    trace.file("/work/a", 8192);
    trace.open(0, "a", 2, 3);
    let args = [
        Arg::Number(ArgKind::Fd, 3),
        Arg::Number(ArgKind::Length, 8192),
        Arg::Number(ArgKind::Prot, 3),
        Arg::Number(ArgKind::Flags, 1),
    ];
    trace.call(0, Call::mmap, &args, 0x10000);
    let willneed = libc::MADV_WILLNEED as u64;
    for advice in [willneed, MADV_HWPOISON, MADV_SOFT_OFFLINE, 1 << 20] {
        let args = [
            Arg::Number(ArgKind::Address, 0x10000),
            Arg::Number(ArgKind::Length, 4096),
            Arg::Number(ArgKind::Flags, advice),
        ];
        trace.call(0, Call::madvise, &args, 0);
    }
    let plan = trace.finish();
    let all = actions(&plan, 0);
    let issued = all.iter().filter_map(|action| match action {
        Action::MapAdvise { advice, .. } => Some(*advice),
        _ => None,
    });
    assert_eq!(issued.collect::<Vec<_>>(), [libc::MADV_WILLNEED]);
    let note = ("madvise advice that is not issued".to_owned(), 3);
    assert!(plan.notes.contains(&note), "{:?}", plan.notes);
}

#[test]
fn copies_to_sockets_and_pipes_keep_their_file_side() {
    let mut trace = Trace::new();
    trace.file("/work/a", 8192);
    trace.open(0, "a", 0, 3);
    trace.call(0, Call::socket, &[], 4);
    let args = [
        Arg::Number(ArgKind::FdOut, 4),
        Arg::Number(ArgKind::FdIn, 3),
        Arg::Number(ArgKind::Length, 8192),
    ];
    trace.call(0, Call::sendfile, &args, 4096);
    let plan = trace.finish();
    assert!(matches!(
        op(&plan, 2).action,
        Action::SendFile {
            fd: Slot::NULL,
            length: 4096,
            ..
        }
    ));
}

#[test]
fn a_link_that_is_open_itself_is_not_followed_through_its_descriptor() {
    let mut trace = Trace::new();
    trace.file("/work/f", 10);
    trace.symlink("/work/l", "f");
    trace.open(0, "l", libc::O_PATH | libc::O_NOFOLLOW, 3);
    let mode = [
        Arg::Text(ArgKind::Path, "/proc/self/fd/3"),
        Arg::Number(ArgKind::Mode, 0),
    ];
    trace.call(0, Call::chmod, &mode, -i64::from(libc::EOPNOTSUPP));
    let plan = trace.finish();
    // By its name the mode of the file would change.
    let chmod = op(&plan, 1).action;
    assert!(matches!(chmod, Action::Nothing), "{chmod:?}");
    assert_eq!(plan.coverage.unresolved, 1);
}

#[test]
fn the_offset_minus_one_is_the_file_s_own_for_the_second_calls_only() {
    let mut trace = Trace::new();
    trace.file("/work/f", 10);
    trace.open(0, "f", libc::O_RDWR, 3);
    let args = [
        Arg::Number(ArgKind::Fd, 3),
        Arg::Number(ArgKind::Length, 10),
        Arg::Number(ArgKind::Offset, -1_i64 as u64),
    ];
    let refused = -i64::from(libc::EINVAL);
    trace.call(0, Call::pread64, &args, refused);
    trace.call(0, Call::pwrite64, &args, refused);
    trace.call(0, Call::preadv2, &args, 10);
    let plan = trace.finish();
    let offset = |event| match op(&plan, event).action {
        Action::PositionedRead { offset, .. } | Action::PositionedWrite { offset, .. } => offset,
        other => panic!("{other:?}"),
    };
    assert!(offset(1) < -1, "{}", offset(1));
    assert!(offset(2) < -1, "{}", offset(2));
    assert_eq!(offset(3), -1);
}

//! What holds for every row, and what rows say where calls differ.

use super::*;
use crate::abi::{
    AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, IN_DONT_FOLLOW, O_CREAT, O_EXCL, O_NOCTTY, O_PATH,
    OpenFlags, RENAME_EXCHANGE,
};

#[test]
fn every_row_stands_at_the_index_of_its_call() {
    for (index, row) in TABLE.iter().enumerate() {
        assert_eq!(row.call as usize, index, "{}", row.name);
        assert!(row.args.len() <= MAX_ARGS, "{}", row.name);
        assert_eq!(Call::from_name(row.name), Some(row.call));
    }
}

#[test]
fn no_row_keeps_the_same_kind_of_argument_twice() {
    for row in TABLE {
        for (index, (kind, _)) in row.args.iter().enumerate() {
            assert_eq!(row.position(*kind), Some(index), "{}", row.name);
        }
    }
}

/// Rows without a number on aarch64: they came before forms that do the same and more.
const BEFORE_AARCH64: &[Call] = &[
    Call::open,
    Call::creat,
    Call::dup2,
    Call::stat,
    Call::lstat,
    Call::access,
    Call::readlink,
    Call::getdents,
    Call::mkdir,
    Call::rmdir,
    Call::unlink,
    Call::rename,
    Call::link,
    Call::symlink,
    Call::mknod,
    Call::chmod,
    Call::chown,
    Call::lchown,
    Call::utime,
    Call::utimes,
    Call::futimesat,
    Call::inotify_init,
    Call::pipe,
    Call::eventfd,
    Call::epoll_create,
    Call::signalfd,
    Call::poll,
    Call::select,
    Call::epoll_wait,
];

#[test]
fn every_row_has_a_number_on_each_architecture_that_has_the_call() {
    /// Calls from here on have one number on all architectures.
    const COMMON_FROM: u32 = 424;
    for row in TABLE {
        let on = |architecture| row.call.number(architecture);
        let (x86_64, aarch64) = (on(Architecture::X86_64), on(Architecture::Aarch64));
        assert!(x86_64.is_some(), "{}", row.name);
        assert_eq!(
            aarch64.is_none(),
            BEFORE_AARCH64.contains(&row.call),
            "{} on aarch64",
            row.name
        );
        if x86_64.max(aarch64) >= Some(COMMON_FROM) {
            assert_eq!(x86_64, aarch64, "{}", row.name);
        }
    }
    for architecture in Architecture::ALL {
        let mut numbers: Vec<u32> = Call::all().filter_map(|c| c.number(architecture)).collect();
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(
            numbers.len(),
            all,
            "a number stands twice on {architecture:?}"
        );
    }
}

/// `#define __NR_name number` of a header of the kernel, also with `__NR3264_`.
fn define(line: &str) -> Option<(&str, u32)> {
    let marked = line.strip_prefix("#define __NR")?;
    let rest = marked.strip_prefix('_').or(marked.strip_prefix("3264_"))?;
    let (name, number) = rest.split_once(char::is_whitespace)?;
    Some((name, number.trim().parse().ok()?))
}

#[test]
fn numbers_are_those_of_the_kernels_headers() {
    // Names that 64-bit architectures have for what the header names as on 32-bit ones.
    let generic_name = |name: &str| match name {
        "newfstatat" => "fstatat".to_owned(),
        _ => name.to_owned(),
    };
    let headers = [
        (
            Architecture::X86_64,
            "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
        ),
        (Architecture::Aarch64, "/usr/include/asm-generic/unistd.h"),
    ];
    let mut checked = 0;
    for (architecture, path) in headers {
        let Ok(text) = std::fs::read_to_string(path) else {
            continue;
        };
        let known: std::collections::HashMap<&str, u32> = text.lines().filter_map(define).collect();
        for row in TABLE {
            let name = match architecture {
                Architecture::X86_64 => row.name.to_owned(),
                Architecture::Aarch64 => generic_name(row.name),
            };
            // Calls younger than the header aren't in it.
            let Some(number) = known.get(name.as_str()) else {
                continue;
            };
            assert_eq!(
                row.call.number(architecture),
                Some(*number),
                "{name} in {path}"
            );
            checked += 1;
        }
    }
    if checked == 0 {
        eprintln!("skipped: no headers of the kernel here (linux-libc-dev)");
        assert!(std::env::var_os("CI").is_none(), "CI has the headers");
    }
}

#[test]
fn a_row_says_what_becomes_of_a_link_exactly_if_it_has_a_path() {
    for row in TABLE {
        let has_path = row.position(ArgKind::Path).is_some();
        assert_eq!(row.last != LastRule::NoPath, has_path, "{}", row.name);
        let needs = match row.last {
            LastRule::UnlessDontFollow => ArgKind::Mask,
            LastRule::UnlessNoFollow | LastRule::ByOpenFlags if row.implied == 0 => ArgKind::Flags,
            LastRule::IfFollow => ArgKind::Flags,
            _ => continue,
        };
        assert!(row.position(needs).is_some(), "{} {needs:?}", row.name);
    }
}

#[test]
fn calls_of_one_operation_agree_on_what_they_do() {
    for row in TABLE {
        for other in TABLE.iter().filter(|other| other.op == row.op) {
            if row.op == Op::Unsupported {
                continue;
            }
            assert_eq!(
                (row.names, row.waits, row.changes),
                (other.names, other.waits, other.changes),
                "{} and {}",
                row.name,
                other.name
            );
        }
    }
}

/// Arguments of a call of which some are given.
fn args(call: Call, given: &[(ArgKind, u32)]) -> [u64; MAX_ARGS] {
    let mut args = [0; MAX_ARGS];
    for (kind, value) in given {
        args[call.row().position(*kind).expect("it has that")] = u64::from(*value);
    }
    args
}

fn with_flags(call: Call, flags: u32) -> [u64; MAX_ARGS] {
    args(call, &[(ArgKind::Flags, flags)])
}

#[test]
fn descriptors_that_a_program_start_closes_are_told_from_flags_of_any_kind() {
    use crate::abi::{MFD_CLOEXEC, O_CLOEXEC, PERF_FLAG_FD_CLOEXEC};
    let closes = |call: Call, flags| call.row().flags(&with_flags(call, flags)) & O_CLOEXEC != 0;
    for (call, flag) in [
        (Call::openat, O_CLOEXEC),
        (Call::dup3, O_CLOEXEC),
        (Call::socket, O_CLOEXEC),
        (Call::userfaultfd, O_CLOEXEC),
        (Call::memfd_create, MFD_CLOEXEC),
        (Call::perf_event_open, PERF_FLAG_FD_CLOEXEC),
    ] {
        assert!(closes(call, flag), "{call}");
        assert!(!closes(call, 2), "{call}");
    }
    // Always.
    for call in [Call::mq_open, Call::pidfd_open] {
        assert!(closes(call, 0), "{call}");
    }
    let call = Call::pidfd_getfd;
    assert!(call.row().flags(&args(call, &[])) & O_CLOEXEC != 0);
}

#[test]
fn what_becomes_of_a_link_at_the_end() {
    let arm = OpenFlags::of("aarch64");
    let x86 = OpenFlags::of("x86_64");
    let last = |call: Call, args: [u64; MAX_ARGS]| call.row().last(ArgKind::Path, &args, x86);
    let plain = |call| last(call, [0; MAX_ARGS]);
    let flags = |call, flags| last(call, with_flags(call, flags));
    use Last::{Followed, Kept, Named};
    for (call, wanted) in [
        (Call::stat, Followed),
        (Call::lstat, Kept),
        (Call::chown, Followed),
        (Call::lchown, Kept),
        (Call::listxattr, Followed),
        (Call::llistxattr, Kept),
        (Call::lsetxattr, Kept),
        (Call::link, Kept),
        (Call::creat, Followed),
        (Call::chdir, Followed),
        (Call::readlink, Kept),
        (Call::rmdir, Named),
        (Call::mknodat, Named),
        (Call::rename, Named),
    ] {
        assert_eq!(plain(call), wanted, "{call}");
    }
    for (call, bits, wanted) in [
        (Call::newfstatat, 0, Followed),
        (Call::newfstatat, AT_SYMLINK_NOFOLLOW, Kept),
        (Call::execveat, AT_SYMLINK_NOFOLLOW, Kept),
        (Call::linkat, 0, Kept),
        (Call::linkat, AT_SYMLINK_FOLLOW, Followed),
        (Call::name_to_handle_at, AT_SYMLINK_FOLLOW, Followed),
        (Call::openat, O_CREAT, Followed),
        (Call::openat, O_EXCL, Followed),
        (Call::openat, O_CREAT | O_EXCL, Kept),
        // Of an open of a path alone, neither counts.
        (Call::openat, O_CREAT | O_EXCL | O_PATH, Followed),
        // Its bit is that of AT_SYMLINK_NOFOLLOW.
        (Call::openat, O_NOCTTY, Followed),
        (Call::openat2, x86.no_follow, Kept),
        // On this architecture that bit is O_LARGEFILE's.
        (Call::openat, arm.no_follow, Followed),
        (Call::setxattr, 1, Followed),
    ] {
        assert_eq!(flags(call, bits), wanted, "{call} {bits:#o}");
    }
    let bits = with_flags(Call::openat, arm.no_follow);
    assert_eq!(Call::openat.row().last(ArgKind::Path, &bits, arm), Kept);
    let watch = args(Call::inotify_add_watch, &[(ArgKind::Mask, IN_DONT_FOLLOW)]);
    assert_eq!(last(Call::inotify_add_watch, watch), Kept);
    assert_eq!(plain(Call::inotify_add_watch), Followed);
}

#[test]
fn names_that_calls_make_and_remove() {
    let made = |call: Call, flags| {
        let args = match call.row().position(ArgKind::Flags) {
            Some(_) => with_flags(call, flags),
            None => [0; MAX_ARGS],
        };
        let made = call.row().made(&args).map(|m| (m.path, m.exclusive));
        (made, call.row().removed(&args))
    };
    let (path, new) = (ArgKind::Path, ArgKind::NewPath);
    for (call, flags, wanted) in [
        (Call::mkdirat, 0, (Some((path, true)), None)),
        (Call::symlink, 0, (Some((new, true)), None)),
        (Call::linkat, 0, (Some((new, true)), None)),
        (Call::creat, 0, (Some((path, false)), None)),
        (Call::openat, 0, (None, None)),
        (Call::openat, O_CREAT, (Some((path, false)), None)),
        (Call::openat, O_CREAT | O_EXCL, (Some((path, true)), None)),
        (Call::openat, O_CREAT | O_PATH, (None, None)),
        (Call::rmdir, 0, (None, Some(path))),
        (Call::rename, 0, (Some((new, false)), Some(path))),
        (Call::renameat2, RENAME_EXCHANGE, (None, None)),
        (Call::chmod, 0, (None, None)),
    ] {
        assert_eq!(made(call, flags), wanted, "{call} {flags:#o}");
    }
}

#[test]
fn descriptors_that_calls_return() {
    let returned = |call: Call, given: &[(ArgKind, u32)], result| {
        call.row().returned(&args(call, given), result)
    };
    assert_eq!(returned(Call::openat, &[], 7), [Some(7), None]);
    assert_eq!(
        returned(Call::dup2, &[(ArgKind::NewFd, 9)], 9),
        [Some(9), None]
    );
    let pair = [(ArgKind::OutFd0, 4), (ArgKind::OutFd1, 5)];
    assert_eq!(returned(Call::pipe2, &pair, 0), [Some(4), Some(5)]);
    assert_eq!(returned(Call::read, &[], 100), [None, None]);
    assert_eq!(
        returned(Call::fcntl, &[(ArgKind::Command, 1030)], 6),
        [Some(6), None]
    );
    assert_eq!(
        returned(Call::fcntl, &[(ArgKind::Command, 3)], 2),
        [None, None]
    );
}

#[test]
fn calls_that_wake_say_so_by_their_command() {
    const PRIVATE: u32 = 128;
    let wakes = |command: &u32| Call::futex.wakes(*command);
    let found: Vec<u32> = (0..16).filter(wakes).collect();
    assert_eq!(found, [1, 3, 4, 5, 7, 10, 12]);
    for command in 0..16 {
        let private = Call::futex.wakes(command | PRIVATE);
        assert_eq!(private, found.contains(&command), "{command}");
    }
    assert!(!Call::flock.wakes(1));
}

#[test]
fn what_concerns_no_file_or_only_looks_is_no_event() {
    let is_event = |call: Call, argument: u64| call.may_be_event(|_| argument);
    for (call, none, event) in [
        (Call::mmap, 0x22, 2),
        (Call::madvise, 8, 4),
        (Call::poll, 0, u64::MAX),
        (Call::epoll_wait, 1 << 32, 1),
        (Call::epoll_pwait, 0, 1),
    ] {
        assert!(!is_event(call, none), "{call}");
        assert!(is_event(call, event), "{call}");
    }
    assert!(is_event(Call::close, 0));
}

#[test]
fn no_argument_that_stands_before_a_kept_one_is_forgotten() {
    // Two registers hold one offset, and the flags are written in the second's place.
    let moved = |row: &&Row| matches!(row.call, Call::preadv2 | Call::pwritev2);
    let recorded = TABLE.iter().filter(|row| row.op != Op::Unsupported);
    let forgotten: Vec<String> = recorded
        .filter(|row| !moved(row))
        .flat_map(|row| {
            let kept: Vec<usize> = row.args.iter().map(|(_, at)| usize::from(*at)).collect();
            let unkept: Vec<usize> = row.unkept.iter().map(|(at, _)| usize::from(*at)).collect();
            let last = kept.iter().copied().max().unwrap_or(0);
            let of_row = (0..last).filter(move |at| !kept.contains(at) && !unkept.contains(at));
            of_row.map(|at| format!("{} of {}", at, row.name))
        })
        .collect();
    assert!(forgotten.is_empty(), "{forgotten:#?}");
}

#[test]
fn only_flags_that_are_kept_have_names() {
    for row in TABLE {
        let has_names = row.flag_names != FlagNames::Nothing;
        let keeps_them = row.position(ArgKind::Flags).is_some();
        assert!(keeps_them || !has_names, "{}", row.name);
    }
}

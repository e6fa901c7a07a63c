//! Arguments that a trace doesn't keep, and what stands in their place: as strace leaves out what
//! it was told not to print.

use fsreplay_trace::call::Call;

/// Bytes that were read or written (-s 0).
const BYTES: &str = "\"\"...";
/// A structure.
const STRUCTURE: &str = "{...}";
/// A list.
const LIST: &str = "[...]";
/// The environment of a program: readers look for a number of variables, which isn't known.
const ENVIRONMENT: &str = "[/* 0 vars */]";
/// A number that isn't known.
pub const NUMBER: &str = "?";

/// The arguments of a call that its row doesn't keep: register and what is written.
pub fn elided(call: Call) -> &'static [(usize, &'static str)] {
    use Call::*;
    match call {
        openat2 => &[(3, "24")],
        read | pread64 | write | pwrite64 => &[(1, BYTES)],
        stat | lstat | fstat | statfs | fstatfs => &[(1, STRUCTURE)],
        newfstatat => &[(2, STRUCTURE)],
        statx => &[(4, STRUCTURE)],
        readlink => &[(1, BYTES)],
        readlinkat => &[(2, BYTES)],
        getdents | getdents64 => &[(1, LIST)],
        getcwd => &[(0, BYTES)],
        setreuid => &[(0, "-1")],
        setresuid => &[(0, "-1"), (2, "-1")],
        bind => &[(0, NUMBER), (2, NUMBER)],
        getxattr | lgetxattr | fgetxattr | setxattr | lsetxattr | fsetxattr => &[(2, BYTES)],
        listxattr | llistxattr | flistxattr => &[(1, BYTES)],
        file_getattr => &[(2, STRUCTURE)],
        name_to_handle_at => &[(2, STRUCTURE), (3, LIST)],
        execve => &[(2, ENVIRONMENT)],
        execveat => &[(3, ENVIRONMENT)],
        socket => &[(2, NUMBER)],
        socketpair => &[(2, NUMBER)],
        accept => &[(1, STRUCTURE), (2, LIST)],
        accept4 => &[(1, STRUCTURE), (2, LIST)],
        recvmsg => &[(1, STRUCTURE)],
        eventfd | eventfd2 | epoll_create | timerfd_create | pidfd_open => &[(0, NUMBER)],
        signalfd => &[(1, LIST), (2, NUMBER)],
        signalfd4 => &[(1, LIST), (2, NUMBER)],
        memfd_create | mq_open => &[(0, BYTES)],
        perf_event_open => &[(0, STRUCTURE), (1, NUMBER), (2, NUMBER), (3, NUMBER)],
        pidfd_getfd => &[(0, NUMBER), (1, NUMBER), (2, NUMBER)],
        wait4 => &[(1, LIST), (3, "NULL")],
        waitid => &[(2, STRUCTURE), (4, "NULL")],
        futex => &[(2, NUMBER)],
        poll => &[(0, LIST), (1, NUMBER)],
        ppoll => &[(0, LIST), (1, NUMBER), (2, NUMBER), (3, NUMBER)],
        select | pselect6 => &[(0, NUMBER), (1, LIST), (2, LIST), (3, LIST), (4, NUMBER)],
        epoll_wait => &[(1, LIST), (2, NUMBER)],
        epoll_pwait => &[(1, LIST), (2, NUMBER), (4, NUMBER)],
        epoll_pwait2 => &[(1, LIST), (2, NUMBER), (3, NUMBER)],
        mount => &[(2, BYTES), (4, NUMBER)],
        move_mount => &[(0, NUMBER)],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use fsreplay_trace::call::{Op, Row, TABLE};

    use super::*;

    #[test]
    fn no_argument_that_stands_before_a_kept_one_is_forgotten() {
        // Two registers hold one offset, and the flags are written in the second's place.
        let moved = |row: &&Row| matches!(row.call, Call::preadv2 | Call::pwritev2);
        let recorded = TABLE.iter().filter(|row| row.op != Op::Unsupported);
        let forgotten: Vec<String> = recorded
            .filter(|row| !moved(row))
            .flat_map(|row| {
                let kept: Vec<usize> = row.args.iter().map(|(_, at)| usize::from(*at)).collect();
                let written: Vec<usize> = elided(row.call).iter().map(|(at, _)| *at).collect();
                let last = kept.iter().copied().max().unwrap_or(0);
                let of_row =
                    (0..last).filter(move |at| !kept.contains(at) && !written.contains(at));
                of_row.map(|at| format!("{} of {}", at, row.name))
            })
            .collect();
        assert!(forgotten.is_empty(), "{forgotten:#?}");
    }
}

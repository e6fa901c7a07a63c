//! Which calls the stub makes by itself.
//!
//! Calls that change nothing of the tree, and calls on descriptors whose file the recorder has
//! looked at before. All others go the traced way, which is what the stub does with a number that
//! stands for nothing here.

use crate::layout::event;

/// The traced way.
pub const TRACED: u8 = 0;
/// All that is recorded is in the registers.
pub const PLAIN: u8 = 1;
/// The first argument points to a path.
pub const PATH_FIRST: u8 = 2;
/// The second argument points to a path.
pub const PATH_SECOND: u8 = 3;
/// `open`: the second argument holds flags.
pub const OPEN: u8 = 4;
/// `openat`: the third argument holds flags.
pub const OPEN_AT: u8 = 5;
/// `fcntl`: only with the commands up to [`FCNTL_LAST`], and [`FCNTL_OTHER`].
pub const FCNTL: u8 = 6;

/// `ioctl`: only with the commands [`IOCTL_ASKED`] and [`IOCTL_COPIES`].
pub const IOCTL: u8 = 7;

/// The first argument points to a path, and the second to the name of an attribute.
pub const NAMED: u8 = 8;

/// `mmap`: only of files. The filter lets all other memory pass.
pub const MAP: u8 = 9;

/// `madvise`: only with the advice [`ADVICE_ASKED`].
pub const ADVICE: u8 = 10;

/// `readv`, `writev` and their kin: the second argument points to as many vectors (`struct iovec`)
/// as the third says, and at most [`VECTORS`].
pub const VECTOR: u8 = 11;

/// `futex`: only with the commands [`WAKES`], [`WAITS`] and [`WAITS_FOR`]. A wait is [`PLAIN`]. Of
/// a wake the event counts before the call is made, so that it stands before the returns of those
/// that it wakes, and it has no result.
pub const WAKE: u8 = 12;

/// `copy_file_range`: only from and to where its descriptors stand, which its second and fourth
/// arguments say that are no pointers then.
pub const COPY: u8 = 13;

/// `sendfile`: only from where its descriptor stands, and its third argument is no pointer then.
pub const SEND: u8 = 14;

/// A wait whose third argument says how long: only if that is not 0. A look without waiting is no
/// event, and passes the filter.
pub const UNLESS_THIRD_0: u8 = 15;
/// The same with the fourth argument.
pub const UNLESS_FOURTH_0: u8 = 16;

/// No class of a number: the recorder has seen that call at a stop, and the stub makes it.
pub const SEEN: u8 = 17;

/// No class of a number: such a call, before it was made, of a task that was taken out.
pub const DROPPED: u8 = 18;

/// `execve`: a path first, and the second argument points to arguments, of which the first is
/// copied as names are. One that succeeds doesn't return.
pub const EXEC: u8 = 19;

/// `lstat`: a path first, and the second argument points to what is found. The classes from here on
/// are asked for what was found.
pub const LSTAT: u8 = 20;
/// `newfstatat`: a path second; the third argument points to what is found, and the fourth holds
/// flags.
pub const STAT_AT: u8 = 21;

/// Numbers that a table of classes has: all others go the traced way.
pub const NUMBERS: usize = 512;

/// The class of each call that is not traced always. An architecture may have more of its own.
pub const CLASSES: &[(i64, u8)] = &[
    (libc::SYS_read, PLAIN),
    (libc::SYS_write, PLAIN),
    (libc::SYS_close, PLAIN),
    (libc::SYS_fstat, PLAIN),
    (libc::SYS_lseek, PLAIN),
    (libc::SYS_pread64, PLAIN),
    (libc::SYS_pwrite64, PLAIN),
    (libc::SYS_getdents64, PLAIN),
    (libc::SYS_getcwd, PLAIN),
    (libc::SYS_fadvise64, PLAIN),
    (libc::SYS_fstatfs, PLAIN),
    (libc::SYS_dup, PLAIN),
    (libc::SYS_fsync, PLAIN),
    (libc::SYS_fdatasync, PLAIN),
    (libc::SYS_readv, VECTOR),
    (libc::SYS_writev, VECTOR),
    (libc::SYS_preadv, VECTOR),
    (libc::SYS_pwritev, VECTOR),
    (libc::SYS_preadv2, VECTOR),
    (libc::SYS_pwritev2, VECTOR),
    (libc::SYS_copy_file_range, COPY),
    (libc::SYS_sendfile, SEND),
    (libc::SYS_statfs, PATH_FIRST),
    (libc::SYS_listxattr, PATH_FIRST),
    (libc::SYS_llistxattr, PATH_FIRST),
    (libc::SYS_getxattr, NAMED),
    (libc::SYS_lgetxattr, NAMED),
    (libc::SYS_newfstatat, STAT_AT),
    (libc::SYS_statx, PATH_SECOND),
    (libc::SYS_faccessat, PATH_SECOND),
    (libc::SYS_faccessat2, PATH_SECOND),
    (libc::SYS_readlinkat, PATH_SECOND),
    (libc::SYS_openat, OPEN_AT),
    (libc::SYS_fcntl, FCNTL),
    (libc::SYS_ioctl, IOCTL),
    (libc::SYS_mmap, MAP),
    (libc::SYS_munmap, PLAIN),
    (libc::SYS_madvise, ADVICE),
    (libc::SYS_futex, WAKE),
    (libc::SYS_ppoll, PLAIN),
    (libc::SYS_pselect6, PLAIN),
    (libc::SYS_epoll_pwait, UNLESS_FOURTH_0),
    (libc::SYS_epoll_pwait2, PLAIN),
    (libc::SYS_wait4, PLAIN),
    (libc::SYS_waitid, PLAIN),
];

/// Whether a call of that number, with that result, may have found the end of a task, which has to
/// be told before.
pub fn may_tell_of_end(number: u64, result: i64) -> bool {
    match number.cast_signed() {
        libc::SYS_wait4 => result > 0,
        libc::SYS_waitid => result == 0,
        _ => false,
    }
}

/// Bytes of a vector: its address and its length.
pub const VECTOR_SIZE: u64 = 16;
/// As many vectors as an event has room for, where others have a path.
pub const VECTORS: u64 = event::PATH_MAX / VECTOR_SIZE;

/// Flags of `open` that send it the traced way: it may make or empty a file; and a file that is
/// opened for writing is looked at before anything is written.
pub const OPEN_TRACED: u32 = (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | TMPFILE) as u32;
/// `__O_TMPFILE`, without `O_DIRECTORY`, which is part of `O_TMPFILE`.
const TMPFILE: i32 = 0o20_000_000;

/// `F_SETFL`. Up to here: `F_DUPFD`, `F_GETFD`, `F_SETFD`, `F_GETFL`, `F_SETFL`.
pub const FCNTL_LAST: u32 = libc::F_SETFL as u32;

/// `F_DUPFD_CLOEXEC`.
pub const FCNTL_OTHER: u32 = libc::F_DUPFD_CLOEXEC as u32;

/// `TCGETS`: whether it is a terminal, which languages ask of each file that they open.
pub const IOCTL_ASKED: u32 = libc::TCGETS as u32;

/// `FICLONE`: a copy that shares blocks, which `cp` and libraries try first.
pub const IOCTL_COPIES: u32 = libc::FICLONE as u32;

/// `MADV_DONTNEED`: memory that is given back, of which allocators have much.
pub const ADVICE_ASKED: u32 = libc::MADV_DONTNEED as u32;

/// `FUTEX_WAKE`.
pub const WAKES: u32 = libc::FUTEX_WAKE as u32;
/// `FUTEX_WAIT`, which is 0.
pub const WAITS: u32 = libc::FUTEX_WAIT as u32;
/// `FUTEX_WAIT_BITSET`.
pub const WAITS_FOR: u32 = libc::FUTEX_WAIT_BITSET as u32;
const _: () = assert!(WAITS == 0);
/// What is a command of `futex`, without its flags (`FUTEX_PRIVATE_FLAG`, `FUTEX_CLOCK_REALTIME`).
pub const FUTEX_COMMAND: u32 = libc::FUTEX_CMD_MASK as u32;

/// Whether the stub makes a call of that class with these arguments, which it may have to see first
/// if its path is long.
pub fn is_made_at_once(class: u8, arguments: &[u64; 6]) -> bool {
    let argument = |index: usize| arguments[index] as u32;
    match class {
        TRACED => false,
        OPEN => argument(1) & OPEN_TRACED == 0,
        OPEN_AT => argument(2) & OPEN_TRACED == 0,
        FCNTL => argument(1) <= FCNTL_LAST || argument(1) == FCNTL_OTHER,
        IOCTL => [IOCTL_ASKED, IOCTL_COPIES].contains(&argument(1)),
        MAP => argument(3) & libc::MAP_ANONYMOUS as u32 == 0,
        ADVICE => argument(2) == ADVICE_ASKED,
        VECTOR => arguments[2] <= VECTORS,
        WAKE => [WAKES, WAITS, WAITS_FOR].contains(&(argument(1) & FUTEX_COMMAND)),
        UNLESS_THIRD_0 => argument(2) != 0,
        UNLESS_FOURTH_0 => argument(3) != 0,
        COPY => arguments[1] == 0 && arguments[3] == 0,
        SEND => arguments[2] == 0,
        _ => true,
    }
}

/// Which argument of a class points to a path.
pub fn path_argument(class: u8) -> Option<usize> {
    match class {
        PATH_FIRST | OPEN | NAMED | EXEC | LSTAT => Some(0),
        PATH_SECOND | OPEN_AT | STAT_AT => Some(1),
        _ => None,
    }
}

//! Which calls of aarch64 the stub makes, by their numbers.

use crate::class;

/// Numbers that a table of classes has: all others go the traced way.
pub const NUMBERS: usize = 512;

/// The class of each call that is not traced always.
pub const CLASSES: &[(i64, u8)] = &[
    (libc::SYS_read, class::PLAIN),
    (libc::SYS_write, class::PLAIN),
    (libc::SYS_close, class::PLAIN),
    (libc::SYS_fstat, class::PLAIN),
    (libc::SYS_lseek, class::PLAIN),
    (libc::SYS_pread64, class::PLAIN),
    (libc::SYS_pwrite64, class::PLAIN),
    (libc::SYS_getdents64, class::PLAIN),
    (libc::SYS_getcwd, class::PLAIN),
    (libc::SYS_fadvise64, class::PLAIN),
    (libc::SYS_fstatfs, class::PLAIN),
    (libc::SYS_dup, class::PLAIN),
    (libc::SYS_fsync, class::PLAIN),
    (libc::SYS_fdatasync, class::PLAIN),
    (libc::SYS_readv, class::VECTOR),
    (libc::SYS_writev, class::VECTOR),
    (libc::SYS_preadv, class::VECTOR),
    (libc::SYS_pwritev, class::VECTOR),
    (libc::SYS_preadv2, class::VECTOR),
    (libc::SYS_pwritev2, class::VECTOR),
    (libc::SYS_statfs, class::PATH_FIRST),
    (libc::SYS_listxattr, class::PATH_FIRST),
    (libc::SYS_llistxattr, class::PATH_FIRST),
    (libc::SYS_getxattr, class::NAMED),
    (libc::SYS_lgetxattr, class::NAMED),
    (libc::SYS_newfstatat, class::STAT_AT),
    (libc::SYS_statx, class::PATH_SECOND),
    (libc::SYS_faccessat, class::PATH_SECOND),
    (libc::SYS_faccessat2, class::PATH_SECOND),
    (libc::SYS_readlinkat, class::PATH_SECOND),
    (libc::SYS_openat, class::OPEN_AT),
    (libc::SYS_fcntl, class::FCNTL),
    (libc::SYS_ioctl, class::IOCTL),
    (libc::SYS_mmap, class::MAP),
    (libc::SYS_munmap, class::PLAIN),
    (libc::SYS_madvise, class::ADVICE),
    (libc::SYS_futex, class::WAKE),
];

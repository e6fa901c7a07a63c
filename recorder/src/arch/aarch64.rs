//! aarch64: numbers of the calls and the layout of registers.
//!
//! The calls that came before the `*at` forms don't exist here.

use super::Words;

/// `AUDIT_ARCH_AARCH64`.
pub const AUDIT_ARCH: u32 = 0xc000_00b7;

/// No range of numbers belongs to another ABI.
pub const FOREIGN_FROM: Option<u32> = None;

/// What calls of another architecture in the same process are called in the footer.
pub const FOREIGN_NAME: &str = "32-bit ARM calls";

/// `vfork` is a form of `clone` here.
pub const VFORK: i64 = -1;

/// Words of `NT_PRSTATUS` (`struct user_pt_regs`).
pub const REGISTER_WORDS: usize = 34;

/// The word of a call's first argument (`x0`).
pub const FIRST_ARGUMENT: usize = 0;

/// The word of a call's result (`x0`).
pub const RESULT: usize = 0;

/// The call that a task is in and its first two arguments, from its registers (`x8`, `x0`, `x1`).
pub fn call_in_progress(registers: &Words) -> (u64, [u64; 2]) {
    (registers[8], [registers[0], registers[1]])
}

super::numbers! {
    named {
        openat SYS_openat, openat2 SYS_openat2, close SYS_close, close_range SYS_close_range,
        dup SYS_dup, dup3 SYS_dup3, fcntl SYS_fcntl, flock SYS_flock, ioctl SYS_ioctl,
        read SYS_read, readv SYS_readv, pread64 SYS_pread64, preadv SYS_preadv,
        preadv2 SYS_preadv2, write SYS_write, writev SYS_writev, pwrite64 SYS_pwrite64,
        pwritev SYS_pwritev, pwritev2 SYS_pwritev2, lseek SYS_lseek, newfstatat SYS_newfstatat,
        statx SYS_statx, fstat SYS_fstat, faccessat SYS_faccessat, faccessat2 SYS_faccessat2,
        readlinkat SYS_readlinkat, getdents64 SYS_getdents64, statfs SYS_statfs,
        fstatfs SYS_fstatfs, getcwd SYS_getcwd, chdir SYS_chdir, fchdir SYS_fchdir,
        chroot SYS_chroot, umask SYS_umask, mkdirat SYS_mkdirat, unlinkat SYS_unlinkat,
        renameat2 SYS_renameat2, linkat SYS_linkat, symlinkat SYS_symlinkat, mknodat SYS_mknodat,
        fchmodat SYS_fchmodat, fchmod SYS_fchmod, fchownat SYS_fchownat, fchown SYS_fchown,
        utimensat SYS_utimensat, truncate SYS_truncate, ftruncate SYS_ftruncate,
        fallocate SYS_fallocate, fsync SYS_fsync, fdatasync SYS_fdatasync, syncfs SYS_syncfs,
        sync SYS_sync, getxattr SYS_getxattr, lgetxattr SYS_lgetxattr, fgetxattr SYS_fgetxattr,
        setxattr SYS_setxattr, lsetxattr SYS_lsetxattr, fsetxattr SYS_fsetxattr,
        listxattr SYS_listxattr, llistxattr SYS_llistxattr, flistxattr SYS_flistxattr,
        removexattr SYS_removexattr, lremovexattr SYS_lremovexattr,
        fremovexattr SYS_fremovexattr, copy_file_range SYS_copy_file_range,
        sendfile SYS_sendfile, splice SYS_splice, tee SYS_tee, mmap SYS_mmap, munmap SYS_munmap,
        mremap SYS_mremap, msync SYS_msync, madvise SYS_madvise, fadvise64 SYS_fadvise64,
        readahead SYS_readahead, inotify_init1 SYS_inotify_init1,
        inotify_add_watch SYS_inotify_add_watch, inotify_rm_watch SYS_inotify_rm_watch,
        name_to_handle_at SYS_name_to_handle_at, execve SYS_execve, execveat SYS_execveat,
        pipe2 SYS_pipe2, socket SYS_socket, socketpair SYS_socketpair, accept SYS_accept,
        accept4 SYS_accept4, recvmsg SYS_recvmsg, eventfd2 SYS_eventfd2,
        epoll_create1 SYS_epoll_create1, timerfd_create SYS_timerfd_create,
        signalfd4 SYS_signalfd4, memfd_create SYS_memfd_create, pidfd_open SYS_pidfd_open,
        userfaultfd SYS_userfaultfd, perf_event_open SYS_perf_event_open,
        pidfd_getfd SYS_pidfd_getfd, unshare SYS_unshare, wait4 SYS_wait4, waitid SYS_waitid, futex SYS_futex,
        ppoll SYS_ppoll, pselect6 SYS_pselect6, epoll_pwait SYS_epoll_pwait, epoll_pwait2 SYS_epoll_pwait2,
        io_uring_setup SYS_io_uring_setup, io_uring_enter SYS_io_uring_enter,
        io_submit SYS_io_submit, open_by_handle_at SYS_open_by_handle_at,
        open_tree SYS_open_tree, fsopen SYS_fsopen, fsmount SYS_fsmount, fspick SYS_fspick,
        move_mount SYS_move_mount, mount_setattr SYS_mount_setattr, mount SYS_mount,
        umount2 SYS_umount2, pivot_root SYS_pivot_root, setns SYS_setns, swapon SYS_swapon,
        swapoff SYS_swapoff, quotactl SYS_quotactl, quotactl_fd SYS_quotactl_fd,
        fanotify_init SYS_fanotify_init, fanotify_mark SYS_fanotify_mark, vmsplice SYS_vmsplice,
        recvmmsg SYS_recvmmsg, acct SYS_acct, lookup_dcookie SYS_lookup_dcookie,
        remap_file_pages SYS_remap_file_pages, bpf SYS_bpf, bind SYS_bind,
    }
    // libc does not name these on every C library, or not yet.
    literal {
        renameat = 38,
        sync_file_range = 84,
        cachestat = 451,
        fchmodat2 = 452,
        statmount = 457,
        listmount = 458,
        setxattrat = 463,
        getxattrat = 464,
        listxattrat = 465,
        removexattrat = 466,
        file_getattr = 468,
        file_setattr = 469,
    }
}

//! x86_64: numbers of the calls and the layout of registers.

use super::Words;

/// `AUDIT_ARCH_X86_64`.
pub const AUDIT_ARCH: u32 = 0xc000_003e;

/// Numbers from here on are x32 calls, which have the same audit architecture.
pub const FOREIGN_FROM: Option<u32> = Some(0x4000_0000);

/// What calls of another architecture in the same process are called in the footer.
pub const FOREIGN_NAME: &str = "i386 calls";

/// `vfork`.
pub const VFORK: i64 = libc::SYS_vfork;

/// Words of `NT_PRSTATUS` (`struct user_regs_struct`).
pub const REGISTER_WORDS: usize = 27;

/// The word of a call's first argument (`rdi`).
pub const FIRST_ARGUMENT: usize = 14;

/// The word of a call's result (`rax`).
pub const RESULT: usize = 10;

/// The call that a task is in and its first two arguments, from its registers (`orig_rax`, `rdi`, `rsi`).
pub fn call_in_progress(registers: &Words) -> (u64, [u64; 2]) {
    (registers[15], [registers[14], registers[13]])
}

super::numbers! {
    named {
        open SYS_open, openat SYS_openat, openat2 SYS_openat2, creat SYS_creat, close SYS_close,
        close_range SYS_close_range, dup SYS_dup, dup2 SYS_dup2, dup3 SYS_dup3, fcntl SYS_fcntl,
        flock SYS_flock, ioctl SYS_ioctl, read SYS_read, readv SYS_readv, pread64 SYS_pread64,
        preadv SYS_preadv, preadv2 SYS_preadv2, write SYS_write, writev SYS_writev,
        pwrite64 SYS_pwrite64, pwritev SYS_pwritev, pwritev2 SYS_pwritev2, lseek SYS_lseek,
        stat SYS_stat, lstat SYS_lstat, newfstatat SYS_newfstatat, statx SYS_statx,
        fstat SYS_fstat, access SYS_access, faccessat SYS_faccessat, faccessat2 SYS_faccessat2,
        readlink SYS_readlink, readlinkat SYS_readlinkat, getdents SYS_getdents,
        getdents64 SYS_getdents64, statfs SYS_statfs, fstatfs SYS_fstatfs, getcwd SYS_getcwd,
        chdir SYS_chdir, fchdir SYS_fchdir, chroot SYS_chroot, umask SYS_umask, mkdir SYS_mkdir,
        mkdirat SYS_mkdirat, rmdir SYS_rmdir, unlink SYS_unlink, unlinkat SYS_unlinkat,
        rename SYS_rename, renameat SYS_renameat, renameat2 SYS_renameat2, link SYS_link,
        linkat SYS_linkat, symlink SYS_symlink, symlinkat SYS_symlinkat, mknod SYS_mknod,
        mknodat SYS_mknodat, chmod SYS_chmod, fchmodat SYS_fchmodat, fchmod SYS_fchmod,
        chown SYS_chown, lchown SYS_lchown, fchownat SYS_fchownat, fchown SYS_fchown,
        utime SYS_utime, utimes SYS_utimes, futimesat SYS_futimesat, utimensat SYS_utimensat,
        truncate SYS_truncate, ftruncate SYS_ftruncate, fallocate SYS_fallocate, fsync SYS_fsync,
        fdatasync SYS_fdatasync, syncfs SYS_syncfs, sync_file_range SYS_sync_file_range,
        sync SYS_sync, getxattr SYS_getxattr, lgetxattr SYS_lgetxattr, fgetxattr SYS_fgetxattr,
        setxattr SYS_setxattr, lsetxattr SYS_lsetxattr, fsetxattr SYS_fsetxattr,
        listxattr SYS_listxattr, llistxattr SYS_llistxattr, flistxattr SYS_flistxattr,
        removexattr SYS_removexattr, lremovexattr SYS_lremovexattr,
        fremovexattr SYS_fremovexattr, copy_file_range SYS_copy_file_range,
        sendfile SYS_sendfile, splice SYS_splice, tee SYS_tee, mmap SYS_mmap, munmap SYS_munmap,
        mremap SYS_mremap, msync SYS_msync, madvise SYS_madvise, fadvise64 SYS_fadvise64,
        readahead SYS_readahead, inotify_init SYS_inotify_init, inotify_init1 SYS_inotify_init1,
        inotify_add_watch SYS_inotify_add_watch, inotify_rm_watch SYS_inotify_rm_watch,
        name_to_handle_at SYS_name_to_handle_at, execve SYS_execve, execveat SYS_execveat,
        pipe SYS_pipe, pipe2 SYS_pipe2, socket SYS_socket, socketpair SYS_socketpair,
        accept SYS_accept, accept4 SYS_accept4, recvmsg SYS_recvmsg, eventfd SYS_eventfd,
        eventfd2 SYS_eventfd2, epoll_create SYS_epoll_create, epoll_create1 SYS_epoll_create1,
        timerfd_create SYS_timerfd_create, signalfd SYS_signalfd, signalfd4 SYS_signalfd4,
        memfd_create SYS_memfd_create, pidfd_open SYS_pidfd_open, userfaultfd SYS_userfaultfd,
        perf_event_open SYS_perf_event_open, pidfd_getfd SYS_pidfd_getfd, unshare SYS_unshare,
        wait4 SYS_wait4, waitid SYS_waitid, futex SYS_futex, poll SYS_poll, ppoll SYS_ppoll,
        select SYS_select, pselect6 SYS_pselect6, epoll_wait SYS_epoll_wait, epoll_pwait SYS_epoll_pwait,
        epoll_pwait2 SYS_epoll_pwait2, io_uring_setup SYS_io_uring_setup,
        io_uring_enter SYS_io_uring_enter, io_submit SYS_io_submit,
        open_by_handle_at SYS_open_by_handle_at, open_tree SYS_open_tree, fsopen SYS_fsopen,
        fsmount SYS_fsmount, fspick SYS_fspick, move_mount SYS_move_mount,
        mount_setattr SYS_mount_setattr, mount SYS_mount, umount2 SYS_umount2,
        pivot_root SYS_pivot_root, setns SYS_setns, swapon SYS_swapon, swapoff SYS_swapoff,
        quotactl SYS_quotactl, quotactl_fd SYS_quotactl_fd, fanotify_init SYS_fanotify_init,
        fanotify_mark SYS_fanotify_mark, vmsplice SYS_vmsplice, recvmmsg SYS_recvmmsg,
        acct SYS_acct, lookup_dcookie SYS_lookup_dcookie, remap_file_pages SYS_remap_file_pages,
        bpf SYS_bpf, bind SYS_bind,
    }
    // libc does not name these yet.
    literal {
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

//! The declarative table of system calls.
//!
//! One row per call: its name (verbatim), the operation of the model that it performs, the
//! arguments that a trace keeps, and the kind of its result. The table serves the seccomp
//! filter, the decoder, importers, `dump`, and the documentation. System call *numbers* differ by
//! architecture and stand in the recorder's `arch` modules.

use serde::Serialize;

/// The largest number of arguments that a call keeps in a trace.
pub const MAX_ARGS: usize = 6;

/// The value of an optional argument that was not given (a NULL pointer, for instance).
pub const NONE: u64 = u64::MAX;

/// What an argument of a recorded call means.
///
/// Where an argument is behind a pointer (a path, an `iovec`, a `timespec`), the trace keeps
/// what it pointed to, not the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ArgKind {
    /// A directory file descriptor that a following [`ArgKind::Path`] is relative to, or `AT_FDCWD`.
    DirFd,
    /// A path, verbatim: a string id ([`NONE`] for a NULL pointer).
    Path,
    /// The second directory file descriptor of `renameat`, `linkat`.
    NewDirFd,
    /// The second path of `rename`, `link`; the path of the link that `symlink` makes.
    NewPath,
    /// The text of a symbolic link: a string id.
    Target,
    /// The name of an extended attribute: a string id.
    Name,
    /// The arguments of `execve`, joined by NUL: a string id. Only the first, unless the recording
    /// was asked to keep all.
    Argv,
    /// The file descriptor that the call works on.
    Fd,
    /// The descriptor number asked for (`dup2`, `dup3`).
    NewFd,
    /// The source of a copy.
    FdIn,
    /// The destination of a copy.
    FdOut,
    /// The first descriptor that the call returned through memory (`pipe`, `socketpair`).
    OutFd0,
    /// The second descriptor that the call returned through memory.
    OutFd1,
    /// Flags of the call: `O_*`, `AT_*`, `RENAME_*`, `MAP_*` and so on, verbatim.
    Flags,
    /// File mode bits. For `setxattr`, those that a POSIX ACL without named entries stands for, [`NONE`] for other values.
    Mode,
    /// Device number.
    Dev,
    /// User id.
    Uid,
    /// Group id.
    Gid,
    /// Bytes asked for (the sum over an `iovec`), or the new size of a file.
    Length,
    /// Number of `iovec` elements.
    Count,
    /// File offset in bytes ([`NONE`] where a NULL pointer asks for the descriptor's own offset).
    Offset,
    /// Source offset of a copy, as [`ArgKind::Offset`].
    OffsetIn,
    /// Destination offset of a copy, as [`ArgKind::Offset`].
    OffsetOut,
    /// `SEEK_*`, or `l_whence` of a lock.
    Whence,
    /// The command of `fcntl`, `ioctl`, `flock`, `futex`.
    Command,
    /// The argument of a command, where it is a number; `l_type` for locks; the milliseconds that `poll` waits at most.
    Argument,
    /// `RESOLVE_*` of `openat2`; the mask of `statx` and `inotify_add_watch`.
    Mask,
    /// Access time to be set: nanoseconds since the epoch, `UTIME_NOW`/`UTIME_OMIT` as in
    /// `utimensat(2)`'s `tv_nsec`, or [`NONE`] for a NULL pointer ("now").
    Atime,
    /// Modification time to be set, as [`ArgKind::Atime`].
    Mtime,
    /// Start of a byte-range lock.
    LockStart,
    /// Length of a byte-range lock.
    LockLength,
    /// `PROT_*`.
    Prot,
    /// A virtual address.
    Address,
    /// Process or task id.
    Pid,
}

/// What a recorded result means when it is not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResultKind {
    /// Zero.
    Status,
    /// A new file descriptor.
    Fd,
    /// A number of bytes.
    Bytes,
    /// A file offset.
    Offset,
    /// A virtual address.
    Address,
    /// Process id.
    Pid,
    /// Another number that depends on the call.
    Value,
}

/// The operation of the model that a call performs: calls that do the same share one.
///
/// `open`, `creat`, `openat` and `openat2` are all [`Op::Open`]; what differs between them is
/// in the arguments that they keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[allow(missing_docs)]
pub enum Op {
    Open,
    Close,
    CloseRange,
    Dup,
    DupTo,
    Fcntl,
    Flock,
    Ioctl,
    Read,
    Write,
    PositionedRead,
    PositionedWrite,
    Seek,
    Stat,
    FdStat,
    Access,
    ReadLink,
    ListDirectory,
    GetCwd,
    ChangeDir,
    FdChangeDir,
    ChangeRoot,
    Umask,
    MakeDir,
    RemoveDir,
    Unlink,
    Rename,
    Link,
    Symlink,
    MakeNode,
    ChangeMode,
    FdChangeMode,
    ChangeOwner,
    FdChangeOwner,
    SetTimes,
    FdSetTimes,
    Truncate,
    FdTruncate,
    Allocate,
    Sync,
    FdSync,
    SyncRange,
    StatFs,
    FdStatFs,
    GetXattr,
    FdGetXattr,
    SetXattr,
    FdSetXattr,
    ListXattr,
    FdListXattr,
    RemoveXattr,
    FdRemoveXattr,
    CopyRange,
    SendFile,
    Splice,
    Tee,
    Map,
    Unmap,
    Remap,
    MapSync,
    MapAdvise,
    Advise,
    ReadAhead,
    Watch,
    Unwatch,
    NameToHandle,
    Exec,
    Pipe,
    Socket,
    SocketPair,
    Accept,
    EventFd,
    ReceiveMessage,
    Unshare,
    Wait,
    Futex,
    /// Waiting until one of several descriptors is ready.
    Poll,
    /// A call that is counted by name and not recorded.
    Unsupported,
}

/// A row of the table.
#[derive(Debug)]
pub struct Row {
    /// The call.
    pub call: Call,
    /// The name, verbatim, as in `syscalls(2)`.
    pub name: &'static str,
    /// The operation of the model.
    pub op: Op,
    /// The kept arguments, in the order of [`crate::model::Event::args`]; for each, what it is and which
    /// argument register it is in or points from.
    pub args: &'static [(ArgKind, u8)],
    /// What a successful result is.
    pub result: ResultKind,
}

impl Row {
    /// Position of an argument in [`crate::model::Event::args`].
    pub fn position(&self, kind: ArgKind) -> Option<usize> {
        self.args.iter().position(|(k, _)| *k == kind)
    }
}

macro_rules! calls {
    ($($name:ident $op:ident [$($kind:ident $reg:literal),*] $result:ident;)*) => {
        /// A system call, by its name.
        #[allow(non_camel_case_types, missing_docs)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Call { $($name),* }

        /// All rows; a [`Call`] as a number is the index of its row.
        pub static TABLE: &[Row] = &[$(Row {
            call: Call::$name,
            name: stringify!($name),
            op: Op::$op,
            args: &[$((ArgKind::$kind, $reg)),*],
            result: ResultKind::$result,
        }),*];
    };
}

// A trace carries the names of the calls that its writer knew (docs/trace-format.md), so rows may be added anywhere.
calls! {
    // Opening and file descriptors
    open            Open [Path 0, Flags 1, Mode 2] Fd;
    openat          Open [DirFd 0, Path 1, Flags 2, Mode 3] Fd;
    openat2         Open [DirFd 0, Path 1, Flags 2, Mode 2, Mask 2] Fd;
    creat           Open [Path 0, Mode 1] Fd;
    close           Close [Fd 0] Status;
    close_range     CloseRange [Fd 0, NewFd 1, Flags 2] Status;
    dup             Dup [Fd 0] Fd;
    dup2            DupTo [Fd 0, NewFd 1] Fd;
    dup3            DupTo [Fd 0, NewFd 1, Flags 2] Fd;
    fcntl           Fcntl [Fd 0, Command 1, Argument 2, Whence 2, LockStart 2, LockLength 2] Value;
    flock           Flock [Fd 0, Command 1] Status;
    // FICLONE: FdIn is the source. FICLONERANGE: also OffsetIn, Length, OffsetOut from the structure.
    ioctl           Ioctl [Fd 0, Command 1, FdIn 2, OffsetIn 2, Length 2, OffsetOut 2] Value;
    // Data
    read            Read [Fd 0, Length 2] Bytes;
    readv           Read [Fd 0, Length 1, Count 2] Bytes;
    pread64         PositionedRead [Fd 0, Length 2, Offset 3] Bytes;
    preadv          PositionedRead [Fd 0, Length 1, Count 2, Offset 3] Bytes;
    preadv2         PositionedRead [Fd 0, Length 1, Count 2, Offset 3, Flags 5] Bytes;
    write           Write [Fd 0, Length 2] Bytes;
    writev          Write [Fd 0, Length 1, Count 2] Bytes;
    pwrite64        PositionedWrite [Fd 0, Length 2, Offset 3] Bytes;
    pwritev         PositionedWrite [Fd 0, Length 1, Count 2, Offset 3] Bytes;
    pwritev2        PositionedWrite [Fd 0, Length 1, Count 2, Offset 3, Flags 5] Bytes;
    lseek           Seek [Fd 0, Offset 1, Whence 2] Offset;
    // Metadata, read
    stat            Stat [Path 0] Status;
    lstat           Stat [Path 0] Status;
    newfstatat      Stat [DirFd 0, Path 1, Flags 3] Status;
    statx           Stat [DirFd 0, Path 1, Flags 2, Mask 3] Status;
    fstat           FdStat [Fd 0] Status;
    access          Access [Path 0, Mode 1] Status;
    faccessat       Access [DirFd 0, Path 1, Mode 2] Status;
    faccessat2      Access [DirFd 0, Path 1, Mode 2, Flags 3] Status;
    readlink        ReadLink [Path 0, Length 2] Bytes;
    readlinkat      ReadLink [DirFd 0, Path 1, Length 3] Bytes;
    getdents        ListDirectory [Fd 0, Length 2] Bytes;
    getdents64      ListDirectory [Fd 0, Length 2] Bytes;
    statfs          StatFs [Path 0] Status;
    fstatfs         FdStatFs [Fd 0] Status;
    // Working directory and umask
    getcwd          GetCwd [Length 1] Bytes;
    chdir           ChangeDir [Path 0] Status;
    fchdir          FdChangeDir [Fd 0] Status;
    chroot          ChangeRoot [Path 0] Status;
    umask           Umask [Mode 0] Value;
    // Names
    mkdir           MakeDir [Path 0, Mode 1] Status;
    mkdirat         MakeDir [DirFd 0, Path 1, Mode 2] Status;
    rmdir           RemoveDir [Path 0] Status;
    unlink          Unlink [Path 0] Status;
    unlinkat        Unlink [DirFd 0, Path 1, Flags 2] Status;
    rename          Rename [Path 0, NewPath 1] Status;
    renameat        Rename [DirFd 0, Path 1, NewDirFd 2, NewPath 3] Status;
    renameat2       Rename [DirFd 0, Path 1, NewDirFd 2, NewPath 3, Flags 4] Status;
    link            Link [Path 0, NewPath 1] Status;
    linkat          Link [DirFd 0, Path 1, NewDirFd 2, NewPath 3, Flags 4] Status;
    symlink         Symlink [Target 0, NewPath 1] Status;
    symlinkat       Symlink [Target 0, NewDirFd 1, NewPath 2] Status;
    mknod           MakeNode [Path 0, Mode 1, Dev 2] Status;
    mknodat         MakeNode [DirFd 0, Path 1, Mode 2, Dev 3] Status;
    // Metadata, changed
    chmod           ChangeMode [Path 0, Mode 1] Status;
    fchmodat        ChangeMode [DirFd 0, Path 1, Mode 2] Status;
    fchmodat2       ChangeMode [DirFd 0, Path 1, Mode 2, Flags 3] Status;
    fchmod          FdChangeMode [Fd 0, Mode 1] Status;
    chown           ChangeOwner [Path 0, Uid 1, Gid 2] Status;
    lchown          ChangeOwner [Path 0, Uid 1, Gid 2] Status;
    fchownat        ChangeOwner [DirFd 0, Path 1, Uid 2, Gid 3, Flags 4] Status;
    fchown          FdChangeOwner [Fd 0, Uid 1, Gid 2] Status;
    utime           SetTimes [Path 0, Atime 1, Mtime 1] Status;
    utimes          SetTimes [Path 0, Atime 1, Mtime 1] Status;
    futimesat       SetTimes [DirFd 0, Path 1, Atime 2, Mtime 2] Status;
    utimensat       SetTimes [DirFd 0, Path 1, Atime 2, Mtime 2, Flags 3] Status;
    // Sizes and durability
    truncate        Truncate [Path 0, Length 1] Status;
    ftruncate       FdTruncate [Fd 0, Length 1] Status;
    fallocate       Allocate [Fd 0, Mode 1, Offset 2, Length 3] Status;
    fsync           FdSync [Fd 0] Status;
    fdatasync       FdSync [Fd 0] Status;
    syncfs          FdSync [Fd 0] Status;
    sync_file_range SyncRange [Fd 0, Offset 1, Length 2, Flags 3] Status;
    sync            Sync [] Status;
    // Extended attributes
    getxattr        GetXattr [Path 0, Name 1, Length 3] Bytes;
    lgetxattr       GetXattr [Path 0, Name 1, Length 3] Bytes;
    fgetxattr       FdGetXattr [Fd 0, Name 1, Length 3] Bytes;
    setxattr        SetXattr [Path 0, Name 1, Length 3, Flags 4, Mode 2] Status;
    lsetxattr       SetXattr [Path 0, Name 1, Length 3, Flags 4, Mode 2] Status;
    fsetxattr       FdSetXattr [Fd 0, Name 1, Length 3, Flags 4, Mode 2] Status;
    listxattr       ListXattr [Path 0, Length 2] Bytes;
    llistxattr      ListXattr [Path 0, Length 2] Bytes;
    flistxattr      FdListXattr [Fd 0, Length 2] Bytes;
    removexattr     RemoveXattr [Path 0, Name 1] Status;
    lremovexattr    RemoveXattr [Path 0, Name 1] Status;
    fremovexattr    FdRemoveXattr [Fd 0, Name 1] Status;
    // Copies inside the kernel
    copy_file_range CopyRange [FdIn 0, OffsetIn 1, FdOut 2, OffsetOut 3, Length 4, Flags 5] Bytes;
    sendfile        SendFile [FdOut 0, FdIn 1, OffsetIn 2, Length 3] Bytes;
    splice          Splice [FdIn 0, OffsetIn 1, FdOut 2, OffsetOut 3, Length 4, Flags 5] Bytes;
    tee             Tee [FdIn 0, FdOut 1, Length 2, Flags 3] Bytes;
    // Memory maps of files (anonymous ones are not recorded)
    mmap            Map [Address 0, Length 1, Prot 2, Flags 3, Fd 4, Offset 5] Address;
    munmap          Unmap [Address 0, Length 1] Status;
    mremap          Remap [Address 0, Length 1, Count 2, Flags 3] Address;
    msync           MapSync [Address 0, Length 1, Flags 2] Status;
    madvise         MapAdvise [Address 0, Length 1, Flags 2] Status;
    fadvise64       Advise [Fd 0, Offset 1, Length 2, Flags 3] Status;
    readahead       ReadAhead [Fd 0, Offset 1, Length 2] Status;
    // Watches and handles
    inotify_init    EventFd [] Fd;
    inotify_init1   EventFd [Flags 0] Fd;
    inotify_add_watch Watch [Fd 0, Path 1, Mask 2] Value;
    inotify_rm_watch  Unwatch [Fd 0, Argument 1] Status;
    name_to_handle_at NameToHandle [DirFd 0, Path 1, Flags 4] Status;
    // Programs
    execve          Exec [Path 0, Argv 1] Status;
    execveat        Exec [DirFd 0, Path 1, Argv 2, Flags 4] Status;
    // Descriptors that are no files but share the table
    pipe            Pipe [OutFd0 0, OutFd1 0] Status;
    pipe2           Pipe [OutFd0 0, OutFd1 0, Flags 1] Status;
    socket          Socket [Mode 0, Flags 1] Fd;
    socketpair      SocketPair [Mode 0, Flags 1, OutFd0 3, OutFd1 3] Status;
    accept          Accept [Fd 0] Fd;
    accept4         Accept [Fd 0, Flags 3] Fd;
    recvmsg         ReceiveMessage [Fd 0, Flags 2] Bytes;
    eventfd         EventFd [] Fd;
    eventfd2        EventFd [Flags 1] Fd;
    epoll_create    EventFd [] Fd;
    epoll_create1   EventFd [Flags 0] Fd;
    timerfd_create  EventFd [Flags 1] Fd;
    signalfd        EventFd [NewFd 0] Fd;
    signalfd4       EventFd [NewFd 0, Flags 3] Fd;
    memfd_create    EventFd [Flags 1] Fd;
    pidfd_open      EventFd [Flags 1] Fd;
    userfaultfd     EventFd [Flags 0] Fd;
    perf_event_open EventFd [Flags 4] Fd;
    pidfd_getfd     EventFd [] Fd;
    unshare         Unshare [Flags 0] Status;
    wait4           Wait [Pid 0, Flags 2] Pid;
    waitid          Wait [Mode 0, Pid 1, Flags 3] Status;
    // Who waits for whom. One that wakes is recorded when it is called, before those that it wakes return; its result is not.
    futex           Futex [Address 0, Command 1] Value;
    // Of poll, epoll_wait and epoll_pwait those that only look (no time to wait) are not recorded.
    poll            Poll [Argument 2] Value;
    ppoll           Poll [] Value;
    select          Poll [] Value;
    pselect6        Poll [] Value;
    epoll_wait      Poll [Fd 0, Argument 3] Value;
    epoll_pwait     Poll [Fd 0, Argument 3] Value;
    epoll_pwait2    Poll [Fd 0] Value;
    // Counted, not recorded
    io_uring_setup  Unsupported [] Fd;
    io_uring_enter  Unsupported [] Value;
    io_submit       Unsupported [] Value;
    open_by_handle_at Unsupported [] Fd;
    open_tree       Unsupported [] Fd;
    fsopen          Unsupported [] Fd;
    fsmount         Unsupported [] Fd;
    fspick          Unsupported [] Fd;
    move_mount      Unsupported [] Status;
    mount_setattr   Unsupported [] Status;
    mount           Unsupported [] Status;
    umount2         Unsupported [] Status;
    pivot_root      Unsupported [] Status;
    setns           Unsupported [] Status;
    swapon          Unsupported [] Status;
    swapoff         Unsupported [] Status;
    quotactl        Unsupported [] Status;
    quotactl_fd     Unsupported [] Status;
    fanotify_init   Unsupported [] Fd;
    fanotify_mark   Unsupported [] Status;
    vmsplice        Unsupported [] Bytes;
    recvmmsg        Unsupported [] Value;
    cachestat       Unsupported [] Status;
    acct            Unsupported [] Status;
    lookup_dcookie  Unsupported [] Bytes;
    remap_file_pages Unsupported [] Status;
    bpf             Unsupported [] Value;
    setxattrat      Unsupported [] Status;
    getxattrat      Unsupported [] Bytes;
    listxattrat     Unsupported [] Bytes;
    removexattrat   Unsupported [] Status;
    file_getattr    Unsupported [] Status;
    file_setattr    Unsupported [] Status;
    statmount       Unsupported [] Status;
    listmount       Unsupported [] Value;
    bind            Unsupported [] Status;
}

impl Call {
    /// The row of this call.
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The name, verbatim.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The call of that name.
    pub fn from_name(name: &str) -> Option<Call> {
        TABLE
            .iter()
            .find(|row| row.name == name)
            .map(|row| row.call)
    }

    /// All calls, in the order of the table.
    pub fn all() -> impl Iterator<Item = Call> {
        TABLE.iter().map(|row| row.call)
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}

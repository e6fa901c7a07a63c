//! The rows: of operations first, then of calls. How to add one: docs/adding-a-system-call.md.
//!
//! The row of an operation says which file a call is about ([`About`](super::About)), which kind of
//! work its time is ([`Work`](super::Work)), and what it changes ([`Effect`](super::Effect)).
//!
//! The row of a call says, in this order: the name; the call's number on x86_64 and on aarch64, `-`
//! where it doesn't exist; its operation; the kept arguments, each with the register that it is in
//! or points from; what a successful result is; and in braces what else is to be known of it
//! ([`Row`] says what holds where nothing is said).
//!
//! A trace carries the names of the calls that its writer knew (docs/trace-format.md), so rows may
//! be added anywhere.

use serde::Serialize;

use super::facts::Closes::{Range, Replaced, This};
use super::facts::FlagNames::{Begin, One, Open, These};
use super::facts::LastRule::{
    ByOpenFlags, Follow, IfFollow, IfMovedOverLink, Keep, Name, UnlessDontFollow, UnlessNoFollow,
};
use super::facts::Names::{Made, MadeOnCreate, Moved, Removed};
use super::facts::Unkept::{Bytes, Environment, Is, List, Null, Number, Structure};
use super::{About, ArgKind, Effect, ResultKind, Row, Work};
use crate::abi::{
    AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW, MFD_CLOEXEC, Numbers, O_CLOEXEC, O_CREAT, O_TRUNC, O_WRONLY,
    PERF_FLAG_FD_CLOEXEC,
};

operations! {
    // Opening and file descriptors
    Open            Path             Lookup Opens;
    Close           Fd               Lookup Descriptors;
    CloseRange      Nothing          Other  Descriptors;
    Dup             Fd               Other  Descriptors;
    DupTo           Fd               Other  Descriptors;
    Fcntl           Fd               Other  Descriptors;
    Flock           Fd               Other  Nothing;
    Ioctl           Fd               Other  Nothing;
    // Data
    Read            Fd               Read   Bytes;
    Write           Fd               Write  Bytes;
    PositionedRead  Fd               Read   Bytes;
    PositionedWrite Fd               Write  Bytes;
    Seek            Fd               Other  Bytes;
    CopyRange       Copy             Write  Copies;
    SendFile        Copy             Read   Copies;
    Splice          Copy             Read   Copies;
    Tee             Copy             Other  Nothing;
    // Metadata, read
    Stat            Path             Lookup Nothing;
    FdStat          Fd               Lookup Nothing;
    Access          Path             Lookup Nothing;
    ReadLink        Path             Lookup Nothing;
    ListDirectory   Fd               List   Nothing;
    StatFs          Path             Lookup Nothing;
    FdStatFs        Fd               Lookup Nothing;
    GetAttributes   Path             Lookup Nothing;
    GetXattr        Path             Lookup Nothing;
    FdGetXattr      Fd               Lookup Nothing;
    ListXattr       Path             Lookup Nothing;
    FdListXattr     Fd               Lookup Nothing;
    NameToHandle    Path             Lookup Nothing;
    Watch           Path             Other  Nothing;
    Unwatch         Nothing          Other  Nothing;
    // Working directory, umask, user
    GetCwd          WorkingDirectory Other  Nothing;
    ChangeDir       Path             Lookup Directory;
    FdChangeDir     Fd               Lookup Directory;
    ChangeRoot      Path             Other  Directory;
    Umask           Nothing          Other  Nothing;
    SetUser         Nothing          Other  Nothing;
    // Names
    MakeDir         Path             Change Names;
    RemoveDir       Path             Change Names;
    Unlink          Path             Change Names;
    Rename          NewPath          Change Names;
    Link            NewPath          Change Names;
    Symlink         NewPath          Change Names;
    MakeNode        Path             Change Names;
    // Metadata, changed
    ChangeMode      Path             Change Metadata;
    FdChangeMode    Fd               Change Metadata;
    ChangeOwner     Path             Change Metadata;
    FdChangeOwner   Fd               Change Metadata;
    SetTimes        Path             Change Metadata;
    FdSetTimes      Fd               Change Metadata;
    SetXattr        Path             Change Metadata;
    FdSetXattr      Fd               Change Metadata;
    RemoveXattr     Path             Change Metadata;
    FdRemoveXattr   Fd               Change Metadata;
    // Sizes and durability
    Truncate        Path             Write  Size;
    FdTruncate      Fd               Write  Size;
    Allocate        Fd               Write  Nothing;
    Sync            Root             Sync   Nothing;
    FdSync          Fd               Sync   Nothing;
    SyncRange       Fd               Sync   Nothing;
    // Memory maps
    Map             Fd               Read   Maps;
    Unmap           Mapping          Other  Maps;
    Remap           Mapping          Other  Maps;
    MapSync         Mapping          Sync   Nothing;
    MapAdvise       Mapping          Other  Nothing;
    Advise          Fd               Other  Nothing;
    ReadAhead       Fd               Read   Nothing;
    // Programs
    Exec            Path             Lookup Program;
    // Descriptors that are no files
    Pipe            Nothing          Other  Descriptors;
    Socket          Nothing          Other  Descriptors;
    SocketPair      Nothing          Other  Descriptors;
    Accept          Nothing          Other  Descriptors;
    EventFd         Nothing          Other  Descriptors;
    ReceiveMessage  Nothing          Other  Nothing;
    Unshare         Nothing          Other  Descriptors;
    // Waiting
    Wait            Nothing          Other  Nothing;
    Futex           Nothing          Other  Nothing;
    /// Waiting until one of several descriptors is ready.
    Poll            Nothing          Other  Nothing;
    // Mounts
    /// Something comes to lie over a directory or file.
    Mount           Nothing          Other  Nothing;
    /// What lay over a directory or file is taken away.
    Unmount         Nothing          Other  Nothing;
    /// What lies over a directory or file, or nowhere yet, comes to lie elsewhere.
    MoveMount       Nothing          Other  Nothing;
    /// Another directory is the root of all tasks of a mount namespace.
    PivotRoot       Nothing          Other  Nothing;
    /// A call that is counted by name and not recorded.
    Unsupported     Nothing          Other  Nothing;
}

calls! {
    // Opening and file descriptors
    open                2   -  Open [Path 0, Flags 1, Mode 2] Fd
        { last: ByOpenFlags, names: MadeOnCreate, flag_names: Open };
    openat            257  56  Open [DirFd 0, Path 1, Flags 2, Mode 3] Fd
        { last: ByOpenFlags, names: MadeOnCreate, flag_names: Open };
    openat2           437 437  Open [DirFd 0, Path 1, Flags 2, Mode 2, Mask 2] Fd
        { last: ByOpenFlags, names: MadeOnCreate, flag_names: Open, unkept: &[(3, Is(24))],
          since: Some((5, 6)) };
    creat              85   -  Open [Path 0, Mode 1] Fd
        { implied: O_CREAT | O_WRONLY | O_TRUNC, last: ByOpenFlags, names: MadeOnCreate };
    close               3  57  Close [Fd 0] Status { closes: This };
    close_range       436 436  CloseRange [Fd 0, NewFd 1, Flags 2] Status
        { closes: Range, flag_names: Begin("CLOSE_RANGE_"), since: Some((5, 9)) };
    dup                32  23  Dup [Fd 0] Fd;
    dup2               33   -  DupTo [Fd 0, NewFd 1] Fd { closes: Replaced };
    dup3              292  24  DupTo [Fd 0, NewFd 1, Flags 2] Fd
        { closes: Replaced, flag_names: Begin("O_") };
    fcntl              72  25  Fcntl
        [Fd 0, Command 1, Argument 2, Whence 2, LockStart 2, LockLength 2] Value;
    flock              73  32  Flock [Fd 0, Command 1] Status;
    // FICLONE: FdIn is the source. FICLONERANGE: also OffsetIn, Length, OffsetOut from the
    // structure.
    ioctl              16  29  Ioctl
        [Fd 0, Command 1, FdIn 2, OffsetIn 2, Length 2, OffsetOut 2] Value;
    // Data
    read                0  63  Read [Fd 0, Length 2] Bytes { waits: true, unkept: &[(1, Bytes)] };
    readv              19  65  Read [Fd 0, Length 1, Count 2] Bytes { waits: true };
    pread64            17  67  PositionedRead [Fd 0, Length 2, Offset 3] Bytes
        { waits: true, unkept: &[(1, Bytes)] };
    preadv            295  69  PositionedRead [Fd 0, Length 1, Count 2, Offset 3] Bytes
        { waits: true };
    preadv2           327 286  PositionedRead [Fd 0, Length 1, Count 2, Offset 3, Flags 5] Bytes
        { waits: true, since: Some((4, 6)) };
    write               1  64  Write [Fd 0, Length 2] Bytes
        { changes: true, unkept: &[(1, Bytes)] };
    writev             20  66  Write [Fd 0, Length 1, Count 2] Bytes { changes: true };
    pwrite64           18  68  PositionedWrite [Fd 0, Length 2, Offset 3] Bytes
        { changes: true, unkept: &[(1, Bytes)] };
    pwritev           296  70  PositionedWrite [Fd 0, Length 1, Count 2, Offset 3] Bytes
        { changes: true };
    pwritev2          328 287  PositionedWrite [Fd 0, Length 1, Count 2, Offset 3, Flags 5] Bytes
        { changes: true, since: Some((4, 6)) };
    lseek               8  62  Seek [Fd 0, Offset 1, Whence 2] Offset;
    // Metadata, read
    stat                4   -  Stat [Path 0] Status { last: Follow, unkept: &[(1, Structure)] };
    lstat               6   -  Stat [Path 0] Status
        { implied: AT_SYMLINK_NOFOLLOW, last: UnlessNoFollow, unkept: &[(1, Structure)] };
    newfstatat        262  79  Stat [DirFd 0, Path 1, Flags 3] Status
        { last: UnlessNoFollow, flag_names: Begin("AT_"), unkept: &[(2, Structure)] };
    statx             332 291  Stat [DirFd 0, Path 1, Flags 2, Mask 3] Status
        { last: UnlessNoFollow, flag_names: Begin("AT_"), unkept: &[(4, Structure)],
          since: Some((4, 11)) };
    fstat               5  80  FdStat [Fd 0] Status { unkept: &[(1, Structure)] };
    access             21   -  Access [Path 0, Mode 1] Status { last: Follow };
    faccessat         269  48  Access [DirFd 0, Path 1, Mode 2] Status { last: Follow };
    faccessat2        439 439  Access [DirFd 0, Path 1, Mode 2, Flags 3] Status
        { last: UnlessNoFollow,
          flag_names: These(&["AT_SYMLINK_NOFOLLOW", "AT_EACCESS", "AT_EMPTY_PATH"]),
          since: Some((5, 8)) };
    readlink           89   -  ReadLink [Path 0, Length 2] Bytes
        { last: Keep, unkept: &[(1, Bytes)] };
    readlinkat        267  78  ReadLink [DirFd 0, Path 1, Length 3] Bytes
        { last: Keep, unkept: &[(2, Bytes)] };
    getdents           78   -  ListDirectory [Fd 0, Length 2] Bytes { unkept: &[(1, List)] };
    getdents64        217  61  ListDirectory [Fd 0, Length 2] Bytes { unkept: &[(1, List)] };
    statfs            137  43  StatFs [Path 0] Status { last: Follow, unkept: &[(1, Structure)] };
    fstatfs           138  44  FdStatFs [Fd 0] Status { unkept: &[(1, Structure)] };
    // Traces of older writers count this one. Flags of the inode (`chattr`), its project's id.
    file_getattr      468 468  GetAttributes [DirFd 0, Path 1, Length 3, Flags 4] Status
        { last: UnlessNoFollow, flag_names: Begin("AT_"), unkept: &[(2, Structure)],
          since: Some((6, 17)) };
    // Working directory and umask
    getcwd             79  17  GetCwd [Length 1] Bytes { unkept: &[(0, Bytes)] };
    chdir              80  49  ChangeDir [Path 0] Status { last: Follow };
    fchdir             81  50  FdChangeDir [Fd 0] Status;
    chroot            161  51  ChangeRoot [Path 0] Status { last: Follow };
    umask              95 166  Umask [Mode 0] Value;
    // As whom a task asks for files: the effective user id, which that for files follows.
    setuid            105 146  SetUser [Uid 0] Status;
    setreuid          113 145  SetUser [Uid 1] Status { unkept: &[(0, Is(-1))] };
    setresuid         117 147  SetUser [Uid 1] Status { unkept: &[(0, Is(-1)), (2, Is(-1))] };
    setfsuid          122 151  SetUser [Uid 0] Value;
    // Names
    mkdir              83   -  MakeDir [Path 0, Mode 1] Status
        { last: Name, names: Made, changes: true };
    mkdirat           258  34  MakeDir [DirFd 0, Path 1, Mode 2] Status
        { last: Name, names: Made, changes: true };
    rmdir              84   -  RemoveDir [Path 0] Status
        { implied: AT_REMOVEDIR, last: Name, names: Removed, changes: true };
    unlink             87   -  Unlink [Path 0] Status { last: Name, names: Removed, changes: true };
    unlinkat          263  35  Unlink [DirFd 0, Path 1, Flags 2] Status
        { last: Name, names: Removed, changes: true, flag_names: These(&["AT_REMOVEDIR"]) };
    rename             82   -  Rename [Path 0, NewPath 1] Status
        { last: Name, names: Moved, changes: true };
    renameat          264  38  Rename [DirFd 0, Path 1, NewDirFd 2, NewPath 3] Status
        { last: Name, names: Moved, changes: true };
    renameat2         316 276  Rename [DirFd 0, Path 1, NewDirFd 2, NewPath 3, Flags 4] Status
        { last: Name, names: Moved, changes: true, flag_names: Begin("RENAME_") };
    link               86   -  Link [Path 0, NewPath 1] Status
        { last: Keep, names: Made, changes: true };
    linkat            265  37  Link [DirFd 0, Path 1, NewDirFd 2, NewPath 3, Flags 4] Status
        { last: IfFollow, names: Made, changes: true, flag_names: Begin("AT_") };
    symlink            88   -  Symlink [Target 0, NewPath 1] Status { names: Made, changes: true };
    symlinkat         266  36  Symlink [Target 0, NewDirFd 1, NewPath 2] Status
        { names: Made, changes: true };
    mknod             133   -  MakeNode [Path 0, Mode 1, Dev 2] Status
        { last: Name, names: Made, changes: true };
    mknodat           259  33  MakeNode [DirFd 0, Path 1, Mode 2, Dev 3] Status
        { last: Name, names: Made, changes: true };
    // Of a Unix socket that gets a name in the tree: Mode is that of the node, as mknod would make
    // it. Other addresses have no path.
    bind               49 200  MakeNode [Path 1, Mode 1] Status
        { last: Name, names: Made, changes: true, unkept: &[(0, Number), (2, Number)] };
    // Metadata, changed
    chmod              90   -  ChangeMode [Path 0, Mode 1] Status { last: Follow, changes: true };
    fchmodat          268  53  ChangeMode [DirFd 0, Path 1, Mode 2] Status
        { last: Follow, changes: true };
    fchmodat2         452 452  ChangeMode [DirFd 0, Path 1, Mode 2, Flags 3] Status
        { last: UnlessNoFollow, changes: true, flag_names: Begin("AT_"), since: Some((6, 6)) };
    fchmod             91  52  FdChangeMode [Fd 0, Mode 1] Status { changes: true };
    chown              92   -  ChangeOwner [Path 0, Uid 1, Gid 2] Status
        { last: Follow, changes: true };
    lchown             94   -  ChangeOwner [Path 0, Uid 1, Gid 2] Status
        { implied: AT_SYMLINK_NOFOLLOW, last: UnlessNoFollow, changes: true };
    fchownat          260  54  ChangeOwner [DirFd 0, Path 1, Uid 2, Gid 3, Flags 4] Status
        { last: UnlessNoFollow, changes: true, flag_names: Begin("AT_") };
    fchown             93  55  FdChangeOwner [Fd 0, Uid 1, Gid 2] Status { changes: true };
    utime             132   -  SetTimes [Path 0, Atime 1, Mtime 1] Status
        { last: Follow, changes: true };
    utimes            235   -  SetTimes [Path 0, Atime 1, Mtime 1] Status
        { last: Follow, changes: true };
    futimesat         261   -  SetTimes [DirFd 0, Path 1, Atime 2, Mtime 2] Status
        { last: Follow, changes: true };
    utimensat         280  88  SetTimes [DirFd 0, Path 1, Atime 2, Mtime 2, Flags 3] Status
        { last: UnlessNoFollow, changes: true, flag_names: Begin("AT_") };
    // Sizes and durability
    truncate           76  45  Truncate [Path 0, Length 1] Status { last: Follow, changes: true };
    ftruncate          77  46  FdTruncate [Fd 0, Length 1] Status { changes: true };
    fallocate         285  47  Allocate [Fd 0, Mode 1, Offset 2, Length 3] Status { changes: true };
    fsync              74  82  FdSync [Fd 0] Status;
    fdatasync          75  83  FdSync [Fd 0] Status;
    syncfs            306 267  FdSync [Fd 0] Status;
    sync_file_range   277  84  SyncRange [Fd 0, Offset 1, Length 2, Flags 3] Status
        { flag_names: Begin("SYNC_FILE_RANGE_") };
    sync              162  81  Sync [] Status;
    // Extended attributes
    getxattr          191   8  GetXattr [Path 0, Name 1, Length 3] Bytes
        { last: Follow, unkept: &[(2, Bytes)] };
    lgetxattr         192   9  GetXattr [Path 0, Name 1, Length 3] Bytes
        { last: Keep, unkept: &[(2, Bytes)] };
    fgetxattr         193  10  FdGetXattr [Fd 0, Name 1, Length 3] Bytes { unkept: &[(2, Bytes)] };
    setxattr          188   5  SetXattr [Path 0, Name 1, Length 3, Flags 4, Mode 2] Status
        { last: Follow, changes: true, flag_names: Begin("XATTR_"), unkept: &[(2, Bytes)] };
    lsetxattr         189   6  SetXattr [Path 0, Name 1, Length 3, Flags 4, Mode 2] Status
        { last: Keep, changes: true, flag_names: Begin("XATTR_"), unkept: &[(2, Bytes)] };
    fsetxattr         190   7  FdSetXattr [Fd 0, Name 1, Length 3, Flags 4, Mode 2] Status
        { changes: true, flag_names: Begin("XATTR_"), unkept: &[(2, Bytes)] };
    listxattr         194  11  ListXattr [Path 0, Length 2] Bytes
        { last: Follow, unkept: &[(1, Bytes)] };
    llistxattr        195  12  ListXattr [Path 0, Length 2] Bytes
        { last: Keep, unkept: &[(1, Bytes)] };
    flistxattr        196  13  FdListXattr [Fd 0, Length 2] Bytes { unkept: &[(1, Bytes)] };
    removexattr       197  14  RemoveXattr [Path 0, Name 1] Status { last: Follow, changes: true };
    lremovexattr      198  15  RemoveXattr [Path 0, Name 1] Status { last: Keep, changes: true };
    fremovexattr      199  16  FdRemoveXattr [Fd 0, Name 1] Status { changes: true };
    // Copies inside the kernel
    copy_file_range   326 285  CopyRange
        [FdIn 0, OffsetIn 1, FdOut 2, OffsetOut 3, Length 4, Flags 5] Bytes
        { changes: true, since: Some((4, 5)) };
    sendfile           40  71  SendFile [FdOut 0, FdIn 1, OffsetIn 2, Length 3] Bytes
        { changes: true };
    splice            275  76  Splice
        [FdIn 0, OffsetIn 1, FdOut 2, OffsetOut 3, Length 4, Flags 5] Bytes { changes: true };
    tee               276  77  Tee [FdIn 0, FdOut 1, Length 2, Flags 3] Bytes;
    // Memory maps of files (anonymous ones are not recorded)
    mmap                9 222  Map [Address 0, Length 1, Prot 2, Flags 3, Fd 4, Offset 5] Address
        { flag_names: Begin("MAP_") };
    munmap             11 215  Unmap [Address 0, Length 1] Status;
    mremap             25 216  Remap [Address 0, Length 1, Count 2, Flags 3] Address
        { flag_names: Begin("MREMAP_") };
    msync              26 227  MapSync [Address 0, Length 1, Flags 2] Status
        { flag_names: These(&["MS_ASYNC", "MS_SYNC", "MS_INVALIDATE"]) };
    madvise            28 233  MapAdvise [Address 0, Length 1, Flags 2] Status
        { flag_names: One("MADV_") };
    fadvise64         221 223  Advise [Fd 0, Offset 1, Length 2, Flags 3] Status
        { flag_names: One("POSIX_FADV_") };
    readahead         187 213  ReadAhead [Fd 0, Offset 1, Length 2] Status;
    // Watches and handles
    inotify_init      253   -  EventFd [] Fd;
    inotify_init1     294  26  EventFd [Flags 0] Fd { flag_names: Begin("IN_") };
    inotify_add_watch 254  27  Watch [Fd 0, Path 1, Mask 2] Value { last: UnlessDontFollow };
    inotify_rm_watch  255  28  Unwatch [Fd 0, Argument 1] Status;
    name_to_handle_at 303 264  NameToHandle [DirFd 0, Path 1, Flags 4] Status
        { last: IfFollow, flag_names: Begin("AT_"), unkept: &[(2, Structure), (3, List)] };
    // Programs
    execve             59 221  Exec [Path 0, Argv 1] Status
        { last: Follow, unkept: &[(2, Environment)] };
    execveat          322 281  Exec [DirFd 0, Path 1, Argv 2, Flags 4] Status
        { last: UnlessNoFollow, flag_names: Begin("AT_"), unkept: &[(3, Environment)] };
    // Descriptors that are no files but share the table
    pipe               22   -  Pipe [OutFd0 0, OutFd1 0] Status;
    pipe2             293  59  Pipe [OutFd0 0, OutFd1 0, Flags 1] Status
        { flag_names: Begin("O_") };
    socket             41 198  Socket [Mode 0, Flags 1] Fd
        { flag_names: Begin("SOCK_"), unkept: &[(2, Number)] };
    socketpair         53 199  SocketPair [Mode 0, Flags 1, OutFd0 3, OutFd1 3] Status
        { flag_names: Begin("SOCK_"), unkept: &[(2, Number)] };
    accept             43 202  Accept [Fd 0] Fd
        { waits: true, unkept: &[(1, Structure), (2, List)] };
    accept4           288 242  Accept [Fd 0, Flags 3] Fd
        { waits: true, flag_names: Begin("SOCK_"), unkept: &[(1, Structure), (2, List)] };
    recvmsg            47 212  ReceiveMessage [Fd 0, Flags 2] Bytes
        { waits: true, flag_names: Begin("MSG_"), unkept: &[(1, Structure)] };
    eventfd           284   -  EventFd [] Fd { unkept: &[(0, Number)] };
    eventfd2          290  19  EventFd [Flags 1] Fd
        { flag_names: Begin("EFD_"), unkept: &[(0, Number)] };
    epoll_create      213   -  EventFd [] Fd { unkept: &[(0, Number)] };
    epoll_create1     291  20  EventFd [Flags 0] Fd { flag_names: Begin("EPOLL_") };
    timerfd_create    283  85  EventFd [Flags 1] Fd
        { flag_names: Begin("TFD_"), unkept: &[(0, Number)] };
    signalfd          282   -  EventFd [NewFd 0] Fd { unkept: &[(1, List), (2, Number)] };
    signalfd4         289  74  EventFd [NewFd 0, Flags 3] Fd
        { flag_names: Begin("SFD_"), unkept: &[(1, List), (2, Number)] };
    memfd_create      319 279  EventFd [Flags 1] Fd
        { cloexec: MFD_CLOEXEC, flag_names: Begin("MFD_"), unkept: &[(0, Bytes)] };
    mq_open           240 180  EventFd [Flags 1] Fd
        { implied: O_CLOEXEC, flag_names: Begin("O_"), unkept: &[(0, Bytes)] };
    pidfd_open        434 434  EventFd [Flags 1] Fd
        { implied: O_CLOEXEC, unkept: &[(0, Number)], since: Some((5, 3)) };
    userfaultfd       323 282  EventFd [Flags 0] Fd { since: Some((4, 3)) };
    perf_event_open   298 241  EventFd [Flags 4] Fd
        { cloexec: PERF_FLAG_FD_CLOEXEC,
          unkept: &[(0, Structure), (1, Number), (2, Number), (3, Number)] };
    pidfd_getfd       438 438  EventFd [] Fd
        { implied: O_CLOEXEC, unkept: &[(0, Number), (1, Number), (2, Number)],
          since: Some((5, 6)) };
    unshare           272  97  Unshare [Flags 0] Status { flag_names: Begin("CLONE_") };
    wait4              61 260  Wait [Pid 0, Flags 2] Pid
        { waits: true, flag_names: Begin("W"), unkept: &[(1, List), (3, Null)] };
    waitid            247  95  Wait [Mode 0, Pid 1, Flags 3] Status
        { waits: true, flag_names: Begin("W"), unkept: &[(2, Structure), (4, Null)] };
    // Who waits for whom. One that wakes is recorded when it is called, before those that it wakes
    // return; its result is not.
    futex             202  98  Futex [Address 0, Command 1] Value
        { waits: true, unkept: &[(2, Number)] };
    // Of poll, epoll_wait and epoll_pwait those that only look (no time to wait) are not recorded.
    poll                7   -  Poll [Argument 2] Value
        { waits: true, unkept: &[(0, List), (1, Number)] };
    ppoll             271  73  Poll [] Value
        { waits: true, unkept: &[(0, List), (1, Number), (2, Number), (3, Number)] };
    select             23   -  Poll [] Value
        { waits: true, unkept: &[(0, Number), (1, List), (2, List), (3, List), (4, Number)] };
    pselect6          270  72  Poll [] Value
        { waits: true, unkept: &[(0, Number), (1, List), (2, List), (3, List), (4, Number)] };
    epoll_wait        232   -  Poll [Fd 0, Argument 3] Value
        { waits: true, unkept: &[(1, List), (2, Number)] };
    epoll_pwait       281  22  Poll [Fd 0, Argument 3] Value
        { waits: true, unkept: &[(1, List), (2, Number), (4, Number)] };
    epoll_pwait2      441 441  Poll [Fd 0] Value
        { waits: true, unkept: &[(1, List), (2, Number), (3, Number)], since: Some((5, 11)) };
    // Traces of older writers count these four. Target is the source; flags: MS_*, MNT_*.
    mount             165  40  Mount [Target 0, Path 1, Flags 3] Status
        { last: Follow, unkept: &[(2, Bytes), (4, Number)] };
    umount2           166  39  Unmount [Path 0, Flags 1] Status
        { last: Follow, flag_names: Begin("MNT_") };
    move_mount        429 429  MoveMount [Target 1, DirFd 2, Path 3, Flags 4] Status
        { last: IfMovedOverLink, unkept: &[(0, Number)], since: Some((5, 2)) };
    pivot_root        155  41  PivotRoot [Path 0, Target 1] Status { last: Follow };
    // Counted, not recorded
    io_uring_setup    425 425  Unsupported [] Fd;
    io_uring_enter    426 426  Unsupported [] Value;
    io_submit         209   2  Unsupported [] Value;
    open_by_handle_at 304 265  Unsupported [] Fd;
    open_tree         428 428  Unsupported [] Fd;
    fsopen            430 430  Unsupported [] Fd;
    fsmount           432 432  Unsupported [] Fd;
    fspick            433 433  Unsupported [] Fd;
    mount_setattr     442 442  Unsupported [] Status;
    setns             308 268  Unsupported [] Status;
    swapon            167 224  Unsupported [] Status;
    swapoff           168 225  Unsupported [] Status;
    quotactl          179  60  Unsupported [] Status;
    quotactl_fd       443 443  Unsupported [] Status;
    fanotify_init     300 262  Unsupported [] Fd;
    fanotify_mark     301 263  Unsupported [] Status;
    vmsplice          278  75  Unsupported [] Bytes;
    recvmmsg          299 243  Unsupported [] Value;
    cachestat         451 451  Unsupported [] Status;
    acct              163  89  Unsupported [] Status;
    lookup_dcookie    212  18  Unsupported [] Bytes;
    remap_file_pages  216 234  Unsupported [] Status;
    bpf               321 280  Unsupported [] Value;
    setxattrat        463 463  Unsupported [] Status;
    getxattrat        464 464  Unsupported [] Bytes;
    listxattrat       465 465  Unsupported [] Bytes;
    removexattrat     466 466  Unsupported [] Status;
    file_setattr      469 469  Unsupported [] Status;
    statmount         457 457  Unsupported [] Status;
    listmount         458 458  Unsupported [] Value;
}

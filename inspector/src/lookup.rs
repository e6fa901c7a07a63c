//! What a call is about: which of its arguments name the file that its time is spent on.

use fsreplay_trace::call::{ArgKind, Call, Op};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{Event, StringId};

/// "The working directory", where a directory's descriptor is asked for.
pub(crate) const AT_FDCWD: i32 = -100;
const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
const AT_SYMLINK_FOLLOW: u64 = 0x400;
const AT_EMPTY_PATH: u64 = 0x1000;
const IN_DONT_FOLLOW: u64 = 0x200_0000;

pub(crate) const O_CREAT: u64 = 0o100;
pub(crate) const O_EXCL: u64 = 0o200;
pub(crate) const O_TRUNC: u64 = 0o1000;
pub(crate) const O_APPEND: u64 = 0o2000;
pub(crate) const O_CLOEXEC: u64 = 0o200_0000;
/// The bit of `O_TMPFILE` that is its own.
pub(crate) const O_TMPFILE: u64 = 0o2000_0000;

pub(crate) const ENOENT: i32 = 2;
pub(crate) const EBADF: i32 = 9;
pub(crate) const ENOTDIR: i32 = 20;
pub(crate) const EINVAL: i32 = 22;

/// Flags of `open` that differ between architectures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenFlags {
    pub(crate) directory: u64,
    pub(crate) no_follow: u64,
}

impl OpenFlags {
    /// Those of the recording machine, by its name in the trace's header.
    pub(crate) fn of(architecture: &str) -> OpenFlags {
        match architecture {
            "aarch64" | "arm" => OpenFlags {
                directory: 0o40000,
                no_follow: 0o100_000,
            },
            _ => OpenFlags {
                directory: 0o200_000,
                no_follow: 0o400_000,
            },
        }
    }
}

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A path, relative to a directory's descriptor or [`AT_FDCWD`], and whether a link at its end is followed.
    Path(i32, StringId, bool),
    /// The file behind a descriptor.
    Fd(i32),
    /// The file behind the first descriptor, or, if that is none, the second.
    Fds(i32, i32),
    /// The file that is mapped at an address.
    Mapping(u64),
    /// The working directory.
    Cwd,
    /// The root directory.
    Root,
    /// No file.
    Nothing,
}

/// What an event is about.
pub(crate) fn subject(event: &Event, tables: &Tables, open: OpenFlags) -> Subject {
    use Op::{
        Access, Advise, Allocate, ChangeDir, ChangeMode, ChangeOwner, ChangeRoot, Close, CopyRange,
        Dup, DupTo, Exec, Fcntl, FdChangeDir, FdChangeMode, FdChangeOwner, FdGetXattr, FdListXattr,
        FdRemoveXattr, FdSetTimes, FdSetXattr, FdStat, FdStatFs, FdSync, FdTruncate, Flock, GetCwd,
        GetXattr, Ioctl, Link, ListDirectory, ListXattr, MakeDir, MakeNode, Map, MapAdvise,
        MapSync, NameToHandle, Open, PositionedRead, PositionedWrite, Read, ReadAhead, ReadLink,
        Remap, RemoveDir, RemoveXattr, Rename, Seek, SendFile, SetTimes, SetXattr, Splice, Stat,
        StatFs, Symlink, Sync, SyncRange, Tee, Truncate, Unlink, Unmap, Watch, Write,
    };
    match event.call.row().op {
        Open | Stat | Access | ReadLink | StatFs | ChangeDir | ChangeRoot | MakeDir | RemoveDir
        | Unlink | MakeNode | ChangeMode | ChangeOwner | SetTimes | Truncate | GetXattr
        | SetXattr | ListXattr | RemoveXattr | Watch | NameToHandle | Exec => {
            path(event, tables, open)
        }
        Rename | Link | Symlink => {
            let dir = event.fd(ArgKind::NewDirFd).unwrap_or(AT_FDCWD);
            match event.string(ArgKind::NewPath) {
                Some(path) => Subject::Path(dir, path, false),
                None => Subject::Nothing,
            }
        }
        Close | Dup | DupTo | Fcntl | Flock | Ioctl | Read | Write | PositionedRead
        | PositionedWrite | Seek | FdStat | ListDirectory | FdStatFs | FdChangeDir
        | FdChangeMode | FdChangeOwner | FdSetTimes | FdTruncate | Allocate | FdSync
        | SyncRange | FdGetXattr | FdSetXattr | FdListXattr | FdRemoveXattr | Advise
        | ReadAhead => event.fd(ArgKind::Fd).map_or(Subject::Nothing, Subject::Fd),
        CopyRange | SendFile | Splice | Tee => {
            match (event.fd(ArgKind::FdOut), event.fd(ArgKind::FdIn)) {
                (Some(out), Some(from)) => Subject::Fds(out, from),
                _ => Subject::Nothing,
            }
        }
        Map => match event.fd(ArgKind::Fd) {
            Some(fd) if fd >= 0 => Subject::Fd(fd),
            _ => Subject::Nothing,
        },
        Unmap | Remap | MapSync | MapAdvise => event
            .arg(ArgKind::Address)
            .map_or(Subject::Nothing, Subject::Mapping),
        GetCwd => Subject::Cwd,
        Sync => Subject::Root,
        _ => Subject::Nothing,
    }
}

fn path(event: &Event, tables: &Tables, open: OpenFlags) -> Subject {
    let dir = event.fd(ArgKind::DirFd).unwrap_or(AT_FDCWD);
    let flags = event.arg(ArgKind::Flags).unwrap_or(0);
    // An open's bit 0x1000 is another flag.
    let may_be_empty = flags & AT_EMPTY_PATH != 0 && event.call.row().op != Op::Open;
    match event.string(ArgKind::Path) {
        Some(path) if !tables.string(path).is_empty() => {
            Subject::Path(dir, path, follows(event, flags, open))
        }
        // A NULL path means the descriptor itself (futimens), as an empty one may.
        path if path.is_none() || may_be_empty => match dir {
            AT_FDCWD => Subject::Cwd,
            fd => Subject::Fd(fd),
        },
        _ => Subject::Nothing,
    }
}

/// Whether a call follows a link at the end of its path.
fn follows(event: &Event, flags: u64, open: OpenFlags) -> bool {
    let mask = event.arg(ArgKind::Mask).unwrap_or(0);
    match event.call {
        Call::lstat | Call::lchown | Call::lgetxattr | Call::lsetxattr | Call::llistxattr => false,
        Call::lremovexattr | Call::unlink | Call::unlinkat | Call::rmdir => false,
        Call::readlink | Call::readlinkat | Call::mkdir | Call::mkdirat => false,
        Call::mknod | Call::mknodat => false,
        Call::name_to_handle_at => flags & AT_SYMLINK_FOLLOW != 0,
        Call::inotify_add_watch => mask & IN_DONT_FOLLOW == 0,
        Call::open | Call::openat | Call::openat2 => {
            flags & open.no_follow == 0 && flags & (O_CREAT | O_EXCL) != O_CREAT | O_EXCL
        }
        // Their flags are others.
        Call::setxattr => true,
        _ => flags & AT_SYMLINK_NOFOLLOW == 0,
    }
}

/// Whether a call that fails because there is no such name has looked for it in vain: calls that make a name, or remove one, have
/// other reasons.
pub(crate) fn is_lookup(event: &Event) -> bool {
    let creates = || event.arg(ArgKind::Flags).unwrap_or(0) & O_CREAT != 0;
    match event.call.row().op {
        Op::Open => event.call != Call::creat && !creates(),
        Op::Stat
        | Op::Access
        | Op::ReadLink
        | Op::Exec
        | Op::StatFs
        | Op::GetXattr
        | Op::ListXattr
        | Op::ChangeDir
        | Op::Watch => true,
        _ => false,
    }
}

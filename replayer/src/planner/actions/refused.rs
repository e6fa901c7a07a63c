//! Calls that failed for a reason that a trace doesn't hold: they would go well in the replay, or
//! fail otherwise, and change what later calls find. They keep their place and are not issued.

use fsreplay_trace::abi::{
    AT_EMPTY_PATH, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, F_DUPFD, F_DUPFD_CLOEXEC,
};
use fsreplay_trace::call::{ArgKind, Call, Op};

use super::super::holdings::users::Users;
use super::super::land::resolve::Walked;
use super::super::land::tree::{FLAGGED, NONE, Tree};
use super::super::setting::Owners;
use super::super::{Cx, Notes};
use super::control::{FICLONE, FICLONERANGE};

const S_IFMT: u64 = 0o170_000;
/// Asks that depend on the flags of an inode, which a trace doesn't hold: `FS_IOC_SETFLAGS`,
/// `FS_IOC_FSSETXATTR`.
const SETS_INODE_FLAGS: [u64; 2] = [0x4008_6602, 0x401c_5820];

/// Asks for a file to share the blocks of another one.
const CLONES: [u64; 2] = [FICLONE, FICLONERANGE];
const BY_STATE: &str = "calls refused for leases, locks in memory or inode flags";
/// Why a call from one mount to another isn't issued.
const ACROSS: &str = "renames, links, clones and copies that were refused between two mounts, and \
    are not issued: where both are one mount now, the tool would not copy, which it does here";
/// `RESOLVE_NO_XDEV` of openat2(2): the walk may not leave its mount.
const RESOLVE_NO_XDEV: u64 = 1;

/// Why a call can't be made to fail as it did, if that is so.
pub(super) fn unrepeatable(cx: &Cx, users: &Users, owners: &Owners) -> Option<&'static str> {
    let errno = cx.event.errno()?;
    if cx.event.call.row().op == Op::Poll {
        return None; // it is not issued anyway, and what interrupted it may be known
    }
    if cx.event.call.row().is_lacking(errno) {
        return Some("calls that the recorded kernel did not have");
    }
    match errno {
        libc::EINTR | 512..=516 => Some("calls that a signal interrupted"),
        libc::EFAULT => Some("calls that were given a bad pointer"),
        libc::EMFILE | libc::ENFILE | libc::ENOMEM => {
            Some("calls that failed for want of descriptors or memory")
        }
        libc::EINVAL if duplicates(cx) => {
            Some("calls that failed for want of descriptors or memory")
        }
        // The kernel looks for circles among the locks of processes only (fcntl_locking(2)),
        // which are locks of open file descriptions here.
        libc::EDEADLK if cx.event.call == Call::fcntl => {
            Some("locks refused because their owners would have waited for each other")
        }
        libc::EACCES | libc::EPERM if users.was_another(cx, owners) => {
            Some("calls that the recorded user was refused, and this one would not be")
        }
        libc::EXDEV if crosses_mounts(cx) => Some(ACROSS),
        // A path is issued from another place than it was given from.
        libc::EXDEV if cx.event.call == Call::openat2 => {
            Some("openat2 calls that were refused because of where their path leads")
        }
        // Those are copies here, and any two files can be copied from and to.
        libc::EINVAL if splices(cx) => {
            Some("splices that were refused for the kinds of their descriptors")
        }
        // By a limit of the process, most likely, which the replay doesn't have.
        libc::EFBIG => Some("calls that were refused for the size that a file would have had"),
        // Flags and addresses that the replay doesn't ask for.
        libc::EOPNOTSUPP | libc::EEXIST if cx.event.call.row().op == Op::Map => {
            Some("mappings that were refused for their flags or their place")
        }
        libc::EINVAL if has_unknown_flags(cx) => {
            Some("calls that were refused for flags that no kernel knows")
        }
        libc::EROFS => Some("calls that were refused because something is read-only"),
        libc::EBUSY if names_root(cx) => Some("attempts to remove the root directory"),
        _ if by_structure(cx, errno) => Some("calls refused for what stood behind a pointer"),
        _ if by_state(cx, errno) => Some(BY_STATE),
        _ => None,
    }
}

/// Whether a call was refused on something whose flags the tool had set, or in such a
/// directory. It is noted then.
pub(crate) fn refused_by_flags(cx: &Cx, tree: &Tree, walked: &Walked, notes: &mut Notes) -> bool {
    if cx.event.errno() != Some(libc::EPERM) {
        return false;
    }
    let ends = [walked.ino, walked.dir];
    let flagged = |ino: &u32| *ino != NONE && tree.inode(*ino).flags & FLAGGED != 0;
    let refused = ends.iter().any(flagged);
    if refused {
        notes.add(BY_STATE);
    }
    refused
}

/// Whether the path is the root directory, which is an ordinary one in the replay.
fn names_root(cx: &Cx) -> bool {
    let op = cx.event.call.row().op;
    let path = cx.string(ArgKind::Path);
    matches!(op, Op::RemoveDir | Op::Unlink | Op::Rename)
        && path.is_some_and(|path| cx.tables.string(path).iter().all(|b| *b == b'/'))
}

/// Whether a call may have been refused (`EXDEV`) for a mount between its two ends.
///
/// A plan has fewer mounts than the recorded machine: what lay on two of them may lie on one. And
/// not only mounts divide: overlay refuses to rename a directory of a lower layer. So such a call
/// is issued nowhere, however many places there are; it would have cost a walk of two paths.
fn crosses_mounts(cx: &Cx) -> bool {
    match cx.event.call.row().op {
        Op::Link | Op::Rename | Op::CopyRange => true,
        Op::Ioctl => CLONES.contains(&(cx.number(ArgKind::Command) & 0xffff_ffff)),
        Op::Open => cx.number(ArgKind::Mask) & RESOLVE_NO_XDEV != 0,
        _ => false,
    }
}

/// Whether flags were given that mean nothing: the replay issues those that it knows.
fn has_unknown_flags(cx: &Cx) -> bool {
    let known = match cx.event.call {
        Call::linkat => AT_SYMLINK_FOLLOW | AT_EMPTY_PATH,
        Call::unlinkat => AT_REMOVEDIR,
        _ => return false,
    };
    cx.flags() & !known != 0
}

fn splices(cx: &Cx) -> bool {
    matches!(cx.event.call.row().op, Op::Splice | Op::Tee)
}

/// `fcntl(F_DUPFD)` refuses a number above the limit of the recorded process.
fn duplicates(cx: &Cx) -> bool {
    let command = cx.number(ArgKind::Command) as u32;
    cx.event.call == Call::fcntl && [F_DUPFD, F_DUPFD_CLOEXEC].contains(&command)
}

/// Times, vectors and other structures are kept in a form that can't hold every invalid value.
fn by_structure(cx: &Cx, errno: i32) -> bool {
    match cx.event.call {
        Call::utime | Call::utimes | Call::futimesat | Call::utimensat => errno == libc::EINVAL,
        Call::readv
        | Call::writev
        | Call::preadv
        | Call::pwritev
        | Call::preadv2
        | Call::pwritev2 => errno == libc::EINVAL,
        // Where the memory lies counts for files that are read past the cache.
        Call::read | Call::write => errno == libc::EINVAL,
        // The offset, and how large a handle may be.
        Call::sendfile | Call::name_to_handle_at => errno == libc::EINVAL,
        Call::openat2 => matches!(errno, libc::EINVAL | libc::E2BIG),
        _ => false,
    }
}

/// Leases, memory locks, inode flags, watches and device nodes are not replayed.
fn by_state(cx: &Cx, errno: i32) -> bool {
    match cx.event.call.row().op {
        Op::Open => errno == libc::EAGAIN && cx.flags() & libc::O_NONBLOCK as u32 != 0,
        Op::MapSync => errno == libc::EBUSY,
        Op::Watch => matches!(errno, libc::EBADF | libc::EINVAL | libc::ENOSPC),
        Op::Ioctl => SETS_INODE_FLAGS.contains(&cx.number(ArgKind::Command)),
        Op::MakeNode => {
            let kind = cx.number(ArgKind::Mode) & S_IFMT;
            let made = [0, libc::S_IFREG, libc::S_IFIFO, libc::S_IFSOCK].contains(&(kind as u32));
            !made && matches!(errno, libc::EPERM | libc::EINVAL)
        }
        _ => false,
    }
}

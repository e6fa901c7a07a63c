//! The declarative table of system calls.
//!
//! One row per call: its name (verbatim), its numbers, the operation of the model that it performs,
//! the arguments that a trace keeps, the kind of its result, and what else is fact about it
//! ([`Row`]). The table serves the seccomp filter, the decoder, importers, the planner, the
//! inspector, `dump`, and the documentation. What numbers in arguments mean stands in
//! [`crate::abi`].

mod facts;
#[macro_use]
mod syntax;
mod table;

use std::collections::HashMap;
use std::sync::LazyLock;

pub use facts::{
    About, Closes, Effect, FlagNames, Last, LastRule, Made, Names, PathArg, Unkept, Work,
};
pub use table::{Call, Op, TABLE};

use crate::abi::{Architecture, Numbers};

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
    /// A directory file descriptor that a following [`ArgKind::Path`] is relative to, or
    /// `AT_FDCWD`.
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
    /// File mode bits. For `setxattr`, those that a POSIX ACL without named entries stands for,
    /// [`NONE`] for other values.
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
    /// The argument of a command, where it is a number; `l_type` for locks; the milliseconds that
    /// `poll` waits at most.
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

impl ArgKind {
    /// Whether its value is a string id.
    pub fn is_text(self) -> bool {
        use ArgKind::*;
        matches!(self, Path | NewPath | Target | Name | Argv)
    }

    /// Whether its value is a file descriptor that the caller gives.
    pub fn is_descriptor(self) -> bool {
        use ArgKind::*;
        matches!(self, DirFd | NewDirFd | Fd | NewFd | FdIn | FdOut)
    }
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

/// A row of the table: all that is fact about a call.
#[derive(Debug)]
pub struct Row {
    /// The call.
    pub call: Call,
    /// The name, verbatim, as in `syscalls(2)`.
    pub name: &'static str,
    /// Its number by architecture.
    pub numbers: Numbers,
    /// The operation of the model.
    pub op: Op,
    /// The kept arguments, in the order of [`crate::model::Event::args`]; for each, what it is and
    /// which argument register it is in or points from.
    pub args: &'static [(ArgKind, u8)],
    /// What a successful result is.
    pub result: ResultKind,
    /// What its [`ArgKind::Flags`] are called. They have no names, unless a row says so.
    pub flag_names: FlagNames,
    /// What is in argument registers of which it keeps nothing. Those before the last kept one are
    /// said.
    pub unkept: &'static [(u8, Unkept)],
    /// Flags that the call stands for without being given them, as those of the form with flags.
    /// None, unless a row says so.
    pub implied: u32,
    /// The one of its flags that has the descriptor closed when a program starts, where that isn't
    /// `O_CLOEXEC`: 0, unless a row says so. It stands for that one.
    pub cloexec: u32,
    /// What it does with a link at the end of its [`ArgKind::Path`]. Each row with one says it; an
    /// [`ArgKind::NewPath`] is always a name that is made.
    pub last: LastRule,
    /// Which names it makes or removes. None, unless a row says so.
    pub names: Names,
    /// Which descriptors it closes. None, unless a row says so.
    pub closes: Closes,
    /// Whether it may sleep until something happens that is no work of a file system. No, unless a
    /// row says so.
    pub waits: bool,
    /// Whether it changes files or names whenever it succeeds. No, unless a row says so; of calls
    /// that open, [`Row::made`] and the flags tell.
    pub changes: bool,
    /// The first release of Linux that has it, where that is after 4.0: a kernel may lack it, and a
    /// container's profile withhold it. None, unless a row says so.
    pub since: Option<(u8, u8)>,
}

/// All calls by their names: importers ask for each line of a log.
static BY_NAME: LazyLock<HashMap<&'static str, Call>> =
    LazyLock::new(|| TABLE.iter().map(|row| (row.name, row.call)).collect());

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
        BY_NAME.get(name).copied()
    }

    /// Its number on an architecture, if it exists there.
    pub fn number(self, architecture: Architecture) -> Option<u32> {
        self.row().numbers.on(architecture)
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
mod tests;

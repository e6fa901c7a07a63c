//! What a trace says: events of tasks, states of paths, and the frame around them.
//!
//! Times are nanoseconds since the start of the recording. Paths, names and argument lists are
//! bytes, never text, and stand in one table of strings.

mod frame;

use serde::{Deserialize, Serialize};

use crate::abi::OpenFlags;
use crate::call::{ArgKind, Call, Last, MAX_ARGS, Made};

pub use frame::{
    Footer, Header, Mount, Processors, Sample, Samples, StopCosts, UNREADABLE_ARGUMENTS,
    Unobserved, is_pseudo,
};

/// A kernel thread of the recorded tool, numbered in order of appearance; 0 is the command's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct TaskId(pub u32);

/// An interned string of bytes; ids are given in order of first use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct StringId(pub u32);

/// A canonical absolute path (no links, no `.` or `..`), as a chain of names; 0 is `/`.
///
/// A node names a place, not an inode: after `rename("/a", "/b")` the node of `/b` is another one
/// than that of `/a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The root directory.
    pub const ROOT: NodeId = NodeId(0);
}

/// What the records of a trace are, in the order in which the recorder saw them: an
/// [`Event`] stands where it *returned*; a [`PathState`] or [`Listing`] stands before every
/// event that returned after it was taken.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A system call.
    Event(Event),
    /// A task came to life.
    TaskStart(TaskStart),
    /// A task ended.
    TaskExit(TaskExit),
    /// The state of a path before the first call that touches it.
    PathState(PathState),
    /// The entries of a directory before the first call that lists it.
    Listing(Listing),
    /// The extended attributes of a path before the first call that asks for them.
    Xattrs(Xattrs),
    /// An open file descriptor that no recorded call opened.
    FdState(FdState),
}

/// One system call, entry and exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The task that made the call.
    pub task: TaskId,
    /// Which call.
    pub call: Call,
    /// When it was entered: nanoseconds since the start of the recording.
    pub entry: u64,
    /// Nanoseconds from entry to exit, as the recorder saw it.
    pub duration: u64,
    /// How many events returned between this one's entry and its return. Event number `a` returned
    /// before event number `b` was called exactly if `a < b - b.overlapped`: order doesn't depend
    /// on the precision of times.
    pub overlapped: u32,
    /// The result: a value, `-errno`, or [`Event::NO_RETURN`].
    pub result: i64,
    /// Where the task's time went since its previous record.
    pub spent: Spent,
    /// The kept arguments, in the order of the call's row; unused ones are 0. Signed numbers
    /// (`AT_FDCWD`, `-1`) are sign-extended.
    pub args: [u64; MAX_ARGS],
}

impl Event {
    /// The result of a call that never returned: its task died in it.
    pub const NO_RETURN: i64 = i64::MIN;

    /// The argument of that kind, if the call keeps one.
    #[inline]
    pub fn arg(&self, kind: ArgKind) -> Option<u64> {
        self.call.row().position(kind).map(|p| self.args[p])
    }

    /// The string that an argument names, if the call keeps one and it was not NULL.
    #[inline]
    pub fn string(&self, kind: ArgKind) -> Option<StringId> {
        match self.arg(kind) {
            Some(id) if id <= u64::from(u32::MAX) => Some(StringId(id as u32)),
            _ => None,
        }
    }

    /// The file descriptor that an argument names (negative ones included).
    #[inline]
    pub fn fd(&self, kind: ArgKind) -> Option<i32> {
        self.arg(kind).map(|fd| fd as i32)
    }

    /// Its flags: those that it was given and those that the call stands for (`creat`, `lstat`).
    #[inline]
    pub fn flags(&self) -> u32 {
        self.call.row().flags(&self.args)
    }

    /// What the call does with a link at the end of one of its paths; `open` are the flags of the
    /// recording machine.
    #[inline]
    pub fn last(&self, path: ArgKind, open: OpenFlags) -> Last {
        self.call.row().last(path, &self.args, open)
    }

    /// The name that it makes if it succeeds.
    #[inline]
    pub fn made(&self) -> Option<Made> {
        self.call.row().made(&self.args)
    }

    /// The name that it removes if it succeeds.
    #[inline]
    pub fn removed(&self) -> Option<ArgKind> {
        self.call.row().removed(&self.args)
    }

    /// The error number, if the call failed.
    #[inline]
    pub fn errno(&self) -> Option<i32> {
        (-4095..0)
            .contains(&self.result)
            .then(|| -self.result as i32)
    }

    /// When the call returned.
    #[inline]
    pub fn exit(&self) -> u64 {
        self.entry.saturating_add(self.duration)
    }
}

/// Where a task's time went from its previous record's end (its start, a call's return, a fork) to
/// the end of this one, nanoseconds as the kernel accounts them, less what a stop of the recorder
/// costs on average.
///
/// All 0 where the recorder did not tell ([`Header::tells_waiting`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Spent {
    /// On a processor before the call: computing, page faults, calls that are not recorded.
    pub think: u64,
    /// On a processor in the call.
    pub cpu: u64,
    /// Asleep before the call, in what is not recorded: timers, sockets, polling, page faults that
    /// read a disk.
    pub blocked: u64,
    /// Asleep in the call: waiting for a disk, a server, a lock, another task. Being kept from a
    /// processor by others is none of it. Where a trace doesn't tell them apart (versions 2 to 4),
    /// all that the call took and no processor did.
    pub asleep: u64,
}

/// A task came to life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskStart {
    /// The new task.
    pub task: TaskId,
    /// The task that made it; `None` for the command itself.
    pub parent: Option<TaskId>,
    /// When, nanoseconds since the start of the recording.
    pub time: u64,
    /// `CLONE_*` as in clone(2), `SIGCHLD` and the like masked out; they tell what it shares.
    pub flags: u64,
    /// Its task id (tid) as the recorder saw it.
    pub tid: u32,
    /// As [`Spent::think`], of the parent: from its previous record to the moment at which the new
    /// task exists.
    pub think: u64,
}

/// A task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskExit {
    /// The task.
    pub task: TaskId,
    /// When, nanoseconds since the start of the recording.
    pub time: u64,
    /// The status as wait(2) encodes it.
    pub status: i32,
    /// Processor time of its life, nanoseconds (0 where it is not known).
    pub cpu: u64,
    /// As [`Spent::think`]: from its previous record to its end, its memory's release included.
    pub think: u64,
}

/// The type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum FileKind {
    /// There was no such name.
    Absent,
    File,
    Directory,
    Symlink,
    Fifo,
    Socket,
    CharDevice,
    BlockDevice,
    /// It could not be told: the recorder itself was refused.
    Unknown,
}

impl FileKind {
    /// The type that a `st_mode` tells (inode(7)).
    pub fn of_mode(mode: u32) -> FileKind {
        match mode & 0o170_000 {
            0o010_000 => FileKind::Fifo,
            0o020_000 => FileKind::CharDevice,
            0o040_000 => FileKind::Directory,
            0o060_000 => FileKind::BlockDevice,
            0o100_000 => FileKind::File,
            0o120_000 => FileKind::Symlink,
            0o140_000 => FileKind::Socket,
            _ => FileKind::Unknown,
        }
    }

    /// The type of what `mknod` makes with that mode: a file, where the mode tells none.
    pub fn of_made(mode: u32) -> FileKind {
        match FileKind::of_mode(mode) {
            FileKind::Unknown => FileKind::File,
            told => told,
        }
    }
}

/// The state of a path before the first call that touches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathState {
    /// Which path.
    pub node: NodeId,
    /// Its type, or that it was not there.
    pub kind: FileKind,
    /// What `lstat` said; `None` if it is absent or unknown.
    pub metadata: Option<Metadata>,
}

/// What is kept of a file's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Size in bytes.
    pub size: u64,
    /// Permission bits, set-id and sticky bits (12 bits).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time, seconds since the epoch.
    pub mtime: i64,
    /// Files with the same number here are links to one inode; 0 for a file with one link.
    pub link_group: u64,
    /// Text of a symbolic link.
    pub target: Option<StringId>,
    /// Index into the header's mount table of the mount it lies on.
    pub mount: u32,
    /// Bytes that a sparse file's blocks hold; `None` for a file without holes to speak of.
    pub allocated: Option<u64>,
}

/// The entries of a directory, without `.` and `..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The directory.
    pub directory: NodeId,
    /// Its entries, each with its type, in ascending order of their nodes: nodes that were new
    /// came in the order of the listing, and no replay could have it again.
    pub entries: Vec<(NodeId, FileKind)>,
}

/// The extended attributes of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xattrs {
    /// Which path.
    pub node: NodeId,
    /// Name and size in bytes of each value.
    pub entries: Vec<(StringId, u32)>,
}

/// A file descriptor that was open without a recorded call: inherited at the start, or received
/// over a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FdState {
    /// The task in whose table it is.
    pub task: TaskId,
    /// The descriptor.
    pub fd: i32,
    /// Where it leads, as /proc/PID/fd says (`/a/file`, `pipe:[123]`, `socket:[4]`).
    pub target: StringId,
    /// Type of the file behind it.
    pub kind: FileKind,
    /// `O_*` status and creation flags (`O_CLOEXEC` included), as /proc/PID/fdinfo says; and
    /// [`FdState::APART`].
    pub flags: u32,
    /// File offset in bytes.
    pub offset: u64,
}

impl FdState {
    /// Not the open file of the last descriptor that agrees in target, flags and offset, but
    /// another one (kcmp(2)). Without it they are nearly always one (`> log 2>&1`). No `O_*` flag
    /// is this bit.
    pub const APART: u32 = 1 << 31;

    /// Whether [`FdState::APART`] is set.
    pub fn is_apart(&self) -> bool {
        self.flags & FdState::APART != 0
    }

    /// The `O_*` flags alone.
    pub fn open_flags(&self) -> u32 {
        self.flags & !FdState::APART
    }
}

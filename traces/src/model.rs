//! What a trace says: events of tasks, states of paths, and the frame around them.
//!
//! Times are nanoseconds since the start of the recording. Paths, names and argument lists are
//! bytes, never text, and stand in one table of strings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::abi::OpenFlags;
use crate::call::{ArgKind, Call, Last, MAX_ARGS, Made};

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
    /// How many events returned between this one's entry and its return. Event number `a` returned before event
    /// number `b` was called exactly if `a < b - b.overlapped`: order doesn't depend on the precision of times.
    pub overlapped: u32,
    /// The result: a value, `-errno`, or [`Event::NO_RETURN`].
    pub result: i64,
    /// Where the task's time went since its previous record.
    pub spent: Spent,
    /// The kept arguments, in the order of the call's row; unused ones are 0. Signed numbers (`AT_FDCWD`, `-1`) are sign-extended.
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

/// Where a task's time went from its previous record's end (its start, a call's return, a fork) to the end of this one,
/// nanoseconds as the kernel accounts them, less what a stop of the recorder costs on average.
///
/// All 0 where the recorder did not tell ([`Header::tells_waiting`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Spent {
    /// On a processor before the call: computing, page faults, calls that are not recorded.
    pub think: u64,
    /// On a processor in the call.
    pub cpu: u64,
    /// Asleep before the call, in what is not recorded: timers, sockets, polling, page faults that read a disk.
    pub blocked: u64,
    /// Asleep in the call: waiting for a disk, a server, a lock, another task. Being kept from a
    /// processor by others is none of it. Where a trace doesn't tell them apart (versions 2 to 4),
    /// all that the call took and no processor did.
    pub asleep: u64,
}

/// What the recorder's stops add to each event while recorder and task share a processor, nanoseconds; measured when a recording
/// begins. In [`Spent`] it is taken out, in durations it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StopCosts {
    /// To the processor time before the call.
    pub think: u64,
    /// To the processor time in the call.
    pub cpu: u64,
    /// To [`Event::duration`].
    pub duration: u64,
}

/// A run of the command without the recorder.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Unobserved {
    /// From its start to its end, nanoseconds.
    pub elapsed: u64,
    /// Processor time of the command and of all children that were waited for, nanoseconds.
    pub cpu: u64,
    /// Processor time that each event takes besides what was recorded (may be negative), nanoseconds, so that a replay where the
    /// command was recorded takes as long as the command did; `None` where that was not tried.
    pub per_event: Option<f64>,
}

/// Runs of the command without the recorder, as they were measured: what is made of them is the
/// reader's to say.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Samples {
    /// Which way of measuring this was: those of another one are not to be compared with.
    pub engine: u32,
    /// One for each run, in the order in which they were made.
    pub runs: Vec<Sample>,
}

impl Samples {
    /// The way of measuring of this version: the command runs again and again, each time right after
    /// the time before (on a share, after cached attributes have expired), and nothing is taken out.
    pub const ENGINE: u32 = 1;
}

/// A run of the command without the recorder, with all of its children that were waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sample {
    /// From its start to its end, nanoseconds.
    pub elapsed: u64,
    /// On processors, nanoseconds.
    pub cpu: u64,
    /// Its first task's time ready to run and kept waiting for a processor, nanoseconds: the kernel
    /// tells it of single tasks. 0 where it doesn't.
    pub queued: u64,
}

/// How fast processors were that something else may have slowed: a virtual machine's neighbours.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Processors {
    /// How many times as long computing took while the command was recorded as where nothing slows them.
    pub slowness: f64,
    /// What a unit of a replay's work takes there, nanoseconds.
    pub unit: f64,
    /// Which work that is.
    pub work: u32,
    /// Of which machine that is true, until it starts again (`/proc/sys/kernel/random/boot_id`); empty if that isn't known.
    pub boot: String,
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
    /// As [`Spent::think`], of the parent: from its previous record to the moment at which the new task exists.
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

/// Under this name, a footer counts events whose arguments in memory could not be read: unlike all
/// else that is counted there, they are events of the trace as well.
pub const UNREADABLE_ARGUMENTS: &str = "calls with unreadable arguments";

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
    /// Its entries, each with its type, in ascending order of their nodes: nodes that were new came in the order of the listing,
    /// and no replay could have it again.
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

/// A mounted file system, as /proc/self/mountinfo tells it (unescaped).
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mount {
    /// Mount id.
    pub id: u32,
    /// Which directory of the file system is mounted.
    pub root: Vec<u8>,
    /// Where.
    pub mount_point: Vec<u8>,
    /// Per-mount options.
    pub options: String,
    /// Optional fields, such as `master:5`.
    pub optional: String,
    /// File system type.
    pub fs_type: String,
    /// Source.
    pub source: Vec<u8>,
    /// Per-superblock options.
    pub super_options: String,
}

/// What is known when a recording begins.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Header {
    /// Version of the fsreplay that wrote the trace.
    pub producer: String,
    /// The command and those of its arguments that are kept: none, unless the recording was asked to.
    pub command: Vec<Vec<u8>>,
    /// Working directory of the command.
    pub cwd: Vec<u8>,
    /// umask at the start.
    pub umask: u32,
    /// Effective user id of the command.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Machine architecture: `x86_64`, `aarch64`.
    pub architecture: String,
    /// Kernel release.
    pub kernel: String,
    /// Processors that the command could use.
    pub cpus: u32,
    /// Page size in bytes.
    pub page_size: u32,
    /// How it was recorded: `ptrace`, …
    pub backend: String,
    /// Seconds since the epoch at the start.
    pub started: i64,
    /// The mount table at the start; [`Metadata::mount`] is an index into it.
    pub mounts: Vec<Mount>,
    /// What the recorder's stops add to times; `None` where it was not measured.
    #[serde(skip)]
    pub costs: Option<StopCosts>,
    /// Whether events tell what a task computed and what it waited for ([`Spent`], and the `think`
    /// of starts and exits). Where they don't, all time between calls counts as computing.
    #[serde(skip)]
    pub tells_waiting: bool,
}

/// What the producer of an anonymized trace ends with.
const ANONYMIZED: &str = ", anonymized";

impl Header {
    /// Whether the trace says that its names were replaced by others.
    pub fn is_anonymized(&self) -> bool {
        self.producer.ends_with(ANONYMIZED)
    }

    /// The producer of a trace whose names were replaced, from that of the trace that had them. What
    /// isn't a version of fsreplay might name somebody, and goes.
    pub(crate) fn anonymized(producer: &str) -> String {
        let version = producer.strip_prefix("fsreplay ").unwrap_or_default();
        let end = version.find(|c: char| !c.is_ascii_digit() && c != '.');
        let version = &version[..end.unwrap_or(version.len())];
        format!("fsreplay {version}{ANONYMIZED}")
    }
}

/// What is known when a recording ends.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Footer {
    /// Status of the command as wait(2) encodes it; `None` if it is not known.
    pub status: Option<i32>,
    /// Length of the recording, nanoseconds.
    pub elapsed: u64,
    /// Number of events.
    pub events: u64,
    /// Number of tasks.
    pub tasks: u64,
    /// Calls that were seen and not recorded, by name.
    pub unrecorded: BTreeMap<String, u64>,
    /// Tasks left running when the recording ended.
    pub left_running: u64,
    /// What a reader of the trace should know about its gaps.
    pub warnings: Vec<String>,
    /// A run of the same command without the recorder (`--calibrate`).
    #[serde(skip)]
    pub unobserved: Option<Unobserved>,
    /// How fast the processors were (`--calibrate`).
    #[serde(skip)]
    pub processors: Option<Processors>,
    /// Of the events, those that were recorded inside the tool's own processes. For all others the
    /// tool was stopped.
    #[serde(skip)]
    pub recorded_inside: u64,
    /// Runs of the same command without the recorder (`--calibrate`).
    #[serde(skip)]
    pub samples: Option<Samples>,
}

/// File systems whose files are the kernel's own state.
const PSEUDO_TYPES: &[&str] = &[
    "proc",
    "sysfs",
    "devtmpfs",
    "devpts",
    "cgroup",
    "cgroup2",
    "mqueue",
    "tracefs",
    "debugfs",
    "securityfs",
    "bpf",
    "bpffs",
    "pstore",
    "fusectl",
    "configfs",
    "binfmt_misc",
    "hugetlbfs",
    "rpc_pipefs",
    "nsfs",
    "selinuxfs",
    "efivarfs",
    "resctrl",
    "smackfs",
    "functionfs",
    "pipefs",
    "sockfs",
];

/// Whether nothing that is stored lies on a file system of that type: its files are the kernel's own state.
pub fn is_pseudo(fs_type: &str) -> bool {
    PSEUDO_TYPES.contains(&fs_type)
}

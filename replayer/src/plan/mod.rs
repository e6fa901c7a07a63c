//! The plan: a trace resolved against a placement, ready to be prepared and executed.
//!
//! Everything is decided here; executing needs no look-up but an index. Types only: the
//! `planner` module builds plans, `prepare` and `execute` consume them.

mod action;
mod lane;

use fsreplay_results::play::Coverage;
use fsreplay_trace::call::Call;
use fsreplay_trace::model::FileKind;

pub use action::Action;
pub(crate) use lane::Cursor;
pub use lane::{Lane, Step, Took, Wait};

/// A NUL-terminated byte string in [`Plan::text`], by offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(pub u32);

/// A place for a file descriptor of the replay. Slots `0..roots.len()` hold the roots' directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

impl Slot {
    /// No descriptor: the call is issued with -1 (it failed with `EBADF` when recorded).
    pub const BAD: Slot = Slot(u32::MAX);
    /// A descriptor of `/dev/null`, in place of a socket or pipe at one end of a copy.
    pub const NULL: Slot = Slot(u32::MAX - 1);
}

/// A path to be issued: relative to the directory in `dir`, never absolute, never with `..`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct At {
    /// Where the walk starts.
    pub dir: Slot,
    /// The path; empty where the recorded one was empty.
    pub path: Text,
}

/// One directory of the recorded machine that is recreated in a directory of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The recorded directory (`/` for the default placement).
    pub recorded: Vec<u8>,
    /// The target directory on the mount under test; the replay works in a fresh directory below
    /// it.
    pub target: std::path::PathBuf,
}

/// How the outcome of an op is compared with the recorded one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Check {
    /// Not compared: it has no recorded counterpart or was not issued.
    Nothing,
    /// The same number or the same error.
    Exact,
    /// Success of any value, or the same error (descriptors, addresses, handles, offsets in
    /// directories).
    Success,
    /// Lengths are compared over a whole pass of a directory (file systems order entries
    /// differently).
    Listing,
}

/// What is done, and what should come of it: all that ops which are alike have in common. It stands
/// once in [`Plan::ops`] however often it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Op {
    /// What to do.
    pub action: Action,
    /// The outcome to expect: a value or `-errno`.
    pub expected: i64,
    /// How to compare.
    pub check: Check,
    /// The recorded call.
    pub call: Call,
    /// Whether it stands for a recorded event; otherwise it is the replay's own.
    pub recorded: bool,
    /// The mount of the recorded machine that it worked on (index into the header's mounts),
    /// `u16::MAX` for none.
    pub mount: u16,
    /// The recorded directory that it worked in (index into [`Plan::places`]), `u32::MAX` for
    /// none.
    pub place: u32,
}

impl Op {
    /// One of a recorded call whose outcome is not compared, and of which no place is known.
    pub fn new(action: Action, call: Call) -> Op {
        Op {
            action,
            expected: 0,
            check: Check::Nothing,
            call,
            recorded: true,
            mount: u16::MAX,
            place: u32::MAX,
        }
    }
}

/// What a lane does besides its calls, nanoseconds; the recorder's own cost is taken out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// On a processor before the op (and before it waits for others).
    pub think: f32,
    /// Asleep before it, for a reason outside of the replay: timers, the network, people.
    pub asleep: f32,
    /// On a processor in the op, for what the tool's call did and the replay's doesn't: a
    /// program's start, a pipe's bytes.
    pub own: f32,
    /// Asleep in the op, for a reason outside of the replay.
    pub own_asleep: f32,
}

impl Pace {
    /// Nothing to do.
    pub const NONE: Pace = Pace {
        think: 0.0,
        asleep: 0.0,
        own: 0.0,
        own_asleep: 0.0,
    };

    /// The same, with that much computed before the op.
    #[inline]
    pub(crate) fn with_think(self, think: f32) -> Pace {
        Pace { think, ..self }
    }

    /// Whether there is nothing to do.
    pub fn is_none(&self) -> bool {
        *self == Pace::NONE
    }
}

/// What an op slept when it was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sleep {
    /// Whose.
    pub lane: u32,
    /// Index of the op.
    pub op: u32,
    /// Before the op.
    pub before: Slept,
    /// In the op.
    pub within: Slept,
}

/// A time asleep.
///
/// A task that sleeps by a timer and then acts by what others have done meanwhile (Go's monitor,
/// which hands on the work of a thread that stands in a call) acts when they have done it, and not
/// after a time. So it sleeps until then, and no longer than it did: what it is that wakes can't be
/// told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Slept {
    /// Nanoseconds.
    pub time: f32,
    /// How many calls of other tasks returned meanwhile.
    pub events: u32,
    /// The last of them.
    pub last: Option<WaitFor>,
    /// Nanoseconds asleep after that.
    pub after: f32,
}

/// An op that the tool did because another one had failed: what it would not have done where that
/// goes well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Index of the op.
    pub op: u32,
    /// Index of the one that failed, in the same lane.
    pub failed: u32,
}

/// "Lane `lane` has done its first `done` ops."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitFor {
    /// Index of the lane waited for.
    pub lane: u32,
    /// How many of its ops must be done.
    pub done: u32,
}

/// A task begins on a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birth {
    /// Its parent has done this.
    pub after: WaitFor,
    /// Its lane, that of a task that has ended or a new one.
    pub lane: u32,
    /// Index of its first op.
    pub op: u32,
}

/// One entry of the initial tree; a parent stands before its children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Index into [`Plan::roots`].
    pub root: u32,
    /// Path relative to the root; empty for the root itself.
    pub path: Text,
    /// Its type (`File`, `Directory`, `Symlink`, `Fifo`; sockets and devices are made as files).
    pub kind: FileKind,
    /// Size in bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Owner, group; used by root only.
    pub owner: (u32, u32),
    /// Modification time, seconds since the epoch, if it was recorded.
    pub mtime: Option<i64>,
    /// Text of a symbolic link, already contained; resolved at prepare time if `absolute`.
    pub target: Option<Text>,
    /// The link text is a path inside root `.0`, to be prefixed with that root's real directory.
    pub target_root: Option<u32>,
    /// This name is another link to that earlier entry.
    pub link_of: Option<u32>,
    /// The replay may change it: a file's contents or metadata, a directory's entries.
    pub changed: bool,
    /// The replay reads its contents, or gives back its blocks: it must be real data, not a hole.
    pub data: bool,
    /// How many bytes of the contents lie in blocks, from the beginning; the rest is a hole.
    /// `None` for all.
    pub allocated: Option<u64>,
    /// Extended attributes: name and size.
    pub xattrs: Vec<(Text, u32)>,
}

impl TreeEntry {
    /// An empty one of the first root, of which nothing else is known.
    pub fn new(path: Text, kind: FileKind) -> TreeEntry {
        TreeEntry {
            root: 0,
            path,
            kind,
            size: 0,
            mode: if kind == FileKind::Directory {
                0o755
            } else {
                0o644
            },
            owner: (0, 0),
            mtime: None,
            target: None,
            target_root: None,
            link_of: None,
            changed: false,
            data: false,
            allocated: None,
            xattrs: Vec::new(),
        }
    }

    /// Bytes of its contents that are data and no hole.
    pub fn filled(&self) -> u64 {
        if self.data {
            self.allocated.unwrap_or(self.size).min(self.size)
        } else {
            0
        }
    }
}

/// A file or directory that is open before the first op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InitialFd {
    /// Where it goes.
    pub out: Slot,
    /// What it leads to.
    pub at: At,
    /// `O_*` flags.
    pub flags: i32,
    /// File offset.
    pub offset: u64,
}

/// What is known of the tool's own time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnTime {
    /// The recorder told computing from waiting; otherwise all time between calls counts as
    /// computing.
    pub told: bool,
    /// What recorded computing is to be multiplied by, on paper as in a replay with the tool's own
    /// time.
    pub computing: f64,
    /// What the tool takes on processors without the recorder, calls included, seconds, if
    /// [`OwnTime::computing`] comes from that ([`crate::fit`]).
    pub processor_seconds: Option<f64>,
}

impl Default for OwnTime {
    fn default() -> OwnTime {
        OwnTime {
            told: false,
            computing: 1.0,
            processor_seconds: None,
        }
    }
}

/// A trace resolved against a placement.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Where recorded directories go; the first is the default.
    pub roots: Vec<Root>,
    /// NUL-terminated paths, names and link texts.
    pub text: Vec<u8>,
    /// The initial tree.
    pub tree: Vec<TreeEntry>,
    /// Descriptors that are open before the first op.
    pub initial_fds: Vec<InitialFd>,
    /// What lanes do, each once.
    pub ops: Vec<Op>,
    /// What is done one after the other: by a task, or by several of which each began after the
    /// one before had ended.
    pub lanes: Vec<Lane>,
    /// Where tasks begin, in the order of the trace.
    pub births: Vec<Birth>,
    /// Number of slots, roots included.
    pub slots: u32,
    /// Number of mappings that [`Action::Map`] uses.
    pub maps: u32,
    /// Number of passes over directories.
    pub listings: u32,
    /// The longest read or write, for the buffers.
    pub longest_transfer: u64,
    /// The most bytes that the replayed tree may hold at once, initial tree included.
    pub peak_bytes: u64,
    /// The most inodes likewise.
    pub peak_inodes: u64,
    /// What is issued and what is not.
    pub coverage: Coverage,
    /// Recorded directories that ops worked in, absolute.
    pub places: Vec<Vec<u8>>,
    /// What is known of the tool's own time.
    pub timing: OwnTime,
    /// Sleep as recorded, by lane and op; the paces hold what is left of it without the recorder.
    pub sleeps: Vec<Sleep>,
    /// What was changed to fit, or could not be told: text and count.
    pub notes: Vec<(String, u64)>,
}

impl Plan {
    /// An op of a lane, which must have it.
    #[inline]
    pub fn op(&self, lane: usize, at: usize) -> &Op {
        &self.ops[self.lanes[lane].steps()[at].op()]
    }

    /// The ops of a lane, in order.
    pub fn ops_of(&self, lane: usize) -> impl Iterator<Item = &Op> {
        let steps = self.lanes[lane].steps().iter();
        steps.map(|step| &self.ops[step.op()])
    }

    /// Number of the event (0-based, over all tasks) that an op stands for, if it stands for one.
    pub fn event(&self, lane: usize, at: usize) -> Option<u32> {
        let recorded = self.op(lane, at).recorded;
        recorded.then(|| self.lanes[lane].moment(at))
    }

    /// Adds an op to a lane, which stands for the event of that number if it stands for one.
    pub fn push(&mut self, lane: usize, op: Op, event: u32, pace: Pace) {
        let step = Step::of(self.ops.len()).unwrap_or_else(|| unreachable!("few are made by hand"));
        self.ops.push(op);
        self.lanes[lane].push(step, event, pace);
    }

    /// What an op of a lane slept.
    pub fn sleep_of(&self, lane: usize, op: usize) -> Option<&Sleep> {
        let key = (lane as u32, op as u32);
        let found = self
            .sleeps
            .binary_search_by_key(&key, |sleep| (sleep.lane, sleep.op));
        self.sleeps.get(found.ok()?)
    }

    /// The bytes of a text, without the NUL.
    pub fn bytes(&self, text: Text) -> &[u8] {
        let rest = self.text.get(text.0 as usize..).unwrap_or(&[]);
        let end = rest.iter().position(|b| *b == 0).unwrap_or(rest.len());
        &rest[..end]
    }
}

//! Traces as a list of lines: a header, how they are played, and one line for each record.

use fsreplay_trace::call::{ArgKind, Call};
use fsreplay_trace::model::FileKind;

/// Stands in texts for the absolute path of the directory of canaries.
pub const OUTSIDE: &[u8] = b"{outside}";

/// A trace, and how it is to be played.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// Who recorded it, and where.
    pub head: Head,
    /// How it is played.
    pub play: Play,
    /// Its records, in order.
    pub lines: Vec<Line>,
}

/// The header of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// User id of the recorded command.
    pub uid: u32,
    /// Its working directory.
    pub cwd: Vec<u8>,
    /// Its first argument.
    pub command: Vec<u8>,
}

impl Default for Head {
    fn default() -> Head {
        Head {
            uid: 0,
            cwd: b"/ws".to_vec(),
            command: b"hostile".to_vec(),
        }
    }
}

/// How a trace is played.
#[derive(Clone, Debug, PartialEq)]
pub struct Play {
    /// How often.
    pub rounds: u32,
    /// A recorded directory that goes to a second target.
    pub place: Option<Vec<u8>>,
    /// The tool's own time is part of the replay, multiplied by this many millionths.
    pub timing: Option<u32>,
}

impl Default for Play {
    fn default() -> Play {
        Play {
            rounds: 1,
            place: None,
            timing: None,
        }
    }
}

/// A path of the recorded machine as names below the root. Names are not looked at: `..`, empty
/// ones and such with a slash are what a damaged file may hold.
pub type Names = Vec<Vec<u8>>;

/// One record, or several that are alike.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// A task begins.
    Task {
        /// Its number.
        task: u32,
        /// Who made it.
        parent: Option<u32>,
        /// `CLONE_*`.
        flags: u64,
    },
    /// A task ends.
    Exit {
        /// Its number.
        task: u32,
    },
    /// The state of a path.
    State(State),
    /// Extended attributes of a path: names and sizes.
    Xattrs {
        /// Which path.
        path: Names,
        /// Names and sizes.
        entries: Vec<(Vec<u8>, u32)>,
    },
    /// The entries of a directory.
    List {
        /// Which directory.
        path: Names,
        /// Names and types.
        entries: Vec<(Vec<u8>, FileKind)>,
    },
    /// A descriptor that no call opened.
    Fd(Inherited),
    /// Calls.
    Call(Calls),
    /// The block of records ends.
    Flush,
    /// Nanoseconds go by.
    Wait(u64),
}

/// The state of a path.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Its type.
    pub kind: FileKind,
    /// Which path.
    pub path: Names,
    /// Text of a symbolic link.
    pub target: Option<Vec<u8>>,
    /// Permission bits.
    pub mode: u32,
    /// Size in bytes.
    pub size: u64,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Names with the same number are links to one inode; 0 for none.
    pub group: u64,
    /// Modification time, seconds since the epoch.
    pub mtime: i64,
}

impl State {
    /// The state of a path, with what is usual for the rest.
    pub fn new(kind: FileKind, path: Names) -> State {
        State {
            kind,
            path,
            target: None,
            mode: 0o755,
            size: 0,
            uid: 0,
            gid: 0,
            group: 0,
            mtime: 0,
        }
    }
}

/// A descriptor that no call opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Inherited {
    /// In whose table.
    pub task: u32,
    /// Its number.
    pub fd: i32,
    /// Where it leads.
    pub target: Vec<u8>,
    /// What is there.
    pub kind: FileKind,
    /// `O_*`.
    pub flags: u32,
    /// File offset in bytes.
    pub offset: u64,
}

/// A call, made so many times.
#[derive(Clone, Debug, PartialEq)]
pub struct Calls {
    /// How many times.
    pub count: u64,
    /// By which task.
    pub task: u32,
    /// Which call.
    pub call: Call,
    /// The recorded result.
    pub result: i64,
    /// Its arguments; those that are not named are 0, `AT_FDCWD` or NULL.
    pub args: Vec<(ArgKind, Arg)>,
    /// When, and what it took.
    pub times: Times,
}

/// An argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    /// A number, as its bits.
    Number(u64),
    /// A path, a name, the text of a link.
    Text(Vec<u8>),
    /// A pointer that is NULL.
    Null,
}

/// What a call took, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// From entry to exit.
    pub duration: u64,
    /// Computing before it.
    pub think: u64,
    /// Asleep before it.
    pub blocked: u64,
    /// Computing in it.
    pub cpu: u64,
    /// How many calls returned meanwhile.
    pub overlapped: u32,
    /// By how much it was entered before the previous one had returned.
    pub back: u64,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            duration: 100,
            think: 0,
            blocked: 0,
            cpu: 0,
            overlapped: 0,
            back: 0,
        }
    }
}

impl Calls {
    /// One call.
    pub fn new(task: u32, call: Call, result: i64) -> Calls {
        Calls {
            count: 1,
            task,
            call,
            result,
            args: Vec::new(),
            times: Times::default(),
        }
    }

    /// With an argument more, if the call keeps one of that kind.
    pub fn with(mut self, kind: ArgKind, arg: Arg) -> Calls {
        if self.call.row().position(kind).is_some() {
            self.args.push((kind, arg));
        }
        self
    }
}

/// What an argument is that nobody named.
pub fn usual(kind: ArgKind) -> u64 {
    match kind {
        ArgKind::DirFd | ArgKind::NewDirFd => -100i64 as u64,
        kind if kind.is_text() => u64::MAX,
        _ => 0,
    }
}

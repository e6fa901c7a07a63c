//! The tool's tasks, and what they share: descriptors, working directory, memory.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use fsreplay_trace::call::{Call, MAX_ARGS};
use fsreplay_trace::model::{NodeId, Spent, TaskId};

use crate::affinity::Placement;
use crate::cpu_time::CpuTime;
use crate::maps::Maps;
use crate::observe::{Found, View};

/// A directory, and the count of directory renames up to which that is where it is.
pub type Kept = (NodeId, u32);

/// Working directory and root, shared by `CLONE_FS`.
#[derive(Clone, Debug)]
pub struct Place {
    /// The working directory, if it is known.
    pub cwd: Option<Kept>,
    /// The root directory.
    pub root: NodeId,
    /// In a mount namespace of its own.
    pub foreign: bool,
}

impl Place {
    /// From where a task in this place sees the tree.
    pub fn view(&self, tid: i32) -> View {
        View {
            root: self.root,
            prefix: match self.foreign {
                true => format!("/proc/{tid}/root").into_bytes(),
                false => Vec::new(),
            },
        }
    }
}

/// Directories that descriptors lead to, as far as asked for; shared by `CLONE_FILES`.
pub type Directories = HashMap<i32, Kept>;

/// A call that has not returned.
#[derive(Clone, Debug)]
pub struct InCall {
    /// Which.
    pub call: Call,
    /// Argument registers.
    pub registers: [u64; 6],
    /// Arguments as in its event.
    pub args: [u64; MAX_ARGS],
    /// When it was entered, nanoseconds since the start of the recording.
    pub entry: u64,
    /// Events that had returned by then.
    pub events_at_entry: u64,
    /// Renames of directories by then ([`States::moves`](crate::observe::States::moves)).
    pub moves: u32,
    /// Where the walks of its paths ended.
    pub found: [Option<Found>; 2],
    /// Text of the link that it makes.
    pub target: Vec<u8>,
    /// Where the task's time went before it.
    pub spent: Spent,
}

/// Whom a task asks to trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traced {
    /// Itself, by its parent (`PTRACE_TRACEME`).
    Itself,
    /// Another task.
    Another,
}

/// A call that is no event, whose result the recorder waits for.
#[derive(Clone, Debug)]
pub enum Side {
    /// It asks where it may run, with these argument registers.
    Affinity([u64; 6]),
    /// It asks whether it has a filter.
    SeccompMode,
    /// It installs a filter whose answers another process gives.
    Supervisor,
    /// It begins to trace.
    Traces(Traced),
    /// It mounts or unmounts: what lies below this directory is another tree then.
    Mounts(NodeId),
    /// It enters namespaces.
    EntersNamespaces,
}

/// Where a task is between two stops.
#[derive(Clone, Debug, Default)]
pub enum Phase {
    /// It runs, in no recorded call.
    #[default]
    Running,
    /// In a call; the next stop is its exit.
    InCall(InCall),
    /// In a call that is no event; the next stop is its exit.
    Side(Side),
    /// A call was interrupted, at that time: it will be made again, or the tool saw `EINTR`.
    Interrupted(InCall, u64),
}

/// A task.
#[derive(Debug)]
pub struct Task {
    /// Its id in the trace.
    pub id: TaskId,
    /// Its process.
    pub tgid: i32,
    /// Where it is.
    pub phase: Phase,
    /// In a ptrace stop that the recorder left it in (a group stop does not count: it is waited for).
    pub stopped: bool,
    /// Working directory and root.
    pub place: Rc<RefCell<Place>>,
    /// Known directories of descriptors.
    pub directories: Rc<RefCell<Directories>>,
    /// Mappings of files.
    pub maps: Rc<RefCell<Maps>>,
    /// Where it may run.
    pub placement: Placement,
    /// Where its time goes.
    pub time: CpuTime,
    /// Processor time between its last record and its last stop.
    pub last_think: u64,
}

impl Task {
    /// The first task.
    pub fn first(tid: i32, placement: Placement) -> Task {
        Task {
            id: TaskId(0),
            tgid: tid,
            phase: Phase::Running,
            stopped: false,
            place: Rc::new(RefCell::new(Place {
                cwd: None,
                root: NodeId::ROOT,
                foreign: false,
            })),
            directories: Rc::default(),
            maps: Rc::default(),
            placement,
            time: CpuTime::new(tid),
            last_think: 0,
        }
    }

    /// A task that this one makes with `clone` flags.
    pub fn child(&self, id: TaskId, tid: i32, flags: u64) -> Task {
        let has = |flag: i32| flags & flag as u64 != 0;
        Task {
            id,
            tgid: if has(libc::CLONE_THREAD) {
                self.tgid
            } else {
                tid
            },
            phase: Phase::Running,
            stopped: false,
            place: share(&self.place, has(libc::CLONE_FS)),
            directories: share(&self.directories, has(libc::CLONE_FILES)),
            maps: share(&self.maps, has(libc::CLONE_VM)),
            placement: self.placement.clone(),
            time: CpuTime::started(tid),
            last_think: 0,
        }
    }

    /// A program was started: descriptors and memory are its own.
    pub fn started_program(&mut self) {
        self.directories = Rc::default();
        self.maps = Rc::default();
    }

    /// It stopped sharing what these `CLONE_*` flags say.
    pub fn unshare(&mut self, flags: u64) {
        if flags & (libc::CLONE_FS | libc::CLONE_NEWNS) as u64 != 0 {
            self.place = share(&self.place, false);
        }
        if flags & libc::CLONE_FILES as u64 != 0 {
            self.directories = share(&self.directories, false);
        }
    }

    /// The call that it is in.
    pub fn call(&self) -> Option<Call> {
        match &self.phase {
            Phase::InCall(call) => Some(call.call),
            _ => None,
        }
    }
}

fn share<T: Clone>(value: &Rc<RefCell<T>>, shared: bool) -> Rc<RefCell<T>> {
    if shared {
        Rc::clone(value)
    } else {
        Rc::new(RefCell::new(value.borrow().clone()))
    }
}

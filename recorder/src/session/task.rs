//! The tool's tasks, and what they share: descriptors, working directory, memory.

use std::cell::RefCell;
use std::rc::Rc;

use fsreplay_trace::call::{Call, MAX_ARGS};
use fsreplay_trace::maps::Maps;
use fsreplay_trace::model::{NodeId, Spent, TaskId};
use hashbrown::HashMap;

use super::states::{Found, View};

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
    /// When the part of it began of which nothing is told yet: an interrupted call has several.
    pub since: u64,
    /// It was interrupted, and is made again: it was entered at the first time.
    pub is_again: bool,
    /// Events that had returned by then.
    pub events_at_entry: u64,
    /// Renames of directories by then ([`States::moves`](super::States::moves)).
    pub moves: u32,
    /// Where the walks of its paths ended.
    pub found: [Option<Found>; 2],
    /// Text of the link that it makes.
    pub target: Vec<u8>,
    /// Where the task's time went before it.
    pub spent: Spent,
}

/// Where a task is.
#[derive(Clone, Debug, Default)]
pub enum Phase {
    /// It runs, in no recorded call.
    #[default]
    Running,
    /// In a call.
    InCall(InCall),
    /// In a call that is no event, whose result matters.
    Counted,
    /// A call was interrupted, at that time: it will be made again, or the tool saw `EINTR`.
    Interrupted(InCall, u64),
}

/// A task.
#[derive(Debug)]
pub struct Task {
    /// Its id in the trace.
    pub id: TaskId,
    /// Its id as the recorder sees it.
    pub tid: i32,
    /// Its process.
    pub tgid: i32,
    /// Where it is.
    pub(super) phase: Phase,
    /// Working directory and root.
    pub(super) place: Rc<RefCell<Place>>,
    /// Known directories of descriptors.
    pub(super) directories: Rc<RefCell<Directories>>,
    /// Mappings of files.
    pub(super) maps: Rc<RefCell<Maps>>,
    /// Where its time went before a call that was not made: it belongs to the next one.
    pub(super) owed: Spent,
}

impl Task {
    /// The first task.
    pub(super) fn first(id: TaskId, tid: i32) -> Task {
        Task {
            id,
            tid,
            tgid: tid,
            phase: Phase::Running,
            place: Rc::new(RefCell::new(Place {
                cwd: None,
                root: NodeId::ROOT,
                foreign: false,
            })),
            directories: Rc::default(),
            maps: Rc::default(),
            owed: Spent::default(),
        }
    }

    /// A task that this one makes with `clone` flags.
    pub(super) fn child(&self, id: TaskId, tid: i32, flags: u64) -> Task {
        let has = |flag: i32| flags & flag as u64 != 0;
        Task {
            id,
            tid,
            tgid: if has(libc::CLONE_THREAD) {
                self.tgid
            } else {
                tid
            },
            phase: Phase::Running,
            place: share(&self.place, has(libc::CLONE_FS)),
            directories: share(&self.directories, has(libc::CLONE_FILES)),
            maps: share(&self.maps, has(libc::CLONE_VM)),
            owed: Spent::default(),
        }
    }

    /// A program was started: descriptors and memory are its own.
    pub fn started_program(&mut self) {
        // Its own from now on; which of them are closed is looked at when the call is told.
        self.directories = share(&self.directories, false);
        self.maps = Rc::default();
    }

    /// It stopped sharing what these `CLONE_*` flags say.
    pub(super) fn unshare(&mut self, flags: u64) {
        if flags & (libc::CLONE_FS | libc::CLONE_NEWNS) as u64 != 0 {
            self.place = share(&self.place, false);
        }
        if flags & libc::CLONE_FILES as u64 != 0 {
            self.directories = share(&self.directories, false);
        }
    }

    /// Whether it is in a call whose exit is to be told.
    pub fn is_in_call(&self) -> bool {
        matches!(self.phase, Phase::InCall(_) | Phase::Counted)
    }

    /// Whether a call of it was interrupted, which may be made again.
    pub fn is_interrupted(&self) -> bool {
        matches!(self.phase, Phase::Interrupted(..))
    }

    /// Whether it is in a call with these registers.
    pub fn is_in(&self, registers: &[u64; 6]) -> bool {
        matches!(&self.phase, Phase::InCall(call) if call.registers == *registers)
    }

    /// From where it sees the tree.
    pub(super) fn view(&self) -> View {
        let place = self.place.borrow();
        View {
            root: place.root,
            through: place.foreign.then_some(self.tid),
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

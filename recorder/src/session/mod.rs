//! The core of a recording: from calls, told by a backend, to the records of a trace.
//!
//! What a call means, which descriptors lead where, what is known of paths, in which order things
//! happened, and what is written of it. It knows no ptrace and asks no kernel: what happens is told
//! by a *backend*, and what it wants to know of the machine it asks of a [`World`]. So it is tested
//! without either (`tests`).
//!
//! # What a backend delivers
//!
//! docs/recorder-contract.md has this at length, with the reasons. In short:
//!
//! 1. **Tasks.** [`Session::first`] once, before all else; [`Session::starts`] before anything of
//!    the new task is told; [`Session::ends`] after all of it. A program's start
//!    ([`Task::started_program`]) between the entry and the exit of its `execve`.
//! 2. **Calls**, one after another for each task: [`Session::entry`] and, if it says so,
//!    [`Session::exit`], while the task stands still at each; or [`Session::call`] with both, after
//!    the fact. Calls of the table that change nothing of the tree may be told after the fact,
//!    others may not. Of most of those the exit may ([`Session::may_be_told_late`]). What isn't in
//!    the table need not be told.
//! 3. **Order.** Calls are told in the order in which they *returned*, over all tasks: before a
//!    backend tells an entry or an exit that stands still, it tells all calls that returned before.
//! 4. **Looks.** While something is told, the tree below the paths of the call is as it was when
//!    the call was made, as far as the tool's own calls go: what changes it is told at its entry,
//!    before it happens.
//! 5. **Memory** as the task has it at the entry, and for an exit at the exit ([`Memory`]).
//! 6. **Clock.** Nanoseconds since the recording's start, on one clock for all tasks; where a
//!    task's time went ([`Clock`]).
//!
//! The core answers with what it wants told of a call's exit ([`Next`]), and never fails: an error
//! of the trace's writer is kept until somebody asks ([`Trace::take_error`]).

mod attached;
mod calls;
pub mod clock;
mod decode;
mod effects;
mod interrupted;
mod killed;
mod late;
pub mod memory;
mod numbers;
mod paths;
mod places;
pub mod states;
pub mod task;
pub mod trace;
pub mod world;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

use fsreplay_trace::abi::Architecture;
use fsreplay_trace::model::{Footer, Record, TaskExit, TaskId, TaskStart};

pub use clock::{Clock, Delivered, Known, Within};
pub use memory::Memory;
pub use states::States;
pub use task::Task;
pub use trace::Trace;
pub use world::World;

use decode::Decoded;
use numbers::Numbers;

/// A call as it is made: its number and what its arguments are in.
#[derive(Clone, Copy)]
pub struct RawCall<'a> {
    /// Its number, of the recorded architecture.
    pub number: u64,
    /// Argument registers.
    pub registers: [u64; 6],
    /// The memory that they point into.
    pub memory: &'a dyn Memory,
}

/// What is to be told of a call whose entry was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It will be an event: its exit.
    Exit,
    /// It is no event, and its result matters: its exit.
    Result,
    /// Nothing: it is written.
    Written,
    /// Nothing: it is no event.
    Nothing,
}

/// A task that begins.
#[derive(Clone, Copy, Debug)]
pub struct NewTask {
    /// Its id as the recorder sees it.
    pub tid: i32,
    /// `CLONE_*`, without the signal that its end sends.
    pub flags: u64,
    /// When.
    pub time: u64,
    /// What its parent computed since its last record.
    pub think: u64,
}

/// A task's end.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// When.
    pub time: u64,
    /// As wait(2) encodes it.
    pub status: i32,
    /// Processor time of its life; 0 where it is not known.
    pub cpu: u64,
    /// What it computed since its last record.
    pub think: u64,
}

/// Everything that is written, and what is known to write it.
pub struct Session {
    /// The trace.
    pub trace: Trace,
    /// What a reader should know.
    pub warnings: BTreeSet<String>,
    states: States,
    /// Calls seen and not recorded.
    unrecorded: BTreeMap<String, u64>,
    numbers: Numbers,
    decoded: Decoded,
    world: Rc<dyn World>,
    /// Tasks so far.
    started: u32,
    /// Events that were told after the fact.
    after_the_fact: u64,
    inherited_done: bool,
    /// Set-id programs keep their privilege: the recorder may trace them with it.
    privileged: bool,
    /// Tasks whose memory may not be read.
    unreadable: HashSet<TaskId>,
}

impl Session {
    /// Of a tool whose calls have the numbers of that architecture; `privileged` if set-id programs
    /// keep their privilege.
    pub fn new(
        trace: Trace,
        states: States,
        world: Rc<dyn World>,
        architecture: Architecture,
        privileged: bool,
    ) -> Session {
        Session {
            trace,
            warnings: BTreeSet::new(),
            states,
            unrecorded: BTreeMap::new(),
            numbers: Numbers::new(architecture),
            decoded: Decoded::default(),
            world,
            started: 0,
            after_the_fact: 0,
            inherited_done: false,
            privileged,
            unreadable: HashSet::new(),
        }
    }

    /// Keeps all arguments of programs.
    pub fn keep_arguments(&mut self) {
        self.decoded.keep = decode::Arguments::All;
    }

    /// Tasks so far.
    pub fn tasks(&self) -> u64 {
        u64::from(self.started)
    }

    /// The command's first task.
    pub fn first(&mut self, tid: i32, time: u64) -> Task {
        let id = self.begins(None, tid, 0, time, 0);
        Task::first(id, tid)
    }

    /// A task made another one.
    pub fn starts(&mut self, parent: &Task, new: &NewTask) -> Task {
        let NewTask {
            tid,
            flags,
            time,
            think,
        } = *new;
        let id = self.begins(Some(parent.id), tid, flags, time, think);
        let task = parent.child(id, tid, flags);
        self.made_namespace(&task, flags);
        task
    }

    fn begins(
        &mut self,
        parent: Option<TaskId>,
        tid: i32,
        flags: u64,
        time: u64,
        think: u64,
    ) -> TaskId {
        let task = TaskId(self.started);
        self.started += 1;
        self.trace.push(Record::TaskStart(TaskStart {
            task,
            parent,
            time,
            flags,
            tid: tid as u32,
            think,
        }));
        task
    }

    /// A task is gone. What it was in never returned.
    pub fn ends(&mut self, task: &mut Task, end: &End) {
        self.abandoned(task, end.time);
        self.trace.push(Record::TaskExit(TaskExit {
            task: task.id,
            time: end.time,
            status: end.status,
            cpu: end.cpu,
            think: end.think,
        }));
    }

    /// Counts a call that is not recorded.
    pub fn count_unrecorded(&mut self, name: &str) {
        self.count_unrecorded_calls(name, 1);
    }

    /// Counts so many calls that are not recorded.
    pub fn count_unrecorded_calls(&mut self, name: &str, calls: u64) {
        match self.unrecorded.get_mut(name) {
            Some(count) => *count += calls,
            None if calls == 0 => {}
            None => {
                self.unrecorded.insert(name.to_owned(), calls);
            }
        }
    }

    /// What is known at the end, or up to now; what was counted and warned of is taken out.
    pub fn footer(&mut self, elapsed: u64, status: Option<i32>, left_running: u64) -> Footer {
        self.warnings.extend(self.states.warning());
        Footer {
            status,
            elapsed,
            events: self.trace.events(),
            tasks: self.tasks(),
            unrecorded: std::mem::take(&mut self.unrecorded),
            left_running,
            warnings: std::mem::take(&mut self.warnings).into_iter().collect(),
            unobserved: None,
            processors: None,
            recorded_inside: self.after_the_fact,
            samples: None,
        }
    }
}

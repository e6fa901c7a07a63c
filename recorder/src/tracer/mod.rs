//! The event loop: from stops of tasks to records.
//!
//! One thread does all of it: ptrace requests must come from the thread that attached.

mod affinity;
pub mod attached;
mod clock;
mod copied;
pub mod costs;
mod cpu_time;
mod ending;
mod escort;
pub mod filter;
mod flow;
mod held_off;
mod init;
mod injected;
pub mod inside;
mod letting_go;
mod lifecycle;
mod memory;
mod parcel;
mod passing;
mod pending;
pub mod rate;
mod refused;
mod requests;
mod side;
mod stopping;
mod tracee;

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use fsreplay_trace::model::Footer;
use hashbrown::HashMap;

pub use clock::{Clock, Costs};
pub use memory::TaskMemory;

use crate::arch;
use crate::error::RecordError;
use crate::headroom::Headroom;
use crate::options::{Observer, RecordOptions};
use crate::session::{Next, RawCall, Session, Trace};
use crate::sys::ptrace::{self, Stop, Waited};
use crate::sys::signal;
use affinity::Gatherer;
use ending::Ending;
use filter::{FOREIGN_CALL, Rings, SIDE_CALL};
use flow::Flow;
use inside::Inside;
use passing::Passing;
use pending::Pending;
use requests::Requests;
use tracee::{Side, Tracee};

/// A command under observation.
pub struct Tracer {
    session: Session,
    clock: Clock,
    costs: Costs,
    /// Memory is read through /proc: a profile forbids the quicker way.
    through_proc: bool,
    tasks: HashMap<i32, Tracee>,
    /// New tasks that stopped before their parent's event told of them, with the status of that
    /// stop.
    strangers: HashMap<i32, i32>,
    /// A task was killed, maybe in a call that made another one.
    may_have_orphans: bool,
    gatherer: Gatherer,
    /// What is recorded inside the tool, where that is wanted.
    inside: Option<Inside>,
    main: i32,
    status: Option<i32>,
    /// The first exec has succeeded.
    running: bool,
    /// The command's first task has stopped and not gone on.
    stopped: bool,
    first_error: Option<io::Error>,
    ending: Ending,
    pending: Pending,
    /// Tasks that the tool itself traces.
    passing: Passing,
    requests: Requests,
    /// Memory, where it is limited.
    headroom: Option<Headroom>,
    /// What the user should know now.
    to_tell: Vec<String>,
    /// Calls inside the tool beside stops.
    flow: Flow,
    /// The stop that is being handled: its task may stand still.
    held: Option<(i32, i32)>,
}

/// How the command ended.
pub struct Ended {
    /// Everything but the trace's end; or why the trace breaks off.
    pub trace: Result<Trace, BrokenOff>,
    /// The footer, of what was recorded.
    pub footer: Footer,
    /// The command's status.
    pub status: i32,
    /// Why the command could not be run, if it could not.
    pub exec_error: Option<io::Error>,
}

/// A recording that could not go on to the command's end.
#[derive(Debug)]
pub struct BrokenOff {
    /// Why.
    pub error: RecordError,
    /// Calls that would have been recorded after that.
    pub unrecorded: u64,
}

/// No task's id.
const NOBODY: i32 = 0;

/// A status for a command of which none was seen: exit code 125.
const UNKNOWN_STATUS: i32 = 125 << 8;

/// "It is gone" is an outcome, not an error: its death will be reported by wait.
fn unless_gone<T>(
    operation: &'static str,
    tid: i32,
    result: io::Result<T>,
) -> Result<Option<T>, RecordError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        Err(source) => Err(RecordError::Task {
            operation,
            tid,
            source,
        }),
    }
}

impl Tracer {
    /// Takes over the command's first task, which is attached and stands before its exec.
    pub fn new(
        mut session: Session,
        clock: Clock,
        costs: Costs,
        mut inside: Option<Inside>,
        main: i32,
        headroom: Option<Headroom>,
        options: &RecordOptions,
    ) -> Tracer {
        let (gatherer, placement) = Gatherer::new(options.affinity, main);
        let task = session.first(main, clock.time());
        let filter = filter::assemble(Rings::of(options), Inside::instruction(&inside));
        if let Some(inside) = &mut inside {
            inside.first(main);
        }
        Tracer {
            session,
            clock,
            costs,
            through_proc: false,
            tasks: HashMap::from([(main, Tracee::first(task, placement))]),
            strangers: HashMap::new(),
            may_have_orphans: false,
            gatherer,
            inside,
            main,
            status: None,
            running: false,
            stopped: false,
            first_error: None,
            ending: Ending::new(options.linger),
            pending: Pending::default(),
            passing: Passing::new(filter::for_listener(&filter)),
            requests: Requests::default(),
            headroom,
            to_tell: Vec::new(),
            flow: Flow::default(),
            held: None,
        }
    }

    /// Observes until the last task has ended. If that can't go on, the command does, unrecorded.
    pub fn run(mut self, observer: &mut dyn Observer) -> Result<Ended, RecordError> {
        match catch_unwind(AssertUnwindSafe(|| self.observe(observer))) {
            Ok(Ok(())) => Ok(Ended {
                footer: self.footer(),
                trace: Ok(self.session.trace),
                status: self.status.unwrap_or(UNKNOWN_STATUS),
                exec_error: self.first_error.filter(|_| !self.running),
            }),
            Ok(Err(error)) => self.go_on_unrecorded(error, observer),
            Err(panic) => {
                let message = panic_message(panic.as_ref());
                self.go_on_unrecorded(RecordError::Internal { message }, observer)
            }
        }
    }

    fn footer(&mut self) -> Footer {
        let elapsed = self.clock.time();
        self.count_passed();
        if let Some(inside) = &self.inside {
            self.session.warnings.extend(inside.warning());
        }
        self.session
            .footer(elapsed, self.status, self.ending.ended())
    }

    fn observe(&mut self, observer: &mut dyn Observer) -> Result<(), RecordError> {
        let mut ticks = signal::ticks();
        loop {
            let block = !self.flow.is_flood();
            let waited = self.pending.next(self.tasks.len(), block)?;
            self.look_for_stop();
            match waited {
                Waited::Task(tid, status) => {
                    self.held = Some((tid, status));
                    self.on_status(tid, status)?;
                    self.held = None;
                }
                Waited::NoTasks if !self.passing.is_over() => Passing::pause(),
                Waited::NoTasks => return self.session.trace.take_error().map_err(Into::into),
                Waited::Interrupted | Waited::Nothing => self.drain(),
            }
            if let Some(inside) = &mut self.inside {
                inside.look_at_times(&mut self.flow, self.clock.elapsed());
            }
            if self.flow.is_mostly_inside() {
                // They shall be read while the tool goes on.
                self.gatherer.spread(&mut self.tasks);
            }
            for text in self.to_tell.drain(..) {
                observer.warning(&text);
            }
            self.session.trace.take_error()?;
            if let Some(headroom) = &mut self.headroom {
                headroom.look(self.session.trace.events())?;
            }
            if self.requests.pass_on(self.main, observer) {
                self.kill_all();
            }
            let now = signal::ticks();
            if now != ticks {
                ticks = now;
                if !self.stopped {
                    // It may have been stopped since it looked, at what came before this.
                    self.look_for_stop();
                    self.clock.time();
                }
                // A process may be killed while it makes a thread. Nobody tells of that then, and
                // of the end of its first task only when the thread is gone.
                self.adopt_orphans(NOBODY);
                self.session.trace.flush();
                observer.progress(self.session.trace.events(), self.session.tasks());
                // Strangers, too: tasks of which nothing will be told any more would else be waited
                // for without end.
                let left = self
                    .tasks
                    .values()
                    .map(|tracee| tracee.task.tgid)
                    .chain(self.strangers.keys().copied())
                    .map(|process| (process, false))
                    .chain(self.passing.processes());
                self.ending.tick(self.status.is_some(), left, observer);
            }
        }
    }

    fn on_status(&mut self, tid: i32, status: i32) -> Result<(), RecordError> {
        if tid == self.main {
            self.command_goes_on();
        }
        if !libc::WIFSTOPPED(status) {
            self.on_end(tid, status);
            self.flow.stop();
            return Ok(());
        }
        if let Some(tracee) = self.tasks.get_mut(&tid) {
            tracee.time.stands();
        }
        // Before anything is made of this stop: what it tells of may change what they saw.
        self.drain();
        self.flow.stop();
        if !self.tasks.contains_key(&tid) {
            // Its parent's event is on its way, and will let it go.
            self.strangers.insert(tid, status);
            return Ok(());
        }
        let signal = libc::WSTOPSIG(status);
        match status >> 16 {
            libc::PTRACE_EVENT_SECCOMP => self.on_seccomp(tid),
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
                self.on_new_task(tid, status)
            }
            libc::PTRACE_EVENT_EXEC => self.on_exec(tid, status),
            libc::PTRACE_EVENT_EXIT => self.on_last_stop(tid),
            ptrace::EVENT_STOP if ptrace::stops(signal) => {
                unless_gone("PTRACE_LISTEN", tid, ptrace::listen(tid))?;
                if tid == self.main {
                    self.command_stopped();
                }
                Ok(())
            }
            0 if signal == ptrace::SYSCALL_STOP => self.on_exit_of_call(tid),
            0 => self.on_signal(tid, signal),
            _ => self.resume(tid, 0),
        }
    }

    fn on_signal(&mut self, tid: i32, reached: i32) -> Result<(), RecordError> {
        self.requests.saw(self.main, tid, reached);
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.time.foreign_stop();
        }
        let inside = self.inside.as_mut();
        let signal = inside.map_or(reached, |inside| inside.signal(tid, reached));
        if signal == 0 {
            return self.resume(tid, 0);
        }
        if unless_gone("PTRACE_DETACH", tid, init::let_die(tid, signal))? == Some(true) {
            self.on_end(tid, signal);
            return Ok(());
        }
        self.resume(tid, signal)
    }

    /// Lets a task go on: to the exit of its call if it is in one.
    fn resume(&mut self, tid: i32, signal: i32) -> Result<(), RecordError> {
        let task = self.tasks.get_mut(&tid);
        let (here, is_awaited) = task.map_or((None, false), |task| {
            (task.time.take_here(), task.is_awaited())
        });
        if let Some(inside) = &mut self.inside {
            inside.goes_on(tid, here);
        }
        let result = if is_awaited {
            ptrace::resume_to_exit(tid, signal)
        } else {
            ptrace::resume(tid, signal)
        };
        unless_gone("ptrace", tid, result).map(drop)
    }

    fn on_seccomp(&mut self, tid: i32) -> Result<(), RecordError> {
        let info = ptrace::syscall_info(tid);
        let Some(Stop::Seccomp {
            number,
            args,
            data,
            behind,
            ..
        }) = unless_gone("PTRACE_GET_SYSCALL_INFO", tid, info)?
        else {
            // It is gone, or in another stop by now, which will be told.
            return Ok(());
        };
        let Some(tracee) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        match data {
            FOREIGN_CALL => {
                tracee.time.foreign_stop();
                self.session.count_unrecorded(arch::FOREIGN_NAME);
                if let Some(inside) = &mut self.inside {
                    inside.forbids(tid); // It may be the one that sets a filter.
                }
            }
            SIDE_CALL => {
                tracee.time.foreign_stop();
                self.on_side_call(tid, number, args);
            }
            _ => {
                if let Some(inside) = &mut self.inside
                    && inside.has_started(tid, behind)
                {
                    tracee.time.set_aside(self.clock.time());
                    return self.resume(tid, 0);
                }
                self.on_entry_of_call(tid, number, args, behind);
            }
        }
        self.resume(tid, 0)
    }

    fn on_entry_of_call(&mut self, tid: i32, number: u64, registers: [u64; 6], behind: u64) {
        let Some(tracee) = self.tasks.get_mut(&tid) else {
            return;
        };
        let memory = TaskMemory::new(tid, self.through_proc);
        let raw = RawCall {
            number,
            registers,
            memory: &memory,
        };
        let (task, mut clock) = tracee.at_stop(&self.clock, &self.costs);
        let next = self.session.entry(task, &raw, &mut clock);
        self.through_proc = memory.refused();
        if let Some(inside) = &mut self.inside {
            let late = next == Next::Exit && self.session.may_be_told_late(&tracee.task);
            tracee.is_inside = inside.enters(tid, number, &registers, behind, late);
            let is_done = matches!(next, Next::Written | Next::Nothing);
            if is_done && inside.wants_exit(tid) {
                tracee.side = Some(Side::Site);
            }
        }
        match next {
            Next::Exit => {
                let now = self.clock.time();
                self.gatherer.sample(now, tid, &mut self.tasks);
            }
            Next::Written => tracee.time.leaves(self.clock.time()),
            Next::Nothing => tracee.carries_gap(&self.clock, &self.costs),
            Next::Result => tracee.time.foreign_stop(),
        }
    }

    fn on_exit_of_call(&mut self, tid: i32) -> Result<(), RecordError> {
        let info = ptrace::syscall_info(tid);
        let Some(stop) = unless_gone("PTRACE_GET_SYSCALL_INFO", tid, info)? else {
            return Ok(());
        };
        let Some(tracee) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        let Stop::Exit { result } = stop else {
            return Ok(()); // another stop by now, which will be told
        };
        if let Some(side) = tracee.side.take() {
            self.on_side_result(tid, side, result)?;
            // Unless it was let go.
            if !self.tasks.contains_key(&tid) {
                return Ok(());
            }
            return self.resume(tid, 0);
        }
        if !self.running && result < 0 {
            self.first_error
                .get_or_insert(io::Error::from_raw_os_error(-result as i32));
        }
        let is_event = tracee.task.call().is_some();
        let moves = self.session.moves();
        let memory = TaskMemory::new(tid, self.through_proc);
        let (task, mut clock) = tracee.at_stop(&self.clock, &self.costs);
        self.session.exit(task, result, &memory, &mut clock);
        if is_event {
            tracee.time.leaves(self.clock.time());
            if let Some(inside) = &mut self.inside
                && inside.leaves(tid, result)
            {
                tracee.time.forget(self.clock.time());
            }
            if self.inside.is_some() && self.session.moves() != moves {
                for tracee in self.tasks.values() {
                    self.session.look_at_directories(&tracee.task);
                }
            }
        }
        self.resume(tid, 0)
    }

    fn kill_all(&self) {
        self.passing.kill();
        for tid in self.tasks.keys().chain(self.strangers.keys()) {
            signal::kill(*tid, libc::SIGKILL);
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

//! The event loop: from stops of tasks to records.
//!
//! One thread does all of it: ptrace requests must come from the thread that attached.

mod ending;
mod escort;
mod init;
mod interrupted;
mod lifecycle;
mod memory;
mod pending;
mod places;
mod refused;
mod requests;
mod session;
mod side;
mod stopping;

use std::any::Any;
use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use fsreplay_trace::model::{Footer, Record, TaskExit, TaskId, TaskStart};

pub use memory::TaskMemory;
pub use session::Session;

use crate::affinity::Gatherer;
use crate::arch;
use crate::error::RecordError;
use crate::filter::{FOREIGN_CALL, SIDE_CALL};
use crate::headroom::Headroom;
use crate::options::{Observer, RecordOptions};
use crate::sys::ptrace::{self, Stop, Waited};
use crate::sys::signal;
use crate::tasks::{Phase, Task};
use crate::trace::Trace;
use ending::Ending;
use escort::Escort;
use pending::Pending;
use requests::Requests;
use session::Next;

/// The end of a task takes no longer than this; more was waiting, nanoseconds.
const LONGEST_RELEASE: u64 = 20_000_000;

/// A command under observation.
pub struct Tracer {
    session: Session,
    tasks: HashMap<i32, Task>,
    /// New tasks that stopped before their parent's event told of them, with the status of that
    /// stop.
    strangers: HashMap<i32, i32>,
    gatherer: Gatherer,
    started: u32,
    main: i32,
    status: Option<i32>,
    /// The first exec has succeeded.
    running: bool,
    /// The command's first task has stopped and not gone on.
    stopped: bool,
    first_error: Option<io::Error>,
    ending: Ending,
    pending: Pending,
    requests: Requests,
    /// Memory, where it is limited.
    headroom: Option<Headroom>,
    /// What the user should know now.
    to_tell: Vec<String>,
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
        main: i32,
        headroom: Option<Headroom>,
        options: &RecordOptions,
    ) -> Tracer {
        let (gatherer, placement) = Gatherer::new(options.affinity, main);
        let time = session.time();
        session.trace.push(Record::TaskStart(TaskStart {
            task: TaskId(0),
            parent: None,
            time,
            flags: 0,
            tid: main as u32,
            think: 0,
        }));
        Tracer {
            session,
            tasks: HashMap::from([(main, Task::first(main, placement))]),
            strangers: HashMap::new(),
            gatherer,
            started: 1,
            main,
            status: None,
            running: false,
            stopped: false,
            first_error: None,
            ending: Ending::new(options.linger),
            pending: Pending::default(),
            requests: Requests::default(),
            headroom,
            to_tell: Vec::new(),
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
        self.session.warnings.extend(self.session.states.warning());
        Footer {
            status: self.status,
            elapsed: self.session.time(),
            events: self.session.trace.events(),
            tasks: u64::from(self.started),
            unrecorded: std::mem::take(&mut self.session.unrecorded),
            left_running: self.ending.ended(),
            warnings: std::mem::take(&mut self.session.warnings)
                .into_iter()
                .collect(),
            unobserved: None,
            processors: None,
            recorded_inside: 0,
            samples: None,
        }
    }

    /// Saves what was recorded, and stays the tool's tracer without recording.
    fn go_on_unrecorded(
        mut self,
        error: RecordError,
        observer: &mut dyn Observer,
    ) -> Result<Ended, RecordError> {
        let mut footer = self.footer();
        self.gatherer.scatter(&mut self.tasks);
        // The memory that it took may be what is short; and it must be written before it is told
        // of.
        self.session.trace.break_off();
        observer.breaks_off(&error);
        let mut escort = Escort {
            main: self.main,
            status: self.status,
            alive: self.tasks.keys().copied().collect(),
            calls: 0,
            ending: self.ending,
            requests: self.requests,
            gatherer: self.gatherer,
        };
        for (tid, status) in self.held.into_iter().chain(self.pending.take()) {
            escort.take_over(tid, status);
        }
        for (tid, status) in self.strangers {
            escort.take_over(tid, status);
        }
        escort.run(observer)?;
        footer.status = escort.status;
        footer.left_running = escort.ending.ended();
        Ok(Ended {
            trace: Err(BrokenOff {
                error,
                unrecorded: escort.calls,
            }),
            footer,
            status: escort.status.unwrap_or(UNKNOWN_STATUS),
            exec_error: None,
        })
    }

    fn observe(&mut self, observer: &mut dyn Observer) -> Result<(), RecordError> {
        let mut ticks = signal::ticks();
        loop {
            let waited = self.pending.next(self.tasks.len())?;
            self.look_for_stop();
            match waited {
                Waited::Task(tid, status) => {
                    self.held = Some((tid, status));
                    self.on_status(tid, status)?;
                    self.held = None;
                }
                Waited::NoTasks => return self.session.trace.take_error().map_err(Into::into),
                Waited::Interrupted | Waited::Nothing => {}
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
                    self.session.time();
                }
                self.session.trace.flush();
                observer.progress(self.session.trace.events(), u64::from(self.started));
                // Strangers, too: tasks of which nothing will be told any more would else be waited for without end.
                let left = self.tasks.values().map(|task| task.tgid);
                let left = left.chain(self.strangers.keys().copied());
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
            return Ok(());
        }
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

    fn on_signal(&mut self, tid: i32, signal: i32) -> Result<(), RecordError> {
        self.requests.saw(self.main, tid, signal);
        if let Some(task) = self.tasks.get_mut(&tid) {
            self.session.unrecorded_stop(task);
        }
        if unless_gone("PTRACE_DETACH", tid, init::let_die(tid, signal))? == Some(true) {
            self.on_end(tid, signal);
            return Ok(());
        }
        self.resume(tid, signal)
    }

    /// Lets a task go on: to the exit of its call if it is in one.
    fn resume(&mut self, tid: i32, signal: i32) -> Result<(), RecordError> {
        let to_exit = self
            .tasks
            .get(&tid)
            .is_some_and(|task| matches!(task.phase, Phase::InCall(_) | Phase::Side(_)));
        let result = if to_exit {
            ptrace::resume_to_exit(tid, signal)
        } else {
            ptrace::resume(tid, signal)
        };
        unless_gone("ptrace", tid, result).map(drop)
    }

    fn on_seccomp(&mut self, tid: i32) -> Result<(), RecordError> {
        let info = ptrace::syscall_info(tid);
        let Some(Stop::Seccomp {
            number, args, data, ..
        }) = unless_gone("PTRACE_GET_SYSCALL_INFO", tid, info)?
        else {
            // It is gone, or in another stop by now, which will be told.
            return Ok(());
        };
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        match data {
            FOREIGN_CALL => {
                self.session.unrecorded_stop(task);
                self.session.count_unrecorded(arch::FOREIGN_NAME);
            }
            SIDE_CALL => {
                self.session.unrecorded_stop(task);
                self.on_side_call(tid, number, args);
            }
            _ => {
                let next = self.session.entry(tid, task, number, args);
                if next == Next::Exit {
                    let now = self.session.time();
                    self.gatherer.sample(now, tid, &mut self.tasks);
                }
            }
        }
        self.resume(tid, 0)
    }

    fn on_exit_of_call(&mut self, tid: i32) -> Result<(), RecordError> {
        let info = ptrace::syscall_info(tid);
        let Some(stop) = unless_gone("PTRACE_GET_SYSCALL_INFO", tid, info)? else {
            return Ok(());
        };
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        let Stop::Exit { result } = stop else {
            return Ok(()); // another stop by now, which will be told
        };
        match &task.phase {
            Phase::Side(side) => {
                let side = side.clone();
                task.phase = Phase::Running;
                self.on_side_result(tid, &side, result);
            }
            _ => {
                if !self.running && result < 0 {
                    self.first_error
                        .get_or_insert(io::Error::from_raw_os_error(-result as i32));
                }
                self.session.exit(tid, task, result);
            }
        }
        self.resume(tid, 0)
    }

    fn on_end(&mut self, tid: i32, status: i32) {
        self.strangers.remove(&tid);
        if let Some(mut task) = self.tasks.remove(&tid) {
            self.session.abandoned(&mut task);
            self.push_exit(&task, status);
        }
        if tid == self.main {
            self.status = Some(status);
            self.requests.command_ended();
        }
        self.adopt_orphans(tid);
    }

    fn push_exit(&mut self, task: &Task, status: i32) {
        let time = self.session.time();
        // After its last stop it released its memory, and nothing else.
        let released = match task.last_think {
            0 => 0,
            _ => time.saturating_sub(task.time.left()).min(LONGEST_RELEASE),
        };
        self.session.trace.push(Record::TaskExit(TaskExit {
            task: task.id,
            time,
            status,
            cpu: task.time.total(),
            think: task.last_think + released,
        }));
    }

    fn kill_all(&self) {
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

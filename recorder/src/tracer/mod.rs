//! The event loop: from stops of tasks to records.
//!
//! One thread does all of it: ptrace requests must come from the thread that attached.

mod ending;
mod interrupted;
mod lifecycle;
mod memory;
mod pending;
mod session;

use std::collections::{HashMap, HashSet};
use std::io;

use fsreplay_trace::model::{Footer, Record, TaskExit, TaskId, TaskStart};

pub use memory::TaskMemory;
pub use session::Session;

use crate::affinity::Gatherer;
use crate::arch;
use crate::error::RecordError;
use crate::filter::{AFFINITY_CALL, FOREIGN_CALL};
use crate::options::{Observer, RecordOptions};
use crate::sys::ptrace::{self, Stop, Waited};
use crate::sys::signal;
use crate::tasks::{Phase, Task};
use ending::Ending;
use pending::Pending;
use session::Next;

/// The end of a task takes no longer than this; more was waiting, nanoseconds.
const LONGEST_RELEASE: u64 = 20_000_000;

/// A command under observation.
pub struct Tracer {
    session: Session,
    tasks: HashMap<i32, Task>,
    /// New tasks that stopped before their parent's event told of them.
    strangers: HashSet<i32>,
    gatherer: Gatherer,
    started: u32,
    main: i32,
    status: Option<i32>,
    /// The first exec has succeeded.
    running: bool,
    first_error: Option<io::Error>,
    ending: Ending,
    pending: Pending,
}

/// How a recording ended.
pub struct Ended {
    /// Everything but the trace's end.
    pub session: Session,
    /// The footer.
    pub footer: Footer,
    /// The command's status.
    pub status: i32,
    /// Why the command could not be run, if it could not.
    pub exec_error: Option<io::Error>,
}

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
    pub fn new(mut session: Session, main: i32, options: &RecordOptions) -> Tracer {
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
            strangers: HashSet::new(),
            gatherer,
            started: 1,
            main,
            status: None,
            running: false,
            first_error: None,
            ending: Ending::new(options.linger),
            pending: Pending::default(),
        }
    }

    /// Observes until the last task has ended.
    pub fn run(mut self, observer: &mut dyn Observer) -> Result<Ended, RecordError> {
        let outcome = self.observe(observer);
        if let Err(error) = outcome {
            self.abandon();
            return Err(error);
        }
        let footer = Footer {
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
        };
        Ok(Ended {
            session: self.session,
            footer,
            status: self.status.unwrap_or(0),
            exec_error: self.first_error.filter(|_| !self.running),
        })
    }

    fn observe(&mut self, observer: &mut dyn Observer) -> Result<(), RecordError> {
        let mut ticks = signal::ticks();
        loop {
            match self.pending.next(self.tasks.len())? {
                Waited::Task(tid, status) => self.on_status(tid, status)?,
                Waited::NoTasks => return self.session.trace.take_error().map_err(Into::into),
                Waited::Interrupted | Waited::Nothing => {}
            }
            self.session.trace.take_error()?;
            let now = signal::ticks();
            if now != ticks {
                ticks = now;
                self.session.trace.flush();
                observer.progress(self.session.trace.events(), u64::from(self.started));
                // Strangers, too: tasks of which nothing will be told any more would else be waited for without end.
                let left = self.tasks.values().map(|task| task.tgid);
                let left = left.chain(self.strangers.iter().copied());
                self.ending.tick(self.status.is_some(), left, observer);
            }
        }
    }

    fn on_status(&mut self, tid: i32, status: i32) -> Result<(), RecordError> {
        if !libc::WIFSTOPPED(status) {
            self.on_end(tid, status);
            return Ok(());
        }
        if !self.tasks.contains_key(&tid) {
            // Its parent's event is on its way, and will let it go.
            self.strangers.insert(tid);
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
            ptrace::EVENT_STOP => match signal {
                libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => {
                    unless_gone("PTRACE_LISTEN", tid, ptrace::listen(tid)).map(drop)
                }
                _ => self.resume(tid, 0),
            },
            0 if signal == libc::SIGTRAP | 0x80 => self.on_exit_of_call(tid),
            0 => self.on_signal(tid, signal),
            _ => self.resume(tid, 0),
        }
    }

    fn on_signal(&mut self, tid: i32, signal: i32) -> Result<(), RecordError> {
        if let Some(task) = self.tasks.get_mut(&tid) {
            self.session.unrecorded_stop(task);
        }
        self.resume(tid, signal)
    }

    /// Lets a task go on: to the exit of its call if it is in one.
    fn resume(&mut self, tid: i32, signal: i32) -> Result<(), RecordError> {
        let to_exit = self
            .tasks
            .get(&tid)
            .is_some_and(|task| matches!(task.phase, Phase::InCall(_) | Phase::Affinity { .. }));
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
            AFFINITY_CALL => {
                self.session.unrecorded_stop(task);
                self.on_affinity_entry(tid, number, args);
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
        match task.phase {
            Phase::Affinity { asks, registers } => {
                task.phase = Phase::Running;
                if asks {
                    self.answer_affinity(tid, registers, result);
                }
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

    /// The tool asks for a mask or sets one.
    fn on_affinity_entry(&mut self, tid: i32, number: u64, registers: [u64; 6]) {
        let asks = number == libc::SYS_sched_getaffinity as u64;
        let about = match registers[0] as i32 {
            0 => tid,
            other => other,
        };
        if let Some(task) = self.tasks.get_mut(&about) {
            if !asks {
                self.gatherer.release(about, &mut task.placement);
            }
            if asks
                && task.placement.gathered
                && let Some(task) = self.tasks.get_mut(&tid)
            {
                task.phase = Phase::Affinity { asks, registers };
            }
        }
    }

    /// Puts the mask that a task would have without the recorder into the tool's memory.
    fn answer_affinity(&mut self, tid: i32, registers: [u64; 6], result: i64) {
        let about = match registers[0] as i32 {
            0 => tid,
            other => other,
        };
        let Some(task) = self.tasks.get(&about) else {
            return;
        };
        let mut mask = task.placement.mask.bytes().to_vec();
        mask.resize(usize::try_from(result).unwrap_or(0), 0);
        if let Err(error) = ptrace::write_memory(tid, registers[2], &mask) {
            tracing::warn!(tid, %error, "the tool sees the recorder's affinity");
        }
    }

    fn on_end(&mut self, tid: i32, status: i32) {
        self.strangers.remove(&tid);
        if let Some(mut task) = self.tasks.remove(&tid) {
            self.session.abandoned(&mut task);
            self.push_exit(&task, status);
        }
        if tid == self.main {
            self.status = Some(status);
            signal::forward_to(0);
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

    /// The recorder can't go on: nothing may stay half-traced.
    fn abandon(&mut self) {
        for tid in self.tasks.keys().chain(&self.strangers) {
            signal::kill(*tid, libc::SIGKILL);
        }
        while let Ok(Waited::Task(tid, status)) = ptrace::wait(true) {
            if libc::WIFSTOPPED(status) {
                signal::kill(tid, libc::SIGKILL);
                let _ = ptrace::resume(tid, 0);
            }
        }
    }
}

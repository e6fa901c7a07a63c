//! Tasks that ran before the recorder: each call stops them at its entry and its exit.
//!
//! A filter can't be given to a process that runs, so all calls stop, those of the table and others
//! (`PTRACE_SYSCALL`). What these tasks make from then on is recorded as well. At the end, or when
//! anything fails, they are let go and run on as before; nothing of the recorder stays with them.

mod leaving;
mod seize;

use std::fs;

use fsreplay_trace::model::{Footer, StopCosts};
use hashbrown::HashMap;

use super::clock::{AtStop, Clock};
use super::cpu_time::CpuTime;
use super::lifecycle::{clone_flags, told};
use super::pending::Pending;
use super::{TaskMemory, unless_gone};
use crate::arch;
use crate::error::RecordError;
use crate::options::Observer;
use crate::session::{End, NewTask, Next, RawCall, Session, Task, Trace};
use crate::spawn;
use crate::sys::ptrace::{self, Stop, Waited};
use crate::sys::signal;

pub use seize::{Seized, process_of, seize};

/// What threads of a process share.
const THREAD: u64 =
    (libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES) as u64;
/// Requests that end the recording.
const ENDING: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// A task that is attached to.
struct Watched {
    task: Task,
    time: CpuTime,
}

/// How a task goes on from a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    /// To the next stop, with a signal or 0.
    On(i32),
    /// It stays in its group stop.
    Listens,
    /// It is gone, or waits for its maker to be told of it.
    Nowhere,
}

/// A process under observation that is none of the recorder's own.
pub struct Attached {
    session: Session,
    clock: Clock,
    tasks: HashMap<i32, Watched>,
    /// New tasks that stopped before their maker's event told of them.
    strangers: Vec<i32>,
    main: i32,
    status: Option<i32>,
    through_proc: bool,
    pending: Pending,
}

/// How it ended.
pub struct Left {
    /// Everything but the trace's end; or why the trace breaks off.
    pub trace: Result<Trace, RecordError>,
    /// The footer.
    pub footer: Footer,
}

impl Attached {
    /// Begins with threads that stand still, and takes what they have open.
    pub fn new(mut session: Session, clock: Clock, seized: &Seized) -> Attached {
        let main = seized.main;
        let time = clock.time();
        let first = session.first(main, time);
        session.attached(&first, &mapped_files(main));
        let mut tasks = HashMap::new();
        let mut others: Vec<i32> = seized.tids.iter().copied().collect();
        others.sort_unstable();
        for tid in others.into_iter().filter(|tid| *tid != main) {
            let (flags, think) = (THREAD, 0);
            let new = NewTask {
                tid,
                flags,
                time,
                think,
            };
            let task = session.starts(&first, &new);
            tasks.insert(tid, Watched::new(task));
        }
        tasks.insert(main, Watched::new(first));
        Attached {
            session,
            clock,
            tasks,
            strangers: Vec::new(),
            main,
            status: None,
            through_proc: false,
            pending: Pending::default(),
        }
    }

    /// Observes until the last task has ended, or somebody asks for the end (Ctrl-C); the tasks run
    /// on then.
    pub fn run(mut self, seized: Seized, observer: &mut dyn Observer) -> Left {
        let observed = self.observe(seized.stops, observer);
        self.leave();
        let is_left = self.status.is_none();
        if is_left {
            self.session.warnings.insert(
                "the recording ended before the tool did: it was attached to (--pid), and let go"
                    .to_owned(),
            );
        }
        let elapsed = self.clock.time();
        let footer = self.session.footer(elapsed, self.status, 0);
        let trace = match observed.and_then(|()| Ok(self.session.trace.take_error()?)) {
            Ok(()) => Ok(self.session.trace),
            Err(error) => {
                self.session.trace.break_off();
                Err(error)
            }
        };
        Left { trace, footer }
    }

    fn observe(
        &mut self,
        stops: Vec<(i32, i32)>,
        observer: &mut dyn Observer,
    ) -> Result<(), RecordError> {
        for (tid, status) in stops {
            let goes = self.on_status(tid, status)?;
            go(tid, goes)?;
        }
        let mut ticks = signal::ticks();
        loop {
            match self.pending.next(self.tasks.len(), true)? {
                Waited::Task(tid, status) => {
                    let goes = self.on_status(tid, status)?;
                    go(tid, goes)?;
                }
                Waited::NoTasks => return Ok(()),
                Waited::Interrupted | Waited::Nothing => {}
            }
            self.session.trace.take_error()?;
            if signal::take_requests().any(|request| ENDING.contains(&request.signal)) {
                return Ok(());
            }
            let now = signal::ticks();
            if std::mem::replace(&mut ticks, now) != now {
                self.session.trace.flush();
                observer.progress(self.session.trace.events(), self.session.tasks());
            }
        }
    }

    /// Makes records of what a task came to.
    fn on_status(&mut self, tid: i32, status: i32) -> Result<Goes, RecordError> {
        if !libc::WIFSTOPPED(status) {
            self.ends(tid, status);
            return Ok(Goes::Nowhere);
        }
        if !self.tasks.contains_key(&tid) {
            self.strangers.push(tid);
            return Ok(Goes::Nowhere);
        }
        let signal = libc::WSTOPSIG(status);
        match status >> 16 {
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
                self.on_new_task(tid, status)?;
            }
            libc::PTRACE_EVENT_EXEC => self.on_exec(tid, status)?,
            ptrace::EVENT_STOP if ptrace::stops(signal) => return Ok(Goes::Listens),
            0 if signal == ptrace::SYSCALL_STOP => self.on_call(tid)?,
            0 => {
                self.foreign_stop(tid);
                return Ok(Goes::On(signal));
            }
            _ => self.foreign_stop(tid),
        }
        Ok(Goes::On(0))
    }

    fn foreign_stop(&mut self, tid: i32) {
        if let Some(watched) = self.tasks.get_mut(&tid) {
            watched.time.foreign_stop();
        }
    }

    fn on_call(&mut self, tid: i32) -> Result<(), RecordError> {
        let info = ptrace::syscall_info(tid);
        let info = unless_gone("PTRACE_GET_SYSCALL_INFO", tid, info)?;
        let Some(watched) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        let memory = TaskMemory::new(tid, self.through_proc);
        let mut clock = AtStop {
            clock: &self.clock,
            time: &mut watched.time,
            costs: StopCosts::default(),
        };
        let is_event = match info {
            Some(Stop::Entry {
                arch: of, number, ..
            }) if of != arch::AUDIT_ARCH || is_foreign(number) => {
                self.session.count_unrecorded(arch::FOREIGN_NAME);
                false
            }
            Some(Stop::Entry { number, args, .. }) => {
                let raw = RawCall {
                    number,
                    registers: args,
                    memory: &memory,
                };
                let next = self.session.entry(&mut watched.task, &raw, &mut clock);
                matches!(next, Next::Exit | Next::Written)
            }
            Some(Stop::Exit { result }) if watched.task.is_in_call() => {
                let task = &mut watched.task;
                self.session.exit(task, result, &memory, &mut clock);
                true
            }
            Some(_) | None => false,
        };
        self.through_proc = memory.refused();
        if is_event {
            watched.time.leaves(self.clock.time());
        } else {
            watched.time.foreign_stop();
        }
        Ok(())
    }

    fn on_new_task(&mut self, parent: i32, status: i32) -> Result<(), RecordError> {
        let Some(tid) = told(parent, status)? else {
            return Ok(());
        };
        let flags = clone_flags(parent);
        let time = self.clock.time();
        let Some(from) = self.tasks.get_mut(&parent) else {
            return Ok(());
        };
        let think = from.time.gap(time, 0).think;
        from.time.leaves(time);
        // One that was there already when the recording began was found among the threads.
        if self.tasks.contains_key(&tid) {
            return Ok(());
        }
        let new = NewTask {
            tid,
            flags,
            time,
            think,
        };
        let Some(from) = self.tasks.get(&parent) else {
            return Ok(());
        };
        let task = self.session.starts(&from.task, &new);
        self.tasks.insert(tid, Watched::new(task));
        if let Some(at) = self.strangers.iter().position(|stranger| *stranger == tid) {
            self.strangers.swap_remove(at);
            go(tid, Goes::On(0))?;
        }
        Ok(())
    }

    /// A program was started. If a task other than the process's first did it, that task takes over
    /// the id.
    fn on_exec(&mut self, tid: i32, status: i32) -> Result<(), RecordError> {
        let Some(earlier) = told(tid, status)? else {
            return Ok(());
        };
        if earlier != tid
            && let Some(mut watched) = self.tasks.remove(&earlier)
        {
            watched.task.tid = tid;
            watched.time.renamed(tid);
            if let Some(mut leader) = self.tasks.insert(tid, watched) {
                let end = end_of(&mut leader, self.clock.time(), 0);
                self.session.ends(&mut leader.task, &end);
            }
        }
        if let Some(watched) = self.tasks.get_mut(&tid) {
            watched.task.started_program();
            watched.time.stood_in_call();
        }
        Ok(())
    }

    fn ends(&mut self, tid: i32, status: i32) {
        self.strangers.retain(|stranger| *stranger != tid);
        if let Some(mut watched) = self.tasks.remove(&tid) {
            let end = end_of(&mut watched, self.clock.time(), status);
            self.session.ends(&mut watched.task, &end);
        }
        if tid == self.main {
            self.status = Some(status);
        }
    }
}

impl Watched {
    fn new(task: Task) -> Watched {
        Watched {
            time: CpuTime::new(task.tid),
            task,
        }
    }
}

/// A task's end.
fn end_of(watched: &mut Watched, time: u64, status: i32) -> End {
    End {
        time,
        status,
        cpu: watched.time.total(),
        think: 0,
    }
}

/// Lets a task go on.
fn go(tid: i32, goes: Goes) -> Result<(), RecordError> {
    let result = match goes {
        Goes::On(signal) => ptrace::resume_to_exit(tid, signal),
        Goes::Listens => ptrace::listen(tid),
        Goes::Nowhere => return Ok(()),
    };
    unless_gone("ptrace", tid, result).map(drop)
}

/// Whether a number is one of another kind of calls that programs of this architecture can make.
fn is_foreign(number: u64) -> bool {
    let foreign = arch::FOREIGN_NUMBERS.unwrap_or_default();
    u32::try_from(number).is_ok_and(|number| foreign.contains(&number))
}

/// The addresses at which a process maps files: start and length.
fn mapped_files(pid: i32) -> Vec<(u64, u64)> {
    let maps = fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
    let lines = String::from_utf8_lossy(&maps);
    let range = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let is_file = words.nth(4).is_some_and(|path| path.starts_with('/'));
        let start = number(start)?;
        is_file.then_some((start, number(end)?.saturating_sub(start)))
    };
    lines.lines().filter_map(range).collect()
}

/// What a running process was started as; only the name, unless all is to be kept.
pub fn command_of(pid: i32, all: bool) -> Vec<Vec<u8>> {
    let text = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = text.strip_suffix(b"\0").unwrap_or(&text);
    let words = text.split(|byte| *byte == 0).map(<[u8]>::to_vec);
    let kept = if all { usize::MAX } else { 1 };
    let command: Vec<Vec<u8>> = words.take(kept).collect();
    if command.iter().all(Vec::is_empty) {
        return vec![spawn::program_name(pid).into_bytes()];
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_number_is_no_call_of_another_kind() {
        assert!(!is_foreign(0));
        assert!(!is_foreign(-1_i64 as u64));
        if let Some(numbers) = arch::FOREIGN_NUMBERS {
            assert!(is_foreign(numbers.start.into()));
        }
    }
}

//! The tool goes on without being recorded, when the recording can't.
//!
//! The filter can't be taken off a task, and without a tracer its calls would fail with `ENOSYS`.
//! So the recorder stays the tracer of all tasks until the last has ended, and lets each of them go
//! on at every stop.

use std::collections::HashSet;

use super::ending::Ending;
use super::inside::Inside;
use super::passing::Passing;
use super::requests::Requests;
use super::{BrokenOff, Ended, Tracer, UNKNOWN_STATUS, init, stopping};
use crate::error::RecordError;
use crate::options::Observer;
use crate::spawn;
use crate::sys::ptrace::{self, Stop, Waited};
use crate::sys::signal;
use crate::tracer::affinity::Gatherer;

/// The tool's tasks, none of which is recorded.
struct Escort {
    /// The command's first process.
    main: i32,
    /// Its status, once it has ended.
    status: Option<i32>,
    /// Tasks that live, as far as they were seen.
    alive: HashSet<i32>,
    /// Calls of the table that were let through.
    calls: u64,
    /// Tasks that outlive the command.
    ending: Ending,
    /// Signals that the recorder got.
    requests: Requests,
    /// Knows the CPU that tasks may still be bound to.
    gatherer: Gatherer,
    /// What was recorded inside the tool. Areas are not emptied any more: once they are full, all
    /// calls are made the traced way.
    inside: Option<Inside>,
    /// Tasks that the tool itself traces.
    passing: Passing,
}

impl Tracer {
    /// Saves what was recorded, and stays the tool's tracer without recording.
    pub(super) fn go_on_unrecorded(
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
        if let Some(inside) = &mut self.inside {
            inside.all_forbid();
        }
        let mut escort = Escort {
            main: self.main,
            status: self.status,
            alive: self.tasks.keys().copied().collect(),
            calls: 0,
            ending: self.ending,
            requests: self.requests,
            gatherer: self.gatherer,
            inside: self.inside,
            passing: self.passing,
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
}

impl Escort {
    /// Lets a task go on that may stand still in a stop that was told of earlier.
    ///
    /// If it has gone on already, it may be in another stop by now, of which the next wait tells.
    fn take_over(&mut self, tid: i32, status: i32) {
        if !ptrace::has_news(tid) {
            self.on_status(tid, status);
        }
    }

    /// Goes along until the last task has ended.
    fn run(&mut self, observer: &mut dyn Observer) -> Result<(), RecordError> {
        let mut ticks = signal::ticks();
        loop {
            match ptrace::wait(true).map_err(RecordError::system("waitpid"))? {
                Waited::Task(tid, status) => self.on_status(tid, status),
                Waited::NoTasks if !self.passing.is_over() => Passing::pause(),
                Waited::NoTasks => return Ok(()),
                Waited::Interrupted | Waited::Nothing => {}
            }
            if self.requests.pass_on(self.main, observer) {
                self.kill_all();
            }
            let now = signal::ticks();
            if now != ticks {
                ticks = now;
                self.tick(observer);
            }
        }
    }

    fn on_status(&mut self, tid: i32, status: i32) {
        if libc::WIFSTOPPED(status) {
            if self.alive.insert(tid) {
                self.gatherer.free(tid);
                if let Some(inside) = &mut self.inside {
                    inside.unknown_goes_on(tid);
                }
            }
            self.let_go(tid, status);
            return;
        }
        self.alive.remove(&tid);
        if tid == self.main {
            self.status = Some(status);
            self.requests.command_ended();
        }
    }

    fn let_go(&mut self, tid: i32, status: i32) {
        let signal = libc::WSTOPSIG(status);
        let gone_on = match status >> 16 {
            ptrace::EVENT_STOP if ptrace::stops(signal) => {
                let listens = ptrace::listen(tid);
                if tid == self.main {
                    stopping::stop_with(tid);
                }
                listens
            }
            0 if signal == ptrace::SYSCALL_STOP => ptrace::resume(tid, 0),
            0 => {
                self.requests.saw(self.main, tid, signal);
                let inside = self.inside.as_mut();
                let given = inside.map_or(signal, |inside| inside.signal(tid, signal));
                match init::let_die(tid, given) {
                    Ok(true) => {
                        self.alive.remove(&tid);
                        Ok(())
                    }
                    Ok(false) => ptrace::resume(tid, given),
                    Err(error) => Err(error),
                }
            }
            libc::PTRACE_EVENT_SECCOMP => {
                if !self.has_started(tid) {
                    self.calls += 1;
                }
                ptrace::resume(tid, 0)
            }
            libc::PTRACE_EVENT_EXEC => {
                // The task that called it has the first one's id from now on.
                if let Ok(earlier) = ptrace::event_message(tid)
                    && earlier != tid as u64
                {
                    self.alive.remove(&(earlier as i32));
                }
                ptrace::resume(tid, 0)
            }
            _ => ptrace::resume(tid, 0),
        };
        if let Err(error) = gone_on
            && error.raw_os_error() != Some(libc::ESRCH)
        {
            tracing::warn!(tid, %error, "a task could not be let go on");
        }
    }

    /// Whether a task stands at the end of what its program was made to run first.
    fn has_started(&mut self, tid: i32) -> bool {
        let Some(inside) = &mut self.inside else {
            return false;
        };
        let stop = ptrace::syscall_info(tid);
        matches!(stop, Ok(Stop::Seccomp { behind, .. }) if inside.has_started(tid, behind))
    }

    fn tick(&mut self, observer: &mut dyn Observer) {
        let ended = self.status.is_some();
        let alive = self.alive.iter().filter(|_| ended);
        let left = alive
            .filter_map(|tid| spawn::status_field(*tid, "Tgid:"))
            .map(|process| (process, false))
            .chain(self.passing.processes());
        self.ending.tick(ended, left, observer);
    }

    fn kill_all(&self) {
        self.passing.kill();
        for tid in &self.alive {
            signal::kill(*tid, libc::SIGKILL);
        }
    }
}

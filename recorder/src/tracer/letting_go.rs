//! A task that the tool itself wants to trace is let go: a task has one tracer.
//!
//! The call that begins to trace fails with `EPERM` then. It is made once more, after the task has
//! a filter whose listener takes precedence over the recorder's ([`Passing`](super::passing)).

use std::io;
use std::time::{Duration, Instant};

use super::injected::Injected;
use super::parcel::Parcel;
use super::side::has_no_filter_of_its_own;
use super::tracee::Traced;
use super::{Tracer, unless_gone};
use crate::arch;
use crate::error::RecordError;
use crate::spawn;
use crate::sys::listener::Postbox;
use crate::sys::{ptrace, signal};

/// A task that doesn't stop for so long stands still where it can't.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same for one that waits uninterruptibly.
const PATIENCE_IF_DEAF: Duration = Duration::from_millis(100);
/// Between two looks whether it has stopped.
const PAUSE: Duration = Duration::from_millis(1);

/// What calls of tasks that were let go are counted as.
const CALLS: &str = "calls of what the tool traces";

/// Registers with which a task makes a call again that it was refused to trace with.
fn traces_again(tid: i32, arguments: [u64; 6]) -> io::Result<arch::Words> {
    let words = ptrace::all_registers(tid)?;
    let size = arch::CALL_INSTRUCTION.len() as u64;
    let at = arch::next_instruction(&words).wrapping_sub(size);
    Ok(arch::calls(&words, at, libc::SYS_ptrace as u64, arguments))
}

impl Tracer {
    /// A task was refused to trace: it may, if what it wants to trace can be let go.
    pub(super) fn wants_to_trace(
        &mut self,
        tid: i32,
        registers: [u64; 6],
    ) -> Result<(), RecordError> {
        let whom = Traced::of(registers);
        let is_let_go = match whom {
            Traced::Itself => {
                // Its tracer would be the recorder.
                let is_own = spawn::status_field(tid, "PPid:").is_none_or(is_recorder);
                !is_own && has_no_filter_of_its_own(tid) && self.let_go(tid, Some(registers))?
            }
            Traced::Another(target) => {
                let Some(target) = self.known_as(tid, target) else {
                    // It isn't recorded, and the kernel has other reasons.
                    return Ok(());
                };
                let is_let_go = self.let_go_another(target)?;
                if is_let_go {
                    let again = traces_again(tid, registers);
                    let set = again.and_then(|again| ptrace::set_all_registers(tid, again));
                    unless_gone("PTRACE_SETREGSET", tid, set)?;
                }
                is_let_go
            }
        };
        if !is_let_go {
            self.refused_to_trace(tid, whom);
        }
        Ok(())
    }

    /// The recorded task that another one means with that number, unless it is of its own process.
    fn known_as(&self, tid: i32, target: i32) -> Option<i32> {
        let ids = |tid: i32| spawn::status_text(tid, "NSpid:").unwrap_or_default();
        let depth = ids(tid).split_whitespace().count();
        let is_meant = |other: i32| {
            let ids = ids(other);
            let mut ids = ids.split_whitespace().skip(depth.saturating_sub(1));
            ids.next().and_then(|id| id.parse().ok()) == Some(target)
        };
        let found = if depth > 1 {
            self.tasks.keys().copied().find(|other| is_meant(*other))?
        } else {
            target
        };
        let process = |tid| self.tasks.get(&tid).map(|tracee| tracee.task.tgid);
        let theirs = process(found)?;
        (Some(theirs) != process(tid)).then_some(found)
    }

    /// Lets a task go that isn't in a stop of its own accord. Gives whether it did.
    fn let_go_another(&mut self, tid: i32) -> Result<bool, RecordError> {
        // What the tool's own filters do to calls that it doesn't make isn't known. They may kill.
        if !has_no_filter_of_its_own(tid) {
            return Ok(false);
        }
        let Some(status) = self.comes_to_a_stop(tid)? else {
            return Ok(false);
        };
        let is_let_go = self.let_go(tid, None)?;
        if !is_let_go {
            self.on_status(tid, status)?;
        }
        Ok(is_let_go)
    }

    /// Brings a task to a stop in which it can be let go; gives that stop's status.
    fn comes_to_a_stop(&mut self, tid: i32) -> Result<Option<i32>, RecordError> {
        if let Some(status) = self.pending.take_of(tid) {
            self.on_status(tid, status)?;
        }
        unless_gone("PTRACE_INTERRUPT", tid, ptrace::interrupt(tid))?;
        let begin = Instant::now();
        while self.tasks.contains_key(&tid) {
            // It may be gone, and that be told of another id (exec by one of several threads).
            let Ok(status) = ptrace::look_for(tid) else {
                break;
            };
            match status {
                Some(status) if is_event_stop(status) => return Ok(Some(status)),
                Some(status) => {
                    self.on_status(tid, status)?;
                    // Any stop takes the place of the one that was asked for.
                    unless_gone("PTRACE_INTERRUPT", tid, ptrace::interrupt(tid))?;
                }
                None => {
                    let state = spawn::status_text(tid, "State:").unwrap_or_default();
                    let is_deaf = state.starts_with('D');
                    let patience = if is_deaf { PATIENCE_IF_DEAF } else { PATIENCE };
                    if begin.elapsed() > patience {
                        return Ok(None);
                    }
                    std::thread::sleep(PAUSE);
                }
            }
        }
        Ok(None)
    }

    /// Lets a task go that stands still. If it was refused to trace with those arguments, it makes
    /// that call again. Gives whether it was let go; else it stands still.
    fn let_go(&mut self, tid: i32, refused: Option<[u64; 6]>) -> Result<bool, RecordError> {
        let name = spawn::program_name(tid);
        if let Some(inside) = &mut self.inside {
            // No area of the recorder's may be written to any more.
            inside.take_out(tid);
        }
        self.drain();
        if let Some(inside) = &mut self.inside {
            // Its area is another's soon.
            inside.let_go(tid);
        }
        if let Err(error) = self.give_filter(tid, refused) {
            tracing::debug!(tid, %error, "it can't be let go");
            return Ok(false);
        }
        if let Some(tracee) = self.tasks.get_mut(&tid) {
            self.gatherer.release(tid, &mut tracee.placement);
        }
        unless_gone("PTRACE_DETACH", tid, ptrace::detach(tid))?;
        if let Some(tracee) = self.tasks.remove(&tid) {
            self.ended(tracee, 0, self.clock.time());
        }
        let is_news = self.session.warnings.insert(format!(
            "{name} was traced by the tool itself (ptrace), and isn't recorded from then on"
        ));
        if is_news {
            self.to_tell.push(format!(
                "{name} ({tid}) is traced by the tool itself, and no longer recorded: a task has \
                 one tracer"
            ));
        }
        Ok(true)
    }

    fn give_filter(&mut self, tid: i32, refused: Option<[u64; 6]>) -> io::Result<()> {
        let again = refused.map(|arguments| traces_again(tid, arguments));
        let again = again.transpose()?;
        let injected = Injected::begin(tid)?;
        let given = self.give_filter_by(&injected, tid);
        injected.end(again.filter(|_| given.is_ok()))?;
        given
    }

    fn give_filter_by(&mut self, task: &Injected, tid: i32) -> io::Result<()> {
        let postbox = Postbox::new()?;
        let address = postbox.address();
        let waiting = self.passing.begin()?;
        let parcel = task.put(|at| Parcel::new(at, &address, &self.passing.filter))?;
        let socket = match task.connect(&parcel) {
            Ok(socket) => socket,
            Err(error) => {
                task.take_back(&parcel);
                return Err(error);
            }
        };
        let installed = task.install(&parcel);
        if let Ok(fd) = installed {
            let listener = task.send(socket, &parcel, fd).and_then(|()| postbox.take());
            let served = listener.and_then(|listener| waiting.serve(tid, listener));
            if let Err(error) = served {
                // Each of its calls would wait for ever.
                tracing::warn!(tid, %error, "a task that was to be let go is killed");
                signal::kill(tid, libc::SIGKILL);
                return Err(error);
            }
            task.close(fd);
        }
        task.close(socket);
        task.take_back(&parcel);
        installed.map(drop)
    }

    /// Counts what tasks that were let go called up to now.
    pub(super) fn count_passed(&mut self) {
        self.session
            .count_unrecorded_calls(CALLS, self.passing.take_calls());
    }
}

fn is_recorder(process: i32) -> bool {
    u32::try_from(process) == Ok(std::process::id())
}

fn is_event_stop(status: i32) -> bool {
    libc::WIFSTOPPED(status) && status >> 16 == ptrace::EVENT_STOP
}

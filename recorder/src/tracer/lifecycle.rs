//! Tasks that appear and end, and programs that start.

use super::tracee::Tracee;
use super::{TaskMemory, Tracer, unless_gone};
use crate::error::RecordError;
use crate::session::{End, Memory, NewTask};
use crate::spawn;
use crate::sys::ptrace;

/// The signal that a child's end sends, in the flags of `clone`.
const EXIT_SIGNAL: u64 = 0xff;
/// The end of a task takes no longer than this; more was waiting, nanoseconds.
const LONGEST_RELEASE: u64 = 20_000_000;

impl Tracer {
    /// A task made another one.
    pub(super) fn on_new_task(&mut self, parent: i32, status: i32) -> Result<(), RecordError> {
        let Some(tid) = told(parent, status)? else {
            return Ok(());
        };
        // Else it was taken for an orphan before its parent's event came.
        let is_new = !self.tasks.contains_key(&tid);
        if is_new {
            self.add_task(parent, tid, clone_flags(parent))?;
        }
        if let Some(task) = self.tasks.get_mut(&parent) {
            if is_new {
                task.time.leaves(self.clock.time());
            } else {
                task.time.stood_in_call();
            }
        }
        self.resume(parent, 0)
    }

    fn add_task(&mut self, parent: i32, tid: i32, flags: u64) -> Result<(), RecordError> {
        let Some(from) = self.tasks.get_mut(&parent) else {
            return Ok(());
        };
        let think = from.thought(self.clock.time(), &self.costs);
        let new = NewTask {
            tid,
            flags,
            time: self.clock.time(),
            think,
        };
        let task = self.session.starts(&from.task, &new);
        let mut tracee = Tracee::child(task, from.placement.clone());
        tracee.time.leaves(new.time);
        self.gatherer.adopt(tid, &mut tracee.placement);
        self.tasks.insert(tid, tracee);
        if let Some(inside) = &mut self.inside {
            inside.child(parent, tid, flags);
        }
        if self.strangers.remove(&tid).is_some() {
            return self.resume(tid, 0);
        }
        Ok(())
    }

    /// Takes on new tasks whose parent died before its event could tell of them.
    pub(super) fn adopt_orphans(&mut self, dead: i32) {
        if self.strangers.is_empty() {
            return;
        }
        // What the heir did up to now is its own.
        self.drain();
        let orphans: Vec<(i32, Option<i32>)> = self
            .strangers
            .keys()
            .map(|tid| (*tid, spawn::status_field(*tid, "Tgid:")))
            .collect();
        for (tid, tgid) in orphans {
            let parent = spawn::status_field(tid, "PPid:").unwrap_or(0);
            let thread = tgid.filter(|tgid| *tgid != tid);
            let alive = |tid: &i32| self.tasks.contains_key(tid);
            let known = thread.filter(alive).or(Some(parent).filter(alive));
            if let Some(known) = known {
                // Its parent lives, and so does the event, unless it is the thread's leader that
                // lives on.
                if thread.is_none() || dead == known {
                    continue;
                }
            }
            let heir = known.or_else(|| self.tasks.keys().next().copied());
            let flags = match thread {
                Some(_) => {
                    (libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES)
                        as u64
                }
                None => 0,
            };
            let added = match heir {
                Some(heir) => {
                    let added = self.add_task(heir, tid, flags);
                    // It may be running: what was looked at is of no stop.
                    if let Some(heir) = self.tasks.get_mut(&heir) {
                        heir.time.take_here();
                    }
                    added
                }
                None => {
                    self.strangers.remove(&tid);
                    if let Some(inside) = &mut self.inside {
                        inside.unknown_goes_on(tid);
                    }
                    ptrace::resume(tid, 0).map_err(RecordError::system("ptrace"))
                }
            };
            if let Err(error) = added {
                tracing::warn!(tid, %error, "a task without a parent");
            }
        }
    }

    /// A task is about to end: the last that is seen of it while it lives.
    pub(super) fn on_last_stop(&mut self, tid: i32) -> Result<(), RecordError> {
        self.never_returns(tid);
        if let Some(tracee) = self.tasks.get_mut(&tid) {
            tracee.last_think = tracee.thought(self.clock.time(), &self.costs);
            let call = ptrace::call_in_progress(tid).map(|(number, _)| number as i64);
            tracee.ended_itself = matches!(call, Ok(libc::SYS_exit | libc::SYS_exit_group));
        }
        self.resume(tid, 0)
    }

    /// A task is gone, for which others may have waited.
    pub(super) fn on_end(&mut self, tid: i32, status: i32) {
        let time = self.drain_before_waits(tid);
        self.strangers.remove(&tid);
        self.never_returns(tid);
        let tracee = self.tasks.remove(&tid);
        let ended_itself = tracee.as_ref().is_some_and(|tracee| tracee.ended_itself);
        if let Some(tracee) = tracee {
            self.ended(tracee, status, time);
        }
        if let Some(inside) = &mut self.inside {
            inside.ended(tid);
        }
        if tid == self.main {
            self.status = Some(status);
            self.requests.command_ended();
        }
        // The child of one that was killed may be seen for the first time after that.
        self.may_have_orphans |= !ended_itself;
        if self.may_have_orphans {
            self.adopt_orphans(tid);
        }
    }

    /// A task is gone, since that time.
    pub(super) fn ended(&mut self, mut tracee: Tracee, status: i32, time: u64) {
        let time = time.max(tracee.time.left());
        // After its last stop it released its memory, and nothing else.
        let released = match tracee.last_think {
            0 => 0,
            _ => time.saturating_sub(tracee.time.left()).min(LONGEST_RELEASE),
        };
        let end = End {
            time,
            status,
            cpu: tracee.time.total(),
            think: tracee.last_think + released,
        };
        self.session.ends(&mut tracee.task, &end);
    }

    /// A program was started. If a task other than the process's first did it, that task takes over
    /// the id.
    pub(super) fn on_exec(&mut self, tid: i32, status: i32) -> Result<(), RecordError> {
        let Some(earlier) = told(tid, status)? else {
            return Ok(());
        };
        if earlier != tid
            && let Some(tracee) = self.tasks.remove(&earlier)
            && let Some(leader) = self.tasks.insert(tid, tracee)
        {
            self.ended(leader, 0, self.clock.time());
        }
        if let Some(tracee) = self.tasks.get_mut(&tid) {
            tracee.task.started_program();
            if earlier != tid {
                tracee.renamed(tid);
            }
        }
        self.tell_exec(earlier, tid);
        if let Some(inside) = &mut self.inside {
            inside.program(tid, tid);
            inside.starts(tid);
        }
        self.running = true;
        self.resume(tid, 0)
    }

    /// The call that started a program has returned. Nothing can go wrong with it any more, so its
    /// exit need not be waited for.
    fn tell_exec(&mut self, earlier: i32, tid: i32) {
        let is_inside = self.inside.as_mut().is_some_and(|inside| {
            inside.renamed(earlier, tid);
            inside.has_started_program(tid)
        });
        let Some(tracee) = self.tasks.get_mut(&tid) else {
            return;
        };
        if is_inside {
            // That stop is no sleep in the call.
            tracee.time.stood_in_call();
            self.drain();
        } else {
            let memory = TaskMemory::new(tid, self.through_proc);
            let (task, mut clock) = tracee.at_stop(&self.clock, &self.costs);
            self.session.exit(task, 0, &memory, &mut clock);
        }
        if let Some(tracee) = self.tasks.get_mut(&tid) {
            tracee.time.leaves(self.clock.time());
        }
    }
}

/// The task that an event tells of. `None` if the one that stopped was killed meanwhile: its
/// message is no task's number any more, and its last stop will be told.
pub(super) fn told(tid: i32, status: i32) -> Result<Option<i32>, RecordError> {
    if !ptrace::is_in_stop(tid, status) {
        return Ok(None);
    }
    let message = unless_gone("PTRACE_GETEVENTMSG", tid, ptrace::event_message(tid))?;
    Ok(message.map(|task| task as i32))
}

/// The `CLONE_*` flags of the call that a task is in.
pub(super) fn clone_flags(tid: i32) -> u64 {
    let Ok((number, [first, _])) = ptrace::call_in_progress(tid) else {
        return 0;
    };
    let flags = match number as i64 {
        libc::SYS_clone => first,
        libc::SYS_clone3 => {
            let memory = TaskMemory::new(tid, false);
            memory.read_u64(first).unwrap_or(0)
        }
        // vfork, where it exists; fork has no flags.
        number if number == crate::arch::VFORK => (libc::CLONE_VM | libc::CLONE_VFORK) as u64,
        _ => 0,
    };
    flags & !EXIT_SIGNAL & 0xffff_ffff
}

//! Tasks that appear, and programs that start.

use fsreplay_trace::model::{Record, TaskId, TaskStart};

use super::{TaskMemory, Tracer, unless_gone};
use crate::error::RecordError;
use crate::memory::Memory;
use crate::spawn;
use crate::sys::ptrace;

/// The signal that a child's end sends, in the flags of `clone`.
const EXIT_SIGNAL: u64 = 0xff;

impl Tracer {
    /// A task made another one.
    pub(super) fn on_new_task(&mut self, parent: i32, status: i32) -> Result<(), RecordError> {
        let Some(tid) = told(parent, status)? else {
            return Ok(());
        };
        let flags = clone_flags(parent);
        self.add_task(parent, tid, flags)?;
        if let Some(task) = self.tasks.get_mut(&parent) {
            task.time.leaves(self.session.time());
        }
        self.resume(parent, 0)
    }

    fn add_task(&mut self, parent: i32, tid: i32, flags: u64) -> Result<(), RecordError> {
        let Some(from) = self.tasks.get_mut(&parent) else {
            return Ok(());
        };
        let think = self.session.forks(from);
        let id = TaskId(self.started);
        self.started += 1;
        let mut task = from.child(id, tid, flags);
        let record = TaskStart {
            task: id,
            parent: Some(from.id),
            time: self.session.time(),
            flags,
            tid: tid as u32,
            think,
        };
        task.time.leaves(record.time);
        self.session.made_namespace(&task, flags);
        self.gatherer.adopt(tid, &mut task.placement);
        self.session.trace.push(Record::TaskStart(record));
        self.tasks.insert(tid, task);
        if self.strangers.remove(&tid).is_some() {
            return self.resume(tid, 0);
        }
        Ok(())
    }

    /// Takes on new tasks whose parent died before its event could tell of them.
    pub(super) fn adopt_orphans(&mut self, dead: i32) {
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
                // Its parent lives, and so does the event, unless it is the thread's leader that lives on.
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
                Some(heir) => self.add_task(heir, tid, flags),
                None => {
                    self.strangers.remove(&tid);
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
        if let Some(task) = self.tasks.get_mut(&tid) {
            let now = self.session.time();
            task.last_think = self.session.gap(task, now).think;
            task.time.leaves(now);
        }
        self.resume(tid, 0)
    }

    /// A program was started. If a task other than the process's first did it, that task takes over the id.
    pub(super) fn on_exec(&mut self, tid: i32, status: i32) -> Result<(), RecordError> {
        let Some(earlier) = told(tid, status)? else {
            return Ok(());
        };
        if earlier != tid
            && let Some(task) = self.tasks.remove(&earlier)
            && let Some(mut leader) = self.tasks.insert(tid, task)
        {
            self.session.abandoned(&mut leader);
            self.push_exit(&leader, 0);
        }
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.started_program();
            task.time.stood_in_call();
            if earlier != tid {
                task.time.renamed(tid);
            }
        }
        self.running = true;
        self.resume(tid, 0)
    }
}

/// The task that an event tells of. `None` if the one that stopped was killed meanwhile: its message is no task's number any more, and its
/// last stop will be told.
fn told(tid: i32, status: i32) -> Result<Option<i32>, RecordError> {
    if !ptrace::is_in_stop(tid, status) {
        return Ok(None);
    }
    let message = unless_gone("PTRACE_GETEVENTMSG", tid, ptrace::event_message(tid))?;
    Ok(message.map(|task| task as i32))
}

/// The `CLONE_*` flags of the call that a task is in.
fn clone_flags(tid: i32) -> u64 {
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

//! Calls that are no events, and that the recorder must know of or answer: where a task may run,
//! whether it has a filter, new tasks that would escape, and other tracers and supervisors. Also
//! the returns of calls that nothing more is told of, for the sake of their sites.

use std::sync::OnceLock;

use super::tracee::Side;
use super::{TaskMemory, Tracer};
use crate::error::RecordError;
use crate::session::Memory;
use crate::spawn::{self, Status};
use crate::sys::ptrace;
use crate::sys::seccomp;

/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`.
const NEW_LISTENER: u64 = 8;

impl Tracer {
    /// A stop at the filter at such a call.
    pub(super) fn on_side_call(&mut self, tid: i32, number: u64, registers: [u64; 6]) {
        let is_seccomp = number as i64 == libc::SYS_seccomp;
        let side = match number as i64 {
            libc::SYS_sched_getaffinity => self
                .is_gathered(tid, registers[0])
                .then_some(Side::Affinity(registers)),
            libc::SYS_sched_setaffinity => {
                self.release(tid, registers[0]);
                None
            }
            libc::SYS_clone => {
                keep_traced(tid, registers[0], |flags| {
                    ptrace::set_first_argument(tid, flags)
                });
                None
            }
            libc::SYS_clone3 => {
                // The first member of its structure.
                let flags = TaskMemory::new(tid, false)
                    .read_u64(registers[0])
                    .unwrap_or(0);
                keep_traced(tid, flags, |flags| {
                    ptrace::write_memory(tid, registers[0], &flags.to_ne_bytes())
                });
                None
            }
            libc::SYS_prctl if registers[0] as i32 == libc::PR_GET_SECCOMP => {
                Some(Side::SeccompMode)
            }
            libc::SYS_prctl | libc::SYS_seccomp => {
                if let Some(inside) = &mut self.inside {
                    inside.forbids(tid);
                }
                let is_listened_to = is_seccomp && registers[1] & NEW_LISTENER != 0;
                is_listened_to.then_some(Side::Supervisor)
            }
            libc::SYS_ptrace => Some(Side::Traces(registers)),
            _ => None,
        };
        if let Some(side) = side
            && let Some(tracee) = self.tasks.get_mut(&tid)
        {
            self.session.give_up_interrupted(&mut tracee.task);
            tracee.side = Some(side);
        }
    }

    /// Such a call returned.
    pub(super) fn on_side_result(
        &mut self,
        tid: i32,
        side: Side,
        result: i64,
    ) -> Result<(), RecordError> {
        match side {
            Side::Affinity(registers) => self.answer_affinity(tid, registers, result),
            Side::SeccompMode => answer_mode(tid, result),
            Side::Supervisor if result >= 0 => {
                let name = spawn::program_name(tid);
                self.session.warnings.insert(format!(
                    "{name} has a supervisor of the tool's own answer system calls (seccomp): what \
                     that lets through is not in the trace"
                ));
            }
            Side::Traces(registers) if result == -i64::from(libc::EPERM) => {
                return self.wants_to_trace(tid, registers);
            }
            Side::Site => self.left_site(tid, result),
            Side::Supervisor | Side::Traces(_) => {}
        }
        Ok(())
    }

    /// A call has returned that was told when it was made, or is no event.
    fn left_site(&mut self, tid: i32, result: i64) {
        let (Some(tracee), Some(inside)) = (self.tasks.get_mut(&tid), &mut self.inside) else {
            return;
        };
        tracee.time.foreign_stop();
        if inside.leaves(tid, result) {
            tracee.time.forget(self.clock.time());
        }
    }

    /// Whether the recorder has put a task to a processor of its choice.
    fn is_gathered(&self, tid: i32, about: u64) -> bool {
        let about = or_itself(tid, about);
        self.tasks
            .get(&about)
            .is_some_and(|task| task.placement.gathered)
    }

    /// A task sets where it may run: it is left alone from now on.
    fn release(&mut self, tid: i32, about: u64) {
        let about = or_itself(tid, about);
        if let Some(task) = self.tasks.get_mut(&about) {
            self.gatherer.release(about, &mut task.placement);
        }
    }

    /// Puts the mask that a task would have without the recorder into the tool's memory.
    fn answer_affinity(&mut self, tid: i32, registers: [u64; 6], result: i64) {
        let Some(task) = self.tasks.get(&or_itself(tid, registers[0])) else {
            return;
        };
        let mut mask = task.placement.mask.bytes().to_vec();
        mask.resize(usize::try_from(result).unwrap_or(0), 0);
        if let Err(error) = ptrace::write_memory(tid, registers[2], &mask) {
            tracing::warn!(tid, %error, "the tool sees the recorder's affinity");
        }
    }
}

/// The task that a call is about, where 0 stands for the one that makes it.
fn or_itself(tid: i32, about: u64) -> i32 {
    match about as i32 {
        0 => tid,
        other => other,
    }
}

/// Takes `CLONE_UNTRACED` from the flags of a new task: it inherits the filter, and without a
/// tracer its calls would fail with `ENOSYS`.
fn keep_traced(tid: i32, flags: u64, set: impl FnOnce(u64) -> std::io::Result<()>) {
    let untraced = libc::CLONE_UNTRACED as u64;
    if flags & untraced != 0
        && let Err(error) = set(flags & !untraced)
    {
        tracing::warn!(tid, %error, "a new task escapes, and its calls will fail");
    }
}

/// Whether a task has no filter but the recorder's, and those that the recorder has itself. Before
/// Linux 5.9 nobody counts.
pub(super) fn has_no_filter_of_its_own(tid: i32) -> bool {
    Status::of(tid).is_some_and(|status| has_no_other_filter(&status))
}

/// The same, from the task's status.
pub(super) fn has_no_other_filter(status: &Status) -> bool {
    own_filters().is_some_and(|own| filters(status) == Some(own + 1))
}

/// How many filters the recorder has itself, which gets none while it runs; `None` where nobody
/// counts.
pub(super) fn own_filters() -> Option<i32> {
    static OWN: OnceLock<Option<i32>> = OnceLock::new();
    let count = || filters(&Status::of(i32::try_from(std::process::id()).ok()?)?);
    *OWN.get_or_init(count)
}

fn filters(status: &Status) -> Option<i32> {
    status.text("Seccomp_filters:")?.parse().ok()
}

/// Says the seccomp mode that a task would have without the recorder's filter.
fn answer_mode(tid: i32, result: i64) {
    const FILTERED: i64 = 2;
    if result == FILTERED && has_no_filter_of_its_own(tid) {
        let mode = seccomp::mode();
        if let Err(error) = ptrace::set_result(tid, mode) {
            tracing::warn!(tid, %error, "the tool sees the recorder's filter");
        }
    }
}

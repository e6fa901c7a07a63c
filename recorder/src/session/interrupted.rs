//! Calls that a signal interrupted: made again by the kernel, they are one event.

use fsreplay_trace::call::Call;
use fsreplay_trace::model::{Event, Spent};

use super::task::{InCall, Phase, Task};
use super::{Clock, Next, Session};

impl Session {
    /// Decides about an interrupted call before this one: gives it back if this is it again.
    pub(super) fn settle(
        &mut self,
        task: &mut Task,
        call: Call,
        registers: &[u64; 6],
    ) -> Option<InCall> {
        match std::mem::take(&mut task.phase) {
            Phase::Interrupted(earlier, time) => {
                if earlier.call == call && earlier.registers == *registers {
                    return Some(earlier);
                }
                self.event(task.id, &earlier, time, -i64::from(libc::EINTR));
                None
            }
            // Of its return nothing was told.
            Phase::InCall(earlier) => {
                self.event(task.id, &earlier, earlier.entry, Event::NO_RETURN);
                None
            }
            Phase::Running | Phase::Counted => None,
        }
    }

    /// The task makes another call, of which nothing is told: the tool saw `EINTR`.
    pub fn give_up_interrupted(&mut self, task: &mut Task) {
        if let Phase::Interrupted(earlier, time) = std::mem::take(&mut task.phase) {
            self.event(task.id, &earlier, time, -i64::from(libc::EINTR));
        }
    }

    /// The kernel goes on with a wait that a signal without a handler interrupted
    /// (restart_syscall(2)): the tool sees one call.
    pub(super) fn restarted(&mut self, task: &mut Task, clock: &mut dyn Clock) -> Next {
        match std::mem::take(&mut task.phase) {
            Phase::Interrupted(mut call, _) => {
                call.spent = sum(call.spent, clock.gap());
                call.since = clock.moment();
                task.phase = Phase::InCall(call);
                Next::Exit
            }
            // Of a call that is not recorded.
            other => {
                task.phase = other;
                Next::Nothing
            }
        }
    }
}

/// Time of two parts of one call.
pub(super) fn sum(one: Spent, other: Spent) -> Spent {
    Spent {
        think: one.think.saturating_add(other.think),
        cpu: one.cpu.saturating_add(other.cpu),
        blocked: one.blocked.saturating_add(other.blocked),
        asleep: one.asleep.saturating_add(other.asleep),
    }
}

//! Calls that a signal interrupted: made again by the kernel, they are one event.

use fsreplay_trace::call::Call;
use fsreplay_trace::model::Spent;

use super::session::{Next, Session};
use crate::tasks::{InCall, Phase, Task};

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
            _ => None,
        }
    }

    /// Another call comes, that is no event: the tool saw `EINTR`.
    pub(super) fn give_up_interrupted(&mut self, task: &mut Task) {
        if let Phase::Interrupted(earlier, time) = std::mem::take(&mut task.phase) {
            self.event(task.id, &earlier, time, -i64::from(libc::EINTR));
        }
    }

    /// The kernel goes on with a wait that a signal without a handler interrupted (restart_syscall(2)): the tool sees one call.
    pub(super) fn restarted(&mut self, task: &mut Task) -> Next {
        match std::mem::take(&mut task.phase) {
            Phase::Interrupted(mut call, _) => {
                let gap = self.gap(task, self.time());
                call.spent = sum(call.spent, gap);
                task.phase = Phase::InCall(call);
                Next::Exit
            }
            // Of a call that is not recorded.
            other => {
                task.phase = other;
                self.pass(task)
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

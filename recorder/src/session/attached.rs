//! A tool that ran before the recording: what it has open and mapped by then.

use super::task::{Phase, Task};
use super::{End, Session};

impl Session {
    /// Takes what a process has before its first call is told: all its descriptors, also those that
    /// a program's start closes, and the addresses (start, length) that map files. It stands still.
    pub fn attached(&mut self, task: &Task, maps: &[(u64, u64)]) {
        if self.world.has_own_mounts(task.tid) {
            task.place.borrow_mut().foreign = true;
        }
        let mut known = task.maps.borrow_mut();
        for (start, length) in maps {
            known.add(*start, *length);
        }
        drop(known);
        self.inherited_done = true;
        let all = self.world.descriptors(task.tid);
        self.descriptors_of(task, &all);
    }

    /// A task isn't told of any more, and lives on: what it was in has not returned, also if that
    /// was interrupted so that it could be let go.
    pub fn let_go(&mut self, task: &mut Task, end: &End) {
        task.phase = match std::mem::take(&mut task.phase) {
            Phase::Interrupted(call, _) => Phase::InCall(call),
            other => other,
        };
        self.ends(task, end);
    }
}

//! Tasks that start programs: most often in the memory of the task that made them, which waits for
//! that (`vfork`, `posix_spawn`).

use super::{Memory, Tasks};
use crate::arch;
use crate::refused::Refused;
use crate::tracee::Tracee;

impl Tasks {
    /// The task that made this one is suspended until it starts a program or ends.
    pub fn suspends_parent(&mut self, tid: i32) {
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.suspends = true;
            task.memory.borrow_mut().suspended += 1;
        }
    }

    /// A task stands at the entry of a call that starts a program, made by the instruction before
    /// `behind`. If it succeeds, it has no exit: here its site is counted, and patched for the task
    /// that made this one where they share memory, and that takes no call.
    pub fn enters_program(&mut self, tid: i32, behind: u64, tracee: &mut impl Tracee) {
        let Some(task) = self.tasks.get(&tid) else {
            return;
        };
        let mut memory = task.memory.borrow_mut();
        if memory.refused || !memory.space.has_stub() {
            return;
        }
        let often = self.policy.hits;
        let due = memory.space.hit(tracee, behind, often, &mut self.known);
        let is_of_use = memory.suspended > 0 && memory.is_alone();
        let Some(site) = due.filter(|_| is_of_use) else {
            return;
        };
        let found = (&mut self.known, &mut self.ways);
        match memory.space.patch_at_entry(tracee, site, found) {
            Ok(count) => memory.patched += count,
            Err(Refused::Site) => {}
            Err(error) => {
                *self.refusals.entry(error.to_string()).or_default() += 1;
                memory.refused = true;
            }
        }
    }

    /// A task has started a program, at this moment. Gives whether the stub made that call: its
    /// event counts then.
    pub fn has_started_program(&self, tid: i32) -> bool {
        let area = self.tasks.get(&tid).and_then(|task| task.area.as_ref());
        area.is_some_and(|area| area.has_started_program(arch::ticks()))
    }

    /// A task has another id from now on.
    pub fn renamed(&mut self, earlier: i32, tid: i32) {
        if earlier != tid
            && let Some(task) = self.tasks.remove(&earlier)
        {
            self.tasks.insert(tid, task);
        }
    }
}

impl Memory {
    /// Whether no task of it runs but one.
    pub(super) fn is_alone(&self) -> bool {
        self.tasks.checked_sub(self.suspended) == Some(1)
    }
}

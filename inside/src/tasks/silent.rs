//! Tasks that are not to ask their clock: what the tool has its calls answered by (a filter,
//! `PR_SET_SYSCALL_USER_DISPATCH`) may not suffer one that the tool doesn't make.

use std::rc::Rc;

use super::{Memory, Tasks};
use crate::region::Area;

impl Tasks {
    /// A task is about to have its system calls, or those of its threads, answered by something of
    /// the tool's own. The stub makes none from now on that the tool doesn't make.
    pub fn forbids(&mut self, tid: i32) {
        let Some(task) = self.tasks.get(&tid) else {
            return;
        };
        let memory = Rc::clone(&task.memory);
        memory.borrow_mut().is_silent = true;
        let all = self.tasks.values();
        all.filter(|task| Rc::ptr_eq(&task.memory, &memory))
            .filter_map(|task| task.area.as_ref())
            .for_each(Area::stop_asking);
    }

    /// The same of all tasks, now and later.
    pub fn all_forbid(&mut self) {
        for task in self.tasks.values() {
            task.memory.borrow_mut().is_silent = true;
            if let Some(area) = &task.area {
                area.stop_asking();
            }
        }
    }
}

impl Memory {
    /// An area was given to one of its tasks.
    pub(super) fn takes(&self, area: &Area) {
        if self.is_silent {
            area.stop_asking();
        }
    }
}

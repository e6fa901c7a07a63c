//! Ids of processes and threads that other tools can tell apart.

use std::collections::{HashMap, HashSet};

use fsreplay_trace::abi::CLONE_THREAD;
use fsreplay_trace::model::{TaskId, TaskStart};

/// Ids of tasks are less than that (`PID_MAX_LIMIT`).
const LIMIT: u32 = 1 << 22;

/// Where numbers come from for ids that are given out again while they are another task's, and for
/// those of made-up traces that no kernel gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spares {
    /// From above all ids, so that nobody takes them for a kernel's.
    #[default]
    Above,
    /// From the highest id downwards: some readers take a larger number for no id.
    Within,
}

/// How a task is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// Its process.
    pub pid: u32,
    /// Itself.
    pub tid: u32,
}

/// All tasks so far.
#[derive(Default)]
pub struct Tasks {
    ids: HashMap<TaskId, Ids>,
    taken: HashSet<u32>,
    from: Spares,
    /// How many numbers were looked at.
    spares: u32,
}

impl Tasks {
    /// None yet.
    pub fn new(from: Spares) -> Tasks {
        Tasks {
            from,
            ..Tasks::default()
        }
    }

    /// A task begins.
    pub fn start(&mut self, start: &TaskStart) {
        let is_possible = (1..LIMIT).contains(&start.tid);
        let is_own = is_possible && self.taken.insert(start.tid);
        let tid = if is_own { start.tid } else { self.spare() };
        let parent = start.parent.and_then(|parent| self.ids.get(&parent));
        let pid = match parent {
            Some(parent) if start.flags & CLONE_THREAD != 0 => parent.pid,
            _ => tid,
        };
        self.ids.insert(start.task, Ids { pid, tid });
    }

    /// A number that is no task's. Limits keep a trace from having as many tasks alive as there are
    /// numbers.
    fn spare(&mut self) -> u32 {
        loop {
            let id = match self.from {
                Spares::Above => LIMIT.saturating_add(self.spares),
                Spares::Within => LIMIT - 1 - self.spares % (LIMIT - 1),
            };
            self.spares = self.spares.wrapping_add(1);
            if self.taken.insert(id) {
                return id;
            }
        }
    }

    /// A task ended, and its id may be another one's, in forms that have it so.
    pub fn end(&mut self, task: TaskId) {
        if let Some(ids) = self.ids.remove(&task) {
            self.taken.remove(&ids.tid);
        }
    }

    /// The ids of a task.
    pub fn get(&self, task: TaskId) -> Ids {
        self.ids.get(&task).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(tasks: &mut Tasks, task: u32, tid: u32) -> u32 {
        tasks.start(&TaskStart {
            task: TaskId(task),
            parent: None,
            time: 0,
            flags: 0,
            tid,
            think: 0,
        });
        tasks.get(TaskId(task)).tid
    }

    #[test]
    fn ids_of_tasks_differ_and_are_free_again_at_their_end() {
        let above = [LIMIT, LIMIT + 1, LIMIT + 2, LIMIT + 3];
        let within = [LIMIT - 1, LIMIT - 2, LIMIT - 3, LIMIT - 4];
        for (from, wanted) in [(Spares::Above, above), (Spares::Within, within)] {
            let mut tasks = Tasks::new(from);
            assert_eq!(begun(&mut tasks, 0, 7), 7);
            let others = [(1, 7), (2, 0), (3, LIMIT), (4, 7)]
                .map(|(task, tid)| begun(&mut tasks, task, tid));
            assert_eq!(others, wanted);
            tasks.end(TaskId(0));
            assert_eq!(begun(&mut tasks, 5, 7), 7);
        }
    }

    #[test]
    fn numbers_that_tasks_have_are_passed_over() {
        let mut tasks = Tasks::new(Spares::Within);
        assert_eq!(begun(&mut tasks, 0, LIMIT - 1), LIMIT - 1);
        assert_eq!(begun(&mut tasks, 1, 0), LIMIT - 2);
        // As after all of them.
        tasks.spares = LIMIT - 1;
        assert_eq!(begun(&mut tasks, 2, 0), LIMIT - 3);
    }
}

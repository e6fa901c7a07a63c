//! Tasks and what they share: descriptor tables, working directories, address spaces, and who waits
//! for whom.

use std::collections::VecDeque;

use fsreplay_trace::abi::{CLONE_FILES, CLONE_FS, CLONE_PARENT, CLONE_THREAD, CLONE_VM};
use fsreplay_trace::model::TaskStart;

use super::super::PlanError;
use super::super::hash::FastMap;
use super::super::land::tree::{NONE, ROOT};
use super::super::order::OpId;
use super::mappings::Space;
use super::tables::{FdTable, FdTables};

/// Task numbers may run ahead of the tasks seen so far by this much.
const TASK_GAP: usize = 1 << 16;

/// A task of the recording.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) alive: bool,
    pub(crate) known: bool,
    pub(crate) lane: u32,
    pub(crate) process: u32,
    pub(crate) table: u32,
    pub(crate) fs: u32,
    pub(crate) mm: u32,
}

const NOBODY: Task = Task {
    alive: false,
    known: false,
    lane: 0,
    process: 0,
    table: 0,
    fs: 0,
    mm: 0,
};

/// One that begins.
const BEGUN: Task = Task {
    alive: true,
    known: true,
    ..NOBODY
};

/// Working directory, root and umask, which tasks may share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fs {
    refs: u32,
    /// Handle that holds the working directory, [`NONE`] if nothing is open for it.
    pub(crate) cwd: u32,
    /// The directory, [`NONE`] outside the replayed tree.
    pub(crate) cwd_ino: u32,
    /// What `/` means.
    pub(crate) root: u32,
    /// The mount namespace ([`Mounts`](super::super::land::mounts::Mounts)).
    pub(crate) namespace: u32,
    pub(crate) umask: u32,
}

/// A process: tasks that end together for whoever waits.
#[derive(Default)]
pub(crate) struct Process {
    parent: u32,
    /// Last ops of its tasks that ended.
    ends: Vec<OpId>,
    /// How many of them there were when those were taken out that others imply.
    settled: usize,
    /// Its children that ended and were not waited for, oldest first; among them some that were.
    ended: VecDeque<u32>,
    alive: u32,
    reaped: bool,
    /// How many events had returned when its last task ended.
    ended_at: u32,
}

/// All tasks.
#[derive(Default)]
pub(crate) struct Processes {
    tasks: Vec<Task>,
    pub(crate) tables: FdTables,
    fs: Vec<Fs>,
    free_fs: Vec<u32>,
    pub(crate) spaces: Vec<Space>,
    free_spaces: Vec<u32>,
    processes: Vec<Process>,
    by_pid: FastMap<u32, u32>,
    free_lanes: Vec<u32>,
    pub(crate) alive: u32,
}

/// So many ends of a process' tasks may be kept before those that others imply are taken out.
const MANY_ENDS: usize = 16;

impl Process {
    /// Of those on one lane the last implies the others.
    fn settle_ends(&mut self) {
        let ends = &mut self.ends;
        ends.sort_unstable_by_key(|end| (end.lane, std::cmp::Reverse(end.op)));
        ends.dedup_by_key(|end| end.lane);
        self.settled = self.ends.len();
    }
}

impl Processes {
    /// The task, which must have been added.
    #[inline]
    pub(crate) fn task(&self, task: u32) -> Task {
        self.tasks[task as usize]
    }

    #[inline]
    pub(crate) fn task_mut(&mut self, task: u32) -> &mut Task {
        &mut self.tasks[task as usize]
    }

    /// Whether a task of that number was added and lives.
    pub(crate) fn is_alive(&self, task: u32) -> bool {
        self.tasks.get(task as usize).is_some_and(|t| t.alive)
    }

    /// Whether a task of that number was ever added.
    pub(crate) fn is_known(&self, task: u32) -> bool {
        self.tasks.get(task as usize).is_some_and(|t| t.known)
    }

    /// Whether a task belongs to the process of that id.
    pub(crate) fn is_process(&self, task: u32, pid: u32) -> bool {
        self.by_pid.get(&pid) == Some(&self.tasks[task as usize].process)
    }

    #[inline]
    pub(crate) fn fs(&self, task: u32) -> Fs {
        self.fs[self.tasks[task as usize].fs as usize]
    }

    #[inline]
    pub(crate) fn fs_mut(&mut self, task: u32) -> &mut Fs {
        let fs = self.tasks[task as usize].fs;
        &mut self.fs[fs as usize]
    }

    #[inline]
    pub(crate) fn table(&self, task: u32) -> &FdTable {
        self.tables.get(self.tasks[task as usize].table)
    }

    #[inline]
    pub(crate) fn table_mut(&mut self, task: u32) -> &mut FdTable {
        let table = self.tasks[task as usize].table;
        self.tables.get_mut(table)
    }

    /// A lane whose last task has ended.
    pub(crate) fn take_lane(&mut self) -> Option<u32> {
        self.free_lanes.pop()
    }

    /// Adds a task that shares nothing, with an empty table.
    pub(crate) fn add_first(
        &mut self,
        start: &TaskStart,
        lane: u32,
        umask: u32,
    ) -> Result<(), PlanError> {
        let table = self.tables.add(FdTable::default());
        let fs = self.add_fs(Fs {
            refs: 1,
            cwd: NONE,
            cwd_ino: ROOT,
            root: ROOT,
            namespace: 0,
            umask,
        });
        let mm = self.add_space();
        let process = self.add_process(NONE, start.tid);
        self.insert(
            start.task.0,
            Task {
                lane,
                process,
                table,
                fs,
                mm,
                ..BEGUN
            },
        )
    }

    /// Adds a task made by another one. The caller holds copied handles: a copied table's, and the
    /// working directory's.
    pub(crate) fn add_child(
        &mut self,
        start: &TaskStart,
        parent: u32,
        lane: u32,
    ) -> Result<(), PlanError> {
        let from = self.task(parent);
        let table = if start.flags & CLONE_FILES != 0 {
            self.tables.share(from.table);
            from.table
        } else {
            let copy = self.tables.get(from.table).copy();
            self.tables.add(copy)
        };
        let fs = if start.flags & CLONE_FS != 0 {
            self.fs[from.fs as usize].refs += 1;
            from.fs
        } else {
            let mut copy = self.fs[from.fs as usize];
            copy.refs = 1;
            self.add_fs(copy)
        };
        let mm = if start.flags & CLONE_VM != 0 {
            self.spaces[from.mm as usize].refs += 1;
            from.mm
        } else {
            self.add_space()
        };
        let process = if start.flags & CLONE_THREAD != 0 {
            self.processes[from.process as usize].alive += 1;
            from.process
        } else {
            let parent = if start.flags & CLONE_PARENT != 0 {
                self.processes[from.process as usize].parent
            } else {
                from.process
            };
            self.add_process(parent, start.tid)
        };
        self.insert(
            start.task.0,
            Task {
                lane,
                process,
                table,
                fs,
                mm,
                ..BEGUN
            },
        )
    }

    fn insert(&mut self, number: u32, task: Task) -> Result<(), PlanError> {
        let at = number as usize;
        if at > self.tasks.len() + TASK_GAP {
            return Err(PlanError::TaskNumber { task: number });
        }
        if self.tasks.len() <= at {
            self.tasks.resize(at + 1, NOBODY);
        }
        self.tasks[at] = task;
        self.alive += 1;
        Ok(())
    }

    fn add_fs(&mut self, fs: Fs) -> u32 {
        match self.free_fs.pop() {
            Some(free) => {
                self.fs[free as usize] = fs;
                free
            }
            None => {
                self.fs.push(fs);
                (self.fs.len() - 1) as u32
            }
        }
    }

    /// A new address space for one task.
    pub(crate) fn add_space(&mut self) -> u32 {
        if let Some(free) = self.free_spaces.pop() {
            self.spaces[free as usize] = Space::new();
            return free;
        }
        self.spaces.push(Space::new());
        (self.spaces.len() - 1) as u32
    }

    /// An address space that the last task left, emptied, may be used again.
    pub(crate) fn free_space(&mut self, mm: u32) {
        self.free_spaces.push(mm);
    }

    fn add_process(&mut self, parent: u32, pid: u32) -> u32 {
        let process = self.processes.len() as u32;
        self.processes.push(Process {
            parent,
            alive: 1,
            ..Process::default()
        });
        self.by_pid.insert(pid, process);
        process
    }

    /// A task is about to end: what it alone used, its table, its working directory's handle, its
    /// address space.
    pub(crate) fn end_shares(&mut self, number: u32) -> Ended {
        let task = self.tasks[number as usize];
        Ended {
            table: self.tables.leave(task.table),
            cwd: self.leave_fs(task.fs),
            space: self.leave_space(task.mm).then_some(task.mm),
        }
    }

    /// A task ended with `last` as its lane's last op.
    pub(crate) fn end(&mut self, number: u32, last: Option<OpId>, moment: u32) {
        let task = self.tasks[number as usize];
        self.tasks[number as usize].alive = false;
        self.alive = self.alive.saturating_sub(1);
        self.free_lanes.push(task.lane);
        let process = &mut self.processes[task.process as usize];
        process.alive = process.alive.saturating_sub(1);
        process.ends.extend(last);
        if process.ends.len() > MANY_ENDS + 2 * process.settled {
            process.settle_ends();
        }
        process.ended_at = moment;
        let parent = process.parent as usize;
        if process.alive == 0 && !process.reaped {
            process.settle_ends();
            if let Some(parent) = self.processes.get_mut(parent) {
                parent.ended.push_back(task.process);
            }
        }
    }

    /// One task less with that working directory; its handle if that was the last one.
    fn leave_fs(&mut self, fs: u32) -> Option<u32> {
        let entry = &mut self.fs[fs as usize];
        entry.refs = entry.refs.saturating_sub(1);
        if entry.refs > 0 {
            return None;
        }
        self.free_fs.push(fs);
        (entry.cwd != NONE).then_some(entry.cwd)
    }

    /// One task less in that address space; whether that was the last one.
    pub(crate) fn leave_space(&mut self, mm: u32) -> bool {
        let space = &mut self.spaces[mm as usize];
        space.refs = space.refs.saturating_sub(1);
        space.refs == 0
    }

    /// The task gets a working directory and umask of its own; the handle that it now holds too.
    pub(crate) fn unshare_fs(&mut self, task: u32) -> Option<u32> {
        let old = self.tasks[task as usize].fs;
        if self.fs[old as usize].refs < 2 {
            return None;
        }
        self.fs[old as usize].refs -= 1;
        let mut copy = self.fs[old as usize];
        copy.refs = 1;
        let cwd = copy.cwd;
        let fs = self.add_fs(copy);
        self.tasks[task as usize].fs = fs;
        (cwd != NONE).then_some(cwd)
    }

    /// The last ops of a child of the task's process that has ended, not before the first `horizon`
    /// events had returned, and was not waited for yet.
    pub(crate) fn ended_child(&self, task: u32, horizon: u32) -> &[OpId] {
        let waiting = self.tasks[task as usize].process;
        let ended = self.processes[waiting as usize].ended.iter().rev();
        let found = ended
            .map(|child| &self.processes[*child as usize])
            .take_while(|child| child.ended_at >= horizon)
            .find(|child| !child.reaped);
        found.map_or(&[], |child| &child.ends)
    }

    /// The process that a wait by `task` reaped: its tasks' last ops. `pid` 0 means any child.
    pub(crate) fn reap(&mut self, task: u32, pid: u32) -> Vec<OpId> {
        let waiting = self.tasks[task as usize].process;
        let found = if pid != 0 {
            self.by_pid.get(&pid).copied()
        } else {
            self.oldest_ended(waiting)
        };
        let Some(found) = found else {
            return Vec::new();
        };
        self.processes[found as usize].reaped = true;
        // Those that were waited for by number go when they are the oldest.
        let parent = self.processes[found as usize].parent;
        self.oldest_ended(parent);
        std::mem::take(&mut self.processes[found as usize].ends)
    }

    /// The child of a process that ended first and was not waited for.
    fn oldest_ended(&mut self, parent: u32) -> Option<u32> {
        loop {
            let child = *self.processes.get(parent as usize)?.ended.front()?;
            if !self.processes[child as usize].reaped {
                return Some(child);
            }
            self.processes[parent as usize].ended.pop_front();
        }
    }
}

/// What nobody uses any more after a task's end.
pub(crate) struct Ended {
    pub(crate) table: Option<FdTable>,
    pub(crate) cwd: Option<u32>,
    pub(crate) space: Option<u32>,
}

//! Starts and ends of tasks: what they inherit, and what is closed when nobody is left to use it.

use fsreplay_trace::abi::{self, CLONE_NEWNS, CLONE_VFORK};
use fsreplay_trace::call::Call;
use fsreplay_trace::model::{TaskExit, TaskId, TaskStart};

use super::holdings::fds::{Ended, What};
use super::land::tree::NONE;
use super::order::OpId;
use super::{PlanError, Planner, Resource};
use crate::plan::{Action, InitialFd, Slot};

impl Planner {
    /// A task whose start no record told.
    pub(crate) fn adopt(&mut self, task: u32, time: u64) -> Result<(), PlanError> {
        if task != 0 {
            self.tally.note("tasks without a recorded start");
        }
        let parent = (task != 0 && self.holdings.procs.is_known(0)).then_some(TaskId(0));
        self.task_start(&TaskStart {
            task: TaskId(task),
            parent,
            time,
            flags: 0,
            tid: 0,
            think: 0,
        })
    }

    /// A task begins, with what it has of the one that made it.
    pub(crate) fn task_start(&mut self, start: &TaskStart) -> Result<(), PlanError> {
        if self.holdings.procs.is_alive(start.task.0) {
            return Ok(());
        }
        let parent = start
            .parent
            .map(|parent| parent.0)
            .filter(|parent| self.holdings.procs.is_alive(*parent));
        let lane = match self.holdings.procs.take_lane() {
            Some(lane) => lane,
            None => self.order.add_lane(),
        };
        let Some(parent) = parent else {
            self.holdings
                .procs
                .add_first(start, lane, self.setting.umask)?;
            self.first_cwd(start.task.0);
            return Ok(());
        };
        self.holdings.add_child(start, parent, lane)?;
        self.time.paces.begins(start.task.0, self.tally.moment());
        if start.flags & CLONE_NEWNS != 0 {
            let fs = self.holdings.procs.fs_mut(start.task.0);
            fs.namespace = self.land.mounts.copy(fs.namespace);
        }
        let parent_lane = self.holdings.procs.task(parent).lane;
        let think = start.think as f32;
        self.writer()
            .compute(parent_lane, start.time, think, Call::execve);
        self.order.fork(parent_lane, lane);
        if start.flags & CLONE_VFORK != 0 {
            self.time.vforks(parent, lane);
        }
        Ok(())
    }

    /// The working directory of a task that inherited it from outside the recording.
    fn first_cwd(&mut self, task: u32) {
        let Some(ino) = self.land.first_cwd(&self.setting.cwd) else {
            self.holdings.procs.fs_mut(task).cwd_ino = NONE;
            return;
        };
        let slot = self
            .holdings
            .fds
            .take_slot(self.holdings.procs.task(task).lane);
        let flags = abi::O_PATH | self.setting.dialect.here.directory;
        let at = self.paths.place_of(&self.land.tree, ino);
        self.holdings.initial_fds.push(InitialFd {
            out: Slot(slot),
            at,
            flags: flags as i32,
            offset: 0,
        });
        let handle = self.holdings.fds.open(What::Real, ino, flags, Some(slot));
        self.land.tree.inode_mut(ino).opens += 1;
        let fs = self.holdings.procs.fs_mut(task);
        fs.cwd = handle;
        fs.cwd_ino = ino;
    }

    /// A task ends, and what it alone used with it.
    pub(crate) fn task_exit(&mut self, exit: &TaskExit) {
        if !self.holdings.procs.is_alive(exit.task.0) {
            return;
        }
        let lane = self.holdings.procs.task(exit.task.0).lane;
        self.order.concurrent = self.holdings.procs.alive > 1;
        // What only this task had open is closed before anyone learns of its end, so the closes
        // stand in its lane, behind what it computed last.
        let number = self.holdings.procs.task(exit.task.0).table;
        let ended = self.holdings.procs.end_shares(exit.task.0);
        let think = exit.think as f32;
        self.writer().compute(lane, exit.time, think, Call::execve);
        if let Some(table) = ended.table {
            for handle in table.handles() {
                self.unlock_first((number, lane, exit.time), handle);
                self.close_quietly(lane, exit.time, handle);
            }
        }
        if let Some(cwd) = ended.cwd {
            self.close_quietly(lane, exit.time, cwd);
        }
        if let Some(space) = ended.space {
            // Nobody uses it any more.
            let parts = self.holdings.procs.spaces[space as usize].clear();
            self.holdings.procs.free_space(space);
            self.unmap_parts(lane, exit.time, parts);
        }
        let last = self.order.last(lane);
        let (space, moment) = (
            self.holdings.procs.task(exit.task.0).mm,
            self.tally.moment(),
        );
        self.time.futexes.ended(space, last, moment);
        self.holdings.users.ended(exit.task.0);
        self.holdings.procs.end(exit.task.0, last, moment);
    }

    /// Closes a handle of which a process lets go without a call of its own.
    pub(crate) fn close_quietly(&mut self, lane: u32, time: u64, handle: u32) {
        let dropped = self.holdings.fds.let_go(handle);
        let Some(slot) = dropped.slot else {
            // No op closes a pipe here: whoever sees its end waits for what the lane did before.
            let by = self.order.last(lane);
            self.description_ended_by(lane, dropped.ended, by);
            return;
        };
        self.description_ended(lane, dropped.ended);
        let action = Action::Close { fd: slot };
        self.writer()
            .extra_write(lane, time, action, Call::close, Resource::Slot(slot.0));
        self.holdings.fds.give_slot(lane, slot.0);
    }

    /// The op about to be committed on `lane` ends an open file description.
    pub(crate) fn description_ended(&mut self, lane: u32, ended: Option<Ended>) {
        let by = Some(self.order.next(lane));
        self.description_ended_by(lane, ended, by);
    }

    /// What the end of an open file description means for its inode or pipe.
    pub(super) fn description_ended_by(
        &mut self,
        lane: u32,
        ended: Option<Ended>,
        by: Option<OpId>,
    ) {
        let Some(ended) = ended else {
            return;
        };
        let (ino, what, flags) = (ended.ino, ended.what, ended.flags);
        match what {
            What::Pipe(pipe) if flags & 3 != 0 => {
                self.holdings.pipes.close(&mut self.order, pipe, lane, by);
            }
            What::Pair(_, pipe) => self.holdings.pipes.close(&mut self.order, pipe, lane, by),
            _ => {}
        }
        if ino != NONE {
            if let Some(by) = by {
                self.locking
                    .description_unlocks(ended.number, ino, by, &mut self.order);
            }
            let inode = self.land.tree.inode_mut(ino);
            inode.opens = inode.opens.saturating_sub(1);
            self.land.room.maybe_gone(&mut self.land.tree, ino);
        }
    }
}

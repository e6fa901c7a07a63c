//! A task under ptrace: what the core knows of it, and what only stops need.

use std::rc::Rc;

use super::clock::{AtStop, Clock, Costs};
use super::cpu_time::CpuTime;
use crate::session::{Clock as _, Task};
use crate::sys::affinity::Mask;

/// Whom a task asks to trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traced {
    /// Itself, by its parent (`PTRACE_TRACEME`).
    Itself,
    /// The task that it knows by that number.
    Another(i32),
}

impl Traced {
    /// From the arguments of `ptrace`.
    pub fn of(registers: [u64; 6]) -> Traced {
        const TRACE_ME: u64 = 0;
        match registers[0] {
            TRACE_ME => Traced::Itself,
            _ => Traced::Another(registers[1] as i32),
        }
    }
}

/// A call of which the core wants no result, and the tracer waits for it.
#[derive(Clone, Copy, Debug)]
pub enum Side {
    /// It asks where it may run, with these argument registers.
    Affinity([u64; 6]),
    /// It asks whether it has a filter.
    SeccompMode,
    /// It installs a filter whose answers another process gives.
    Supervisor,
    /// It begins to trace, with these argument registers.
    Traces([u64; 6]),
    /// All is told of it, or it is no event. Its site may be patched when it returns.
    Site,
}

/// Where a task may run.
#[derive(Clone, Debug)]
pub struct Placement {
    /// The mask that it has but for the recorder.
    pub mask: Rc<Mask>,
    /// It is on the recorder's CPU.
    pub gathered: bool,
    /// It set its mask itself, and is left alone.
    pub own: bool,
}

/// A task under ptrace.
#[derive(Debug)]
pub struct Tracee {
    /// The core's.
    pub task: Task,
    /// It is in such a call.
    pub side: Option<Side>,
    /// The stub makes the call that it is in, and tells of its return.
    pub is_inside: bool,
    /// Where it may run.
    pub placement: Placement,
    /// Where its time goes.
    pub time: CpuTime,
    /// Processor time between its last record and its last stop.
    pub last_think: u64,
    /// It ended by a call of its own, so in none that makes a task.
    pub ended_itself: bool,
}

impl Tracee {
    /// The command's first task.
    pub fn first(task: Task, placement: Placement) -> Tracee {
        Tracee {
            time: CpuTime::new(task.tid),
            task,
            side: None,
            is_inside: false,
            placement,
            last_think: 0,
            ended_itself: false,
        }
    }

    /// A task that another one made.
    pub fn child(task: Task, placement: Placement) -> Tracee {
        Tracee {
            time: CpuTime::started(task.tid),
            ..Tracee::first(task, placement)
        }
    }

    /// Whether its next stop is to be that at the exit of its call.
    pub fn is_awaited(&self) -> bool {
        self.side.is_some() || (self.task.is_in_call() && !self.is_inside)
    }

    /// The core's task, and its clock at this stop.
    pub fn at_stop<'a>(
        &'a mut self,
        clock: &'a Clock,
        costs: &Costs,
    ) -> (&'a mut Task, AtStop<'a>) {
        let costs = costs.of(self.placement.gathered);
        let clock = AtStop {
            clock,
            time: &mut self.time,
            costs,
        };
        (&mut self.task, clock)
    }

    /// It stands in a call that is no event: the gap before it goes on behind it.
    pub fn carries_gap(&mut self, clock: &Clock, costs: &Costs) {
        let (_, mut at_stop) = self.at_stop(clock, costs);
        let gap = at_stop.gap();
        self.time.carry(gap);
        self.time.leaves(clock.time());
    }

    /// What it computed since its last record.
    pub fn thought(&mut self, now: u64, costs: &Costs) -> u64 {
        let costs = costs.of(self.placement.gathered);
        let spent = self.time.gap(now, costs.think);
        self.time.leaves(now);
        spent.think
    }

    /// It is a process's first task from now on, and has the id of that.
    pub fn renamed(&mut self, tid: i32) {
        self.task.tid = tid;
        self.time.renamed(tid);
    }
}

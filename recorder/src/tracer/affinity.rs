//! Recorder and tool on one CPU while only one task of the tool runs at a time.
//!
//! A stop is two switches between a task and the recorder. On one CPU they are context switches;
//! across CPUs each is a wake-up of another, often idle, CPU, which costs several times as much.
//! While two or more tasks want to run at once, one CPU would slow the tool down more than wake-ups
//! do, so then everything goes back to the CPUs that it had.
//!
//! Which of the two it is shows in samples: while the recorder handles a stop of one task, is
//! another of the tool's tasks runnable? (One that waits for a child is not looked at.)

use std::rc::Rc;

use hashbrown::HashMap;

use super::tracee::{Placement, Tracee};
use crate::options::Affinity;
use crate::sys;
use crate::sys::affinity::Mask;

/// Time between samples while all are on one CPU, nanoseconds.
const INTERVAL: u64 = 1_000_000;
/// The same while they are not, when nothing is in a hurry.
const LONG_INTERVAL: u64 = 4_000_000;
/// Samples with two runnable tasks, less those with one, that let the tool spread.
const SPREAD_AT: u32 = 4;
/// As many samples with one runnable task, net, bring it together again.
const GATHER_AFTER: u32 = 6;
/// Tasks that one sample looks at.
const LOOKS: usize = 8;

/// Who runs where.
pub struct Gatherer {
    /// The shared CPU; `None` if there is no use or no permission.
    cpu: Option<Mask>,
    recorder: Mask,
    gathered: bool,
    score: u32,
    next_sample: u64,
    /// The shared CPU, once all were put back from it.
    left_behind: Option<Mask>,
}

impl Gatherer {
    /// Brings the calling thread and the command's first task together; gives the task's placement.
    pub fn new(wanted: Affinity, tid: i32) -> (Gatherer, Placement) {
        let mask = sys::affinity::get(0).unwrap_or_else(|_| Mask::single(0));
        let cpu = sys::affinity::current_cpu()
            .filter(|cpu| wanted == Affinity::Adaptive && mask.count() > 1 && mask.contains(*cpu))
            .map(Mask::single);
        let mut gatherer = Gatherer {
            cpu,
            recorder: mask.clone(),
            gathered: false,
            score: 0,
            next_sample: 0,
            left_behind: None,
        };
        let mut placement = Placement {
            mask: Rc::new(sys::affinity::get(tid).unwrap_or(mask)),
            gathered: false,
            own: false,
        };
        if let Some(cpu) = &gatherer.cpu
            && sys::affinity::set(0, cpu).is_ok()
        {
            gatherer.gathered = true;
            place(tid, &mut placement, gatherer.cpu.as_ref());
        }
        (gatherer, placement)
    }

    /// A new task has its parent's CPUs; if the mode changed meanwhile, it follows.
    pub fn adopt(&self, tid: i32, placement: &mut Placement) {
        if !placement.own && placement.gathered != self.gathered {
            place(tid, placement, self.target());
        }
    }

    /// A task sets its own mask: it is left alone from now on.
    pub fn release(&self, tid: i32, placement: &mut Placement) {
        place(tid, placement, None);
        placement.own = true;
    }

    fn target(&self) -> Option<&Mask> {
        self.cpu.as_ref().filter(|_| self.gathered)
    }

    /// Called at a stop of `stopped`: looks now and then whether others want to run, and acts on
    /// it.
    pub fn sample(&mut self, now: u64, stopped: i32, tasks: &mut HashMap<i32, Tracee>) {
        if self.cpu.is_none() || now < self.next_sample {
            return;
        }
        let interval = if self.gathered {
            INTERVAL
        } else {
            LONG_INTERVAL
        };
        self.next_sample = now + interval;
        let crowded = tasks
            .iter()
            .filter(|(tid, task)| **tid != stopped && may_run(task))
            .take(LOOKS)
            .any(|(tid, _)| is_runnable(*tid));
        if crowded {
            self.score += 1;
        } else {
            self.score = self.score.saturating_sub(1);
        }
        if self.gathered && self.score >= SPREAD_AT {
            self.spread(tasks);
        } else if !self.gathered {
            self.score = self.score.min(GATHER_AFTER);
            if self.score == 0 {
                self.switch(true, tasks);
            }
        }
    }

    /// Recorder and tool are better apart, for as long as little changes that.
    pub fn spread(&mut self, tasks: &mut HashMap<i32, Tracee>) {
        if self.cpu.is_none() {
            return;
        }
        self.score = GATHER_AFTER;
        if self.gathered {
            self.switch(false, tasks);
        }
    }

    /// Puts all tasks back to their own CPUs for good.
    pub fn scatter(&mut self, tasks: &mut HashMap<i32, Tracee>) {
        // With masks of its own about, a task's may be meant.
        if self.gathered && tasks.values().all(|task| !task.placement.own) {
            self.left_behind.clone_from(&self.cpu);
        }
        if self.gathered {
            self.switch(false, tasks);
        }
        self.cpu = None;
    }

    /// After [`Gatherer::scatter`]: the same for a task that was not known then, and began on the
    /// shared CPU.
    pub fn free(&self, tid: i32) {
        let Some(cpu) = &self.left_behind else {
            return;
        };
        if sys::affinity::get(tid).is_ok_and(|mask| mask.same(cpu)) {
            // A task that is gone or forbids it keeps what it has.
            let _ = sys::affinity::set(tid, &self.recorder);
        }
    }

    fn switch(&mut self, gather: bool, tasks: &mut HashMap<i32, Tracee>) {
        let Some(cpu) = &self.cpu else {
            return;
        };
        tracing::debug!(gather, tasks = tasks.len(), "tasks change CPUs");
        let own = if gather { cpu } else { &self.recorder };
        if sys::affinity::set(0, own).is_err() {
            self.cpu = None;
            return;
        }
        self.gathered = gather;
        let target = self.target().cloned();
        for (tid, task) in tasks {
            if !task.placement.own {
                place(*tid, &mut task.placement, target.as_ref());
            }
        }
    }
}

impl Drop for Gatherer {
    fn drop(&mut self) {
        if self.gathered {
            // Nothing can be done if it fails; the thread stays on one CPU.
            let _ = sys::affinity::set(0, &self.recorder);
        }
    }
}

/// Puts a task on the shared CPU, or back to its own ones.
fn place(tid: i32, placement: &mut Placement, cpu: Option<&Mask>) {
    let gather = cpu.is_some();
    if placement.own || placement.gathered == gather {
        return;
    }
    // A task that is gone or forbids it keeps what it has.
    if sys::affinity::set(tid, cpu.unwrap_or(&placement.mask)).is_ok() {
        placement.gathered = gather;
    }
}

/// Whether a task could be running: not waiting for a child.
fn may_run(tracee: &Tracee) -> bool {
    use fsreplay_trace::call::Op;
    let call = tracee.task.call();
    call.is_none_or(|call| call.row().op != Op::Wait)
}

/// Whether the kernel has a task running or waiting for a CPU.
fn is_runnable(tid: i32) -> bool {
    sys::process::state(tid) == Some(b'R')
}

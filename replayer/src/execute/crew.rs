//! The threads: one for each task, started by its parent's.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, Scope};
use std::time::Instant;

use super::issue::Issuer;
use super::lane::{Loop, Spent, Start};
use super::pace::Pacer;
use super::parts::{Part, Parts};
use super::progress::{Gate, Progress, Stopped};
use super::{Samples, Shared, thread_cpu};
use crate::error::ReplayError;
use crate::limits::STACK;
use crate::sys;

/// A lane's state, handed on from task to task.
struct State<'a> {
    issuer: Issuer<'a>,
    done: Done,
}

/// Whose turn it is on a lane. A task that is started while the one before it on its lane goes on
/// is started by that one, so that there are never more threads than lanes.
#[derive(Default)]
struct Turn {
    /// Ops done by tasks that have ended.
    done: usize,
    /// Started too early.
    early: Vec<Part>,
}

/// What a lane did, when it began, and when it ended.
#[derive(Default)]
pub struct Done {
    /// What its ops gave.
    pub samples: Samples,
    /// In ticks.
    pub spent: Spent,
    /// Processor time, nanoseconds.
    pub cpu: u64,
    /// When its first op began, if there was one.
    pub begin: Option<Instant>,
    /// When its last op ended.
    pub end: Option<Instant>,
}

/// All threads.
pub struct Crew<'a> {
    shared: &'a Shared<'a>,
    parts: &'a Parts,
    progress: &'a Progress<'a>,
    /// None to go as fast as possible.
    pacer: Option<Pacer<'a>>,
    gate: Gate,
    lanes: Vec<Mutex<State<'a>>>,
    turns: Vec<Mutex<Turn>>,
    failure: Mutex<Option<ReplayError>>,
}

impl<'a> Crew<'a> {
    /// Memory is taken and touched now, so that no thread has to when it is started.
    pub fn new(
        shared: &'a Shared<'a>,
        parts: &'a Parts,
        progress: &'a Progress<'a>,
        pacer: Option<Pacer<'a>>,
    ) -> Crew<'a> {
        let numbered = shared.plan.lanes.iter().enumerate();
        let samples = match pacer {
            None => Samples::new,
            Some(_) => Samples::with_computing,
        };
        let lanes = numbered.map(|(number, lane)| {
            Mutex::new(State {
                issuer: Issuer::new(shared, progress, number),
                done: Done {
                    samples: samples(lane.len()),
                    ..Done::default()
                },
            })
        });
        Crew {
            shared,
            parts,
            progress,
            pacer,
            gate: Gate::new(),
            lanes: lanes.collect(),
            turns: shared.plan.lanes.iter().map(|_| Mutex::default()).collect(),
            failure: Mutex::new(None),
        }
    }

    /// Does all parts.
    pub fn run(self) -> Result<Vec<Done>, ReplayError> {
        std::thread::scope(|scope| {
            let mut roots = self.parts.roots.iter();
            let is_ready = roots.all(|root| self.spawn(scope, *root, true));
            if is_ready {
                self.gate.wait_for(self.parts.roots.len());
            }
            self.gate.open(is_ready);
        });
        if let Some(failure) = unpoisoned(self.failure.lock()).take() {
            return Err(failure);
        }
        let lanes = self.lanes.into_iter().map(Mutex::into_inner);
        Ok(lanes.map(|state| unpoisoned(state).done).collect())
    }

    /// Starts a thread for a part when its lane is free. Gives the processor time that it took,
    /// nanoseconds.
    fn start<'scope, 'env>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
        part: Part,
    ) -> Option<u64> {
        let begin = thread_cpu();
        {
            let mut turn = unpoisoned(self.turns[part.lane].lock());
            if turn.done != part.first {
                turn.early.push(part);
                return Some(0);
            }
        }
        let started = self.spawn(scope, part, false);
        started.then(|| thread_cpu().saturating_sub(begin))
    }

    /// A part has ended: the next one on its lane, if it was started too early.
    fn next(&self, part: Part) -> Option<Part> {
        let mut turn = unpoisoned(self.turns[part.lane].lock());
        turn.done = part.end;
        let at = turn
            .early
            .iter()
            .position(|early| early.first == part.end)?;
        Some(turn.early.swap_remove(at))
    }

    /// Starts a thread for a part.
    fn spawn<'scope, 'env>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
        part: Part,
        is_root: bool,
    ) -> bool {
        let body = move || {
            if self.parts.is_one() {
                // Descriptors that threads share are dearer than those of a tool with one thread.
                sys::unshare_files();
            }
            if !is_root || self.gate.wait() {
                self.task(part, &mut |child| self.start(scope, child));
            }
        };
        let thread = Builder::new()
            .name(format!("lane-{}", part.lane))
            .stack_size(STACK)
            .spawn_scoped(scope, body);
        match thread {
            Ok(_) => true,
            Err(source) => {
                self.fail(ReplayError::Process {
                    operation: "starting a thread for a task",
                    source,
                });
                false
            }
        }
    }

    /// Does a part in this thread.
    fn task(&self, part: Part, start: &mut Start<'_>) {
        match catch_unwind(AssertUnwindSafe(|| self.part(part, start))) {
            Ok(Ok(())) => {}
            Ok(Err(Stopped::Cancelled)) => self.fail(ReplayError::Cancelled),
            Ok(Err(Stopped::Stalled { lane, other, done })) => {
                self.fail(ReplayError::Stalled { lane, other, done });
            }
            Err(_) => self.fail(ReplayError::Plan("a lane panicked".into())),
        }
    }

    fn part(&self, part: Part, start: &mut Start<'_>) -> Result<(), Stopped> {
        let lane = part.lane;
        let mut state = unpoisoned(self.lanes[lane].lock());
        let State { issuer, done } = &mut *state;
        issuer.handed_on();
        let cpu = thread_cpu();
        let begin = Instant::now();
        let work = Loop {
            part,
            starts: self.parts.started_by(part),
            shared: self.shared,
            progress: self.progress,
        };
        let samples = &mut done.samples;
        let spent = match self.pacer.clone() {
            None => work.run_fast(issuer, samples, start),
            Some(pacer) => work.run_paced(pacer.of_lane(lane), issuer, samples, start),
        }?;
        done.end = Some(Instant::now());
        done.begin = done.begin.or(Some(begin));
        done.cpu += thread_cpu().saturating_sub(cpu);
        done.spent.waited += spent.waited;
        done.spent.paced += spent.paced;
        done.spent.computed += spent.computed;
        // Before the next task gets the lane: progress never goes back.
        if self.progress.done(lane, part.end as u32, true) {
            self.progress.wake(lane);
        }
        drop(state);
        match self.next(part).map(start) {
            Some(None) => Err(Stopped::Cancelled),
            _ => Ok(()),
        }
    }

    /// Keeps the first failure, or what explains others, and lets all end.
    fn fail(&self, failure: ReplayError) {
        let mut kept = unpoisoned(self.failure.lock());
        if kept.is_none() || matches!(*kept, Some(ReplayError::Cancelled)) {
            *kept = Some(failure);
        }
        self.progress.give_up();
    }
}

/// What was left by a thread that panicked: it is told apart.
fn unpoisoned<G>(guard: Result<G, PoisonError<G>>) -> G {
    guard.unwrap_or_else(PoisonError::into_inner)
}

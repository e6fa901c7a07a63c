//! A plan played on paper: how long it takes where each call takes what it is said to take.
//!
//! No file system and no clock are touched, so that the answer doesn't depend on what else the
//! machine does. Lanes do what [`crate::execute`]'s loop does, in the same order: they compute,
//! sleep, wait for others, compute in the call, and call. A call needs a processor for one part of
//! its time, and none for the other. Processors are shared evenly: of `n` lanes that need one, each
//! goes on at `min(1, processors / n)` of its speed. What an earlier call's success makes needless
//! is done nevertheless.
//!
//! Each lane carries what the longest way to its present consists of. One that waited goes on with
//! the way of the lane that it waited for, so nothing has to be kept for each op.

mod busy;
mod due;
mod lane;
mod path;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::ops::Range;

use crate::execute::parts::cuts;
use crate::plan::{Plan, WaitFor};
use busy::Busy;
use due::{Due, Time, Waiting};
use lane::{Next, Runner};
pub use path::Path;
use path::{Activity, Kind, Paths};

/// What a call takes, nanoseconds. What is no such time counts as nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Price {
    /// On a processor.
    pub on_cpu: f32,
    /// Waiting for something else: a disk, a server.
    pub blocked: f32,
}

/// What the calls of a plan take.
pub trait Prices {
    /// The price of the op of that index of a lane. It is asked only for ops that are issued.
    fn price(&self, lane: usize, op: usize) -> Price;
}

impl<F: Fn(usize, usize) -> Price> Prices for F {
    fn price(&self, lane: usize, op: usize) -> Price {
        self(lane, op)
    }
}

/// What is told apart: calls in groups, by their time on the longest way, and phases, by the time
/// in which the tool is busy in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    of: Vec<u16>,
    count: usize,
    /// In order: numbers of the events of each phase.
    phases: Vec<Range<u32>>,
}

impl Groups {
    /// All calls in one group, of number 0.
    pub fn one() -> Groups {
        Groups {
            of: Vec::new(),
            count: 1,
            phases: Vec::new(),
        }
    }

    /// All calls in one group, and phases with events of those numbers, in order. What lies between
    /// phases is one more.
    pub fn in_phases(phases: Vec<Range<u32>>) -> Groups {
        Groups {
            phases,
            ..Groups::one()
        }
    }

    /// The group of each op of [`Plan::ops`]; those beyond the end are in group 0.
    pub fn of_ops(of: Vec<u16>) -> Groups {
        let count = of.iter().max().map_or(1, |most| usize::from(*most) + 1);
        Groups {
            of,
            count,
            phases: Vec::new(),
        }
    }

    /// The phase of an op before which so many events had returned; the one after the last for
    /// what lies between them.
    #[inline]
    fn phase(&self, moment: u32) -> usize {
        if self.phases.is_empty() {
            return 0;
        }
        let at = self.phases.partition_point(|phase| phase.end <= moment);
        let is_in = |phase: &Range<u32>| phase.contains(&moment);
        if self.phases.get(at).is_some_and(is_in) {
            at
        } else {
            self.phases.len()
        }
    }

    /// How many groups there are, at least one.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The group of an op of [`Plan::ops`].
    #[inline]
    pub fn group(&self, op: usize) -> usize {
        self.of.get(op).map_or(0, |group| usize::from(*group))
    }
}

/// What playing on paper gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulated {
    /// From the beginning to the end of the last op.
    pub seconds: f64,
    /// Of those, with a lane that was busy, by phase; last, what lies between them. All others
    /// waited for what is outside of the tool.
    pub busy: Vec<f64>,
    /// What the longest way to that end consists of; its sum is [`Simulated::seconds`].
    pub path: Path,
}

impl Simulated {
    /// With a lane that was busy, in all phases and between them, seconds.
    pub fn busy_seconds(&self) -> f64 {
        self.busy.iter().sum()
    }
}

/// Lanes wait for each other in a ring, or for what no lane does: no planner makes such a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plan can't go on after {done} of its {of} ops")]
pub struct Stuck {
    /// Ops done by then.
    pub done: u64,
    /// Ops of the plan.
    pub of: u64,
}

/// Plays a plan on paper with those prices on so many processors. Takes some tenths of a
/// microsecond for each op and no memory for it.
pub fn simulate(
    plan: &Plan,
    prices: &impl Prices,
    groups: &Groups,
    processors: NonZeroUsize,
) -> Result<Simulated, Stuck> {
    simulate_with(plan.timing.computing, plan, prices, groups, processors)
}

/// The same where recorded computing is multiplied by that, whatever the plan says.
///
/// # Errors
/// A plan that can't be played to its end.
pub fn simulate_with(
    computing: f64,
    plan: &Plan,
    prices: &impl Prices,
    groups: &Groups,
    processors: NonZeroUsize,
) -> Result<Simulated, Stuck> {
    let mut machine = Machine::new(computing, plan, prices, groups, processors);
    while let Some(lane) = machine.next() {
        machine.go_on(lane);
    }
    machine.end()
}

/// The state of what is played.
struct Machine<'p, P> {
    plan: &'p Plan,
    prices: &'p P,
    groups: &'p Groups,
    processors: f64,
    /// Nanoseconds since the beginning.
    now: f64,
    /// What a lane that had computed all the time would have done by now, nanoseconds.
    worked: f64,
    /// Lanes that need a processor, by what `worked` will be when they have done their work.
    working: Waiting<Time>,
    /// Lanes that wait for a time, by that time.
    asleep: Waiting<Time>,
    /// For each lane, those that wait until it has done so many ops.
    behind: Vec<Waiting<u32>>,
    /// Those that can go on at once.
    ready: Vec<usize>,
    runners: Vec<Runner<'p>>,
    paths: Paths,
    busy: Busy,
    /// The lane that ended last, and when.
    last: (usize, f64),
}

impl<'p, P: Prices> Machine<'p, P> {
    fn new(
        computing: f64,
        plan: &'p Plan,
        prices: &'p P,
        groups: &'p Groups,
        processors: NonZeroUsize,
    ) -> Self {
        let lanes = plan.lanes.len();
        let runners = cuts(plan).into_iter().zip(&plan.lanes);
        Machine {
            plan,
            prices,
            groups,
            processors: processors.get() as f64,
            now: 0.0,
            worked: 0.0,
            working: Waiting::default(),
            asleep: Waiting::default(),
            behind: (0..lanes).map(|_| Waiting::default()).collect(),
            ready: (0..lanes).rev().collect(),
            runners: runners
                .map(|(cuts, lane)| Runner::new(lane, cuts, computing as f32))
                .collect(),
            paths: Paths::new(lanes, groups.count()),
            busy: Busy::new(groups.phases.len() + 1),
            last: (0, 0.0),
        }
    }

    /// Lets time pass until a lane can go on, and gives that lane.
    fn next(&mut self) -> Option<usize> {
        if let Some(lane) = self.ready.pop() {
            return Some(lane);
        }
        let runners = &self.runners;
        let is_past = |due: &Due<Time>| runners[due.lane as usize].turn != due.turn;
        self.asleep.drop_while(is_past);
        // Of lanes that need a processor, each goes on at that share of its speed.
        let rate = (self.processors / self.working.len() as f64).min(1.0);
        let work = self
            .working
            .first()
            .map(|due| self.now + (due.at.0 - self.worked).max(0.0) / rate);
        let woken = self.asleep.first().map(|due| due.at.0);
        let works = match (work, woken) {
            (Some(work), Some(woken)) => work <= woken,
            (work, _) => work.is_some(),
        };
        let due = if works {
            let due = self.working.pop()?;
            self.pass(work?);
            self.worked = self.worked.max(due.at.0);
            due
        } else {
            let due = self.asleep.pop()?;
            self.worked += (due.at.0 - self.now).max(0.0) * rate;
            self.pass(self.now.max(due.at.0));
            due
        };
        Some(due.lane as usize)
    }

    /// Time passes until then.
    fn pass(&mut self, until: f64) {
        self.busy.pass(until - self.now);
        self.now = until;
    }

    /// Lets a lane go on until something takes time.
    fn go_on(&mut self, lane: usize) {
        let runner = &mut self.runners[lane];
        runner.turn = runner.turn.wrapping_add(1);
        runner.nap = None;
        if let Some(activity) = runner.activity.take() {
            if activity.kind != Kind::Asleep {
                self.busy.end(runner.phase);
            }
            self.paths.add(lane, activity, self.now);
        }
        loop {
            let runner = &mut self.runners[lane];
            let has_begun = match runner.next(self.plan, lane, self.prices, self.groups) {
                Next::Work(kind, time) => self.work(lane, kind, time),
                Next::Rest(kind, time) => self.rest(lane, kind, time),
                Next::Nap(time, by_others) => self.nap(lane, time, by_others),
                Next::Wait(until) => self.wait(lane, until),
                Next::Done => {
                    self.wake(lane);
                    false
                }
                Next::Ended => {
                    if self.now >= self.last.1 {
                        self.last = (lane, self.now);
                    }
                    true
                }
            };
            if has_begun {
                return;
            }
        }
    }

    /// A lane needs a processor for so long. Says whether that takes time.
    fn work(&mut self, lane: usize, kind: Kind, time: f64) -> bool {
        if time > 0.0 {
            let due = self.begin(lane, kind, time, self.worked + time);
            self.working.push(due);
        }
        time > 0.0
    }

    /// A lane does without one for so long.
    fn rest(&mut self, lane: usize, kind: Kind, time: f64) -> bool {
        if time > 0.0 {
            let due = self.begin(lane, kind, time, self.now + time);
            self.asleep.push(due);
        }
        time > 0.0
    }

    /// A lane sleeps so long, or until others have done something and for some time after that.
    fn nap(&mut self, lane: usize, time: f64, (last, after): (WaitFor, f64)) -> bool {
        if time <= 0.0 {
            return false;
        }
        if self.is_done(last) {
            return self.rest(lane, Kind::Asleep, time.min(after));
        }
        self.rest(lane, Kind::Asleep, time);
        self.runners[lane].nap = Some((self.now + time, after));
        self.wait(lane, last)
    }

    fn begin(&mut self, lane: usize, kind: Kind, time: f64, due: f64) -> Due<Time> {
        let runner = &mut self.runners[lane];
        if kind != Kind::Asleep {
            self.busy.begin(runner.phase);
        }
        runner.activity = Some(Activity {
            kind,
            time,
            since: self.now,
        });
        Due {
            at: Time(due),
            lane: lane as u32,
            turn: runner.turn,
        }
    }

    fn is_done(&self, until: WaitFor) -> bool {
        let runner = self.runners.get(until.lane as usize);
        runner.is_some_and(|runner| runner.op >= until.done as usize)
    }

    /// A lane waits for what another one does. Says whether that is still to be done.
    fn wait(&mut self, lane: usize, until: WaitFor) -> bool {
        if self.is_done(until) {
            return false;
        }
        let turn = self.runners[lane].turn;
        // For a lane that isn't there nobody waits with an end.
        if let Some(behind) = self.behind.get_mut(until.lane as usize) {
            behind.push(Due {
                at: until.done,
                lane: lane as u32,
                turn,
            });
        }
        true
    }

    /// A lane has done an op: those that waited for it go on with its way.
    fn wake(&mut self, lane: usize) {
        let done = self.runners[lane].op;
        while let Some(due) = self.behind[lane].pop_if(|due| due.at as usize <= done) {
            let other = due.lane as usize;
            let runner = &mut self.runners[other];
            if runner.turn != due.turn {
                continue;
            }
            runner.turn = runner.turn.wrapping_add(1);
            runner.activity = None;
            let nap = runner.nap.take();
            self.paths.follow(other, lane);
            let left = nap.map_or(0.0, |(until, after)| after.min(until - self.now));
            if !self.rest(other, Kind::Asleep, left) {
                self.ready.push(other);
            }
        }
    }

    fn end(self) -> Result<Simulated, Stuck> {
        let of = self.plan.lanes.iter().map(|lane| lane.len() as u64).sum();
        let done = self.runners.iter().map(|runner| runner.op as u64).sum();
        if done < of {
            return Err(Stuck { done, of });
        }
        let (lane, end) = self.last;
        Ok(Simulated {
            seconds: end / 1e9,
            busy: self.busy.seconds(),
            path: self.paths.of(lane),
        })
    }
}

//! What a lane does next, in the order of the loop that replays it.

use std::collections::VecDeque;

use super::path::{Activity, Kind};
use super::{Groups, Price, Prices};
use crate::execute::parts::Cut;
use crate::plan::{Action, Cursor, Lane, Pace, Plan, Sleep, Slept, Wait, WaitFor};

/// What comes next in a lane; times in nanoseconds, none of them negative.
pub(super) enum Next {
    /// It needs a processor for so long.
    Work(Kind, f64),
    /// It takes so long without one.
    Rest(Kind, f64),
    /// It sleeps at most so long, or until that is done and for so long after it.
    Nap(f64, (WaitFor, f64)),
    /// It waits until that is done.
    Wait(WaitFor),
    /// An op is done.
    Done,
    /// All ops are.
    Ended,
}

/// What comes next within an op.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Birth,
    Think,
    Asleep,
    Waits,
    OwnAsleep,
    Own,
    OnCpu,
    Blocked,
    Done,
}

/// A lane that is played.
pub(super) struct Runner<'p> {
    lane: &'p Lane,
    /// What recorded computing is multiplied by.
    computing: f32,
    few: Cursor<'p>,
    cuts: VecDeque<Cut>,
    stage: Stage,
    pace: Pace,
    waits: &'p [Wait],
    price: Price,
    group: usize,
    /// The phase of the op that it is at.
    pub(super) phase: usize,
    /// How many of its ops are done.
    pub(super) op: usize,
    /// How often it went on.
    pub(super) turn: u32,
    /// What it is at.
    pub(super) activity: Option<Activity>,
    /// It sleeps until then at most, and so long after what it waits for.
    pub(super) nap: Option<(f64, f64)>,
}

impl<'p> Runner<'p> {
    pub(super) fn new(lane: &'p Lane, cuts: Vec<Cut>, computing: f32) -> Runner<'p> {
        Runner {
            lane,
            computing,
            few: lane.cursor(0),
            cuts: cuts.into(),
            stage: Stage::Birth,
            pace: Pace::NONE,
            waits: &[],
            price: Price::default(),
            group: 0,
            phase: 0,
            op: 0,
            turn: 0,
            activity: None,
            nap: None,
        }
    }

    /// What comes next, which is taken to happen.
    #[inline]
    pub(super) fn next(
        &mut self,
        plan: &Plan,
        number: usize,
        prices: &impl Prices,
        groups: &Groups,
    ) -> Next {
        loop {
            match self.stage {
                Stage::Birth => {
                    if self.op >= self.lane.len() {
                        return Next::Ended;
                    }
                    self.stage = Stage::Think;
                    if let Some(parent) = self.birth() {
                        return Next::Wait(parent);
                    }
                }
                Stage::Think => {
                    self.look(plan, number, prices, groups);
                    self.stage = Stage::Asleep;
                    return Next::Work(Kind::Computing, time(self.pace.think));
                }
                Stage::Asleep => {
                    self.stage = Stage::Waits;
                    if self.pace.asleep > 0.0 {
                        return self.sleep(plan, number, self.pace.asleep, |sleep| &sleep.before);
                    }
                }
                Stage::Waits => {
                    if let Some((wait, left)) = self.waits.split_first() {
                        self.waits = left;
                        return Next::Wait(wait.until);
                    }
                    self.stage = Stage::OwnAsleep;
                }
                Stage::OwnAsleep => {
                    self.stage = Stage::Own;
                    let own_asleep = self.pace.own_asleep;
                    if own_asleep > 0.0 {
                        return self.sleep(plan, number, own_asleep, |sleep| &sleep.within);
                    }
                }
                Stage::Own => {
                    self.stage = Stage::OnCpu;
                    return Next::Work(Kind::Computing, time(self.pace.own));
                }
                Stage::OnCpu => {
                    self.stage = Stage::Blocked;
                    return Next::Work(Kind::Call(self.group), time(self.price.on_cpu));
                }
                Stage::Blocked => {
                    self.stage = Stage::Done;
                    return Next::Rest(Kind::Call(self.group), time(self.price.blocked));
                }
                Stage::Done => {
                    self.stage = Stage::Birth;
                    self.op += 1;
                    return Next::Done;
                }
            }
        }
    }

    /// What a task whose first op comes next is started by.
    fn birth(&mut self) -> Option<WaitFor> {
        let (op, _) = self.cuts.front()?;
        if *op != self.op {
            return None;
        }
        let (_, parent) = self.cuts.pop_front()?;
        let (lane, done) = parent?;
        Some(WaitFor {
            lane: lane as u32,
            done: done as u32,
        })
    }

    /// Looks at what the op is that comes next.
    fn look(&mut self, plan: &Plan, number: usize, prices: &impl Prices, groups: &Groups) {
        let step = self.lane.steps()[self.op];
        self.pace = Pace::NONE;
        if step.rests() {
            self.pace = self.few.rest();
        }
        self.pace.think = self.lane.thinks()[self.op];
        self.pace.think *= self.computing;
        self.pace.own *= self.computing;
        self.waits = &[];
        if step.waits() {
            self.waits = self.few.waits(self.op);
        }
        self.price = Price::default();
        self.group = groups.group(step.op());
        self.phase = groups.phase(self.lane.moment(self.op));
        let op = plan.ops.get(step.op());
        if op.is_some_and(|op| !matches!(op.action, Action::Nothing)) {
            self.price = prices.price(number, self.op);
        }
    }

    /// The sleep of the op that comes next.
    fn sleep(&self, plan: &Plan, number: usize, most: f32, of: fn(&Sleep) -> &Slept) -> Next {
        let slept = plan.sleep_of(number, self.op).map(of);
        match slept.and_then(|slept| Some((slept.last?, time(slept.after)))) {
            Some(by_others) => Next::Nap(time(most), by_others),
            None => Next::Rest(Kind::Asleep, time(most)),
        }
    }
}

/// A time that may be none, nanoseconds.
fn time(nanoseconds: f32) -> f64 {
    if nanoseconds.is_finite() {
        f64::from(nanoseconds).max(0.0)
    } else {
        0.0
    }
}

//! What one lane does, in order, in as few bytes as it takes.
//!
//! A plan of 10^8 events has to fit into memory. So what ops have in common stands once, in
//! [`super::Plan::ops`]; a lane holds twelve bytes for each of its ops (which one, when, how long
//! to compute before it), and what few ops have (waits, sleep) stands apart, in the lane's order.

use super::{Fallback, Pace, WaitFor};

/// One op of a lane: which it is, and what the loop has to know before it looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step(u32);

const PUBLISHED: u32 = 1 << 31;
const IN_SYNC: u32 = 1 << 30;
const WAITS: u32 = 1 << 29;
const RESTS: u32 = 1 << 28;
const FLAGS: u32 = PUBLISHED | IN_SYNC | WAITS | RESTS;

impl Step {
    /// The most ops that a plan can hold.
    pub const MOST_OPS: usize = !FLAGS as usize;

    /// The op of that index in [`super::Plan::ops`]; none beyond [`Step::MOST_OPS`].
    pub fn of(op: usize) -> Option<Step> {
        let fits = op < Step::MOST_OPS;
        fits.then_some(Step(op as u32))
    }

    /// Index into [`super::Plan::ops`].
    #[inline]
    pub fn op(self) -> usize {
        (self.0 & !FLAGS) as usize
    }

    /// Whether another lane waits for this op: it must be published when done.
    #[inline]
    pub fn is_published(self) -> bool {
        self.0 & PUBLISHED != 0
    }

    /// Whether its recorded call woke others in sync, as kernels say: the one that wakes is about
    /// to sleep itself, so that the other had better stay on its processor (Linux: `WF_SYNC`;
    /// writes to pipes and sockets, the end of a process).
    #[inline]
    pub fn is_in_sync(self) -> bool {
        self.0 & IN_SYNC != 0
    }

    /// Whether it waits for other lanes.
    #[inline]
    pub fn waits(self) -> bool {
        self.0 & WAITS != 0
    }

    /// Whether the lane does more besides it than to compute before it.
    #[inline]
    pub fn rests(self) -> bool {
        self.0 & RESTS != 0
    }
}

/// An op of a lane waits for this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Index of the op that waits.
    pub op: u32,
    /// Until then.
    pub until: WaitFor,
}

/// What a lane does besides one of its ops, but for computing before it, nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Rest {
    op: u32,
    asleep: f32,
    own: f32,
    own_asleep: f32,
}

/// What an op's call took when it was recorded, the recorder's own cost taken out. Both times are
/// kept with the upper half of their bits: 0.4 % is less than anyone knows of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Took(u32);

impl Took {
    /// Nanoseconds on a processor and blocked. What is no time counts as nothing.
    pub fn of(on_cpu: f32, blocked: f32) -> Took {
        let upper = |time: f32| {
            let time = if time.is_finite() { time.max(0.0) } else { 0.0 };
            // To the nearest: else sums come out too small.
            (time.to_bits() + 0x7fff) >> 16
        };
        Took((upper(on_cpu) << 16) | upper(blocked))
    }

    /// On a processor, nanoseconds.
    #[inline]
    pub fn on_cpu(self) -> f32 {
        f32::from_bits(self.0 & 0xffff_0000)
    }

    /// Both together, nanoseconds.
    #[inline]
    pub fn all(self) -> f32 {
        self.on_cpu() + self.blocked()
    }

    /// Waiting for something else, nanoseconds.
    #[inline]
    pub fn blocked(self) -> f32 {
        f32::from_bits(self.0 << 16)
    }
}

/// What is done in order, by one replay thread for each task.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    steps: Vec<Step>,
    /// For each op: how many events had returned before it, its own number if it is an event's.
    moments: Vec<u32>,
    /// For each op: computing before it, nanoseconds.
    thinks: Vec<f32>,
    rests: Vec<Rest>,
    waits: Vec<Wait>,
    /// For each op up to the last one with an event: what it took.
    took: Vec<Took>,
    /// Steps that are left out where an earlier one goes well that had failed, in order.
    pub fallbacks: Vec<Fallback>,
}

impl Lane {
    /// Bytes that each op takes at least.
    pub const BYTES_OF_OP: usize = size_of::<Step>() + size_of::<u32>() + size_of::<f32>();

    /// How many ops it has.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Its ops, in order.
    #[inline]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How many events had returned before an op, which must be there.
    #[inline]
    pub fn moment(&self, op: usize) -> u32 {
        self.moments[op]
    }

    /// The same of all ops.
    #[inline]
    pub(crate) fn moments(&self) -> &[u32] {
        &self.moments
    }

    /// What an op took when it was recorded; nothing if it stands for no call that is issued.
    #[inline]
    pub fn took(&self, op: usize) -> Took {
        self.took.get(op).copied().unwrap_or_default()
    }

    /// Keeps what an op took, which must be there.
    pub fn keep(&mut self, op: usize, took: Took) {
        if self.took.len() <= op && op < self.steps.len() {
            self.took.resize(op + 1, Took::default());
        }
        if let Some(kept) = self.took.get_mut(op) {
            *kept = took;
        }
    }

    /// Adds an op.
    pub fn push(&mut self, step: Step, moment: u32, pace: Pace) {
        self.steps.push(step);
        self.moments.push(moment);
        self.thinks.push(pace.think);
        let at = self.steps.len() - 1;
        self.set_rest(at, pace);
    }

    /// What its last op waits for from now on, too.
    pub fn wait(&mut self, until: WaitFor) {
        if let Some(at) = self.steps.len().checked_sub(1) {
            self.steps[at].0 |= WAITS;
            self.waits.push(Wait {
                op: at as u32,
                until,
            });
        }
    }

    /// Adds waits of any of its ops.
    pub(crate) fn wait_too(&mut self, more: impl IntoIterator<Item = Wait>) {
        for wait in more {
            if let Some(step) = self.steps.get_mut(wait.op as usize) {
                step.0 |= WAITS;
                self.waits.push(wait);
            }
        }
        // Those of one op stay in the order in which they came.
        self.waits.sort_by_key(|wait| wait.op);
    }

    /// All waits, by op.
    pub fn waits(&self) -> &[Wait] {
        &self.waits
    }

    /// What an op waits for.
    pub fn waits_of(&self, op: usize) -> &[Wait] {
        let first = self.waits.partition_point(|wait| (wait.op as usize) < op);
        let rest = &self.waits[first..];
        let count = rest.iter().take_while(|wait| wait.op as usize == op);
        &rest[..count.count()]
    }

    /// Others wait for an op.
    pub fn publish(&mut self, op: usize) {
        if let Some(step) = self.steps.get_mut(op) {
            step.0 |= PUBLISHED;
        }
    }

    /// An op wakes others in sync.
    pub fn set_in_sync(&mut self, op: usize) {
        if let Some(step) = self.steps.get_mut(op) {
            step.0 |= IN_SYNC;
        }
    }

    /// Another op stands there from now on, with the same waits.
    pub(crate) fn replace(&mut self, at: usize, op: Step) {
        if let Some(step) = self.steps.get_mut(at) {
            step.0 = (step.0 & FLAGS) | op.0;
        }
    }

    /// What the lane does besides an op, which must be there.
    pub fn pace(&self, op: usize) -> Pace {
        let mut pace = Pace {
            think: self.thinks[op],
            ..Pace::NONE
        };
        if let Some(rest) = self.find_rest(op).ok().map(|at| self.rests[at]) {
            (pace.asleep, pace.own, pace.own_asleep) = (rest.asleep, rest.own, rest.own_asleep);
        }
        pace
    }

    /// Changes what the lane does besides an op, if there is such an op.
    pub fn set_pace(&mut self, op: usize, pace: Pace) {
        if let Some(think) = self.thinks.get_mut(op) {
            *think = pace.think;
            self.set_rest(op, pace);
        }
    }

    /// What it does besides each of its ops.
    pub fn paces(&self) -> impl Iterator<Item = Pace> + '_ {
        let mut rests = self.rests.iter().peekable();
        self.thinks.iter().enumerate().map(move |(op, think)| {
            let rest = rests.next_if(|rest| rest.op as usize == op);
            rest.map_or(Pace::NONE, Rest::pace).with_think(*think)
        })
    }

    /// What it computes before each of its ops, nanoseconds.
    #[inline]
    pub(crate) fn thinks(&self) -> &[f32] {
        &self.thinks
    }

    fn find_rest(&self, op: usize) -> Result<usize, usize> {
        let last = self.rests.last().map(|rest| rest.op as usize);
        if last.is_none_or(|last| last < op) {
            return Err(self.rests.len());
        }
        self.rests
            .binary_search_by_key(&op, |rest| rest.op as usize)
    }

    fn set_rest(&mut self, op: usize, pace: Pace) {
        let rest = Rest {
            op: op as u32,
            asleep: pace.asleep,
            own: pace.own,
            own_asleep: pace.own_asleep,
        };
        match self.find_rest(op) {
            Ok(at) => self.rests[at] = rest,
            Err(_) if pace.with_think(0.0).is_none() => {}
            Err(at) => {
                self.steps[op].0 |= RESTS;
                self.rests.insert(at, rest);
            }
        }
    }

    /// Goes through waits and paces with the loop, from an op on.
    pub(crate) fn cursor(&self, first: usize) -> Cursor<'_> {
        let waits = self
            .waits
            .partition_point(|wait| (wait.op as usize) < first);
        let rests = self
            .rests
            .partition_point(|rest| (rest.op as usize) < first);
        Cursor {
            waits: &self.waits[waits..],
            rests: &self.rests[rests..],
        }
    }
}

#[cfg(test)]
impl Lane {
    /// With ops that are done at such paces.
    pub(crate) fn of(paces: impl IntoIterator<Item = Pace>) -> Lane {
        let mut lane = Lane::default();
        for (at, pace) in paces.into_iter().enumerate() {
            let step = Step::of(at).expect("few");
            lane.push(step, at as u32, pace);
        }
        lane
    }
}

impl Rest {
    fn pace(&self) -> Pace {
        Pace {
            think: 0.0,
            asleep: self.asleep,
            own: self.own,
            own_asleep: self.own_asleep,
        }
    }
}

/// What few ops have, from some op on. Asked for each op that has it, in turn.
pub(crate) struct Cursor<'l> {
    waits: &'l [Wait],
    rests: &'l [Rest],
}

impl<'l> Cursor<'l> {
    /// What the next op that waits does wait for.
    #[inline]
    pub(crate) fn waits(&mut self, op: usize) -> &'l [Wait] {
        let count = self.waits.iter().take_while(|wait| wait.op as usize == op);
        let (these, left) = self.waits.split_at(count.count());
        self.waits = left;
        these
    }

    /// What the lane does besides the next op besides which it does more than to compute before it.
    #[inline]
    pub(crate) fn rest(&mut self) -> Pace {
        let Some((rest, left)) = self.rests.split_first() else {
            return Pace::NONE;
        };
        self.rests = left;
        rest.pace()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNTIL: WaitFor = WaitFor { lane: 1, done: 5 };

    fn pace(think: f32, own: f32) -> Pace {
        Pace {
            think,
            own,
            ..Pace::NONE
        }
    }

    #[test]
    fn paces_are_those_that_were_put_in() {
        let paces = [pace(1.0, 0.0), pace(2.0, 3.0), Pace::NONE, pace(0.0, 4.0)];
        let mut lane = Lane::of(paces);
        assert!(lane.paces().eq(paces));
        assert_eq!(lane.pace(1), paces[1]);
        lane.set_pace(2, pace(0.0, 5.0));
        lane.set_pace(1, pace(7.0, 0.0));
        assert!(
            lane.paces()
                .eq([paces[0], pace(7.0, 0.0), pace(0.0, 5.0), paces[3]])
        );
        let mut cursor = lane.cursor(2);
        assert!(lane.steps()[2].rests() && !lane.steps()[0].rests());
        assert_eq!(cursor.rest(), pace(0.0, 5.0));
        assert_eq!(cursor.rest(), paces[3]);
        assert_eq!(cursor.rest(), Pace::NONE);
    }

    #[test]
    fn waits_are_found_by_op_whenever_they_were_added() {
        let mut lane = Lane::of([Pace::NONE; 2]);
        lane.wait(UNTIL);
        lane.push(Step::of(9).expect("few"), 2, Pace::NONE);
        let early = Wait {
            op: 0,
            until: UNTIL,
        };
        let beyond = Wait {
            op: 7,
            until: UNTIL,
        };
        lane.wait_too([early, beyond]);
        assert_eq!(lane.waits_of(0), [early]);
        assert_eq!(
            lane.waits_of(1),
            [Wait {
                op: 1,
                until: UNTIL
            }]
        );
        assert!(lane.waits_of(2).is_empty() && !lane.steps()[2].waits());
        let mut cursor = lane.cursor(1);
        assert_eq!(cursor.waits(1).len(), 1);
        assert!(cursor.waits(2).is_empty());
    }

    #[test]
    fn what_ops_took_is_kept_to_half_a_percent() {
        let mut lane = Lane::of([Pace::NONE; 4]);
        lane.keep(2, Took::of(12_345.0, 1e9));
        lane.keep(9, Took::of(1.0, 1.0));
        for none in [0, 1, 3, 9] {
            assert_eq!(lane.took(none), Took::default());
        }
        let kept = lane.took(2);
        assert!((kept.on_cpu() / 12_345.0 - 1.0).abs() < 0.004);
        assert!((kept.blocked() / 1e9 - 1.0).abs() < 0.004);
        let largest = Took::of(f32::MAX, f32::NAN);
        assert!(largest.on_cpu() > 1e38 && largest.blocked() == 0.0);
        assert_eq!(Took::of(-1.0, -0.0), Took::default());
        // Neither smaller nor larger on average.
        let times = (1..10_000u16).map(|n| f32::from(n) * 1.37);
        let sum: f32 = times.clone().map(|time| Took::of(time, 0.0).on_cpu()).sum();
        assert!((sum / times.sum::<f32>() - 1.0).abs() < 0.001);
    }

    #[test]
    fn what_is_known_of_a_step_does_not_change_its_op() {
        let mut lane = Lane::of([Pace::NONE, pace(0.0, 1.0)]);
        lane.publish(1);
        lane.set_in_sync(1);
        lane.wait(UNTIL);
        lane.replace(1, Step::of(77).expect("few"));
        let step = lane.steps()[1];
        assert_eq!(step.op(), 77);
        assert!(step.is_published() && step.is_in_sync() && step.waits() && step.rests());
        assert_eq!(Step::of(Step::MOST_OPS), None);
    }
}

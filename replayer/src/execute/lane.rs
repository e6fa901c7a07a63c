//! The loop: wait, issue, take the time, store.

use std::time::{Duration, Instant};

use super::issue::{Issuer, TOO_LONG};
use super::pace::Pacer;
use super::parts::Part;
use super::progress::{Progress, Stopped};
use super::{Samples, Shared, thread_cpu};
use crate::plan::{Action, Fallback, Op, Pace, Sleep, Slept, Step, Wait};
use crate::sys;

/// After how many ops the loop looks whether it is to stop.
const LOOKED: usize = 64;

/// How many ops ahead the loop asks for the memory of an op.
const AHEAD: usize = 8;
/// And for that of what stands close together, of which a line holds sixteen.
const FAR_AHEAD: usize = 32;
/// Bytes that a processor fetches at a time.
pub(super) const LINE: usize = 64;

/// Ticks spent besides the calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Waiting for other lanes.
    pub waited: u64,
    /// Computing and sleeping for the tool.
    pub paced: u64,
    /// The computing alone, by processor time.
    pub computed: u64,
}

/// The fallbacks that a part has still to come to.
struct Fallbacks<'p> {
    left: &'p [Fallback],
    /// Index of the next one's op, beyond all ops if there is none.
    next: usize,
}

impl<'p> Fallbacks<'p> {
    fn from(all: &'p [Fallback], first: usize) -> Self {
        let before = all.partition_point(|fallback| (fallback.op as usize) < first);
        let left = &all[before..];
        let next = left.first().map_or(usize::MAX, |next| next.op as usize);
        Fallbacks { left, next }
    }

    /// Whether an op is a fallback for what has not failed. Asked for each op in turn.
    #[inline(always)]
    fn leave_out(&mut self, op: usize, issuer: &Issuer<'_>) -> bool {
        op == self.next && self.is_needless(issuer)
    }

    #[cold]
    fn is_needless(&mut self, issuer: &Issuer<'_>) -> bool {
        let Some((fallback, left)) = self.left.split_first() else {
            return false;
        };
        self.left = left;
        self.next = left.first().map_or(usize::MAX, |next| next.op as usize);
        issuer.is_needless(fallback)
    }
}

/// What the loop works with.
pub struct Loop<'l, 'a> {
    /// The ops.
    pub part: Part,
    /// After how many of the lane's ops other parts are started.
    pub starts: &'l [(usize, Part)],
    /// What all lanes share.
    pub shared: &'l Shared<'a>,
    /// How far the lanes are.
    pub progress: &'l Progress<'l>,
}

/// Starts the thread of a part; gives the processor time that it took, nanoseconds, or nothing if
/// it could not be started.
pub type Start<'s> = dyn FnMut(Part) -> Option<u64> + 's;

impl Loop<'_, '_> {
    /// As fast as possible.
    pub fn run_fast(
        &self,
        issuer: &mut Issuer<'_>,
        samples: &mut Samples,
        start: &mut Start<'_>,
    ) -> Result<Spent, Stopped> {
        let Part { lane, first, end } = self.part;
        let plan = self.shared.plan;
        let mut fallbacks = Fallbacks::from(&plan.lanes[lane].fallbacks, first);
        let mut few = plan.lanes[lane].cursor(first);
        let steps = &plan.lanes[lane].steps()[..end];
        let clock = self.shared.clock;
        let mut starts = self.starts.iter().peekable();
        let mut spent = Spent::default();
        // One stamp a boundary: where nothing lies between two calls, the end of one is the
        // beginning of the next.
        let mut now = clock.ticks();
        for (index, step) in (first..).zip(&steps[first..]) {
            self.go_on(index)?;
            self.fetch(steps, index, samples);
            if step.waits() {
                now = self.wait(few.waits(index), now, &mut spent)?;
            }
            let op = &plan.ops[step.op()];
            if fallbacks.leave_out(index, issuer) {
                samples.left_out(index);
            } else {
                now = self.issue(index, op, issuer, samples, now);
            }
            if self.is_awaited(index, step) {
                self.progress.wake(lane);
            }
            while let Some((_, part)) = starts.next_if(|(done, _)| *done == index + 1) {
                start(*part).ok_or(Stopped::Cancelled)?;
                now = clock.ticks();
            }
        }
        Ok(spent)
    }

    /// With the tool's own time.
    pub fn run_paced(
        &self,
        mut pacer: Pacer<'_>,
        issuer: &mut Issuer<'_>,
        samples: &mut Samples,
        start: &mut Start<'_>,
    ) -> Result<Spent, Stopped> {
        let Part { lane, first, end } = self.part;
        let plan = self.shared.plan;
        let mut fallbacks = Fallbacks::from(&plan.lanes[lane].fallbacks, first);
        let mut few = plan.lanes[lane].cursor(first);
        let steps = &plan.lanes[lane].steps()[..end];
        let thinks = plan.lanes[lane].thinks();
        let clock = self.shared.clock;
        let mut starts = self.starts.iter().peekable();
        let mut spent = Spent::default();
        let mut now = clock.ticks();
        for (index, step) in (first..).zip(&steps[first..]) {
            self.go_on(index)?;
            let begin = now;
            self.fetch(steps, index, samples);
            sys::prefetch(thinks.as_ptr().wrapping_add(index + FAR_AHEAD));
            let needless = fallbacks.leave_out(index, issuer);
            let rest = step.rests().then(|| few.rest()).filter(|_| !needless);
            let think = if needless { 0.0 } else { thinks[index] };
            let pace = rest.unwrap_or(Pace::NONE).with_think(think);
            if starts.peek().is_some_and(|(done, _)| *done == index + 1) {
                // The tool's own start of a task is part of what it computes here.
                pacer.expect_start();
            }
            now = self.rest_before(index, &mut pacer, pace, now);
            spent.paced += now - begin;
            if step.waits() {
                now = self.wait(few.waits(index), now, &mut spent)?;
            }
            let begin = now;
            now = self.rest_within(index, &mut pacer, pace, now);
            spent.paced += now - begin;
            if let Some((waited, lost)) = pacer.take_lost() {
                samples.keep_lost(waited, lost);
            }
            if needless {
                samples.left_out(index);
            } else {
                let begin = now;
                now = self.issue(index, &plan.ops[step.op()], issuer, samples, now);
                pacer.called(index, now - begin, plan.lanes[lane].took(index).all());
            }
            if self.is_awaited(index, step) {
                let before = thread_cpu();
                self.progress.wake(lane);
                pacer.woke(thread_cpu().saturating_sub(before));
                now = clock.ticks();
            }
            while let Some((_, part)) = starts.next_if(|(done, _)| *done == index + 1) {
                pacer.started(start(*part).ok_or(Stopped::Cancelled)?);
                now = clock.ticks();
            }
        }
        spent.computed = pacer.computed();
        Ok(spent)
    }

    /// What the tool computed and slept before an op. Gives the time then.
    #[inline(always)]
    fn rest_before(&self, op: usize, pacer: &mut Pacer<'_>, pace: Pace, begin: u64) -> u64 {
        let now = pacer.burn(begin, pace.think);
        if pace.asleep > 0.0 {
            return self.sleep(op, pacer, pace.asleep, |sleep| &sleep.before);
        }
        now
    }

    /// The same in the op.
    #[inline(always)]
    fn rest_within(&self, op: usize, pacer: &mut Pacer<'_>, pace: Pace, begin: u64) -> u64 {
        let mut now = begin;
        if pace.own_asleep > 0.0 {
            now = self.sleep(op, pacer, pace.own_asleep, |sleep| &sleep.within);
        }
        if pace.own > 0.0 {
            now = pacer.burn(now, pace.own);
        }
        now
    }

    /// An op is done. Gives whether others wait for that.
    #[inline(always)]
    fn is_awaited(&self, op: usize, step: &Step) -> bool {
        let done = op as u32 + 1;
        (self.progress).done(self.part.lane, done, step.is_published())
    }

    /// Looks now and then whether an end is wanted.
    #[inline(always)]
    fn go_on(&self, op: usize) -> Result<(), Stopped> {
        if op.is_multiple_of(LOOKED) && self.progress.is_to_stop() {
            return Err(Stopped::Cancelled);
        }
        Ok(())
    }

    /// Has at hand soon what comes next. A tool's own memory is where it left it; that of a replay,
    /// most of which is used once, is far away where other replays or tools ran since the last
    /// round: `tar` of 1,200 files took 8.1 ms on one mount, and 9.0 ms with six other mounts in
    /// turn.
    #[inline(always)]
    fn fetch(&self, steps: &[Step], index: usize, samples: &Samples) {
        let ops = &self.shared.plan.ops;
        sys::prefetch(steps.as_ptr().wrapping_add(index + FAR_AHEAD));
        samples.prefetch(index + FAR_AHEAD);
        if let Some(step) = steps.get(index + AHEAD) {
            let op = ops.as_ptr().wrapping_add(step.op());
            sys::prefetch(op);
            sys::prefetch(op.wrapping_byte_add(LINE));
        }
    }

    /// Sleeps as long as the tool did, or until others have done what they did meanwhile and for
    /// what it slept after that. Gives the time then.
    #[cold]
    fn sleep(&self, op: usize, pacer: &Pacer<'_>, time: f32, slept: fn(&Sleep) -> &Slept) -> u64 {
        let begin = Instant::now();
        let longest = pacer.asked(time);
        let slept = self.shared.plan.sleep_of(self.part.lane, op).map(slept);
        let by_others = slept.and_then(|slept| Some((slept.last?, slept.after)));
        let left = match by_others {
            None => longest,
            Some((last, after)) => {
                if self.progress.wait_at_most(last.lane, last.done, longest) {
                    pacer
                        .asked(after)
                        .min(longest.saturating_sub(begin.elapsed()))
                } else {
                    Duration::ZERO
                }
            }
        };
        pacer.sleep(left)
    }

    /// Waits for what an op waits for. Gives the time then.
    #[inline(always)]
    fn wait(&self, waits: &[Wait], begin: u64, spent: &mut Spent) -> Result<u64, Stopped> {
        for Wait { until, .. } in waits {
            self.progress.wait(self.part.lane, until.lane, until.done)?;
        }
        let now = self.shared.clock.ticks();
        spent.waited += now - begin;
        Ok(now)
    }

    /// Issues an op and stores what it gave. Gives the time then.
    #[inline(always)]
    fn issue(
        &self,
        index: usize,
        op: &Op,
        issuer: &mut Issuer<'_>,
        samples: &mut Samples,
        mut begin: u64,
    ) -> u64 {
        if matches!(op.action, Action::Nothing) {
            return begin;
        }
        let mut result = issuer.issue(index, &op.action, op.expected, &mut begin);
        if result == TOO_LONG && op.expected != TOO_LONG {
            result = issuer.issue_in_steps(index, op, &mut begin);
        }
        let now = self.shared.clock.ticks();
        samples.keep(index, op, result, now.saturating_sub(begin));
        now
    }
}

//! The loop: wait, issue, take the time, store.

use super::pace::Pacer;
use super::parts::Part;
use super::progress::{Progress, Stopped};
use super::{Sample, Shared};
use crate::execute::issue::Issuer;
use crate::plan::Action;
use crate::sys;

/// How many ops ahead the loop asks for memory.
const AHEAD: usize = 8;

/// Ticks spent besides the calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Waiting for other lanes.
    pub waited: u64,
    /// Computing and sleeping for the tool.
    pub paced: u64,
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

impl Loop<'_, '_> {
    /// As fast as possible.
    pub fn run_fast(
        &self,
        issuer: &mut Issuer<'_>,
        samples: &mut [Sample],
        start: &mut dyn FnMut(Part),
    ) -> Result<Spent, Stopped> {
        let Part {
            lane: number,
            first,
            end,
        } = self.part;
        let lane = &self.shared.plan.lanes[number];
        let clock = self.shared.clock;
        let mut starts = self.starts.iter().peekable();
        let mut waited = 0;
        // One stamp a boundary: where nothing lies between two calls, the end of one is the beginning of the next.
        let mut now = clock.ticks();
        for (index, (op, sample)) in (first..).zip(lane.ops[first..end].iter().zip(samples)) {
            sys::prefetch(std::ptr::from_ref(op).wrapping_add(AHEAD));
            sys::prefetch(std::ptr::from_ref(sample).wrapping_add(AHEAD));
            if op.wait_count > 0 {
                for wait in self.shared.plan.waits_of(op) {
                    self.progress.wait(number, wait.lane, wait.done)?;
                }
                let begin = now;
                now = clock.ticks();
                waited += now - begin;
            }
            if matches!(op.action, Action::Nothing) {
                *sample = Sample {
                    result: Sample::NOT_ISSUED,
                    duration: 0,
                };
            } else {
                let mut begin = now;
                let result = issuer.issue(index, &op.action, op.expected, &mut begin);
                now = clock.ticks();
                *sample = Sample {
                    result,
                    duration: now.saturating_sub(begin),
                };
            }
            self.progress.done(number, index as u32 + 1, op.published);
            while let Some((_, part)) = starts.next_if(|(done, _)| *done == index + 1) {
                start(*part);
                now = clock.ticks();
            }
        }
        Ok(Spent { waited, paced: 0 })
    }

    /// With the tool's own time.
    pub fn run_paced(
        &self,
        mut pacer: Pacer<'_>,
        issuer: &mut Issuer<'_>,
        samples: &mut [Sample],
        start: &mut dyn FnMut(Part),
    ) -> Result<Spent, Stopped> {
        let Part {
            lane: number,
            first,
            end,
        } = self.part;
        let lane = &self.shared.plan.lanes[number];
        let clock = self.shared.clock;
        let mut starts = self.starts.iter().peekable();
        let mut spent = Spent::default();
        let mut now = clock.ticks();
        let steps = lane.ops[first..end].iter().zip(&lane.paces[first..end]);
        for (index, ((op, pace), sample)) in (first..).zip(steps.zip(samples)) {
            let begin = now;
            if starts.peek().is_some_and(|(done, _)| *done == index + 1) {
                // The tool's own start of a task is part of what it computes here.
                pacer.expect_start();
            }
            now = pacer.burn(now, pace.think);
            if pace.asleep > 0.0 {
                now = pacer.sleep(pace.asleep);
            }
            spent.paced += now - begin;
            if op.wait_count > 0 {
                for wait in self.shared.plan.waits_of(op) {
                    self.progress.wait(number, wait.lane, wait.done)?;
                }
                let begin = now;
                now = clock.ticks();
                spent.waited += now - begin;
            }
            let begin = now;
            if pace.own_asleep > 0.0 {
                now = pacer.sleep(pace.own_asleep);
            }
            if pace.own > 0.0 {
                now = pacer.burn(now, pace.own);
            }
            spent.paced += now - begin;
            if matches!(op.action, Action::Nothing) {
                *sample = Sample {
                    result: Sample::NOT_ISSUED,
                    duration: 0,
                };
            } else {
                let mut begin = now;
                let result = issuer.issue(index, &op.action, op.expected, &mut begin);
                now = clock.ticks();
                *sample = Sample {
                    result,
                    duration: now.saturating_sub(begin),
                };
            }
            self.progress.done(number, index as u32 + 1, op.published);
            while let Some((_, part)) = starts.next_if(|(done, _)| *done == index + 1) {
                start(*part);
                now = pacer.started(now);
            }
        }
        Ok(spent)
    }
}

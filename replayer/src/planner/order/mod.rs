//! Who waits for whom: accesses to resources, edges between lanes, and which of them others imply.
//!
//! Ops are committed in the order in which their calls returned, and every edge leads from an op
//! committed earlier to the one being committed (or, for a cause that returned late, from an op of
//! the cause's lane that stands before the waiting one). So that order is a topological order of
//! any plan, and no replay can deadlock.

pub(super) mod access;
pub(super) mod frontier;
pub(super) mod ops;
pub(super) mod uses;

use std::collections::{BTreeMap, VecDeque};

use crate::plan::{Action, Birth, Lane, Op, Pace, Wait, WaitFor};
use access::Access;
pub(crate) use access::{OpId, Side};
use frontier::Frontier;
use ops::OpTable;
use uses::Resource;

/// Lanes beyond this number get all their edges: a clock for each pair would take too much memory.
const TRACKED_LANES: usize = 1024;
/// Numbers that all kept snapshots of clocks may hold together.
const SNAPSHOT_BUDGET: usize = 4 << 20;
/// Causes that may be owed before those that others imply are taken out.
const MANY_OWED: usize = 16;

/// Which accesses of two lanes are put in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderRule {
    /// Those that didn't overlap: calls that overlapped stay free.
    Returned,
    /// All, in the order in which they returned: what the replay itself needs (a slot must be open
    /// while it is used).
    Always,
}

/// What a lane knows to be done.
#[derive(Default)]
struct VectorClock {
    /// For each lane, how many of its ops.
    known: Vec<u32>,
    /// The same at earlier ops: valid from that op on until the next snapshot.
    snapshots: VecDeque<(u32, Box<[u32]>)>,
    /// What the lane's next op waits for whatever it does.
    pending: Vec<OpId>,
    /// When its last op had returned, nanoseconds since the start of the recording.
    exit: u64,
    /// The last commit that has let its op wait for this lane.
    waited_by: u64,
}

/// An op without a recorded counterpart, behind the one being made.
#[derive(Clone, Copy)]
pub(crate) struct Behind {
    pub(crate) action: Action,
    /// What it changes of the replay's own.
    pub(crate) resource: Resource,
}

/// Lanes, and the order between them.
#[derive(Default)]
pub(crate) struct Order {
    pub(crate) lanes: Vec<Lane>,
    pub(crate) ops: OpTable,
    pub(crate) births: Vec<Birth>,
    /// By lane and op: what ops that were committed wait for, too.
    late: BTreeMap<(u32, u32), Vec<WaitFor>>,
    clocks: Vec<VectorClock>,
    candidates: Vec<OpId>,
    /// Commits so far.
    commits: u64,
    /// Waits so far.
    waits: usize,
    /// Whether more than one task is alive; otherwise every later task descends from the only one,
    /// and its fork edge covers all that was done before.
    pub(crate) concurrent: bool,
    /// Ops that will stand behind the one being made, in its lane.
    behind: Vec<Behind>,
    full: bool,
}

impl Order {
    /// Whether a limit of the plan's numbers was reached; the plan is refused then.
    pub(crate) fn is_full(&self) -> bool {
        self.full || self.ops.is_full()
    }

    /// Bytes that lanes, waits and ops take.
    pub(crate) fn bytes(&self) -> usize {
        let commits = usize::try_from(self.commits).unwrap_or(usize::MAX);
        let of_lanes = commits.saturating_mul(Lane::BYTES_OF_OP);
        let of_waits = self.waits.saturating_mul(size_of::<Wait>());
        of_lanes
            .saturating_add(of_waits)
            .saturating_add(self.ops.bytes())
    }

    /// A new lane.
    pub(crate) fn add_lane(&mut self) -> u32 {
        self.lanes.push(Lane::default());
        self.clocks.push(VectorClock::default());
        (self.lanes.len() - 1) as u32
    }

    /// The last op of a lane.
    pub(crate) fn last(&self, lane: u32) -> Option<OpId> {
        let count = self.lanes[lane as usize].len() as u32;
        (count > 0).then(|| OpId {
            lane,
            op: count - 1,
        })
    }

    /// When the last op of a lane had returned.
    pub(crate) fn last_exit(&self, lane: u32) -> u64 {
        self.clocks[lane as usize].exit
    }

    /// Others may want to know when an op is done.
    pub(crate) fn publish(&mut self, id: OpId) {
        self.lanes[id.lane as usize].publish(id.op as usize);
    }

    /// An op's call wakes others in sync.
    pub(crate) fn in_sync(&mut self, id: OpId) {
        self.lanes[id.lane as usize].set_in_sync(id.op as usize);
    }

    /// How many events had returned before an op.
    pub(crate) fn moment(&self, id: OpId) -> Option<u32> {
        let moments = self.lanes.get(id.lane as usize)?.moments();
        moments.get(id.op as usize).copied()
    }

    /// The op that a lane will do next.
    #[inline]
    pub(crate) fn next(&self, lane: u32) -> OpId {
        OpId {
            lane,
            op: self.lanes[lane as usize].len() as u32,
        }
    }

    /// An op will stand behind the one being made.
    pub(crate) fn put_behind(&mut self, action: Action, resource: Resource) {
        self.behind.push(Behind { action, resource });
    }

    /// Where the last of the ops will be that stand behind the one being made on `lane`.
    pub(crate) fn last_behind(&self, lane: u32) -> OpId {
        let next = self.next(lane);
        OpId {
            op: next.op + self.behind.len() as u32,
            ..next
        }
    }

    /// The ops that stand behind the one that was made, in order.
    pub(crate) fn take_behind(&mut self) -> Vec<Behind> {
        std::mem::take(&mut self.behind)
    }

    /// A new task on `child` begins after all that `parent` did so far.
    pub(crate) fn fork(&mut self, parent: u32, child: u32) {
        if parent == child {
            return;
        }
        let mut causes = self.clocks[parent as usize].pending.clone();
        if let Some(last) = self.last(parent) {
            causes.push(last);
            self.births.push(Birth {
                after: WaitFor {
                    lane: parent,
                    done: last.op + 1,
                },
                lane: child,
                op: self.next(child).op,
            });
        }
        let owed = &mut self.clocks[child as usize].pending;
        owed.extend(causes);
        if owed.len() > MANY_OWED {
            // What a lane did later implies what it did before.
            owed.sort_unstable_by_key(|cause| (cause.lane, std::cmp::Reverse(cause.op)));
            owed.dedup_by_key(|cause| cause.lane);
        }
    }

    /// The next op of the lane being committed waits for `cause`.
    pub(crate) fn after(&mut self, cause: OpId) {
        self.candidates.push(cause);
    }

    /// Whether accesses matter at all: with one lane, order is program order.
    #[inline]
    pub(crate) fn single(&self) -> bool {
        self.lanes.len() < 2
    }

    /// Notes an access of the op about to be committed on `lane`, and what it has to wait for. The
    /// first `horizon` events had returned when it was called.
    pub(crate) fn visit(
        &mut self,
        frontier: &mut Frontier,
        lane: u32,
        horizon: u32,
        side: Side,
        timing: OrderRule,
    ) {
        let me = self.next(lane);
        let lanes = &self.lanes;
        let candidates = &mut self.candidates;
        let register = self.concurrent;
        frontier.meet(Access { id: me, side }, register, |cause| {
            let moments = lanes[cause.lane as usize].moments();
            if timing == OrderRule::Always || moments[cause.op as usize] < horizon {
                candidates.push(cause);
                return false;
            }
            // Overlapped: what that lane did before is ordered nevertheless.
            candidates.extend(last_before(moments, cause, horizon));
            true
        });
    }

    /// Appends an op to a lane; waits are made of what was noted since the last commit. `moment` is
    /// the number of events that had returned before it, its own number if it stands for one;
    /// `exit` is when it had returned.
    pub(crate) fn commit(
        &mut self,
        lane: u32,
        op: Op,
        pace: Pace,
        (moment, exit): (u32, u64),
    ) -> OpId {
        let id = self.next(lane);
        let step = self.ops.intern(op);
        let Some(step) = step.filter(|_| id.op < Frontier::MOST_OPS) else {
            self.full = true;
            self.candidates.clear();
            return id;
        };
        // An op without an event of its own belongs to the one before it.
        let last = self.lanes[lane as usize].moments().last();
        let before = last.filter(|_| !op.recorded).copied();
        self.lanes[lane as usize].push(step, before.unwrap_or(moment), pace);
        self.commits += 1;
        let clock = &mut self.clocks[lane as usize];
        clock.exit = exit;
        self.candidates.append(&mut clock.pending);
        if !self.candidates.is_empty() {
            self.wait_for_candidates(id);
        }
        id
    }

    fn wait_for_candidates(&mut self, me: OpId) {
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.retain(|cause| cause.lane != me.lane);
        // Later causes first: they imply most earlier ones.
        if candidates.len() > 1 {
            let moment = |p: &OpId| self.lanes[p.lane as usize].moment(p.op as usize);
            candidates.sort_unstable_by_key(|p| std::cmp::Reverse((moment(p), p.lane, p.op)));
        }
        let mut joined = false;
        for cause in candidates.drain(..) {
            let by = &mut self.clocks[cause.lane as usize].waited_by;
            if *by == self.commits || self.knows(me.lane, cause) {
                continue;
            }
            self.clocks[cause.lane as usize].waited_by = self.commits;
            self.lanes[me.lane as usize].wait(WaitFor {
                lane: cause.lane,
                done: cause.op + 1,
            });
            self.waits += 1;
            self.publish(cause);
            self.join(me.lane, cause);
            joined = true;
        }
        self.candidates = candidates;
        if joined {
            self.snapshot(me);
        }
    }

    fn knows(&self, lane: u32, cause: OpId) -> bool {
        self.clocks[lane as usize]
            .known
            .get(cause.lane as usize)
            .is_some_and(|done| *done > cause.op)
    }

    fn join(&mut self, lane: u32, cause: OpId) {
        if lane as usize >= TRACKED_LANES || cause.lane as usize >= TRACKED_LANES {
            return;
        }
        let mut known = std::mem::take(&mut self.clocks[lane as usize].known);
        let wanted = self.clocks.len().min(TRACKED_LANES);
        if known.len() < wanted {
            known.resize(wanted, 0);
        }
        let theirs = &self.clocks[cause.lane as usize].snapshots;
        if let Some((_, seen)) = theirs.iter().rev().find(|(op, _)| *op <= cause.op) {
            for (mine, other) in known.iter_mut().zip(seen.iter()) {
                *mine = (*mine).max(*other);
            }
        }
        let mine = &mut known[cause.lane as usize];
        *mine = (*mine).max(cause.op + 1);
        self.clocks[lane as usize].known = known;
    }

    fn snapshot(&mut self, me: OpId) {
        let count = self.clocks.len().min(TRACKED_LANES);
        let keep = (SNAPSHOT_BUDGET / (count * count)).clamp(2, 64);
        let clock = &mut self.clocks[me.lane as usize];
        while clock.snapshots.len() >= keep {
            clock.snapshots.pop_front();
        }
        clock
            .snapshots
            .push_back((me.op, clock.known.clone().into_boxed_slice()));
    }

    /// Lets an op that was committed already wait for a cause that returned only after it, and
    /// which is about to be committed on `cause_lane`: for what that lane did before the cause,
    /// as far as it returned before the effect. Gives the last of that if it is waited for.
    pub(crate) fn late(&mut self, effect: OpId, cause_lane: u32) -> Option<OpId> {
        if effect.lane == cause_lane || effect.op >= self.next(effect.lane).op {
            return None;
        }
        let moment = self.lanes[effect.lane as usize].moment(effect.op as usize);
        let moments = self.lanes[cause_lane as usize].moments();
        let done = moments.partition_point(|m| *m < moment) as u32;
        if done == 0 {
            return None;
        }
        let covers = |until: &WaitFor| until.lane == cause_lane && until.done >= done;
        let waits = self.lanes[effect.lane as usize].waits_of(effect.op as usize);
        let late = self.late.entry((effect.lane, effect.op)).or_default();
        if waits.iter().any(|wait| covers(&wait.until)) || late.iter().any(covers) {
            return None;
        }
        late.push(WaitFor {
            lane: cause_lane,
            done,
        });
        self.waits += 1;
        let cause = OpId {
            lane: cause_lane,
            op: done - 1,
        };
        self.publish(cause);
        Some(cause)
    }

    /// A committed op is found to have waited, so that it worked for no longer than that,
    /// nanoseconds.
    pub(crate) fn shorten(&mut self, id: OpId, most: u64) {
        let lane = &mut self.lanes[id.lane as usize];
        let pace = lane.pace(id.op as usize);
        let own = pace.own.min(most as f32);
        lane.set_pace(id.op as usize, Pace { own, ..pace });
    }

    /// Changes what a committed op does, and what should come of it.
    pub(crate) fn change(&mut self, id: OpId, change: impl FnOnce(&mut Op)) {
        let Some(lane) = self.lanes.get_mut(id.lane as usize) else {
            return;
        };
        let Some(step) = lane.steps().get(id.op as usize) else {
            return;
        };
        let mut op = *self.ops.get(step.op());
        change(&mut op);
        match self.ops.intern(op) {
            Some(step) => lane.replace(id.op as usize, step),
            None => self.full = true,
        }
    }

    /// Lanes and ops, with all that was found late in its place; and births.
    pub(crate) fn finish(mut self) -> (Vec<Lane>, Vec<Op>, Vec<Birth>) {
        let mut late = std::mem::take(&mut self.late).into_iter().peekable();
        for (number, lane) in (0..).zip(&mut self.lanes) {
            let of_lane = std::iter::from_fn(|| late.next_if(|((of, _), _)| *of == number));
            let waits: Vec<Wait> = of_lane
                .flat_map(|((_, op), causes)| {
                    causes.into_iter().map(move |until| Wait { op, until })
                })
                .collect();
            if !waits.is_empty() {
                lane.wait_too(waits);
            }
        }
        (self.lanes, self.ops.into_ops(), self.births)
    }
}

/// The last op of a cause's lane before it that had returned when `horizon` events had.
fn last_before(moments: &[u32], cause: OpId, horizon: u32) -> Option<OpId> {
    let moments = &moments[..cause.op as usize];
    // Nearly always one of the last few; a halving search bounds the rest.
    let near = moments.len().saturating_sub(8);
    let found = match moments[near..].iter().rposition(|m| *m < horizon) {
        Some(at) => near + at + 1,
        None => moments[..near].partition_point(|m| *m < horizon),
    };
    (found > 0).then(|| OpId {
        lane: cause.lane,
        op: found as u32 - 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Slot;

    #[test]
    fn what_comes_behind_an_op_stands_in_its_lane_in_order() {
        let mut order = Order::default();
        let lane = order.add_lane();
        assert_eq!(order.last_behind(lane), OpId { lane, op: 0 });
        for slot in [4, 5] {
            order.put_behind(Action::Close { fd: Slot(slot) }, Resource::Slot(slot));
        }
        assert_eq!(order.last_behind(lane), OpId { lane, op: 2 });
        let behind = order.take_behind();
        let slots: Vec<Resource> = behind.iter().map(|behind| behind.resource).collect();
        assert_eq!(slots, [Resource::Slot(4), Resource::Slot(5)]);
        assert_eq!(order.last_behind(lane), OpId { lane, op: 0 });
    }
}

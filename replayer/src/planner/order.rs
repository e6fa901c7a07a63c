//! Who waits for whom: accesses to resources, edges between lanes, and which of them others imply.
//!
//! Ops are committed in the order in which their calls returned, and every edge leads from an op committed
//! earlier to the one being committed (or, for a cause that returned late, from an op of the cause's lane that
//! stands before the waiting one). So that order is a topological order of any plan, and no replay can deadlock.

use std::collections::VecDeque;

use crate::plan::{Birth, Lane, Op, OpTime, Pace, WaitFor};

/// Lanes beyond this number get all their edges: a clock for each pair would take too much memory.
const TRACKED_LANES: usize = 1024;
/// Numbers that all kept snapshots of clocks may hold together.
const SNAPSHOT_BUDGET: usize = 4 << 20;
const WAITS_LIMIT: usize = (u32::MAX - (1 << 17)) as usize;
const WRITE: u32 = 1 << 31;
/// Marks an unused access.
const EMPTY: u32 = u32::MAX;

/// Which side of a resource an access is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// It looks, or is one of the accesses that don't order each other.
    Read,
    /// It changes.
    Write,
    /// It changes something together with others that don't mind each other: entries of one directory.
    Join,
}

/// Which accesses of two lanes are put in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timing {
    /// Those that didn't overlap: calls that overlapped stay free.
    Returned,
    /// All, in the order in which they returned: what the replay itself needs (a slot must be open while it is used).
    Always,
}

/// An op: lane and index in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) lane: u32,
    pub(crate) op: u32,
}

#[derive(Clone, Copy, Debug)]
struct Access {
    lane: u32,
    /// Index of the op; [`WRITE`] is set where it changes.
    op: u32,
}

const UNUSED: Access = Access { lane: EMPTY, op: 0 };

/// The accesses to one resource that a later one may have to wait for.
#[derive(Debug)]
pub(crate) struct Frontier {
    near: [Access; 2],
    // Few resources are used by many lanes: a thin pointer keeps the others small.
    #[allow(clippy::box_collection)]
    far: Option<Box<Vec<Access>>>,
}

impl Default for Frontier {
    fn default() -> Frontier {
        Frontier {
            near: [UNUSED; 2],
            far: None,
        }
    }
}

impl Frontier {
    /// Calls `keep` for each access and drops those for which it says no.
    #[inline]
    fn retain(&mut self, mut keep: impl FnMut(Access) -> bool) {
        for access in &mut self.near {
            if access.lane != EMPTY && !keep(*access) {
                *access = UNUSED;
            }
        }
        if let Some(far) = &mut self.far {
            far.retain(|access| keep(*access));
            if far.is_empty() {
                self.far = None;
            }
        }
    }

    fn push(&mut self, access: Access) {
        match self.near.iter_mut().find(|a| a.lane == EMPTY) {
            Some(free) => *free = access,
            None => self.far.get_or_insert_default().push(access),
        }
    }
}

/// What a lane knows to be done.
#[derive(Default)]
struct Clock {
    /// For each lane, how many of its ops.
    known: Vec<u32>,
    /// The same at earlier ops: valid from that op on until the next snapshot.
    snapshots: VecDeque<(u32, Box<[u32]>)>,
    /// What the lane's next op waits for whatever it does.
    pending: Vec<Place>,
}

/// Lanes, and the order between them.
#[derive(Default)]
pub(crate) struct Order {
    pub(crate) lanes: Vec<Lane>,
    /// For each op the number of events that had returned before it: its own number, if it is an event's.
    moments: Vec<Vec<u32>>,
    pub(crate) waits: Vec<WaitFor>,
    pub(crate) births: Vec<Birth>,
    clocks: Vec<Clock>,
    candidates: Vec<Place>,
    /// Whether more than one task is alive; otherwise every later task descends from the only one, and its
    /// fork edge covers all that was done before.
    pub(crate) concurrent: bool,
    full: bool,
}

impl Order {
    /// Whether a limit of the plan's numbers was reached; the plan is refused then.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// A new lane.
    pub(crate) fn add_lane(&mut self) -> u32 {
        // A wait count is 16 bits, and an op may wait for one op of each lane.
        if self.lanes.len() >= usize::from(u16::MAX) {
            self.full = true;
            return 0;
        }
        self.lanes.push(Lane::default());
        self.moments.push(Vec::new());
        self.clocks.push(Clock::default());
        (self.lanes.len() - 1) as u32
    }

    /// The last op of a lane.
    pub(crate) fn last(&self, lane: u32) -> Option<Place> {
        let count = self.lanes[lane as usize].ops.len() as u32;
        (count > 0).then(|| Place {
            lane,
            op: count - 1,
        })
    }

    /// When the last op of a lane had returned.
    pub(crate) fn last_exit(&self, lane: u32) -> u64 {
        self.last(lane)
            .map_or(0, |place| exit_of(&self.lanes, place.lane, place.op))
    }

    /// Others may want to know when an op is done. Gives when its call had returned; nothing if there is no such op.
    pub(crate) fn publish(&mut self, place: Place) -> Option<u64> {
        let lane = self.lanes.get_mut(place.lane as usize)?;
        lane.ops.get_mut(place.op as usize)?.published = true;
        Some(exit_of(&self.lanes, place.lane, place.op))
    }

    /// An op's call wakes others in sync.
    pub(crate) fn in_sync(&mut self, place: Place) {
        if let Some(op) = self.op_mut(place) {
            op.in_sync = true;
        }
    }

    /// How many events had returned before an op.
    pub(crate) fn moment(&self, place: Place) -> Option<u32> {
        let moments = self.moments.get(place.lane as usize)?;
        moments.get(place.op as usize).copied()
    }

    /// The op that a lane will do next.
    #[inline]
    pub(crate) fn next(&self, lane: u32) -> Place {
        Place {
            lane,
            op: self.lanes[lane as usize].ops.len() as u32,
        }
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
        self.clocks[child as usize].pending.extend(causes);
    }

    /// The next op of the lane being committed waits for `cause`.
    pub(crate) fn after(&mut self, cause: Place) {
        self.candidates.push(cause);
    }

    /// Whether accesses matter at all: with one lane, order is program order.
    #[inline]
    pub(crate) fn single(&self) -> bool {
        self.lanes.len() < 2
    }

    /// Notes an access of the op about to be committed on `lane`, and what it has to wait for. The first `horizon` events
    /// had returned when it was called.
    pub(crate) fn visit(
        &mut self,
        frontier: &mut Frontier,
        lane: u32,
        horizon: u32,
        side: Side,
        timing: Timing,
    ) {
        let me = self.lanes[lane as usize].ops.len() as u32;
        let writes = side != Side::Read;
        let moments = &self.moments;
        let candidates = &mut self.candidates;
        let register = self.concurrent;
        frontier.retain(|access| {
            let wrote = access.op & WRITE != 0;
            if access.lane == lane {
                // Replaced by this one, unless this one only looks and the earlier one changed.
                return !(register && (wrote == writes || side == Side::Write));
            }
            if !(wrote != writes || side == Side::Write) {
                return true;
            }
            let op = access.op & !WRITE;
            if timing == Timing::Always || moments[access.lane as usize][op as usize] < horizon {
                candidates.push(Place {
                    lane: access.lane,
                    op,
                });
                return !(register && side == Side::Write);
            }
            // Overlapped: what that lane did before is ordered nevertheless.
            candidates.extend(last_before(moments, access.lane, op, horizon));
            true
        });
        if register {
            let mark = if writes { WRITE } else { 0 };
            frontier.push(Access {
                lane,
                op: me | mark,
            });
        }
    }

    /// Appends an op to a lane; waits are made of what was noted since the last commit.
    /// `moment` is the number of events that had returned before it.
    pub(crate) fn commit(
        &mut self,
        lane: u32,
        mut op: Op,
        (time, pace): (OpTime, Pace),
        moment: u32,
    ) -> Place {
        let place = self.next(lane);
        if place.op >= WRITE - 1 || self.waits.len() > WAITS_LIMIT {
            self.full = true;
            self.candidates.clear();
            return place;
        }
        op.first_wait = self.waits.len() as u32;
        if !self.clocks[lane as usize].pending.is_empty() {
            let pending = std::mem::take(&mut self.clocks[lane as usize].pending);
            self.candidates.extend(pending);
        }
        if !self.candidates.is_empty() {
            self.wait_for_candidates(place);
        }
        op.wait_count = (self.waits.len() as u32 - op.first_wait) as u16;
        let moments = &mut self.moments[lane as usize];
        // An op without an event of its own belongs to the one before it.
        let before = moments.last().filter(|_| op.event == u32::MAX);
        moments.push(before.copied().unwrap_or(moment));
        let lane = &mut self.lanes[lane as usize];
        lane.ops.push(op);
        lane.times.push(time);
        lane.paces.push(pace);
        place
    }

    fn wait_for_candidates(&mut self, me: Place) {
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.retain(|cause| cause.lane != me.lane);
        // Later causes first: they imply most earlier ones.
        if candidates.len() > 1 {
            let moment = |p: &Place| self.moments[p.lane as usize][p.op as usize];
            candidates.sort_unstable_by_key(|p| std::cmp::Reverse((moment(p), p.lane, p.op)));
        }
        let first = self.waits.len();
        let mut joined = false;
        for cause in candidates.drain(..) {
            let same = |w: &WaitFor| w.lane == cause.lane;
            if self.knows(me.lane, cause) || self.waits[first..].iter().any(same) {
                continue;
            }
            self.waits.push(WaitFor {
                lane: cause.lane,
                done: cause.op + 1,
            });
            self.lanes[cause.lane as usize].ops[cause.op as usize].published = true;
            self.join(me.lane, cause);
            joined = true;
        }
        self.candidates = candidates;
        if joined {
            self.snapshot(me);
        }
    }

    fn knows(&self, lane: u32, cause: Place) -> bool {
        self.clocks[lane as usize]
            .known
            .get(cause.lane as usize)
            .is_some_and(|done| *done > cause.op)
    }

    fn join(&mut self, lane: u32, cause: Place) {
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

    fn snapshot(&mut self, me: Place) {
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

    /// Lets an op that was committed already wait for a cause that returned only after it, and which is about to be
    /// committed on `cause_lane`: for what that lane did before the cause, as far as it returned before the effect. Gives the last of that if it is
    /// waited for.
    pub(crate) fn late(&mut self, effect: Place, cause_lane: u32) -> Option<Place> {
        if effect.lane == cause_lane || effect.op >= self.next(effect.lane).op {
            return None;
        }
        let moment = self.moments[effect.lane as usize][effect.op as usize];
        let done = self.moments[cause_lane as usize].partition_point(|m| *m < moment) as u32;
        if done == 0 {
            return None;
        }
        let op = self.lanes[effect.lane as usize].ops[effect.op as usize];
        let old = op.first_wait as usize..op.first_wait as usize + usize::from(op.wait_count);
        let mut waits = self.waits[old.clone()].iter();
        let covered = waits.any(|w| w.lane == cause_lane && w.done >= done);
        let cause = Place {
            lane: cause_lane,
            op: done - 1,
        };
        if covered || op.wait_count == u16::MAX || self.waits.len() > WAITS_LIMIT {
            return None;
        }
        let first = self.waits.len() as u32;
        self.waits.extend_from_within(old);
        self.waits.push(WaitFor {
            lane: cause_lane,
            done,
        });
        self.lanes[cause_lane as usize].ops[done as usize - 1].published = true;
        let op = &mut self.lanes[effect.lane as usize].ops[effect.op as usize];
        op.first_wait = first;
        op.wait_count += 1;
        Some(cause)
    }

    /// An op that was committed.
    pub(crate) fn op_mut(&mut self, place: Place) -> Option<&mut Op> {
        let lane = self.lanes.get_mut(place.lane as usize)?;
        lane.ops.get_mut(place.op as usize)
    }
}

fn exit_of(lanes: &[Lane], lane: u32, op: u32) -> u64 {
    let time = lanes[lane as usize].times[op as usize];
    time.entry.saturating_add(time.duration)
}

/// The last op of a lane before `op` that had returned when `horizon` events had.
fn last_before(moments: &[Vec<u32>], lane: u32, op: u32, horizon: u32) -> Option<Place> {
    let moments = &moments[lane as usize][..op as usize];
    // Nearly always one of the last few; a halving search bounds the rest.
    let near = moments.len().saturating_sub(8);
    let found = match moments[near..].iter().rposition(|m| *m < horizon) {
        Some(at) => near + at + 1,
        None => moments[..near].partition_point(|m| *m < horizon),
    };
    (found > 0).then(|| Place {
        lane,
        op: found as u32 - 1,
    })
}

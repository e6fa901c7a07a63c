//! The accesses to one resource that a later one may have to wait for.

use super::super::hash::FastMap;
use super::access::{Access, OpId, Side};

/// One of the first few accesses.
#[derive(Clone, Copy, Debug)]
struct Near {
    lane: u32,
    /// Index of the op; [`WRITE`] is set where it changes.
    op: u32,
}

const WRITE: u32 = 1 << 31;
/// The lane of an unused access.
const NOBODY: u32 = u32::MAX;
const UNUSED: Near = Near {
    lane: NOBODY,
    op: 0,
};

/// The latest accesses of lanes, by lane: who looks has nothing to do with the others that look.
#[derive(Debug, Default)]
struct Far {
    reads: FastMap<u32, u32>,
    writes: FastMap<u32, u32>,
}

/// The accesses to one resource that a later one may have to wait for: of each lane the last that
/// looked and the last that changed.
#[derive(Debug)]
pub(crate) struct Frontier {
    near: [Near; 2],
    // Few resources are used by many lanes: a thin pointer keeps the others small.
    far: Option<Box<Far>>,
}

impl Default for Frontier {
    fn default() -> Frontier {
        Frontier {
            near: [UNUSED; 2],
            far: None,
        }
    }
}

/// Whether two accesses, of which the earlier one wrote, have an order.
fn meets(wrote: bool, side: Side) -> bool {
    let writes = side != Side::Read;
    wrote != writes || side == Side::Write
}

impl Frontier {
    /// The most ops of a lane that accesses can name.
    pub(crate) const MOST_OPS: u32 = WRITE - 1;

    /// Goes through the accesses of other lanes that `me` has to come after: `keep` says whether a
    /// later one than `me` may have to wait for them, too. With `register`, `me` is noted, and
    /// replaces earlier ones of its lane.
    #[inline]
    pub(crate) fn meet(&mut self, me: Access, register: bool, mut keep: impl FnMut(OpId) -> bool) {
        let lane = me.id.lane;
        let writes = me.side != Side::Read;
        // A change replaces what it waited for: it stands for that.
        let replaces = register && me.side == Side::Write;
        for near in &mut self.near {
            let wrote = near.op & WRITE != 0;
            let is_over = if near.lane == NOBODY {
                false
            } else if near.lane == lane {
                register && (wrote == writes || replaces)
            } else {
                meets(wrote, me.side) && !keep(near.id()) && replaces
            };
            if is_over {
                *near = UNUSED;
            }
        }
        if let Some(far) = &mut self.far {
            far.meet(me, register, keep);
            if far.reads.is_empty() && far.writes.is_empty() {
                self.far = None;
            }
        }
        if register {
            self.note(me);
        }
    }

    fn note(&mut self, me: Access) {
        let OpId { lane, op } = me.id;
        let writes = me.side != Side::Read;
        let mark = if writes { WRITE } else { 0 };
        match self.near.iter_mut().find(|near| near.lane == NOBODY) {
            Some(free) => {
                *free = Near {
                    lane,
                    op: op | mark,
                }
            }
            None => {
                let far = self.far.get_or_insert_default();
                far.side(writes).insert(lane, op);
            }
        }
    }
}

impl Near {
    fn id(self) -> OpId {
        OpId {
            lane: self.lane,
            op: self.op & !WRITE,
        }
    }
}

impl Far {
    fn side(&mut self, writes: bool) -> &mut FastMap<u32, u32> {
        if writes {
            &mut self.writes
        } else {
            &mut self.reads
        }
    }

    fn meet(&mut self, me: Access, register: bool, mut keep: impl FnMut(OpId) -> bool) {
        let lane = me.id.lane;
        let replaces = register && me.side == Side::Write;
        for wrote in [false, true] {
            let same = wrote == (me.side != Side::Read);
            let side = self.side(wrote);
            if register && (same || replaces) {
                side.remove(&lane);
            }
            if meets(wrote, me.side) {
                side.retain(|other, op| {
                    let id = OpId {
                        lane: *other,
                        op: *op,
                    };
                    *other == lane || keep(id) || !replaces
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meet(frontier: &mut Frontier, lane: u32, op: u32, side: Side) -> Vec<u32> {
        let mut met = Vec::new();
        let id = OpId { lane, op };
        frontier.meet(Access { id, side }, true, |cause| {
            met.push(cause.lane);
            false
        });
        met.sort_unstable();
        met
    }

    #[test]
    fn looking_waits_for_changes_and_a_change_for_all() {
        let mut frontier = Frontier::default();
        assert!(meet(&mut frontier, 0, 0, Side::Write).is_empty());
        for lane in 1..5 {
            assert_eq!(meet(&mut frontier, lane, 0, Side::Read), [0]);
        }
        assert_eq!(meet(&mut frontier, 1, 1, Side::Join), [2, 3, 4]);
        assert_eq!(meet(&mut frontier, 2, 1, Side::Join), [1, 3, 4]);
        assert_eq!(
            meet(&mut frontier, 5, 0, Side::Write),
            [0, 1, 1, 2, 2, 3, 4]
        );
        assert_eq!(meet(&mut frontier, 3, 1, Side::Read), [5]);
    }

    #[test]
    fn looking_costs_no_more_where_many_others_look() {
        let mut frontier = Frontier::default();
        let (mut asked, lanes) = (0, 1000);
        for op in 0..3 {
            for lane in 0..lanes {
                let id = OpId { lane, op };
                let me = Access {
                    id,
                    side: Side::Read,
                };
                frontier.meet(me, true, |_| {
                    asked += 1;
                    true
                });
            }
        }
        assert_eq!(asked, 0);
        assert_eq!(
            meet(&mut frontier, lanes, 0, Side::Write).len(),
            lanes as usize
        );
    }

    #[test]
    fn an_access_of_a_lane_replaces_its_earlier_one_wherever_that_stands() {
        let mut frontier = Frontier::default();
        for op in 0..4 {
            for lane in 0..6 {
                meet(&mut frontier, lane, op, Side::Read);
            }
        }
        let mut last = Vec::new();
        let me = Access {
            id: OpId { lane: 9, op: 0 },
            side: Side::Write,
        };
        frontier.meet(me, true, |cause| {
            last.push((cause.lane, cause.op));
            false
        });
        last.sort_unstable();
        assert!(last.iter().copied().eq((0..6).map(|lane| (lane, 3))));
    }
}

//! All ways in which a replay of a plan may go.

use std::collections::HashSet;

use super::history::{Held, excludes, release};
use crate::plan::{Action, Plan};

/// Where a replay may be: how far each lane is, what each slot holds, who holds which lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    done: Vec<usize>,
    slots: Vec<usize>,
    held: [Vec<Held>; 2],
}

pub(super) fn bytes(start: i64, length: i64) -> (u64, u64) {
    let last = if length == 0 {
        u64::MAX
    } else {
        (start + length - 1) as u64
    };
    (start as u64, last)
}

/// Whether a description that an op opened reads, or writes: the kernel asks for that.
pub(super) fn can_lock(plan: &Plan, opened: usize, exclusive: bool) -> bool {
    let op = plan.op((opened >> 16) - 1, opened & 0xffff);
    let Action::Open { flags, .. } = op.action else {
        return false;
    };
    let lacks = if exclusive {
        libc::O_RDONLY
    } else {
        libc::O_WRONLY
    };
    flags & libc::O_ACCMODE != lacks
}

/// What a lane's next op makes of a state; nothing if it has to wait.
pub(super) fn advance(plan: &Plan, state: &State, lane: usize) -> Option<State> {
    let at = state.done[lane];
    if at == plan.lanes[lane].len() {
        return None;
    }
    let mut waits = plan.lanes[lane].waits_of(at).iter();
    if waits.any(|w| state.done[w.until.lane as usize] < w.until.done as usize) {
        return None;
    }
    let op = plan.op(lane, at);
    let mut next = state.clone();
    next.done[lane] += 1;
    let take = |next: &mut State, kind: usize, owner, range, exclusive| {
        if kind == 0 {
            release(&mut next.held[kind], owner, range);
        }
        let excluded = excludes(&next.held[kind], owner, range, exclusive);
        assert_eq!(excluded, op.expected < 0, "{op:?} of lane {lane} at {at}");
        if !excluded {
            release(&mut next.held[kind], owner, range);
            next.held[kind].push((owner, range, exclusive));
        }
    };
    match op.action {
        // A description has the number of the op that opened it.
        Action::Open { out, .. } => next.slots[out.0 as usize] = (lane + 1) << 16 | at,
        Action::Dup { fd, out, .. } => next.slots[out.0 as usize] = next.slots[fd.0 as usize],
        Action::Close { fd } => {
            let closed = std::mem::take(&mut next.slots[fd.0 as usize]);
            assert!(closed != 0, "{op:?} of lane {lane} at {at}");
            if !next.slots.contains(&closed) {
                release(&mut next.held[0], closed, (0, u64::MAX));
                release(&mut next.held[1], closed, (0, u64::MAX));
            }
        }
        Action::Flock { fd, operation } => {
            let owner = next.slots[fd.0 as usize];
            match operation & !libc::LOCK_NB {
                libc::LOCK_UN => release(&mut next.held[0], owner, (0, u64::MAX)),
                kind => take(&mut next, 0, owner, (0, u64::MAX), kind == libc::LOCK_EX),
            }
        }
        Action::Lock {
            fd,
            kind,
            start,
            length,
            ..
        } => {
            let (owner, range) = (next.slots[fd.0 as usize], bytes(start, length));
            match i32::from(kind) {
                libc::F_UNLCK => release(&mut next.held[1], owner, range),
                kind => {
                    let exclusive = kind == libc::F_WRLCK;
                    assert!(can_lock(plan, owner, exclusive), "{op:?}");
                    take(&mut next, 1, owner, range, exclusive);
                }
            }
        }
        _ => {}
    }
    next.held.iter_mut().for_each(|held| held.sort_unstable());
    Some(next)
}

/// Goes to all states that a replay of a plan may come to.
pub(super) fn explore(plan: &Plan) {
    let first = State {
        done: vec![0; plan.lanes.len()],
        slots: vec![0; plan.slots as usize],
        held: [Vec::new(), Vec::new()],
    };
    let mut seen = HashSet::from([first.clone()]);
    let mut left = vec![first];
    while let Some(state) = left.pop() {
        let mut stands_still = true;
        for lane in 0..plan.lanes.len() {
            if let Some(next) = advance(plan, &state, lane) {
                stands_still = false;
                if seen.insert(next.clone()) {
                    left.push(next);
                }
            }
        }
        let ended = state.done.iter().zip(&plan.lanes);
        let all_ended = ended.into_iter().all(|(done, lane)| *done == lane.len());
        assert!(!stands_still || all_ended, "stands still at {state:?}");
    }
}

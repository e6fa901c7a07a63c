//! What several plans of one trace do at the same place: all that none of them moves.

use std::path::Path;

use fsreplay_trace::call::{ArgKind, Call};

use crate::below::is_below;
use crate::plan::{Op, Plan};

/// For each plan and each of its ops, whether all plans make it at the same place. Nothing of plans
/// whose calls are not the same ones.
pub fn common(plans: &[Plan]) -> Vec<Vec<bool>> {
    let Some((first, others)) = plans.split_first() else {
        return Vec::new();
    };
    if others.iter().any(|other| !is_alike(first, other)) {
        return vec![Vec::new(); plans.len()];
    }
    let each = plans.iter();
    each.map(|plan| {
        let is_common = |place: &Vec<u8>| {
            let target = target(first, place);
            others
                .iter()
                .all(|other| self::target(other, place) == target)
        };
        let places: Vec<bool> = plan.places.iter().map(is_common).collect();
        let is_there = |op: &Op| {
            is_about_one(op.call)
                && places
                    .get(op.place as usize)
                    .is_some_and(|is_there| *is_there)
        };
        plan.ops.iter().map(is_there).collect()
    })
    .collect()
}

/// Whether a call names one file only. Of two, one may be moved.
fn is_about_one(call: Call) -> bool {
    let has = |kind| call.row().position(kind).is_some();
    !has(ArgKind::NewPath) && !has(ArgKind::FdIn) && call != Call::ioctl
}

/// Whether two plans make the same calls in the same recorded directories.
fn is_alike(one: &Plan, other: &Plan) -> bool {
    one.places == other.places
        && one.lanes.len() == other.lanes.len()
        && (0..one.lanes.len()).all(|lane| {
            one.lanes[lane].len() == other.lanes[lane].len()
                && (one.ops_of(lane))
                    .zip(other.ops_of(lane))
                    .all(|(a, b)| (a.call, a.place) == (b.call, b.place))
        })
}

/// The directory of a target that holds a recorded directory.
fn target<'p>(plan: &'p Plan, place: &[u8]) -> Option<&'p Path> {
    let roots = plan.roots.iter();
    let holding = roots.filter(|root| is_below(place, &root.recorded));
    let nearest = holding.max_by_key(|root| root.recorded.len());
    nearest.map(|root| root.target.as_path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Action, Lane, Pace, Root, Slot};

    fn plan(moved_to: &str, calls: &[(Call, u32)]) -> Plan {
        let root = |recorded: &str, target: &str| Root {
            recorded: recorded.into(),
            target: target.into(),
        };
        let ops = calls.iter().map(|(call, place)| Op {
            place: *place,
            ..Op::new(Action::Close { fd: Slot(0) }, *call)
        });
        Plan {
            roots: vec![root("/", "/tmp"), root("/w", moved_to)],
            places: [&b"/"[..], b"/w", b"/w/src", b"/wide"]
                .map(Vec::from)
                .into(),
            ops: ops.collect(),
            lanes: vec![Lane::of(calls.iter().map(|_| Pace::NONE))],
            ..Plan::default()
        }
    }

    #[test]
    fn what_lies_outside_of_all_that_is_moved_is_common() {
        let calls = [0, 1, 2, 3, u32::MAX].map(|place| (Call::openat, place));
        let plans = [plan("/disk", &calls), plan("/memory", &calls)];
        let outside = [true, false, false, true, false];
        assert_eq!(common(&plans), [outside, outside]);
        // Nothing is moved to anywhere else.
        let plans = [plan("/disk", &calls), plan("/disk", &calls)];
        assert_eq!(common(&plans)[0], [true, true, true, true, false]);
    }

    #[test]
    fn what_names_two_files_may_cross_to_what_is_moved() {
        let calls = [Call::renameat2, Call::mkdir, Call::sendfile].map(|call| (call, 0));
        let plans = [plan("/disk", &calls), plan("/memory", &calls)];
        assert_eq!(common(&plans)[1], [false, true, false]);
    }

    #[test]
    fn of_plans_with_other_calls_nothing_is() {
        let one = plan("/disk", &[(Call::openat, 0)]);
        for other in [
            plan("/disk", &[(Call::mkdir, 0)]),
            plan("/disk", &[(Call::openat, 1)]),
            plan("/disk", &[(Call::openat, 0), (Call::openat, 0)]),
        ] {
            assert_eq!(
                common(&[one.clone(), other]),
                [vec![], vec![]] as [Vec<bool>; 2]
            );
        }
    }
}

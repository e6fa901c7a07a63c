//! Which ops each thread does. A task's ops are done by a thread of its own, started where the task
//! was started: the scheduler places a task, and those that it wakes, by what it did before, and a
//! thread that stands by from the start has done nothing for long. On file systems that another
//! process serves, this decides whether a request stays on its processor or crosses to another one,
//! which costs several times as much.

use crate::plan::{Lane, Plan};

/// The ops of one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// On this lane.
    pub lane: usize,
    /// The first of them.
    pub first: usize,
    /// One beyond the last.
    pub end: usize,
}

/// All parts of a plan.
#[derive(Debug, PartialEq, Eq)]
pub struct Parts {
    /// Those that nothing in the plan starts.
    pub roots: Vec<Part>,
    /// For each lane: after how many of its ops a part is started, in that order.
    started: Vec<Vec<(usize, Part)>>,
}

/// A place where a lane's ops become another task's, and the lane and number of ops that it is
/// started after.
pub(crate) type Cut = (usize, Option<(usize, usize)>);

impl Parts {
    /// From the births of tasks.
    pub fn of(plan: &Plan) -> Parts {
        let mut parts = Parts {
            roots: Vec::new(),
            started: vec![Vec::new(); plan.lanes.len()],
        };
        for (lane, cuts) in cuts(plan).into_iter().enumerate() {
            let all = plan.lanes[lane].len();
            let ends: Vec<usize> = cuts.iter().skip(1).map(|cut| cut.0).chain([all]).collect();
            for ((first, parent), end) in cuts.into_iter().zip(ends) {
                let part = Part { lane, first, end };
                match parent {
                    Some((parent, done)) => parts.started[parent].push((done, part)),
                    None => parts.roots.push(part),
                }
            }
        }
        for started in &mut parts.started {
            started.sort_by_key(|(done, _)| *done);
        }
        parts
    }

    /// Whether there is nothing but one part.
    pub fn is_one(&self) -> bool {
        self.roots.len() == 1 && self.started.iter().all(Vec::is_empty)
    }

    /// What a part starts: after how many of its lane's ops.
    pub fn started_by(&self, part: Part) -> &[(usize, Part)] {
        let all = &self.started[part.lane];
        let until = |ops: usize| all.partition_point(|(done, _)| *done <= ops);
        &all[until(part.first)..until(part.end)]
    }
}

/// By lane, in order; a lane begins with one.
pub(crate) fn cuts(plan: &Plan) -> Vec<Vec<Cut>> {
    let ops = |lane: u32| plan.lanes.get(lane as usize).map_or(0, Lane::len);
    let mut cuts: Vec<Vec<Cut>> = vec![vec![(0, None)]; plan.lanes.len()];
    for birth in &plan.births {
        let parent = (birth.after.lane as usize, birth.after.done as usize);
        let first = birth.op as usize;
        let is_known = first < ops(birth.lane) && (1..=ops(birth.after.lane)).contains(&parent.1);
        if !is_known || birth.after.lane == birth.lane {
            continue;
        }
        let cuts = &mut cuts[birth.lane as usize];
        match cuts.last_mut() {
            // A task without ops leaves its place to the next one.
            Some((at, by)) if *at == first => *by = Some(parent),
            _ => cuts.push((first, Some(parent))),
        }
    }
    for cuts in &mut cuts {
        cuts.sort_unstable_by_key(|cut| cut.0);
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Action, Birth, Op, Pace, WaitFor};
    use fsreplay_trace::call::Call;

    fn plan(ops: &[usize], births: &[(u32, u32, u32, u32)]) -> Plan {
        let op = Op::new(Action::Nothing, Call::read);
        let birth = |(parent, done, lane, op): &(u32, u32, u32, u32)| Birth {
            after: WaitFor {
                lane: *parent,
                done: *done,
            },
            lane: *lane,
            op: *op,
        };
        let mut plan = Plan {
            lanes: vec![Lane::default(); ops.len()],
            births: births.iter().map(birth).collect(),
            ..Plan::default()
        };
        for (lane, count) in ops.iter().enumerate() {
            (0..*count).for_each(|_| plan.push(lane, op, 0, Pace::NONE));
        }
        plan
    }

    fn part(lane: usize, first: usize, end: usize) -> Part {
        Part { lane, first, end }
    }

    #[test]
    fn tasks_on_one_lane_are_parts_started_by_their_parents() {
        let parts = Parts::of(&plan(&[9, 5], &[(0, 2, 1, 0), (0, 6, 1, 3)]));
        assert_eq!(parts.roots, [part(0, 0, 9)]);
        let started = [(2, part(1, 0, 3)), (6, part(1, 3, 5))];
        assert_eq!(parts.started_by(part(0, 0, 9)), started);
        assert!(parts.started_by(part(1, 0, 3)).is_empty());
        assert!(!parts.is_one());
    }

    #[test]
    fn a_part_starts_only_what_its_own_ops_start() {
        let births = [(0, 1, 1, 0), (1, 1, 2, 0), (0, 3, 1, 2), (1, 4, 2, 1)];
        let parts = Parts::of(&plan(&[4, 5, 2], &births));
        assert_eq!(parts.started_by(part(1, 0, 2)), [(1, part(2, 0, 1))]);
        assert_eq!(parts.started_by(part(1, 2, 5)), [(4, part(2, 1, 2))]);
    }

    #[test]
    fn tasks_without_ops_start_nothing_and_those_without_a_parent_stand_at_the_beginning() {
        let parts = Parts::of(&plan(
            &[3, 2, 4],
            &[(0, 1, 1, 0), (0, 2, 1, 0), (0, 3, 1, 2)],
        ));
        assert_eq!(parts.roots, [part(0, 0, 3), part(2, 0, 4)]);
        assert_eq!(parts.started_by(part(0, 0, 3)), [(2, part(1, 0, 2))]);
        assert!(Parts::of(&plan(&[3], &[])).is_one());
    }
}

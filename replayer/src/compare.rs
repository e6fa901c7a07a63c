//! Compares outcomes with the recorded ones and groups what differs.

use std::collections::{BTreeMap, BTreeSet};

use fsreplay_results::play::{Divergence, DivergenceGroup, Failures};
use rustix::io::Errno;

use crate::error::is_failing;
use crate::execute::{Run, Sample};
use crate::plan::{Action, Check, Op, Plan, Slot};

/// Examples kept of each group.
const EXAMPLES: usize = 5;

/// Groups of divergences, the largest first, and the number of events that diverged.
pub fn compare(plan: &Plan, run: &Run, roots: &[Vec<u8>]) -> (Vec<DivergenceGroup>, u64) {
    let mut groups = Groups {
        plan,
        by_cause: BTreeMap::new(),
    };
    let mut listings = vec![(0i64, 0i64, None); plan.listings as usize];
    for (number, (lane, run)) in plan.lanes.iter().zip(&run.lanes).enumerate() {
        let failed: BTreeSet<u32> = lane.fallbacks.iter().map(|f| f.failed).collect();
        for (index, op) in plan.ops_of(number).enumerate() {
            let sample = run.samples.get(index, op);
            // Where what had failed goes well, the replay goes on as the tool would.
            let is_followed = sample.result >= 0 && failed.contains(&(index as u32));
            if sample.result == Sample::NOT_ISSUED || is_followed {
                continue;
            }
            let expected = expectation(op, roots);
            match op.check {
                Check::Nothing => {}
                Check::Listing => match op.action {
                    Action::ListDirectory { listing, .. }
                        if expected >= 0 && sample.result >= 0 =>
                    {
                        if let Some(sum) = listings.get_mut(listing as usize) {
                            let at = (number, index);
                            *sum = (sum.0 + expected, sum.1 + sample.result, Some(at));
                        }
                    }
                    _ if expected != sample.result => {
                        groups.add((number, index), expected, sample.result);
                    }
                    _ => {}
                },
                Check::Success if expected >= 0 && sample.result >= 0 => {}
                Check::Success | Check::Exact
                    if expected != sample.result && !refuses_clone(op, expected, sample.result) =>
                {
                    groups.add((number, index), expected, sample.result);
                }
                Check::Success | Check::Exact => {}
            }
        }
    }
    for (expected, got, at) in listings {
        if let Some(at) = at.filter(|_| expected != got) {
            groups.add(at, expected, got);
        }
    }
    groups.largest_first()
}

/// Divergences by call and cause.
struct Groups<'p> {
    plan: &'p Plan,
    by_cause: BTreeMap<(&'static str, &'static str), DivergenceGroup>,
}

impl Groups<'_> {
    /// Counts the divergence of an op, given by its lane and its index there.
    fn add(&mut self, (lane, index): (usize, usize), expected: i64, got: i64) {
        let plan = self.plan;
        let op = plan.op(lane, index);
        let cause = cause(op, expected, got);
        let name = op.call.name();
        let group = self
            .by_cause
            .entry((name, cause))
            .or_insert_with(|| DivergenceGroup {
                call: name.to_owned(),
                cause: cause.to_owned(),
                count: 0,
                examples: Vec::new(),
                failures: Vec::new(),
            });
        group.count += 1;
        if expected >= 0 && got < 0 {
            let path = || path_of(plan, lane, index);
            add_failure(&mut group.failures, &op.action, -got as i32, path);
        }
        if group.examples.len() < EXAMPLES {
            group.examples.push(Divergence {
                event: plan.event(lane, index).unwrap_or(u32::MAX),
                path: path_of(plan, lane, index),
                expected,
                got,
            });
        }
    }

    /// The groups, and how many divergences they hold.
    fn largest_first(self) -> (Vec<DivergenceGroup>, u64) {
        let mut groups: Vec<DivergenceGroup> = self.by_cause.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        let count = groups.iter().map(|group| group.count).sum();
        (groups, count)
    }
}

/// Counts a call that failed and had succeeded.
fn add_failure(
    failures: &mut Vec<Failures>,
    action: &Action,
    errno: i32,
    path: impl FnOnce() -> String,
) {
    let on_locks = matches!(action, Action::Lock { .. } | Action::Flock { .. });
    let mut known = failures.iter_mut();
    match known.find(|known| known.errno == errno && known.on_locks == on_locks) {
        Some(known) => known.count += 1,
        None => failures.push(Failures {
            errno,
            on_locks,
            count: 1,
            path: path(),
        }),
    }
}

/// Whether a call failed, as it hadn't when it was recorded, in a way that tells of a failing
/// target.
pub(crate) fn is_struck(plan: &Plan, run: &Run) -> bool {
    let mut lanes = run.lanes.iter().enumerate();
    lanes.any(|(lane, run)| {
        let mut ops = plan.ops_of(lane).enumerate();
        ops.any(|(index, op)| {
            let sample = run.samples.get(index, op);
            (-4095..0).contains(&sample.result)
                && sample.result != op.expected
                && is_failing(Errno::from_raw_os_error(-sample.result as i32))
        })
    })
}

/// Ops that the replay left out, because what they were a fallback for went well here.
pub fn left_out(plan: &Plan, run: &Run) -> u64 {
    let lanes = plan.lanes.iter().zip(&run.lanes).enumerate();
    let left_out = lanes.map(|(number, (lane, run))| {
        let sample = |op: usize| run.samples.get(op, plan.op(number, op));
        let went_well = |op: u32| (op as usize) < lane.len() && sample(op as usize).result >= 0;
        let fallbacks = lane.fallbacks.iter();
        fallbacks.filter(|f| went_well(f.failed)).count() as u64
    });
    left_out.sum()
}

/// What an op should give: a link that was rewritten is longer by its root's directory.
fn expectation(op: &Op, roots: &[Vec<u8>]) -> i64 {
    match op.action {
        Action::ReadLink {
            length,
            target_root: Some(root),
            ..
        } if op.expected >= 0 => {
            let prefix = roots.get(usize::from(root)).map_or(0, Vec::len) as i64;
            (op.expected + prefix).min(length as i64)
        }
        _ => op.expected,
    }
}

/// Whether a file could be cloned neither then nor now: file systems that share no blocks and two
/// mounts refuse in different words, and a tool copies in either case.
fn refuses_clone(op: &Op, expected: i64, got: i64) -> bool {
    let is_clone = matches!(op.action, Action::Clone { .. } | Action::CloneRange { .. });
    let words = [libc::EOPNOTSUPP, libc::EXDEV].map(|errno| -i64::from(errno));
    is_clone && words.contains(&expected) && words.contains(&got)
}

fn cause(op: &Op, expected: i64, got: i64) -> &'static str {
    let failed = got < 0 && expected >= 0;
    if op.call.row().is_lacking(-got as i32) {
        return DivergenceGroup::LACKING;
    }
    match -got as i32 {
        libc::EOPNOTSUPP | libc::ENOTTY | libc::ENOSYS if failed => {
            "not supported by this file system"
        }
        libc::EINVAL if failed => "not supported by this file system in this form",
        libc::EPERM | libc::EACCES if failed => "not permitted to this user",
        libc::ENOENT if failed => "the name is not there",
        libc::EEXIST if failed => "the name is there already",
        libc::ENOTEMPTY if failed => "the directory is not empty",
        libc::EXDEV if failed => "crosses file systems",
        libc::ENOSPC | libc::EDQUOT if failed => "no space",
        libc::EIO if failed => "an input/output error of this file system",
        libc::EROFS if failed => "read-only there",
        libc::EMFILE | libc::ENFILE if failed => "too many open files (ulimit -n)",
        libc::EFBIG if failed => "larger than files may be there (or ulimit -f)",
        libc::EBADF if failed => "follows from an earlier failure on this descriptor",
        libc::EAGAIN if failed => "a lock is held by another",
        _ if failed => "failed, had succeeded",
        _ if got >= 0 && expected < 0 => "succeeded, had failed",
        _ if got < 0 => "failed for another reason",
        _ if op.check == Check::Listing => "the directory holds other names",
        _ => "another number",
    }
}

/// The path that an op names, or that the descriptor was opened by on which it works, as far as its
/// own lane tells; for people. Empty if there is none.
fn path_of(plan: &Plan, lane: usize, index: usize) -> String {
    let action = &plan.op(lane, index).action;
    let Some(mut slot) = worked_on(action) else {
        return path(plan, action);
    };
    for at in (0..index).rev() {
        let earlier = plan.op(lane, at);
        match earlier.action {
            Action::Open { out, .. } if out == slot => return path(plan, &earlier.action),
            Action::Dup { fd, out, .. } if out == slot => slot = fd,
            _ => {}
        }
    }
    String::new()
}

/// The descriptor of calls whose failure is a matter of the file.
fn worked_on(action: &Action) -> Option<Slot> {
    match *action {
        Action::Map { fd, .. }
        | Action::Flock { fd, .. }
        | Action::Lock { fd, .. }
        | Action::Fcntl { fd, .. }
        | Action::Write { fd, .. }
        | Action::PositionedWrite { fd, .. }
        | Action::FdTruncate { fd, .. }
        | Action::Allocate { fd, .. }
        | Action::Fsync { fd }
        | Action::ListDirectory { fd, .. }
        | Action::Clone { fd, .. }
        | Action::CopyRange { fd, .. } => Some(fd),
        _ => None,
    }
}

/// The path that an action names, for people; empty if it names none.
fn path(plan: &Plan, action: &Action) -> String {
    let Some(at) = action.paths().next() else {
        return String::new();
    };
    String::from_utf8_lossy(plan.bytes(at.path)).into_owned()
}

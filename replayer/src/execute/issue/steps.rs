//! Paths that are too long for a call: gone in steps.
//!
//! A tool comes to a place deeper than a path may be long by names of single directories, and from
//! there upwards by `..`. No issued path has that (docs/security.md), so the place is named from
//! the top of the tree, which the kernel may find too long.

use std::os::fd::RawFd;
use std::sync::atomic::Ordering;

use super::Issuer;
use crate::plan::{At, Op, Slot, Text};
use crate::sys;

/// What a call with such a path gives, before anything is done.
pub const TOO_LONG: i64 = -(libc::ENAMETOOLONG as i64);

/// Slots that each lane has for it, behind those of the plan: an action names two paths at most.
pub const STEPS: usize = 2;

/// Bytes that one step goes at most: half of what the kernel takes, for the path to a root or a
/// descriptor may stand before it.
const LONGEST: usize = 2048;

impl Issuer<'_> {
    /// Issues an op again whose path was too long, from directories near its end. `begin` is the
    /// time when these are open.
    #[cold]
    pub fn issue_in_steps(&mut self, index: usize, op: &Op, begin: &mut u64) -> i64 {
        let first = self.shared.slots.len() - STEPS * (self.shared.plan.lanes.len() - self.lane);
        let mut action = op.action;
        let mut is_nearer = false;
        for (number, at) in action.paths_mut().enumerate() {
            if let Some(near) = self.nearer(*at, first + number) {
                *at = near;
                is_nearer = true;
            }
        }
        let mut result = TOO_LONG;
        if is_nearer {
            *begin = self.shared.clock.ticks();
            result = self.issue(index, &action, op.expected, begin);
        }
        (first..first + STEPS).for_each(|slot| self.hold(slot, -1));
        result
    }

    /// The same place, from a directory that is kept in a slot; `None` if it is near already, or
    /// not to be reached.
    fn nearer(&self, at: At, slot: usize) -> Option<At> {
        let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
        let mut near = None;
        let mut from = at;
        while let Some((end, next)) = step_of(self.shared.plan.bytes(from.path)) {
            let step = sys::Texts::new(self.shared.plan.bytes(from.path)[..end].to_vec());
            let directory = sys::open(self.fd(from.dir), step.at(0), flags, 0, 0);
            self.hold(slot, directory.max(-1) as RawFd);
            if directory < 0 {
                return None;
            }
            from = At {
                dir: Slot(slot as u32),
                path: Text(from.path.0 + next as u32),
            };
            near = Some(from);
        }
        near
    }

    /// Puts a descriptor, or none (-1), into a slot, and closes what was there.
    fn hold(&self, slot: usize, fd: RawFd) {
        let before = self.shared.slots[slot].swap(fd, Ordering::Relaxed);
        if before >= 0 {
            sys::close(before);
        }
    }
}

/// Where the first step along a path ends, and where what is left begins: with a name, for a slash
/// would lead out. `None` if the path is short, or one name.
fn step_of(path: &[u8]) -> Option<(usize, usize)> {
    let end = path.get(..LONGEST)?.iter().rposition(|b| *b == b'/')?;
    let next = end + path[end..].iter().position(|b| *b != b'/')?;
    (end > 0).then_some((end, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_path_begins_with_a_name() {
        assert_eq!(step_of(b"a/b"), None);
        assert_eq!(step_of(&[b'a'; 5000]), None);
        let parts: [&[u8]; 3] = [&[b'a'; LONGEST - 2], b"////", b"b"];
        assert_eq!(step_of(&parts.concat()), Some((LONGEST - 1, LONGEST + 2)));
        assert_eq!(step_of(&parts[..2].concat()), None);
        let many = b"ab/".repeat(1000);
        assert_eq!(step_of(&many), Some((2045, 2046)));
    }
}

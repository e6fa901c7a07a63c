//! Calls that change something by its path and that Landlock doesn't know: modes, owners, times,
//! extended attributes, truncation.
//!
//! Outside of a mount namespace of the replay's own, what the path leads to is opened with
//! `O_PATH`, the kernel is asked where that is, and the call is made on the descriptor. The opening
//! walks the path, which the call doesn't have to do then, so it stays in the measured time; the
//! question is not in it.

use std::ffi::CStr;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::Issuer;
use crate::fence::is_inside;
use crate::plan::At;
use crate::sys;

/// Where something that is open lies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lies {
    /// In one of the replay's directories.
    Inside,
    /// Elsewhere in a tree, or the kernel doesn't say where.
    Outside,
    /// In no tree: a pipe, a socket, memory.
    Nowhere,
}

impl Issuer<'_> {
    /// Whether a change by path goes through a descriptor. One of an empty path has one already.
    pub(super) fn is_checked(&self, at: At) -> bool {
        !self.shared.is_walled() && !self.text(at.path).is_empty()
    }

    /// Opens what a path leads to, if that is inside; `begin` leaves out the question.
    pub(super) fn held(&mut self, at: At, follow: bool, begin: &mut u64) -> Result<OwnedFd, i64> {
        let (dir, path) = self.at(at);
        let follows = if follow { 0 } else { libc::O_NOFOLLOW };
        let fd = sys::open(dir, path, libc::O_PATH | libc::O_CLOEXEC | follows, 0, 0);
        if fd < 0 {
            return Err(fd);
        }
        let held = sys::own(fd as RawFd);
        if self.lies(held.as_raw_fd(), begin) == Lies::Inside {
            Ok(held)
        } else {
            tracing::error!("a path of the trace led outside of the target; nothing was done");
            Err(-i64::from(libc::EXDEV))
        }
    }

    /// Asks the kernel where lies what is open behind a descriptor; `begin` leaves out the
    /// question.
    pub(super) fn lies(&mut self, fd: RawFd, begin: &mut u64) -> Lies {
        let asked = self.shared.clock.ticks();
        let lies = self.whereabouts(fd);
        *begin += self.shared.clock.ticks().saturating_sub(asked);
        lies
    }

    /// The same, as a part of what is measured.
    pub(super) fn whereabouts(&mut self, fd: RawFd) -> Lies {
        let mut place = [0; libc::PATH_MAX as usize];
        let length = sys::read_link(self.name_of_fd(fd), &mut place);
        let place = usize::try_from(length).map_or(&[][..], |length| &place[..length]);
        let is_placeless = !place.is_empty() && !place.starts_with(b"/");
        if is_inside(place, &self.shared.roots) {
            Lies::Inside
        } else if is_placeless || place.starts_with(b"/memfd:") {
            Lies::Nowhere
        } else {
            Lies::Outside
        }
    }

    /// Whether what is open behind a descriptor may be changed, other than its bytes. Landlock
    /// allows to open what lies outside for reading, and doesn't know changes of modes, owners,
    /// times and attributes. `begin` leaves out the question.
    pub(super) fn may_be_changed(&mut self, fd: RawFd, begin: &mut u64) -> bool {
        let may = self.shared.is_walled() || fd < 0 || self.lies(fd, begin) != Lies::Outside;
        if !may {
            tracing::error!(
                "a descriptor of the trace led outside of the target; nothing was done"
            );
        }
        may
    }

    /// The path by which calls without a form for descriptors reach what is held.
    pub(super) fn name_of(&mut self, held: &OwnedFd) -> &CStr {
        self.name_of_fd(held.as_raw_fd())
    }

    /// The same of a descriptor in a slot.
    pub(super) fn name_of_fd(&mut self, fd: RawFd) -> &CStr {
        self.path.clear();
        // Writing to a Vec can't fail.
        let _ = write!(self.path, "/proc/thread-self/fd/{fd}\0");
        CStr::from_bytes_until_nul(&self.path).unwrap_or(c"")
    }
}

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
        let asked = self.shared.clock.ticks();
        let held = sys::own(fd as RawFd);
        let inside = self.is_inside(&held);
        *begin += self.shared.clock.ticks().saturating_sub(asked);
        if inside {
            Ok(held)
        } else {
            tracing::error!("a path of the trace led outside of the target; nothing was done");
            Err(-i64::from(libc::EXDEV))
        }
    }

    pub(super) fn is_inside(&mut self, held: &OwnedFd) -> bool {
        self.is_fd_inside(held.as_raw_fd())
    }

    /// Whether what is open behind a descriptor lies in one of the replay's directories.
    pub(super) fn is_fd_inside(&mut self, fd: RawFd) -> bool {
        let name = self.name_of_fd(fd);
        let mut place = [0; libc::PATH_MAX as usize];
        let length = sys::read_link(name, &mut place);
        usize::try_from(length).is_ok_and(|length| is_inside(&place[..length], &self.shared.roots))
    }

    /// Whether what is open behind a descriptor may be changed: it lies in one of the replay's
    /// directories, or has no place in a tree (a pipe, a socket, memory). Landlock allows to open
    /// what lies outside for reading, and doesn't know changes of modes, owners, times and
    /// attributes. `begin` leaves out the question.
    pub(super) fn may_be_changed(&mut self, fd: RawFd, begin: &mut u64) -> bool {
        if self.shared.is_walled() || fd < 0 {
            return true;
        }
        let asked = self.shared.clock.ticks();
        let name = self.name_of_fd(fd);
        let mut place = [0; libc::PATH_MAX as usize];
        let length = sys::read_link(name, &mut place);
        let place = usize::try_from(length).map_or(&[][..], |length| &place[..length]);
        let is_placeless = !place.is_empty() && !place.starts_with(b"/");
        let may =
            is_placeless || place.starts_with(b"/memfd:") || is_inside(place, &self.shared.roots);
        *begin += self.shared.clock.ticks().saturating_sub(asked);
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

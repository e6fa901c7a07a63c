//! What tools do where a link, a rename or a copy inside the kernel meets another mount (`EXDEV`):
//! they copy by reading and writing.
//!
//! The outcome stays `EXDEV`, so that it is told; what later calls look for is there, and what the
//! copying takes is in the time of the call.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::Issuer;
use crate::plan::{At, Slot};
use crate::sandbox::{names, remove_all};
use crate::sys;

const CROSSES: i64 = -(libc::EXDEV as i64);
/// Bytes that are read and written at a time, as cp(1) does.
const CHUNK: usize = 256 << 10;
/// Directories within each other that are copied: each takes two descriptors and some stack.
const MOST_LEVELS: usize = 64;

/// A name, by a directory above it.
type Name<'a> = (BorrowedFd<'a>, &'a CStr);

impl Issuer<'_> {
    /// A link; a copy where it crosses mounts, though it didn't when recorded.
    pub(super) fn link(&self, from: At, to: At, flags: i32, expected: i64) -> i64 {
        let ((a, x), (b, y)) = (self.at(from), self.at(to));
        match sys::link(a, x, b, y, flags) {
            CROSSES if expected >= 0 && flags == 0 => self.copied(from, to, false),
            result => result,
        }
    }

    /// A rename; a copy and a removal where it crosses mounts, though it didn't when recorded.
    pub(super) fn rename(&self, from: At, to: At, flags: u32, expected: i64) -> i64 {
        let ((a, x), (b, y)) = (self.at(from), self.at(to));
        match sys::rename(a, x, b, y, flags) {
            CROSSES if expected >= 0 && flags & libc::RENAME_EXCHANGE == 0 => {
                self.copied(from, to, true)
            }
            result => result,
        }
    }

    fn copied(&self, from: At, to: At, is_moved: bool) -> i64 {
        let name = |at: At| {
            let path = self.shared.plan.bytes(at.path);
            let there = self.fd(at.dir) >= 0 && has_last_name(path);
            there.then(|| CString::new(path).ok()).flatten()
        };
        let (Some(source), Some(target)) = (name(from), name(to)) else {
            return CROSSES;
        };
        let source: Name<'_> = (sys::borrow(self.fd(from.dir)), &source);
        let target: Name<'_> = (sys::borrow(self.fd(to.dir)), &target);
        let done = if is_moved {
            give_way(target)
                .and_then(|()| self.copy(source, target, 0))
                .and_then(|()| remove_all(source.0, source.1))
        } else {
            self.copy_linked(source, target)
        };
        done.map_or_else(|error| -i64::from(error.raw_os_error()), |()| CROSSES)
    }

    /// Copies what can have several names. A directory can't: the kernel says only first that it
    /// would be on another mount. Copies of trees, each with those before in it, would soon be
    /// more than any disk holds.
    fn copy_linked(&self, from: Name<'_>, to: Name<'_>) -> Result<(), Errno> {
        let found = rustix::fs::statat(from.0, from.1, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            return Err(Errno::XDEV);
        }
        self.copy(from, to, 0)
    }

    /// Copies a name with all below it. Texts of links stay as they are: they lead nowhere outside,
    /// wherever they stand (`contain`). Ends early where the replay is to stop.
    fn copy(&self, from: Name<'_>, to: Name<'_>, level: usize) -> Result<(), Errno> {
        if self.progress.is_to_stop() {
            return Err(Errno::INTR);
        }
        let found = rustix::fs::statat(from.0, from.1, AtFlags::SYMLINK_NOFOLLOW)?;
        let mode = Mode::from_raw_mode(found.st_mode & 0o7777);
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => self.copy_file(from, to, mode),
            FileType::Symlink => {
                let text = rustix::fs::readlinkat(from.0, from.1, Vec::new())?;
                rustix::fs::symlinkat(text.as_c_str(), to.0, to.1)
            }
            FileType::Directory if level < MOST_LEVELS => {
                rustix::fs::mkdirat(to.0, to.1, mode | Mode::RWXU)?;
                let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
                let source = rustix::fs::openat(from.0, from.1, flags, Mode::empty())?;
                let target = rustix::fs::openat(to.0, to.1, flags, Mode::empty())?;
                for name in names(source.as_fd())? {
                    self.copy((source.as_fd(), &name), (target.as_fd(), &name), level + 1)?;
                }
                rustix::fs::fchmod(&target, mode)
            }
            kind @ (FileType::Fifo | FileType::Socket) => {
                rustix::fs::mknodat(to.0, to.1, kind, mode, 0)
            }
            _ => Err(Errno::XDEV),
        }
    }

    fn copy_file(&self, from: Name<'_>, to: Name<'_>, mode: Mode) -> Result<(), Errno> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let source = rustix::fs::openat(from.0, from.1, flags | OFlags::RDONLY, Mode::empty())?;
        let new = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY;
        let target = rustix::fs::openat(to.0, to.1, flags | new, mode)?;
        let mut bytes = vec![0; CHUNK];
        self.copy_stretches(source.as_raw_fd(), target.as_raw_fd(), |at, length| {
            let most = usize::try_from(length).map_or(CHUNK, |length| length.min(CHUNK));
            let read = rustix::io::pread(&source, &mut bytes[..most], at)?;
            let written = rustix::io::pwrite(&target, &bytes[..read], at)?;
            Ok(written as u64)
        })
    }

    /// A copy inside the kernel at the descriptors' own offsets, by other means where it crosses
    /// file systems, though it didn't when recorded.
    pub(super) fn copy_on(&self, source: Slot, fd: Slot, length: u64, expected: i64) -> i64 {
        let (from, to) = (self.fd(source), self.fd(fd));
        let result = sys::copy_range(from, -1, to, -1, length, 0);
        if result == CROSSES && expected >= 0 {
            let moved = sys::sendfile(to, from, -1, length);
            return if moved < 0 { moved } else { CROSSES };
        }
        result
    }
}

/// Whether a path ends with the name of something: `.` is neither linked nor moved.
fn has_last_name(path: &[u8]) -> bool {
    let last = path.rsplit(|byte| *byte == b'/').next();
    !matches!(last, None | Some(b"" | b"."))
}

/// What a rename would replace goes.
fn give_way((dir, name): Name<'_>) -> Result<(), Errno> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_a_name_is_copied() {
        for named in ["a", "a/b", "./a", "...", "a/.b"] {
            assert!(has_last_name(named.as_bytes()), "{named}");
        }
        for unnamed in ["", ".", "a/.", "a/", "./."] {
            assert!(!has_last_name(unnamed.as_bytes()), "{unnamed}");
        }
    }
}

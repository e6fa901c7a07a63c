//! One action, one system call.

mod data;
mod metadata;
mod names;

use std::ffi::CStr;
use std::os::fd::RawFd;
use std::sync::atomic::Ordering;

use super::Shared;
use crate::plan::{Action, At, Fallback, Slot, Text};
use crate::sys::{self, Scratch, TextRef};

/// Issues the actions of one lane.
pub struct Issuer<'a> {
    shared: &'a Shared<'a>,
    scratch: Scratch,
    /// Absolute path of calls that have no `*at` form.
    path: Vec<u8>,
    rewritten: std::slice::Iter<'a, (u32, u32)>,
    /// Ops of the lane that cloned a file, which they had not when recorded; in order.
    cloned: Vec<u32>,
}

impl<'a> Issuer<'a> {
    /// For one lane; `rewritten` are its links whose text had to be prefixed, in order.
    pub fn new(shared: &'a Shared<'a>, rewritten: &'a [(u32, u32)]) -> Self {
        Issuer {
            shared,
            scratch: Scratch::new(shared.plan.longest_transfer),
            path: Vec::with_capacity(8192),
            rewritten: rewritten.iter(),
            cloned: Vec::new(),
        }
    }

    /// Whether an op of the lane that failed when recorded has gone well.
    pub fn is_needless(&self, fallback: &Fallback) -> bool {
        self.cloned.binary_search(&fallback.failed).is_ok()
    }

    #[inline]
    fn fd(&self, slot: Slot) -> RawFd {
        match slot {
            Slot::NULL => self.shared.null,
            slot => self
                .shared
                .slots
                .get(slot.0 as usize)
                .map_or(-1, |fd| fd.load(Ordering::Relaxed)),
        }
    }

    #[inline]
    fn text(&self, text: Text) -> TextRef<'a> {
        self.shared.texts.at(text.0)
    }

    #[inline]
    fn at(&self, at: At) -> (RawFd, TextRef<'a>) {
        (self.fd(at.dir), self.text(at.path))
    }

    /// Keeps a descriptor in its slot; one that nobody expects is closed again.
    #[inline]
    fn keep(&self, out: Slot, fd: i64) -> i64 {
        if fd >= 0 {
            match self.shared.slots.get(out.0 as usize) {
                Some(slot) => {
                    // Not a swap: ops on one slot are ordered by the plan, and a locked instruction costs.
                    let before = slot.load(Ordering::Relaxed);
                    slot.store(fd as i32, Ordering::Relaxed);
                    if before >= 0 && before != fd as i32 {
                        sys::close(before); // left over after a divergence
                    }
                }
                None => drop(sys::close(fd as i32)),
            }
        }
        fd
    }

    /// An absolute path into the replay directory, made before the time is taken.
    fn absolute(&mut self, at: At, begin: &mut u64) -> &CStr {
        use std::io::Write;
        self.path.clear();
        match self.shared.roots.get(at.dir.0 as usize) {
            Some(root) => self.path.extend_from_slice(root),
            // Descriptors may be the thread's own. Writing to a Vec can't fail.
            None => drop(write!(
                self.path,
                "/proc/thread-self/fd/{}",
                self.fd(at.dir)
            )),
        }
        let relative = self.shared.plan.bytes(at.path);
        if relative.is_empty() {
            // An empty path leads nowhere, and must not lead to the directory.
            self.path.clear();
        } else {
            self.path.push(b'/');
            self.path.extend_from_slice(relative);
        }
        self.path.push(0);
        *begin = self.shared.clock.ticks();
        CStr::from_bytes_until_nul(&self.path).unwrap_or(c"")
    }

    /// Issues an action. `begin` is moved on where something had to be done before the call itself.
    #[inline]
    pub fn issue(&mut self, index: usize, action: &Action, expected: i64, begin: &mut u64) -> i64 {
        use Action::*;
        match *action {
            Nothing => super::Sample::NOT_ISSUED,
            Open {
                at,
                flags,
                mode,
                resolve,
                out,
            } => {
                let (dir, path) = self.at(at);
                let fd = sys::open(dir, path, flags | libc::O_CLOEXEC, mode, resolve);
                self.keep(out, fd)
            }
            Close { fd } => match self.shared.slots.get(fd.0 as usize) {
                Some(slot) => {
                    let fd = slot.load(Ordering::Relaxed);
                    slot.store(-1, Ordering::Relaxed);
                    sys::close(fd)
                }
                None => sys::close(-1),
            },
            Read {
                fd,
                length,
                vectors,
            } => self.scratch.read(self.fd(fd), length, vectors),
            Write {
                fd,
                length,
                vectors,
            } => self.scratch.write(self.fd(fd), length, vectors),
            Stat { at, flags } => {
                let (dir, path) = self.at(at);
                self.scratch.stat(dir, path, flags)
            }
            Statx { at, flags, mask } => {
                let (dir, path) = self.at(at);
                self.scratch.statx(dir, path, flags, mask)
            }
            FdStat { fd } => self.scratch.fstat(self.fd(fd)),
            Seek { fd, offset, whence } => sys::seek(self.fd(fd), offset, whence),
            ListDirectory {
                fd, length, to_end, ..
            } => self.scratch.getdents(self.fd(fd), length, to_end),
            Access { at, mode, flags: 0 } => {
                let (dir, path) = self.at(at);
                sys::access(dir, path, mode)
            }
            Access { at, mode, flags } => {
                let (dir, path) = self.at(at);
                sys::access2(dir, path, mode, flags)
            }
            ReadLink { at, length, .. } => {
                let (dir, path) = self.at(at);
                self.scratch.readlink(dir, path, length)
            }
            PositionedRead {
                fd,
                length,
                vectors,
                offset,
                flags,
            } => self
                .scratch
                .pread(self.fd(fd), length, vectors, offset, flags),
            PositionedWrite {
                fd,
                length,
                vectors,
                offset,
                flags,
            } => self
                .scratch
                .pwrite(self.fd(fd), length, vectors, offset, flags),
            Clone { fd, source } => self.clone_file(index, fd, source, expected),
            _ => self.issue_names(index, action, expected, begin),
        }
    }
}

//! One action, one system call.

mod across;
mod contents;
mod data;
mod held;
mod metadata;
mod names;
mod steps;
mod unnamed;

pub(super) use steps::{STEPS, TOO_LONG};
pub(super) use unnamed::Unnamed;

use std::os::fd::RawFd;
use std::sync::atomic::Ordering;

use super::Shared;
use super::progress::Progress;
use crate::plan::{Action, At, Fallback, Slot, Text};
use crate::sys::{self, Scratch, TextRef};

/// Of so many lanes the buffers are touched beforehand, so that no call finds unmapped memory.
/// Those of thousands would take gigabytes.
const TOUCHED: usize = 256;

/// How far ahead of a text the memory of others is asked for, bytes.
const TEXTS_AHEAD: usize = 256;

/// Issues the actions of one lane.
pub struct Issuer<'a> {
    shared: &'a Shared<'a>,
    progress: &'a Progress<'a>,
    lane: usize,
    scratch: Scratch,
    /// Path of calls that have no `*at` form.
    path: Vec<u8>,
    /// Whether this thread has a working directory of its own.
    roams: bool,
    /// Ops of the lane that cloned a file, which they had not when recorded; in order.
    cloned: Vec<u32>,
}

impl<'a> Issuer<'a> {
    /// For one lane.
    pub fn new(shared: &'a Shared<'a>, progress: &'a Progress<'a>, lane: usize) -> Self {
        Issuer {
            shared,
            progress,
            lane,
            scratch: Scratch::new(
                shared.plan.longest_transfer,
                &shared.pattern,
                lane < TOUCHED,
            ),
            path: Vec::with_capacity(8192),
            roams: false,
            cloned: Vec::new(),
        }
    }

    /// Another thread does the lane's ops from now on; it has the working directory of the one that
    /// started it.
    pub fn handed_on(&mut self) {
        self.roams = false;
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

    /// Texts stand in the order in which they are first named: those that are named next follow
    /// soon.
    #[inline]
    fn text(&self, text: Text) -> TextRef<'a> {
        let text = self.shared.texts.at(text.0);
        text.prefetch_after(TEXTS_AHEAD);
        text
    }

    #[inline]
    fn at(&self, at: At) -> (RawFd, TextRef<'a>) {
        (self.fd(at.dir), self.text(at.path))
    }

    /// Keeps a descriptor in its slot; one that nobody expects is closed again. Where one was
    /// expected and the call failed, the slot holds nothing: not what it held before, of which
    /// the plan believes that it is something else now.
    #[inline]
    fn keep(&self, out: Slot, fd: i64, expected: i64) -> i64 {
        if fd < 0 && expected < 0 {
            return fd;
        }
        let kept = if fd < 0 { -1 } else { fd as RawFd };
        match self.shared.slots.get(out.0 as usize) {
            Some(slot) => {
                // Not a swap: ops on one slot are ordered by the plan, and a locked instruction
                // costs.
                let before = slot.load(Ordering::Relaxed);
                slot.store(kept, Ordering::Relaxed);
                if before >= 0 && before != kept {
                    sys::close(before); // left over after a divergence
                }
            }
            None if kept >= 0 => drop(sys::close(kept)),
            None => {}
        }
        fd
    }

    /// The path of a call that has no `*at` form, left in `self.path`. `begin` is the time after
    /// that.
    ///
    /// In a mount namespace of the replay's own the thread goes to the directory, and the path is
    /// as short as it was; elsewhere it is an absolute one.
    fn reach(&mut self, at: At, begin: &mut u64) {
        use std::io::Write;
        self.path.clear();
        let relative = self.shared.plan.bytes(at.path);
        // An empty path leads nowhere, and must not lead to the directory.
        if !relative.is_empty() {
            if !self.goes_to(at.dir) {
                match self.shared.roots.get(at.dir.0 as usize) {
                    Some(root) => self.path.extend_from_slice(root),
                    // Descriptors may be the thread's own. Writing to a Vec can't fail.
                    None => drop(write!(
                        self.path,
                        "/proc/thread-self/fd/{}",
                        self.fd(at.dir)
                    )),
                }
                self.path.push(b'/');
            }
            self.path.extend_from_slice(relative);
        }
        self.path.push(0);
        *begin = self.shared.clock.ticks();
    }

    /// Whether the thread is in a directory now, because it may go where it wants.
    fn goes_to(&mut self, dir: Slot) -> bool {
        if !self.shared.is_walled() {
            return false;
        }
        self.roams = self.roams || sys::unshare(libc::CLONE_FS) == 0;
        self.roams && sys::fchdir(self.fd(dir)) == 0
    }

    /// Issues an action. `begin` is moved on where something had to be done before the call itself.
    ///
    /// A part of the loop itself: processors guess wrongly where a function returns to after a
    /// system call in which the kernel guards its own returns (on AMD's, "Safe RET"). One such
    /// return took 45 ns.
    #[inline(always)]
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
                let fd = sys::open(dir, path, open_flags(flags), mode, resolve);
                if fd < 0 && expected >= 0 && unnamed::can_not_be(flags, fd) {
                    let instead = self.stand_in(at, flags, mode, out, fd);
                    self.keep(out, instead, expected);
                    return fd;
                }
                self.keep(out, fd, expected)
            }
            Close { fd: named } => match self.shared.slots.get(named.0 as usize) {
                Some(slot) => {
                    let fd = slot.load(Ordering::Relaxed);
                    slot.store(-1, Ordering::Relaxed);
                    let closed = sys::close(fd);
                    self.shared.unnamed.closed(named);
                    closed
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
            _ => self.issue_rest(action, expected, begin),
        }
    }

    /// Issues what is issued less often: to where that is done. An action that nobody issues
    /// doesn't compile.
    fn issue_rest(&mut self, action: &Action, expected: i64, begin: &mut u64) -> i64 {
        use Action::*;
        match action {
            Dup { .. }
            | MakeDir { .. }
            | Unlink { .. }
            | Rename { .. }
            | Link { .. }
            | Symlink { .. }
            | MakeNode { .. }
            | Exec { .. }
            | ChangeDir { .. }
            | FdChangeDir { .. }
            | Watch { .. }
            | NameToHandle { .. }
            | Lock { .. }
            | Flock { .. } => self.issue_names(action, expected, begin),
            ChangeMode { .. }
            | FdChangeMode { .. }
            | ChangeOwner { .. }
            | FdChangeOwner { .. }
            | SetTimes { .. }
            | FdSetTimes { .. }
            | Truncate { .. }
            | StatFs { .. }
            | FdStatFs { .. }
            | GetAttributes { .. }
            | GetXattr { .. }
            | SetXattr { .. }
            | SetAcl { .. }
            | FdSetAcl { .. }
            | ListXattr { .. }
            | RemoveXattr { .. }
            | FdGetXattr { .. }
            | FdSetXattr { .. }
            | FdListXattr { .. }
            | FdRemoveXattr { .. } => self.issue_metadata(action, expected, begin),
            FdTruncate { .. }
            | Allocate { .. }
            | Fsync { .. }
            | Fdatasync { .. }
            | Syncfs { .. }
            | SyncRange { .. }
            | CopyRange { .. }
            | SendFile { .. }
            | Fcntl { .. }
            | Ioctl { .. }
            | CloneRange { .. }
            | Map { .. }
            | Unmap { .. }
            | MapSync { .. }
            | MapAdvise { .. }
            | Advise { .. }
            | ReadAhead { .. } => self.issue_data(action, expected),
            // Issued by the caller.
            Nothing
            | Open { .. }
            | Close { .. }
            | Read { .. }
            | Write { .. }
            | Stat { .. }
            | Statx { .. }
            | FdStat { .. }
            | Seek { .. }
            | ListDirectory { .. }
            | Access { .. }
            | ReadLink { .. }
            | PositionedRead { .. }
            | PositionedWrite { .. }
            | Clone { .. } => UNISSUED,
        }
    }
}

/// The result of an action where it isn't issued, were it ever sent there: a divergence, not a call
/// that went well. No kernel gives this errno, which is the last of their range.
const UNISSUED: i64 = -4095;

/// The flags to open with. No open waits: the tree may hold a FIFO where the plan has none, and
/// what is issued on one that the plan knows doesn't wait either. Regular files don't mind.
///
/// An open for reading that empties the file (`O_RDONLY | O_TRUNC`) needs the right to write, but
/// Landlock takes it for reading. As an open for both it needs the same rights, and is held inside.
pub(super) fn open_flags(flags: i32) -> i32 {
    if flags & libc::O_PATH != 0 {
        return flags | libc::O_CLOEXEC;
    }
    let empties = flags & libc::O_TRUNC != 0 && flags & libc::O_ACCMODE == libc::O_RDONLY;
    let both = if empties { libc::O_RDWR } else { 0 };
    flags | both | libc::O_CLOEXEC | libc::O_NONBLOCK
}

//! Calls on names and descriptors.

use std::os::fd::RawFd;
use std::time::Duration;

use super::{Issuer, UNISSUED, open_flags};
use crate::plan::{Action, At};
use crate::sys;

/// How often a lock that others hold is asked for before the replay goes on without it,
const LOCK_TRIES: u32 = 100_000;
/// and how long after the last time: 10 s in all.
const LOCK_PAUSE: Duration = Duration::from_micros(100);

impl Issuer<'_> {
    /// Names and descriptors.
    pub(super) fn issue_names(&mut self, action: &Action, expected: i64, begin: &mut u64) -> i64 {
        use Action::*;
        match *action {
            Dup { fd, out, .. } => {
                let held = self.fd(out);
                let result = match held {
                    -1 => self.keep(out, sys::dup(self.fd(fd)), expected),
                    held => sys::dup3(self.fd(fd), held),
                };
                if result >= 0 {
                    self.shared.unnamed.duplicated(fd, out);
                }
                result
            }
            MakeDir { at, mode } => {
                let (dir, path) = self.at(at);
                sys::mkdir(dir, path, mode)
            }
            Unlink { at, flags } => {
                let (dir, path) = self.at(at);
                sys::unlink(dir, path, flags)
            }
            Rename { from, to, flags } => self.rename(from, to, flags, expected),
            Link { from, to, flags } if flags & libc::AT_EMPTY_PATH != 0 => {
                self.link_descriptor((from, to), flags, begin)
            }
            Link { from, to, flags } => self.link(from, to, flags, expected),
            Symlink {
                target,
                target_root,
                at,
            } => {
                let mut text = self.text(target);
                if let Some(root) = target_root
                    && let Some(rewritten) = self.shared.rewritten.get(&(target, root))
                {
                    text = self.text(*rewritten);
                    *begin = self.shared.clock.ticks();
                }
                let (dir, path) = self.at(at);
                sys::symlink(text, dir, path)
            }
            MakeNode { at, mode } => {
                let (dir, path) = self.at(at);
                // Never a device.
                let kind = match mode & libc::S_IFMT {
                    kind @ (libc::S_IFIFO | libc::S_IFSOCK) => kind,
                    _ => libc::S_IFREG,
                };
                sys::mknod(dir, path, kind | mode & 0o7777)
            }
            Exec { at, flags } => self.exec(at, flags),
            ChangeDir { at, out } => {
                let (dir, path) = self.at(at);
                let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
                self.keep(out, sys::open(dir, path, flags, 0, 0), expected)
                    .min(0)
            }
            FdChangeDir { fd, out } => self.keep(out, sys::dup(self.fd(fd)), expected).min(0),
            Watch { at, mask } => {
                let inotify = self.shared.inotify;
                self.by_path(at, begin, |_, path, _| sys::watch(inotify, path, mask))
            }
            NameToHandle { at, flags } => {
                let (dir, path) = self.at(at);
                self.scratch.name_to_handle(dir, path, flags)
            }
            Lock {
                fd,
                command,
                kind,
                whence,
                start,
                length,
            } => self.lock(
                self.fd(fd),
                command,
                (kind, whence, start, length),
                expected,
            ),
            Flock { fd, operation } => {
                let fd = self.fd(fd);
                if operation & libc::LOCK_NB != 0 || operation & libc::LOCK_UN != 0 {
                    return sys::flock(fd, operation);
                }
                self.patiently(|| sys::flock(fd, operation | libc::LOCK_NB))
            }
            _ => UNISSUED,
        }
    }

    /// What the kernel does with the file at a program's start: open, check, read its first bytes.
    fn exec(&mut self, at: At, flags: i32) -> i64 {
        let (dir, path) = self.at(at);
        if path.is_empty() {
            return self.scratch.pread(dir, 256, 0, 0, 0).min(0);
        }
        let allowed = sys::access(dir, path, libc::X_OK);
        if allowed < 0 {
            return allowed;
        }
        let nofollow = if flags & libc::AT_SYMLINK_NOFOLLOW != 0 {
            libc::O_NOFOLLOW
        } else {
            0
        };
        let flags = open_flags(libc::O_RDONLY | nofollow);
        let fd = sys::open(dir, path, flags, 0, 0);
        if fd < 0 {
            return fd;
        }
        let read = self.scratch.pread(fd as RawFd, 256, 0, 0, 0);
        sys::close(fd as RawFd);
        match -read as i32 {
            libc::EISDIR => -i64::from(libc::EACCES), // as execve(2) has it
            _ => read.min(0),
        }
    }

    fn lock(&self, fd: RawFd, command: i32, lock: (i16, i16, i64, i64), expected: i64) -> i64 {
        let issue = |command| {
            let mut flock = libc::flock {
                l_type: lock.0,
                l_whence: lock.1,
                l_start: lock.2,
                l_len: lock.3,
                l_pid: 0,
            };
            sys::lock(fd, command, &mut flock)
        };
        let open_file = match command {
            libc::F_SETLK | libc::F_OFD_SETLK => libc::F_OFD_SETLK,
            libc::F_GETLK | libc::F_OFD_GETLK => libc::F_OFD_GETLK,
            // Never blocking in the kernel: a lane must be able to stop.
            _ if expected < 0 => libc::F_OFD_SETLK,
            _ => return self.patiently(|| issue(libc::F_OFD_SETLK)),
        };
        issue(open_file)
    }

    /// Tries a lock until it is had; others release theirs in an order that the plan keeps. Where
    /// nobody else is left to do so, or the replay is to stop, that would take for ever.
    fn patiently(&self, mut lock: impl FnMut() -> i64) -> i64 {
        for _ in 0..LOCK_TRIES {
            let result = lock();
            let is_held = [libc::EAGAIN, libc::EACCES].contains(&(-result as i32));
            if !is_held || self.progress.is_alone(self.lane) || self.progress.is_to_stop() {
                return result;
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        -i64::from(libc::EAGAIN)
    }
}

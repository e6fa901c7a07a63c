//! Calls on names and descriptors.

use std::os::fd::RawFd;

use super::Issuer;
use crate::plan::{Action, At, Text};
use crate::sandbox::open_parent;
use crate::sys::{self, TextRef};

/// How often a lock that others hold is asked for before the replay goes on without it: 10 s.
const LOCK_TRIES: u32 = 100_000;

impl Issuer<'_> {
    /// Names and descriptors.
    pub(super) fn issue_names(
        &mut self,
        index: usize,
        action: &Action,
        expected: i64,
        begin: &mut u64,
    ) -> i64 {
        use Action::*;
        match *action {
            Dup { fd, out, .. } => {
                let held = self.fd(out);
                match held {
                    -1 => self.keep(out, sys::dup(self.fd(fd))),
                    held => sys::dup3(self.fd(fd), held),
                }
            }
            MakeDir { at, mode } => {
                let (dir, path) = self.at(at);
                sys::mkdir(dir, path, mode)
            }
            Unlink { at, flags } => {
                let (dir, path) = self.at(at);
                sys::unlink(dir, path, flags)
            }
            Rename {
                from,
                to,
                flags,
                guarded,
            } => self.two_names(from, to, guarded, begin, |a, x, b, y| {
                sys::rename(a, x, b, y, flags)
            }),
            Link {
                from,
                to,
                flags,
                guarded,
            } => self.two_names(from, to, guarded, begin, |a, x, b, y| {
                sys::link(a, x, b, y, flags)
            }),
            Symlink {
                target,
                target_root,
                at,
                guarded,
            } => {
                let mut text = self.text(target);
                if target_root.is_some()
                    && let Some((_, offset)) = self.rewritten.find(|(op, _)| *op as usize == index)
                {
                    text = self.shared.texts.at(*offset);
                }
                self.one_name(at, guarded, begin, |dir, path| {
                    sys::symlink(text, dir, path)
                })
            }
            MakeNode { at, mode } => {
                let (dir, path) = self.at(at);
                let kind = if mode & libc::S_IFMT == libc::S_IFIFO {
                    libc::S_IFIFO
                } else {
                    libc::S_IFREG
                };
                sys::mknod(dir, path, kind | mode & 0o7777)
            }
            Exec { at, flags } => self.exec(at, flags),
            ChangeDir { at, out } => {
                let (dir, path) = self.at(at);
                let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
                self.keep(out, sys::open(dir, path, flags, 0, 0)).min(0)
            }
            FdChangeDir { fd, out } => self.keep(out, sys::dup(self.fd(fd))).min(0),
            Watch { at, mask } => {
                let inotify = self.shared.inotify;
                sys::watch(inotify, self.absolute(at, begin), mask)
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
                patiently(|| sys::flock(fd, operation | libc::LOCK_NB))
            }
            _ => self.issue_metadata(action, expected, begin),
        }
    }

    /// A call on two names. Guarded, their directories are opened without following links first.
    fn two_names(
        &self,
        from: At,
        to: At,
        guarded: bool,
        begin: &mut u64,
        action: impl FnOnce(RawFd, TextRef, RawFd, TextRef) -> i64,
    ) -> i64 {
        if !guarded {
            let ((a, x), (b, y)) = (self.at(from), self.at(to));
            return action(a, x, b, y);
        }
        let plan = self.shared.plan;
        let first = open_parent(self.fd(from.dir), plan.bytes(from.path));
        let second = open_parent(self.fd(to.dir), plan.bytes(to.path));
        match (first, second) {
            (Ok((a, x)), Ok((b, y))) => {
                use std::os::fd::AsRawFd;
                let (x, y) = (Text(from.path.0 + x), Text(to.path.0 + y));
                *begin = self.shared.clock.ticks();
                let result = action(a.as_raw_fd(), self.text(x), b.as_raw_fd(), self.text(y));
                // The directories' descriptors close after the time was taken by the caller only if they live on;
                // closing an O_PATH descriptor costs some 100 ns and is left in.
                drop((a, b));
                result
            }
            (Err(errno), _) | (_, Err(errno)) => -i64::from(errno.raw_os_error()),
        }
    }

    fn one_name(
        &self,
        at: At,
        guarded: bool,
        begin: &mut u64,
        action: impl FnOnce(RawFd, TextRef) -> i64,
    ) -> i64 {
        if !guarded {
            let (dir, path) = self.at(at);
            return action(dir, path);
        }
        match open_parent(self.fd(at.dir), self.shared.plan.bytes(at.path)) {
            Ok((dir, name)) => {
                use std::os::fd::AsRawFd;
                *begin = self.shared.clock.ticks();
                action(dir.as_raw_fd(), self.text(Text(at.path.0 + name)))
            }
            Err(errno) => -i64::from(errno.raw_os_error()),
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
        let fd = sys::open(dir, path, libc::O_RDONLY | libc::O_CLOEXEC | nofollow, 0, 0);
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
            _ => return patiently(|| issue(libc::F_OFD_SETLK)),
        };
        issue(open_file)
    }
}

/// Tries a lock until it is had; others release theirs in an order that the plan keeps.
fn patiently(mut lock: impl FnMut() -> i64) -> i64 {
    for _ in 0..LOCK_TRIES {
        let result = lock();
        if result != -i64::from(libc::EAGAIN) && result != -i64::from(libc::EACCES) {
            return result;
        }
        std::thread::sleep(std::time::Duration::from_micros(100));
    }
    -i64::from(libc::EAGAIN)
}

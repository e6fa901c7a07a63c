//! One action, one system call.

use std::ffi::CStr;
use std::os::fd::RawFd;
use std::sync::atomic::Ordering;

use fsreplay_trace::call::NONE;

use super::Shared;
use crate::plan::{Action, At, Slot, Text};
use crate::sandbox::open_parent;
use crate::sys::{self, Mapping, Scratch, TextRef, XattrPlace};

/// Issues the actions of one lane.
pub struct Issuer<'a> {
    shared: &'a Shared<'a>,
    scratch: Scratch,
    /// Absolute path of calls that have no `*at` form.
    path: Vec<u8>,
    rewritten: std::slice::Iter<'a, (u32, u32)>,
}

/// How often a lock that others hold is asked for before the replay goes on without it: 10 s.
const LOCK_TRIES: u32 = 100_000;

impl<'a> Issuer<'a> {
    /// For one lane; `rewritten` are its links whose text had to be prefixed, in order.
    pub fn new(shared: &'a Shared<'a>, rewritten: &'a [(u32, u32)]) -> Self {
        Issuer {
            shared,
            scratch: Scratch::new(shared.plan.longest_transfer),
            path: Vec::with_capacity(8192),
            rewritten: rewritten.iter(),
        }
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
            // Writing to a Vec can't fail.
            None => drop(write!(self.path, "/proc/self/fd/{}", self.fd(at.dir))),
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
            ListDirectory { fd, length, .. } => self.scratch.getdents(self.fd(fd), length),
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
            _ => self.issue_names(index, action, expected, begin),
        }
    }

    /// Names and descriptors.
    fn issue_names(
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
            _ => self.issue_metadata(action, begin),
        }
    }

    /// Owners, modes, times, attributes.
    fn issue_metadata(&mut self, action: &Action, begin: &mut u64) -> i64 {
        use Action::*;
        match *action {
            ChangeMode { at, mode, flags } => {
                let (dir, path) = self.at(at);
                if flags == 0 {
                    sys::chmod(dir, path, mode)
                } else {
                    sys::chmod2(dir, path, mode, flags)
                }
            }
            FdChangeMode { fd, mode } => sys::fchmod(self.fd(fd), mode),
            ChangeOwner {
                at,
                uid,
                gid,
                flags,
            } => {
                let (dir, path) = self.at(at);
                sys::chown(dir, path, uid, gid, flags)
            }
            FdChangeOwner { fd, uid, gid } => sys::fchown(self.fd(fd), uid, gid),
            SetTimes {
                at,
                atime,
                mtime,
                flags,
            } => {
                let (dir, path) = self.at(at);
                sys::utimens(dir, Some(path), times(atime, mtime), flags)
            }
            FdSetTimes { fd, atime, mtime } => {
                sys::utimens(self.fd(fd), None, times(atime, mtime), 0)
            }
            Truncate { at, length } => sys::truncate(self.absolute(at, begin), length),
            StatFs { at } => {
                self.absolute(at, begin);
                let path = CStr::from_bytes_until_nul(&self.path).unwrap_or(c"");
                sys::statfs(path, &mut self.scratch)
            }
            FdStatFs { fd } => self.scratch.fstatfs(self.fd(fd)),
            GetXattr {
                at,
                name,
                length,
                follow,
            } => self.xattr(at, follow, begin, |scratch, place, texts| {
                scratch.getxattr(place, texts.at(name.0), length)
            }),
            SetXattr {
                at,
                name,
                length,
                flags,
                follow,
            } => self.xattr(at, follow, begin, |scratch, place, texts| {
                scratch.setxattr(place, texts.at(name.0), length, flags)
            }),
            SetAcl { at, mode, follow } => {
                self.xattr(at, follow, begin, |_, place, _| sys::set_acl(place, mode))
            }
            FdSetAcl { fd, mode } => sys::set_acl(XattrPlace::Fd(self.fd(fd)), mode),
            ListXattr { at, length, follow } => {
                self.xattr(at, follow, begin, |scratch, place, _| {
                    scratch.listxattr(place, length)
                })
            }
            RemoveXattr { at, name, follow } => {
                let name = self.text(name);
                sys::removexattr(self.absolute(at, begin), name, follow)
            }
            FdGetXattr { fd, name, length } => {
                let (fd, name) = (self.fd(fd), self.text(name));
                self.scratch.getxattr(XattrPlace::Fd(fd), name, length)
            }
            FdSetXattr {
                fd,
                name,
                length,
                flags,
            } => {
                let (fd, name) = (self.fd(fd), self.text(name));
                self.scratch
                    .setxattr(XattrPlace::Fd(fd), name, length, flags)
            }
            FdListXattr { fd, length } => {
                let fd = self.fd(fd);
                self.scratch.listxattr(XattrPlace::Fd(fd), length)
            }
            FdRemoveXattr { fd, name } => sys::fremovexattr(self.fd(fd), self.text(name)),
            _ => self.issue_data(action),
        }
    }

    /// Sizes, copies, mappings.
    fn issue_data(&mut self, action: &Action) -> i64 {
        use Action::*;
        match *action {
            FdTruncate { fd, length } => sys::ftruncate(self.fd(fd), length),
            Allocate {
                fd,
                mode,
                offset,
                length,
            } => sys::fallocate(self.fd(fd), mode, offset, length),
            Fsync { fd } => sys::fsync(self.fd(fd)),
            Fdatasync { fd } => sys::fdatasync(self.fd(fd)),
            Syncfs { fd } => sys::syncfs(self.fd(fd)),
            SyncRange {
                fd,
                offset,
                length,
                flags,
            } => sys::sync_range(self.fd(fd), offset, length, flags),
            CopyRange {
                source,
                source_offset,
                fd,
                offset,
                length,
                flags,
            } => sys::copy_range(
                self.fd(source),
                source_offset,
                self.fd(fd),
                offset,
                length,
                flags,
            ),
            SendFile {
                source,
                source_offset,
                fd,
                length,
            } => sys::sendfile(self.fd(fd), self.fd(source), source_offset, length),
            Fcntl {
                fd,
                command,
                argument,
            } => sys::fcntl(self.fd(fd), command, argument),
            Ioctl {
                fd,
                command,
                argument,
            } => self.scratch.ioctl(self.fd(fd), command, argument),
            Clone { fd, source } => sys::clone_file(self.fd(fd), self.fd(source)),
            CloneRange {
                fd,
                source,
                source_offset,
                length,
                offset,
            } => {
                let source = self.fd(source) as u32;
                sys::clone_range(
                    self.fd(fd),
                    &[u64::from(source), source_offset, length, offset],
                )
            }
            Map {
                fd,
                map,
                length,
                prot,
                flags,
                offset,
            } => {
                let (mapping, result) = Mapping::map(self.fd(fd), length, prot, flags, offset);
                self.with_map(map, |held| *held = mapping);
                result
            }
            Unmap { map, start, length } => self
                .with_map(map, |held| held.unmap(start, length))
                .unwrap_or(0),
            MapSync {
                map,
                start,
                length,
                flags,
            } => self
                .with_map(map, |held| held.sync(start, length, flags))
                .unwrap_or(0),
            MapAdvise {
                map,
                start,
                length,
                advice,
            } => self
                .with_map(map, |held| held.advise(start, length, advice))
                .unwrap_or(0),
            Advise {
                fd,
                offset,
                length,
                advice,
            } => sys::advise(self.fd(fd), offset, length, advice),
            ReadAhead { fd, offset, length } => sys::readahead(self.fd(fd), offset, length),
            _ => super::Sample::NOT_ISSUED,
        }
    }

    fn with_map<T>(&self, map: u32, action: impl FnOnce(&mut Mapping) -> T) -> Option<T> {
        let mut held = self.shared.maps.get(map as usize)?.lock().ok()?;
        Some(action(&mut held))
    }

    fn xattr(
        &mut self,
        at: At,
        follow: bool,
        begin: &mut u64,
        action: impl FnOnce(&mut Scratch, XattrPlace, &sys::Texts) -> i64,
    ) -> i64 {
        self.absolute(at, begin);
        let path = CStr::from_bytes_until_nul(&self.path).unwrap_or(c"");
        action(
            &mut self.scratch,
            XattrPlace::Path(path, follow),
            &self.shared.texts,
        )
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

fn times(atime: u64, mtime: u64) -> Option<[libc::timespec; 2]> {
    if atime == NONE && mtime == NONE {
        return None;
    }
    Some([atime, mtime].map(|time| match time as i64 {
        special @ (libc::UTIME_NOW | libc::UTIME_OMIT) => libc::timespec {
            tv_sec: 0,
            tv_nsec: special,
        },
        ns => libc::timespec {
            tv_sec: ns.div_euclid(1_000_000_000),
            tv_nsec: ns.rem_euclid(1_000_000_000),
        },
    }))
}

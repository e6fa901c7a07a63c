//! Calls on owners, modes, times and extended attributes.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, RawFd};

use fsreplay_trace::call::NONE;

use super::{Issuer, UNISSUED};
use crate::plan::{Action, At, Slot};
use crate::sys::{self, Scratch, TextRef, XattrPlace};

/// The descriptor of a call that changes what it leads to, other than its bytes.
fn changed_by_descriptor(action: &Action) -> Option<Slot> {
    match *action {
        Action::FdChangeMode { fd, .. }
        | Action::FdChangeOwner { fd, .. }
        | Action::FdSetTimes { fd, .. }
        | Action::FdSetAcl { fd, .. }
        | Action::FdSetXattr { fd, .. }
        | Action::FdRemoveXattr { fd, .. } => Some(fd),
        _ => None,
    }
}

impl Issuer<'_> {
    /// Owners, modes, times, attributes.
    pub(super) fn issue_metadata(
        &mut self,
        action: &Action,
        expected: i64,
        begin: &mut u64,
    ) -> i64 {
        use Action::*;
        if let Some(fd) = changed_by_descriptor(action) {
            let fd = self.fd(fd);
            if !self.may_be_changed(fd, begin) {
                return -i64::from(libc::EXDEV);
            }
        }
        match *action {
            ChangeMode { at, mode, flags } => self.change_mode(at, mode, flags, begin),
            FdChangeMode { fd, mode } => sys::fchmod(self.fd(fd), mode),
            ChangeOwner {
                at,
                uid,
                gid,
                flags,
            } => self.by_descriptor(at, flags, begin, |dir, path, flags| {
                sys::chown(dir, path, uid, gid, flags)
            }),
            FdChangeOwner { fd, uid, gid } => sys::fchown(self.fd(fd), uid, gid),
            SetTimes {
                at,
                atime,
                mtime,
                flags,
            } => self.by_descriptor(at, flags, begin, |dir, path, flags| {
                sys::utimens(dir, Some(path), times(atime, mtime), flags)
            }),
            FdSetTimes { fd, atime, mtime } => {
                sys::utimens(self.fd(fd), None, times(atime, mtime), 0)
            }
            Truncate { at, length } => {
                self.changed_by_path(at, true, begin, |_, path, _, _| sys::truncate(path, length))
            }
            StatFs { at } => self.by_path(at, begin, |scratch, path, _| sys::statfs(path, scratch)),
            FdStatFs { fd } => self.scratch.fstatfs(self.fd(fd)),
            GetAttributes { at, length, flags } => {
                let (dir, path) = self.at(at);
                self.scratch.file_getattr(dir, path, length, flags)
            }
            GetXattr {
                at,
                name,
                length,
                follow,
            } => self.by_path(at, begin, |scratch, path, texts| {
                scratch.getxattr(XattrPlace::Path(path, follow), texts.at(name.0), length)
            }),
            SetXattr {
                at,
                name,
                length,
                flags,
                follow,
            } => self.changed_by_path(at, follow, begin, |scratch, path, follow, texts| {
                let place = XattrPlace::Path(path, follow);
                scratch.setxattr(place, texts.at(name.0), length, flags)
            }),
            SetAcl { at, mode, follow } => {
                let set = self.changed_by_path(at, follow, begin, |_, path, follow, _| {
                    sys::set_acl(XattrPlace::Path(path, follow), mode)
                });
                or_mode(set, expected, || self.change_mode(at, mode, 0, begin))
            }
            FdSetAcl { fd, mode } => {
                let fd = self.fd(fd);
                let set = sys::set_acl(XattrPlace::Fd(fd), mode);
                or_mode(set, expected, || sys::fchmod(fd, mode))
            }
            ListXattr { at, length, follow } => self.by_path(at, begin, |scratch, path, _| {
                scratch.listxattr(XattrPlace::Path(path, follow), length)
            }),
            RemoveXattr { at, name, follow } => {
                self.changed_by_path(at, follow, begin, |_, path, follow, texts| {
                    sys::removexattr(path, texts.at(name.0), follow)
                })
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
            _ => UNISSUED,
        }
    }

    /// A call that has no form for a path below a descriptor, and changes nothing.
    pub(super) fn by_path(
        &mut self,
        at: At,
        begin: &mut u64,
        call: impl FnOnce(&mut Scratch, &CStr, &sys::Texts) -> i64,
    ) -> i64 {
        self.reach(at, begin);
        let path = CStr::from_bytes_until_nul(&self.path).unwrap_or(c"");
        call(&mut self.scratch, path, &self.shared.texts)
    }

    /// A call that has no form for a path below a descriptor, and changes what the path leads to;
    /// it is told whether to follow a link at the end.
    fn changed_by_path(
        &mut self,
        at: At,
        follow: bool,
        begin: &mut u64,
        call: impl FnOnce(&mut Scratch, &CStr, bool, &sys::Texts) -> i64,
    ) -> i64 {
        if !self.is_checked(at) {
            return self.by_path(at, begin, |scratch, path, texts| {
                call(scratch, path, follow, texts)
            });
        }
        let held = match self.held(at, follow, begin) {
            Ok(held) => held,
            Err(errno) => return errno,
        };
        self.name_of(&held);
        let path = CStr::from_bytes_until_nul(&self.path).unwrap_or(c"");
        call(&mut self.scratch, path, true, &self.shared.texts)
    }

    /// A call that takes a descriptor instead of a path (`AT_EMPTY_PATH`), and changes what that
    /// leads to.
    fn by_descriptor(
        &mut self,
        at: At,
        flags: i32,
        begin: &mut u64,
        call: impl FnOnce(RawFd, TextRef, i32) -> i64,
    ) -> i64 {
        if !self.is_checked(at) {
            let (dir, path) = self.at(at);
            return call(dir, path, flags);
        }
        match self.held(at, flags & libc::AT_SYMLINK_NOFOLLOW == 0, begin) {
            Ok(held) => call(held.as_raw_fd(), TextRef::EMPTY, flags_of_held(flags)),
            Err(errno) => errno,
        }
    }

    fn change_mode(&mut self, at: At, mode: u32, flags: i32, begin: &mut u64) -> i64 {
        if self.is_checked(at) {
            return match self.held(at, flags & libc::AT_SYMLINK_NOFOLLOW == 0, begin) {
                Ok(held) if flags == 0 => sys::chmod_path(self.name_of(&held), mode),
                Ok(held) => {
                    sys::chmod2(held.as_raw_fd(), TextRef::EMPTY, mode, flags_of_held(flags))
                }
                Err(errno) => errno,
            };
        }
        let (dir, path) = self.at(at);
        if flags == 0 {
            sys::chmod(dir, path, mode)
        } else {
            sys::chmod2(dir, path, mode, flags)
        }
    }
}

/// The flags of a call on a path, for the same call on what the path led to.
fn flags_of_held(flags: i32) -> i32 {
    flags & !libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH
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

/// What setting an access ACL gave. Where there are none, though there were when it was recorded, a
/// tool sets the mode instead, which says as much; so the replay does, too.
fn or_mode(set: i64, expected: i64, mode: impl FnOnce() -> i64) -> i64 {
    let unsupported = [libc::EOPNOTSUPP, libc::ENOSYS].map(|errno| -i64::from(errno));
    if expected >= 0 && unsupported.contains(&set) {
        mode();
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_set_where_an_acl_cant_be_though_it_could() {
        let refused = -i64::from(libc::EOPNOTSUPP);
        for (set, expected, sets_mode) in [
            (refused, 0, true),
            (refused, refused, false),
            (0, 0, false),
            (-i64::from(libc::EPERM), 0, false),
        ] {
            let mut done = false;
            let result = or_mode(set, expected, || {
                done = true;
                0
            });
            assert_eq!((result, done), (set, sets_mode));
        }
    }
}

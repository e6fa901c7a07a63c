//! Calls on owners, modes, times and extended attributes.

use std::ffi::CStr;

use fsreplay_trace::call::NONE;

use super::Issuer;
use crate::plan::{Action, At};
use crate::sys::{self, Scratch, XattrPlace};

impl Issuer<'_> {
    /// Owners, modes, times, attributes.
    pub(super) fn issue_metadata(
        &mut self,
        action: &Action,
        expected: i64,
        begin: &mut u64,
    ) -> i64 {
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
                let set = self.xattr(at, follow, begin, |_, place, _| sys::set_acl(place, mode));
                or_mode(set, expected, || {
                    let (dir, path) = self.at(at);
                    sys::chmod(dir, path, mode)
                })
            }
            FdSetAcl { fd, mode } => {
                let fd = self.fd(fd);
                let set = sys::set_acl(XattrPlace::Fd(fd), mode);
                or_mode(set, expected, || sys::fchmod(fd, mode))
            }
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

/// What setting an access ACL gave. Where there are none, though there were when it was recorded, a tool sets the mode instead, which says as much; so the
/// replay does, too.
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

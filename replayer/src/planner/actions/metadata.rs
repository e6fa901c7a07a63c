//! Calls that change metadata and sizes, and extended attributes.

use fsreplay_trace::call::{ArgKind, Last, NONE as NO_ARGUMENT, Op};

use super::super::land::initial::xattr_list_length;
use super::super::land::tree::{Kind, NONE};
use super::super::order::Side;
use super::super::setting::Setting;
use super::super::{Class, Cx, Draft, Notes, Planner};
use crate::plan::{Action, At, Check};

/// Links have no attributes but those that only the kernel or root may set.
const OF_LINKS: &str = "calls on attributes of links themselves, which a replay may not set: they \
    are \
    not issued";
/// Device nodes take none that any user may set.
const OF_DEVICES: &str =
    "attributes that a device node was refused, which is a file in the replay: not issued";
const FALLOC_KEEP_SIZE: u32 = 1;
const FALLOC_PUNCH_HOLE: u32 = 2;
const FALLOC_COLLAPSE: u32 = 8;

impl Planner {
    /// `chmod`, `chown`, `utimensat`, `truncate` and their kin, by path.
    pub(super) fn change_metadata(&mut self, cx: &Cx, op: Op) -> Draft {
        let bits = cx.flags();
        let null = cx.event.arg(ArgKind::Path) == Some(NO_ARGUMENT);
        if op == Op::SetTimes && null && cx.event.arg(ArgKind::DirFd).is_some() {
            return self.set_descriptor_times(cx);
        }
        let (at, ino, mount) = if cx.is_empty_path(bits) {
            match self.empty_path(cx) {
                Ok(file) => {
                    let at = At {
                        dir: file.slot,
                        path: super::super::TextBuilder::EMPTY,
                    };
                    (at, Some(file.ino), file.mount)
                }
                Err(draft) => return draft,
            }
        } else {
            match self.look(cx, Kind::Unknown) {
                Ok((reached, mount)) => (reached.at, reached.found(), mount),
                Err(draft) => return draft,
            }
        };
        if let Some(ino) = ino.filter(|_| cx.ok()) {
            self.uses.inode(ino, Side::Write);
            if op == Op::Truncate {
                let size = cx.number(ArgKind::Length);
                self.land.layers.resizes(&self.land.tree, ino);
                self.land.room.resized(&mut self.land.tree, ino, size);
            }
        }
        let action = metadata_action(cx, op, at, &self.setting);
        Draft::issue(cx, action).mount(mount)
    }

    /// `utimensat` and `futimesat` with a NULL path: the descriptor itself.
    fn set_descriptor_times(&mut self, cx: &Cx) -> Draft {
        let file = match self.file(cx, ArgKind::DirFd) {
            Ok(file) => file,
            Err(draft) => return draft,
        };
        self.uses.inode(file.ino, Side::Write);
        let action = Action::FdSetTimes {
            fd: file.slot,
            atime: cx.number(ArgKind::Atime),
            mtime: cx.number(ArgKind::Mtime),
        };
        Draft::issue(cx, action).mount(file.mount)
    }

    /// `fchmod`, `fchown`, `ftruncate`, `fallocate`.
    pub(super) fn fd_change_metadata(&mut self, cx: &Cx, op: Op) -> Draft {
        let file = match self.file(cx, ArgKind::Fd) {
            Ok(file) => file,
            Err(draft) => return draft,
        };
        self.uses.inode(file.ino, Side::Write);
        let fd = file.slot;
        let length = cx.signed(ArgKind::Length);
        let action = match op {
            Op::FdChangeMode => Action::FdChangeMode {
                fd,
                mode: cx.number(ArgKind::Mode) as u32 & 0o7777,
            },
            Op::FdChangeOwner => {
                let (uid, gid) = self.setting.owner(cx);
                Action::FdChangeOwner { fd, uid, gid }
            }
            Op::FdTruncate => {
                if cx.ok() {
                    self.land
                        .room
                        .resized(&mut self.land.tree, file.ino, length.max(0) as u64);
                }
                Action::FdTruncate { fd, length }
            }
            _ => {
                let mode = cx.number(ArgKind::Mode) as u32;
                if cx.ok() && mode & (FALLOC_PUNCH_HOLE | FALLOC_COLLAPSE) == 0 {
                    let (offset, length) = (cx.number(ArgKind::Offset), cx.number(ArgKind::Length));
                    let keeps_size = mode & FALLOC_KEEP_SIZE != 0;
                    self.land.allocated(file.ino, offset, length, keeps_size);
                }
                Action::Allocate {
                    fd,
                    mode: cx.number(ArgKind::Mode) as i32,
                    offset: cx.signed(ArgKind::Offset),
                    length,
                }
            }
        };
        Draft::issue(cx, action).mount(file.mount)
    }

    pub(super) fn xattr(&mut self, cx: &Cx, op: Op) -> Draft {
        let follow = self.setting.dialect.last(cx.event, ArgKind::Path) == Last::Followed;
        let (reached, mount) = match self.look(cx, Kind::Unknown) {
            Ok(found) => found,
            Err(draft) => return draft,
        };
        let at = reached.at;
        let changes = cx.ok() && cx.event.call.row().changes;
        if changes && let Some(ino) = reached.found() {
            self.uses.inode(ino, Side::Write);
        }
        if let Some(mode) = acl_mode(cx) {
            return Draft::issue(cx, Action::SetAcl { at, mode, follow }).mount(mount);
        }
        let (name, changed) = self.paths.attribute(cx, op);
        let kind = reached.found().map(|ino| self.land.tree.inode(ino).kind);
        // With those that it wasn't given they would not fit into what the tool had for them.
        let is_too_long = cx.event.errno() == Some(libc::ERANGE);
        if kind == Some(Kind::Link) && !follow && (changed && cx.ok() || is_too_long) {
            self.tally.note(OF_LINKS);
            return Draft::nothing(cx, Class::Other);
        }
        if kind == Some(Kind::Device) && cx.event.errno() == Some(libc::EPERM) {
            self.tally.note(OF_DEVICES);
            return Draft::nothing(cx, Class::Other);
        }
        let length = attribute_length(cx);
        let action = match op {
            Op::GetXattr => Action::GetXattr {
                at,
                name,
                length,
                follow,
            },
            Op::SetXattr => Action::SetXattr {
                at,
                name,
                length,
                flags: cx.flags() as i32,
                follow,
            },
            Op::ListXattr => Action::ListXattr { at, length, follow },
            _ => Action::RemoveXattr { at, name, follow },
        };
        issue_attribute(cx, action, changed, &mut self.tally.notes).mount(mount)
    }

    pub(super) fn fd_xattr(&mut self, cx: &Cx, op: Op) -> Draft {
        let file = match self.file(cx, ArgKind::Fd) {
            Ok(file) => file,
            Err(draft) => return draft,
        };
        let changes = cx.ok() && cx.event.call.row().changes;
        let side = if changes { Side::Write } else { Side::Read };
        self.uses.inode(file.ino, side);
        let fd = file.slot;
        let kind = (file.ino != NONE).then(|| self.land.tree.inode(file.ino).kind);
        if kind == Some(Kind::Device) && cx.event.errno() == Some(libc::EPERM) {
            self.tally.note(OF_DEVICES);
            return Draft::nothing(cx, Class::Other);
        }
        if let Some(mode) = acl_mode(cx) {
            return Draft::issue(cx, Action::FdSetAcl { fd, mode }).mount(file.mount);
        }
        let (name, changed) = self.paths.attribute(cx, op);
        let length = attribute_length(cx);
        let action = match op {
            Op::FdGetXattr => Action::FdGetXattr { fd, name, length },
            Op::FdSetXattr => Action::FdSetXattr {
                fd,
                name,
                length,
                flags: cx.flags() as i32,
            },
            Op::FdListXattr => Action::FdListXattr { fd, length },
            _ => Action::FdRemoveXattr { fd, name },
        };
        issue_attribute(cx, action, changed, &mut self.tally.notes).mount(file.mount)
    }
}

/// What changes the metadata of a path.
fn metadata_action(cx: &Cx, op: Op, at: At, setting: &Setting) -> Action {
    match op {
        Op::ChangeMode => Action::ChangeMode {
            at,
            mode: cx.number(ArgKind::Mode) as u32 & 0o7777,
            flags: cx.flags() as i32,
        },
        Op::ChangeOwner => {
            let (uid, gid) = setting.owner(cx);
            Action::ChangeOwner {
                at,
                uid,
                gid,
                flags: cx.flags() as i32,
            }
        }
        Op::Truncate => Action::Truncate {
            at,
            length: cx.signed(ArgKind::Length),
        },
        _ => Action::SetTimes {
            at,
            atime: cx.number(ArgKind::Atime),
            mtime: cx.number(ArgKind::Mtime),
            flags: cx.flags() as i32,
        },
    }
}

/// Lists of names have other lengths where names had to be changed.
fn issue_attribute(cx: &Cx, action: Action, changed: bool, notes: &mut Notes) -> Draft {
    if changed {
        notes.add(
            "calls on attributes that only the kernel or root may set, issued as \
                user.fsreplay.*",
        );
    }
    let draft = Draft::issue(cx, action);
    let lists = matches!(cx.event.call.row().op, Op::ListXattr | Op::FdListXattr);
    if lists && cx.event.result > 0 {
        return draft.check(Check::Success);
    }
    draft
}

/// The permission bits that the call sets in the form of an access ACL: their effect is a
/// chmod's, so it must be had.
fn acl_mode(cx: &Cx) -> Option<u32> {
    let mode = cx.event.arg(ArgKind::Mode).filter(|mode| *mode <= 0o777)?;
    let name = cx.string(ArgKind::Name)?;
    (cx.tables.string(name) == b"system.posix_acl_access").then_some(mode as u32)
}

/// For how much there is room. A list that fitted has longer names in the replay, and has to fit.
fn attribute_length(cx: &Cx) -> u64 {
    let length = cx.number(ArgKind::Length);
    let lists = matches!(cx.event.call.row().op, Op::ListXattr | Op::FdListXattr);
    if lists && cx.ok() && length > 0 {
        xattr_list_length(length)
    } else {
        length
    }
}

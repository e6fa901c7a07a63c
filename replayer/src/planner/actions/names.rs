//! Calls that make, move and remove names.

use fsreplay_trace::abi::{
    AT_EMPTY_PATH, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, RENAME_EXCHANGE, RENAME_NOREPLACE,
    RENAME_WHITEOUT,
};
use fsreplay_trace::call::ArgKind;

use super::super::land::tree::{Kind, NONE};
use super::super::order::Side;
use super::super::paths::{Hint, Reached};
use super::super::{Class, Cx, Draft, Planner, Resource};
use super::{creation_hint, lookup_hint};
use crate::plan::{Action, At};

impl Planner {
    pub(super) fn make_dir(&mut self, cx: &Cx) -> Draft {
        let mut reached = match self.reach(cx, creation_hint(cx)) {
            Ok(reached) => reached,
            Err(draft) => return draft,
        };
        let umask = self.holdings.procs.fs(cx.task).umask;
        let action = Action::MakeDir {
            at: reached.at,
            mode: cx.number(ArgKind::Mode) as u32 & 0o1777 & !umask,
        };
        let mount = self.land.tree.mount_of(reached.walked.dir);
        if !cx.ok() {
            reached.walked.failed(&mut self.uses);
            return Draft::issue(cx, action).mount(mount);
        }
        if let Some(ino) = reached.found()
            && self.land.tree.root_at(ino).is_some()
        {
            self.tally
                .note("placed directories that the tool made itself");
            self.land.unmade.end(ino);
            return Draft::nothing(cx, Class::Other);
        }
        let ino = self
            .land
            .create(&mut self.uses, &mut reached.walked, Kind::Directory);
        self.uses.add(Resource::Place(ino), Side::Write);
        Draft::issue(cx, action).mount(mount)
    }

    /// `unlink`, `unlinkat`, `rmdir`.
    pub(super) fn unlink(&mut self, cx: &Cx) -> Draft {
        let directory = cx.flags() & AT_REMOVEDIR != 0;
        let kind = if directory {
            Kind::Directory
        } else {
            Kind::Unknown
        };
        let mut reached = match self.reach(cx, lookup_hint(cx, kind)) {
            Ok(reached) => reached,
            Err(draft) => return draft,
        };
        if directory && names_parent(cx, &reached) {
            // `rmdir x/..` fails otherwise than `rmdir .`, which it would be spelled as.
            let Some(ino) = reached.found().filter(|ino| self.land.tree.has_name(*ino)) else {
                return Draft::nothing(cx, Class::Unresolved);
            };
            reached.at = self.paths.place_of(&self.land.tree, ino);
        }
        let action = Action::Unlink {
            at: reached.at,
            flags: if directory { AT_REMOVEDIR as i32 } else { 0 },
        };
        let dir = reached.walked.dir;
        let mount = self.land.tree.mount_of(dir);
        let dent = reached.walked.dent;
        if !cx.ok() || dent == NONE || reached.found().is_none() {
            reached.walked.failed(&mut self.uses);
            reached.walked.was_not_empty(cx, &mut self.uses);
            return Draft::issue(cx, action).mount(mount);
        }
        if let Some(ino) = reached.found()
            && self.land.tree.root_at(ino).is_some()
        {
            // What the tool makes in its place belongs into the same placement.
            self.tally
                .note("placed directories that the tool removed, and that stay");
            self.land.unmade.begin(ino);
            return Draft::nothing(cx, Class::Other);
        }
        self.land.unlinked(&mut self.uses, dir, dent);
        Draft::issue(cx, action).mount(mount)
    }

    pub(super) fn rename(&mut self, cx: &Cx) -> Draft {
        let bits = cx.flags();
        let exchange = bits & RENAME_EXCHANGE != 0;
        // Flags that the kernel refused are left to be refused again; nothing is told of the paths
        // then.
        let refused = cx.event.errno() == Some(libc::EINVAL) && !are_rename_flags(bits);
        let hint = if refused {
            Hint::Silent
        } else {
            lookup_hint(cx, Kind::Unknown)
        };
        let from = self.reach(cx, hint);
        let mut from = match from {
            Ok(from) => from,
            Err(draft) => return draft,
        };
        // The second walk leaves its own traces; those of the first are in the accesses already.
        let hint = if exchange { hint } else { creation_hint(cx) };
        let to = self.reach_new(cx, hint);
        let mut to = match to {
            Ok(to) => to,
            Err(draft) => return draft,
        };
        let from_at = self.paths.keep_dots(&from);
        let to_at = self.paths.keep_dots(&to);
        let action = Action::Rename {
            from: from_at,
            to: to_at,
            flags: if refused {
                bits
            } else {
                bits & !RENAME_WHITEOUT
            },
        };
        let mount = self.land.tree.mount_of(from.walked.dir);
        if !cx.ok() || from.found().is_none() {
            from.walked.failed(&mut self.uses);
            to.walked.failed(&mut self.uses);
            to.walked.was_not_empty(cx, &mut self.uses);
            return Draft::issue(cx, action).mount(mount);
        }
        self.land.moved(
            &mut self.uses,
            &mut from.walked,
            &mut to.walked,
            exchange,
            &mut self.tally.notes,
        );
        Draft::issue(cx, action).mount(mount)
    }

    pub(super) fn link(&mut self, cx: &Cx) -> Draft {
        let bits = cx.flags();
        if cx.is_empty_path(bits) {
            return self.link_descriptor(cx);
        }
        let from = self.reach(cx, lookup_hint(cx, Kind::File));
        let from = match from {
            Ok(from) => from,
            Err(draft) => return self.link_elsewhere(cx, draft),
        };
        let to = self.reach_new(cx, creation_hint(cx));
        let mut to = match to {
            Ok(to) => to,
            Err(draft) => return draft,
        };
        if !cx.ok() && from.found().is_none() {
            // The second path was never looked at; issuing the first one twice fails alike and
            // makes nothing.
            from.walked.failed(&mut self.uses);
            let action = Action::Link {
                from: from.at,
                to: from.at,
                flags: (bits & AT_SYMLINK_FOLLOW) as i32,
            };
            let mount = self.land.tree.mount_of(from.walked.dir);
            return Draft::issue(cx, action).mount(mount);
        }
        let action = Action::Link {
            from: from.at,
            to: to.at,
            flags: (bits & (AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) as i32,
        };
        let mount = self.land.tree.mount_of(to.walked.dir);
        from.walked.failed(&mut self.uses);
        let Some(ino) = from.found().filter(|_| cx.ok()) else {
            to.walked.failed(&mut self.uses);
            return Draft::issue(cx, action).mount(mount);
        };
        self.land.linked(&mut self.uses, &mut to.walked, ino);
        Draft::issue(cx, action).mount(mount)
    }

    /// `linkat` of a file by its descriptor: `AT_EMPTY_PATH`.
    fn link_descriptor(&mut self, cx: &Cx) -> Draft {
        match self.file(cx, ArgKind::DirFd) {
            Ok(file) => self.link_file(cx, file),
            Err(draft) => draft,
        }
    }

    fn link_file(&mut self, cx: &Cx, file: super::File) -> Draft {
        let to = self.reach_new(cx, creation_hint(cx));
        let mut to = match to {
            Ok(to) => to,
            Err(draft) => return draft,
        };
        let action = Action::Link {
            from: At {
                dir: file.slot,
                path: super::super::TextBuilder::EMPTY,
            },
            to: to.at,
            flags: AT_EMPTY_PATH as i32,
        };
        let mount = self.land.tree.mount_of(to.walked.dir);
        if cx.ok() && file.ino != NONE {
            self.land.linked(&mut self.uses, &mut to.walked, file.ino);
        } else {
            to.walked.failed(&mut self.uses);
        }
        Draft::issue(cx, action).mount(mount)
    }

    /// `linkat` of `/proc/self/fd/N`, the unprivileged way to name a file that was made with
    /// `O_TMPFILE`.
    fn link_elsewhere(&mut self, cx: &Cx, draft: Draft) -> Draft {
        match self
            .holdings
            .descriptor_path(cx, ArgKind::Path, &mut self.uses, &self.land.tree)
        {
            Some(file) if cx.ok() => self.link_file(cx, file),
            _ => draft,
        }
    }

    pub(super) fn symlink(&mut self, cx: &Cx) -> Draft {
        let Some(target) = cx.string(ArgKind::Target) else {
            return Draft::nothing(cx, Class::Unresolved);
        };
        let hint = creation_hint(cx);
        let reached = self.reach_new(cx, hint);
        let mut reached = match reached {
            Ok(reached) => reached,
            Err(draft) => return draft,
        };
        let dir = reached.walked.dir;
        let mount = self.land.tree.mount_of(dir);
        let ino = if cx.ok() {
            let ino = self
                .land
                .create(&mut self.uses, &mut reached.walked, Kind::Link);
            self.land.tree.inode_mut(ino).extra = target.0;
            self.land.tree.moved();
            ino
        } else {
            reached.walked.failed(&mut self.uses);
            NONE
        };
        let action = self
            .paths
            .contained_link(cx, target, &reached, ino, &self.land.tree);
        Draft::issue(cx, action).mount(mount)
    }
}

/// Whether a path that leads to a directory ends with `..`.
fn names_parent(cx: &Cx, reached: &Reached) -> bool {
    let Some(path) = cx.string(ArgKind::Path) else {
        return false;
    };
    let path = cx.tables.string(path);
    let end = path.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
    let last = path[..end].rsplit(|b| *b == b'/').next();
    !cx.ok() && reached.found().is_some() && last == Some(b"..")
}

/// Whether renameat2(2) takes these flags.
fn are_rename_flags(bits: u32) -> bool {
    let exclusive = RENAME_NOREPLACE | RENAME_WHITEOUT;
    bits & !(exclusive | RENAME_EXCHANGE) == 0
        && (bits & RENAME_EXCHANGE == 0 || bits & exclusive == 0)
}

//! Calls that make, move and remove names.

use fsreplay_trace::abi::{
    AT_EMPTY_PATH, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, RENAME_EXCHANGE, RENAME_NOREPLACE,
    RENAME_WHITEOUT,
};
use fsreplay_trace::call::ArgKind;
use fsreplay_trace::model::StringId;

use super::super::links::LinkText;
use super::super::order::Side;
use super::super::paths::{Hint, Reached};
use super::super::tree::{Kind, NONE, PHANTOM, ROOT};
use super::super::{Class, Cx, Draft, Planner, Resource};
use super::{creation_hint, flag_bits, lookup_hint, number};
use crate::plan::{Action, At};

impl Planner {
    /// The name that a call changes, in its directory.
    fn changes_name(&mut self, dir: u32, dent: u32) {
        if dent != NONE {
            self.need(Resource::Dent(dent), Side::Write);
        }
        self.need(Resource::Members(dir), Side::Join);
        let now = self.uses.now;
        if let Some(directory) = self.land.tree.directory(dir) {
            directory.changed = now;
        }
    }

    /// A call made a new inode at the name that was reached.
    pub(crate) fn create(&mut self, reached: &mut Reached, kind: Kind) -> u32 {
        let dir = reached.walked.dir;
        let dent = self.final_dent(&mut reached.walked);
        if dent == NONE {
            // The path has no last name: only a made-up trace says that something was made there.
            return self.land.tree.add_inode(kind, PHANTOM, u16::MAX);
        }
        self.changes_name(dir, dent);
        let before = self.land.tree.dent(dent).ino;
        if before != NONE {
            if self.land.tree.inode(before).flags & PHANTOM != 0
                && self.land.tree.inode(before).kind == kind
            {
                // Seen by others before this call returned.
                self.land.tree.inode_mut(before).flags &= !PHANTOM;
                self.land.room.made();
                self.need_inode(before, Side::Write);
                return before;
            }
            self.displace(dent);
        }
        let mount = self.mount_of(dir);
        let ino = self.land.tree.add_inode(kind, 0, mount);
        self.land.tree.attach(dent, ino);
        self.land.room.made();
        reached.walked.ino = ino;
        ino
    }

    /// The model is wrong about a name: a call just made it.
    fn displace(&mut self, dent: u32) {
        let ino = self.land.tree.detach(dent);
        if ino != NONE && self.land.tree.inode(ino).initial != NONE {
            self.land.initial.retract(&mut self.land.tree, ino);
        }
    }

    pub(super) fn make_dir(&mut self, cx: &Cx) -> Draft {
        let mut reached = match self.reach(cx, creation_hint(cx)) {
            Ok(reached) => reached,
            Err(draft) => return draft,
        };
        let umask = self.holdings.procs.fs(cx.task).umask;
        let action = Action::MakeDir {
            at: reached.at,
            mode: number(cx, ArgKind::Mode) as u32 & 0o1777 & !umask,
        };
        let mount = self.mount_of(reached.walked.dir);
        if !cx.ok() {
            self.failed(&mut reached);
            return Draft::issue(cx, action).mount(mount);
        }
        if let Some(ino) = reached.found()
            && self.land.tree.root_at(ino).is_some()
        {
            self.tally
                .notes
                .add("placed directories that the tool made itself");
            self.land.unmade.end(ino);
            return Draft::nothing(cx, Class::Other);
        }
        let ino = self.create(&mut reached, Kind::Directory);
        self.need(Resource::Place(ino), Side::Write);
        Draft::issue(cx, action).mount(mount)
    }

    /// `unlink`, `unlinkat`, `rmdir`.
    pub(super) fn unlink(&mut self, cx: &Cx) -> Draft {
        let directory = flag_bits(cx) & AT_REMOVEDIR != 0;
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
            let Some(ino) = reached.found().filter(|ino| self.has_name(*ino)) else {
                return Draft::nothing(cx, Class::Unresolved);
            };
            reached.at = self.place_of(ino);
        }
        let action = Action::Unlink {
            at: reached.at,
            flags: if directory { AT_REMOVEDIR as i32 } else { 0 },
        };
        let dir = reached.walked.dir;
        let mount = self.mount_of(dir);
        let dent = reached.walked.dent;
        if !cx.ok() || dent == NONE || reached.found().is_none() {
            self.failed(&mut reached);
            self.was_not_empty(cx, &reached);
            return Draft::issue(cx, action).mount(mount);
        }
        if let Some(ino) = reached.found()
            && self.land.tree.root_at(ino).is_some()
        {
            // What the tool makes in its place belongs into the same placement.
            self.tally
                .notes
                .add("placed directories that the tool removed, and that stay");
            self.land.unmade.begin(ino);
            return Draft::nothing(cx, Class::Other);
        }
        self.changes_name(dir, dent);
        let ino = self.land.tree.detach(dent);
        self.removed(ino);
        Draft::issue(cx, action).mount(mount)
    }

    /// A call that failed for what a directory holds must find it there.
    fn was_not_empty(&mut self, cx: &Cx, reached: &Reached) {
        let told = matches!(cx.event.errno(), Some(libc::ENOTEMPTY | libc::EEXIST));
        if let Some(ino) = reached.found().filter(|_| told) {
            self.need(Resource::Members(ino), Side::Read);
        }
    }

    /// Whether a directory has a name in another one, and is not the top of a placement.
    fn has_name(&self, ino: u32) -> bool {
        self.land.tree.inode(ino).dent != NONE && self.land.tree.root_at(ino).is_none()
    }

    /// An inode lost a name.
    fn removed(&mut self, ino: u32) {
        if ino == NONE {
            return;
        }
        self.need_inode(ino, Side::Write);
        self.need(Resource::Place(ino), Side::Write);
        self.land.room.maybe_gone(&mut self.land.tree, ino);
    }

    pub(super) fn rename(&mut self, cx: &Cx) -> Draft {
        let bits = flag_bits(cx);
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
        let from_at = self.keep_dots(&from);
        let to_at = self.keep_dots(&to);
        let action = Action::Rename {
            from: from_at,
            to: to_at,
            flags: if refused {
                bits
            } else {
                bits & !RENAME_WHITEOUT
            },
        };
        let mount = self.mount_of(from.walked.dir);
        if !cx.ok() || from.found().is_none() {
            self.failed(&mut from);
            self.failed(&mut to);
            self.was_not_empty(cx, &to);
            return Draft::issue(cx, action).mount(mount);
        }
        self.moved(&mut from, &mut to, exchange);
        Draft::issue(cx, action).mount(mount)
    }

    /// A path that ends in `..` is refused by rename(2); its canonical form would not be.
    fn keep_dots(&mut self, reached: &Reached) -> At {
        let mut at = reached.at;
        let named = reached.walked.name.is_empty() && reached.walked.dent == NONE;
        let text = self.paths.texts.get(at.path).to_vec();
        if named && !text.is_empty() && text != b"." && !text.ends_with(b"/.") {
            at.path = self.paths.texts.join(at.path, b".");
        }
        at
    }

    /// What a rename does to the model.
    fn moved(&mut self, from: &mut Reached, to: &mut Reached, exchange: bool) {
        let source = self.final_dent(&mut from.walked);
        let target = self.final_dent(&mut to.walked);
        if source == NONE || target == NONE {
            return;
        }
        let (a, b) = (from.walked.dir, to.walked.dir);
        self.changes_name(a, source);
        self.changes_name(b, target);
        let ino = self.land.tree.dent(source).ino;
        let other = self.land.tree.dent(target).ino;
        if source == target || ino == NONE || ino == other {
            return;
        }
        self.need_inode(ino, Side::Write);
        self.need(Resource::Place(ino), Side::Write);
        let circular = self.land.tree.is_below(b, ino)
            || (exchange && other != NONE && self.land.tree.is_below(a, other));
        if circular || ino == ROOT || other == ROOT {
            self.tally.notes.add("renames that no kernel would do");
            return;
        }
        self.land.tree.detach(source);
        self.land.tree.detach(target);
        self.land.tree.attach(target, ino);
        if exchange && other != NONE {
            self.need_inode(other, Side::Write);
            self.need(Resource::Place(other), Side::Write);
            self.land.tree.attach(source, other);
        } else {
            self.removed(other);
        }
    }

    pub(super) fn link(&mut self, cx: &Cx) -> Draft {
        let bits = flag_bits(cx);
        if cx.is_empty_path(bits) {
            return self.link_descriptor(cx);
        }
        let from = self.reach(cx, lookup_hint(cx, Kind::File));
        let mut from = match from {
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
            self.failed(&mut from);
            let action = Action::Link {
                from: from.at,
                to: from.at,
                flags: (bits & AT_SYMLINK_FOLLOW) as i32,
            };
            let mount = self.mount_of(from.walked.dir);
            return Draft::issue(cx, action).mount(mount);
        }
        let action = Action::Link {
            from: from.at,
            to: to.at,
            flags: (bits & (AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) as i32,
        };
        let mount = self.mount_of(to.walked.dir);
        self.failed(&mut from);
        let Some(ino) = from.found().filter(|_| cx.ok()) else {
            self.failed(&mut to);
            return Draft::issue(cx, action).mount(mount);
        };
        self.linked(&mut to, ino);
        Draft::issue(cx, action).mount(mount)
    }

    /// A new name for an inode.
    fn linked(&mut self, to: &mut Reached, ino: u32) {
        let dent = self.final_dent(&mut to.walked);
        if dent == NONE || self.land.tree.inode(ino).kind == Kind::Directory {
            return;
        }
        self.changes_name(to.walked.dir, dent);
        self.need_inode(ino, Side::Write);
        if self.land.tree.dent(dent).ino != NONE {
            self.displace(dent);
        }
        self.land.tree.attach(dent, ino);
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
        let mount = self.mount_of(to.walked.dir);
        if cx.ok() && file.ino != NONE {
            self.linked(&mut to, file.ino);
        } else {
            self.failed(&mut to);
        }
        Draft::issue(cx, action).mount(mount)
    }

    /// `linkat` of `/proc/self/fd/N`, the unprivileged way to name a file that was made with
    /// `O_TMPFILE`.
    fn link_elsewhere(&mut self, cx: &Cx, draft: Draft) -> Draft {
        match self.descriptor_path(cx, ArgKind::Path) {
            Some(file) if cx.ok() => self.link_file(cx, file),
            _ => draft,
        }
    }

    /// The file that a path like `/proc/self/fd/N` means.
    fn descriptor_path(&mut self, cx: &Cx, kind: ArgKind) -> Option<super::File> {
        let path = cx.tables.string(cx.string(kind)?);
        let (fd, behind) = self.descriptor_link(cx, path)?;
        if behind != path.len() {
            return None;
        }
        let entry = self.holdings.procs.table(cx.task).get(fd, cx.horizon)?;
        let handle = self.holdings.fds.handle(entry.handle);
        let slot = handle.slot()?;
        self.need_slot(slot.0, Side::Read);
        let ino = self.holdings.fds.description(entry.handle).ino;
        Some(super::File {
            slot,
            handle: entry.handle,
            description: handle.description,
            ino,
            mount: self.mount_of(ino),
        })
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
        let mount = self.mount_of(dir);
        let ino = if cx.ok() {
            let ino = self.create(&mut reached, Kind::Link);
            self.land.tree.inode_mut(ino).extra = target.0;
            self.land.tree.moved();
            ino
        } else {
            self.failed(&mut reached);
            NONE
        };
        let action = self.contained_link(cx, target, &reached, ino);
        Draft::issue(cx, action).mount(mount)
    }

    fn contained_link(&mut self, cx: &Cx, target: StringId, reached: &Reached, ino: u32) -> Action {
        let text = cx.tables.string(target);
        let dir = reached.walked.dir;
        let mut home = Vec::new();
        self.recorded_path(dir, &mut home);
        let decided = self
            .paths
            .links
            .decide(&mut self.paths.texts, text, &home, ino);
        let (text, target_root) = match decided {
            LinkText::Verbatim => (self.paths.texts.string(target, 0, cx.tables), None),
            LinkText::Inside(root, path) => (path, Some(root)),
        };
        Action::Symlink {
            target: text,
            target_root,
            at: reached.at,
        }
    }

    /// The recorded absolute path of a directory, as far as it has one.
    fn recorded_path(&self, dir: u32, path: &mut Vec<u8>) {
        let mut names = Vec::new();
        let mut at = dir;
        while at != ROOT && at != NONE && names.len() < super::super::tree::MAX_DEPTH {
            let dent = self.land.tree.inode(at).dent;
            if dent == NONE {
                break;
            }
            let dent = self.land.tree.dent(dent);
            names.push(dent.name);
            at = dent.dir;
        }
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(self.land.tree.names.get(*name));
        }
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

//! Names that calls make, move and take away.

use fsreplay_trace::abi;

use super::super::order::Side;
use super::super::order::uses::{Resource, Uses};
use super::super::{Cx, Notes};
use super::Land;
use super::resolve::Walked;
use super::tree::{Kind, NONE, PHANTOM, ROOT};

impl Land {
    /// A call made a new inode at the name that its walk ended at.
    pub(crate) fn create(&mut self, uses: &mut Uses, walked: &mut Walked, kind: Kind) -> u32 {
        let dir = walked.dir;
        let dent = self.tree.final_dent(walked);
        if dent == NONE {
            // The path has no last name: only a made-up trace says that something was made there.
            return self.tree.add_inode(kind, PHANTOM, u16::MAX);
        }
        self.changes_name(uses, dir, dent);
        let before = self.tree.dent(dent).ino;
        if before != NONE {
            if self.tree.inode(before).flags & PHANTOM != 0 && self.tree.inode(before).kind == kind
            {
                // Seen by others before this call returned.
                self.tree.inode_mut(before).flags &= !PHANTOM;
                self.room.made();
                uses.inode(before, Side::Write);
                return before;
            }
            self.displace(dent);
        }
        let mount = self.tree.mount_of(dir);
        let ino = self.tree.add_inode(kind, 0, mount);
        self.tree.attach(dent, ino);
        self.room.made();
        walked.ino = ino;
        ino
    }

    /// The inode that an open which succeeded led to; makes it if the call did.
    pub(crate) fn opened(
        &mut self,
        uses: &mut Uses,
        cx: &Cx,
        walked: &mut Walked,
        temporary: bool,
    ) -> u32 {
        if temporary {
            let dir = walked.found().unwrap_or(walked.dir);
            let mount = self.tree.mount_of(dir);
            let ino = self.tree.add_inode(Kind::File, 0, mount);
            self.room.made();
            uses.inode(dir, Side::Read);
            return ino;
        }
        let recorded = cx.flags();
        let made = cx.event.made();
        match walked.found() {
            Some(ino) if !made.is_some_and(|made| made.exclusive) => {
                walked.looked_up(uses);
                let writes = recorded & abi::O_ACCMODE != 0 && recorded & abi::O_PATH == 0;
                let truncates = writes && recorded & abi::O_TRUNC != 0;
                if made.is_some() {
                    self.tree.inode_mut(ino).flags &= !PHANTOM;
                }
                if truncates {
                    self.room.resized(&mut self.tree, ino, 0);
                    uses.inode(ino, Side::Write);
                } else {
                    uses.inode(ino, Side::Read);
                }
                ino
            }
            _ => self.create(uses, walked, Kind::File),
        }
    }

    /// A new name for an inode.
    pub(crate) fn linked(&mut self, uses: &mut Uses, to: &mut Walked, ino: u32) {
        let dent = self.tree.final_dent(to);
        if dent == NONE || self.tree.inode(ino).kind == Kind::Directory {
            return;
        }
        self.changes_name(uses, to.dir, dent);
        uses.inode(ino, Side::Write);
        if self.tree.dent(dent).ino != NONE {
            self.displace(dent);
        }
        self.tree.attach(dent, ino);
    }

    /// What a rename does to the model.
    pub(crate) fn moved(
        &mut self,
        uses: &mut Uses,
        from: &mut Walked,
        to: &mut Walked,
        exchange: bool,
        notes: &mut Notes,
    ) {
        let source = self.tree.final_dent(from);
        let target = self.tree.final_dent(to);
        if source == NONE || target == NONE {
            return;
        }
        let (a, b) = (from.dir, to.dir);
        self.changes_name(uses, a, source);
        self.changes_name(uses, b, target);
        let ino = self.tree.dent(source).ino;
        let other = self.tree.dent(target).ino;
        if source == target || ino == NONE || ino == other {
            return;
        }
        uses.inode(ino, Side::Write);
        uses.add(Resource::Place(ino), Side::Write);
        let circular = self.tree.is_below(b, ino)
            || (exchange && other != NONE && self.tree.is_below(a, other));
        if circular || ino == ROOT || other == ROOT {
            notes.add("renames that no kernel would do");
            return;
        }
        self.tree.detach(source);
        self.tree.detach(target);
        self.tree.attach(target, ino);
        if exchange && other != NONE {
            uses.inode(other, Side::Write);
            uses.add(Resource::Place(other), Side::Write);
            self.tree.attach(source, other);
        } else {
            self.removed(uses, other);
        }
    }

    /// A call took a name away.
    pub(crate) fn unlinked(&mut self, uses: &mut Uses, dir: u32, dent: u32) {
        self.changes_name(uses, dir, dent);
        let ino = self.tree.detach(dent);
        self.removed(uses, ino);
    }

    /// An inode lost a name.
    fn removed(&mut self, uses: &mut Uses, ino: u32) {
        if ino == NONE {
            return;
        }
        uses.inode(ino, Side::Write);
        uses.add(Resource::Place(ino), Side::Write);
        self.room.maybe_gone(&mut self.tree, ino);
    }

    /// The name that a call changes, in its directory.
    fn changes_name(&mut self, uses: &mut Uses, dir: u32, dent: u32) {
        if dent != NONE {
            uses.add(Resource::Dent(dent), Side::Write);
        }
        uses.add(Resource::Members(dir), Side::Join);
        let now = uses.now;
        if let Some(directory) = self.tree.directory(dir) {
            directory.changed = now;
        }
    }

    /// The model is wrong about a name: a call just made it.
    fn displace(&mut self, dent: u32) {
        let ino = self.tree.detach(dent);
        if ino != NONE && self.tree.inode(ino).initial != NONE {
            self.initial.retract(&mut self.tree, ino);
        }
    }
}

#[cfg(test)]
mod tests {
    use fsreplay_trace::call::Last;
    use fsreplay_trace::format::Tables;

    use super::super::resolve::{Passed, walk};
    use super::super::tree::Tree;
    use super::*;

    fn at<'t>(land: &Land, tables: &'t Tables, path: &'t [u8]) -> Walked<'t> {
        let passed = &mut Passed::default();
        walk(&land.tree, tables, passed, path, ROOT, ROOT, Last::Named)
    }

    #[test]
    fn what_others_saw_before_its_making_returned_is_made_once() {
        let mut land = Land::new(Tree::new(), &[], 1);
        let (tables, mut uses) = (Tables::new(), Uses::default());
        let name = land.tree.names.intern(b"seen");
        let dent = land.tree.entry(ROOT, name);
        let seen = land.tree.add_inode(Kind::File, PHANTOM, 0);
        land.tree.attach(dent, seen);
        let mut walked = at(&land, &tables, b"/seen");
        let made = land.create(&mut uses, &mut walked, Kind::File);
        assert_eq!(made, seen);
        assert_eq!(land.tree.inode(seen).flags & PHANTOM, 0);
        let mut again = at(&land, &tables, b"/seen");
        let other = land.create(&mut uses, &mut again, Kind::Directory);
        assert_ne!(other, seen, "something else stands there now");
        assert_eq!(land.tree.dent(dent).ino, other);
    }

    #[test]
    fn a_directory_is_not_moved_below_itself() {
        let mut land = Land::new(Tree::new(), &[], 1);
        let (tables, mut uses, mut notes) = (Tables::new(), Uses::default(), Notes::default());
        let mut made = at(&land, &tables, b"/above");
        let above = land.create(&mut uses, &mut made, Kind::Directory);
        let mut from = at(&land, &tables, b"/above");
        let mut below = at(&land, &tables, b"/above/below");
        land.moved(&mut uses, &mut from, &mut below, false, &mut notes);
        assert_eq!(land.tree.parent(above), Some(ROOT));
        assert_eq!(notes.counts.len(), 1);
        let mut aside = at(&land, &tables, b"/aside");
        land.moved(&mut uses, &mut from, &mut aside, false, &mut notes);
        assert_eq!(at(&land, &tables, b"/aside").ino, above);
        assert_eq!(at(&land, &tables, b"/above").found(), None);
    }

    #[test]
    fn a_file_without_a_name_gives_its_room_back() {
        let mut land = Land::new(Tree::new(), &[], 1);
        let (tables, mut uses) = (Tables::new(), Uses::default());
        for path in [&b"/one"[..], b"/two"] {
            let mut walked = at(&land, &tables, path);
            let ino = land.create(&mut uses, &mut walked, Kind::File);
            land.wrote(&mut uses, ino, 0, 8192);
            land.unlinked(&mut uses, ROOT, walked.dent);
        }
        assert_eq!(land.room.peak_bytes, 8192);
        assert_eq!(land.room.peak_inodes, 1);
    }

    #[test]
    fn a_directory_knows_when_its_entries_changed() {
        let mut land = Land::new(Tree::new(), &[], 1);
        let (tables, mut uses) = (Tables::new(), Uses::default());
        uses.begin(7);
        let mut walked = at(&land, &tables, b"/new");
        land.create(&mut uses, &mut walked, Kind::File);
        assert_eq!(land.tree.changed(ROOT), 7);
        let joins = uses.all().contains(&(Resource::Members(ROOT), Side::Join));
        assert!(joins, "{:?}", uses.all());
    }
}

//! The recorded tree: what is where now, what of it was there at first, and how much room what the
//! replay makes takes.

pub(super) mod areas;
pub(super) mod initial;
pub(super) mod layers;
pub(super) mod mounts;
pub(super) mod names;
pub(super) mod records;
pub(super) mod resolve;
pub(super) mod room;
pub(super) mod tree;
pub(super) mod unmade;

use fsreplay_trace::model::{FileKind, Mount};

use super::Notes;
use super::hash::FastMap;
use super::order::Side;
use super::order::uses::Uses;
use initial::{Initial, kind_of};
use layers::Layers;
use mounts::Mounts;
use records::NodeCache;
use resolve::Walked;
use room::Room;
use tree::{EXISTED, Kind, NONE, PHANTOM, PSEUDO, ROOT, SKIPPED, Tree};
use unmade::Unmade;

/// The recorded tree.
pub(crate) struct Land {
    pub(crate) tree: Tree,
    pub(crate) initial: Initial,
    pub(crate) room: Room,
    pub(crate) layers: Layers,
    pub(crate) mounts: Mounts,
    pub(crate) unmade: Unmade,
    /// Inodes of the recorded link groups.
    groups: FastMap<u64, u32>,
    nodes: NodeCache,
}

impl Land {
    /// With a tree in which areas are marked, for the mounts of the recorded machine and a plan
    /// that goes to so many roots.
    pub(crate) fn new(tree: Tree, mounts: &[Mount], roots: usize) -> Land {
        Land {
            tree,
            initial: Initial::default(),
            room: Room::default(),
            layers: Layers::new(mounts),
            mounts: Mounts::default(),
            unmade: Unmade::new(roots),
            groups: FastMap::default(),
            nodes: NodeCache::default(),
        }
    }
    /// The directory in which the tool was started; `None` if it isn't replayed.
    pub(crate) fn first_cwd(&mut self, path: &[u8]) -> Option<u32> {
        let ino = areas::ensure(&mut self.tree, path);
        if self.tree.inode(ino).flags & (PSEUDO | SKIPPED) != 0 {
            return None;
        }
        self.tree.set_kind(ino, Kind::Directory);
        let inode = self.tree.inode(ino);
        if inode.initial == NONE && inode.dent != NONE {
            let dent = inode.dent;
            self.initial.add(&mut self.tree, dent, ino);
        }
        Some(ino)
    }

    /// The inode of an absolute path that exists; found by name, not by a call.
    pub(crate) fn existing(&mut self, path: &[u8], kind: FileKind) -> u32 {
        let mut at = ROOT;
        for name in areas::components(path) {
            if !areas::is_name(name) {
                return NONE;
            }
            let flags = self.tree.inode(at).flags;
            let name = self.tree.names.intern(name);
            let known = self.tree.find(at, name);
            let ino = known.map_or(NONE, |dent| self.tree.dent(dent).ino);
            if ino != NONE {
                at = ino;
                continue;
            }
            if flags & (PSEUDO | SKIPPED) != 0 {
                return at;
            }
            if flags & EXISTED == 0 || known.is_some() {
                return NONE;
            }
            let mount = self.tree.inode(at).mount;
            self.initial.set_kind(&mut self.tree, at, Kind::Directory);
            let dent = self.tree.entry(at, name);
            at = self.tree.add_inode(Kind::Unknown, EXISTED, mount);
            self.tree.attach(dent, at);
        }
        let inode = self.tree.inode(at);
        if inode.flags & (PSEUDO | SKIPPED) != 0 {
            return at;
        }
        self.met(at);
        if self.tree.inode(at).kind == Kind::Unknown {
            self.initial.set_kind(&mut self.tree, at, kind_of(kind));
        }
        at
    }

    /// A call showed that a name exists of which no record told.
    pub(crate) fn conjure(&mut self, walked: &Walked, kind: Kind, notes: &mut Notes) {
        let dir = walked.dir;
        if walked.ino != NONE {
            // Known by name; now it is known to be a directory.
            self.initial.set_kind(&mut self.tree, walked.ino, kind);
            return;
        }
        let name = self.tree.names.intern(walked.name);
        let heard = self.tree.find(dir, name).is_some();
        let existed = !heard && self.tree.inode(dir).flags & EXISTED != 0;
        let dent = self.tree.entry(dir, name);
        let mount = self.tree.inode(dir).mount;
        let kind = if kind == Kind::Unknown {
            Kind::File
        } else {
            kind
        };
        let flags = if existed { EXISTED } else { PHANTOM };
        let ino = self.tree.add_inode(kind, flags, mount);
        self.tree.attach(dent, ino);
        if existed {
            self.initial.add(&mut self.tree, dent, ino);
            notes.add("names that exist without a recorded state");
        } else {
            notes.add("names that appeared without a recorded cause");
        }
    }

    /// An inode was found: one that was there before the recording belongs to the initial tree.
    pub(crate) fn met(&mut self, ino: u32) {
        let inode = self.tree.inode(ino);
        if inode.flags & EXISTED != 0 && inode.initial == NONE && inode.dent != NONE {
            let dent = inode.dent;
            self.initial.add(&mut self.tree, dent, ino);
        }
    }

    /// The contents of an inode of the initial tree matter.
    pub(crate) fn mark_read(&mut self, ino: u32) {
        if ino != NONE {
            self.initial.read(&self.tree, ino);
        }
    }

    /// Bytes went into an inode.
    pub(crate) fn wrote(&mut self, uses: &mut Uses, ino: u32, offset: u64, length: u64) {
        uses.inode(ino, Side::Write);
        if length > 0 {
            self.room.written(&mut self.tree, ino, offset, length);
        }
    }

    /// What `fallocate` did to a file's size and space: `length` bytes from `offset` on.
    pub(crate) fn allocated(&mut self, ino: u32, offset: u64, length: u64, keeps_size: bool) {
        let size = self.tree.inode(ino).size;
        self.room.written(&mut self.tree, ino, offset, length);
        if keeps_size {
            self.tree.inode_mut(ino).size = size;
        }
    }
}

#[cfg(test)]
mod tests {
    use fsreplay_trace::call::Last;
    use fsreplay_trace::format::Tables;

    use super::*;
    use resolve::{Passed, walk};

    fn land() -> Land {
        Land::new(Tree::new(), &[], 1)
    }

    #[test]
    fn what_a_descriptor_leads_to_was_there_unless_the_tool_removed_it() {
        let mut land = land();
        let ino = land.existing(b"/work/log", FileKind::File);
        let inode = land.tree.inode(ino);
        assert_eq!(inode.kind, Kind::File);
        assert_ne!(inode.initial, NONE);
        let dent = inode.dent;
        land.tree.detach(dent);
        assert_eq!(land.existing(b"/work/log", FileKind::File), NONE);
    }

    #[test]
    fn a_name_that_a_call_found_was_there_only_in_a_directory_that_was() {
        let mut land = land();
        let old = land.existing(b"/old", FileKind::Directory);
        let made = land.tree.add_inode(Kind::Directory, 0, 0);
        let name = land.tree.names.intern(b"new");
        let dent = land.tree.entry(ROOT, name);
        land.tree.attach(dent, made);
        let (tables, mut notes) = (Tables::new(), Notes::default());
        for (path, dir, flags) in [("/old/x", old, EXISTED), ("/new/x", made, PHANTOM)] {
            let passed = &mut Passed::default();
            let last = Last::Followed;
            let walked = walk(
                &land.tree,
                &tables,
                passed,
                path.as_bytes(),
                ROOT,
                ROOT,
                last,
            );
            assert_eq!(walked.dir, dir);
            land.conjure(&walked, Kind::File, &mut notes);
            let name = land.tree.names.find(b"x").expect("a name");
            let dent = land.tree.find(dir, name).expect("an entry");
            let inode = land.tree.inode(land.tree.dent(dent).ino);
            assert_eq!(inode.flags, flags, "{path}");
            assert_eq!(inode.initial != NONE, flags == EXISTED, "{path}");
        }
        assert_eq!(notes.counts.len(), 2);
    }

    #[test]
    fn space_that_is_kept_beyond_the_end_leaves_the_size() {
        let mut land = land();
        let ino = land.existing(b"/file", FileKind::File);
        land.allocated(ino, 0, 8192, true);
        assert_eq!(land.tree.inode(ino).size, 0);
        assert_eq!(land.room.peak_bytes, 8192, "the space counts");
        land.allocated(ino, 4096, 4096, false);
        assert_eq!(land.tree.inode(ino).size, 8192);
    }

    #[test]
    fn a_start_in_what_is_not_replayed_has_no_directory() {
        let mut land = land();
        let devices = areas::ensure(&mut land.tree, b"/dev");
        land.tree.inode_mut(devices).flags |= PSEUDO;
        assert_eq!(land.first_cwd(b"/dev/pts"), None);
        let work = land.first_cwd(b"/work").expect("a directory");
        assert_ne!(land.tree.inode(work).initial, NONE);
    }
}

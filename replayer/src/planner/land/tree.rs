//! The model of the recorded tree: inodes, names, and where they are now.

use super::super::hash::{RawIndex, Seed};
use super::super::intern::Names;
use super::super::order::frontier::Frontier;
pub(crate) use super::super::order::uses::NONE;
use super::super::order::uses::{Resource, Uses};
use crate::plan::TreeEntry;

/// The directory `/`.
pub(crate) const ROOT: u32 = 0;
/// A directory that is not the top of a placement.
pub(crate) const NO_ROOT: u16 = u16::MAX;
/// Trees deeper than this are refused: beyond it only made-up traces go.
pub(crate) const MAX_DEPTH: usize = 5000;

/// What an inode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Known by name only.
    Unknown,
    File,
    Directory,
    Link,
    Fifo,
    Socket,
    Device,
}

/// It was there before the recording.
pub(crate) const EXISTED: u8 = 1;
/// On a file system that is not replayed.
pub(crate) const PSEUDO: u8 = 2;
/// Left out by the user.
pub(crate) const SKIPPED: u8 = 4;
/// It appeared without a recorded cause.
pub(crate) const PHANTOM: u8 = 8;
/// Changed by what was issued: contents or metadata of a file, entries of a directory.
pub(crate) const CHANGED: u8 = 16;
/// The tool set its flags (`chattr`): it may be immutable, or grow at its end only.
pub(crate) const FLAGGED: u8 = 64;
/// The top of what the tool mounted itself.
pub(crate) const MOUNTED: u8 = 32;

/// A file, directory or link of the recorded machine.
#[derive(Debug)]
pub(crate) struct Inode {
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
    /// Index into the header's mounts; `u16::MAX` where unknown.
    pub(crate) mount: u16,
    /// Names that it has now.
    pub(crate) links: u32,
    /// Open file descriptions and mappings.
    pub(crate) opens: u32,
    /// Its entry (for a directory the only one), [`NONE`] for the root and for what has no name
    /// any more.
    pub(crate) dent: u32,
    /// Its entry of the initial tree, [`NONE`] if it was made.
    pub(crate) initial: u32,
    /// Index into [`Tree::directories`], or the string that is a link's text.
    pub(crate) extra: u32,
    pub(crate) size: u64,
    /// Bytes that the replay will have written into it.
    pub(crate) allocated: u64,
    /// Accesses to contents and metadata.
    pub(crate) frontier: Frontier,
}

/// What a directory has beyond other inodes.
#[derive(Debug)]
pub(crate) struct Directory {
    /// Which placement begins here.
    pub(crate) root: u16,
    /// Accesses through it (reads), and its making, renaming and removal (writes).
    pub(crate) place: Frontier,
    /// Listings (reads) against changes of its entries (joins).
    pub(crate) members: Frontier,
    /// How many events had returned when its entries last changed.
    pub(crate) changed: u32,
}

/// A name in a directory.
#[derive(Debug)]
pub(crate) struct Dentry {
    pub(crate) dir: u32,
    pub(crate) name: u32,
    /// What it leads to; [`NONE`] while there is nothing of that name.
    pub(crate) ino: u32,
    /// Look-ups (reads), and creations, removals and renames (writes).
    pub(crate) frontier: Frontier,
}

/// Where a climb towards the root ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Top {
    /// At the directory of a placement.
    Root(u16),
    /// At the directory asked for.
    Asked,
}

/// All that is known about the tree.
pub(crate) struct Tree {
    pub(crate) names: Names,
    pub(crate) inodes: Vec<Inode>,
    pub(crate) dents: Vec<Dentry>,
    pub(crate) directories: Vec<Directory>,
    index: RawIndex,
    seed: Seed,
    /// Counts changes after which a path may lead elsewhere although all its names still exist.
    pub(crate) generation: u32,
}

impl Tree {
    /// A tree that has nothing but `/`.
    pub(crate) fn new() -> Tree {
        let mut tree = Tree {
            names: Names::default(),
            inodes: Vec::new(),
            dents: Vec::new(),
            directories: Vec::new(),
            index: RawIndex::default(),
            seed: Seed::default(),
            generation: 1,
        };
        let root = tree.add_inode(Kind::Directory, EXISTED, u16::MAX);
        tree.inodes[root as usize].links = 1;
        let extra = tree.inodes[root as usize].extra;
        tree.directories[extra as usize].root = 0;
        tree
    }

    /// Bytes that it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        let inodes = self.inodes.len() * size_of::<Inode>();
        let directories = self.directories.len() * size_of::<Directory>();
        // A name's place in the index, and that in the initial tree.
        let dents = self.dents.len() * (size_of::<Dentry>() + size_of::<TreeEntry>() + 16);
        inodes + directories + dents + self.names.bytes()
    }

    /// Whether numbers are used up; the plan is refused then.
    pub(crate) fn is_full(&self) -> bool {
        let limit = (NONE / 2) as usize;
        self.names.is_full() || self.inodes.len() > limit || self.dents.len() > limit
    }

    #[inline]
    pub(crate) fn inode(&self, ino: u32) -> &Inode {
        &self.inodes[ino as usize]
    }

    #[inline]
    pub(crate) fn inode_mut(&mut self, ino: u32) -> &mut Inode {
        &mut self.inodes[ino as usize]
    }

    #[inline]
    pub(crate) fn dent(&self, dent: u32) -> &Dentry {
        &self.dents[dent as usize]
    }

    /// The directory part of an inode.
    #[inline]
    pub(crate) fn directory(&mut self, ino: u32) -> Option<&mut Directory> {
        let inode = self.inodes.get(ino as usize)?;
        if inode.kind != Kind::Directory {
            return None;
        }
        self.directories.get_mut(inode.extra as usize)
    }

    /// Which placement begins at that inode.
    #[inline]
    pub(crate) fn root_at(&self, ino: u32) -> Option<u16> {
        let inode = self.inodes.get(ino as usize)?;
        if inode.kind != Kind::Directory {
            return None;
        }
        let root = self.directories[inode.extra as usize].root;
        (root != NO_ROOT).then_some(root)
    }

    /// A new inode without a name.
    pub(crate) fn add_inode(&mut self, kind: Kind, flags: u8, mount: u16) -> u32 {
        let ino = self.inodes.len() as u32;
        self.inodes.push(Inode {
            kind: Kind::Unknown,
            flags,
            mount,
            links: 0,
            opens: 0,
            dent: NONE,
            initial: NONE,
            extra: NONE,
            size: 0,
            allocated: 0,
            frontier: Frontier::default(),
        });
        self.set_kind(ino, kind);
        ino
    }

    /// Tells what an inode is that was known by name only.
    pub(crate) fn set_kind(&mut self, ino: u32, kind: Kind) {
        let directories = self.directories.len() as u32;
        let inode = &mut self.inodes[ino as usize];
        if inode.kind == kind {
            return;
        }
        inode.kind = kind;
        inode.extra = NONE;
        if kind == Kind::Directory {
            inode.extra = directories;
            self.directories.push(Directory {
                root: NO_ROOT,
                place: Frontier::default(),
                members: Frontier::default(),
                changed: 0,
            });
        }
    }

    /// The entry of that name, if one was ever needed.
    #[inline]
    pub(crate) fn find(&self, dir: u32, name: u32) -> Option<u32> {
        self.index.find(self.seed.pair(dir, name), |dent| {
            let dent = &self.dents[dent as usize];
            dent.dir == dir && dent.name == name
        })
    }

    /// The entry of that name; if it is new, there is nothing of that name yet.
    pub(crate) fn entry(&mut self, dir: u32, name: u32) -> u32 {
        if let Some(dent) = self.find(dir, name) {
            return dent;
        }
        let dent = self.dents.len() as u32;
        self.dents.push(Dentry {
            dir,
            name,
            ino: NONE,
            frontier: Frontier::default(),
        });
        self.index.insert(self.seed.pair(dir, name), dent);
        dent
    }

    /// Gives an inode a name. The name must lead nowhere.
    pub(crate) fn attach(&mut self, dent: u32, ino: u32) {
        self.dents[dent as usize].ino = ino;
        let inode = &mut self.inodes[ino as usize];
        inode.links += 1;
        inode.dent = dent;
    }

    /// Takes a name from what it leads to, and tells what that was.
    pub(crate) fn detach(&mut self, dent: u32) -> u32 {
        let ino = std::mem::replace(&mut self.dents[dent as usize].ino, NONE);
        if ino == NONE {
            return NONE;
        }
        let inode = &mut self.inodes[ino as usize];
        inode.links = inode.links.saturating_sub(1);
        if inode.dent == dent {
            inode.dent = NONE;
        }
        if matches!(inode.kind, Kind::Directory | Kind::Link | Kind::Unknown) {
            self.moved();
        }
        ino
    }

    /// Lets an entry lead to something else, without either inode hearing of it: what is covered
    /// keeps its name, and what covers it has another one, or none. What it led to before.
    pub(crate) fn cover(&mut self, dent: u32, with: u32) -> u32 {
        self.moved();
        std::mem::replace(&mut self.dents[dent as usize].ino, with)
    }

    /// A directory or link has another place now.
    pub(crate) fn moved(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// The parent of a directory; the root is its own, a removed directory has none.
    #[inline]
    pub(crate) fn parent(&self, dir: u32) -> Option<u32> {
        if dir == ROOT {
            return Some(ROOT);
        }
        let dent = self.inodes.get(dir as usize)?.dent;
        (dent != NONE).then(|| self.dents[dent as usize].dir)
    }

    /// Climbs from a directory to the top of its placement, or to `stop` if that comes first,
    /// leaving the names in `names`, last first. `None` if the directory was removed.
    pub(crate) fn climb(&self, dir: u32, stop: u32, names: &mut Vec<u32>) -> Option<Top> {
        names.clear();
        let mut at = dir;
        while names.len() < MAX_DEPTH {
            if at == stop {
                return Some(Top::Asked);
            }
            if let Some(root) = self.root_at(at) {
                return Some(Top::Root(root));
            }
            let dent = self.inodes.get(at as usize)?.dent;
            if dent == NONE {
                return None;
            }
            let dent = &self.dents[dent as usize];
            names.push(dent.name);
            at = dent.dir;
        }
        None
    }

    /// Whether `dir` is `above` or lies below it.
    pub(crate) fn is_below(&self, dir: u32, above: u32) -> bool {
        let mut at = dir;
        for _ in 0..MAX_DEPTH {
            if at == above {
                return true;
            }
            match self.parent(at) {
                Some(parent) if at != ROOT => at = parent,
                _ => return false,
            }
        }
        true
    }

    /// How many events had returned when the entries of a directory last changed.
    pub(crate) fn changed(&self, ino: u32) -> u32 {
        let inode = self.inode(ino);
        let directory = match inode.kind {
            Kind::Directory => self.directories.get(inode.extra as usize),
            _ => None,
        };
        directory.map_or(0, |directory| directory.changed)
    }

    /// The size of an inode, bytes; 0 of none.
    pub(crate) fn size_of(&self, ino: u32) -> u64 {
        if ino == NONE {
            return 0;
        }
        self.inode(ino).size
    }

    /// The mount of an inode.
    pub(crate) fn mount_of(&self, ino: u32) -> u16 {
        if ino == NONE {
            return u16::MAX;
        }
        self.inode(ino).mount
    }

    /// The directory that an inode lies in, or is; [`NONE`] if it has no name.
    pub(crate) fn home_of(&self, ino: u32) -> u32 {
        let inode = self.inode(ino);
        match (inode.kind, inode.dent) {
            (Kind::Directory, _) => ino,
            (_, NONE) => NONE,
            (_, dent) => self.dent(dent).dir,
        }
    }

    /// Whether a directory has a name in another one, and is not the top of a placement.
    pub(crate) fn has_name(&self, ino: u32) -> bool {
        self.inode(ino).dent != NONE && self.root_at(ino).is_none()
    }

    /// Whether a regular file goes on behind an offset.
    pub(crate) fn reaches_beyond(&self, ino: u32, offset: u64) -> bool {
        let inode = self.inode(ino);
        inode.kind == Kind::File && offset < inode.size
    }

    /// The recorded absolute path of a directory, as far as it has one.
    pub(crate) fn recorded_path(&self, dir: u32) -> Vec<u8> {
        let mut names = Vec::new();
        let mut at = dir;
        while at != ROOT && at != NONE && names.len() < MAX_DEPTH {
            let dent = self.inode(at).dent;
            if dent == NONE {
                break;
            }
            let dent = self.dent(dent);
            names.push(dent.name);
            at = dent.dir;
        }
        let mut path = Vec::new();
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(self.names.get(*name));
        }
        path
    }

    /// What the op about to be committed changes has to be put back before the next round.
    pub(crate) fn mark_changed(&mut self, uses: &Uses) {
        for resource in uses.changed() {
            let changed = match resource {
                Resource::Inode(ino) | Resource::Members(ino) => ino,
                Resource::Dent(dent) => self.dent(dent).dir,
                Resource::Place(_) | Resource::Slot(_) | Resource::Offset(_) | Resource::Map(_) => {
                    continue;
                }
            };
            self.inode_mut(changed).flags |= CHANGED;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::order::Side;
    use super::*;

    #[test]
    fn a_file_lies_in_the_directory_of_its_name() {
        let mut tree = Tree::new();
        let mut at = ROOT;
        for name in [&b"a"[..], b"b"] {
            let name = tree.names.intern(name);
            let dent = tree.entry(at, name);
            let dir = tree.add_inode(Kind::Directory, 0, 3);
            tree.attach(dent, dir);
            at = dir;
        }
        let name = tree.names.intern(b"file");
        let dent = tree.entry(at, name);
        let file = tree.add_inode(Kind::File, 0, 3);
        tree.attach(dent, file);
        assert_eq!(tree.recorded_path(at), b"/a/b");
        assert_eq!((tree.home_of(file), tree.home_of(at)), (at, at));
        assert!(tree.has_name(at));
        assert!(!tree.has_name(ROOT));
        tree.detach(dent);
        assert_eq!(tree.home_of(file), NONE);
        assert_eq!((tree.mount_of(file), tree.mount_of(NONE)), (3, u16::MAX));
    }

    #[test]
    fn what_is_not_only_looked_at_is_changed_and_with_a_name_its_directory() {
        let mut tree = Tree::new();
        let [looked, written] = [0, 0].map(|flags| tree.add_inode(Kind::File, flags, 0));
        let name = tree.names.intern(b"new");
        let dent = tree.entry(ROOT, name);
        let mut uses = Uses::default();
        uses.inode(looked, Side::Read);
        uses.inode(written, Side::Write);
        uses.add(Resource::Dent(dent), Side::Write);
        tree.mark_changed(&uses);
        let changed = |ino: u32| tree.inode(ino).flags & CHANGED != 0;
        assert!(changed(written) && changed(ROOT) && !changed(looked));
    }
}

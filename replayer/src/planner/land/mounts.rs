//! What the tool mounts itself. A replay mounts nothing: what lies below such a mount is another
//! file system, which the replay has none of, so that calls there are not issued. A directory that
//! is bound to a second place (`mount --bind`) is replayed, at its first one. What a mount hides
//! comes back when it is taken away.
//!
//! Each mount namespace has its own. Those of the namespace whose task is looked at lie in the
//! tree. What a new one has of its parent's stays as it is: later mounts go to no other namespace.

use std::rc::Rc;

use super::super::Notes;
use super::Land;
use super::resolve::Walked;
use super::tree::{Kind, MOUNTED, NONE, PSEUDO, SKIPPED, Tree};

const BELOW: &str = "calls by names below what the tool mounted itself: the replay doesn't mount, \
    so \
    that these, and calls on what they opened, are not issued";
const UNKNOWN: &str = "mounts over the root directory or over places that are not known: what lies \
    below is replayed as if it were not mounted";

/// Something that lies over a directory or file.
#[derive(Clone, Copy)]
struct Mount {
    /// The entry that it lies over.
    dent: u32,
    top: u32,
    /// What the entry leads to without it.
    hidden: u32,
}

/// What the tool mounted, in order, by namespace. There is always one namespace. Those that are
/// alike share their mounts.
pub(crate) struct Mounts {
    namespaces: Vec<Rc<Vec<Mount>>>,
    /// Whose mounts lie in the tree.
    current: u32,
    /// Mounts that were made, and that were copied where namespaces ceased to be alike.
    kept: usize,
}

impl Default for Mounts {
    fn default() -> Mounts {
        Mounts {
            namespaces: vec![Rc::default()],
            current: 0,
            kept: 0,
        }
    }
}

impl Mounts {
    /// The tree is as the tasks of that namespace see it, from now on.
    pub(crate) fn show(&mut self, tree: &mut Tree, namespace: u32) {
        if namespace != self.current {
            self.lift(tree);
            self.lay(tree, namespace);
        }
    }

    /// A new namespace that has what another one has.
    pub(crate) fn copy(&mut self, namespace: u32) -> u32 {
        let alike = Rc::clone(&self.namespaces[namespace as usize]);
        self.namespaces.push(alike);
        (self.namespaces.len() - 1) as u32
    }

    fn here(&self) -> &[Mount] {
        &self.namespaces[self.current as usize]
    }

    fn here_mut(&mut self) -> &mut Vec<Mount> {
        let here = &mut self.namespaces[self.current as usize];
        if Rc::strong_count(here) > 1 {
            self.kept += here.len();
        }
        Rc::make_mut(here)
    }

    /// Bytes that they take, about.
    pub(crate) fn bytes(&self) -> usize {
        self.kept * size_of::<Mount>() + self.namespaces.len() * size_of::<Rc<Vec<Mount>>>()
    }

    fn add(&mut self, tree: &mut Tree, dent: u32, top: u32) {
        let hidden = tree.cover(dent, top);
        self.kept += 1;
        self.here_mut().push(Mount { dent, top, hidden });
    }

    /// Takes the last one over an entry away; gives what lay there.
    pub(crate) fn take(&mut self, tree: &mut Tree, dent: u32) -> Option<u32> {
        let last = self.here().iter().rposition(|mount| mount.dent == dent)?;
        let mount = self.here_mut().remove(last);
        tree.cover(dent, mount.hidden);
        Some(mount.top)
    }

    /// Takes all of the current namespace out of the tree.
    fn lift(&mut self, tree: &mut Tree) {
        for mount in self.here().iter().rev() {
            tree.cover(mount.dent, mount.hidden);
        }
    }

    /// Puts those of another one there, but for those whose place is another by now.
    fn lay(&mut self, tree: &mut Tree, namespace: u32) {
        self.current = namespace;
        let lay = |mount: &Mount| {
            let is_there = tree.dent(mount.dent).ino == mount.hidden;
            if is_there {
                tree.cover(mount.dent, mount.top);
            }
            is_there
        };
        let laid: Vec<bool> = self.here().iter().map(lay).collect();
        if laid.contains(&false) {
            let mut stays = laid.into_iter();
            self.here_mut().retain(|_| stays.next().unwrap_or(false));
        }
    }
}

impl Mounts {
    /// Takes all of the current namespace away.
    pub(crate) fn clear(&mut self, tree: &mut Tree) {
        self.lift(tree);
        self.here_mut().clear();
    }
}

impl Land {
    /// Something comes to lie over an entry: a directory or file that is replayed, or what the
    /// replay doesn't have.
    pub(crate) fn lie_over(
        &mut self,
        over: Option<(u32, u32)>,
        top: Option<u32>,
        notes: &mut Notes,
    ) {
        match over {
            Some((dent, ino)) if dent != NONE => {
                let top = top.unwrap_or_else(|| self.another(ino, dent));
                self.mounts.add(&mut self.tree, dent, top);
            }
            Some(_) | None => notes.add(UNKNOWN),
        }
    }

    /// The top of a file system that the replay doesn't have.
    fn another(&mut self, ino: u32, dent: u32) -> u32 {
        let covered = self.tree.inode(ino);
        let (kind, mount) = (covered.kind, covered.mount);
        let top = self.tree.add_inode(kind, PSEUDO | MOUNTED, mount);
        self.tree.inode_mut(top).dent = dent;
        top
    }

    /// A directory that gets a second place (`mount --bind`), if it is replayed: what is done at
    /// the second place is issued at the first.
    pub(crate) fn bound_directory(&self, ino: u32, over: u32) -> Option<u32> {
        let inode = self.tree.inode(ino);
        let is_replayed = inode.flags & (PSEUDO | SKIPPED) == 0;
        let both = inode.kind == Kind::Directory && self.tree.inode(over).kind == inode.kind;
        (is_replayed && both).then_some(ino)
    }

    /// A path led to where nothing is issued: that is told, if the tool mounted it.
    pub(crate) fn led_below_mount(&self, walked: &Walked, notes: &mut Notes) {
        if walked.ino != NONE && self.tree.inode(walked.ino).flags & MOUNTED != 0 {
            notes.add(BELOW);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::ROOT;
    use super::*;

    #[test]
    fn a_namespace_keeps_what_another_one_takes_away() {
        let mut tree = Tree::new();
        let name = tree.names.intern(b"mnt");
        let dent = tree.entry(ROOT, name);
        let under = tree.add_inode(Kind::Directory, 0, 0);
        tree.attach(dent, under);
        let top = tree.add_inode(Kind::Directory, PSEUDO | MOUNTED, 0);
        let mut mounts = Mounts::default();
        mounts.add(&mut tree, dent, top);
        let copy = mounts.copy(0);
        assert_eq!(mounts.take(&mut tree, dent), Some(top));
        assert_eq!(tree.dent(dent).ino, under);
        mounts.show(&mut tree, copy);
        assert_eq!(tree.dent(dent).ino, top);
        mounts.clear(&mut tree);
        assert_eq!(tree.dent(dent).ino, under);
        mounts.show(&mut tree, 0);
        assert_eq!(tree.dent(dent).ino, under);
    }

    #[test]
    fn a_directory_that_is_bound_elsewhere_is_replayed_where_it_is() {
        let mut land = Land::new(Tree::new(), &[], 1);
        let [directory, over, file] = [Kind::Directory, Kind::Directory, Kind::File]
            .map(|kind| land.tree.add_inode(kind, 0, 0));
        let pseudo = land.tree.add_inode(Kind::Directory, PSEUDO, 0);
        assert_eq!(land.bound_directory(directory, over), Some(directory));
        assert_eq!(land.bound_directory(file, over), None);
        assert_eq!(land.bound_directory(pseudo, over), None);
    }
}

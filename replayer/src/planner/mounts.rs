//! What the tool mounts itself. A replay mounts nothing: what lies below such a mount is another
//! file system, which the replay has none of, so that calls there are not issued. A directory that
//! is bound to a second place (`mount --bind`) is replayed, at its first one. What a mount hides
//! comes back when it is taken away.
//!
//! Each mount namespace has its own. Those of the namespace whose task is looked at lie in the
//! tree. What a new one has of its parent's stays as it is: later mounts go to no other namespace.

use std::rc::Rc;

use fsreplay_trace::abi::{AT_FDCWD, MOVE_MOUNT_T_EMPTY_PATH, MS_BIND, MS_MOVE, MS_ONLY_FLAGS};
use fsreplay_trace::call::{ArgKind, Last};

use super::land::Land;
use super::resolve::{End, Walked, walk};
use super::tree::{Kind, MOUNTED, NONE, PSEUDO, SKIPPED, Tree};
use super::{Class, Cx, Draft, Notes, Planner};

const BELOW: &str = "calls by names below what the tool mounted itself: the replay doesn't mount, \
    so \
    that these, and calls on what they opened, are not issued";
const UNKNOWN: &str = "mounts over the root directory or over places that are not known: what lies \
    below is replayed as if it were not mounted";
const PIVOTED: &str = "changes of a mount namespace's root directory (pivot_root): what lies below \
    it is replayed as if nothing were mounted";

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
pub(super) struct Mounts {
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
    pub(super) fn show(&mut self, tree: &mut Tree, namespace: u32) {
        if namespace != self.current {
            self.lift(tree);
            self.lay(tree, namespace);
        }
    }

    /// A new namespace that has what another one has.
    pub(super) fn copy(&mut self, namespace: u32) -> u32 {
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
    pub(super) fn bytes(&self) -> usize {
        self.kept * size_of::<Mount>() + self.namespaces.len() * size_of::<Rc<Vec<Mount>>>()
    }

    fn add(&mut self, tree: &mut Tree, dent: u32, top: u32) {
        let hidden = tree.cover(dent, top);
        self.kept += 1;
        self.here_mut().push(Mount { dent, top, hidden });
    }

    /// Takes the last one over an entry away; gives what lay there.
    fn take(&mut self, tree: &mut Tree, dent: u32) -> Option<u32> {
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

impl Land {
    /// Something comes to lie over an entry: a directory or file that is replayed, or what the
    /// replay doesn't have.
    pub(super) fn lie_over(
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
    pub(super) fn bound_directory(&self, ino: u32, over: u32) -> Option<u32> {
        let inode = self.tree.inode(ino);
        let is_replayed = inode.flags & (PSEUDO | SKIPPED) == 0;
        let both = inode.kind == Kind::Directory && self.tree.inode(over).kind == inode.kind;
        (is_replayed && both).then_some(ino)
    }

    /// A path led to where nothing is issued: that is told, if the tool mounted it.
    pub(super) fn led_below_mount(&self, walked: &Walked, notes: &mut Notes) {
        if walked.ino != NONE && self.tree.inode(walked.ino).flags & MOUNTED != 0 {
            notes.add(BELOW);
        }
    }
}

impl Planner {
    pub(super) fn mount(&mut self, cx: &Cx) -> Draft {
        let flags = cx.flags();
        if cx.ok() && flags & MS_ONLY_FLAGS == 0 {
            let over = self.place_named(cx, ArgKind::Path);
            let top = match over {
                Some(_) if flags & MS_MOVE != 0 => self.moved_from(cx),
                Some((_, over)) if flags & MS_BIND != 0 => {
                    let bound = self.place_named(cx, ArgKind::Target);
                    bound.and_then(|(_, ino)| self.land.bound_directory(ino, over))
                }
                Some(_) | None => None,
            };
            self.land.lie_over(over, top, &mut self.tally.notes);
        }
        Draft::nothing(cx, Class::Other)
    }

    /// What `fsmount` or `open_tree` made gets a place, or what has one gets another.
    pub(super) fn move_mount(&mut self, cx: &Cx) -> Draft {
        if cx.ok() {
            let over = self.place_named(cx, ArgKind::Path);
            let top = over.and_then(|_| self.moved_from(cx));
            self.land.lie_over(over, top, &mut self.tally.notes);
        }
        Draft::nothing(cx, Class::Other)
    }

    pub(super) fn unmount(&mut self, cx: &Cx) -> Draft {
        if cx.ok()
            && let Some((dent, _)) = self.place_named(cx, ArgKind::Path)
        {
            self.land.mounts.take(&mut self.land.tree, dent);
        }
        Draft::nothing(cx, Class::Other)
    }

    /// What the root directory of the namespace is then is in no trace. Names below it are taken
    /// for what they were, and mounts would be in the way of these.
    pub(super) fn pivot_root(&mut self, cx: &Cx) -> Draft {
        if cx.ok() {
            self.land.mounts.lift(&mut self.land.tree);
            self.land.mounts.here_mut().clear();
            self.tally.notes.add(PIVOTED);
        }
        Draft::nothing(cx, Class::Other)
    }

    /// Takes what is moved away from where it lay, if that is known.
    fn moved_from(&mut self, cx: &Cx) -> Option<u32> {
        let (dent, _) = self.place_named(cx, ArgKind::Target)?;
        self.land.mounts.take(&mut self.land.tree, dent)
    }

    /// The entry and the directory or file that a path of such a call names.
    fn place_named(&mut self, cx: &Cx, kind: ArgKind) -> Option<(u32, u32)> {
        let path = cx.tables.string(cx.string(kind)?);
        let fs = self.holdings.procs.fs(cx.task);
        let (mut start, root) = (fs.cwd_ino, fs.root);
        let fd = cx.event.fd(ArgKind::DirFd).filter(|fd| *fd != AT_FDCWD);
        if kind == ArgKind::Path
            && let Some(fd) = fd
        {
            let handle = self
                .holdings
                .procs
                .table(cx.task)
                .get(fd, cx.horizon)?
                .handle;
            self.holdings.fds.handle(handle).slot()?;
            start = self.holdings.fds.description(handle).ino;
            if path.is_empty() && cx.flags() & MOVE_MOUNT_T_EMPTY_PATH != 0 && start != NONE {
                return Some((self.land.tree.inode(start).dent, start));
            }
        }
        let last = match kind {
            ArgKind::Path => self.setting.dialect.last(cx.event, kind),
            _ => Last::Followed,
        };
        let passed = &mut self.paths.passed;
        let walked = walk(&self.land.tree, cx.tables, passed, path, start, root, last);
        let is_there = matches!(walked.end, End::Found | End::Pseudo) && walked.ino != NONE;
        is_there.then_some((walked.dent, walked.ino))
    }
}

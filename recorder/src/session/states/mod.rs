//! States of paths, taken before the first call that touches them.
//!
//! Paths are walked here as the kernel would walk them, link by link, over a trie of names (the
//! trace's nodes). Each name that is not known is looked up once; successful calls of the tool keep
//! what is known up to date (`effects`), so nothing known is looked up again.
//!
//! After a rename of a directory everything below it has moved: each directory has an *epoch*, and
//! what is known of a name counts only while its directory is in the epoch in which it was learned.

mod look;

use std::rc::Rc;

use fsreplay_trace::abi::MAX_LINKS;
use fsreplay_trace::model::{FileKind, Mount, NodeId, is_pseudo};
use hashbrown::HashMap;

use super::trace::Trace;
use super::world::{Told, World};

/// The tool made it (or moved it): what stood in it before is known.
const MADE: u8 = 1;
/// Its entries were recorded.
const LISTED: u8 = 2;
/// Its attributes were recorded.
const XATTRS: u8 = 4;
/// A pseudo file system: nothing is observed below.
const PSEUDO: u8 = 8;
/// A mount point: its mount is its own, not its directory's.
const MOUNT_POINT: u8 = 16;
/// Set-user-id or set-group-id.
const SET_ID: u8 = 32;

/// What is known of a node.
#[derive(Clone, Copy, Default)]
struct Known {
    /// `None` until it was looked up.
    kind: Option<FileKind>,
    flags: u8,
    mount: u16,
    /// Of the names in it.
    epoch: u32,
    /// Its directory's epoch when it was looked up.
    seen_in: u32,
}

/// From where a task sees the tree.
#[derive(Clone, Debug)]
pub struct View {
    /// Its root directory.
    pub root: NodeId,
    /// The task through whose root the recorder looks, in another mount namespace than its own.
    pub through: Option<i32>,
}

/// Where a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The last name.
    pub node: NodeId,
    /// What is there ([`FileKind::Absent`] included).
    pub kind: FileKind,
}

/// What is known of all paths.
pub struct States {
    world: Rc<dyn World>,
    known: Vec<Known>,
    links: HashMap<NodeId, Rc<[u8]>>,
    link_groups: HashMap<(u64, u64), u64>,
    moves: u32,
    shm: Option<NodeId>,
    /// Directories that could not be listed.
    missed: u64,
    /// The first of them, and why.
    first_missed: String,
    /// What the call that is being told says of the last name of its path.
    pub(super) told: Option<Told>,
}

impl States {
    /// Nothing known but where file systems are mounted.
    pub fn new(mounts: &[Mount], world: Rc<dyn World>, trace: &mut Trace) -> States {
        let mut states = States {
            told: None,
            world,
            known: Vec::new(),
            links: HashMap::new(),
            link_groups: HashMap::new(),
            moves: 0,
            shm: None,
            missed: 0,
            first_missed: String::new(),
        };
        for (index, mount) in mounts.iter().enumerate() {
            let node = trace.node_of(&mount.mount_point);
            let known = states.known_mut(node);
            known.mount = u16::try_from(index).unwrap_or(u16::MAX);
            known.flags = MOUNT_POINT;
            if is_pseudo(&mount.fs_type) {
                known.flags |= PSEUDO;
            }
        }
        // In a container /dev is a tmpfs, and holds devices all the same.
        let dev = trace.node_of(b"/dev");
        states.known_mut(dev).flags |= PSEUDO;
        states.shm = Some(trace.node_of(b"/dev/shm"));
        states
    }

    fn known(&self, node: NodeId) -> Known {
        self.known.get(node.0 as usize).copied().unwrap_or_default()
    }

    fn known_mut(&mut self, node: NodeId) -> &mut Known {
        let index = node.0 as usize;
        if index >= self.known.len() {
            self.known.resize(index + 1, Known::default());
        }
        &mut self.known[index]
    }

    /// Counts renames of directories: a node of a directory that was kept is good only within one
    /// count.
    pub fn moves(&self) -> u32 {
        self.moves
    }

    /// Whether the file is set-user-id or set-group-id, as far as known.
    pub fn is_set_id(&self, node: NodeId) -> bool {
        self.known(node).flags & SET_ID != 0
    }

    /// What is known of a node now; `None` if it must be looked up.
    pub fn kind(&self, trace: &Trace, node: NodeId) -> Option<FileKind> {
        let known = self.known(node);
        let parent = self.known(trace.parent(node));
        (node == NodeId::ROOT || known.seen_in == parent.epoch)
            .then_some(known.kind)
            .flatten()
    }

    /// Walks an absolute path without links (as /proc tells them), so that all of it is known.
    /// `None` if it is not all directories up to the last name.
    pub fn canonical(&mut self, trace: &mut Trace, view: &View, path: &[u8]) -> Option<Found> {
        self.walk(trace, view, NodeId::ROOT, path, true)
    }

    /// Walks a path from a directory; every name on the way that is not known is looked up and
    /// recorded. `None` if the walk ends before the last name, or in a pseudo file system.
    pub fn walk(
        &mut self,
        trace: &mut Trace,
        view: &View,
        base: NodeId,
        path: &[u8],
        follow: bool,
    ) -> Option<Found> {
        let mut at = if path.first() == Some(&b'/') {
            view.root
        } else {
            base
        };
        let mut joined: Vec<u8>;
        let mut rest = path;
        let mut links = 0;
        self.look(trace, view, NodeId::ROOT);
        loop {
            let (name, after) = split(rest);
            if name.is_empty() {
                return Some(Found {
                    node: at,
                    kind: FileKind::Directory,
                });
            }
            rest = after;
            match name {
                b"." => continue,
                b".." => {
                    if at != view.root {
                        at = trace.parent(at);
                    }
                    continue;
                }
                _ => {}
            }
            let node = trace.node(at, name);
            if self.known(at).flags & PSEUDO != 0 && Some(node) != self.shm {
                return None;
            }
            let last = split(rest).0.is_empty();
            let kind = if rest.is_empty() && !follow {
                self.look_last(trace, view, node)
            } else {
                self.look(trace, view, node)
            };
            match kind {
                FileKind::Directory => at = node,
                FileKind::Symlink if !last || follow || !rest.is_empty() => {
                    links += 1;
                    let target = self.links.get(&node).cloned()?;
                    if links > MAX_LINKS || target.is_empty() {
                        return None;
                    }
                    if target.first() == Some(&b'/') {
                        at = view.root;
                    }
                    let mut next = target.to_vec();
                    next.extend_from_slice(if rest.is_empty() { b"" } else { b"/" });
                    next.extend_from_slice(rest);
                    joined = next;
                    rest = &joined;
                }
                kind => return last.then_some(Found { node, kind }),
            }
        }
    }

    /// The tool made this: its state is known without a look.
    pub fn made(&mut self, trace: &Trace, node: NodeId, kind: FileKind) {
        let seen_in = self.known(trace.parent(node)).epoch;
        let known = self.known_mut(node);
        known.kind = Some(kind);
        known.flags = (known.flags & (MOUNT_POINT | PSEUDO)) | MADE;
        known.epoch = known.epoch.wrapping_add(1);
        known.seen_in = seen_in;
        self.inherit_mount(trace, node);
    }

    /// The tool made a link with this text.
    pub fn made_link(&mut self, trace: &Trace, node: NodeId, target: &[u8]) {
        self.made(trace, node, FileKind::Symlink);
        self.links.insert(node, target.into());
    }

    /// The tool removed it.
    pub fn removed(&mut self, trace: &Trace, node: NodeId) {
        self.made(trace, node, FileKind::Absent);
    }

    /// Nothing is known of it any more.
    pub fn forget(&mut self, node: NodeId) {
        let known = self.known_mut(node);
        known.kind = None;
        known.flags &= MOUNT_POINT | PSEUDO;
        known.epoch = known.epoch.wrapping_add(1);
    }

    /// The tool moved one name to another.
    pub fn moved(&mut self, trace: &Trace, from: NodeId, to: NodeId) {
        if from == to {
            return;
        }
        let kind = self.kind(trace, from).unwrap_or(FileKind::Unknown);
        let was = self.known(from).flags;
        match (kind, self.links.get(&from).cloned()) {
            (FileKind::Symlink, Some(target)) => self.made_link(trace, to, &target),
            _ => self.made(trace, to, kind),
        }
        if kind == FileKind::Directory {
            self.moves = self.moves.wrapping_add(1);
        }
        self.comes_from(was, to);
        self.removed(trace, from);
    }

    /// The tool gave another name to a file.
    pub fn linked(&mut self, trace: &Trace, from: NodeId, to: NodeId, kind: FileKind) {
        let was = self.known(from).flags;
        self.made(trace, to, kind);
        self.comes_from(was, to);
    }

    /// It is what had these flags. If the tool didn't make that, something else may have stood in
    /// it than what the tool put there.
    fn comes_from(&mut self, was: u8, to: NodeId) {
        let known = self.known_mut(to);
        if was & MADE == 0 {
            known.flags &= !MADE;
        }
        known.flags |= was & SET_ID;
    }

    /// The tool exchanged two names.
    pub fn exchanged(&mut self, one: NodeId, other: NodeId) {
        self.moves = self.moves.wrapping_add(1);
        self.forget(one);
        self.forget(other);
    }
}

/// The first name of a path and what follows it and its slashes (one slash is kept if only slashes
/// follow).
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let start = path.iter().position(|b| *b != b'/').unwrap_or(path.len());
    let path = &path[start..];
    let end = path.iter().position(|b| *b == b'/').unwrap_or(path.len());
    path.split_at(end)
}

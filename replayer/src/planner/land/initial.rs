//! The initial tree: what was there before the recording, as states, listings and calls tell.

use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{FileKind, Metadata, StringId};

use super::super::intern::TextBuilder;
use super::super::paths::links::{LinkText, Links};
use super::super::setting::Owners;
use super::tree::{EXISTED, Kind, NO_ROOT, NONE, ROOT, Tree};
use crate::plan::{Plan, Text, TreeEntry};

/// One name of the initial tree.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The entry of the directory that it is in; [`NONE`] for `/`.
    parent: u32,
    name: u32,
    ino: u32,
    size: u64,
    /// Bytes of a sparse file that are no hole.
    allocated: Option<u64>,
    mtime: i64,
    uid: u32,
    gid: u32,
    mode: u16,
    kind: Kind,
    /// Its metadata are recorded.
    observed: bool,
    /// It belongs to the tree that gets prepared.
    wanted: bool,
    /// Its contents are read.
    data: bool,
    /// Another entry with the same inode comes first.
    another: bool,
    /// Its extended attributes are recorded.
    attributed: bool,
}

impl Entry {
    /// One that gets prepared, of which nothing else is known.
    fn new(parent: u32, name: u32, ino: u32, kind: Kind) -> Entry {
        Entry {
            parent,
            name,
            ino,
            size: 0,
            allocated: None,
            mtime: 0,
            uid: 0,
            gid: 0,
            mode: 0,
            kind,
            observed: false,
            wanted: true,
            data: false,
            another: false,
            attributed: false,
        }
    }
}

/// The initial tree as far as it is known.
#[derive(Default)]
pub(crate) struct Initial {
    entries: Vec<Entry>,
    xattrs: Vec<(u32, Vec<(StringId, u32)>)>,
}

/// What writing the tree takes beside it.
pub(crate) struct Writing<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) tables: &'a Tables,
    pub(crate) owners: &'a Owners,
    pub(crate) texts: &'a mut TextBuilder,
    pub(crate) links: &'a mut Links,
}

/// Where an entry stands in the plan, and where its children go.
struct Placed {
    index: u32,
    root: u32,
    path: Text,
}

impl Default for Placed {
    fn default() -> Placed {
        Placed {
            index: NONE,
            root: 0,
            path: TextBuilder::EMPTY,
        }
    }
}

/// Beginnings of the names of attributes that only the kernel or root may set.
const SPECIAL: [&[u8]; 3] = [b"trusted.", b"security.", b"system."];
/// What those names begin with in the replay.
const REPLAYED_AS: &[u8] = b"user.fsreplay.";

/// The name under which an extended attribute is replayed: those that only the kernel or root may
/// set become ordinary ones.
pub(crate) fn xattr_name(recorded: &[u8]) -> Vec<u8> {
    if SPECIAL.iter().any(|prefix| recorded.starts_with(prefix)) {
        return [REPLAYED_AS, recorded].concat();
    }
    recorded.to_vec()
}

/// How long a list of attributes can be in the replay, bytes, which was that long when recorded:
/// each name is at least one of the beginnings above, a character and a NUL.
pub(crate) fn xattr_list_length(recorded: u64) -> u64 {
    let shortest = SPECIAL.map(|prefix| prefix.len() as u64 + 2);
    let names = recorded / shortest.into_iter().fold(u64::MAX, u64::min);
    recorded.saturating_add(names.saturating_mul(REPLAYED_AS.len() as u64))
}

pub(crate) fn kind_of(kind: FileKind) -> Kind {
    match kind {
        FileKind::File => Kind::File,
        FileKind::Directory => Kind::Directory,
        FileKind::Symlink => Kind::Link,
        FileKind::Fifo => Kind::Fifo,
        FileKind::Socket => Kind::Socket,
        FileKind::CharDevice | FileKind::BlockDevice => Kind::Device,
        FileKind::Absent | FileKind::Unknown => Kind::Unknown,
    }
}

impl Initial {
    /// Makes an inode's present name part of the initial tree (with the directories above it).
    pub(crate) fn add(&mut self, tree: &mut Tree, dent: u32, ino: u32) {
        let dir = tree.dent(dent).dir;
        let parent = self.ensure(tree, dir);
        if parent == NONE {
            return;
        }
        let another = tree.inode(ino).initial != NONE;
        let index = self.entries.len() as u32;
        self.entries.push(Entry {
            another,
            ..Entry::new(parent, tree.dent(dent).name, ino, tree.inode(ino).kind)
        });
        if !another {
            tree.inode_mut(ino).initial = index;
        }
    }

    /// Makes `/` part of the initial tree.
    pub(crate) fn add_root(&mut self, tree: &mut Tree) {
        self.ensure(tree, ROOT);
    }

    /// The entry of a directory, made with those above it if there is none; [`NONE`] if it was made
    /// by the tool.
    fn ensure(&mut self, tree: &mut Tree, dir: u32) -> u32 {
        let mut missing = Vec::new();
        let mut at = dir;
        while tree.inode(at).initial == NONE {
            let dent = tree.inode(at).dent;
            if tree.inode(at).flags & EXISTED == 0 || (dent == NONE && at != ROOT) {
                return NONE;
            }
            missing.push((at, dent));
            if dent == NONE {
                break;
            }
            at = tree.dent(dent).dir;
        }
        let mut parent = tree.inode(at).initial;
        while let Some((ino, dent)) = missing.pop() {
            let index = self.entries.len() as u32;
            tree.set_kind(ino, Kind::Directory);
            let name = if dent == NONE {
                NONE
            } else {
                tree.dent(dent).name
            };
            let entry = Entry::new(parent, name, ino, Kind::Directory);
            self.entries.push(entry);
            tree.inode_mut(ino).initial = index;
            parent = index;
        }
        parent
    }

    /// Whether the inode is part of the initial tree and its metadata aren't known yet.
    pub(crate) fn is_open(&self, tree: &Tree, ino: u32) -> bool {
        let entry = tree.inode(ino).initial;
        self.entries
            .get(entry as usize)
            .is_some_and(|entry| !entry.observed)
    }

    /// The owner of a file that is known to run as whoever owns it (`S_ISUID`).
    pub(crate) fn set_user(&self, tree: &Tree, ino: u32) -> Option<u32> {
        let entry = self.entries.get(tree.inode(ino).initial as usize)?;
        let is_program = entry.observed && entry.kind == Kind::File;
        (is_program && u32::from(entry.mode) & libc::S_ISUID != 0).then_some(entry.uid)
    }

    /// Fills in what was recorded about an inode.
    pub(crate) fn observe(&mut self, tree: &mut Tree, ino: u32, kind: Kind, metadata: &Metadata) {
        let index = tree.inode(ino).initial;
        let Some(entry) = self.entries.get_mut(index as usize) else {
            return;
        };
        entry.observed = true;
        entry.kind = kind;
        entry.size = if kind == Kind::File { metadata.size } else { 0 };
        entry.allocated = metadata.allocated;
        entry.mtime = metadata.mtime;
        entry.mode = (metadata.mode & 0o7777) as u16;
        entry.uid = metadata.uid;
        entry.gid = metadata.gid;
        tree.set_kind(ino, kind);
        let inode = tree.inode_mut(ino);
        inode.size = entry.size;
        if kind == Kind::Link {
            inode.extra = metadata.target.map_or(NONE, |target| target.0);
        }
        if kind == Kind::Directory && tree.inode(ino).extra == NONE {
            tree.set_kind(ino, Kind::Unknown);
            tree.set_kind(ino, Kind::Directory);
        }
    }

    /// Tells the kind of a name that is known from a listing or from a call only.
    pub(crate) fn set_kind(&mut self, tree: &mut Tree, ino: u32, kind: Kind) {
        tree.set_kind(ino, kind);
        let index = tree.inode(ino).initial;
        if let Some(entry) = self.entries.get_mut(index as usize) {
            entry.kind = kind;
        }
    }

    /// The size of a file that is known from an inherited descriptor only.
    pub(crate) fn grow(&mut self, tree: &mut Tree, ino: u32, size: u64) {
        let index = tree.inode(ino).initial;
        if let Some(entry) = self.entries.get_mut(index as usize)
            && !entry.observed
            && entry.kind == Kind::File
        {
            entry.size = entry.size.max(size);
            let inode = tree.inode_mut(ino);
            inode.size = inode.size.max(size);
        }
    }

    /// The contents of that inode are read.
    #[inline]
    pub(crate) fn read(&mut self, tree: &Tree, ino: u32) {
        let index = tree.inode(ino).initial;
        if let Some(entry) = self.entries.get_mut(index as usize) {
            entry.data = true;
        }
    }

    /// The name turned out to have been made by the tool: its state was taken while the call that
    /// made it ran.
    pub(crate) fn retract(&mut self, tree: &mut Tree, ino: u32) {
        let index = tree.inode(ino).initial;
        if let Some(entry) = self.entries.get_mut(index as usize) {
            entry.wanted = false;
        }
        tree.inode_mut(ino).initial = NONE;
    }

    /// Extended attributes of an inode. Those that were found first count: they are recorded anew
    /// under another name, or after a rename, when the tool may have changed them.
    pub(crate) fn set_xattrs(&mut self, tree: &Tree, ino: u32, xattrs: &[(StringId, u32)]) {
        let index = tree.inode(ino).initial;
        let Some(entry) = self.entries.get_mut(index as usize) else {
            return;
        };
        let is_first = !std::mem::replace(&mut entry.attributed, true);
        if is_first && !xattrs.is_empty() {
            self.xattrs.push((index, xattrs.to_vec()));
        }
    }

    /// Bytes of contents and number of inodes of the whole initial tree.
    fn totals(&self, plan: &mut Plan) {
        for entry in plan.tree.iter().filter(|entry| entry.link_of.is_none()) {
            plan.peak_inodes += 1;
            let filled = entry.filled().checked_next_multiple_of(4096);
            plan.peak_bytes = plan.peak_bytes.saturating_add(filled.unwrap_or(u64::MAX));
        }
    }

    /// Writes the tree into the plan.
    pub(crate) fn finish(mut self, writing: &mut Writing, plan: &mut Plan) {
        for index in 0..self.entries.len() {
            let parent = self.entries[index].parent;
            if parent != NONE && !self.entries[parent as usize].wanted {
                self.entries[index].wanted = false;
            }
        }
        let tree = writing.tree;
        // For each entry: where it stands in the plan, and where its children go.
        let mut places: Vec<Placed> = Vec::with_capacity(self.entries.len());
        for index in 0..self.entries.len() {
            let entry = self.entries[index];
            if !entry.wanted {
                places.push(Placed::default());
                continue;
            }
            let (root, path) = match places.get(entry.parent as usize) {
                Some(parent) => {
                    let name = tree.names.get(entry.name);
                    (parent.root, writing.texts.join(parent.path, name))
                }
                None => (0, TextBuilder::EMPTY),
            };
            let made = self.entry(&entry, root, path, &places, writing);
            let mut place = Placed {
                index: plan.tree.len() as u32,
                root,
                path,
            };
            plan.tree.push(made);
            if let Some(below) = crossing(tree, &entry) {
                place.index += 1;
                place.root = u32::from(below);
                place.path = TextBuilder::EMPTY;
                let mut again = plan.tree[place.index as usize - 1].clone();
                again.root = place.root;
                again.path = place.path;
                plan.tree.push(again);
            }
            places.push(place);
        }
        for (index, xattrs) in &self.xattrs {
            let place = places
                .get(*index as usize)
                .map_or(NONE, |place| place.index);
            if let Some(entry) = plan.tree.get_mut(place as usize) {
                let name = |name: &StringId| xattr_name(writing.tables.string(*name));
                entry.xattrs = xattrs
                    .iter()
                    .map(|(id, size)| (writing.texts.push_built(&name(id)), *size))
                    .collect();
            }
        }
        self.totals(plan);
    }

    fn entry(
        &self,
        entry: &Entry,
        root: u32,
        path: Text,
        places: &[Placed],
        writing: &mut Writing,
    ) -> TreeEntry {
        let directory = entry.kind == Kind::Directory;
        let owners = writing.owners;
        let mode = match (entry.observed, directory) {
            (true, _) => owners.mode(u32::from(entry.mode), entry.uid, entry.gid, directory),
            (false, true) => 0o755,
            (false, false) => 0o644,
        };
        let recorded = (entry.uid, entry.gid);
        let changed = writing.tree.inode(entry.ino).flags & super::tree::CHANGED != 0;
        let mut made = TreeEntry {
            root,
            path,
            kind: file_kind(entry.kind),
            size: entry.size,
            mode,
            owner: if entry.observed {
                recorded
            } else {
                (owners.uid, owners.gid)
            },
            mtime: entry.observed.then_some(entry.mtime),
            target: None,
            target_root: None,
            link_of: None,
            changed,
            // What is removed, truncated or overwritten gives back its blocks, which a hole has
            // none of.
            data: entry.data || changed && entry.kind == Kind::File,
            allocated: entry.allocated,
            xattrs: Vec::new(),
        };
        if entry.another {
            let first = writing.tree.inode(entry.ino).initial;
            made.link_of = places
                .get(first as usize)
                .map(|place| place.index)
                .filter(|place| *place != NONE);
        }
        if entry.kind == Kind::Link {
            self.link(entry, &mut made, writing);
        }
        made
    }

    fn link(&self, entry: &Entry, made: &mut TreeEntry, writing: &mut Writing) {
        let text = link_text(writing.tree, entry, writing.tables);
        let home = self.home(writing.tree, entry.parent);
        let decided = writing.links.decide(writing.texts, text, &home, entry.ino);
        match decided {
            LinkText::Verbatim => made.target = Some(writing.texts.push_built(text)),
            LinkText::Inside(root, path) => {
                made.target = Some(path);
                made.target_root = Some(u32::from(root));
            }
        }
    }

    /// Recorded path of an initial directory.
    fn home(&self, tree: &Tree, mut entry: u32) -> Vec<u8> {
        let mut names = Vec::new();
        while let Some(at) = self.entries.get(entry as usize) {
            if at.parent == NONE {
                break;
            }
            names.push(tree.names.get(at.name));
            entry = at.parent;
        }
        names.reverse();
        names.join(&b'/')
    }
}

fn link_text<'t>(tree: &Tree, entry: &Entry, tables: &'t Tables) -> &'t [u8] {
    match tree.inode(entry.ino).extra {
        NONE => b"unknown",
        text => tables.string(StringId(text)),
    }
}

/// The placement that begins at an entry, other than the default one.
fn crossing(tree: &Tree, entry: &Entry) -> Option<u16> {
    let root = tree.root_at(entry.ino)?;
    (root != 0 && root != NO_ROOT).then_some(root)
}

fn file_kind(kind: Kind) -> FileKind {
    match kind {
        Kind::Directory => FileKind::Directory,
        Kind::Link => FileKind::Symlink,
        Kind::Fifo => FileKind::Fifo,
        Kind::Socket => FileKind::Socket,
        Kind::Device => FileKind::CharDevice,
        Kind::File | Kind::Unknown => FileKind::File,
    }
}

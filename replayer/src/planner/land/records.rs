//! What states of paths, listings and attributes tell of the tree.

use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{FileKind, Listing, NodeId, PathState, Xattrs};

use super::super::Notes;
use super::Land;
use super::areas;
use super::initial::kind_of;
use super::tree::{EXISTED, Kind, MAX_DEPTH, NONE, PHANTOM, PSEUDO, ROOT, SKIPPED};

/// The directories that nodes' parents were last found to be.
pub(crate) struct NodeCache {
    /// Parent node, generation of the tree, inode.
    known: Vec<(u32, u32, u32)>,
}

impl Default for NodeCache {
    fn default() -> NodeCache {
        NodeCache {
            known: vec![(NONE, 0, NONE); 4096],
        }
    }
}

impl Land {
    /// The directory inode that a node's parent is now; `None` if it isn't a directory of the
    /// replayed tree.
    pub(super) fn directory_of(
        &mut self,
        node: NodeId,
        tables: &Tables,
        notes: &mut Notes,
    ) -> Option<u32> {
        if node.0 as usize >= tables.node_count() || !areas::is_name(tables.name(node)) {
            return None;
        }
        let parent = tables.parent(node).0;
        let place = (parent % 4096) as usize;
        let (known, generation, dir) = self.nodes.known[place];
        if known == parent && generation == self.tree.generation {
            return Some(dir);
        }
        let dir = self.find_directory(node, tables, notes)?;
        self.nodes.known[place] = (parent, self.tree.generation, dir);
        Some(dir)
    }

    fn find_directory(&mut self, node: NodeId, tables: &Tables, notes: &mut Notes) -> Option<u32> {
        let mut chain = Vec::new();
        let mut at = node;
        while at != NodeId::ROOT {
            if chain.len() > MAX_DEPTH || at.0 as usize >= tables.node_count() {
                return None;
            }
            chain.push(at);
            at = tables.parent(at);
        }
        if !chain.iter().all(|node| areas::is_name(tables.name(*node))) {
            return None;
        }
        let mut dir = ROOT;
        for node in chain.into_iter().skip(1).rev() {
            let inode = self.tree.inode(dir);
            if inode.flags & SKIPPED != 0 {
                return None;
            }
            let known = self.tree.names.find(tables.name(node));
            let dent = known.and_then(|name| self.tree.find(dir, name));
            let ino = dent.map_or(NONE, |dent| self.tree.dent(dent).ino);
            dir = if ino != NONE {
                ino
            } else {
                self.infer_directory(dir, dent, tables.name(node), notes)?
            };
            if self.tree.inode(dir).kind == Kind::Unknown {
                self.initial.set_kind(&mut self.tree, dir, Kind::Directory);
            }
        }
        (self.tree.inode(dir).kind == Kind::Directory).then_some(dir)
    }

    /// A state below a directory of which no record told.
    fn infer_directory(
        &mut self,
        dir: u32,
        dent: Option<u32>,
        name: &[u8],
        notes: &mut Notes,
    ) -> Option<u32> {
        let above = self.tree.inode(dir);
        let outside = above.flags & EXISTED == 0 || above.flags & PSEUDO != 0;
        if dent.is_some() || outside || above.kind != Kind::Directory {
            return None;
        }
        let mount = above.mount;
        let name = self.tree.names.intern(name);
        let dent = self.tree.entry(dir, name);
        let ino = self.tree.add_inode(Kind::Directory, EXISTED, mount);
        self.tree.attach(dent, ino);
        self.initial.add(&mut self.tree, dent, ino);
        notes.add("directories without a recorded state");
        Some(ino)
    }

    /// A state of a path, as it was before the first call on it.
    pub(crate) fn path_state(&mut self, state: &PathState, tables: &Tables, notes: &mut Notes) {
        if state.kind == FileKind::Absent {
            self.absent(state, tables, notes);
            return;
        }
        if state.kind == FileKind::Unknown {
            notes.add("paths that the recorder could not look at");
            return;
        }
        if state.node == NodeId::ROOT {
            self.state_of(ROOT, state, notes);
            return;
        }
        let Some(dir) = self.directory_of(state.node, tables, notes) else {
            return;
        };
        let area = self.tree.inode(dir).flags & (PSEUDO | SKIPPED);
        if area & SKIPPED != 0 {
            return;
        }
        let name = self.tree.names.intern(tables.name(state.node));
        let known = self.tree.find(dir, name);
        let ino = known.map_or(NONE, |dent| self.tree.dent(dent).ino);
        if ino != NONE {
            self.state_of(ino, state, notes);
            return;
        }
        if area & PSEUDO != 0 {
            return;
        }
        let existed = known.is_none() && self.tree.inode(dir).flags & EXISTED != 0;
        if !existed {
            self.rumour(dir, name, state);
            return;
        }
        let dent = self.tree.entry(dir, name);
        self.add_state(dent, dir, state, notes);
    }

    /// A name that existed before the recording, with what is known about it.
    fn add_state(&mut self, dent: u32, dir: u32, state: &PathState, notes: &mut Notes) {
        let group = state.metadata.map_or(0, |metadata| metadata.link_group);
        let linked = if group == 0 {
            None
        } else {
            self.groups.get(&group).copied()
        };
        if let Some(ino) = linked
            && self.tree.inode(ino).initial != NONE
            && self.tree.inode(ino).kind == kind_of(state.kind)
        {
            let first = self.tree.inode(ino).dent;
            self.tree.attach(dent, ino);
            if first != NONE {
                self.tree.inode_mut(ino).dent = first;
            }
            self.initial.add(&mut self.tree, dent, ino);
            return;
        }
        let mount = self.tree.inode(dir).mount;
        let ino = self.tree.add_inode(kind_of(state.kind), EXISTED, mount);
        self.tree.attach(dent, ino);
        self.initial.add(&mut self.tree, dent, ino);
        if group != 0 {
            self.groups.insert(group, ino);
        }
        self.state_of(ino, state, notes);
    }

    /// A state of something that the model knows by name.
    fn state_of(&mut self, ino: u32, state: &PathState, notes: &mut Notes) {
        let Some(metadata) = &state.metadata else {
            return;
        };
        let inode = self.tree.inode(ino);
        if inode.flags & SKIPPED != 0 || inode.flags & EXISTED == 0 {
            return;
        }
        if inode.flags & PSEUDO == 0 && inode.initial == NONE && (ino == ROOT || inode.dent != NONE)
        {
            // A mount point or the like, of which only the name was known.
            if ino == ROOT {
                self.initial.add_root(&mut self.tree);
            } else {
                let dent = inode.dent;
                self.initial.add(&mut self.tree, dent, ino);
            }
        }
        if self.initial.is_open(&self.tree, ino) {
            if metadata.mount < u32::from(u16::MAX) {
                self.tree.inode_mut(ino).mount = metadata.mount as u16;
            }
            let was_directory = self.tree.inode(ino).kind == Kind::Directory;
            let kind = kind_of(state.kind);
            if was_directory && kind != Kind::Directory {
                notes.add("states that contradict earlier ones");
                return;
            }
            self.initial.observe(&mut self.tree, ino, kind, metadata);
            if metadata.link_group != 0 {
                self.groups.insert(metadata.link_group, ino);
            }
        }
    }

    /// A state of a name of which the model knows that it was not there: its making has not
    /// returned yet, or it came from outside.
    fn rumour(&mut self, dir: u32, name: u32, state: &PathState) {
        let dent = self.tree.entry(dir, name);
        let mount = self.tree.inode(dir).mount;
        let ino = self.tree.add_inode(kind_of(state.kind), PHANTOM, mount);
        if let Some(metadata) = &state.metadata {
            let inode = self.tree.inode_mut(ino);
            inode.size = metadata.size;
            if inode.kind == Kind::Link {
                inode.extra = metadata.target.map_or(NONE, |target| target.0);
            }
        }
        self.tree.attach(dent, ino);
    }

    /// What a directory held before the first call that listed it.
    pub(crate) fn listing(&mut self, listing: &Listing, tables: &Tables, notes: &mut Notes) {
        let Some((first, _)) = listing.entries.first() else {
            return;
        };
        let Some(dir) = self.directory_of(*first, tables, notes) else {
            return;
        };
        let above = self.tree.inode(dir);
        if above.flags & EXISTED == 0 || above.flags & (PSEUDO | SKIPPED) != 0 {
            return;
        }
        let mount = above.mount;
        for (node, kind) in &listing.entries {
            let known = (node.0 as usize) < tables.node_count();
            if !known || tables.parent(*node) != listing.directory {
                continue;
            }
            if !areas::is_name(tables.name(*node)) {
                continue;
            }
            let name = self.tree.names.intern(tables.name(*node));
            let kind = kind_of(*kind);
            if let Some(dent) = self.tree.find(dir, name) {
                let ino = self.tree.dent(dent).ino;
                if ino != NONE && self.tree.inode(ino).flags & EXISTED != 0 {
                    self.listed(dent, ino, kind);
                }
                continue;
            }
            let dent = self.tree.entry(dir, name);
            let ino = self.tree.add_inode(kind, EXISTED, mount);
            self.tree.attach(dent, ino);
            self.initial.add(&mut self.tree, dent, ino);
        }
    }

    /// A name that was known is listed: what is only named belongs to the initial tree too.
    fn listed(&mut self, dent: u32, ino: u32, kind: Kind) {
        let inode = self.tree.inode(ino);
        if inode.flags & SKIPPED != 0 || inode.initial != NONE {
            return;
        }
        if inode.dent == dent {
            self.initial.add(&mut self.tree, dent, ino);
        }
        if self.tree.inode(ino).kind == Kind::Unknown {
            self.initial.set_kind(&mut self.tree, ino, kind);
        }
    }

    /// Extended attributes of something, as they were before the first call on it.
    pub(crate) fn xattrs(&mut self, xattrs: &Xattrs, tables: &Tables, notes: &mut Notes) {
        let ino = if xattrs.node == NodeId::ROOT {
            ROOT
        } else {
            let Some(dir) = self.directory_of(xattrs.node, tables, notes) else {
                return;
            };
            let name = self.tree.names.find(tables.name(xattrs.node));
            match name.and_then(|name| self.tree.find(dir, name)) {
                Some(dent) => self.tree.dent(dent).ino,
                None => NONE,
            }
        };
        if ino != NONE {
            let count = tables.string_count();
            let mut entries = xattrs.entries.clone();
            entries.retain(|(name, _)| (name.0 as usize) < count);
            self.initial.set_xattrs(&self.tree, ino, &entries);
        }
    }
}

#[cfg(test)]
mod tests {
    use fsreplay_trace::model::Metadata;

    use super::super::tree::Tree;
    use super::*;

    fn state(node: NodeId, link_group: u64) -> PathState {
        PathState {
            node,
            kind: FileKind::File,
            metadata: Some(Metadata {
                size: 3,
                link_group,
                ..Metadata::default()
            }),
        }
    }

    fn ino_of(land: &Land, dir: u32, name: &[u8]) -> u32 {
        let name = land.tree.names.find(name).expect("a name");
        let dent = land.tree.find(dir, name).expect("an entry");
        land.tree.dent(dent).ino
    }

    #[test]
    fn names_of_one_link_group_lead_to_one_file() {
        let mut land = Land::new(Tree::new(), &[], 1);
        let (mut tables, mut notes) = (Tables::new(), Notes::default());
        let [one, two, other] =
            [&b"one"[..], b"two", b"other"].map(|name| tables.add_node(NodeId::ROOT, name));
        for (node, group) in [(one, 7), (two, 7), (other, 8)] {
            land.path_state(&state(node, group), &tables, &mut notes);
        }
        let ino = ino_of(&land, ROOT, b"one");
        assert_eq!(ino_of(&land, ROOT, b"two"), ino);
        assert_ne!(ino_of(&land, ROOT, b"other"), ino);
        let inode = land.tree.inode(ino);
        assert_eq!((inode.links, inode.size), (2, 3));
    }

    #[test]
    fn a_directory_is_known_by_what_lies_in_it() {
        let mut land = Land::new(Tree::new(), &[], 1);
        let (mut tables, mut notes) = (Tables::new(), Notes::default());
        let above = tables.add_node(NodeId::ROOT, b"above");
        let below = tables.add_node(above, b"below");
        land.path_state(&state(below, 0), &tables, &mut notes);
        let dir = ino_of(&land, ROOT, b"above");
        assert_eq!(land.tree.inode(dir).kind, Kind::Directory);
        assert_eq!(land.tree.inode(ino_of(&land, dir, b"below")).size, 3);
        assert_eq!(notes.counts.values().sum::<u64>(), 1);
    }

    #[test]
    fn the_first_state_of_a_name_counts() {
        let mut land = Land::new(Tree::new(), &[], 1);
        let (mut tables, mut notes) = (Tables::new(), Notes::default());
        let node = tables.add_node(NodeId::ROOT, b"file");
        land.path_state(&state(node, 0), &tables, &mut notes);
        let mut later = state(node, 0);
        if let Some(metadata) = &mut later.metadata {
            metadata.size = 99;
        }
        land.path_state(&later, &tables, &mut notes);
        assert_eq!(land.tree.inode(ino_of(&land, ROOT, b"file")).size, 3);
    }
}

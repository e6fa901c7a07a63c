//! Strings and nodes of a trace: what was added never changes.

use crate::model::{NodeId, StringId};

/// Byte strings one after the other, with their ends.
#[derive(Debug, Default)]
struct Arena {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Arena {
    fn get(&self, index: u32) -> Option<&[u8]> {
        let index = index as usize;
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        self.bytes.get(start..end)
    }

    fn add(&mut self, bytes: &[u8]) -> u32 {
        let id = self.ends.len() as u32;
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
        id
    }
}

/// The strings and nodes of a trace.
#[derive(Debug)]
pub struct Tables {
    strings: Arena,
    names: Arena,
    parents: Vec<NodeId>,
    /// For each node: bytes of its path; as many as fit.
    lengths: Vec<u32>,
    /// Bytes of all nodes' paths.
    paths: u64,
}

impl Default for Tables {
    fn default() -> Self {
        Tables::new()
    }
}

impl Tables {
    /// No strings, and the root node only.
    pub fn new() -> Tables {
        let mut names = Arena::default();
        names.add(b"");
        Tables {
            strings: Arena::default(),
            names,
            parents: vec![NodeId::ROOT],
            lengths: vec![0],
            paths: 0,
        }
    }

    /// The bytes of a string; empty for an id that doesn't exist (readers check ids before).
    pub fn string(&self, id: StringId) -> &[u8] {
        self.strings.get(id.0).unwrap_or(b"")
    }

    /// How many strings there are.
    pub fn string_count(&self) -> usize {
        self.strings.ends.len()
    }

    /// How many nodes there are, the root included.
    pub fn node_count(&self) -> usize {
        self.parents.len()
    }

    /// The parent of a node; the root's is the root.
    pub fn parent(&self, node: NodeId) -> NodeId {
        self.parents
            .get(node.0 as usize)
            .copied()
            .unwrap_or(NodeId::ROOT)
    }

    /// The last component of a node's path; the root's is empty.
    pub fn name(&self, node: NodeId) -> &[u8] {
        self.names.get(node.0).unwrap_or(b"")
    }

    /// What tells a node from all others: the one above, and its name there.
    pub(super) fn key(&self, node: NodeId) -> (NodeId, &[u8]) {
        (self.parent(node), self.name(node))
    }

    /// The absolute path of a node.
    pub fn path(&self, node: NodeId) -> Vec<u8> {
        if node == NodeId::ROOT {
            return b"/".to_vec();
        }
        let chain = || {
            let above = |node: &NodeId| Some(self.parent(*node));
            std::iter::successors(Some(node), above).take_while(|node| *node != NodeId::ROOT)
        };
        let length = chain().map(|node| self.name(node).len() + 1).sum();
        let mut path = vec![b'/'; length];
        let mut end = length;
        for node in chain() {
            let name = self.name(node);
            let start = end - name.len();
            path[start..end].copy_from_slice(name);
            end = start - 1;
        }
        path
    }

    /// Bytes that strings and names take, with what it takes to find each: a million empty ones are
    /// not for nothing.
    pub(super) fn text_bytes(&self) -> u64 {
        let texts = self.strings.bytes.len() + self.names.bytes.len();
        let numbers = self.strings.ends.len() + self.names.ends.len() + 2 * self.parents.len();
        (texts + numbers * size_of::<usize>()) as u64
    }

    /// Bytes of the last node's path, and of all nodes' paths.
    pub(super) fn path_bytes(&self) -> (u64, u64) {
        let last = self.lengths.last().copied().unwrap_or(0);
        (last.into(), self.paths)
    }

    /// Adds a string.
    pub fn add_string(&mut self, bytes: &[u8]) -> StringId {
        StringId(self.strings.add(bytes))
    }

    /// Adds a node below an existing one.
    pub fn add_node(&mut self, parent: NodeId, name: &[u8]) -> NodeId {
        // A parent always stands before its children, so that a chain of parents ends.
        debug_assert!((parent.0 as usize) < self.parents.len());
        let above = self.lengths.get(parent.0 as usize).copied().unwrap_or(0);
        let own = u32::try_from(name.len()).unwrap_or(u32::MAX);
        let length = above.saturating_add(own).saturating_add(1);
        self.lengths.push(length);
        self.paths = self.paths.saturating_add(length.into());
        self.parents.push(parent);
        NodeId(self.names.add(name))
    }
}

//! The looks themselves: one `lstat` for a new name, one listing for a directory, attributes.

use std::io;

use fsreplay_trace::model::{FileKind, Listing, Metadata, NodeId, PathState, Record, Xattrs};

use super::{LISTED, MADE, MOUNT_POINT, PSEUDO, SET_ID, States, View, XATTRS};
use crate::session::trace::Trace;
use crate::session::world::{Inode, Spot, Told};

impl States {
    /// What a node is; looked up and recorded if it is not known. Its directory must be known.
    pub(super) fn look(&mut self, trace: &mut Trace, view: &View, node: NodeId) -> FileKind {
        if let Some(kind) = self.kind(trace, node) {
            return kind;
        }
        let (kind, found) = match self.world.look(&spot(trace, view, node)) {
            Ok(found) => (found.kind, Some(found)),
            Err(error) => (kind_of_error(&error), None),
        };
        self.learn(trace, node, kind, found)
    }

    /// The same for the last name of a path, of which the call that is told may tell itself.
    pub(super) fn look_last(&mut self, trace: &mut Trace, view: &View, node: NodeId) -> FileKind {
        if let Some(kind) = self.kind(trace, node) {
            return kind;
        }
        match self.told.take() {
            None => self.look(trace, view, node),
            Some(Told::There(found)) => self.learn(trace, node, found.kind, Some(found)),
            Some(Told::Nothing) => self.learn(trace, node, FileKind::Absent, None),
        }
    }

    fn learn(
        &mut self,
        trace: &mut Trace,
        node: NodeId,
        kind: FileKind,
        found: Option<Inode>,
    ) -> FileKind {
        let parent = self.known(trace.parent(node));
        self.inherit_mount(trace, node);
        let known = self.known_mut(node);
        known.kind = Some(kind);
        known.seen_in = parent.epoch;
        known.flags &= MOUNT_POINT | PSEUDO;
        // What it holds is as unknown as it was itself.
        known.epoch = known.epoch.wrapping_add(1);
        if kind == FileKind::Absent && parent.flags & MADE != 0 {
            // The tool made the directory: that it holds nothing else goes without saying.
            return kind;
        }
        let metadata = found.map(|found| self.metadata(trace, node, found));
        trace.push(Record::PathState(PathState {
            node,
            kind,
            metadata,
        }));
        kind
    }

    /// Takes the mount of the directory, unless something is mounted there.
    pub(super) fn inherit_mount(&mut self, trace: &Trace, node: NodeId) {
        let mount = self.known(trace.parent(node)).mount;
        let known = self.known_mut(node);
        if known.flags & MOUNT_POINT == 0 && node != NodeId::ROOT {
            known.mount = mount;
        }
    }

    fn metadata(&mut self, trace: &mut Trace, node: NodeId, found: Inode) -> Metadata {
        let mut target = None;
        if let Some(text) = found.target {
            target = Some(trace.string(&text));
            self.links.insert(node, text.into());
        }
        let is_file = found.kind == FileKind::File;
        let mut link_group = 0;
        if is_file && found.links > 1 {
            let next = self.link_groups.len() as u64 + 1;
            link_group = *self.link_groups.entry(found.id).or_insert(next);
        }
        if is_file && found.mode & 0o6000 != 0 {
            self.known_mut(node).flags |= SET_ID;
        }
        Metadata {
            size: found.size,
            mode: found.mode,
            uid: found.uid,
            gid: found.gid,
            mtime: found.mtime,
            link_group,
            target,
            mount: u32::from(self.known(node).mount),
            allocated: found.allocated,
        }
    }

    /// Records the entries of a directory before the tool first lists it; nothing if the tool made
    /// it.
    pub fn list(&mut self, trace: &mut Trace, view: &View, node: NodeId) {
        if self.known(node).flags & (MADE | LISTED | PSEUDO) != 0 {
            return;
        }
        self.known_mut(node).flags |= LISTED;
        let spot = spot(trace, view, node);
        let mut entries = Vec::new();
        let mut take = |name: &[u8], kind| entries.push((trace.node(node, name), kind));
        if let Err(error) = self.world.list(&spot, &mut take) {
            return self.missed(trace, node, &error);
        }
        // A hash table's order tells nothing, and takes more room than the names.
        entries.sort_unstable_by_key(|(node, _)| *node);
        trace.push(Record::Listing(Listing {
            directory: node,
            entries,
        }));
    }

    /// A directory that the tool lists can't be listed by the recorder.
    fn missed(&mut self, trace: &Trace, node: NodeId, error: &io::Error) {
        if kind_of_error(error) == FileKind::Absent {
            return; // It has just been removed.
        }
        self.missed += 1;
        if self.missed == 1 {
            let path = trace.path(node);
            self.first_missed = format!("{}: {error}", String::from_utf8_lossy(&path));
        }
    }

    /// What a reader should know of looks that failed.
    pub fn warning(&self) -> Option<String> {
        (self.missed > 0).then(|| {
            format!(
                "of the directories that the tool listed, {} could not be looked into by the \
                 recorder, and may lack entries in a replay; the first was {}",
                self.missed, self.first_missed
            )
        })
    }

    /// Records the extended attributes of a path before the tool first asks for them.
    pub fn xattrs(&mut self, trace: &mut Trace, view: &View, node: NodeId) {
        let known = self.known(node);
        let there = known.kind.is_some_and(|kind| kind != FileKind::Absent);
        if known.flags & (MADE | XATTRS | PSEUDO) != 0 || !there {
            return;
        }
        self.known_mut(node).flags |= XATTRS;
        let found = self.world.xattrs(&spot(trace, view, node));
        let entries = found
            .into_iter()
            .map(|(name, size)| (trace.string(&name), size))
            .collect();
        trace.push(Record::Xattrs(Xattrs { node, entries }));
    }
}

fn kind_of_error(error: &io::Error) -> FileKind {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG | libc::ELOOP) => FileKind::Absent,
        _ => FileKind::Unknown,
    }
}

/// Where a node is found by a task with that view.
fn spot(trace: &Trace, view: &View, node: NodeId) -> Spot {
    let path = trace.path(node);
    let (Some(through), true) = (view.through, view.root != NodeId::ROOT) else {
        return Spot {
            path,
            through: view.through,
        };
    };
    // The task's root is its own, wherever in its namespace that is.
    let root = trace.path(view.root);
    Spot {
        path: path.strip_prefix(root.as_slice()).unwrap_or(&path).to_vec(),
        through: Some(through),
    }
}

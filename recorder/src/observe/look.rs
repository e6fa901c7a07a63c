//! The looks themselves: one `lstat` for a new name, one listing for a directory, attributes.

use std::fs::{self, FileType};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use fsreplay_trace::model::{FileKind, Listing, Metadata, NodeId, PathState, Record, Xattrs};

use super::on_disk::OnDisk;
use super::sparse;
use super::{LISTED, MADE, MOUNT_POINT, PSEUDO, SET_ID, States, View, XATTRS};
use crate::sys;
use crate::trace::Trace;

impl States {
    /// What a node is; looked up and recorded if it is not known. Its directory must be known.
    pub(super) fn look(&mut self, trace: &mut Trace, view: &View, node: NodeId) -> FileKind {
        if let Some(kind) = self.kind(trace, node) {
            return kind;
        }
        let place = OnDisk::of(trace, view, node);
        let path = place.path();
        let (kind, found) = match fs::symlink_metadata(path) {
            Ok(found) => (file_kind(found.file_type()), Some(found)),
            Err(error) => (kind_of_error(&error), None),
        };
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
        let metadata = found.map(|found| self.metadata(trace, node, path, &found));
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

    fn metadata(
        &mut self,
        trace: &mut Trace,
        node: NodeId,
        path: &Path,
        found: &fs::Metadata,
    ) -> Metadata {
        let kind = file_kind(found.file_type());
        let mut target = None;
        if kind == FileKind::Symlink {
            let text = fs::read_link(path).map(|text| text.into_os_string().into_vec());
            let text = text.unwrap_or_default();
            target = Some(trace.string(&text));
            self.links.insert(node, text.into());
        }
        let mut link_group = 0;
        if kind == FileKind::File && found.nlink() > 1 {
            let next = self.link_groups.len() as u64 + 1;
            link_group = *self
                .link_groups
                .entry((found.dev(), found.ino()))
                .or_insert(next);
        }
        if kind == FileKind::File && found.mode() & 0o6000 != 0 {
            self.known_mut(node).flags |= SET_ID;
        }
        Metadata {
            size: found.size(),
            mode: found.mode() & 0o7777,
            uid: found.uid(),
            gid: found.gid(),
            mtime: found.mtime(),
            link_group,
            target,
            mount: u32::from(self.known(node).mount),
            allocated: sparse::allocated(path, found),
        }
    }

    /// Records the entries of a directory before the tool first lists it; nothing if the tool made it.
    pub fn list(&mut self, trace: &mut Trace, view: &View, node: NodeId) {
        if self.known(node).flags & (MADE | LISTED | PSEUDO) != 0 {
            return;
        }
        self.known_mut(node).flags |= LISTED;
        let place = OnDisk::of(trace, view, node);
        let directory = match fs::read_dir(place.path()) {
            Ok(directory) => directory,
            Err(error) => return self.missed(trace, node, &error),
        };
        let mut entries = Vec::new();
        for entry in directory.flatten() {
            let kind = entry.file_type().map_or(FileKind::Unknown, file_kind);
            entries.push((trace.node(node, entry.file_name().as_bytes()), kind));
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
        let place = OnDisk::of(trace, view, node);
        let entries = sys::xattr::list(place.path())
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

/// The kind of a file by its type.
pub fn file_kind(file_type: FileType) -> FileKind {
    if file_type.is_file() {
        FileKind::File
    } else if file_type.is_dir() {
        FileKind::Directory
    } else if file_type.is_symlink() {
        FileKind::Symlink
    } else if file_type.is_fifo() {
        FileKind::Fifo
    } else if file_type.is_socket() {
        FileKind::Socket
    } else if file_type.is_char_device() {
        FileKind::CharDevice
    } else if file_type.is_block_device() {
        FileKind::BlockDevice
    } else {
        FileKind::Unknown
    }
}

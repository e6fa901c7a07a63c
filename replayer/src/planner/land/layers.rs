//! Files of an overlay that the tool changed. One that lies in a lower layer (the image) is copied
//! to the upper one at its first change; the replay's own tree lies in the upper layer, so that a
//! replay on an overlay pays nothing of that. A trace doesn't say which layer a file lay in.

use fsreplay_trace::abi::O_TRUNC;
use fsreplay_trace::call::{ArgKind, Op};
use fsreplay_trace::model::Mount;

use super::super::Cx;
use super::super::hash::FastMap;
use super::super::order::uses::{Resource, Uses};
use super::tree::{EXISTED, Inode, Kind, NONE, Tree};

/// Files that were changed on overlays.
#[derive(Default)]
pub(crate) struct Layers {
    /// Whether a mount of the recorded machine is an overlay, by its index.
    overlays: Vec<bool>,
    /// Files that were changed, and their bytes by then.
    changed: FastMap<u32, u64>,
}

impl Layers {
    /// For the mounts of the recorded machine.
    pub(crate) fn new(mounts: &[Mount]) -> Layers {
        let overlays = mounts.iter().map(|mount| mount.fs_type == "overlay");
        Layers {
            overlays: overlays.collect(),
            changed: FastMap::default(),
        }
    }

    /// A file is changed, perhaps for the first time.
    fn changes(&mut self, ino: u32, inode: &Inode) {
        let on_overlay = self.overlays.get(usize::from(inode.mount));
        let is_old = inode.kind == Kind::File && inode.flags & EXISTED != 0;
        if is_old && on_overlay == Some(&true) {
            self.changed.entry(ino).or_insert(inode.size);
        }
    }

    /// The op about to be committed, which went well, may be the first change of a file.
    pub(crate) fn changed_by(&mut self, cx: &Cx, uses: &Uses, tree: &Tree) {
        if !self.overlays.contains(&true) || !copies_up(cx) {
            return;
        }
        for resource in uses.resources() {
            if let Resource::Inode(ino) = resource {
                self.changes(ino, tree.inode(ino));
            }
        }
    }

    /// A file is about to get another size by its path. All of it is copied before that, whereas an
    /// open with `O_TRUNC` copies nothing.
    pub(crate) fn resizes(&mut self, tree: &Tree, ino: u32) {
        if ino != NONE {
            self.changes(ino, tree.inode(ino));
        }
    }

    /// What to say of them.
    pub(crate) fn note(&self) -> Option<(String, u64)> {
        let bytes: u64 = self.changed.values().sum();
        let text = format!(
            "files of an overlay that were changed, {} MiB in all: those of a lower layer (the \
             image) are copied before, which is in the prediction for no overlay",
            bytes.div_ceil(1 << 20)
        );
        (!self.changed.is_empty()).then_some((text, self.changed.len() as u64))
    }
}

/// Whether overlayfs copies a file up before a call.
fn copies_up(cx: &Cx) -> bool {
    match cx.event.call.row().op {
        Op::Open => is_written_to(cx),
        Op::ChangeMode
        | Op::FdChangeMode
        | Op::ChangeOwner
        | Op::FdChangeOwner
        | Op::SetTimes
        | Op::FdSetTimes
        | Op::Truncate
        | Op::SetXattr
        | Op::FdSetXattr
        | Op::RemoveXattr
        | Op::FdRemoveXattr
        | Op::Link
        | Op::Rename => true,
        _ => false,
    }
}

/// Whether an open may write: `O_WRONLY`, `O_RDWR`, `O_TRUNC`; `creat` always.
fn is_written_to(cx: &Cx) -> bool {
    const ACCESS: u64 = 0o3;
    let flags = cx.event.arg(ArgKind::Flags);
    flags.is_none_or(|flags| flags & (ACCESS | u64::from(O_TRUNC)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_files_of_an_overlay_are_copied_up_and_once() {
        let mount = |kind: &str| Mount {
            fs_type: kind.to_string(),
            ..Mount::default()
        };
        let mut layers = Layers::new(&[mount("ext4"), mount("overlay")]);
        let mut tree = Tree::new();
        for (flags, mount) in [(EXISTED, 0), (0, 1), (EXISTED, 1)] {
            let ino = tree.add_inode(Kind::File, flags, mount);
            tree.inode_mut(ino).size = 1 << 20;
            layers.resizes(&tree, ino);
            tree.inode_mut(ino).size = 5 << 20;
            layers.resizes(&tree, ino);
        }
        layers.resizes(&tree, NONE);
        let (text, files) = layers.note().expect("a note");
        assert_eq!(files, 1);
        assert!(
            text.contains(" 1 MiB"),
            "its size before the first change: {text}"
        );
    }
}

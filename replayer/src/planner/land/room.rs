//! How much the files that a replay makes take at most.

use super::tree::{Kind, NONE, Tree};

/// Bytes and inodes that the replay makes, now and at most.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Room {
    bytes: u64,
    inodes: u64,
    pub(crate) peak_bytes: u64,
    pub(crate) peak_inodes: u64,
}

impl Room {
    /// An inode was made.
    pub(crate) fn made(&mut self) {
        self.inodes += 1;
        self.peak_inodes = self.peak_inodes.max(self.inodes);
    }

    fn add(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.peak_bytes = self.peak_bytes.max(self.bytes);
    }

    /// `length` bytes were written into an inode at `offset`.
    pub(crate) fn written(&mut self, tree: &mut Tree, ino: u32, offset: u64, length: u64) {
        if ino == NONE {
            return;
        }
        let inode = tree.inode_mut(ino);
        inode.size = inode.size.max(offset.saturating_add(length));
        let whole = inode
            .size
            .checked_next_multiple_of(4096)
            .unwrap_or(u64::MAX);
        let now = inode.allocated.saturating_add(length).min(whole);
        let before = inode.allocated;
        inode.allocated = now;
        self.add(now.saturating_sub(before));
    }

    /// An inode's size was set; what lay beyond is free again.
    pub(crate) fn resized(&mut self, tree: &mut Tree, ino: u32, size: u64) {
        if ino == NONE {
            return;
        }
        let inode = tree.inode_mut(ino);
        if inode.kind != Kind::File {
            return;
        }
        inode.size = size;
        let freed = inode.allocated.saturating_sub(size);
        inode.allocated -= freed;
        self.bytes = self.bytes.saturating_sub(freed);
    }

    /// An inode lost a name or an open file; if that was the last, its space is free again.
    pub(crate) fn maybe_gone(&mut self, tree: &mut Tree, ino: u32) {
        if ino == NONE {
            return;
        }
        let inode = tree.inode_mut(ino);
        if inode.links == 0 && inode.opens == 0 && inode.kind != Kind::Unknown {
            self.bytes = self.bytes.saturating_sub(inode.allocated);
            inode.allocated = 0;
            if inode.initial == NONE {
                self.inodes = self.inodes.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_counts_what_is_there_at_once() {
        let mut tree = Tree::new();
        let mut room = Room::default();
        for _ in 0..3 {
            let ino = tree.add_inode(Kind::File, 0, 0);
            room.made();
            tree.inode_mut(ino).opens = 1;
            room.written(&mut tree, ino, 0, 8192);
            tree.inode_mut(ino).opens = 0;
            room.maybe_gone(&mut tree, ino);
        }
        assert_eq!((room.peak_bytes, room.peak_inodes), (8192, 1));
    }

    #[test]
    fn a_huge_write_saturates() {
        let mut tree = Tree::new();
        let mut room = Room::default();
        let ino = tree.add_inode(Kind::File, 0, 0);
        room.written(&mut tree, ino, u64::MAX - 1, u64::MAX);
        assert_eq!(room.peak_bytes, u64::MAX);
    }
}

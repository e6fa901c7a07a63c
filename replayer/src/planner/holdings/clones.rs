//! Clones of files that failed, and the copying that the tool did instead.
//!
//! A tool that copies a file asks the file system first to let both share its blocks (`FICLONE`,
//! see ioctl_ficlone(2)). Where that fails it copies; where it goes well there is nothing left to
//! copy. Which of both it is depends on the file system, so that a replay of the copying on
//! one that clones would do what the tool doesn't do there.
//!
//! The copying is what the same task reads from the one file and writes to the other, each from its
//! beginning to its end in one go, while both are open. Anything else that is read or written there
//! ends it, and it counts only if it is whole by then.

use super::super::Cx;
use super::super::land::tree::{CHANGED, NONE, Tree};
use super::super::order::{OpId, Order};
use super::fds::{Descriptors, FailedClone};
use super::file::File;
use crate::plan::Fallback;

impl Descriptors {
    /// The op about to be committed is a clone that failed.
    pub(crate) fn clone_failed(
        &mut self,
        cx: &Cx,
        source: &File,
        target: &File,
        order: &Order,
        tree: &mut Tree,
    ) {
        let (from, to) = (source.description, target.description);
        if from == NONE || to == NONE || from == to {
            return;
        }
        let by = order.next(cx.lane);
        for (one, other, is_target) in [(from, to, false), (to, from, true)] {
            self.by_number(one).clone = Some(FailedClone {
                by,
                task: cx.task,
                other,
                is_target,
                copied: 0,
            });
        }
        if target.ino != NONE {
            // It may go well in the replay.
            tree.inode_mut(target.ino).flags |= CHANGED;
        }
    }

    /// The op about to be committed reads a file from `at` on: for a copy, if it was to be cloned.
    pub(crate) fn reads_for_copy(
        &mut self,
        cx: &Cx,
        source: &File,
        at: u64,
        order: &mut Order,
        tree: &Tree,
    ) {
        if let Some(failed) = self.failed_clone(source, false) {
            self.goes_on(cx, source, failed, at, order, tree);
        }
    }

    /// The op about to be committed writes into a file from `at` on: for a copy, if it was to
    /// become a clone of a file that is as long.
    pub(crate) fn writes_for_copy(
        &mut self,
        cx: &Cx,
        target: &File,
        at: u64,
        order: &mut Order,
        tree: &Tree,
    ) {
        if let Some(failed) = self.failed_clone(target, true) {
            self.goes_on(cx, target, failed, at, order, tree);
        }
    }

    /// The op about to be committed copies between files inside the kernel, from and to these
    /// offsets.
    pub(crate) fn copies_for_copy(
        &mut self,
        cx: &Cx,
        (source, from): (&File, u64),
        (target, to): (&File, u64),
        order: &mut Order,
        tree: &Tree,
    ) {
        let failed = self.failed_clone(source, false);
        match failed.filter(|failed| failed.other == target.description && from == to) {
            Some(_) => {
                self.reads_for_copy(cx, source, from, order, tree);
                self.writes_for_copy(cx, target, to, order, tree);
            }
            None => {
                self.copying_ends(source, order, tree);
                self.copying_ends(target, order, tree);
            }
        }
    }

    /// A file is read or written for something else than its copy.
    pub(crate) fn copying_ends(&mut self, file: &File, order: &mut Order, tree: &Tree) {
        let failed = self.failed_clone(file, false);
        if let Some(failed) = failed.or_else(|| self.failed_clone(file, true)) {
            self.end(file, failed, order, tree);
        }
    }

    /// The latest clone that failed between a file and another one, if both are still open as it
    /// found them.
    fn failed_clone(&self, file: &File, is_target: bool) -> Option<FailedClone> {
        let clone = self.numbered(file.description)?.clone?;
        let other = self.numbered(clone.other)?.clone?;
        (other.by == clone.by && clone.is_target == is_target).then_some(clone)
    }

    /// The call reads or writes from `at` on: the copying goes on if they follow what was copied
    /// and are no more than there is to copy, or ends.
    fn goes_on(
        &mut self,
        cx: &Cx,
        file: &File,
        failed: FailedClone,
        at: u64,
        order: &mut Order,
        tree: &Tree,
    ) {
        let copied = at.saturating_add(cx.moved());
        if failed.task != cx.task || failed.copied != at || copied > self.whole(file, failed, tree)
        {
            self.end(file, failed, order, tree);
            return;
        }
        self.by_number(file.description).clone = Some(FailedClone { copied, ..failed });
        let OpId { lane, op } = order.next(cx.lane);
        let fallbacks = &mut order.lanes[lane as usize].fallbacks;
        // A copy inside the kernel is one op for both files.
        if fallbacks.last().is_none_or(|last| last.op != op) {
            fallbacks.push(Fallback {
                op,
                failed: failed.by.op,
            });
        }
    }

    /// The copying ends. If it is not whole by then, none of it is left out: what follows goes on
    /// from where it ended.
    fn end(&mut self, file: &File, failed: FailedClone, order: &mut Order, tree: &Tree) {
        let is_whole = failed.copied >= self.whole(file, failed, tree);
        self.by_number(file.description).clone = None;
        if !is_whole {
            let fallbacks = &mut order.lanes[failed.by.lane as usize].fallbacks;
            while fallbacks
                .pop_if(|last| last.failed == failed.by.op)
                .is_some()
            {}
        }
    }

    /// How much there is to copy.
    fn whole(&mut self, file: &File, failed: FailedClone, tree: &Tree) -> u64 {
        let source = if failed.is_target {
            self.by_number(failed.other).ino
        } else {
            file.ino
        };
        match source {
            NONE => 0,
            source => tree.inode(source).size,
        }
    }
}

#[cfg(test)]
mod tests {
    use fsreplay_trace::call::{ArgKind, Call};
    use fsreplay_trace::format::Tables;

    use super::super::super::land::tree::Kind;
    use super::super::super::tests::calls;
    use super::super::fds::What;
    use super::*;
    use crate::plan::Slot;

    struct Copying {
        fds: Descriptors,
        tree: Tree,
        order: Order,
        source: File,
        target: File,
    }

    impl Copying {
        /// A clone of a file of eight bytes that failed.
        fn new() -> Copying {
            let (mut fds, mut tree, mut order) =
                (Descriptors::new(1), Tree::new(), Order::default());
            order.add_lane();
            let mut file = |size: u64| {
                let ino = tree.add_inode(Kind::File, 0, 0);
                tree.inode_mut(ino).size = size;
                let handle = fds.open(What::Real, ino, 0, Some(1));
                File {
                    slot: Slot(1),
                    handle,
                    description: fds.handle(handle).description,
                    ino,
                    mount: 0,
                }
            };
            let (source, target) = (file(8), file(0));
            let (tables, event) = (Tables::new(), calls::event(0, Call::ioctl, &[], -95));
            let cx = calls::alone(&event, &tables, 0);
            fds.clone_failed(&cx, &source, &target, &order, &mut tree);
            Copying {
                fds,
                tree,
                order,
                source,
                target,
            }
        }

        fn moves(&mut self, reads: bool, at: u64, count: i64) {
            let tables = Tables::new();
            let event = calls::event(0, Call::read, &[(ArgKind::Length, 8)], count);
            let cx = calls::alone(&event, &tables, 1);
            let (order, tree) = (&mut self.order, &self.tree);
            if reads {
                self.fds.reads_for_copy(&cx, &self.source, at, order, tree);
            } else {
                self.fds.writes_for_copy(&cx, &self.target, at, order, tree);
            }
        }

        fn left_out(&self) -> usize {
            self.order.lanes[0].fallbacks.len()
        }
    }

    #[test]
    fn a_copy_from_beginning_to_end_stands_for_the_clone() {
        let mut copying = Copying::new();
        assert_ne!(copying.tree.inode(copying.target.ino).flags & CHANGED, 0);
        copying.moves(true, 0, 8);
        copying.moves(false, 0, 8);
        let (source, target) = (copying.source, copying.target);
        for file in [&source, &target] {
            copying
                .fds
                .copying_ends(file, &mut copying.order, &copying.tree);
        }
        // Nothing was committed, so both stand for the op that comes next.
        assert_eq!(copying.left_out(), 1);
    }

    #[test]
    fn a_gap_ends_the_copying() {
        let mut copying = Copying::new();
        copying.moves(true, 0, 4);
        assert_eq!(copying.left_out(), 1);
        copying.moves(true, 5, 3);
        assert_eq!(copying.left_out(), 0);
    }

    #[test]
    fn more_than_there_is_to_copy_is_no_copy() {
        let mut copying = Copying::new();
        copying.moves(false, 0, 9);
        assert_eq!(copying.left_out(), 0);
    }
}

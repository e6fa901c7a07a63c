//! Clones of files that failed, and the copying that the tool did instead.
//!
//! A tool that copies a file asks the file system first to let both share its blocks (`FICLONE`, see ioctl_ficlone(2)). Where that fails it
//! copies; where it goes well there is nothing left to copy. Which of both it is depends on the file system, so that a replay of the copying on
//! one that clones would do what the tool doesn't do there.

use super::actions::File;
use super::order::Place;
use super::tree::NONE;
use super::{Cx, Planner};
use crate::plan::Fallback;

impl Planner {
    /// The op about to be committed is a clone that failed.
    pub(super) fn clone_failed(&mut self, cx: &Cx, source: &File, target: &File) {
        if source.description != NONE && target.description != NONE {
            let by = self.order.next(cx.lane);
            self.fds
                .clone_failed(source.description, target.description, by);
        }
    }

    /// The op about to be committed reads a file: for a copy, if it was to be cloned.
    pub(super) fn reads_for_copy(&mut self, cx: &Cx, source: &File) {
        let failed = self.fds.failed_clone(source.description);
        if let Some(failed) = failed.filter(|failed| !failed.is_target) {
            self.fallback(cx, failed.by);
        }
    }

    /// The op about to be committed writes into a file up to `end`: for a copy, if it was to become a clone of a file that is as long.
    pub(super) fn writes_for_copy(&mut self, cx: &Cx, target: &File, end: u64) {
        let failed = self.fds.failed_clone(target.description);
        let Some(failed) = failed.filter(|failed| failed.is_target) else {
            return;
        };
        let source = self.fds.by_number(failed.other).ino;
        if source != NONE && end <= self.tree.inode(source).size {
            self.fallback(cx, failed.by);
        }
    }

    /// Whether a clone of one of these into the other one failed.
    pub(super) fn is_failed_clone(&self, source: &File, target: &File) -> bool {
        let failed = self.fds.failed_clone(source.description);
        failed.is_some_and(|failed| !failed.is_target && failed.other == target.description)
    }

    fn fallback(&mut self, cx: &Cx, failed: Place) {
        let Place { lane, op } = self.order.next(cx.lane);
        if failed.lane == lane {
            let failed = failed.op;
            self.order.lanes[lane as usize]
                .fallbacks
                .push(Fallback { op, failed });
        }
    }
}

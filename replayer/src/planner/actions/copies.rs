//! Copies inside the kernel: between files, and between a file and a pipe or socket.

use fsreplay_trace::call::{ArgKind, NONE as NO_ARGUMENT, Op};

use super::super::order::Side;
use super::super::{Cx, Draft, Planner};
use super::File;
use crate::plan::{Action, Slot};

/// An offset of a copy: -1 where the descriptor's own is used.
fn offset(cx: &Cx, kind: ArgKind) -> i64 {
    match cx.event.arg(kind) {
        Some(NO_ARGUMENT) | None => -1,
        Some(value) => value as i64,
    }
}

impl Planner {
    pub(super) fn copy(&mut self, cx: &Cx, op: Op) -> Draft {
        let moved = cx.moved();
        let source = self.file(cx, ArgKind::FdIn);
        let target = self.file(cx, ArgKind::FdOut);
        if source.is_err() && op != Op::Tee {
            self.drain_pipe(cx, ArgKind::FdIn);
        }
        if target.is_err() {
            self.fill_pipe(cx, ArgKind::FdOut);
        }
        let (action, mount) = match (source, target) {
            (Err(draft), Err(_)) => return draft,
            (Ok(source), Ok(target)) => (self.copy_files(cx, op, &source, &target), target.mount),
            (Ok(source), Err(_)) if cx.ok() => (self.copy_out(cx, &source, moved), source.mount),
            (Err(_), Ok(target)) if cx.ok() => (self.copy_in(cx, &target, moved), target.mount),
            // A failed copy between a file and something else can't be had again without that.
            (Ok(_), Err(draft)) | (Err(draft), Ok(_)) => return draft,
        };
        Draft::issue(cx, action).mount(mount)
    }

    /// The source of a copy is read; from where.
    fn copied_from(&mut self, cx: &Cx, source: &File) -> u64 {
        self.uses.inode(source.ino, Side::Read);
        self.land.mark_read(source.ino);
        match cx.given(ArgKind::OffsetIn) {
            Some(from) => from,
            None => self.holdings.fds.advance(cx, source, &mut self.uses),
        }
    }

    /// The target of a copy is written; where.
    fn copied_to(&mut self, cx: &Cx, target: &File, moved: u64) -> u64 {
        let at = match cx.given(ArgKind::OffsetOut) {
            Some(at) => at,
            None => self
                .holdings
                .fds
                .advance_write(cx, target, &mut self.uses, &self.land.tree),
        };
        self.land.wrote(&mut self.uses, target.ino, at, moved);
        at
    }

    fn copy_files(&mut self, cx: &Cx, op: Op, source: &File, target: &File) -> Action {
        let moved = u64::try_from(cx.event.result).unwrap_or(0);
        let from = self.copied_from(cx, source);
        let to = self.copied_to(cx, target, moved);
        self.holdings.fds.copies_for_copy(
            cx,
            (source, from),
            (target, to),
            &mut self.order,
            &self.land.tree,
        );
        let length = cx.number(ArgKind::Length);
        let source_offset = offset(cx, ArgKind::OffsetIn);
        if op == Op::CopyRange {
            return Action::CopyRange {
                source: source.slot,
                source_offset,
                fd: target.slot,
                offset: offset(cx, ArgKind::OffsetOut),
                length,
                flags: cx.flags(),
            };
        }
        Action::SendFile {
            source: source.slot,
            source_offset,
            fd: target.slot,
            length,
        }
    }

    /// From a file to something that isn't replayed.
    fn copy_out(&mut self, cx: &Cx, source: &File, moved: u64) -> Action {
        self.copied_from(cx, source);
        self.holdings
            .fds
            .copying_ends(source, &mut self.order, &self.land.tree);
        Action::SendFile {
            source: source.slot,
            source_offset: offset(cx, ArgKind::OffsetIn),
            fd: Slot::NULL,
            length: moved,
        }
    }

    /// From something that isn't replayed to a file.
    fn copy_in(&mut self, cx: &Cx, target: &File, moved: u64) -> Action {
        self.copied_to(cx, target, moved);
        self.holdings
            .fds
            .copying_ends(target, &mut self.order, &self.land.tree);
        self.tally.transfer(moved);
        match cx.given(ArgKind::OffsetOut) {
            Some(at) => Action::PositionedWrite {
                fd: target.slot,
                length: moved,
                vectors: 1,
                offset: at as i64,
                flags: 0,
            },
            None => Action::Write {
                fd: target.slot,
                length: moved,
                vectors: 1,
            },
        }
    }
}

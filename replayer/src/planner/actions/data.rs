//! Reading, writing and seeking.

use fsreplay_trace::call::{ArgKind, Call, Op};

use super::super::land::tree::{Kind, NONE};
use super::super::order::Side;
use super::super::{Class, Cx, Draft, Notes, Planner};
use super::transfer;
use crate::plan::{Action, Check};

const SEEK_DATA: u64 = 3;
const SEEK_HOLE: u64 = 4;

fn vectors(cx: &Cx) -> u32 {
    match cx.event.arg(ArgKind::Count) {
        Some(count) => count.min(1024) as u32,
        None => 1,
    }
}

/// Why less is asked for than the tool asked for.
const CUT: &str = "reads and writes of files that ended early (for want of memory behind the \
    buffer, a \
    signal, a limit): no more is asked for than went over";

/// Where a positioned call reads or writes. All are issued as preadv2 or pwritev2, for which -1 is
/// the file's own offset, while others refuse each negative one: such a one becomes another.
fn position(cx: &Cx) -> i64 {
    let offset = cx.signed(ArgKind::Offset);
    let own_offset = matches!(cx.event.call, Call::preadv2 | Call::pwritev2);
    if offset == -1 && !own_offset {
        i64::MIN
    } else {
        offset
    }
}

/// The transfer with the length that went over.
fn cut(cx: &Cx, mut action: Action, notes: &mut Notes) -> Action {
    if let Action::Read { length, .. }
    | Action::PositionedRead { length, .. }
    | Action::Write { length, .. }
    | Action::PositionedWrite { length, .. } = &mut action
    {
        *length = cx.moved();
        notes.add(CUT);
    }
    action
}

impl Planner {
    pub(super) fn read(&mut self, cx: &Cx) -> Draft {
        let file = match self.file(cx, ArgKind::Fd) {
            Ok(file) => file,
            Err(draft) => return self.read_pipe(cx, draft),
        };
        let (fd, length, vectors) = (file.slot, cx.number(ArgKind::Length), vectors(cx));
        self.tally.transfer(length);
        self.uses.inode(file.ino, Side::Read);
        self.land.mark_read(file.ino);
        let (action, offset) = if cx.event.call.row().op == Op::Read {
            let from = self.holdings.fds.advance(cx, &file, &mut self.uses);
            let action = Action::Read {
                fd,
                length,
                vectors,
            };
            (action, from)
        } else {
            let offset = position(cx);
            let action = Action::PositionedRead {
                fd,
                length,
                vectors,
                offset,
                flags: cx.flags() as i32,
            };
            (action, u64::try_from(offset).unwrap_or(0))
        };
        self.holdings
            .fds
            .reads_for_copy(cx, &file, offset, &mut self.order, &self.land.tree);
        let got = cx.moved();
        // It ended before the buffer and the file did.
        let was_cut = got > 0
            && got < length
            && file.ino != NONE
            && self
                .land
                .tree
                .reaches_beyond(file.ino, offset.saturating_add(got));
        let action = if was_cut {
            cut(cx, action, &mut self.tally.notes)
        } else {
            action
        };
        Draft::issue(cx, action).mount(file.mount)
    }

    fn read_pipe(&mut self, cx: &Cx, draft: Draft) -> Draft {
        self.drain_pipe(cx, ArgKind::Fd);
        draft
    }

    /// The call took bytes out of the pipe that it has there, if that is one.
    pub(super) fn drain_pipe(&mut self, cx: &Cx, end: ArgKind) {
        if cx.ok()
            && let Some(pipe) = self.holdings.pipe_read(cx, end)
        {
            self.time.paces.caused_at =
                self.holdings
                    .pipes
                    .read(&mut self.order, pipe, transfer(cx));
            self.time.paces.caused = true;
        }
    }

    /// `poll`, `select`, `epoll_wait`: what became ready was written, closed or read meanwhile, as
    /// far as the tool itself did it. Which descriptors were looked at is not recorded: those
    /// that the process can read count, and if nothing was to be read on any of them, full ones
    /// that it can write to.
    pub(super) fn poll(&mut self, cx: &Cx) -> Draft {
        if cx.event.errno() == Some(libc::EINTR) {
            // A child's end sends a signal.
            for end in self.holdings.procs.ended_child(cx.task, cx.horizon) {
                self.order.after(*end);
                self.time.paces.caused = true;
            }
        } else if cx.event.result > 0
            && let Some(cause) = self.holdings.made_ready(cx, &self.order)
        {
            self.order.after(cause);
            self.time.paces.caused = true;
        }
        Draft::nothing(cx, Class::Other)
    }

    pub(super) fn write(&mut self, cx: &Cx) -> Draft {
        let file = match self.file(cx, ArgKind::Fd) {
            Ok(file) => file,
            Err(draft) => return self.write_pipe(cx, draft),
        };
        let (fd, length, vectors) = (file.slot, cx.number(ArgKind::Length), vectors(cx));
        self.tally.transfer(length);
        let (action, offset) = if cx.event.call.row().op == Op::Write {
            let from = self
                .holdings
                .fds
                .advance_write(cx, &file, &mut self.uses, &self.land.tree);
            let action = Action::Write {
                fd,
                length,
                vectors,
            };
            (action, from)
        } else {
            let offset = position(cx);
            let action = Action::PositionedWrite {
                fd,
                length,
                vectors,
                offset,
                flags: cx.flags() as i32,
            };
            (action, u64::try_from(offset).unwrap_or(0))
        };
        self.holdings
            .fds
            .writes_for_copy(cx, &file, offset, &mut self.order, &self.land.tree);
        self.land
            .wrote(&mut self.uses, file.ino, offset, cx.moved());
        let wrote = cx.moved();
        let action = if wrote > 0 && wrote < cx.number(ArgKind::Length) {
            cut(cx, action, &mut self.tally.notes)
        } else {
            action
        };
        Draft::issue(cx, action).mount(file.mount)
    }

    fn write_pipe(&mut self, cx: &Cx, draft: Draft) -> Draft {
        // Where it had to wait, it was for room, which a reader made.
        self.time.paces.caused |= self.fill_pipe(cx, ArgKind::Fd);
        draft
    }

    /// The call put bytes into the pipe that it has there. Gives whether that is one.
    pub(super) fn fill_pipe(&mut self, cx: &Cx, end: ArgKind) -> bool {
        if cx.ok()
            && let Some(pipe) = self.holdings.pipe_written(cx, end)
        {
            self.holdings
                .pipes
                .write(&mut self.order, pipe, transfer(cx));
            return true;
        }
        false
    }

    pub(super) fn seek(&mut self, cx: &Cx) -> Draft {
        let file = match self.file(cx, ArgKind::Fd) {
            Ok(file) => file,
            Err(draft) => return draft,
        };
        self.uses.offset(file.description);
        let whence = cx.number(ArgKind::Whence);
        let directory = file.ino != NONE && self.land.tree.inode(file.ino).kind == Kind::Directory;
        if cx.ok() && file.description != NONE {
            let description = self.holdings.fds.by_number(file.description);
            description.offset = cx.moved();
            description.listing = NONE;
        }
        if matches!(whence, SEEK_DATA | SEEK_HOLE) {
            self.land.mark_read(file.ino);
        }
        if whence != 0 {
            self.uses.inode(file.ino, Side::Read);
        }
        let action = Action::Seek {
            fd: file.slot,
            offset: cx.signed(ArgKind::Offset),
            whence: whence as i32,
        };
        let check = if directory {
            Check::Success
        } else {
            Check::Exact
        };
        Draft::issue(cx, action).check(check).mount(file.mount)
    }

    /// Hints and write-back of a descriptor.
    pub(super) fn fd_hint(&mut self, cx: &Cx, op: Op) -> Draft {
        let file = match self.file(cx, ArgKind::Fd) {
            Ok(file) => file,
            Err(draft) => return draft,
        };
        self.uses.inode(file.ino, Side::Read);
        let fd = file.slot;
        let (offset, length) = (cx.signed(ArgKind::Offset), cx.signed(ArgKind::Length));
        let action = match op {
            Op::FdSync => match cx.event.call.name() {
                "fdatasync" => Action::Fdatasync { fd },
                "syncfs" => Action::Syncfs { fd },
                _ => Action::Fsync { fd },
            },
            Op::SyncRange => Action::SyncRange {
                fd,
                offset,
                length,
                flags: cx.flags(),
            },
            Op::Advise => Action::Advise {
                fd,
                offset,
                length,
                advice: cx.flags() as i32,
            },
            _ => Action::ReadAhead {
                fd,
                offset,
                length: length as u64,
            },
        };
        Draft::issue(cx, action).mount(file.mount)
    }

    /// `sync`: every root's file system.
    pub(super) fn sync(&mut self, cx: &Cx) -> Draft {
        use crate::plan::Slot;
        for root in 1..self.setting.roots.len() as u32 {
            let action = Action::Syncfs { fd: Slot(root) };
            self.writer()
                .extra(cx.lane, cx.event.entry, action, cx.event.call, &[]);
        }
        Draft::issue(cx, Action::Syncfs { fd: Slot(0) })
    }
}

//! Reading, writing and seeking.

use fsreplay_trace::abi;
use fsreplay_trace::call::{ArgKind, Call, Op};

use super::super::fds::What;
use super::super::order::{OpId, Side};
use super::super::tree::{Kind, NONE};
use super::super::{Class, Cx, Draft, Planner};
use super::{File, flag_bits, moved, number, signed, transfer};
use crate::plan::{Action, Check};

const SEEK_DATA: u64 = 3;
const SEEK_HOLE: u64 = 4;

/// The one with the later moment.
fn later(one: Option<(u32, OpId)>, other: Option<(u32, OpId)>) -> Option<(u32, OpId)> {
    let both = one.into_iter().chain(other);
    both.max_by_key(|(moment, _)| *moment)
}

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
    let offset = signed(cx, ArgKind::Offset);
    let own_offset = matches!(cx.event.call, Call::preadv2 | Call::pwritev2);
    if offset == -1 && !own_offset {
        i64::MIN
    } else {
        offset
    }
}

impl Planner {
    pub(super) fn read(&mut self, cx: &Cx) -> Draft {
        let file = match self.file(cx, ArgKind::Fd) {
            Ok(file) => file,
            Err(draft) => return self.read_pipe(cx, draft),
        };
        let (fd, length, vectors) = (file.slot, number(cx, ArgKind::Length), vectors(cx));
        self.transfer(length);
        self.need_inode(file.ino, Side::Read);
        self.mark_read(file.ino);
        let (action, offset) = if cx.event.call.row().op == Op::Read {
            let from = self.advance(cx, &file);
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
                flags: flag_bits(cx) as i32,
            };
            (action, u64::try_from(offset).unwrap_or(0))
        };
        self.reads_for_copy(cx, &file, offset, moved(cx));
        let action = if self.read_was_cut(cx, &file, offset) {
            self.cut(cx, action)
        } else {
            action
        };
        Draft::issue(cx, action).mount(file.mount)
    }

    /// Whether a read of a file ended before the buffer and the file did.
    fn read_was_cut(&self, cx: &Cx, file: &File, offset: u64) -> bool {
        let got = moved(cx);
        if got == 0 || got >= number(cx, ArgKind::Length) || file.ino == NONE {
            return false;
        }
        let inode = self.land.tree.inode(file.ino);
        inode.kind == Kind::File && offset.saturating_add(got) < inode.size
    }

    /// The transfer with the length that went over.
    fn cut(&mut self, cx: &Cx, mut action: Action) -> Action {
        if let Action::Read { length, .. }
        | Action::PositionedRead { length, .. }
        | Action::Write { length, .. }
        | Action::PositionedWrite { length, .. } = &mut action
        {
            *length = moved(cx);
            self.tally.notes.add(CUT);
        }
        action
    }

    fn read_pipe(&mut self, cx: &Cx, draft: Draft) -> Draft {
        self.drain_pipe(cx, ArgKind::Fd);
        draft
    }

    /// The call took bytes out of the pipe that it has there, if that is one.
    pub(super) fn drain_pipe(&mut self, cx: &Cx, end: ArgKind) {
        if cx.ok()
            && let Some(pipe) = self.pipe_read(cx, end)
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
            && let Some(cause) = self.made_ready(cx)
        {
            self.order.after(cause);
            self.time.paces.caused = true;
        }
        Draft::nothing(cx, Class::Other)
    }

    /// What made a descriptor ready that the task polled.
    fn made_ready(&self, cx: &Cx) -> Option<OpId> {
        let handles = self.holdings.procs.table(cx.task).handles();
        let (mut readable, mut writable) = (None, None);
        for handle in handles {
            let description = self.holdings.fds.description(handle);
            let (reads, writes) = match description.what {
                What::Pipe(pipe) => match description.flags & 3 {
                    0 => (Some(pipe), None),
                    1 => (None, Some(pipe)),
                    _ => (Some(pipe), Some(pipe)),
                },
                What::Pair(reads, writes) => (Some(reads), Some(writes)),
                _ => continue,
            };
            let (order, lane, horizon) = (&self.order, cx.lane, cx.horizon);
            // The last: had the tool looked at one that was ready sooner, it would not have waited
            // on.
            let write =
                reads.and_then(|pipe| self.holdings.pipes.first_since(order, pipe, lane, horizon));
            readable = later(readable, write);
            let read =
                writes.and_then(|pipe| self.holdings.pipes.room_since(order, pipe, lane, horizon));
            writable = later(writable, read);
        }
        readable.or(writable).map(|(_, cause)| cause)
    }

    /// The contents of an inode of the initial tree matter.
    pub(crate) fn mark_read(&mut self, ino: u32) {
        if ino != NONE {
            self.land.initial.read(&self.land.tree, ino);
        }
    }

    /// A transfer through the descriptor's own offset: where it began.
    pub(crate) fn advance(&mut self, cx: &Cx, file: &File) -> u64 {
        self.need_offset(file);
        if file.description == NONE {
            return 0;
        }
        let description = self.holdings.fds.by_number(file.description);
        let from = description.offset;
        description.offset = from.saturating_add(moved(cx));
        from
    }

    /// A transfer into a file through the descriptor's own offset: where it went.
    pub(crate) fn advance_write(&mut self, cx: &Cx, file: &File) -> u64 {
        let from = self.advance(cx, file);
        if file.description == NONE || file.ino == NONE {
            return from;
        }
        let end = self.land.tree.inode(file.ino).size;
        let description = self.holdings.fds.by_number(file.description);
        if description.flags & abi::O_APPEND == 0 {
            return from;
        }
        description.offset = end.saturating_add(moved(cx));
        end
    }

    /// Bytes went into an inode.
    pub(crate) fn wrote(&mut self, ino: u32, offset: u64, length: u64) {
        self.need_inode(ino, Side::Write);
        if length > 0 {
            self.land
                .room
                .written(&mut self.land.tree, ino, offset, length);
        }
    }

    pub(super) fn write(&mut self, cx: &Cx) -> Draft {
        let file = match self.file(cx, ArgKind::Fd) {
            Ok(file) => file,
            Err(draft) => return self.write_pipe(cx, draft),
        };
        let (fd, length, vectors) = (file.slot, number(cx, ArgKind::Length), vectors(cx));
        self.transfer(length);
        let (action, offset) = if cx.event.call.row().op == Op::Write {
            let from = self.advance_write(cx, &file);
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
                flags: flag_bits(cx) as i32,
            };
            (action, u64::try_from(offset).unwrap_or(0))
        };
        self.writes_for_copy(cx, &file, offset, moved(cx));
        self.wrote(file.ino, offset, moved(cx));
        let wrote = moved(cx);
        let action = if wrote > 0 && wrote < number(cx, ArgKind::Length) {
            self.cut(cx, action)
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
            && let Some(pipe) = self.pipe_written(cx, end)
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
        self.need_offset(&file);
        let whence = number(cx, ArgKind::Whence);
        let directory = file.ino != NONE && self.land.tree.inode(file.ino).kind == Kind::Directory;
        if cx.ok() && file.description != NONE {
            let description = self.holdings.fds.by_number(file.description);
            description.offset = moved(cx);
            description.listing = NONE;
        }
        if matches!(whence, SEEK_DATA | SEEK_HOLE) {
            self.mark_read(file.ino);
        }
        if whence != 0 {
            self.need_inode(file.ino, Side::Read);
        }
        let action = Action::Seek {
            fd: file.slot,
            offset: signed(cx, ArgKind::Offset),
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
        self.need_inode(file.ino, Side::Read);
        let fd = file.slot;
        let (offset, length) = (signed(cx, ArgKind::Offset), signed(cx, ArgKind::Length));
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
                flags: flag_bits(cx),
            },
            Op::Advise => Action::Advise {
                fd,
                offset,
                length,
                advice: flag_bits(cx) as i32,
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
            self.extra(cx.lane, cx.event.entry, action, cx.event.call, &[]);
        }
        Draft::issue(cx, Action::Syncfs { fd: Slot(0) })
    }
}

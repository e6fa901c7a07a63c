//! For every call, what is issued and what it does to the model.

mod control;
mod copies;
mod data;
mod descriptors;
mod lookups;
mod maps;
mod metadata;
mod names;
mod nodes;
mod refused;
mod tasks;

use fsreplay_trace::abi;
use fsreplay_trace::call::{ArgKind, NONE as NO_ARGUMENT, Op};

use super::fds::What;
pub(crate) use super::file::File;
use super::order::Side;
use super::paths::Hint;
use super::pipes::Transfer;
use super::tree::{Kind, NONE};
use super::{Class, Cx, Draft, Planner, Resource};
use crate::plan::Slot;

/// An argument that the call keeps, or 0.
pub(crate) fn number(cx: &Cx, kind: ArgKind) -> u64 {
    cx.event.arg(kind).unwrap_or(0)
}

/// Bytes that a transfer moved.
fn moved(cx: &Cx) -> u64 {
    u64::try_from(cx.event.result).unwrap_or(0)
}

/// The call as what moves bytes through a pipe.
fn transfer(cx: &Cx) -> Transfer {
    Transfer {
        lane: cx.lane,
        count: moved(cx),
        exit: cx.event.exit(),
    }
}

/// A numeric argument that may not have been given.
pub(crate) fn given(cx: &Cx, kind: ArgKind) -> Option<u64> {
    cx.event.arg(kind).filter(|value| *value != NO_ARGUMENT)
}

/// Flags of a call: those that it was given and those that it stands for.
pub(crate) fn flag_bits(cx: &Cx) -> u32 {
    cx.event.flags()
}

/// A length, offset or size as the kernel takes it.
pub(crate) fn signed(cx: &Cx, kind: ArgKind) -> i64 {
    number(cx, kind) as i64
}

/// What a call that looks something up tells about its path.
pub(crate) fn lookup_hint(cx: &Cx, kind: Kind) -> Hint {
    match cx.event.errno() {
        None => Hint::Exists(kind),
        Some(libc::EEXIST | libc::EISDIR | libc::ENOTEMPTY | libc::ENODATA | libc::ERANGE) => {
            Hint::Exists(kind)
        }
        Some(libc::EINVAL | libc::EOPNOTSUPP | libc::ETXTBSY | libc::ENOTTY) => Hint::Exists(kind),
        _ => Hint::Silent,
    }
}

/// What a call that makes a name tells about its path.
fn creation_hint(cx: &Cx) -> Hint {
    match cx.event.errno() {
        None => Hint::Parent,
        Some(libc::EEXIST | libc::ENOTEMPTY) => Hint::Exists(Kind::Unknown),
        _ => Hint::Silent,
    }
}

impl Planner {
    /// The action of an event, with its effect on the model.
    pub(super) fn act(&mut self, cx: &Cx) -> Draft {
        let op = cx.event.call.row().op;
        if op != Op::Close
            && let Some(why) = self.unrepeatable(cx)
        {
            self.tally.notes.add(why);
            return Draft::nothing(cx, Class::Other);
        }
        match op {
            Op::Open => self.open(cx),
            Op::Close => self.close(cx),
            Op::CloseRange => self.close_range(cx),
            Op::Dup => self.dup(cx),
            Op::DupTo => self.dup_to(cx),
            Op::Fcntl => self.fcntl(cx),
            Op::Flock => self.flock(cx),
            Op::Ioctl => self.ioctl(cx),
            Op::Read | Op::PositionedRead => self.read(cx),
            Op::Write | Op::PositionedWrite => self.write(cx),
            Op::Seek => self.seek(cx),
            Op::Stat => self.stat(cx),
            Op::Access => self.access(cx),
            Op::ReadLink => self.read_link(cx),
            Op::ListDirectory => self.list_directory(cx),
            Op::StatFs => self.stat_fs(cx),
            Op::GetAttributes => self.get_attributes(cx),
            Op::FdStat | Op::FdStatFs => self.fd_stat(cx),
            Op::ChangeDir => self.change_dir(cx),
            Op::FdChangeDir => self.fd_change_dir(cx),
            Op::ChangeRoot => self.change_root(cx),
            Op::Umask => self.umask(cx),
            Op::SetUser => self.set_user(cx),
            Op::MakeDir => self.make_dir(cx),
            Op::RemoveDir | Op::Unlink => self.unlink(cx),
            Op::Rename => self.rename(cx),
            Op::Link => self.link(cx),
            Op::Symlink => self.symlink(cx),
            Op::MakeNode => self.make_node(cx),
            Op::ChangeMode | Op::ChangeOwner | Op::SetTimes | Op::Truncate => {
                self.change_metadata(cx, op)
            }
            Op::FdChangeMode
            | Op::FdChangeOwner
            | Op::FdSetTimes
            | Op::FdTruncate
            | Op::Allocate => self.fd_change_metadata(cx, op),
            Op::Sync => self.sync(cx),
            Op::FdSync | Op::SyncRange | Op::Advise | Op::ReadAhead => self.fd_hint(cx, op),
            Op::GetXattr | Op::SetXattr | Op::ListXattr | Op::RemoveXattr => self.xattr(cx, op),
            Op::FdGetXattr | Op::FdSetXattr | Op::FdListXattr | Op::FdRemoveXattr => {
                self.fd_xattr(cx, op)
            }
            Op::CopyRange | Op::SendFile | Op::Splice | Op::Tee => self.copy(cx, op),
            Op::Map => self.map(cx),
            Op::Unmap => self.unmap(cx),
            Op::Remap => self.remap(cx),
            Op::MapSync | Op::MapAdvise => self.map_hint(cx, op),
            Op::Watch => self.watch(cx),
            Op::NameToHandle => self.name_to_handle(cx),
            Op::Exec => self.exec(cx),
            Op::Pipe | Op::SocketPair => self.pair(cx, op),
            Op::Socket | Op::Accept | Op::EventFd => self.virtual_fd(cx),
            Op::Unshare => self.unshare(cx),
            Op::Wait => self.wait(cx),
            Op::Futex => self.futex(cx),
            Op::Poll => self.poll(cx),
            Op::GetCwd | Op::Unwatch | Op::ReceiveMessage => Draft::nothing(cx, Class::Other),
            Op::Mount => self.mount(cx),
            Op::Unmount => self.unmount(cx),
            Op::MoveMount => self.move_mount(cx),
            Op::PivotRoot => self.pivot_root(cx),
            Op::Unsupported => self.unsupported(cx),
        }
    }

    /// A call that the recorder counts and doesn't record; an imported trace may hold one.
    fn unsupported(&mut self, cx: &Cx) -> Draft {
        self.tally.notes.add("calls that are not supported");
        if cx.event.call.row().result == fsreplay_trace::call::ResultKind::Fd && cx.ok() {
            return self.virtual_fd(cx);
        }
        Draft::nothing(cx, Class::Unresolved)
    }

    /// A descriptor argument. Where nothing is open behind it, the draft of an event that isn't
    /// issued.
    pub(crate) fn file(&mut self, cx: &Cx, kind: ArgKind) -> Result<File, Draft> {
        let fd = cx.event.fd(kind).unwrap_or(-1);
        let entry = self.holdings.procs.table(cx.task).get(fd, cx.horizon);
        let Some(entry) = entry else {
            if cx.event.errno() == Some(libc::EBADF) {
                return Ok(File {
                    slot: Slot::BAD,
                    handle: NONE,
                    description: NONE,
                    ino: NONE,
                    mount: u16::MAX,
                });
            }
            self.tally
                .notes
                .add("descriptors that no recorded call opened");
            return Err(Draft::nothing(cx, Class::Unresolved));
        };
        let handle = self.holdings.fds.handle(entry.handle);
        let Some(slot) = handle.slot() else {
            let class = self.class_of(entry.handle);
            return Err(Draft::nothing(cx, class));
        };
        self.need_slot(slot.0, Side::Read);
        let ino = self.holdings.fds.description(entry.handle).ino;
        Ok(File {
            slot,
            handle: entry.handle,
            description: handle.description,
            ino,
            mount: self.mount_of(ino),
        })
    }

    /// Whether a descriptor only names its file (`O_PATH`): the kernel refuses it to most calls.
    fn only_names(&self, file: &File) -> bool {
        let description = self.holdings.fds.numbered(file.description);
        description.is_some_and(|description| description.flags & abi::O_PATH != 0)
    }

    /// The mount of an inode.
    pub(crate) fn mount_of(&self, ino: u32) -> u16 {
        if ino == NONE {
            return u16::MAX;
        }
        self.land.tree.inode(ino).mount
    }

    /// The call looks at or changes an inode, if it found one.
    pub(crate) fn need_inode(&mut self, ino: u32, side: Side) {
        if ino != NONE {
            self.need(Resource::Inode(ino), side);
        }
    }

    /// The call moves an open file description's offset, or depends on it.
    pub(crate) fn need_offset(&mut self, file: &File) {
        if file.description != NONE {
            self.need(Resource::Offset(file.description), Side::Write);
        }
    }

    /// The pipe that a descriptor argument reads from, if it is one.
    pub(crate) fn pipe_read(&self, cx: &Cx, kind: ArgKind) -> Option<u32> {
        match self.what_of(cx, kind)? {
            What::Pipe(pipe) | What::Pair(pipe, _) => Some(pipe),
            _ => None,
        }
    }

    /// The pipe that a descriptor argument writes to, if it is one.
    pub(crate) fn pipe_written(&self, cx: &Cx, kind: ArgKind) -> Option<u32> {
        match self.what_of(cx, kind)? {
            What::Pipe(pipe) | What::Pair(_, pipe) => Some(pipe),
            _ => None,
        }
    }

    fn what_of(&self, cx: &Cx, kind: ArgKind) -> Option<What> {
        let fd = cx.event.fd(kind)?;
        let entry = self.holdings.procs.table(cx.task).get(fd, cx.horizon)?;
        Some(self.holdings.fds.description(entry.handle).what)
    }

    /// The longest transfer so far; the kernel moves no more than this at once.
    pub(crate) fn transfer(&mut self, length: u64) {
        self.tally.longest_transfer = self.tally.longest_transfer.max(length.min(0x7fff_f000));
    }
}

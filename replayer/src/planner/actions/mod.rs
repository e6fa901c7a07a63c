//! For every call, what is issued and what it does to the model.

mod control;
mod copies;
mod data;
mod descriptors;
mod locks;
mod lookups;
mod maps;
mod metadata;
mod mounts;
mod names;
mod nodes;
mod reach;
mod refused;
mod tasks;

use fsreplay_trace::call::{ArgKind, Op};

pub(crate) use super::holdings::file::File;
use super::holdings::pipes::Transfer;
use super::land::tree::{Kind, NONE};
use super::paths::Hint;
use super::{Class, Cx, Draft, Planner};
use refused::refused_by_flags;

/// The call as what moves bytes through a pipe.
fn transfer(cx: &Cx) -> Transfer {
    Transfer {
        lane: cx.lane,
        count: cx.moved(),
        exit: cx.event.exit(),
    }
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
            && let Some(why) = refused::unrepeatable(cx, &self.holdings.users, &self.setting.owners)
        {
            self.tally.note(why);
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
            Op::SetUser => self.holdings.users.set_user(cx),
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
            Op::Remap => self.holdings.remap(cx, &mut self.tally.notes),
            Op::MapSync | Op::MapAdvise => self.map_hint(cx, op),
            Op::Watch => self.watch(cx),
            Op::NameToHandle => self.name_to_handle(cx),
            Op::Exec => self.exec(cx),
            Op::Pipe | Op::SocketPair => self.holdings.pair(cx, op),
            Op::Socket | Op::Accept | Op::EventFd => {
                self.holdings.virtual_fd(cx, &mut self.tally.notes)
            }
            Op::Unshare => self.unshare(cx),
            Op::Wait => self.wait(cx),
            Op::Futex => self.time.futex(cx, &self.holdings.procs, &mut self.order),
            Op::Poll => self.poll(cx),
            Op::GetCwd | Op::Unwatch | Op::ReceiveMessage => Draft::nothing(cx, Class::Other),
            Op::Mount => self.mount(cx),
            Op::Unmount => self.unmount(cx),
            Op::MoveMount => self.move_mount(cx),
            Op::PivotRoot => self.pivot_root(cx),
            Op::Unsupported => self.unsupported(cx),
        }
    }

    /// A descriptor argument. Where nothing is open behind it, the draft of an event that isn't
    /// issued.
    fn file(&mut self, cx: &Cx, kind: ArgKind) -> Result<File, Draft> {
        let (tree, notes) = (&self.land.tree, &mut self.tally.notes);
        self.holdings.file(cx, kind, &mut self.uses, tree, notes)
    }

    /// The descriptor that a call with an empty path means; the working directory's for `AT_FDCWD`.
    fn empty_path(&mut self, cx: &Cx) -> Result<File, Draft> {
        let (tree, notes) = (&self.land.tree, &mut self.tally.notes);
        self.holdings.empty_path(cx, &mut self.uses, tree, notes)
    }

    /// A call that the recorder counts and doesn't record; an imported trace may hold one.
    fn unsupported(&mut self, cx: &Cx) -> Draft {
        self.tally.note("calls that are not supported");
        if cx.event.call.row().result == fsreplay_trace::call::ResultKind::Fd && cx.ok() {
            return self.holdings.virtual_fd(cx, &mut self.tally.notes);
        }
        Draft::nothing(cx, Class::Unresolved)
    }
}

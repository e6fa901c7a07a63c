//! What descriptors that calls are given lead to.

use fsreplay_trace::abi::{AT_FDCWD, CLOSE_RANGE_CLOEXEC};
use fsreplay_trace::call::{ArgKind, Op};
use fsreplay_trace::model::Event;

use super::super::land::resolve::WalkStart;
use super::super::land::tree::{NONE, Tree};
use super::super::order::uses::Uses;
use super::super::order::{OpId, Order, Side};
use super::super::{Class, Cx, Draft, Notes};
use super::Holdings;
use super::fds::What;
use super::file::File;
use crate::plan::Slot;

/// The one with the later moment.
fn later(one: Option<(u32, OpId)>, other: Option<(u32, OpId)>) -> Option<(u32, OpId)> {
    let both = one.into_iter().chain(other);
    both.max_by_key(|(moment, _)| *moment)
}

impl Holdings {
    /// A descriptor argument. Where nothing is open behind it, the draft of an event that isn't
    /// issued.
    pub(crate) fn file(
        &self,
        cx: &Cx,
        kind: ArgKind,
        uses: &mut Uses,
        tree: &Tree,
        notes: &mut Notes,
    ) -> Result<File, Draft> {
        let fd = cx.event.fd(kind).unwrap_or(-1);
        let entry = self.procs.table(cx.task).get(fd, cx.horizon);
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
            notes.add("descriptors that no recorded call opened");
            return Err(Draft::nothing(cx, Class::Unresolved));
        };
        self.file_behind(entry.handle, uses, tree)
            .ok_or_else(|| Draft::nothing(cx, self.fds.class_of(entry.handle)))
    }

    /// What a handle leads to, if the replay has a descriptor for it, which is used then.
    fn file_behind(&self, handle: u32, uses: &mut Uses, tree: &Tree) -> Option<File> {
        let opened = self.fds.handle(handle);
        let slot = opened.slot()?;
        uses.slot(slot.0, Side::Read);
        let ino = self.fds.description(handle).ino;
        Some(File {
            slot,
            handle,
            description: opened.description,
            ino,
            mount: tree.mount_of(ino),
        })
    }

    /// The descriptor that a call with an empty path means; the working directory's for `AT_FDCWD`.
    pub(crate) fn empty_path(
        &self,
        cx: &Cx,
        uses: &mut Uses,
        tree: &Tree,
        notes: &mut Notes,
    ) -> Result<File, Draft> {
        if cx.event.fd(ArgKind::DirFd) != Some(AT_FDCWD) {
            return self.file(cx, ArgKind::DirFd, uses, tree, notes);
        }
        let fs = self.procs.fs(cx.task);
        let slot = (fs.cwd != NONE).then(|| self.fds.handle(fs.cwd).slot());
        let Some(Some(slot)) = slot else {
            return Err(Draft::nothing(cx, Class::Pseudo));
        };
        uses.slot(slot.0, Side::Read);
        Ok(File {
            slot,
            handle: fs.cwd,
            description: NONE,
            ino: fs.cwd_ino,
            mount: tree.mount_of(fs.cwd_ino),
        })
    }

    /// The directory that a relative path starts at.
    pub(crate) fn start(
        &self,
        cx: &Cx,
        fd: Option<i32>,
        notes: &mut Notes,
    ) -> Result<WalkStart, Draft> {
        let handle = match fd {
            None | Some(AT_FDCWD) => {
                let fs = self.procs.fs(cx.task);
                if fs.cwd == NONE {
                    return Err(Draft::nothing(cx, Class::Pseudo));
                }
                fs.cwd
            }
            Some(fd) => match self.procs.table(cx.task).get(fd, cx.horizon) {
                Some(entry) => entry.handle,
                None if cx.event.errno() == Some(libc::EBADF) => {
                    return Ok(WalkStart {
                        slot: Slot::BAD,
                        ino: NONE,
                    });
                }
                None => {
                    notes.add("descriptors that no recorded call opened");
                    return Err(Draft::nothing(cx, Class::Unresolved));
                }
            },
        };
        let Some(slot) = self.fds.handle(handle).slot() else {
            let class = self.fds.class_of(handle);
            return Err(Draft::nothing(cx, class));
        };
        Ok(WalkStart {
            slot,
            ino: self.fds.description(handle).ino,
        })
    }

    /// What a descriptor of the calling process has open, to go on from there.
    pub(crate) fn opened_at(&self, cx: &Cx, fd: i32) -> Result<WalkStart, Draft> {
        let Some(entry) = self.procs.table(cx.task).get(fd, cx.horizon) else {
            return Err(Draft::nothing(cx, Class::Pseudo));
        };
        let Some(slot) = self.fds.handle(entry.handle).slot() else {
            return Err(Draft::nothing(cx, self.fds.class_of(entry.handle)));
        };
        let ino = self.fds.description(entry.handle).ino;
        Ok(WalkStart { slot, ino })
    }

    /// The descriptor of the calling process that an absolute path goes through, and where in the
    /// path what follows begins.
    pub(crate) fn descriptor_link(&self, cx: &Cx, path: &[u8]) -> Option<(i32, usize)> {
        let standard: [(&[u8], i32); 3] =
            [(b"/dev/stdin", 0), (b"/dev/stdout", 1), (b"/dev/stderr", 2)];
        if let Some((name, fd)) = standard.iter().find(|(name, _)| *name == path) {
            return Some((*fd, name.len()));
        }
        let rest = match path.strip_prefix(b"/dev/fd/") {
            Some(rest) => rest,
            None => self.own_directory(cx, path.strip_prefix(b"/proc/")?)?,
        };
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let fd = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
        let behind = &rest[digits..];
        if !matches!(behind.first(), None | Some(b'/')) {
            return None;
        }
        let slashes = behind.iter().take_while(|b| **b == b'/').count();
        Some((fd, path.len() - behind.len() + slashes))
    }

    /// What follows `self/fd/` in a path below /proc, if it is about the calling process.
    fn own_directory<'p>(&self, cx: &Cx, path: &'p [u8]) -> Option<&'p [u8]> {
        let end = path.iter().position(|b| *b == b'/')?;
        let own = match &path[..end] {
            b"self" | b"thread-self" => true,
            number => {
                let pid = std::str::from_utf8(number).ok()?.parse().ok()?;
                self.procs.is_process(cx.task, pid)
            }
        };
        path[end..].strip_prefix(b"/fd/").filter(|_| own)
    }

    /// The file that a path like `/proc/self/fd/N` means.
    pub(crate) fn descriptor_path(
        &self,
        cx: &Cx,
        kind: ArgKind,
        uses: &mut Uses,
        tree: &Tree,
    ) -> Option<File> {
        let path = cx.tables.string(cx.string(kind)?);
        let (fd, behind) = self.descriptor_link(cx, path)?;
        if behind != path.len() {
            return None;
        }
        let entry = self.procs.table(cx.task).get(fd, cx.horizon)?;
        self.file_behind(entry.handle, uses, tree)
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
        let entry = self.procs.table(cx.task).get(fd, cx.horizon)?;
        Some(self.fds.description(entry.handle).what)
    }

    /// What made a descriptor ready that the task polled.
    pub(crate) fn made_ready(&self, cx: &Cx, order: &Order) -> Option<OpId> {
        let handles = self.procs.table(cx.task).handles();
        let (mut readable, mut writable) = (None, None);
        for handle in handles {
            let description = self.fds.description(handle);
            let (reads, writes) = match description.what {
                What::Pipe(pipe) => match description.flags & 3 {
                    0 => (Some(pipe), None),
                    1 => (None, Some(pipe)),
                    _ => (Some(pipe), Some(pipe)),
                },
                What::Pair(reads, writes) => (Some(reads), Some(writes)),
                _ => continue,
            };
            let (lane, horizon) = (cx.lane, cx.horizon);
            // The last: had the tool looked at one that was ready sooner, it would not have waited
            // on.
            let write = reads.and_then(|pipe| self.pipes.first_since(order, pipe, lane, horizon));
            readable = later(readable, write);
            let read = writes.and_then(|pipe| self.pipes.room_since(order, pipe, lane, horizon));
            writable = later(writable, read);
        }
        readable.or(writable).map(|(_, cause)| cause)
    }

    /// Handles of the descriptors that a call closes.
    pub(crate) fn closed_by(&self, event: &Event, horizon: u32) -> Vec<u32> {
        let task = event.task.0;
        if event.errno().is_some() || !self.procs.is_alive(task) {
            return Vec::new();
        }
        let table = self.procs.table(task);
        let number = |kind| event.arg(kind).unwrap_or(0);
        let fds = match event.call.row().op {
            Op::Close => event.fd(ArgKind::Fd).into_iter().collect(),
            Op::DupTo => event.fd(ArgKind::NewFd).into_iter().collect(),
            Op::Exec => table.cloexec(),
            Op::CloseRange if number(ArgKind::Flags) & u64::from(CLOSE_RANGE_CLOEXEC) == 0 => {
                let clamp = |fd: u64| fd.min(i32::MAX as u64) as i32;
                let last = u64::from(number(ArgKind::NewFd) as u32);
                table.range(clamp(number(ArgKind::Fd)), clamp(last))
            }
            _ => Vec::new(),
        };
        let entries = fds.iter().filter_map(|fd| table.get(*fd, horizon));
        entries.map(|entry| entry.handle).collect()
    }
}

#[cfg(test)]
mod tests {
    use fsreplay_trace::call::Call;
    use fsreplay_trace::format::Tables;
    use fsreplay_trace::model::{Header, TaskId, TaskStart};

    use super::super::super::order::uses::Resource;
    use super::super::super::tests::calls;
    use super::*;

    /// Process 40, without descriptors.
    fn holdings() -> Holdings {
        let mut holdings = Holdings::new(&Header::default(), 1, false);
        let start = TaskStart {
            task: TaskId(0),
            parent: None,
            time: 0,
            flags: 0,
            tid: 40,
            think: 0,
        };
        let first = holdings.procs.add_first(&start, 0, 0);
        first.expect("a first task");
        holdings
    }

    #[test]
    fn a_descriptor_leads_to_a_slot_or_says_why_it_does_not() {
        let (tables, mut tree) = (Tables::new(), Tree::new());
        let ino = tree.add_inode(super::super::super::land::tree::Kind::File, 0, 3);
        let mut holdings = holdings();
        let event = calls::event(0, Call::fstat, &[(ArgKind::Fd, 5)], 0);
        let cx = calls::alone(&event, &tables, 1);
        let (mut uses, mut notes) = (Uses::default(), Notes::default());
        let unknown = holdings.file(&cx, ArgKind::Fd, &mut uses, &tree, &mut notes);
        assert_eq!(
            unknown.err().map(|draft| draft.class),
            Some(Class::Unresolved)
        );
        assert_eq!(notes.counts.len(), 1);

        let bad = calls::event(0, Call::fstat, &[(ArgKind::Fd, 5)], -i64::from(libc::EBADF));
        let asked = calls::alone(&bad, &tables, 1);
        let refused = holdings.file(&asked, ArgKind::Fd, &mut uses, &tree, &mut notes);
        assert_eq!(refused.ok().map(|file| file.slot), Some(Slot::BAD));

        let slot = holdings.fds.take_slot(0);
        let handle = holdings.fds.open(What::Real, ino, 0, Some(slot));
        holdings.put_fd(&cx, 5, handle, false);
        let later = calls::alone(&event, &tables, 2);
        let file = holdings.file(&later, ArgKind::Fd, &mut uses, &tree, &mut notes);
        let found = file.ok().map(|file| (file.slot, file.ino, file.mount));
        assert_eq!(found, Some((Slot(slot), ino, 3)));
        assert_eq!(uses.all(), [(Resource::Slot(slot), Side::Read)]);

        holdings.put_virtual(&cx, 6, Class::Pseudo, false);
        let other = calls::event(0, Call::fstat, &[(ArgKind::Fd, 6)], 0);
        let looks = calls::alone(&other, &tables, 2);
        let pseudo = holdings.file(&looks, ArgKind::Fd, &mut uses, &tree, &mut notes);
        assert_eq!(pseudo.err().map(|draft| draft.class), Some(Class::Pseudo));
    }

    #[test]
    fn paths_of_descriptors_are_told_from_others() {
        let tables = Tables::new();
        let event = calls::event(0, Call::stat, &[], 0);
        let cx = calls::alone(&event, &tables, 0);
        let holdings = holdings();
        let link = |path: &str| holdings.descriptor_link(&cx, path.as_bytes());
        assert_eq!(link("/dev/stdout"), Some((1, 11)));
        assert_eq!(link("/dev/fd/12"), Some((12, 10)));
        assert_eq!(link("/proc/self/fd/3//x"), Some((3, 17)));
        assert_eq!(link("/proc/40/fd/3"), Some((3, 13)));
        assert_eq!(link("/proc/41/fd/3"), None, "another process's");
        assert_eq!(link("/dev/fd/3x"), None);
        assert_eq!(link("/proc/self/fd"), None);
    }

    #[test]
    fn a_close_of_a_range_closes_what_is_open_in_it() {
        let tables = Tables::new();
        let made = calls::event(0, Call::dup, &[], 0);
        let mut holdings = holdings();
        for fd in [3, 5, 8] {
            holdings.put_virtual(&calls::alone(&made, &tables, 0), fd, Class::Other, fd == 5);
        }
        let closes = |call: Call, args: &[(ArgKind, u64)], result: i64| {
            holdings
                .closed_by(&calls::event(0, call, args, result), u32::MAX)
                .len()
        };
        let range = [(ArgKind::Fd, 4), (ArgKind::NewFd, 8)];
        assert_eq!(closes(Call::close_range, &range, 0), 2);
        assert_eq!(closes(Call::close_range, &range, -1), 0);
        let marks = [
            range[0],
            range[1],
            (ArgKind::Flags, u64::from(CLOSE_RANGE_CLOEXEC)),
        ];
        assert_eq!(closes(Call::close_range, &marks, 0), 0);
        assert_eq!(closes(Call::execve, &[], 0), 1);
        assert_eq!(closes(Call::close, &[(ArgKind::Fd, 8)], 0), 1);
    }
}

//! What descriptors that calls are given lead to.

use fsreplay_trace::abi::{AT_FDCWD, CLOSE_RANGE_CLOEXEC};
use fsreplay_trace::call::{ArgKind, Op};
use fsreplay_trace::model::Event;

use super::super::land::resolve::WalkStart;
use super::super::land::tree::{NONE, Tree};
use super::super::order::{OpId, Order, Side};
use super::super::uses::Uses;
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
        let handle = self.fds.handle(entry.handle);
        let Some(slot) = handle.slot() else {
            let class = self.fds.class_of(entry.handle);
            return Err(Draft::nothing(cx, class));
        };
        uses.slot(slot.0, Side::Read);
        let ino = self.fds.description(entry.handle).ino;
        Ok(File {
            slot,
            handle: entry.handle,
            description: handle.description,
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
        let handle = self.fds.handle(entry.handle);
        let slot = handle.slot()?;
        uses.slot(slot.0, Side::Read);
        let ino = self.fds.description(entry.handle).ino;
        Some(File {
            slot,
            handle: entry.handle,
            description: handle.description,
            ino,
            mount: tree.mount_of(ino),
        })
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

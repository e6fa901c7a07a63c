//! What a successful call changes in the model, and what it did to the contents of files.

use fsreplay_trace::abi::{
    AT_FDCWD, AT_REMOVEDIR, CLOSE_RANGE_CLOEXEC, F_DUPFD, F_DUPFD_CLOEXEC, F_SETFD, O_APPEND,
    O_CLOEXEC, O_TMPFILE, O_TRUNC, RENAME_EXCHANGE, RENAME_WHITEOUT,
};
use fsreplay_trace::call::{ArgKind, Call, Effect, Last, NONE as NO_VALUE, Op};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{Event, FileKind};

use crate::files::Done;
use crate::inspector::{Found, Inspector};
use crate::places::{MADE, NONE, USED};
use crate::processes::{Description, Entry, Named, Stream, Task};

impl Inspector {
    /// Follows a call that did not fail.
    pub(crate) fn apply(&mut self, task: &Task, found: Found, event: &Event, tables: &Tables) {
        let (place, file) = match found {
            Found::At(place, file) => (place, file),
            _ => (NONE, NONE),
        };
        match event.call.row().op.effect() {
            Effect::Opens => self.opened(task, place, event),
            Effect::Bytes => self.moved_bytes(task, file, event),
            Effect::Copies => self.copied_bytes(task, event),
            Effect::Maps => self.mapped(task, file, event),
            Effect::Program => self.executed(place, event),
            Effect::Names => self.names_changed(task, place, event, tables),
            Effect::Directory => self.changed_dir(task, place, event),
            Effect::Size => self.truncated(task, file, place, event),
            Effect::Metadata => self.used(place),
            Effect::Descriptors => self.descriptors_changed(task, event),
            Effect::Nothing => {}
        }
    }

    /// Events that have returned, the present one included: what is made now can be closed by
    /// events that begin from then on.
    fn now(&self) -> u64 {
        self.events + 1
    }

    fn used(&mut self, place: u32) {
        if place != NONE {
            self.places.get_mut(place).flags |= USED;
        }
    }

    fn opened(&mut self, task: &Task, place: u32, event: &Event) {
        let flags = event.flags();
        let fd = event.result as i32;
        let cloexec = flags & O_CLOEXEC != 0;
        if place == NONE {
            task.put(fd, Description::new(NONE), cloexec, self.now());
            return;
        }
        let unnamed = flags & O_TMPFILE != 0;
        let made = event
            .made()
            .is_some_and(|made| made.exclusive || self.places.is_absent(place));
        let file = if unnamed {
            // It has no place of its own: its directory stands for it.
            self.files.add(place, 0, true)
        } else if made {
            let file = self.files.add(place, 0, true);
            self.places.set(place, FileKind::File, None);
            self.places.get_mut(place).file = file;
            file
        } else {
            self.file_at(place)
        };
        if flags & self.open_flags.directory != 0 && !unnamed {
            if self.places.get(place).kind == FileKind::Unknown {
                self.places.set(place, FileKind::Directory, None);
            }
        } else if self.places.get(place).kind != FileKind::Directory {
            self.used(place);
        }
        if flags & O_TRUNC != 0
            && let Some(file) = self.files.get_mut(file)
        {
            file.size = 0;
            file.changed(task.process);
        }
        // Reading a pipe by name or a device waits for others.
        let stream = matches!(
            self.places.get(place).kind,
            FileKind::Fifo | FileKind::Socket | FileKind::CharDevice
        );
        let mut description = Description::new(if stream { NONE } else { file });
        description.named = Named::Place(place);
        description.append = flags & O_APPEND != 0;
        task.put(fd, description, cloexec, self.now());
    }

    fn done(task: &Task, event: &Event) -> Done {
        Done {
            process: task.process,
            time: event.duration,
        }
    }

    fn moved_bytes(&mut self, task: &Task, file: u32, event: &Event) {
        let Some(description) = event.fd(ArgKind::Fd).and_then(|fd| task.description(fd)) else {
            return;
        };
        let Some(file) = self.files.get_mut(file) else {
            return;
        };
        let moved = event.result.max(0) as u64;
        let op = event.call.row().op;
        if op == Op::Seek {
            description.position.set(moved);
            return;
        }
        // preadv2 and pwritev2 take -1 for the descriptor's own position.
        let given = event.arg(ArgKind::Offset).filter(|at| *at != NO_VALUE);
        let own = given.is_none();
        let appends = description.append && matches!(op, Op::Write | Op::PositionedWrite);
        let position = match given {
            _ if appends => file.size,
            Some(position) => position,
            None => description.position.get(),
        };
        let done = Inspector::done(task, event);
        if matches!(op, Op::Read | Op::PositionedRead) {
            let asked = event.arg(ArgKind::Length).unwrap_or(0);
            let mut covered = description.covered.get();
            let bytes = (asked, moved, position);
            file.read(&mut self.tallies, done, bytes, &mut covered);
            description.covered.set(covered);
        } else {
            file.write(&mut self.tallies, done, moved, position);
            let place = file.place;
            self.places.get_mut(place).flags |= USED;
        }
        if own {
            description.position.set(position.saturating_add(moved));
        }
    }

    fn copied_bytes(&mut self, task: &Task, event: &Event) {
        let moved = event.result.max(0) as u64;
        let done = Inspector::done(task, event);
        let ends = [
            (ArgKind::FdIn, ArgKind::OffsetIn),
            (ArgKind::FdOut, ArgKind::OffsetOut),
        ];
        for (end, offset) in ends {
            let description = event.fd(end).and_then(|fd| task.description(fd));
            let Some(description) = description else {
                continue;
            };
            let given = event.arg(offset).filter(|at| *at != NO_VALUE);
            let position = given.unwrap_or(description.position.get());
            if given.is_none() {
                description.position.set(position.saturating_add(moved));
            }
            let Some(file) = self.files.get_mut(description.file) else {
                continue;
            };
            if end == ArgKind::FdIn {
                let mut covered = description.covered.get();
                // Asked for or not: such a copy is never a tiny read.
                let bytes = (u64::MAX, moved, position);
                file.read(&mut self.tallies, done, bytes, &mut covered);
                description.covered.set(covered);
            } else if moved > 0 {
                file.written += moved;
                file.size = file.size.max(position.saturating_add(moved));
                file.changed(task.process);
            }
        }
    }

    fn truncated(&mut self, task: &Task, file: u32, place: u32, event: &Event) {
        let length = event.arg(ArgKind::Length).unwrap_or(0);
        self.used(place);
        match self.files.get_mut(file) {
            Some(file) => {
                file.size = length;
                file.changed(task.process);
            }
            None if place != NONE => self.places.get_mut(place).size = length,
            None => {}
        }
    }

    fn mapped(&mut self, task: &Task, file: u32, event: &Event) {
        let address = event.arg(ArgKind::Address).unwrap_or(0);
        let length = event.arg(ArgKind::Length).unwrap_or(0);
        match event.call.row().op {
            Op::Map => {
                // A mapping ends with its last page, not its last byte.
                let page = u64::from(self.header.page_size.max(1));
                let whole = length.div_ceil(page).saturating_mul(page);
                task.map(event.result as u64, whole, file);
            }
            Op::Unmap => task.map(address, length, NONE),
            _ => {
                // The file goes along to the new address.
                let length = event.arg(ArgKind::Count).unwrap_or(length);
                let old = event.arg(ArgKind::Length).unwrap_or(0);
                task.map(address, old, NONE);
                task.map(event.result as u64, length, file);
            }
        }
    }

    fn executed(&mut self, place: u32, event: &Event) {
        self.used(place);
        let path = event.string(ArgKind::Path).map_or(NONE, |path| path.0);
        let argv = event.string(ArgKind::Argv).map_or(NONE, |argv| argv.0);
        self.processes.exec(event.task.0, path, argv);
    }

    fn changed_dir(&mut self, task: &Task, place: u32, event: &Event) {
        let file = if place == NONE {
            NONE
        } else {
            self.file_at(place)
        };
        let mut fs = task.fs.get();
        if event.call.row().op == Op::ChangeRoot {
            fs.root = file;
        } else {
            fs.cwd = file;
        }
        task.fs.set(fs);
    }

    fn names_changed(&mut self, task: &Task, place: u32, event: &Event, tables: &Tables) {
        let flags = event.flags();
        if place == NONE {
            return;
        }
        match event.call.row().op {
            Op::MakeDir => {
                self.places.set(place, FileKind::Directory, None);
                let at = self.places.get_mut(place);
                at.flags |= MADE | USED;
                at.file = NONE;
            }
            Op::MakeNode => {
                let kind = match event.arg(ArgKind::Mode).unwrap_or(0) & 0o170_000 {
                    0o010_000 => FileKind::Fifo,
                    0o140_000 => FileKind::Socket,
                    0o020_000 => FileKind::CharDevice,
                    0o060_000 => FileKind::BlockDevice,
                    _ => FileKind::File,
                };
                let file = self.files.add(place, 0, true);
                self.places.set(place, kind, None);
                self.places.get_mut(place).file = file;
                self.used(place);
            }
            Op::Symlink => {
                let text = event.string(ArgKind::Target).map(|text| text.0);
                self.places.set(place, FileKind::Symlink, text);
                self.used(place);
            }
            Op::Unlink | Op::RemoveDir if flags & AT_REMOVEDIR == 0 => {
                self.removed(place);
            }
            Op::Unlink | Op::RemoveDir => {
                self.places.set(place, FileKind::Absent, None);
                self.places.get_mut(place).file = NONE;
                self.used(place);
            }
            _ => {
                let follow = event.last(ArgKind::Path, self.open_flags) == Last::Followed;
                let dir = event.fd(ArgKind::DirFd).unwrap_or(AT_FDCWD);
                let Some(path) = event.string(ArgKind::Path) else {
                    return;
                };
                let from = self.resolve(task, dir, path, follow, tables);
                if from == NONE {
                    self.places.set(place, FileKind::Unknown, None);
                    self.places.get_mut(place).file = NONE;
                } else if event.call.row().op == Op::Link {
                    self.linked(from, place);
                } else {
                    self.renamed(from, place, flags);
                }
            }
        }
    }

    /// A name is gone.
    fn removed(&mut self, at: u32) {
        let place = self.places.get_mut(at);
        place.flags |= USED;
        let file = std::mem::replace(&mut place.file, NONE);
        self.places.set(at, FileKind::Absent, None);
        if let Some(file) = self.files.get_mut(file) {
            file.unlinked();
        }
    }

    fn linked(&mut self, from: u32, to: u32) {
        let file = self.file_at(from);
        let (kind, size) = (self.places.get(from).kind, self.places.get(from).size);
        let link = self.places.link(from);
        self.places.set(to, kind, link);
        let place = self.places.get_mut(to);
        place.file = file;
        place.size = size;
        place.flags |= USED;
        if let Some(file) = self.files.get_mut(file) {
            file.links = file.links.saturating_add(1);
        }
    }

    fn renamed(&mut self, from: u32, to: u32, flags: u32) {
        let (old, new) = (self.places.get(from).file, self.places.get(to).file);
        if from == to || old != NONE && old == new {
            // Two names of one file: rename(2) leaves both.
            return;
        }
        if flags & RENAME_EXCHANGE != 0 && flags & RENAME_WHITEOUT == 0 {
            self.places.exchange(from, to);
            for (file, place) in [(old, to), (new, from)] {
                if let Some(file) = self.files.get_mut(file) {
                    file.place = place;
                }
            }
            return;
        }
        self.removed(to);
        let files = &mut self.files;
        self.places.rename(from, to, |file, place| {
            if let Some(file) = files.get_mut(file) {
                file.place = place;
            }
        });
        self.used(from);
    }

    fn descriptors_changed(&mut self, task: &Task, event: &Event) {
        let fd = event.fd(ArgKind::Fd).unwrap_or(-1);
        let flags = event.flags();
        let cloexec = flags & O_CLOEXEC != 0;
        let result = event.result as i32;
        match event.call.row().op {
            Op::Close => {
                // A number that another thread got before this close returned is not the one that
                // was closed.
                let begun = self.events.saturating_sub(u64::from(event.overlapped));
                let mut table = task.table.borrow_mut();
                if table.get(&fd).is_some_and(|entry| entry.since <= begun) {
                    table.remove(&fd);
                }
            }
            Op::CloseRange => close_range(task, event, flags & CLOSE_RANGE_CLOEXEC != 0),
            Op::Dup => self.duplicate(task, fd, result, false),
            Op::DupTo => {
                let to = event.fd(ArgKind::NewFd).unwrap_or(-1);
                if to != fd {
                    self.duplicate(task, fd, to, cloexec);
                }
            }
            Op::Fcntl => match event.arg(ArgKind::Command).map_or(u32::MAX, |c| c as u32) {
                F_DUPFD => self.duplicate(task, fd, result, false),
                F_DUPFD_CLOEXEC => self.duplicate(task, fd, result, true),
                F_SETFD => {
                    let value = event.arg(ArgKind::Argument).unwrap_or(0);
                    if let Some(entry) = task.table.borrow_mut().get_mut(&fd) {
                        entry.cloexec = value & 1 != 0;
                    }
                }
                _ => {}
            },
            Op::Pipe | Op::SocketPair => {
                for end in [ArgKind::OutFd0, ArgKind::OutFd1] {
                    if let Some(fd) = event.fd(end) {
                        task.put(fd, Description::new(NONE), cloexec, self.now());
                    }
                }
            }
            Op::Socket | Op::Accept | Op::EventFd => {
                let stream = match event.call {
                    Call::accept | Call::accept4 => Stream::Connection,
                    Call::inotify_init | Call::inotify_init1 => Stream::Watch,
                    _ => Stream::Other,
                };
                task.put(result, Description::of_stream(stream), cloexec, self.now());
            }
            Op::Unshare => self.processes.unshare(event.task.0, flags.into()),
            _ => {}
        }
    }

    fn duplicate(&self, task: &Task, fd: i32, to: i32, cloexec: bool) {
        let mut table = task.table.borrow_mut();
        let Some(description) = table.get(&fd).map(|entry| entry.description.clone()) else {
            table.remove(&to);
            return;
        };
        table.insert(
            to,
            Entry {
                description,
                cloexec,
                since: self.now(),
            },
        );
    }
}

fn close_range(task: &Task, event: &Event, only_flag: bool) {
    let first = event.arg(ArgKind::Fd).unwrap_or(0) as u32;
    let last = event.arg(ArgKind::NewFd).unwrap_or(0) as u32;
    // Descriptors are never negative as signed numbers; the call takes unsigned ones.
    let (Ok(first), last) = (
        i32::try_from(first),
        i32::try_from(last).unwrap_or(i32::MAX),
    ) else {
        return;
    };
    if first > last {
        return;
    }
    let mut table = task.table.borrow_mut();
    if only_flag {
        for (_, entry) in table.range_mut(first..=last) {
            entry.cloexec = true;
        }
    } else {
        table.retain(|fd, _| *fd < first || *fd > last);
    }
}

//! What is open behind descriptors: for whoever follows a trace and writes it in another form.

use std::rc::{Rc, Weak};

use fsreplay_trace::abi::AT_FDCWD;
use fsreplay_trace::call::ArgKind;
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{Event, FileKind, StringId, TaskId};

use crate::inspector::Inspector;
use crate::places::{NONE, PSEUDO};
use crate::processes::{Description, Named};

/// What is open behind a descriptor, as far as the trace tells.
#[derive(Clone, Debug)]
pub struct OpenFile {
    /// Tells files apart, whatever their names are or become; `None` for what is no file or
    /// directory: pipes, sockets, devices.
    pub number: Option<u32>,
    /// Where the file is now, or was last; of what is no file its path or what `/proc` calls it.
    pub path: Option<Vec<u8>>,
    /// It is a directory.
    pub is_directory: bool,
    /// Its last name was removed.
    pub is_deleted: bool,
    /// It is the kernel's own (`/proc`, `/sys`, `/dev`).
    pub is_pseudo: bool,
    /// Where a read or write without an offset begins, in bytes.
    pub position: u64,
    /// Where a write to its end begins, in bytes.
    pub size: u64,
    /// All writes go to its end.
    pub appends: bool,
    /// Tells whether any descriptor still leads to it by the same `open`.
    pub held: Held,
}

/// An open file description that may still be held by descriptors.
#[derive(Clone, Debug)]
pub struct Held(Weak<Description>);

impl Held {
    /// Whether any descriptor of any task still leads to it.
    pub fn is_open(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// Whether both are one: by `dup`, `fork` or a second thread.
    pub fn is(&self, other: &Held) -> bool {
        self.0.ptr_eq(&other.0)
    }
}

impl Inspector {
    /// What is open behind a task's descriptor, after the records so far; `None` if no record told
    /// of it.
    pub fn open_file(&self, task: TaskId, fd: i32, tables: &Tables) -> Option<OpenFile> {
        let description = self.processes.known(task.0)?.description(fd)?;
        let file = self.files.get(description.file);
        let place = file.map_or(NONE, |file| file.place);
        let path = match description.named {
            _ if place != NONE => Some(self.places.path(place)),
            Named::Nowhere => None,
            Named::Place(place) => Some(self.places.path(place)),
            Named::Text(text) => Some(tables.string(StringId(text)).to_vec()),
        };
        Some(OpenFile {
            number: file.map(|_| description.file),
            path,
            is_directory: place != NONE
                && file.is_some()
                && self.places.get(place).kind == FileKind::Directory,
            is_deleted: file.is_some_and(|file| file.deleted),
            is_pseudo: place != NONE && self.places.get(place).flags & PSEUDO != 0,
            position: description.position.get(),
            size: file.map_or(0, |file| file.size),
            appends: description.append,
            held: Held(Rc::downgrade(&description)),
        })
    }

    /// The text of the link that a `readlink` is about to read, if it is known.
    pub fn link_text(&mut self, event: &Event, tables: &Tables) -> Option<Vec<u8>> {
        let path = event.string(ArgKind::Path)?;
        let dir = event.fd(ArgKind::DirFd).unwrap_or(AT_FDCWD);
        let task = self.processes.known(event.task.0)?.clone();
        let place = self.resolve(&task, dir, path, false, tables);
        let link = (place != NONE).then(|| self.places.link(place))??;
        Some(tables.string(StringId(link)).to_vec())
    }

    /// A task's working directory, after the records so far.
    pub fn working_directory(&self, task: TaskId) -> Option<Vec<u8>> {
        let cwd = self.processes.known(task.0)?.fs.get().cwd;
        let place = self.files.place(cwd);
        (place != NONE).then(|| self.places.path(place))
    }
}

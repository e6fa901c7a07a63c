//! Tasks and what they share: descriptor tables, working directories, mappings; and the processes
//! that they are part of.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use fsreplay_trace::abi::{CLONE_FILES, CLONE_FS, CLONE_THREAD, CLONE_VM};
use fsreplay_trace::model::{FdState, FileKind, TaskStart};

use crate::files::Covered;
use crate::places::NONE;

/// Descriptors and mappings that a fork may copy; no machine's tables are larger, and a made-up
/// trace must not fill the memory by forking over and over.
const LARGEST_COPY: usize = 1 << 20;
/// Descriptors and mappings that all tables together may have got by copying.
const MOST_COPIED: usize = 1 << 26;

/// What a stream's bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Stream {
    /// A file, or a stream of the tool's own.
    #[default]
    Other,
    /// Changes of watched files.
    Watch,
    /// A connection that was accepted.
    Connection,
    /// Open when the command began.
    Inherited,
}

impl Stream {
    /// Of a descriptor that was open without a call: at the start, or received.
    pub(crate) fn of(state: &FdState) -> Stream {
        match state.kind {
            FileKind::File | FileKind::Directory => Stream::Other,
            _ => Stream::Inherited,
        }
    }
}

/// Where a descriptor leads that leads to no file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Named {
    /// Nowhere that has a name.
    #[default]
    Nowhere,
    /// It was opened at that place: a device, a pipe with a name.
    Place(u32),
    /// `/proc` said so, in that string.
    Text(u32),
}

/// An open file description.
#[derive(Debug)]
pub(crate) struct Description {
    /// The file, [`NONE`] for pipes, sockets and what could not be resolved.
    pub(crate) file: u32,
    /// What it is called, if it is no file.
    pub(crate) named: Named,
    /// Where the next read or write begins, in bytes.
    pub(crate) position: Cell<u64>,
    /// How much was read from the start.
    pub(crate) covered: Cell<Covered>,
    /// Whether writes go to the end.
    pub(crate) append: bool,
    /// Whether a pass over the directory has begun.
    pub(crate) listing: Cell<bool>,
    /// What its bytes tell, if it is no file.
    pub(crate) stream: Stream,
}

impl Description {
    /// Just opened.
    pub(crate) fn new(file: u32) -> Description {
        Description {
            file,
            named: Named::Nowhere,
            position: Cell::default(),
            covered: Cell::default(),
            append: false,
            listing: Cell::default(),
            stream: Stream::Other,
        }
    }

    /// Just made, no file.
    pub(crate) fn of_stream(stream: Stream) -> Description {
        Description {
            stream,
            ..Description::new(NONE)
        }
    }
}

/// A descriptor.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) description: Rc<Description>,
    pub(crate) cloexec: bool,
    /// How many events had returned when it was there.
    pub(crate) since: u64,
}

/// A descriptor table.
pub(crate) type Table = BTreeMap<i32, Entry>;

/// Files mapped into memory: by start address, end address and file.
pub(crate) type Maps = BTreeMap<u64, (u64, u32)>;

/// Working directory and root, as files (directories move).
#[derive(Clone, Copy)]
pub(crate) struct Fs {
    pub(crate) cwd: u32,
    pub(crate) root: u32,
}

/// A task, as far as attribution needs it.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) process: u32,
    pub(crate) table: Rc<RefCell<Table>>,
    pub(crate) fs: Rc<Cell<Fs>>,
    pub(crate) maps: Rc<RefCell<Maps>>,
}

/// A process: a group of tasks.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    /// Process id.
    pub(crate) pid: u32,
    /// The process that made it.
    pub(crate) parent: u32,
    /// String ids of the path and the arguments of its last successful `execve`, or of its
    /// parent's.
    pub(crate) path: u32,
    pub(crate) argv: u32,
    /// File-system calls.
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    /// Nanoseconds in them.
    pub(crate) time: u64,
}

/// All of them.
pub(crate) struct Processes {
    tasks: HashMap<u32, Task>,
    pub(crate) all: Vec<Process>,
    copied: usize,
    start: Fs,
}

impl Processes {
    /// None yet; the first task will have that working directory and root.
    pub(crate) fn new(start: Fs) -> Processes {
        Processes {
            tasks: HashMap::new(),
            all: Vec::new(),
            copied: 0,
            start,
        }
    }

    /// The task of that number; one that no record told of gets tables of its own.
    pub(crate) fn task(&mut self, number: u32) -> Task {
        if let Some(task) = self.tasks.get(&number) {
            return task.clone();
        }
        let parent = self.tasks.contains_key(&0).then_some(0);
        self.add(number, parent, 0, 0)
    }

    /// The task of that number, if any record told of it.
    pub(crate) fn known(&self, number: u32) -> Option<&Task> {
        self.tasks.get(&number)
    }

    /// A task came to life.
    pub(crate) fn start(&mut self, start: &TaskStart) {
        if !self.tasks.contains_key(&start.task.0) {
            let parent = start.parent.map(|parent| parent.0);
            self.add(start.task.0, parent, start.flags, start.tid);
        }
    }

    fn add(&mut self, number: u32, parent: Option<u32>, flags: u64, pid: u32) -> Task {
        let task = match parent.and_then(|parent| self.tasks.get(&parent)).cloned() {
            None => Task {
                process: self.add_process(NONE, pid),
                table: Rc::default(),
                fs: Rc::new(Cell::new(self.start)),
                maps: Rc::default(),
            },
            Some(parent) => Task {
                process: if flags & CLONE_THREAD != 0 {
                    parent.process
                } else {
                    self.add_process(parent.process, pid)
                },
                table: if flags & CLONE_FILES != 0 {
                    parent.table
                } else {
                    self.copy(&parent.table)
                },
                fs: if flags & CLONE_FS != 0 {
                    parent.fs
                } else {
                    Rc::new(Cell::new(parent.fs.get()))
                },
                maps: if flags & CLONE_VM != 0 {
                    parent.maps
                } else {
                    self.copy(&parent.maps)
                },
            },
        };
        self.tasks.insert(number, task.clone());
        task
    }

    /// A copy of a table; an empty one where no machine could have made it.
    fn copy<V: Clone, K: Clone + Ord>(
        &mut self,
        table: &RefCell<BTreeMap<K, V>>,
    ) -> Rc<RefCell<BTreeMap<K, V>>> {
        let length = table.borrow().len();
        self.copied += length;
        if length > LARGEST_COPY || self.copied > MOST_COPIED {
            return Rc::default();
        }
        Rc::new(RefCell::new(table.borrow().clone()))
    }

    fn add_process(&mut self, parent: u32, pid: u32) -> u32 {
        let (path, argv) = self
            .all
            .get(parent as usize)
            .map_or((NONE, NONE), |parent| (parent.path, parent.argv));
        self.all.push(Process {
            pid,
            parent,
            path,
            argv,
            calls: 0,
            failed: 0,
            time: 0,
        });
        (self.all.len() - 1) as u32
    }

    /// A task ended.
    pub(crate) fn end(&mut self, number: u32) {
        self.tasks.remove(&number);
    }

    /// A task runs another program: descriptors that close on exec are closed, nothing is shared
    /// any more.
    pub(crate) fn exec(&mut self, number: u32, path: u32, argv: u32) {
        let Some(mut task) = self.tasks.get(&number).cloned() else {
            return;
        };
        let kept: Table = task
            .table
            .borrow()
            .iter()
            .filter(|(_, entry)| !entry.cloexec)
            .map(|(fd, entry)| (*fd, entry.clone()))
            .collect();
        task.table = Rc::new(RefCell::new(kept));
        task.maps = Rc::default();
        if let Some(process) = self.all.get_mut(task.process as usize) {
            process.path = path;
            process.argv = argv;
        }
        self.tasks.insert(number, task);
    }

    /// A task stops sharing, as unshare(2) says.
    pub(crate) fn unshare(&mut self, number: u32, flags: u64) {
        let Some(mut task) = self.tasks.get(&number).cloned() else {
            return;
        };
        if flags & CLONE_FILES != 0 {
            task.table = self.copy(&task.table);
        }
        if flags & CLONE_FS != 0 {
            task.fs = Rc::new(Cell::new(task.fs.get()));
        }
        self.tasks.insert(number, task);
    }
}

impl Task {
    /// The description behind a descriptor.
    #[inline]
    pub(crate) fn description(&self, fd: i32) -> Option<Rc<Description>> {
        self.table
            .borrow()
            .get(&fd)
            .map(|entry| Rc::clone(&entry.description))
    }

    /// A descriptor for a new description.
    pub(crate) fn put(&self, fd: i32, description: Description, cloexec: bool, since: u64) {
        self.table.borrow_mut().insert(
            fd,
            Entry {
                description: Rc::new(description),
                cloexec,
                since,
            },
        );
    }

    /// The file that an address is mapped from.
    pub(crate) fn mapped(&self, address: u64) -> u32 {
        let maps = self.maps.borrow();
        match maps.range(..=address).next_back() {
            Some((_, (end, file))) if address < *end => *file,
            _ => NONE,
        }
    }

    /// A range of addresses is mapped from a file, or from none.
    pub(crate) fn map(&self, start: u64, length: u64, file: u32) {
        let end = start.saturating_add(length);
        let mut maps = self.maps.borrow_mut();
        if let Some((before, (before_end, of))) = maps.range(..start).next_back() {
            let (before, before_end, of) = (*before, *before_end, *of);
            if before_end > start {
                maps.insert(before, (start, of));
                if before_end > end {
                    maps.insert(end, (before_end, of));
                }
            }
        }
        let inside: Vec<u64> = maps.range(start..end).map(|(start, _)| *start).collect();
        for at in inside {
            if let Some((last_end, of)) = maps.remove(&at)
                && last_end > end
            {
                maps.insert(end, (last_end, of));
            }
        }
        if file != NONE && end > start {
            maps.insert(start, (end, file));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsreplay_trace::model::TaskId;

    fn processes() -> Processes {
        Processes::new(Fs { cwd: 0, root: 0 })
    }

    #[test]
    fn a_mapping_can_be_cut_in_the_middle() {
        let task = processes().task(0);
        task.map(100, 100, 7);
        task.map(130, 20, NONE);
        task.map(190, 20, 8);
        let of = [100, 129, 130, 149, 150, 189, 190, 209, 210].map(|at| task.mapped(at));
        assert_eq!(of, [7, 7, NONE, NONE, 7, 7, 8, 8, NONE]);
    }

    #[test]
    fn exec_keeps_what_does_not_close_on_it_and_shares_nothing() {
        let mut all = processes();
        let parent = all.task(0);
        parent.put(3, Description::new(30), false, 0);
        parent.put(4, Description::new(40), true, 0);
        all.start(&TaskStart {
            task: TaskId(1),
            parent: Some(TaskId(0)),
            time: 0,
            flags: CLONE_FILES | CLONE_VM,
            tid: 9,
            think: 0,
        });
        all.exec(1, 5, 6);
        let child = all.task(1);
        assert!(child.description(3).is_some() && child.description(4).is_none());
        assert!(parent.description(4).is_some());
        assert_eq!(all.all[1].parent, 0);
        assert_eq!((all.all[1].path, all.all[0].path), (5, NONE));
    }
}

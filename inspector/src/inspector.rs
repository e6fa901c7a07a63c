//! The pass over the records: what each call is about, what it cost, and what counts as suspicious.

use fsreplay_trace::abi::{AT_FDCWD, O_APPEND, O_CLOEXEC, OpenFlags};
use fsreplay_trace::call::{ArgKind, Op};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{
    Event, FdState, FileKind, Header, Listing, Mount, PathState, Record, StringId, is_pseudo,
};

use crate::files::{Done, FileCount, Files};
use crate::lookup::{self, EBADF, EINVAL, ENOENT, ENOTDIR, Subject};
use crate::phases::Phases;
use crate::places::{Count, EXISTED, GIVEN, NONE, PSEUDO, Places, ROOT};
use crate::processes::{Description, Fs, Named, Processes, Stream, Task};
use crate::tally::{Costs, Sum, Tallies};
use crate::walk::Resolver;

/// Files and directories of devices: pseudo whatever is mounted there, but for shared memory.
const DEVICES: &[u8] = b"/dev";
const SHARED_MEMORY: &[u8] = b"/dev/shm";

/// How an event's subject was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A place, and the file there, if it is known.
    At(u32, u32),
    /// A pipe, a socket or the like, or no file at all.
    NoFile,
    /// The model doesn't know the descriptor or directory.
    Unknown,
}

/// Follows the records of a trace and counts.
///
/// Feed it every record in order, then [ask for the result](Inspector::finish) or write
/// [folded stacks](crate::write_folded).
pub struct Inspector {
    pub(crate) header: Header,
    pub(crate) open_flags: OpenFlags,
    pub(crate) places: Places,
    pub(crate) files: Files,
    pub(crate) processes: Processes,
    pub(crate) resolver: Resolver,
    pub(crate) tallies: Tallies,
    pub(crate) costs: Costs,
    /// Number of entries of directories that were listed first as they were before the recording.
    pub(crate) listed: Vec<(u32, u32)>,
    pub(crate) events: u64,
    pub(crate) last: u64,
    pub(crate) on_files: Sum,
    pub(crate) on_pseudo: Sum,
    pub(crate) on_no_file: Sum,
    pub(crate) unresolved: Sum,
    pub(crate) phases: Phases,
}

/// The last of the standard streams.
const STDERR: i32 = 2;

impl Inspector {
    /// For a trace with that header.
    pub fn new(header: &Header) -> Inspector {
        let mut places = Places::new();
        mark_mounts(&mut places, header);
        let mut files = Files::default();
        let root = files.add(ROOT, 0, false);
        places.get_mut(ROOT).file = root;
        let cwd_place = places.of_path(&header.cwd);
        let cwd = if cwd_place == ROOT {
            root
        } else {
            files.add(cwd_place, 0, false)
        };
        places.get_mut(cwd_place).file = cwd;
        Inspector {
            header: header.clone(),
            open_flags: OpenFlags::of(&header.architecture),
            places,
            files,
            processes: Processes::new(Fs { cwd, root }),
            resolver: Resolver::default(),
            tallies: Tallies::default(),
            costs: Costs::default(),
            listed: Vec::new(),
            events: 0,
            last: 0,
            on_files: Sum::default(),
            on_pseudo: Sum::default(),
            on_no_file: Sum::default(),
            unresolved: Sum::default(),
            phases: Phases::new(header),
        }
    }

    /// Takes the next record.
    pub fn record(&mut self, record: &Record, tables: &Tables) {
        match record {
            Record::Event(event) => self.event(event, tables),
            Record::TaskStart(start) => {
                self.phases.start(start, &self.places);
                self.processes.start(start);
            }
            Record::TaskExit(exit) => {
                self.phases.end(exit, &self.places);
                self.processes.end(exit.task.0);
            }
            Record::PathState(state) => self.path_state(state, tables),
            Record::Listing(listing) => self.listing(listing, tables),
            Record::FdState(state) => self.fd_state(state, tables),
            Record::Xattrs(_) => {}
        }
    }

    fn event(&mut self, event: &Event, tables: &Tables) {
        let task = self.processes.task(event.task.0);
        self.last = self.last.max(event.entry.saturating_add(event.duration));
        let subject = lookup::subject(event, tables, self.open_flags);
        let found = self.find(&task, subject, event, tables);
        self.charge(&task, found, event);
        let busy_at = match found {
            Found::At(place, _) if self.places.get(place).flags & PSEUDO == 0 => place,
            _ => NONE,
        };
        self.phases
            .follow(&task, busy_at, event, self.events, &self.places);
        if let Found::At(place, file) = found {
            self.count(&task, (place, file), subject, event);
        }
        if event.errno().is_none() && event.result != Event::NO_RETURN {
            self.apply(&task, found, event, tables);
        }
        self.events += 1;
    }

    fn find(&mut self, task: &Task, subject: Subject, event: &Event, tables: &Tables) -> Found {
        match subject {
            Subject::Path(dir, path, follow) => {
                match self.resolve(task, dir, path, follow, tables) {
                    NONE => Found::Unknown,
                    place => Found::At(place, self.places.get(place).file),
                }
            }
            Subject::Fd(fd) => self.behind(task, fd, event),
            Subject::Fds(first, second) => match self.behind(task, first, event) {
                Found::NoFile => self.behind(task, second, event),
                found => found,
            },
            Subject::Mapping(address) => self.at(task.mapped(address)),
            Subject::Cwd => self.at(task.fs.get().cwd),
            Subject::Root => self.at(task.fs.get().root),
            Subject::Nothing => Found::NoFile,
        }
    }

    fn at(&self, file: u32) -> Found {
        match self.files.place(file) {
            NONE => Found::NoFile,
            place => Found::At(place, file),
        }
    }

    fn behind(&self, task: &Task, fd: i32, event: &Event) -> Found {
        match task.description(fd) {
            Some(description) => self.at(description.file),
            None if event.errno() == Some(EBADF) => Found::NoFile,
            None => Found::Unknown,
        }
    }

    /// The place that a path leads to; [`NONE`] if the directory that it is relative to isn't
    /// known.
    pub(crate) fn resolve(
        &mut self,
        task: &Task,
        dir: i32,
        path: StringId,
        follow: bool,
        tables: &Tables,
    ) -> u32 {
        let fs = task.fs.get();
        let root = self.files.place(fs.root);
        let absolute = tables.string(path).first() == Some(&b'/');
        let start = match dir {
            _ if absolute => root,
            AT_FDCWD => self.files.place(fs.cwd),
            fd => task
                .description(fd)
                .map_or(NONE, |description| self.files.place(description.file)),
        };
        if start == NONE || root == NONE {
            return NONE;
        }
        let from = (start, root);
        self.resolver
            .resolve(&mut self.places, tables, from, path, follow)
    }

    /// Adds the call's time where it belongs.
    fn charge(&mut self, task: &Task, found: Found, event: &Event) {
        let sum = match found {
            Found::NoFile => &mut self.on_no_file,
            Found::Unknown => &mut self.unresolved,
            Found::At(place, _) if self.places.get(place).flags & PSEUDO != 0 => {
                &mut self.on_pseudo
            }
            Found::At(..) => &mut self.on_files,
        };
        sum.add(event);
        let Found::At(place, file) = found else {
            return;
        };
        let place = self.places.get_mut(place);
        if place.flags & PSEUDO != 0 {
            return;
        }
        let failed = event.errno().is_some();
        self.costs
            .add(&mut place.spent, event.call, failed, event.duration);
        if let Some(process) = self.processes.all.get_mut(task.process as usize) {
            process.calls += 1;
            process.failed += u64::from(failed);
            process.time = process.time.saturating_add(event.duration);
        }
        if let Some(file) = self.files.get_mut(file) {
            file.calls += 1;
            file.time = file.time.saturating_add(event.duration);
        }
    }

    /// Counts what may turn out to be suspicious.
    fn count(&mut self, task: &Task, (at, file): (u32, u32), subject: Subject, event: &Event) {
        let place = self.places.get_mut(at);
        if place.flags & PSEUDO != 0 {
            return;
        }
        let op = event.call.row().op;
        let by_path = matches!(subject, Subject::Path(..));
        let what = match event.errno() {
            Some(ENOENT | ENOTDIR) if by_path && lookup::is_lookup(event) => Some(Count::Miss),
            // How realpath(3) finds out that a path is no link.
            Some(EINVAL) if by_path && op == Op::ReadLink => Some(Count::ReadLink),
            Some(_) => None,
            None => match op {
                Op::Stat | Op::Access if by_path => Some(Count::Stat),
                Op::Open => Some(Count::Open),
                Op::ReadLink => Some(Count::ReadLink),
                Op::ListDirectory => {
                    self.list(task, at, event);
                    None
                }
                _ => None,
            },
        };
        let done = Done {
            process: task.process,
            time: event.duration,
        };
        if let Some(what) = what {
            let tally = &mut self.places.get_mut(at).tallies[what as usize];
            self.tallies.add(tally, done.process, done.time);
        }
        if matches!(op, Op::FdSync | Op::Sync | Op::SyncRange | Op::MapSync)
            && let Some(file) = self.files.get_mut(file)
        {
            file.count(&mut self.tallies, FileCount::Sync, done);
        }
    }

    /// A directory is counted once for each pass over it, however many calls the pass takes.
    fn list(&mut self, task: &Task, place: u32, event: &Event) {
        let fd = event.fd(ArgKind::Fd).unwrap_or(-1);
        let Some(description) = task.description(fd) else {
            return;
        };
        let tally = &mut self.places.get_mut(place).tallies[Count::List as usize];
        if description.listing.replace(event.result > 0) {
            self.tallies.add_time(*tally, event.duration);
        } else {
            self.tallies.add(tally, task.process, event.duration);
        }
    }

    fn path_state(&mut self, state: &PathState, tables: &Tables) {
        let at = self.places.of_node(state.node, tables);
        let target = state.metadata.and_then(|metadata| metadata.target);
        if state.kind == FileKind::Unknown {
            return;
        }
        self.places.set(at, state.kind, target.map(|text| text.0));
        let place = self.places.get_mut(at);
        if state.kind == FileKind::Absent {
            place.file = NONE;
        } else {
            place.flags |= EXISTED;
        }
        if let Some(metadata) = state.metadata {
            place.size = metadata.size;
            if (metadata.mount as usize) < self.header.mounts.len() {
                place.mount = metadata.mount as u16;
            }
            if let Some(file) = self.files.get_mut(place.file)
                && file.size == 0
            {
                file.size = metadata.size;
            }
        }
    }

    fn listing(&mut self, listing: &Listing, tables: &Tables) {
        let directory = self.places.of_node(listing.directory, tables);
        let count = u32::try_from(listing.entries.len()).unwrap_or(u32::MAX);
        self.listed.push((directory, count));
        for (node, kind) in &listing.entries {
            let at = self.places.of_node(*node, tables);
            self.places.get_mut(at).flags |= EXISTED;
            if self.places.get(at).kind == FileKind::Unknown {
                self.places.set(at, *kind, None);
            }
        }
    }

    fn fd_state(&mut self, state: &FdState, tables: &Tables) {
        let task = self.processes.task(state.task.0);
        let target = tables.string(state.target);
        let is_file = matches!(state.kind, FileKind::File | FileKind::Directory);
        let file = if is_file && target.first() == Some(&b'/') {
            let place = self.places.of_path(target);
            if self.events == 0 && (0..=STDERR).contains(&state.fd) {
                self.places.get_mut(place).flags |= GIVEN;
            }
            self.file_at(place)
        } else {
            NONE
        };
        let mut description = Description::new(file);
        description.named = Named::Text(state.target.0);
        description.position.set(state.offset);
        description.append = state.flags & O_APPEND != 0;
        description.stream = Stream::of(state);
        let cloexec = state.flags & O_CLOEXEC != 0;
        task.put(state.fd, description, cloexec, self.events);
    }

    /// The file at a place, which something is there to be opened.
    pub(crate) fn file_at(&mut self, at: u32) -> u32 {
        let place = self.places.get_mut(at);
        if place.file == NONE {
            place.file = self.files.add(at, place.size, false);
        }
        place.file
    }
}

/// Marks mount points and pseudo file systems, those above first, so that places below inherit; of
/// mounts at one place the last counts.
fn mark_mounts(places: &mut Places, header: &Header) {
    // In a container /dev is a tmpfs or a part of the root, and holds devices all the same.
    let devices = places.of_path(DEVICES);
    places.get_mut(devices).flags |= PSEUDO;
    let mut mounts: Vec<(usize, &Mount)> = header.mounts.iter().enumerate().collect();
    mounts.sort_by_key(|(_, mount)| mount.mount_point.len());
    for (index, mount) in mounts {
        let at = places.of_path(&mount.mount_point);
        let above = places.get(places.get(at).parent).flags & PSEUDO != 0;
        let devices = mount.mount_point == DEVICES;
        let shared = mount.mount_point == SHARED_MEMORY;
        let pseudo = is_pseudo(&mount.fs_type) || devices || above && !shared;
        let place = places.get_mut(at);
        place.flags = if pseudo { PSEUDO } else { 0 };
        place.mount = u16::try_from(index).unwrap_or(u16::MAX);
    }
    let shared = places.of_path(SHARED_MEMORY);
    places.get_mut(shared).flags &= !PSEUDO;
}

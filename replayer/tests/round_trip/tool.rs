//! A tool of random calls, which notes what it does.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fsreplay_trace::call::{ArgKind, Call, MAX_ARGS};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{
    Event, FileKind, Metadata, NodeId, PathState, Record, StringId, TaskId, TaskStart,
};
use rustix::fs::{AtFlags, Mode, OFlags, SeekFrom};
use rustix::io::Errno;

const THREAD: u64 = 0x1_0f00;
/// No chain of links with three `..` each climbs out of a directory as deep as this.
const DEPTH: usize = 150;
const TASKS: u64 = 3;

/// A generator of numbers that is the same everywhere.
pub struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.roll(from.len() as u64) as usize]
    }
}

/// The tool, and the notes of what it does.
pub struct Tool {
    dice: Dice,
    pub base: PathBuf,
    pub tables: Tables,
    pub records: Vec<Record>,
    fds: BTreeMap<i32, OwnedFd>,
    pub cwd: OwnedFd,
    time: u64,
}

pub type Outcome = Result<i64, Errno>;

impl Tool {
    pub fn new(seed: u64, top: &Path) -> Tool {
        let mut base = top.to_path_buf();
        for _ in 0..DEPTH {
            base.push("n");
        }
        base.push("base");
        std::fs::create_dir_all(&base).expect("a deep directory");
        for name in ["a", "b", "a/c"] {
            std::fs::create_dir(base.join(name)).expect("a directory");
        }
        std::fs::write(base.join("a/f"), vec![7; 5000]).expect("a file");
        std::fs::hard_link(base.join("a/f"), base.join("b/g")).expect("a link");
        std::os::unix::fs::symlink("a/c", base.join("l")).expect("a link");
        std::os::unix::fs::symlink("g", base.join("b/l")).expect("a link");
        let cwd = open_dir(&base);
        let mut tool = Tool {
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            base,
            tables: Tables::new(),
            records: Vec::new(),
            fds: BTreeMap::new(),
            cwd,
            time: 0,
        };
        tool.start_tasks();
        tool.states(top);
        tool
    }

    pub fn start_tasks(&mut self) {
        for task in 0..TASKS as u32 {
            self.records.push(Record::TaskStart(TaskStart {
                task: TaskId(task),
                parent: (task > 0).then_some(TaskId(0)),
                time: 0,
                flags: THREAD,
                tid: task + 1,
                think: 0,
            }));
        }
    }

    /// States of all that is there before the tool runs.
    fn states(&mut self, top: &Path) {
        let mut node = NodeId::ROOT;
        self.state(node, Path::new("/"));
        let mut path = PathBuf::from("/");
        for name in top.iter().skip(1) {
            path.push(name);
            node = self.tables.add_node(node, name.as_bytes());
            self.state(node, &path);
        }
        self.states_below(node, top);
    }

    fn states_below(&mut self, node: NodeId, dir: &Path) {
        for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
            let path = entry.path();
            let child = self.tables.add_node(node, entry.file_name().as_bytes());
            self.state(child, &path);
            if path.symlink_metadata().is_ok_and(|m| m.is_dir()) {
                self.states_below(child, &path);
            }
        }
    }

    fn state(&mut self, node: NodeId, path: &Path) {
        let Ok(found) = path.symlink_metadata() else {
            return;
        };
        let kind = if found.is_dir() {
            FileKind::Directory
        } else if found.is_symlink() {
            FileKind::Symlink
        } else {
            FileKind::File
        };
        let target = std::fs::read_link(path)
            .ok()
            .map(|t| self.tables.add_string(t.as_os_str().as_bytes()));
        let linked = found.is_file() && found.nlink() > 1;
        self.records.push(Record::PathState(PathState {
            node,
            kind,
            metadata: Some(Metadata {
                size: found.size(),
                mode: found.mode() & 0o7777,
                uid: found.uid(),
                gid: found.gid(),
                mtime: found.mtime(),
                link_group: if linked { found.ino() } else { 0 },
                target,
                mount: 0,
                allocated: None,
            }),
        }));
    }

    fn note(&mut self, call: Call, args: &[(ArgKind, u64)], outcome: Outcome) {
        let mut values = [0; MAX_ARGS];
        for (index, (kind, _)) in call.row().args.iter().enumerate() {
            let given = args.iter().find(|(k, _)| k == kind);
            values[index] = given.map_or(0, |(_, value)| *value);
        }
        self.time += 1000;
        let task = TaskId(self.dice.roll(TASKS) as u32);
        self.records.push(Record::Event(Event {
            task,
            call,
            entry: self.time,
            duration: 500,
            overlapped: 0,
            spent: Default::default(),
            result: outcome.unwrap_or_else(|e| -i64::from(e.raw_os_error())),
            args: values,
        }));
    }

    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.records.iter().filter_map(|record| match record {
            Record::Event(event) => Some(event),
            _ => None,
        })
    }

    /// A call as the tool made it.
    pub fn spelled(&self, event: &Event) -> String {
        let mut told = event.call.to_string();
        for (index, (kind, _)) in event.call.row().args.iter().enumerate() {
            let value = event.args[index];
            let text = match kind {
                ArgKind::Path | ArgKind::NewPath | ArgKind::Target => {
                    let text = self.tables.string(StringId(value as u32));
                    String::from_utf8_lossy(text).replace("/n", "")
                }
                _ => (value as i64).to_string(),
            };
            told.push_str(&format!(" {text}"));
        }
        format!("{told} = {}", event.result)
    }

    fn text(&mut self, text: &[u8]) -> u64 {
        u64::from(self.tables.add_string(text).0)
    }

    /// A path of a few names, links and dots; absolute now and then.
    fn path(&mut self) -> Vec<u8> {
        let mut names: Vec<&str> = Vec::new();
        let all = ["a", "b", "c", "f", "g", "l", "m", "..", ".", "a", "b", "l"];
        for _ in 0..=self.dice.roll(3) {
            names.push(self.dice.pick(&all));
        }
        let mut path = names.join("/").into_bytes();
        if self.dice.roll(12) == 0 {
            path.push(b'/');
        }
        if self.dice.roll(5) == 0 {
            path = [self.base.as_os_str().as_bytes(), b"/", &path].concat();
        }
        path
    }

    /// A relative path without `..`: a plan has to rewrite other links as absolute ones, and these
    /// lead where they led before when they are moved (docs/security.md, "What it costs").
    fn link_target(&mut self) -> Vec<u8> {
        let path = self.path();
        path.split(|b| *b == b'/')
            .filter(|name| !name.is_empty())
            .map(|name| if name == b".." { b"a" } else { name })
            .collect::<Vec<_>>()
            .join(&b'/')
    }

    /// A directory to start from: its descriptor as the tool says it and as it is.
    fn start(&mut self) -> (u64, i32) {
        let open: Vec<i32> = self.fds.keys().copied().collect();
        if open.is_empty() || self.dice.roll(3) > 0 {
            return (-100i64 as u64, -1);
        }
        let fd = open[self.dice.roll(open.len() as u64) as usize];
        (fd as u64, fd)
    }

    fn directory(&self, fd: i32) -> BorrowedFd<'_> {
        self.fds.get(&fd).map_or(self.cwd.as_fd(), AsFd::as_fd)
    }

    fn any_fd(&mut self) -> Option<i32> {
        let open: Vec<i32> = self.fds.keys().copied().collect();
        (!open.is_empty()).then(|| open[self.dice.roll(open.len() as u64) as usize])
    }

    pub fn step(&mut self) {
        match self.dice.roll(24) {
            0..=5 => self.open(),
            6..=8 => self.one_path(Call::newfstatat),
            9 => self.one_path(Call::faccessat),
            10 => self.one_path(Call::readlinkat),
            11..=12 => self.one_path(Call::mkdirat),
            13 => self.one_path(Call::unlinkat),
            14 => self.remove_dir(),
            15..=16 => self.two_paths(Call::renameat),
            17 => self.two_paths(Call::linkat),
            18 => self.symlink(),
            19 => self.change_dir(),
            _ => self.on_fd(),
        }
    }

    fn open(&mut self) {
        let (said, fd) = self.start();
        let path = self.path();
        let choices = [
            OFlags::RDONLY,
            OFlags::RDWR,
            OFlags::CREATE.union(OFlags::RDWR),
            OFlags::CREATE.union(OFlags::EXCL).union(OFlags::WRONLY),
            OFlags::CREATE.union(OFlags::TRUNC).union(OFlags::WRONLY),
            OFlags::CREATE.union(OFlags::APPEND).union(OFlags::RDWR),
            OFlags::DIRECTORY,
            OFlags::NOFOLLOW,
        ];
        let flags = choices[self.dice.roll(choices.len() as u64) as usize];
        let opened = rustix::fs::openat(self.directory(fd), &path[..], flags, Mode::from(0o644));
        let outcome = opened.map(|opened| {
            let number = opened.as_raw_fd();
            self.fds.insert(number, opened);
            i64::from(number)
        });
        let path = self.text(&path);
        let flags = u64::from(flags.bits());
        let args = [
            (ArgKind::DirFd, said),
            (ArgKind::Path, path),
            (ArgKind::Flags, flags),
            (ArgKind::Mode, 0o644),
        ];
        self.note(Call::openat, &args, outcome);
    }

    fn one_path(&mut self, call: Call) {
        let (said, fd) = self.start();
        let path = self.path();
        let dir = self.directory(fd);
        let text = &path[..];
        let follow = AtFlags::empty();
        let (outcome, length): (Outcome, u64) = match call {
            Call::newfstatat => (rustix::fs::statat(dir, text, follow).map(|_| 0), 0),
            Call::faccessat => {
                let asked = rustix::fs::Access::EXISTS;
                (
                    rustix::fs::accessat(dir, text, asked, follow).map(|()| 0),
                    0,
                )
            }
            Call::readlinkat => {
                let read = rustix::fs::readlinkat(dir, text, Vec::new());
                (read.map(|link| link.as_bytes().len() as i64), 4096)
            }
            Call::mkdirat => (
                rustix::fs::mkdirat(dir, text, Mode::from(0o755)).map(|()| 0),
                0,
            ),
            _ => (rustix::fs::unlinkat(dir, text, follow).map(|()| 0), 0),
        };
        let path = self.text(&path);
        let mode = if call == Call::mkdirat { 0o755 } else { 0 };
        let args = [
            (ArgKind::DirFd, said),
            (ArgKind::Path, path),
            (ArgKind::Mode, mode),
            (ArgKind::Length, length),
        ];
        self.note(call, &args, outcome);
    }

    fn remove_dir(&mut self) {
        let (said, fd) = self.start();
        let path = self.path();
        let flags = AtFlags::REMOVEDIR;
        let outcome = rustix::fs::unlinkat(self.directory(fd), &path[..], flags).map(|()| 0);
        let path = self.text(&path);
        let args = [
            (ArgKind::DirFd, said),
            (ArgKind::Path, path),
            (ArgKind::Flags, u64::from(flags.bits())),
        ];
        self.note(Call::unlinkat, &args, outcome);
    }

    fn two_paths(&mut self, call: Call) {
        let (said, fd) = self.start();
        let (new_said, new_fd) = self.start();
        let (from, to) = (self.path(), self.path());
        let (dir, new_dir) = (self.directory(fd), self.directory(new_fd));
        let outcome = if call == Call::renameat {
            rustix::fs::renameat(dir, &from[..], new_dir, &to[..])
        } else {
            rustix::fs::linkat(dir, &from[..], new_dir, &to[..], AtFlags::empty())
        };
        let (from, to) = (self.text(&from), self.text(&to));
        let args = [
            (ArgKind::DirFd, said),
            (ArgKind::Path, from),
            (ArgKind::NewDirFd, new_said),
            (ArgKind::NewPath, to),
        ];
        self.note(call, &args, outcome.map(|()| 0));
    }

    fn symlink(&mut self) {
        let (said, fd) = self.start();
        let (target, path) = (self.link_target(), self.path());
        let dir = self.directory(fd);
        let outcome = rustix::fs::symlinkat(&target[..], dir, &path[..]).map(|()| 0);
        let (target, path) = (self.text(&target), self.text(&path));
        let args = [
            (ArgKind::Target, target),
            (ArgKind::NewDirFd, said),
            (ArgKind::NewPath, path),
        ];
        self.note(Call::symlinkat, &args, outcome);
    }

    fn change_dir(&mut self) {
        let path = self.path();
        let flags = OFlags::PATH.union(OFlags::DIRECTORY);
        let opened = rustix::fs::openat(&self.cwd, &path[..], flags, Mode::empty());
        let outcome = opened.map(|opened| {
            self.cwd = opened;
            0
        });
        let path = self.text(&path);
        self.note(Call::chdir, &[(ArgKind::Path, path)], outcome);
    }

    fn on_fd(&mut self) {
        let Some(fd) = self.any_fd() else {
            return;
        };
        let length = self.dice.roll(6000);
        let offset = self.dice.roll(8000);
        let mut buffer = vec![3; length as usize];
        let file = self.directory(fd);
        let count = |n: usize| n as i64;
        let (call, outcome): (Call, Outcome) = match self.dice.0 % 10 {
            0 => (Call::read, rustix::io::read(file, &mut buffer).map(count)),
            1 => (Call::write, rustix::io::write(file, &buffer).map(count)),
            2 => (
                Call::pread64,
                rustix::io::pread(file, &mut buffer, offset).map(count),
            ),
            3 => (
                Call::pwrite64,
                rustix::io::pwrite(file, &buffer, offset).map(count),
            ),
            4 => {
                let moved = rustix::fs::seek(file, SeekFrom::Start(offset));
                (Call::lseek, moved.map(|at| at as i64))
            }
            5 => (
                Call::ftruncate,
                rustix::fs::ftruncate(file, length).map(|()| 0),
            ),
            6 => (Call::fstat, rustix::fs::fstat(file).map(|_| 0)),
            7 => {
                let copy = rustix::io::dup(file);
                let outcome = copy.map(|copy| {
                    let number = copy.as_raw_fd();
                    self.fds.insert(number, copy);
                    i64::from(number)
                });
                (Call::dup, outcome)
            }
            _ => {
                self.fds.remove(&fd);
                (Call::close, Ok(0))
            }
        };
        let args = [
            (ArgKind::Fd, fd as u64),
            (ArgKind::Length, length),
            (ArgKind::Offset, offset),
        ];
        self.note(call, &args, outcome);
    }
}

pub fn open_dir(path: &Path) -> OwnedFd {
    let flags = OFlags::PATH.union(OFlags::DIRECTORY);
    rustix::fs::open(path, flags, Mode::empty()).expect("a directory")
}

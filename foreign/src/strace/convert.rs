//! From what happened to what a trace holds: tasks and their parents, descriptors and directories
//! followed, calls that are events.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use fsreplay_trace::abi::{
    CLONE_FILES, CLONE_FS, CLONE_VM, CLOSE_RANGE_CLOEXEC, F_DUPFD_CLOEXEC, F_SETFD, O_CLOEXEC,
    OpenFlags,
};
use fsreplay_trace::call::{ArgKind, Call, Closes, Op};
use fsreplay_trace::maps::Maps;
use fsreplay_trace::model::{Event, FileKind};

use super::births::{Birth, births};
use super::decode::Decoder;
use super::events::{is_event, is_of_another_architecture};
use super::files::{Description, Table};
use super::interrupted::Interrupted;
use super::learn::{Place, Told, World};
use super::log::{Item, What};
use super::records::{Gaps, Out};
use super::token::{self, Fd, split};
use super::tree::{Id, Tree};

struct Task {
    number: u32,
    table: Rc<RefCell<Table>>,
    cwd: Rc<RefCell<Id>>,
    maps: Rc<RefCell<Maps>>,
    interrupted: Option<Interrupted>,
    /// What it said that it exits with.
    exits: Option<i32>,
}

/// Follows what happened.
pub struct Converter {
    tasks: HashMap<u32, Task>,
    births: HashMap<u32, VecDeque<Birth>>,
    /// What to write.
    pub out: Vec<Out>,
    /// What is known of the tree.
    pub world: World,
    /// Names to numbers.
    pub decoder: Decoder,
    /// What isn't known.
    pub gaps: Gaps,
    /// The first task's status.
    pub status: Option<i32>,
    cwd: Id,
    next: u32,
    last: u64,
}

/// What an import is told besides its logs, or knows of them beforehand.
pub struct Known<'a> {
    /// The command's working directory.
    pub cwd: &'a [u8],
    /// Flags of `open`.
    pub open: OpenFlags,
    /// Whether the tool was run by root.
    pub is_root: bool,
}

impl Converter {
    /// Begins with what is known beforehand.
    pub fn new(known: &Known<'_>, items: &[Item]) -> Converter {
        let mut tree = Tree::new();
        let cwd = tree.reach(Id::ROOT, known.cwd, false).unwrap_or(Id::ROOT);
        tree.get_mut(cwd).taken_for(FileKind::Directory);
        Converter {
            tasks: HashMap::new(),
            births: births(items, known.open),
            out: Vec::new(),
            world: World {
                tree,
                descriptions: Vec::new(),
                open: known.open,
                is_root: known.is_root,
                lost: 0,
            },
            decoder: Decoder::new(known.open),
            gaps: Gaps::default(),
            status: None,
            cwd,
            next: 0,
            last: 0,
        }
    }

    /// Takes what happened next.
    pub fn item(&mut self, item: Item) {
        self.last = self.last.max(item.exit);
        let pid = item.pid;
        if !self.tasks.contains_key(&pid) {
            self.begins(pid, item.entry);
        }
        match &item.what {
            What::Ended(status) => self.ends(pid, item.exit, *status),
            What::Superseded(by) => {
                self.ends(pid, item.exit, 0);
                if let Some(task) = self.tasks.remove(by) {
                    self.tasks.insert(pid, task);
                }
            }
            What::Call { .. } => self.call(item),
        }
    }

    /// After the last.
    pub fn finish(&mut self) {
        let mut left: Vec<(u32, u32)> = Vec::new();
        for (pid, task) in &self.tasks {
            left.push((task.number, *pid));
        }
        left.sort_unstable();
        for (_, pid) in left {
            let exits = self.tasks.get(&pid).and_then(|task| task.exits);
            self.gaps.endless += u64::from(exits.is_none());
            if let Some(status) = exits {
                self.ends(pid, self.last, status);
            }
        }
    }

    fn begins(&mut self, pid: u32, time: u64) {
        let births = self.births.get_mut(&pid);
        let birth = births.and_then(|births| {
            let began = births.front().is_some_and(|birth| birth.entry <= time);
            began.then(|| births.pop_front()).flatten()
        });
        let birth = birth.filter(|birth| birth.parent != pid);
        let (flags, parent) = match &birth {
            Some(birth) => {
                if !self.tasks.contains_key(&birth.parent) {
                    self.begins(birth.parent, birth.entry);
                }
                (birth.flags, self.tasks.get(&birth.parent))
            }
            None => (0, None),
        };
        self.gaps.orphans += u64::from(parent.is_none() && self.next > 0);
        let time = birth.as_ref().map_or(time, |birth| birth.exit.min(time));
        let shared = |flag: u64| flags & flag != 0;
        let number = self.next;
        self.next += 1;
        let task = match parent {
            Some(parent) => Task {
                number,
                table: share_or_copy(&parent.table, shared(CLONE_FILES)),
                cwd: share_or_copy(&parent.cwd, shared(CLONE_FS)),
                maps: share_or_copy(&parent.maps, shared(CLONE_VM)),
                interrupted: None,
                exits: None,
            },
            None => Task {
                number,
                table: Rc::default(),
                cwd: Rc::new(RefCell::new(self.cwd)),
                maps: Rc::default(),
                interrupted: None,
                exits: None,
            },
        };
        let parent = parent.map(|parent| parent.number);
        self.out.push(Out::Start {
            task: number,
            parent,
            flags,
            pid,
            time,
        });
        self.tasks.insert(pid, task);
        if parent.is_none() {
            self.standard_descriptors(pid, number);
        }
    }

    /// What a program has open when it starts: where they lead isn't known, unless a call prints
    /// it.
    fn standard_descriptors(&mut self, pid: u32, task: u32) {
        for fd in 0..3 {
            self.descriptor(pid, fd, None);
            self.out.push(Out::Descriptor {
                task,
                fd,
                target: b"/dev/tty".to_vec(),
                kind: FileKind::CharDevice,
            });
        }
    }

    /// Gives a task a descriptor.
    fn descriptor(&mut self, pid: u32, fd: i32, object: Option<Id>) {
        let number = self.world.descriptions.len();
        self.world.descriptions.push(Description {
            object,
            ..Description::default()
        });
        if let Some(task) = self.tasks.get(&pid) {
            task.table.borrow_mut().put(fd, number, false);
        }
    }

    fn ends(&mut self, pid: u32, time: u64, status: i32) {
        self.give_up(pid);
        let Some(task) = self.tasks.remove(&pid) else {
            return;
        };
        if task.number == 0 {
            self.status = Some(status);
        }
        self.out.push(Out::End {
            task: task.number,
            time,
            status,
        });
    }

    /// An interrupted call isn't made again: the tool saw that it was interrupted.
    fn give_up(&mut self, pid: u32) {
        let task = self.tasks.get_mut(&pid);
        if let Some(interrupted) = task.and_then(|task| task.interrupted.take()) {
            let mut item = interrupted.item;
            if let What::Call { outcome, .. } = &mut item.what {
                outcome.interrupted = false;
                outcome.value = Some(-i64::from(libc::EINTR));
            }
            self.returned(item, interrupted.call);
        }
    }

    fn call(&mut self, mut item: Item) {
        let What::Call {
            name,
            args,
            outcome,
        } = &item.what
        else {
            return;
        };
        if matches!(&**name, "exit" | "exit_group") {
            let status = std::str::from_utf8(args)
                .ok()
                .and_then(|s| s.trim().parse().ok());
            if let Some(task) = self.tasks.get_mut(&item.pid) {
                task.exits = status.map(|status: i32| (status & 0xff) << 8);
            }
        }
        let Some(call) = Call::from_name(name) else {
            if is_of_another_architecture(name) {
                *self.gaps.unrecorded.entry(name.to_string()).or_default() += 1;
            }
            return;
        };
        if call.row().op == Op::Unsupported {
            *self.gaps.unrecorded.entry(name.to_string()).or_default() += 1;
            return;
        }
        let task = self.tasks.get_mut(&item.pid);
        let before = task.and_then(|task| task.interrupted.take());
        match before {
            Some(before) if before.is_again(call, &item) => {
                item.entry = before.item.entry;
            }
            Some(before) => {
                if let Some(task) = self.tasks.get_mut(&item.pid) {
                    task.interrupted = Some(before);
                }
                self.give_up(item.pid);
            }
            None => {}
        }
        if outcome.interrupted {
            if let Some(task) = self.tasks.get_mut(&item.pid) {
                task.interrupted = Some(Interrupted { call, item });
            }
            return;
        }
        self.returned(item, call);
    }

    /// A call of the table that is over.
    fn returned(&mut self, item: Item, call: Call) {
        let What::Call { args, outcome, .. } = item.what else {
            return;
        };
        let tokens = split(&args);
        let mut kept = self.decoder.decode(call, &tokens, outcome.value);
        let Some(task) = self.tasks.get(&item.pid) else {
            return;
        };
        if !is_event(call, &kept, &task.maps.borrow()) {
            return;
        }
        let (number, table, cwd) = (task.number, Rc::clone(&task.table), Rc::clone(&task.cwd));
        let told = Told {
            call,
            args: &kept,
            tokens: &tokens,
            result: outcome.value.unwrap_or(0),
            leads_to: outcome.leads_to.as_ref(),
        };
        self.meet_descriptors(item.pid, &told);
        if outcome.value.is_some() {
            self.follow(item.pid, &table, &cwd, &told);
        }
        let mut result = outcome.value.unwrap_or(Event::NO_RETURN);
        // One that wakes others has no result in a trace.
        if call.wakes(kept.number(ArgKind::Command).unwrap_or(0) as u32) {
            result = 0;
        }
        // All events are held until the last was read.
        kept.0.shrink_to_fit();
        self.out.push(Out::Event {
            task: number,
            call,
            args: kept,
            entry: item.entry,
            exit: item.exit,
            result,
            at: item.at,
        });
    }

    /// Descriptors that no call opened: where -y prints a path, it is taken for what it leads to.
    fn meet_descriptors(&mut self, pid: u32, told: &Told<'_>) {
        for (kind, _) in told.call.row().args {
            if !matches!(
                kind,
                ArgKind::Fd | ArgKind::FdIn | ArgKind::FdOut | ArgKind::DirFd
            ) {
                continue;
            }
            let fd = told.args.number(*kind).unwrap_or(-1) as i32;
            let Some(task) = self.tasks.get(&pid).filter(|_| fd >= 0) else {
                continue;
            };
            if task.table.borrow().get(fd).is_some() || -told.result == i64::from(libc::EBADF) {
                continue;
            }
            let number = task.number;
            let prints = |token: &&[u8]| token::fd(token).filter(|known| known.number == fd);
            let printed = told.tokens.iter().find_map(prints);
            let Some(path) = printed.as_ref().and_then(Fd::path) else {
                self.gaps.unknown_descriptors += 1;
                continue;
            };
            let object = self.world.canonical(path);
            let lists = told.call.row().op == Op::ListDirectory || *kind == ArgKind::DirFd;
            let kind = match object {
                None => FileKind::CharDevice,
                Some(_) if lists => FileKind::Directory,
                Some(_) => FileKind::File,
            };
            self.out.push(Out::Descriptor {
                task: number,
                fd,
                target: path.to_vec(),
                kind,
            });
            self.descriptor(pid, fd, object);
        }
    }

    /// Follows what a call does to its process, and learns from it.
    fn follow(
        &mut self,
        pid: u32,
        table: &Rc<RefCell<Table>>,
        cwd: &Rc<RefCell<Id>>,
        told: &Told<'_>,
    ) {
        let row = told.call.row();
        let at = *cwd.borrow();
        if told.result < 0 {
            let table = &table.borrow();
            self.world.failed(&Place { cwd: at, table }, told);
            return;
        }
        {
            let table = &table.borrow();
            self.learn(&Place { cwd: at, table }, told, cwd);
        }
        self.descriptors(&mut table.borrow_mut(), at, told);
        if row.op == Op::Exec {
            self.execs(pid);
        }
        if let Some(task) = self.tasks.get(&pid) {
            let number = |kind| told.number(kind) as u64;
            let [address, length, third] =
                [ArgKind::Address, ArgKind::Length, ArgKind::Count].map(number);
            let mut maps = task.maps.borrow_mut();
            maps.follow(row.op, address, length, third, told.result as u64);
        }
    }

    fn learn(&mut self, place: &Place<'_>, told: &Told<'_>, cwd: &Rc<RefCell<Id>>) {
        match told.call.row().op {
            Op::ListDirectory => self.world.listed(place, told),
            Op::Open => {} // with the descriptor that it gives
            Op::ChangeDir | Op::FdChangeDir => {
                let fd = told.args.number(ArgKind::Fd).map(|fd| fd as i32);
                let to = match fd {
                    Some(fd) => self.world.behind(place, fd, told),
                    None => self.world.reached(place, told),
                };
                if let Some(to) = to {
                    self.world.tree.get_mut(to).taken_for(FileKind::Directory);
                    *cwd.borrow_mut() = to;
                }
            }
            _ => self.world.succeeded(place, told),
        }
        self.world.moved_bytes(place, told);
    }

    /// Descriptors that a call makes and closes.
    fn descriptors(&mut self, table: &mut Table, cwd: Id, told: &Told<'_>) {
        let row = told.call.row();
        let number = |kind| told.args.number(kind).unwrap_or(-1);
        match row.closes {
            Closes::Nothing | Closes::Replaced => {}
            Closes::This => table.close(number(ArgKind::Fd) as i32),
            Closes::Range if number(ArgKind::Flags) & i64::from(CLOSE_RANGE_CLOEXEC) != 0 => {}
            Closes::Range => {
                let last = number(ArgKind::NewFd);
                let last = if last < 0 { i64::from(u32::MAX) } else { last };
                table.close_range(number(ArgKind::Fd), last);
            }
        }
        let cloexec = told.flags() & O_CLOEXEC != 0;
        let command = number(ArgKind::Command) as u32;
        if row.op == Op::Fcntl && command == F_SETFD {
            table.set_cloexec(
                number(ArgKind::Fd) as i32,
                number(ArgKind::Argument) & i64::from(libc::FD_CLOEXEC) != 0,
            );
        }
        for fd in row.returned(&told.raw(), told.result).into_iter().flatten() {
            let duplicated = matches!(row.op, Op::Dup | Op::DupTo | Op::Fcntl)
                .then(|| table.get(number(ArgKind::Fd) as i32))
                .flatten();
            let description = match duplicated {
                Some(known) => known.description,
                None => {
                    let opened = (row.op == Op::Open)
                        .then(|| self.world.opened(&Place { cwd, table }, told))
                        .flatten();
                    self.world.descriptions.push(Description {
                        object: opened,
                        ..Description::default()
                    });
                    self.world.descriptions.len() - 1
                }
            };
            let closes = cloexec || command == F_DUPFD_CLOEXEC;
            let was_open = table.put(fd, description, closes);
            let replaces = matches!(row.closes, Closes::Replaced);
            self.gaps.not_closed += u64::from(was_open && !replaces);
        }
    }

    /// A new program has memory and descriptors of its own.
    fn execs(&mut self, pid: u32) {
        if let Some(task) = self.tasks.get_mut(&pid) {
            let mut table = task.table.borrow().clone();
            table.exec();
            task.table = Rc::new(RefCell::new(table));
            task.maps = Rc::default();
        }
    }
}

fn share_or_copy<T: Clone>(of: &Rc<RefCell<T>>, shared: bool) -> Rc<RefCell<T>> {
    if shared {
        Rc::clone(of)
    } else {
        Rc::new(RefCell::new(of.borrow().clone()))
    }
}

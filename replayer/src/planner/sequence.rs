//! In which order calls that overlapped took effect.
//!
//! A trace tells when calls began and returned, and events stand in it in the order of their
//! returns. Where calls overlapped, their outcomes often tell more: a look-up that found nothing
//! came before the creation of that name, whichever returned first. So events are held back for a
//! moment while several tasks are alive, and taken in an order that explains their outcomes and
//! keeps every call behind those that had returned before it began.

use std::collections::VecDeque;

use fsreplay_trace::abi::AT_FDCWD;
use fsreplay_trace::call::{ArgKind, Op};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{Event, Record};

use super::concerns::{may_concern_locks, takes_paths};
use super::resolve::{End, Walked, walk};
use super::tree::NONE;
use super::{Cx, PlanError, Planner};

/// Records that are held back at most. A call that stopped its task may have returned to it late,
/// while others made as many calls as a recorder inside the tool keeps for a few tasks.
const WINDOW: usize = 1 << 14;
/// Records that are looked at, unless a call is among all that overlapped more than that.
const NEAR: usize = 256;
/// How many calls may be taken before their turn on behalf of one.
const MAX_PULLED: usize = 16;

/// A record that waits for its turn.
pub(super) struct Held {
    pub(super) record: Record,
    /// Number of the event, or of the next one.
    number: u32,
}

impl Held {
    /// How many events had returned when what it tells of was over.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// How many events had returned when what it tells of began.
    pub(super) fn horizon(&self) -> u32 {
        match &self.record {
            Record::Event(event) => self.number.saturating_sub(event.overlapped),
            _ => self.number,
        }
    }

    fn is_start(&self) -> bool {
        matches!(self.record, Record::TaskStart(_))
    }

    fn is_long(&self) -> bool {
        matches!(&self.record, Record::Event(event)
            if event.overlapped as usize > NEAR
                && (takes_paths(event) || may_concern_locks(&self.record)))
    }

    /// Whose it is, if it is a task's.
    pub(super) fn task(&self) -> Option<u32> {
        match &self.record {
            Record::Event(event) => Some(event.task.0),
            Record::TaskStart(start) => Some(start.task.0),
            Record::TaskExit(exit) => Some(exit.task.0),
            Record::PathState(_) | Record::Listing(_) | Record::Xattrs(_) | Record::FdState(_) => {
                None
            }
        }
    }
}

/// Records in the order of the trace, of which some go before their turn.
#[derive(Default)]
pub(super) struct Sequence {
    held: VecDeque<Held>,
    /// Starts of tasks among them.
    starts: usize,
    /// Calls among them that overlapped more than [`NEAR`] others, and may be put in order with
    /// them.
    long: usize,
    /// Events seen.
    seen: u32,
}

impl Sequence {
    /// The record whose turn it is.
    pub(super) fn front(&self) -> Option<&Held> {
        self.held.front()
    }

    /// Those held back, in order, among which is all that overlapped the first.
    pub(super) fn held(&self) -> impl Iterator<Item = &Held> {
        let reach = if self.long == 0 { NEAR } else { WINDOW };
        self.held.iter().take(reach)
    }

    fn push(&mut self, held: Held) {
        self.starts += usize::from(held.is_start());
        self.long += usize::from(held.is_long());
        self.held.push_back(held);
    }

    fn remove(&mut self, index: usize) -> Option<Held> {
        let held = self.held.remove(index)?;
        self.starts -= usize::from(held.is_start());
        self.long -= usize::from(held.is_long());
        Some(held)
    }
}

/// What the outcome of a call says about one of its paths.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// It led to something.
    Present,
    /// Its directory was there, its last name was not.
    Vacant,
    /// It led to nothing.
    Absent,
    /// Its directory was there.
    Reachable,
    /// Its directory was not there.
    Cut,
}

/// Why the model contradicts an outcome.
enum Contradiction<'t> {
    /// A name is missing in a directory.
    Lacks(u32, &'t [u8]),
    /// Something is there that should be gone: this, or a directory that was passed.
    Has(u32),
}

/// A name in a directory that a call makes or takes away.
#[derive(Clone, Copy)]
struct Change<'t> {
    dir: u32,
    name: &'t [u8],
    /// What had the name, if it is taken away.
    gone: u32,
    made: bool,
}

impl Planner {
    /// Takes the next record of the trace, now or soon.
    pub(super) fn sequence(&mut self, record: &Record, tables: &Tables) -> Result<(), PlanError> {
        let number = self.sequence.seen;
        if matches!(record, Record::Event(_)) {
            self.sequence.seen = number.saturating_add(1);
        }
        if self.sequence.held.is_empty() && self.holdings.procs.alive < 2 {
            return self.take(record, number, tables);
        }
        let record = record.clone();
        self.sequence.push(Held { record, number });
        let lonely = self.holdings.procs.alive < 2 && self.sequence.starts == 0;
        let keep = if lonely { 0 } else { WINDOW };
        self.release(keep, tables)
    }

    /// Takes held records until so many are left.
    pub(super) fn release(&mut self, keep: usize, tables: &Tables) -> Result<(), PlanError> {
        while self.sequence.held.len() > keep {
            self.settle(tables)?;
            if let Some(held) = self.sequence.remove(0) {
                self.take(&held.record, held.number, tables)?;
            }
        }
        Ok(())
    }

    /// Takes those that must have come before the first of the held records.
    fn settle(&mut self, tables: &Tables) -> Result<(), PlanError> {
        for _ in 0..MAX_PULLED {
            let index = self.overdue_lock();
            let Some(index) = index.or_else(|| self.overdue(tables)) else {
                return Ok(());
            };
            let Some(held) = self.sequence.remove(index) else {
                return Ok(());
            };
            self.take(&held.record, held.number, tables)?;
        }
        Ok(())
    }

    /// A held record that must have come before the first one.
    fn overdue(&mut self, tables: &Tables) -> Option<usize> {
        let first = self.sequence.held.front()?;
        let Record::Event(event) = &first.record else {
            return None;
        };
        let event = *event;
        let number = first.number;
        if !takes_paths(&event) {
            return None;
        }
        if let Some(why) = self.unexplained(&event, true, tables) {
            let passed = self.paths.passed.dirs.clone();
            return self.find_overlapping(number, event.task.0, |planner, other| {
                let changes = planner.changes(other, tables);
                let mends = changes.iter().flatten().any(|change| match why {
                    Contradiction::Lacks(dir, name) => {
                        change.made && change.dir == dir && change.name == name
                    }
                    Contradiction::Has(ino) => {
                        change.gone != NONE && (change.gone == ino || passed.contains(&change.gone))
                    }
                });
                mends && planner.unexplained(other, false, tables).is_none()
            });
        }
        let changes = self.changes(&event, tables);
        changes.iter().flatten().next()?;
        self.find_overlapping(number, event.task.0, |planner, other| {
            takes_paths(other)
                && planner.unexplained(other, false, tables).is_none()
                && planner.spoiled(other, &changes, tables)
        })
    }

    /// The first held event that had begun when the front one returned, is its task's next, and is
    /// wanted.
    fn find_overlapping(
        &mut self,
        number: u32,
        task: u32,
        mut wanted: impl FnMut(&mut Planner, &Event) -> bool,
    ) -> Option<usize> {
        let sequence = std::mem::take(&mut self.sequence);
        let mut met = vec![task];
        let others = self.holdings.procs.alive as usize;
        let mut found = None;
        for (index, candidate) in sequence.held().enumerate() {
            let Record::Event(event) = &candidate.record else {
                continue;
            };
            if met.contains(&event.task.0) {
                continue;
            }
            met.push(event.task.0);
            let horizon = u64::from(candidate.number).saturating_sub(event.overlapped.into());
            if horizon <= u64::from(number) && wanted(self, event) {
                found = Some(index);
                break;
            }
            if met.len() >= others {
                break;
            }
        }
        self.sequence = sequence;
        found
    }

    /// Whether entries of a directory were made or taken away while a call on it was under way.
    pub(super) fn changes_meanwhile(&mut self, cx: &Cx, ino: u32) -> bool {
        if ino == NONE {
            return false;
        }
        let changed = self.land.tree.directory(ino).map_or(0, |dir| dir.changed);
        changed > cx.horizon
            || self
                .find_overlapping(cx.number, cx.task, |planner, other| {
                    let changes = planner.changes(other, cx.tables);
                    changes.iter().flatten().any(|change| change.dir == ino)
                })
                .is_some()
    }

    /// Why the model contradicts the outcome of a call, if it does.
    fn unexplained<'t>(
        &mut self,
        event: &Event,
        doubting: bool,
        tables: &'t Tables,
    ) -> Option<Contradiction<'t>> {
        for (path, told) in told(event).into_iter().flatten() {
            let Some(walked) = self.look_ahead(event, path, tables) else {
                continue;
            };
            let lacks = Some(Contradiction::Lacks(walked.dir, walked.name));
            let has = Some(Contradiction::Has(walked.ino));
            let why = match (told, walked.end) {
                (Told::Present, End::Missing | End::Broken) => lacks,
                // Names of which no record told may have been there from the start, unless someone
                // was making them.
                (Told::Present, End::Unknown | End::BrokenUnknown) if doubting => lacks,
                (Told::Vacant | Told::Reachable, End::Broken) => lacks,
                (Told::Vacant | Told::Absent | Told::Cut, End::Found) => has,
                (Told::Cut, End::Missing) => has,
                _ => None,
            };
            if why.is_some() {
                return why;
            }
        }
        None
    }

    /// Whether the outcome of a call could not be had any more after those changes.
    fn spoiled(&mut self, event: &Event, changes: &[Option<Change>; 2], tables: &Tables) -> bool {
        for (path, told) in told(event).into_iter().flatten() {
            let Some(walked) = self.look_ahead(event, path, tables) else {
                continue;
            };
            let spoils = |change: &Change| {
                let here = change.dir == walked.dir && change.name == walked.name;
                match told {
                    Told::Absent | Told::Vacant | Told::Cut if change.made => here,
                    Told::Present | Told::Reachable | Told::Vacant => {
                        change.gone != NONE
                            && (self.paths.passed.dirs.contains(&change.gone)
                                || (told == Told::Present && here))
                    }
                    Told::Absent | Told::Cut => false,
                }
            };
            if changes.iter().flatten().any(spoils) {
                return true;
            }
        }
        false
    }

    /// The names that a call that succeeded makes and takes away.
    fn changes<'t>(&mut self, event: &Event, tables: &'t Tables) -> [Option<Change<'t>>; 2] {
        if event.errno().is_some() || event.result == Event::NO_RETURN {
            return [None; 2];
        }
        let old = event.removed().and_then(|path| {
            let walked = self.look_ahead(event, path, tables)?;
            (walked.end == End::Found).then_some(Change {
                dir: walked.dir,
                name: walked.name,
                gone: walked.ino,
                made: false,
            })
        });
        let new = event.made().and_then(|made| {
            let walked = self.look_ahead(event, made.path, tables)?;
            matches!(walked.end, End::Missing | End::Unknown).then_some(Change {
                dir: walked.dir,
                name: walked.name,
                gone: NONE,
                made: true,
            })
        });
        [old, new]
    }

    /// Where a path of a call leads now; `None` where it leads to nothing that is replayed.
    fn look_ahead<'t>(
        &mut self,
        event: &Event,
        path: ArgKind,
        tables: &'t Tables,
    ) -> Option<Walked<'t>> {
        let base = event.call.row().paths().find(|arg| arg.path == path)?.base;
        let task = event.task.0;
        if !self.holdings.procs.is_alive(task) {
            return None;
        }
        let string = event.string(path)?;
        if string.0 as usize >= tables.string_count() {
            return None;
        }
        let bytes = tables.string(string);
        let fs = self.holdings.procs.fs(task);
        let start = match event.fd(base) {
            _ if bytes.first() == Some(&b'/') => fs.root,
            None | Some(AT_FDCWD) => fs.cwd_ino,
            Some(fd) => {
                let entry = self.holdings.procs.table(task).get(fd, u32::MAX)?;
                self.holdings.fds.description(entry.handle).ino
            }
        };
        if start == NONE || bytes.is_empty() {
            return None;
        }
        let last = self.setting.dialect.last(event, path);
        let (tree, passed) = (&self.land.tree, &mut self.paths.passed);
        let walked = walk(tree, tables, passed, bytes, start, fs.root, last);
        (!matches!(walked.end, End::Pseudo | End::Skipped)).then_some(walked)
    }
}

type PathTold = (ArgKind, Told);

/// What the outcome of a call tells about its paths.
fn told(event: &Event) -> [Option<PathTold>; 2] {
    if event.result == Event::NO_RETURN {
        return [None; 2];
    }
    let path = |told| Some((ArgKind::Path, told));
    let new = |told| Some((ArgKind::NewPath, told));
    let op = event.call.row().op;
    // What is told of the path where the name is made there.
    let made = event.made().filter(|made| made.path == ArgKind::Path);
    let makes = made.map(|made| made.exclusive);
    match (event.errno(), op, makes) {
        (None, Op::Symlink, _) => [None, new(Told::Vacant)],
        (None, Op::Link, _) => [path(Told::Present), new(Told::Vacant)],
        (None, Op::Rename, _) => [path(Told::Present), new(Told::Reachable)],
        (None, _, Some(true)) => [path(Told::Vacant), None],
        (None, _, Some(false)) => [path(Told::Reachable), None],
        (None, ..) => [path(Told::Present), None],
        (Some(libc::EEXIST), Op::Symlink | Op::Link, _) => [None, new(Told::Present)],
        (Some(libc::EEXIST | libc::EISDIR | libc::ENOTEMPTY), Op::Rename, _) => {
            [path(Told::Present), new(Told::Present)]
        }
        (Some(libc::EEXIST | libc::EISDIR | libc::ENOTEMPTY), ..) => [path(Told::Present), None],
        // Which of two paths it was is not told.
        (Some(libc::ENOENT), Op::Symlink | Op::Link | Op::Rename, _) => [None; 2],
        (Some(libc::ENOENT), _, Some(_)) => [path(Told::Cut), None],
        (Some(libc::ENOENT), ..) => [path(Told::Absent), None],
        _ => [None; 2],
    }
}

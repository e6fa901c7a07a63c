//! Turns a trace into a plan: one pass over its records, with a model of the tree, of the processes
//! and of their descriptors. Touches no file system.
//!
//! The planner has parts. Each has one job, and gets what it needs of others by argument: of those
//! only that stand above it here. (The initial tree is written last, with what `paths` has issued.)
//!
//! - `setting`, `dialect`: what the header and the caller say
//! - `tally`: what is counted
//! - `order`: lanes (`ops`), what ops use (`uses`), and so which waits for which (`frontier`,
//!   `access`)
//! - `land`: the recorded tree (`tree`, `areas`, `initial`), walks through it (`resolve`), what
//!   states and listings tell of it (`records`), names that calls make (`names`), what the tool
//!   mounts itself (`mounts`), placed directories that it has not (`unmade`), files of an overlay
//!   that are changed (`layers`), how much room they take (`room`)
//! - `holdings`: who has what open (`processes`, `tables`, `fds`, `mappings`, `pipes`,
//!   `inherited`), what descriptors lead to that calls are given (`arguments`), as whom a task asks
//!   (`users`), what the tool copied because it could not be cloned (`clones`)
//! - `paths`: what is issued for a recorded path or link text, so that it stays inside (`spelling`,
//!   `links`, `magic`), and in which directory an op works (`places`)
//! - `time`: what the tool computes and sleeps (`pace`), and what ended a wait (`futexes`)
//! - `writer`: ops that no call stands for, into lanes
//! - `sequence`: which of overlapping calls came first (`outlook`, by names)
//! - `locking`: who holds which lock (`locks`), what calls on locks mean and which came first
//!   (`contention`), and what they are issued on (`carriers`, `carrier`)
//!
//! The planner itself ties them together:
//!
//! - `actions`: for every call, what is issued and what it does to the parts
//! - `draft`: an event on its way into the plan; `commit`: its op into a lane
//! - `tasks`, `outside`: starts and ends of tasks, descriptors from outside

mod actions;
mod commit;
mod dialect;
mod draft;
mod hash;
mod holdings;
mod intern;
mod land;
mod locking;
mod order;
mod outside;
mod paths;
mod sequence;
mod setting;
mod tally;
mod tasks;
#[cfg(test)]
mod tests;
mod time;
mod writer;

use std::path::PathBuf;

use fsreplay_trace::format::{Limits, Tables, TraceError, TraceReader};
use fsreplay_trace::model::{Event, Header, Record};

use crate::execute::Samples;
use crate::plan::{OwnTime, Plan, Took};
pub(crate) use draft::{Class, Cx, Draft, Notes};
use holdings::Holdings;
use intern::TextBuilder;
use land::Land;
use land::initial::Writing;
use land::tree::{NONE, Tree};
use locking::Locking;
use order::Order;
pub(crate) use order::uses::Resource;
use order::uses::Uses;
use paths::Paths;
use sequence::outlook::Outlook;
use sequence::{MAX_PULLED, Sequence, WINDOW};
use setting::Setting;
use tally::Tally;
use time::Time;

/// Why a trace can't be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The trace can't be read, or holds more than is taken from it.
    #[error("reading the trace")]
    Trace(#[from] TraceError),
    /// The plan would need larger numbers than it has.
    #[error("event {event}: the trace is too large to be planned: too many {what}")]
    TooLarge {
        /// The event at which that was found.
        event: u64,
        /// What there is too much of.
        what: &'static str,
    },
    /// Tasks are numbered in order of appearance.
    #[error("task {task} appears before the tasks that come before it")]
    TaskNumber {
        /// Its number.
        task: u32,
    },
}

/// Where a trace is to be replayed, and by whom.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// Directory for all recorded paths that [`PlanOptions::place`] doesn't name.
    pub target: PathBuf,
    /// Recorded directories (absolute) that go to directories of their own.
    pub place: Vec<(Vec<u8>, PathBuf)>,
    /// Recorded paths (absolute) that are left out, with all below them.
    pub skip: Vec<Vec<u8>>,
    /// Whether the replaying user may do what root may: [`crate::privilege::acts_as_root`].
    pub as_root: bool,
    /// User id of the replaying user.
    pub uid: u32,
    /// Group id of the replaying user.
    pub gid: u32,
    /// How much is taken from the trace.
    pub limits: Limits,
}

/// Plans a trace, record by record.
pub struct Planner {
    setting: Setting,
    land: Land,
    holdings: Holdings,
    locking: Locking,
    paths: Paths,
    sequence: Sequence,
    uses: Uses,
    order: Order,
    time: Time,
    tally: Tally,
}

/// Reads a whole trace and plans it.
pub fn plan(reader: &mut TraceReader, options: &PlanOptions) -> Result<Plan, PlanError> {
    let mut planner = Planner::new(reader.header(), options.clone());
    while let Some(record) = reader.next_record()? {
        planner.record(&record, reader.tables())?;
    }
    planner.finish(reader.tables())
}

impl Planner {
    /// A planner for a trace with that header.
    pub fn new(header: &Header, options: PlanOptions) -> Planner {
        let mut tree = Tree::new();
        let roots = land::areas::mark(&mut tree, header, &options);
        let time = Time::new(header);
        let waits_are_told = time.paces.waits_are_told();
        Planner {
            land: Land::new(tree, &header.mounts, roots.len()),
            holdings: Holdings::new(header, roots.len(), waits_are_told),
            locking: Locking::default(),
            paths: Paths::new(&roots),
            setting: Setting::new(header, options, roots),
            sequence: Sequence::default(),
            uses: Uses::default(),
            order: Order::default(),
            time,
            tally: Tally::default(),
        }
    }

    /// Takes the next record of the trace, now or soon. `tables` must know all strings and nodes
    /// that it names.
    pub fn record(&mut self, record: &Record, tables: &Tables) -> Result<(), PlanError> {
        let number = self.sequence.see(record);
        if self.sequence.len() == 0 && self.holdings.procs.alive < 2 {
            return self.take(record, number, tables);
        }
        self.sequence.hold(record.clone(), number);
        let lonely = self.holdings.procs.alive < 2 && !self.sequence.holds_start();
        let keep = if lonely { 0 } else { WINDOW };
        self.release(keep, tables)
    }

    /// Takes held records until so many are left.
    fn release(&mut self, keep: usize, tables: &Tables) -> Result<(), PlanError> {
        while self.sequence.len() > keep {
            self.settle(tables)?;
            if let Some(held) = self.sequence.remove(0) {
                self.take(&held.record, held.number(), tables)?;
            }
        }
        Ok(())
    }

    /// What looks ahead, and where it looks.
    fn outlook(&mut self) -> (Outlook<'_>, &Sequence) {
        let outlook = Outlook {
            tree: &self.land.tree,
            holdings: &self.holdings,
            dialect: self.setting.dialect,
            passed: &mut self.paths.passed,
        };
        (outlook, &self.sequence)
    }

    /// Takes those that must have come before the first of the held records.
    fn settle(&mut self, tables: &Tables) -> Result<(), PlanError> {
        for _ in 0..MAX_PULLED {
            let index = self.overdue_lock();
            let Some(index) = index.or_else(|| {
                let (mut outlook, sequence) = self.outlook();
                outlook.overdue(sequence, tables)
            }) else {
                return Ok(());
            };
            let Some(held) = self.sequence.remove(index) else {
                return Ok(());
            };
            self.take(&held.record, held.number(), tables)?;
        }
        Ok(())
    }

    /// Takes a record whose turn it is; `number` is that of the event.
    fn take(&mut self, record: &Record, number: u32, tables: &Tables) -> Result<(), PlanError> {
        match record {
            Record::Event(event) => self.event(event, number, tables)?,
            Record::TaskStart(start) => self.task_start(start)?,
            Record::TaskExit(exit) => self.task_exit(exit),
            Record::PathState(state) => self.land.path_state(state, tables, &mut self.tally.notes),
            Record::Listing(listing) => self.land.listing(listing, tables, &mut self.tally.notes),
            Record::Xattrs(xattrs) => self.land.xattrs(xattrs, tables, &mut self.tally.notes),
            Record::FdState(state) => self.fd_state(state, tables)?,
        }
        self.check_limits()
    }

    fn check_limits(&self) -> Result<(), PlanError> {
        let limits = &self.setting.options.limits;
        limits.check_plan(self.bytes())?;
        limits.check_tasks(self.order.lanes.len() as u64)?;
        let limits = [
            (self.land.tree.is_full(), "names or inodes"),
            (self.paths.texts.is_full(), "bytes of paths"),
            (self.order.is_full(), "lanes, ops or waits"),
            (self.holdings.procs.tables.is_full(), "open descriptors"),
            (
                self.holdings.fds.slots.len() > (NONE / 2) as usize,
                "descriptors",
            ),
            (self.tally.coverage.events >= u64::from(NONE), "events"),
        ];
        match limits.iter().find(|(full, _)| *full) {
            Some((_, what)) => Err(PlanError::TooLarge {
                event: self.tally.coverage.events,
                what,
            }),
            None => Ok(()),
        }
    }

    /// Bytes of memory that the plan, what it is made with, and what a replay of it keeps take,
    /// about; the last as if every outcome diverged.
    fn bytes(&self) -> u64 {
        let bytes = self.order.bytes()
            + self.paths.texts.bytes()
            + self.land.tree.bytes()
            + self.land.mounts.bytes();
        let of_took = self.tally.coverage.events * size_of::<Took>() as u64;
        let of_samples = self
            .tally
            .coverage
            .events
            .saturating_mul(Samples::MOST_BYTES);
        (bytes as u64 + of_took).saturating_add(of_samples)
    }

    fn event(&mut self, event: &Event, number: u32, tables: &Tables) -> Result<(), PlanError> {
        let task = event.task.0;
        if !self.holdings.procs.is_alive(task) {
            self.adopt(task, event.entry)?;
        }
        let cx = Cx {
            event,
            tables,
            task,
            lane: self.holdings.procs.task(task).lane,
            number,
            horizon: number.saturating_sub(event.overlapped),
        };
        let namespace = self.holdings.procs.fs(task).namespace;
        self.land.mounts.show(&mut self.land.tree, namespace);
        self.uses.begin(number.saturating_add(1));
        self.order.concurrent = self.holdings.procs.alive > 1;
        self.time.after_vfork(task, &mut self.order);
        let draft = if event.result == Event::NO_RETURN {
            Draft::nothing(&cx, Class::Unfinished)
        } else {
            self.act(&cx)
        };
        self.commit(&cx, draft);
        let lane = self.holdings.procs.task(task).lane;
        for extra in self.order.take_behind() {
            let after = event.exit();
            self.writer()
                .extra_write(lane, after, extra.action, event.call, extra.resource);
        }
        Ok(())
    }

    /// The plan of all records so far.
    pub fn finish(mut self, tables: &Tables) -> Result<Plan, PlanError> {
        self.release(0, tables)?;
        self.check_limits()?;
        let mut plan = Plan {
            roots: self.setting.roots,
            initial_fds: self.holdings.initial_fds,
            slots: self.holdings.fds.slots.len() as u32,
            maps: self.holdings.maps.all.len() as u32,
            listings: self.tally.listings,
            longest_transfer: self.tally.longest_transfer,
            coverage: self.tally.coverage,
            ..Plan::default()
        };
        let mut writing = Writing {
            tree: &self.land.tree,
            tables,
            owners: &self.setting.owners,
            texts: &mut self.paths.texts,
            links: &mut self.paths.links,
        };
        self.land.initial.finish(&mut writing, &mut plan);
        self.paths
            .links
            .settle_reads(&mut self.order, &self.paths.texts);
        plan.peak_bytes = plan.peak_bytes.saturating_add(self.land.room.peak_bytes);
        plan.peak_inodes = plan.peak_inodes.saturating_add(self.land.room.peak_inodes);
        if self.paths.texts.is_full() {
            return Err(PlanError::TooLarge {
                event: plan.coverage.events,
                what: "bytes of paths",
            });
        }
        plan.text = self.paths.texts.into_bytes();
        plan.places = self.paths.places.paths;
        plan.timing = OwnTime {
            told: self.time.paces.told(),
            ..OwnTime::default()
        };
        (plan.lanes, plan.ops, plan.births) = self.order.finish();
        let stop = self.time.paces.stop();
        plan.sleeps = self.time.paces.sleeps;
        plan.sleeps.sort_by_key(|sleep| (sleep.lane, sleep.op));
        plan.wake_earlier(stop);
        let notes = self.tally.notes.counts.into_iter();
        plan.notes = notes.map(|(note, n)| (note.to_string(), n)).collect();
        plan.notes.extend(self.land.layers.note());
        plan.notes.extend(self.locking.locks.note());
        Ok(plan)
    }
}

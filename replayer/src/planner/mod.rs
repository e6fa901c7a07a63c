//! Turns a trace into a plan: one pass over its records, with a model of the tree, of the processes
//! and of their descriptors. Touches no file system.
//!
//! - `tree`, `resolve`, `areas`, `initial`: the recorded tree, and walks through it
//! - `paths`, `magic`, `spelling`, `links`: what is issued for a recorded path or link text, so
//!   that it stays inside
//! - `processes`, `fds`, `mappings`, `pipes`, `locks`: who has what open
//! - `mounts`: what the tool mounts itself
//! - `layers`: files of an overlay that are changed
//! - `users`: as whom a task asks
//! - `contention`, `carriers`: what calls on locks mean, which of them came first, and what they
//!   are issued on
//! - `sequence`: which of overlapping calls came first
//! - `clones`: what the tool copied because it could not be cloned
//! - `uses`: what ops use
//! - `order`, `frontier`, `access`: lanes, and which op waits for which
//! - `draft`: an event on its way into the plan
//! - `actions`: for every call, what is issued and what it does to the model
//! - `commit`: ops into lanes, with what they cost and change
//! - `records`: what is no call: states, listings, tasks

mod access;
mod actions;
mod areas;
mod carriers;
mod clones;
mod commit;
mod concerns;
mod contention;
mod dialect;
mod draft;
mod fds;
mod file;
mod frontier;
mod futexes;
mod hash;
mod inherited;
mod initial;
mod intern;
mod layers;
mod links;
mod locks;
mod magic;
mod mappings;
mod mounts;
mod ops;
mod order;
mod pace;
mod paths;
mod pipes;
mod places;
mod processes;
mod records;
mod resolve;
mod sequence;
mod space;
mod spelling;
mod tasks;
#[cfg(test)]
mod tests;
mod tree;
mod unmade;
mod users;
mod uses;

use std::path::PathBuf;

use fsreplay_results::play::Coverage;
use fsreplay_trace::format::{Limits, Tables, TraceError, TraceReader};
use fsreplay_trace::model::{Event, Header, Record};

use crate::execute::Samples;
use crate::plan::{InitialFd, OwnTime, Plan, Root, Took};
use carriers::Carriers;
use dialect::Dialect;
use draft::Extra;
pub(crate) use draft::{Class, Cx, Draft, Notes};
use fds::{Descriptors, What};
use futexes::Futexes;
use hash::FastMap;
use inherited::Inherited;
use initial::{Initial, Owners, Writing};
use intern::TextBuilder;
use layers::Layers;
use links::{Links, Placements};
use locks::Locks;
use mappings::Mappings;
use mounts::Mounts;
use order::{Order, Side};
use pace::Paces;
use paths::PathCache;
use pipes::Pipes;
use places::Places;
use processes::Processes;
use records::NodeCache;
use resolve::Passed;
use sequence::Sequence;
use space::Room;
use tree::{NONE, Tree};
use unmade::Unmade;
use users::Users;
pub(crate) use uses::Resource;
use uses::Uses;

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
    /// Whether [`crate::plan::Lane::took`] is wanted, four bytes for each op.
    pub keep_durations: bool,
}

/// Plans a trace, record by record.
pub struct Planner {
    options: PlanOptions,
    owners: Owners,
    dialect: Dialect,
    cwd: Vec<u8>,
    umask: u32,
    roots: Vec<Root>,
    initial_fds: Vec<InitialFd>,
    inherited: Inherited,
    tree: Tree,
    initial: Initial,
    order: Order,
    fds: Descriptors,
    procs: Processes,
    users: Users,
    layers: Layers,
    maps: Mappings,
    mounts: Mounts,
    links: Links,
    pipes: Pipes,
    locks: Locks,
    carriers: Carriers,
    futexes: Futexes,
    paces: Paces,
    places: Places,
    unmade: Unmade,
    /// Parents that stand still until their child of `vfork` runs a program: its lane.
    vforked: FastMap<u32, u32>,
    /// Inodes of the recorded link groups.
    groups: FastMap<u64, u32>,
    room: Room,
    texts: TextBuilder,
    cache: PathCache,
    nodes: NodeCache,
    passed: Passed,
    sequence: Sequence,
    uses: Uses,
    extras: Vec<Extra>,
    scratch: Vec<u8>,
    scratch_names: Vec<u32>,
    notes: Notes,
    coverage: Coverage,
    listings: u32,
    longest_transfer: u64,
    /// Computed before the next op without a recorded counterpart, nanoseconds.
    extra_think: f32,
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
        let roots = areas::mark(&mut tree, header, &options);
        let links = Links::new(Placements::new(&roots));
        let paces = Paces::new(header);
        Planner {
            owners: Owners::new(header, options.as_root),
            dialect: Dialect::of(header),
            cwd: header.cwd.clone(),
            umask: header.umask & 0o777,
            fds: Descriptors::new(roots.len()),
            roots,
            links,
            tree,
            options,
            initial_fds: Vec::new(),
            inherited: Inherited::default(),
            initial: Initial::default(),
            order: Order::default(),
            procs: Processes::default(),
            users: Users::new(header),
            layers: Layers::new(&header.mounts),
            maps: Mappings::default(),
            mounts: Mounts::default(),
            pipes: Pipes::new(paces.waits_are_told()),
            locks: Locks::default(),
            carriers: Carriers::default(),
            futexes: Futexes::default(),
            paces,
            places: Places::default(),
            unmade: Unmade::default(),
            vforked: FastMap::default(),
            groups: FastMap::default(),
            room: Room::default(),
            texts: TextBuilder::default(),
            cache: PathCache::default(),
            nodes: NodeCache::default(),
            passed: Passed::default(),
            sequence: Sequence::default(),
            uses: Uses::default(),
            extras: Vec::new(),
            scratch: Vec::new(),
            scratch_names: Vec::new(),
            notes: Notes::default(),
            coverage: Coverage::default(),
            listings: 0,
            longest_transfer: 0,
            extra_think: 0.0,
        }
    }

    /// Takes the next record. `tables` must know all strings and nodes that it names.
    pub fn record(&mut self, record: &Record, tables: &Tables) -> Result<(), PlanError> {
        self.sequence(record, tables)
    }

    /// Takes a record whose turn it is; `number` is that of the event.
    fn take(&mut self, record: &Record, number: u32, tables: &Tables) -> Result<(), PlanError> {
        match record {
            Record::Event(event) => self.event(event, number, tables)?,
            Record::TaskStart(start) => self.task_start(start)?,
            Record::TaskExit(exit) => self.task_exit(exit),
            Record::PathState(state) => self.path_state(state, tables),
            Record::Listing(listing) => self.listing(listing, tables),
            Record::Xattrs(xattrs) => self.xattrs(xattrs, tables),
            Record::FdState(state) => self.fd_state(state, tables)?,
        }
        self.check_limits()
    }

    fn check_limits(&self) -> Result<(), PlanError> {
        let limits = &self.options.limits;
        limits.check_plan(self.bytes())?;
        limits.check_tasks(self.order.lanes.len() as u64)?;
        let limits = [
            (self.tree.is_full(), "names or inodes"),
            (self.texts.is_full(), "bytes of paths"),
            (self.order.is_full(), "lanes, ops or waits"),
            (self.procs.tables.is_full(), "open descriptors"),
            (self.fds.slots.len() > (NONE / 2) as usize, "descriptors"),
            (self.coverage.events >= u64::from(NONE), "events"),
        ];
        match limits.iter().find(|(full, _)| *full) {
            Some((_, what)) => Err(PlanError::TooLarge {
                event: self.coverage.events,
                what,
            }),
            None => Ok(()),
        }
    }

    /// Bytes of memory that the plan, what it is made with, and what a replay of it keeps take,
    /// about; the last as if every outcome diverged.
    fn bytes(&self) -> u64 {
        let bytes =
            self.order.bytes() + self.texts.bytes() + self.tree.bytes() + self.mounts.bytes();
        let of_took = if self.options.keep_durations {
            self.coverage.events * size_of::<Took>() as u64
        } else {
            0
        };
        let of_samples = self.coverage.events.saturating_mul(Samples::MOST_BYTES);
        (bytes as u64 + of_took).saturating_add(of_samples)
    }

    fn event(&mut self, event: &Event, number: u32, tables: &Tables) -> Result<(), PlanError> {
        let task = event.task.0;
        if !self.procs.is_alive(task) {
            self.adopt(task, event.entry)?;
        }
        let cx = Cx {
            event,
            tables,
            task,
            lane: self.procs.task(task).lane,
            number,
            horizon: number.saturating_sub(event.overlapped),
        };
        self.in_namespace(task);
        self.sequence.now = number.saturating_add(1);
        self.uses.clear();
        self.order.concurrent = self.procs.alive > 1;
        self.after_vfork(task);
        let draft = if event.result == Event::NO_RETURN {
            Draft::nothing(&cx, Class::Unfinished)
        } else {
            self.act(&cx)
        };
        self.commit(&cx, draft);
        let lane = self.procs.task(task).lane;
        let extras = std::mem::take(&mut self.extras);
        for extra in &extras {
            let after = event.exit();
            self.extra_write(lane, after, extra.action, event.call, extra.resource);
        }
        self.extras = extras;
        self.extras.clear();
        Ok(())
    }

    /// The event being planned uses a resource.
    #[inline]
    pub(crate) fn need(&mut self, resource: Resource, side: Side) {
        self.uses.add(resource, side);
    }

    /// The event being planned uses a slot.
    #[inline]
    pub(crate) fn need_slot(&mut self, slot: u32, side: Side) {
        self.uses.add(Resource::Slot(slot), side);
    }

    /// What an event on such a handle counts as, if nothing is open behind it.
    pub(crate) fn class_of(&self, handle: u32) -> Class {
        match self.fds.description(handle).what {
            What::Pseudo => Class::Pseudo,
            What::Skipped => Class::Skipped,
            What::Unresolved => Class::Unresolved,
            What::Real | What::Pipe(_) | What::Pair(..) | What::Other => Class::Other,
        }
    }

    /// The plan of all records so far.
    pub fn finish(mut self, tables: &Tables) -> Result<Plan, PlanError> {
        self.release(0, tables)?;
        self.check_limits()?;
        let mut plan = Plan {
            roots: self.roots,
            initial_fds: self.initial_fds,
            slots: self.fds.slots.len() as u32,
            maps: self.maps.all.len() as u32,
            listings: self.listings,
            longest_transfer: self.longest_transfer,
            coverage: self.coverage,
            ..Plan::default()
        };
        let mut writing = Writing {
            tree: &self.tree,
            tables,
            owners: &self.owners,
            texts: &mut self.texts,
            links: &mut self.links,
        };
        self.initial.finish(&mut writing, &mut plan);
        self.links.settle_reads(&mut self.order, &self.texts);
        plan.peak_bytes = plan.peak_bytes.saturating_add(self.room.peak_bytes);
        plan.peak_inodes = plan.peak_inodes.saturating_add(self.room.peak_inodes);
        if self.texts.is_full() {
            return Err(PlanError::TooLarge {
                event: plan.coverage.events,
                what: "bytes of paths",
            });
        }
        plan.text = self.texts.into_bytes();
        plan.places = self.places.paths;
        plan.timing = OwnTime {
            told: self.paces.told(),
            ..OwnTime::default()
        };
        (plan.lanes, plan.ops, plan.births) = self.order.finish();
        let stop = self.paces.stop();
        plan.sleeps = self.paces.sleeps;
        plan.sleeps.sort_by_key(|sleep| (sleep.lane, sleep.op));
        plan.wake_earlier(stop);
        let notes = self.notes.counts.into_iter();
        plan.notes = notes.map(|(note, n)| (note.to_string(), n)).collect();
        plan.notes.extend(self.layers.note());
        plan.notes.extend(self.locks.note());
        Ok(plan)
    }
}

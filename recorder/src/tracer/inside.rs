//! Calls that are recorded inside the tool: what the crate for that asks of ptrace, and what it
//! tells the core.

mod stopped;

use std::collections::HashMap;
use std::fs::File;
use std::rc::Rc;
use std::time::Duration;

use fsreplay_inside::arch;
use fsreplay_inside::{Bounds, Event, Here, Policy, Seen, Shares, Tasks, Why};
use fsreplay_trace::model::FileKind;

use super::Tracer;
use super::clock::Returned;
use super::copied::Copied;
use super::cpu_time::LEAST_BLOCKED;
use super::flow::Flow;
use super::rate::Rate;
use super::side::own_filters;
use super::tracee::Tracee as Observed;
use crate::options::{Backend, RecordOptions};
use crate::session::world::{Inode, Told};
use crate::session::{Delivered, Next, RawCall, Session};
use crate::sys::ptrace;
use crate::sys::signal::Ticker;
use stopped::Stopped;

/// Where a task can't say how long it was off its processor, a longer gap between two calls, or a
/// longer call, is looked into at a stop: the kernel knows what of it was computing.
const BOUND: Duration = Duration::from_micros(150);

/// So long after the last task with an area is gone, nanoseconds, the timer goes as well. The next
/// program of many is there by then.
const LULL: u64 = 50_000_000;

/// The tool's tasks as far as they are recorded inside.
pub struct Inside {
    tasks: Tasks,
    rate: Rate,
    waking: Option<Ticker>,
    /// When a task had an area last, nanoseconds since the start of the recording.
    last_inside: u64,
    /// A task may have other user ids than the recorder, in a namespace of its own: whom files
    /// belong to is not what it is told.
    other_users: bool,
    /// Some task may have installed a filter of its own, which its children and their programs have
    /// as well.
    may_have_filters: bool,
    /// The memory of tasks with areas. A task may give up being looked at later, by its user ids or
    /// `prctl`; who has opened its memory keeps it.
    kept: HashMap<i32, Rc<File>>,
    /// It is told what kept a process from it.
    tells: bool,
}

impl Inside {
    /// `None` where the kernel doesn't tell how many filters a process has.
    pub fn new(rate: Rate, options: &RecordOptions) -> Option<Inside> {
        own_filters()?;
        let rate = rate.measure();
        let eagerness = options.eagerness;
        Some(Inside {
            tasks: Tasks::new(Policy {
                stops: eagerness.stops,
                late_stops: eagerness.late_stops,
                hits: eagerness.hits,
                task_stops: eagerness.task_stops,
                bounds: Bounds {
                    ask: rate.ticks_in(Duration::from_nanos(LEAST_BLOCKED)),
                    long: rate.ticks_in(BOUND),
                    idle: LEAST_BLOCKED,
                    rate: rate.of_tick(),
                    execs: options.keep_arguments,
                },
            }),
            rate,
            waking: None,
            last_inside: 0,
            other_users: false,
            may_have_filters: false,
            kept: HashMap::new(),
            tells: options.backend == Backend::Inside,
        })
    }

    /// Behind the instruction whose calls the filter is to let pass.
    pub fn instruction(inside: &Option<Inside>) -> Option<u64> {
        inside.as_ref().map(|_| fsreplay_inside::instruction())
    }

    fn stopped(&self, tid: i32) -> Stopped {
        Stopped {
            tid,
            memory: self.kept.get(&tid).cloned(),
            may_have_filters: self.may_have_filters,
        }
    }

    /// Keeps the memory of a task that will be written to soon; and of one that has an area, where
    /// that is needed to take it out of the stub.
    fn keep(&mut self, Stopped { tid, memory, .. }: Stopped) {
        let is_led = fsreplay_inside::NEEDS_MEMORY && self.tasks.has_area(tid);
        match memory.filter(|_| is_led || self.tasks.is_starting(tid)) {
            Some(memory) => self.kept.insert(tid, memory),
            None => self.kept.remove(&tid),
        };
    }

    /// What a reader should know of processes that could not be recorded inside.
    pub fn warning(&self) -> Option<String> {
        let reasons: Vec<String> = (self.tasks.refusals())
            .map(|(reason, count)| format!("{reason} ({count} times)"))
            .collect();
        (self.tells && !reasons.is_empty()).then(|| {
            format!(
                "not all of the tool could be recorded inside, and was by ptrace: {}",
                reasons.join("; ")
            )
        })
    }

    /// The tool's first task.
    pub fn first(&mut self, tid: i32) {
        self.tasks.first(tid);
    }

    /// A task made another one with these flags.
    pub fn child(&mut self, parent: i32, tid: i32, flags: u64) {
        self.other_users |= flags & libc::CLONE_NEWUSER as u64 != 0;
        let shares = Shares::by(flags);
        self.tasks.child(parent, tid, shares);
        if shares != Shares::Nothing && flags & libc::CLONE_VFORK as u64 != 0 {
            self.tasks.suspends_parent(tid);
        }
        if shares != Shares::Nothing
            && let Some(memory) = self.kept.get(&parent)
        {
            self.kept.insert(tid, Rc::clone(memory));
        }
    }

    /// A task started a program, at this moment. Gives whether the stub made that call.
    pub fn has_started_program(&self, tid: i32) -> bool {
        self.tasks.has_started_program(tid)
    }

    /// A task has another id from now on.
    pub fn renamed(&mut self, earlier: i32, tid: i32) {
        self.tasks.renamed(earlier, tid);
        self.kept.remove(&earlier);
    }

    /// A task started a program.
    pub fn program(&mut self, earlier: i32, tid: i32) {
        self.tasks.program(earlier, tid);
        self.kept.remove(&earlier);
        self.kept.remove(&tid);
    }

    /// A task stands in the `execve` that started its program.
    pub fn starts(&mut self, tid: i32) {
        let mut stopped = self.stopped(tid);
        self.tasks.starts(tid, &mut stopped);
        self.keep(stopped);
    }

    /// A task stands at the entry of a call. Gives whether that is the end of what the program was
    /// made to run first, and none of its own.
    pub fn has_started(&mut self, tid: i32, behind: u64) -> bool {
        let mut stopped = self.stopped(tid);
        let has_started = self.tasks.has_started(tid, behind, &mut stopped);
        self.keep(stopped);
        has_started
    }

    /// A task is gone.
    pub fn ended(&mut self, tid: i32) {
        self.tasks.ended(tid);
        self.kept.remove(&tid);
    }

    /// Takes a task that stands still out of the stub, and its area from it.
    pub fn take_out(&mut self, tid: i32) {
        let mut stopped = self.stopped(tid);
        self.tasks.give_up_start(tid, &mut stopped);
        self.tasks.signal(tid, &mut stopped, 0, Why::Signal);
        fsreplay_inside::take_area(&mut stopped);
    }

    /// A task that stands still will be let go.
    pub fn let_go(&mut self, tid: i32) {
        self.tasks.let_go(tid);
        self.kept.remove(&tid);
    }

    /// A task stands at the entry of a traced call, at an instruction that ends at `behind`;
    /// `may_be_late` if its return may be told after the fact. Gives whether the stub makes it.
    pub fn enters(
        &mut self,
        tid: i32,
        number: u64,
        arguments: &[u64; 6],
        behind: u64,
        may_be_late: bool,
    ) -> bool {
        self.other_users |= matches!(number as i64, libc::SYS_unshare | libc::SYS_setns);
        let is_ours = may_be_late || arch::takes(number, arguments);
        self.tasks.enters(tid, behind, is_ours);
        if number as i64 == libc::SYS_execve {
            let mut stopped = self.stopped(tid);
            self.tasks.enters_program(tid, behind, &mut stopped);
        }
        if !may_be_late {
            return false;
        }
        let mut stopped = self.stopped(tid);
        let tasks = &mut self.tasks;
        let made = tasks.makes_inside(tid, &mut stopped, number, arguments, behind);
        // Fails only where it is gone.
        made.unwrap_or(false)
    }

    /// When the last call returned that was not read yet, nanoseconds as [`sys::now`] tells them.
    pub fn last_return(&mut self) -> Option<u64> {
        let ticks = self.tasks.last_return()?;
        let now = self.rate.look();
        Some(self.rate.time_of(ticks, now))
    }

    /// A task is about to have its system calls answered by something of the tool's own.
    pub fn forbids(&mut self, tid: i32) {
        self.may_have_filters = true;
        self.tasks.forbids(tid);
    }

    /// Nobody stops tasks any more that are about to.
    pub fn all_forbid(&mut self) {
        self.may_have_filters = true;
        self.tasks.all_forbid();
    }

    /// Whether the exit of the traced call that a task has entered is of use.
    pub fn wants_exit(&mut self, tid: i32) -> bool {
        self.tasks.wants_exit(tid)
    }

    /// A task stands at the exit of a traced call. Gives whether it was made to do anything.
    pub fn leaves(&mut self, tid: i32, result: i64) -> bool {
        if (-516..=-512).contains(&result) {
            return false;
        }
        let mut stopped = self.stopped(tid);
        let was_changed = self.tasks.leaves(tid, &mut stopped);
        self.keep(stopped);
        was_changed
    }

    /// Sees to it that areas are emptied as often as is needed while no stop does it.
    pub fn look_at_times(&mut self, flow: &mut Flow, now: u64) {
        let other = flow.other_period(now);
        let any_inside = self.tasks.any_inside();
        if any_inside {
            self.last_inside = now;
        }
        match &self.waking {
            // Without it areas are emptied at stops alone.
            None if any_inside => self.waking = Ticker::waking(flow.period()).ok(),
            None => {}
            Some(_) if now.saturating_sub(self.last_inside) > LULL => self.waking = None,
            Some(waking) => {
                if let Some(period) = other {
                    waking.set(period);
                }
            }
        }
    }

    /// A task that stands still is about to go on; `here` is what was looked at in its stop, if
    /// another gap begins.
    pub fn goes_on(&mut self, tid: i32, here: Option<Here>) {
        let mut stopped = self.stopped(tid);
        self.tasks.begins(tid, &mut stopped);
        self.keep(stopped);
        self.tasks.goes_on(tid, here);
    }

    /// A task is about to go on without an area.
    pub fn unknown_goes_on(&mut self, tid: i32) {
        fsreplay_inside::take_area(&mut self.stopped(tid));
    }

    /// A signal is about to be delivered. Gives which one the tool is to get: none, 0, if the stub
    /// caused it or its handler has begun.
    pub fn signal(&mut self, tid: i32, signal: i32) -> i32 {
        let why = match signal {
            libc::SIGSEGV | libc::SIGBUS if ptrace::is_fault(tid) => Why::Fault,
            libc::SIGTRAP if ptrace::is_fault(tid) => Why::Trap,
            libc::SIGSYS if ptrace::is_fault(tid) => Why::Filter,
            _ => Why::Signal,
        };
        let mut stopped = self.stopped(tid);
        self.tasks.signal(tid, &mut stopped, signal, why)
    }
}

impl Tracer {
    /// Tells the core all calls that returned inside the tool up to now.
    pub(super) fn drain(&mut self) {
        self.drain_until(|_, now| now);
    }

    /// A task is gone. Tells the core all calls that returned before one which waited for that.
    /// Gives when that was, nanoseconds since the start of the recording.
    pub(super) fn drain_before_waits(&mut self, ended: i32) -> u64 {
        let told = self.drain_until(|tasks, now| tasks.until_waits(ended, now));
        self.clock.time().min(told)
    }

    /// Tells the core all calls that returned inside the tool up to some ticks, which are worked
    /// out from those of now. Gives the time then.
    fn drain_until(&mut self, until: impl FnOnce(&Tasks, u64) -> u64) -> u64 {
        let Tracer {
            inside,
            tasks,
            session,
            flow,
            ..
        } = self;
        let Some(inside) = inside.as_mut().filter(|inside| inside.tasks.any_inside()) else {
            // The last look may have found many: nobody is left to look at.
            flow.found(0);
            return u64::MAX;
        };
        let now = inside.rate.look();
        let rate = inside.rate;
        let trusts = !inside.other_users;
        let bound = BOUND.as_nanos() as u64;
        let time = |at: u64| self.clock.since_start(rate.time_of(at, now));
        let until = until(&inside.tasks, now.ticks());
        let count = inside.tasks.drain(until, |tid, event| {
            let Some(tracee) = tasks.get_mut(&tid) else {
                return;
            };
            // Clocks that are compared now and then may be apart by a little.
            let entry = time(event.entry).max(tracee.time.left());
            let exit = time(event.exit).max(entry);
            if let Some(seen) = event.seen {
                tell_seen(session, tracee, event, seen, (entry, exit));
                return;
            }
            let spent = tracee.time.inside(entry, exit, event.off, bound);
            let call = Delivered {
                told: if trusts { told(event) } else { None },
                number: event.number,
                registers: event.arguments,
                memory: &Copied(event),
                entry,
                exit,
                result: event.result,
                spent,
            };
            if !session.call(&mut tracee.task, call) && !tracee.task.is_interrupted() {
                tracee.time.is_no_event(spent);
            }
        });
        flow.found(count);
        time(until)
    }

    /// A task that is about to end may be in a call inside: it never returns, or has just done so.
    pub(super) fn never_returns(&mut self, tid: i32) {
        let Some(inside) = &self.inside else { return };
        if inside.tasks.counts_last(tid) {
            self.drain_before_waits(tid);
            return;
        }
        let (Some(event), Some(tracee)) = (inside.tasks.in_progress(tid), self.tasks.get_mut(&tid))
        else {
            return;
        };
        if tracee.task.is_in_call() {
            return;
        }
        let memory = Copied(&event);
        let raw = RawCall {
            number: event.number,
            registers: event.arguments,
            memory: &memory,
        };
        let (task, mut clock) = tracee.at_stop(&self.clock, &self.costs);
        let next = self.session.entry(task, &raw, &mut clock);
        debug_assert!(next != Next::Result, "such calls are made the traced way");
    }
}

/// Tells the core what became of a call that was seen at a stop.
fn tell_seen(
    session: &mut Session,
    tracee: &mut Observed,
    event: &Event,
    seen: Seen,
    (entry, exit): (u64, u64),
) {
    let is_it = tracee.task.is_in(&event.arguments);
    if !(is_it && std::mem::take(&mut tracee.is_inside)) {
        return; // the tool's own doing
    }
    let task = &mut tracee.task;
    match seen {
        Seen::Dropped => {
            session.not_made(task, exit);
            // The gap before it is told.
            tracee.time.leaves(exit);
        }
        Seen::Returned => {
            let mut clock = Returned {
                at: exit,
                took: exit - entry,
                time: &mut tracee.time,
                off: event.off,
                bound: BOUND.as_nanos() as u64,
            };
            session.late_exit(task, entry, event.result, &Copied(event), &mut clock);
        }
    }
}

/// Files from this size on may be sparse, which takes a look.
const MAY_BE_SPARSE: u64 = 1 << 20;

/// What a call tells of the last name of its path, if it doesn't follow a link there.
fn told(event: &Event) -> Option<Told> {
    if let Some(found) = event.found {
        let kind = FileKind::of_mode(found.mode);
        let needs_look = kind == FileKind::Symlink || found.size >= MAY_BE_SPARSE;
        return (!needs_look).then_some(Told::There(Inode {
            kind,
            size: found.size,
            mode: found.mode & 0o7777,
            uid: found.uid,
            gid: found.gid,
            mtime: found.mtime,
            links: found.links,
            id: (found.device, found.inode),
            target: None,
            allocated: None,
        }));
    }
    let missing = event.result == -i64::from(libc::ENOENT);
    (missing && event.is_lstat).then_some(Told::Nothing)
}

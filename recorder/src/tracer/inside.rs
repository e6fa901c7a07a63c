//! Calls that are recorded inside the tool: what the crate for that asks of ptrace, and what it
//! tells the core.

use std::io;
use std::time::Duration;

use fsreplay_inside::arch::{self, Registers};
use fsreplay_inside::{Bounds, Event, Policy, Signals, Tasks, Tracee, Why};
use fsreplay_trace::model::FileKind;

use super::Tracer;
use crate::machine;
use crate::options::Eagerness;
use crate::session::world::{Inode, Told};
use crate::session::{Delivered, Memory, Next, RawCall};
use crate::spawn;
use crate::sys;
use crate::sys::ptrace;
use crate::sys::signal::{self, Ticker};

/// A longer gap between two calls, or a longer call, is looked into at a stop: it costs little
/// beside them, and the kernel knows what of it was computing.
const BOUND: Duration = Duration::from_micros(150);
/// How often areas are emptied while no stop does it.
const PERIOD: Duration = Duration::from_millis(2);
/// For so long at least the processor's counter is compared with the clock, nanoseconds.
const COMPARED: u64 = 1_000_000;

/// The processor's counter beside the clock.
#[derive(Clone, Copy, Debug)]
struct Rate {
    ticks: u64,
    time: u64,
    per_tick: f64,
}

impl Rate {
    fn measure() -> Rate {
        let mut rate = Rate {
            ticks: arch::ticks(),
            time: sys::now(),
            per_tick: 1.0,
        };
        while sys::now() - rate.time < COMPARED {
            std::hint::spin_loop();
        }
        rate.look();
        rate
    }

    /// Compares anew; gives the ticks and the time at which it did.
    fn look(&mut self) -> (u64, u64) {
        let (ticks, time) = (arch::ticks(), sys::now());
        let passed = ticks.saturating_sub(self.ticks);
        if passed > 0 {
            self.per_tick = (time - self.time) as f64 / passed as f64;
        }
        (ticks, time)
    }

    fn ticks_in(&self, time: Duration) -> u64 {
        (time.as_nanos() as f64 / self.per_tick) as u64
    }
}

/// The tool's tasks as far as they are recorded inside.
pub struct Inside {
    tasks: Tasks,
    rate: Rate,
    /// Filters of this process, which the tool has beside the recorder's.
    filters: i32,
    /// Kept from one time to the next.
    events: Vec<(i32, Event)>,
    waking: Option<Ticker>,
    /// A task may have other user ids than the recorder, in a namespace of its own: whom files
    /// belong to is not what it is told.
    other_users: bool,
}

impl Inside {
    /// `None` where this machine can't do it: processors whose counters don't agree with the clock,
    /// or a kernel that doesn't let programs have a `gs` base.
    pub fn new(eagerness: Eagerness) -> Option<Inside> {
        let own = i32::try_from(std::process::id()).ok()?;
        let filters = spawn::status_field(own, "Seccomp_filters:")?;
        if !fsreplay_inside::is_supported() || !has_steady_counter() {
            return None;
        }
        let rate = Rate::measure();
        let bound = rate.ticks_in(BOUND);
        let bounds = Bounds {
            gap: bound,
            call: bound,
        };
        Some(Inside {
            tasks: Tasks::new(Policy {
                stops: eagerness.stops,
                hits: eagerness.hits,
                task_stops: eagerness.task_stops,
                bounds,
            }),
            rate,
            filters,
            events: Vec::new(),
            waking: None,
            other_users: false,
        })
    }

    /// Behind the instruction whose calls the filter is to let pass.
    pub fn instruction(inside: &Option<Inside>) -> Option<u64> {
        inside.as_ref().map(|_| fsreplay_inside::instruction())
    }

    fn stopped(&self, tid: i32) -> Stopped {
        Stopped {
            tid,
            filters: self.filters + 1,
        }
    }

    /// What a reader should know of processes that could not be recorded inside.
    pub fn warning(&self) -> Option<String> {
        let reasons: Vec<String> = (self.tasks.refusals())
            .map(|(reason, count)| format!("{reason} ({count} times)"))
            .collect();
        (!reasons.is_empty()).then(|| {
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
        let shares = flags & libc::CLONE_VM as u64 != 0;
        self.tasks.child(parent, tid, shares);
    }

    /// A task started a program.
    pub fn program(&mut self, earlier: i32, tid: i32) {
        self.tasks.program(earlier, tid);
    }

    /// A task is gone.
    pub fn ended(&mut self, tid: i32) {
        self.tasks.ended(tid);
    }

    /// A task stands at the entry of a traced call.
    pub fn enters(&mut self, tid: i32, number: u64, behind: u64) {
        self.other_users |= matches!(number as i64, libc::SYS_unshare | libc::SYS_setns);
        self.tasks.enters(tid, behind);
    }

    /// A task stands at the exit of a traced call. Gives whether it was made to do anything.
    pub fn leaves(&mut self, tid: i32, result: i64) -> bool {
        if (-516..=-512).contains(&result) {
            return false;
        }
        let mut stopped = self.stopped(tid);
        let did = self.tasks.leaves(tid, &mut stopped);
        if self.waking.is_none() && self.tasks.any_inside() {
            // Without it areas are emptied at stops alone.
            self.waking = Ticker::waking(PERIOD).ok();
        }
        did
    }

    /// A task that stands still is about to go on.
    pub fn goes_on(&mut self, tid: i32) {
        let mut stopped = self.stopped(tid);
        self.tasks.begins(tid, &mut stopped);
        self.tasks.goes_on(tid);
    }

    /// A task that none of the known ones made is about to go on.
    pub fn unknown_goes_on(&mut self, tid: i32) {
        fsreplay_inside::take_area(&mut self.stopped(tid));
    }

    /// A signal is about to be delivered. Gives whether the stub caused it, and the tool must not
    /// see it.
    pub fn signal(&mut self, tid: i32, signal: i32) -> bool {
        let why = match signal {
            libc::SIGSEGV | libc::SIGBUS if ptrace::is_fault(tid) => Why::Fault,
            libc::SIGTRAP if ptrace::is_fault(tid) => Why::Trap,
            libc::SIGSYS if ptrace::is_fault(tid) => Why::Filter,
            _ => Why::Signal,
        };
        let mut stopped = self.stopped(tid);
        self.tasks.signal(tid, &mut stopped, why)
    }
}

impl Tracer {
    /// Tells the core all calls that returned inside the tool up to now; gives
    /// how many.
    pub(super) fn drain(&mut self) -> usize {
        let Some(inside) = &mut self.inside else {
            return 0;
        };
        if !inside.tasks.any_inside() {
            return 0;
        }
        let (ticks, _) = inside.rate.look();
        let now = self.clock.time();
        let per_tick = inside.rate.per_tick;
        let trusts = !inside.other_users;
        let bound = BOUND.as_nanos() as u64;
        let mut events = std::mem::take(&mut inside.events);
        inside.tasks.drain(ticks, &mut events);
        let count = events.len();
        for (tid, event) in events.drain(..) {
            let Some(tracee) = self.tasks.get_mut(&tid) else {
                continue;
            };
            let time = |at: u64| {
                let ago = ticks.saturating_sub(at) as f64 * per_tick;
                now.saturating_sub(ago as u64)
            };
            // Clocks that are compared now and then may be apart by a little.
            let entry = time(event.entry).max(tracee.time.left());
            let exit = time(event.exit).max(entry);
            let spent = tracee.time.inside(entry, exit, bound);
            let told = if trusts { told(&event) } else { None };
            let call = Delivered {
                told: told.as_ref(),
                number: event.number,
                registers: event.arguments,
                memory: &Copied(&event),
                entry,
                exit,
                result: event.result,
                spent,
            };
            self.session.call(&mut tracee.task, &call);
        }
        if let Some(inside) = &mut self.inside {
            inside.events = events;
        }
        count
    }

    /// A task that is about to end may be in a call inside: it never returns.
    pub(super) fn never_returns(&mut self, tid: i32) {
        let Some(inside) = &self.inside else { return };
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

/// Files from this size on may be sparse, which takes a look.
const MAY_BE_SPARSE: u64 = 1 << 20;

/// What a call tells of the last name of its path, if it doesn't follow a link there.
fn told(event: &Event) -> Option<Told> {
    if let Some(found) = event.found {
        let kind = machine::kind_of_mode(found.mode);
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

/// What an event copied of the tool's memory: its path.
struct Copied<'a>(&'a Event);

impl Memory for Copied<'_> {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        let Some((start, path)) = &self.0.path else {
            return 0;
        };
        let offset = address.checked_sub(*start);
        let offset = offset.and_then(|offset| usize::try_from(offset).ok());
        let Some(rest) = offset.and_then(|offset| path.get(offset..)) else {
            return 0;
        };
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        match buffer.get_mut(count) {
            Some(end) => {
                *end = 0;
                count + 1
            }
            None => count,
        }
    }
}

/// A task in a ptrace stop.
struct Stopped {
    tid: i32,
    filters: i32,
}

impl Stopped {
    /// To the next stop at a call's entry or exit. Gives a signal that stopped the process
    /// meanwhile.
    fn to_next_stop(&self) -> io::Result<Option<i32>> {
        let mut stopped = None;
        loop {
            ptrace::resume_to_exit(self.tid, 0)?;
            let status = ptrace::wait_for_stop(self.tid)?;
            let status = status.ok_or(io::ErrorKind::NotFound)?;
            let signal = libc::WSTOPSIG(status);
            match status >> 16 {
                0 if signal == ptrace::SYSCALL_STOP => return Ok(stopped),
                ptrace::EVENT_STOP if ptrace::stops(signal) => stopped = Some(signal),
                ptrace::EVENT_STOP => {}
                _ => return Err(io::Error::other("stopped by something else")),
            }
        }
    }
}

impl Tracee for Stopped {
    fn registers(&mut self) -> io::Result<Registers> {
        ptrace::all_registers(self.tid).map(Registers)
    }

    fn set_registers(&mut self, registers: &Registers) -> io::Result<()> {
        ptrace::set_all_registers(self.tid, registers.0)
    }

    fn read(&mut self, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
        ptrace::read_proc_memory(self.tid, address, buffer)
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> io::Result<()> {
        ptrace::write_memory(self.tid, address, bytes)
    }

    fn make_call(&mut self) -> io::Result<()> {
        let mask = ptrace::signal_mask(self.tid)?;
        ptrace::set_signal_mask(self.tid, u64::MAX)?;
        let entered = self.to_next_stop()?;
        let left = self.to_next_stop()?;
        ptrace::set_signal_mask(self.tid, mask)?;
        if entered.or(left).is_some() {
            // It was to stand still with its process, and went on for this.
            signal::kill(self.tid, libc::SIGSTOP);
        }
        Ok(())
    }

    fn maps(&mut self) -> io::Result<String> {
        let maps = std::fs::read(format!("/proc/{}/maps", self.tid))?;
        Ok(String::from_utf8_lossy(&maps).into_owned())
    }

    fn signals_of(&mut self, other: i32) -> Option<Signals> {
        let mask = |name| {
            let mask = spawn::status_text(other, name)?;
            u64::from_str_radix(&mask, 16).ok()
        };
        Some(Signals {
            blocked: mask("SigBlk:")?,
            ignored: mask("SigIgn:")?,
            caught: mask("SigCgt:")?,
        })
    }

    fn signal_mask(&mut self) -> io::Result<u64> {
        ptrace::signal_mask(self.tid)
    }

    fn set_signal_mask(&mut self, mask: u64) -> io::Result<()> {
        ptrace::set_signal_mask(self.tid, mask)
    }

    fn may_be_changed(&mut self) -> bool {
        let filters = spawn::status_field(self.tid, "Seccomp_filters:");
        let native = self
            .registers()
            .is_ok_and(|registers| registers.is_native());
        filters == Some(self.filters) && native && has_room(self.tid)
    }
}

/// Whether a process won't miss the room that mappings of the recorder take: its address space is
/// not limited, and it locks no memory.
fn has_room(tid: i32) -> bool {
    let limits = std::fs::read_to_string(format!("/proc/{tid}/limits")).unwrap_or_default();
    let mut lines = limits.lines();
    let limit = lines.find_map(|line| line.strip_prefix("Max address space"));
    let unlimited = limit.and_then(|limit| limit.split_whitespace().next()) == Some("unlimited");
    unlimited && spawn::status_text(tid, "VmLck:").as_deref() == Some("0 kB")
}

/// Whether the counter runs at one speed, on all processors alike, and the kernel goes by it.
fn has_steady_counter() -> bool {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = info.lines().find(|line| line.starts_with("flags"));
    let has = |flag| flags.is_some_and(|flags| flags.split_whitespace().any(|word| word == flag));
    has("constant_tsc") && has("nonstop_tsc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_was_copied_is_read_as_from_memory() {
        let event = Event {
            entry: 0,
            exit: 0,
            result: 0,
            number: 0,
            arguments: [0; 6],
            path: Some((0x1000, b"a/name".to_vec())),
            is_lstat: false,
            found: None,
        };
        let memory = Copied(&event);
        let mut text = Vec::new();
        assert!(memory.read_string(0x1000, 100, &mut text).is_some());
        assert!(memory.read_string(0x1002, 100, &mut text).is_some());
        assert_eq!(text, b"a/namename");
        let mut few = [1; 3];
        assert_eq!((memory.read(0x1000, &mut few), few), (3, *b"a/n"));
        assert_eq!(memory.read(0xfff, &mut few), 0);
        assert_eq!(memory.read(0x1007, &mut few), 0);
    }
}

//! Where a task's time goes: on a processor, waiting for one, or asleep; from
//! `/proc/TID/schedstat`, which anyone may read.
//!
//! A task stands still whenever this is looked at, so the kernel's count is exact to the
//! nanosecond. Where the kernel doesn't count (no `CONFIG_SCHED_INFO`) or there are too many tasks
//! for a descriptor each, time on the clock stands in.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use fsreplay_inside::{Away, Here, Later, Off};
use fsreplay_trace::model::Spent;

use crate::limits;
use crate::session::Within;
use crate::spawn;

/// Sleep in a gap that is shorter is taken for the recorder's own, nanoseconds.
pub const LEAST_BLOCKED: u64 = 30_000;

/// Debts beyond this are forgotten: they come from a cost that was measured too high, nanoseconds.
const MOST_DEBT: u64 = 1_000_000;

/// What the kernel says about a task, nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// On a processor.
    cpu: u64,
    /// Ready to run, with no processor free.
    delay: u64,
    /// Times that it was put on a processor.
    slices: u64,
}

/// One task's time, and where it stood at the last look.
#[derive(Debug)]
pub struct CpuTime {
    tid: i32,
    /// `None` after it could not be opened.
    source: Option<File>,
    opened: bool,
    last: Counts,
    /// When it was let go last, nanoseconds since the start of the recording.
    left: u64,
    /// Stops since the last gap that no record stands for.
    foreign: u64,
    /// What was taken out too little for want of it, of gaps and of calls.
    debts: [u64; 2],
    /// Stops so far.
    stops: u64,
    /// Stops up to the last look.
    stops_then: u64,
    /// Times that it went to sleep otherwise, as far as they were looked at.
    sleeps: u64,
    /// The same up to the last look; `None` if there may have been others by then.
    sleeps_then: Option<u64>,
    /// Processor time since the last look that is told of already.
    told: u64,
    /// Waiting for a processor since the last look that is told of already.
    told_delay: u64,
    /// What belongs to the gap that is told next.
    carried: Spent,
    /// What was looked at in the stop that it stands in.
    here: Option<Here>,
    /// How often it had left a processor of its own accord when that was read in the stop that it
    /// stands in. To write it down takes the kernel longer than all else that is asked there.
    switches: Option<u64>,
}

impl CpuTime {
    /// Of a task that begins now.
    pub fn new(tid: i32) -> CpuTime {
        CpuTime {
            tid,
            source: None,
            opened: false,
            last: Counts::default(),
            left: 0,
            foreign: 0,
            debts: [0; 2],
            stops: 0,
            stops_then: 0,
            sleeps: 0,
            sleeps_then: Some(0),
            told: 0,
            told_delay: 0,
            carried: Spent::default(),
            here: None,
            switches: None,
        }
    }

    /// Of a task that another one starts: it stands still once before it begins.
    pub fn started(tid: i32) -> CpuTime {
        CpuTime {
            here: Some(Here::default()),
            stops: 1,
            ..CpuTime::new(tid)
        }
    }

    /// The task has another id from now on (exec by another than a process's first task).
    pub fn renamed(&mut self, tid: i32) {
        self.tid = tid;
        self.source = None;
        self.opened = false;
    }

    /// What the kernel counted up to the stop that it stands in, up to which its time is told now.
    fn counts_here(&mut self) -> Option<Counts> {
        let counts = self.counts();
        let cpu = counts.map(|counts| counts.cpu);
        self.here = Some(Here { cpu, sleeps: None });
        counts
    }

    fn counts(&mut self) -> Option<Counts> {
        if !self.opened {
            self.opened = true;
            let source = File::open(format!("/proc/{}/schedstat", self.tid)).ok();
            // Without room, looks at the tree would fail, and the trace would tell of another one.
            self.source = source.filter(|file| limits::leaves_room(file.as_raw_fd()));
        }
        let mut text = [0; 64];
        let length = self.source.as_ref()?.read_at(&mut text, 0).ok()?;
        parse(text.get(..length)?)
    }

    /// The time of the gap that ends now, at `now`; `cost` is what a stop adds to it.
    pub fn gap(&mut self, now: u64, cost: u64) -> Spent {
        let wall = now.saturating_sub(self.left);
        let cost = cost * (1 + std::mem::take(&mut self.foreign));
        self.stops += 1;
        let carried = std::mem::take(&mut self.carried);
        let Some(counts) = self.counts_here() else {
            return Spent {
                think: carried.think + less(&mut self.debts[0], wall, cost),
                blocked: carried.blocked,
                ..Spent::default()
            };
        };
        let told = std::mem::take(&mut self.told);
        let cpu = counts.cpu.saturating_sub(self.last.cpu);
        let think = cpu.saturating_sub(told).min(wall);
        // What was told as computing and was none was waiting for a processor.
        let told_delay = std::mem::take(&mut self.told_delay) + told.saturating_sub(cpu);
        let queued = counts.delay.saturating_sub(self.last.delay);
        let delay = queued.saturating_sub(told_delay);
        let may_have_slept = self.looked(counts);
        let mut blocked = wall.saturating_sub(think).saturating_sub(delay);
        // Otherwise it stood still in its stop, because the recorder had others to look after.
        if blocked <= LEAST_BLOCKED || !may_have_slept || !self.slept() {
            blocked = 0;
        }
        Spent {
            think: carried.think + less(&mut self.debts[0], think, cost),
            cpu: 0,
            blocked: carried.blocked + blocked,
            asleep: 0,
        }
    }

    /// A call is no event: the gap before it belongs to the one that is told next.
    pub fn carry(&mut self, gap: Spent) {
        self.carried = gap;
    }

    /// The same of a call that was recorded inside: what it took belongs there as well.
    pub fn is_no_event(&mut self, spent: Spent) {
        self.carry(Spent {
            think: spent.think + spent.cpu,
            blocked: spent.blocked + spent.asleep,
            ..Spent::default()
        });
    }

    /// What was looked at in the stop that ends now; `None` if its gap goes on.
    pub fn take_here(&mut self) -> Option<Here> {
        self.switches = None;
        let here = self.here.take()?;
        if here.cpu.is_some() || self.opened {
            return Some(here);
        }
        // It begins now.
        let cpu = self.counts().map(|counts| counts.cpu);
        Some(Here { cpu, ..here })
    }

    /// The time in the call that ends now, after `wall` on the clock; `cost` is what its stops add
    /// to its processor time.
    ///
    /// What is neither processor time nor waiting for a processor is sleep only where the task went
    /// to sleep: otherwise the recorder was late.
    pub fn call(&mut self, wall: u64, cost: u64) -> Within {
        let Some(counts) = self.counts_here() else {
            return Within {
                cpu: less(&mut self.debts[1], wall, cost),
                asleep: 0,
            };
        };
        let cpu = counts.cpu.saturating_sub(self.last.cpu);
        let delay = counts.delay.saturating_sub(self.last.delay);
        self.all_is_told();
        self.stops += 1;
        let slept = self.looked(counts) && self.slept();
        Within {
            cpu: less(&mut self.debts[1], cpu, cost),
            asleep: if slept {
                wall.saturating_sub(cpu).saturating_sub(delay)
            } else {
                0
            },
        }
    }

    /// Keeps what was counted up to now. Gives whether it may have slept since the last look, but
    /// for what it told: otherwise it was put on a processor once for each stop that it was let go
    /// from, and for each of those sleeps.
    fn looked(&mut self, counts: Counts) -> bool {
        let slices = counts.slices.saturating_sub(self.last.slices);
        let stops = self.stops.saturating_sub(self.stops_then);
        let told = (self.sleeps_then).map_or(0, |then| self.sleeps.saturating_sub(then));
        let may_have_slept = slices > stops + told;
        self.last = counts;
        self.stops_then = self.stops;
        self.sleeps_then = (!may_have_slept).then_some(self.sleeps);
        may_have_slept
    }

    /// A call that was recorded inside the task, from `entry` to `exit`, and the gap before it, as
    /// far as the task told where it was. Otherwise short ones are taken for computing, and a call
    /// that took longer than `bound` is looked into.
    pub fn inside(&mut self, entry: u64, exit: u64, off: Off, bound: u64) -> Spent {
        let gap = entry.saturating_sub(self.left);
        let later = off.within.map_or(off.later, |away| off.later.and(away));
        let before = self.told_by_task(gap, off.before.unwrap_or_default(), later);
        self.told += before.cpu;
        let duration = exit.saturating_sub(entry);
        let within = self.returned(exit, duration, off, bound);
        let carried = std::mem::take(&mut self.carried);
        Spent {
            think: carried.think + before.cpu,
            cpu: within.cpu,
            blocked: carried.blocked + before.asleep,
            asleep: within.asleep,
        }
    }

    /// A call returned inside the task, at `exit` and after that long.
    pub fn returned(&mut self, exit: u64, duration: u64, off: Off, bound: u64) -> Within {
        self.left = exit.max(self.left);
        let within = match off.within {
            Some(away) => self.told_by_task(duration, away, off.later),
            None if duration > bound => self.long_call(duration),
            None => Within {
                cpu: duration,
                asleep: 0,
            },
        };
        self.told += within.cpu;
        within
    }

    /// The task itself told how long it was off its processor in a call, or in the gap before it,
    /// and whether it slept. What the kernel counted as waiting for one, and nothing tells of,
    /// followed that sleep and those that came later: they share it by how long they were.
    fn told_by_task(&mut self, duration: u64, away: Away, later: Later) -> Within {
        let time = away.time.min(duration);
        let sleeps = away.sleeps.map(|sleeps| sleeps.saturating_sub(self.stops));
        let delay = match sleeps.filter(|sleeps| *sleeps > self.sleeps) {
            Some(sleeps) => {
                self.sleeps = sleeps;
                let queued = (self.counts()).map_or(0, |counts| counts.delay);
                let told = (self.last.delay + self.told_delay).saturating_add(later.waited);
                let followed = queued.saturating_sub(told) as f64;
                let part = time as f64 / (time as f64 + later.slept as f64).max(1.0);
                ((followed * part) as u64).min(time)
            }
            None => time,
        };
        self.told_delay += delay;
        Within {
            cpu: duration - time,
            asleep: time - delay,
        }
    }

    /// What the kernel counted since the last look and nothing tells of was that call's.
    fn long_call(&mut self, duration: u64) -> Within {
        let Some(counts) = self.counts() else {
            return Within {
                cpu: duration,
                asleep: 0,
            };
        };
        let cpu = counts
            .cpu
            .saturating_sub(self.last.cpu)
            .saturating_sub(self.told)
            .min(duration);
        let queued = counts.delay.saturating_sub(self.last.delay);
        let delay = queued.saturating_sub(self.told_delay);
        let rest = duration.saturating_sub(cpu).saturating_sub(delay);
        if rest <= LEAST_BLOCKED {
            return Within { cpu, asleep: 0 };
        }
        let asleep = match self.sleeps_by_now() {
            // Nobody counts.
            None => rest,
            Some(sleeps) if sleeps > self.sleeps => {
                self.sleeps = told_inside(self.sleeps, sleeps);
                self.sleeps_then = None;
                rest
            }
            Some(_) => 0,
        };
        Within { cpu, asleep }
    }

    /// There was a stop, and what the task did since the one before was the recorder's doing.
    pub fn set_aside(&mut self, now: u64) {
        self.stops += 1;
        if let Some(counts) = self.counts_here() {
            self.looked(counts);
        }
        self.all_is_told();
        self.left = now;
    }

    /// What the recorder made the task do until `now` is not its own.
    pub fn forget(&mut self, now: u64) {
        if let Some(counts) = self.counts_here() {
            self.looked(counts);
        }
        self.all_is_told();
        self.left = now;
        // Its stops were no sleep either.
        self.switches = None;
        self.slept();
    }

    fn all_is_told(&mut self) {
        (self.told, self.told_delay) = (0, 0);
    }

    /// Whether it went to sleep since the last look, in anything but stops.
    fn slept(&mut self) -> bool {
        let known = self.switches;
        let Some(all) = known.or_else(|| spawn::sleeps(self.tid)) else {
            return true;
        };
        self.switches = Some(all);
        if let Some(here) = &mut self.here {
            here.sleeps = Some(all);
        }
        let mut sleeps = all.saturating_sub(self.stops);
        if known.is_some() {
            // It may have been read before that stop was counted.
            sleeps = sleeps.max(self.sleeps);
        }
        self.sleeps_then = Some(sleeps);
        std::mem::replace(&mut self.sleeps, sleeps) < sleeps
    }

    /// How often it went to sleep in anything but stops. One that it stands in and that is not
    /// counted yet is taken for a sleep.
    fn sleeps_by_now(&mut self) -> Option<u64> {
        self.switches = spawn::sleeps(self.tid);
        Some(self.switches?.saturating_sub(self.stops))
    }

    /// The task has stopped since anything of it was looked at.
    pub fn stands(&mut self) {
        self.switches = None;
    }

    /// Processor time of its life, as far as it is known.
    pub fn total(&self) -> u64 {
        self.last.cpu
    }

    /// The task is let go at `now`.
    pub fn leaves(&mut self, now: u64) {
        self.left = now;
    }

    /// When it was let go last.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// There was a stop within a call.
    pub fn stood_in_call(&mut self) {
        self.stops += 1;
    }

    /// There was a stop that no record stands for.
    pub fn foreign_stop(&mut self) {
        self.stops += 1;
        self.foreign += 1;
    }
}

/// How many sleeps are told of after a call inside the task that slept, where `told` were before
/// and `sleeps` were counted. Calls inside are looked at in a stop, which may be one of those that
/// were counted. It has to be left: else the next sleep would be taken for told.
fn told_inside(told: u64, sleeps: u64) -> u64 {
    (told + 1).max(sleeps.saturating_sub(1))
}

/// A time without the cost of a stop, which is known on average only: where there is less, the
/// difference is taken from the times that follow, so that sums stay right.
fn less(debt: &mut u64, time: u64, cost: u64) -> u64 {
    let owed = cost + *debt;
    *debt = owed.saturating_sub(time).min(MOST_DEBT);
    time.saturating_sub(owed)
}

/// `CPU DELAY TIMESLICES`.
fn parse(text: &[u8]) -> Option<Counts> {
    let mut numbers = text.split(|byte| byte.is_ascii_whitespace()).map(|digits| {
        digits.iter().try_fold(0u64, |value, digit| {
            let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
            value.checked_mul(10)?.checked_add(u64::from(digit))
        })
    });
    let counts = Counts {
        cpu: numbers.next()??,
        delay: numbers.next()??,
        slices: numbers.next()??,
    };
    Some(counts)
}

#[cfg(test)]
mod tests;

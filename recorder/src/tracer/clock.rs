//! The recording's clock, and where a task's time went that stands still.

use std::cell::Cell;

use fsreplay_inside::Off;
use fsreplay_trace::model::{Spent, StopCosts};

use super::cpu_time::CpuTime;
use crate::session::{self, Within};
use crate::sys;

/// The recorder looks at its clock once a second at least. If that is so much late, it was stopped,
/// nanoseconds.
const LATE: u64 = 1_500_000_000;

/// Nanoseconds since the recording began, without the time in which the tool was stopped.
pub struct Clock {
    start: u64,
    /// The last time that was told.
    last: Cell<u64>,
}

impl Clock {
    /// Of a recording that begins now.
    pub fn start() -> Clock {
        Clock {
            start: sys::now(),
            last: Cell::new(0),
        }
    }

    /// Nanoseconds since the start of the recording.
    pub fn time(&self) -> u64 {
        let time = self.elapsed();
        self.last.set(time);
        time
    }

    /// Whether nothing was told for longer than the recorder's own ticks would let pass.
    pub fn is_late(&self) -> bool {
        self.elapsed() > self.last.get() + LATE
    }

    /// The tool ran until [`sys::now`] was that, though it isn't told yet.
    pub fn ran_until(&self, now: u64) {
        self.last.set(self.last.get().max(self.since_start(now)));
    }

    /// The tool stood still since something was told last: that time is not its own.
    pub fn stood_still(&mut self) {
        self.start += self.elapsed().saturating_sub(self.last.get());
    }

    /// The same, where nothing is told by it: the tool may be standing still.
    pub fn elapsed(&self) -> u64 {
        self.since_start(sys::now())
    }

    /// What this clock showed when [`sys::now`] was that.
    pub fn since_start(&self, now: u64) -> u64 {
        now.saturating_sub(self.start)
    }
}

/// The clock of a task in a stop.
pub struct AtStop<'a> {
    /// The recording's.
    pub clock: &'a Clock,
    /// The task's time.
    pub time: &'a mut CpuTime,
    /// What a stop adds to it.
    pub costs: StopCosts,
}

impl session::Clock for AtStop<'_> {
    fn gap(&mut self) -> Spent {
        self.time.gap(self.clock.time(), self.costs.think)
    }

    fn moment(&mut self) -> u64 {
        self.clock.time()
    }

    fn within(&mut self, duration: u64) -> Within {
        self.time.call(duration, self.costs.cpu)
    }
}

/// The clock of a task whose call has returned, at that moment, without a stop.
pub struct Returned<'a> {
    /// Nanoseconds since the recording began.
    pub at: u64,
    /// How long it was in the call, since it was made for the last time.
    pub took: u64,
    /// The task's time.
    pub time: &'a mut CpuTime,
    /// What the task told of it.
    pub off: Off,
    /// A call that took longer is looked into, where it told nothing.
    pub bound: u64,
}

impl session::Clock for Returned<'_> {
    fn gap(&mut self) -> Spent {
        Spent::default() // told at its entry
    }

    fn moment(&mut self) -> u64 {
        self.at
    }

    fn within(&mut self, _duration: u64) -> Within {
        self.time.returned(self.at, self.took, self.off, self.bound)
    }
}

/// What stops cost while recorder and task share a processor, and while they don't.
#[derive(Clone, Copy, Debug, Default)]
pub struct Costs {
    /// On one processor.
    pub together: StopCosts,
    /// On any.
    pub apart: StopCosts,
}

impl Costs {
    /// Those of a task.
    pub fn of(&self, gathered: bool) -> StopCosts {
        if gathered { self.together } else { self.apart }
    }
}

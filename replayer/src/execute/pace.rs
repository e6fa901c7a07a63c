//! The tool's own time in a lane: computing burns a processor, sleeping doesn't.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::clock::Clock;

/// Two looks at the clock that are further apart than this had another thread between them on this processor, nanoseconds: no two
/// context switches are faster, and few interrupts, which count as the tool's computing in the kernel's books, too, are slower.
const LONGEST_STEP: f64 = 3_000.0;
/// What the replay itself may take between two ops and have taken from the computing that follows, nanoseconds.
const LONGEST_OWN: f64 = 10_000.0;
/// The most that is owed for it, in such steps: a replay that can't keep up says so by taking longer.
const DEBT_STEPS: u64 = 20;
/// What the kernel adds to a short sleep (its default timer slack), nanoseconds; a recorded sleep had it, too.
const SLACK: f64 = 55_000.0;
/// A cancelled replay ends within this time.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);
/// Looks at the clock between two looks for a cancellation.
const LOOKS: u32 = 4096;

/// Burns and sleeps for one lane.
#[derive(Clone)]
pub struct Pacer<'a> {
    clock: Clock,
    ticks_per_nanosecond: f64,
    longest_step: u64,
    longest_own: u64,
    /// Either ends it.
    stops: [&'a AtomicBool; 2],
    /// Ticks that the replay itself took and that no computing was there to take them from; negative where too many were taken.
    debt: i64,
    /// What starting a thread takes, ticks.
    start: i64,
    /// What of that was taken from the computing before it happened.
    paid: i64,
}

impl<'a> Pacer<'a> {
    /// `scale` is what recorded nanoseconds are multiplied by.
    pub fn new(clock: Clock, scale: f64, stops: [&'a AtomicBool; 2]) -> Pacer<'a> {
        let rate = 1.0 / clock.tick_length();
        Pacer {
            clock,
            ticks_per_nanosecond: rate * scale,
            longest_step: (LONGEST_STEP * rate) as u64,
            longest_own: (LONGEST_OWN * rate) as u64,
            stops,
            debt: 0,
            start: 0,
            paid: 0,
        }
    }

    /// A thread will be started after the computing that comes next; as that of the tool holds the start of a task, it is as much shorter.
    pub fn expect_start(&mut self) {
        self.debt += self.start;
        self.paid = self.start;
    }

    /// A thread was started, which took so much processor time, nanoseconds.
    pub fn started(&mut self, taken: u64) {
        let taken = taken as f64 / self.clock.tick_length();
        let taken = (taken as i64).min(self.most_debt());
        self.debt += taken - std::mem::take(&mut self.paid);
        self.start = match self.start {
            0 => taken,
            before => (before * 3 + taken) / 4,
        };
    }

    /// Other threads were woken, which took so much processor time, nanoseconds. The tool's calls woke its tasks, too, and what that took is part
    /// of what they computed; on a virtual machine it is some 20 µs where the one that is woken is on another processor.
    pub fn woke(&mut self, taken: u64) {
        let taken = taken as f64 / self.clock.tick_length();
        self.debt += (taken as i64).min(self.most_debt());
    }

    fn most_debt(&self) -> i64 {
        (DEBT_STEPS * self.longest_own) as i64
    }

    fn is_stopped(&self) -> bool {
        self.stops.iter().any(|stop| stop.load(Ordering::Relaxed))
    }

    /// Computes until `nanoseconds` of processor time have passed since `begin`; what other threads take meanwhile doesn't count.
    /// What the replay itself did since `begin` (waking other lanes, which the tool's calls did, too) does. Gives the time at the end.
    #[inline]
    pub fn burn(&mut self, begin: u64, nanoseconds: f32) -> u64 {
        let wanted = (f64::from(nanoseconds) * self.ticks_per_nanosecond) as i64;
        let mut last = self.clock.ticks();
        let used = self.debt + last.saturating_sub(begin).min(self.longest_own) as i64;
        self.debt = (used - wanted).clamp(0, self.most_debt());
        let mut left = wanted.saturating_sub(used).max(0) as u64;
        let mut looks = 0u32;
        loop {
            let now = self.clock.ticks();
            let step = now.saturating_sub(last).min(self.longest_step);
            last = now;
            if step >= left {
                return now;
            }
            left -= step;
            looks += 1;
            if looks == LOOKS {
                looks = 0;
                if self.is_stopped() {
                    return now;
                }
            }
        }
    }

    /// How long to ask the kernel for a sleep that is to take so many nanoseconds of the tool's time.
    pub fn asked(&self, nanoseconds: f32) -> Duration {
        let scale = self.ticks_per_nanosecond * self.clock.tick_length();
        let wanted = f64::from(nanoseconds) * scale - SLACK;
        Duration::from_nanos(wanted.max(0.0) as u64)
    }

    /// Sleeps that long. Gives the time at the end.
    pub fn sleep(&self, mut left: Duration) -> u64 {
        while !left.is_zero() && !self.is_stopped() {
            let part = left.min(LONGEST_SLEEP);
            std::thread::sleep(part);
            left -= part;
        }
        self.clock.ticks()
    }
}

//! The tool's own time in a lane: computing keeps a processor busy, sleeping doesn't.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::clock::Clock;
use super::footprint::Footprint;
use super::work::{Work, nanoseconds_per_unit};
use crate::sys;

/// Units of work between two looks at the clock: some two microseconds.
const CHUNK: u32 = 50;
/// What took this many times as long as on a core that nothing slows had another thread in it, and tells nothing of how slow the core is.
const LONGEST_CHUNK: f64 = 3.0;
/// Fewer units are too few to tell it.
const LEAST_CHUNK: u32 = 20;
/// The weight of a chunk in it.
const NEWS: f64 = 1.0 / 16.0;
/// What the replay itself may take between two ops and have taken from the computing that follows, nanoseconds.
const LONGEST_OWN: f64 = 10_000.0;
/// A call that took less is not asked whether it waited, nanoseconds: to ask takes some tenths of a microsecond, to go to sleep and wake up several.
const SHORTEST_WAIT: f64 = 5_000.0;
/// The most that is owed for it, in such steps: a replay that can't keep up says so by taking longer.
const DEBT_STEPS: f64 = 20.0;
/// What the kernel adds to a short sleep (its default timer slack), nanoseconds; a recorded sleep had it, too.
const SLACK: f64 = 55_000.0;
/// A cancelled replay ends within this time.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);
/// Chunks between two looks for a cancellation: a tenth of a millisecond.
const LOOKS: u32 = 64;

/// Burns and sleeps for one lane.
#[derive(Clone)]
pub struct Pacer<'a> {
    clock: Clock,
    ticks_per_nanosecond: f64,
    longest_own: f64,
    shortest_wait: f64,
    /// How often the thread had waited when it was last asked.
    waits: u64,
    /// The last call may have waited.
    may_have_waited: bool,
    /// Ticks of a unit of work on a core that nothing slows.
    unit: f64,
    work: Work,
    footprint: Footprint,
    /// How many times as long as there work takes now.
    slowness: f64,
    /// Chunks since the last look for a cancellation.
    chunks: u32,
    /// Either ends it.
    stops: [&'a AtomicBool; 2],
    /// Ticks on a core that nothing slows that the replay itself took and that no computing was there to take them from; negative where too many were
    /// taken, or less than a unit is left to do.
    debt: f64,
    /// Ticks of computing since the last unit of work that were too short for one.
    short: f64,
    /// What starting a thread takes, ticks.
    start: f64,
    /// What of that was taken from the computing before it happened.
    paid: f64,
}

impl<'a> Pacer<'a> {
    /// `scale` is what recorded nanoseconds are multiplied by, `unit` what a unit of work takes, nanoseconds, where that is known already.
    pub fn new(
        clock: Clock,
        scale: f64,
        unit: Option<f64>,
        stops: [&'a AtomicBool; 2],
    ) -> Pacer<'a> {
        let rate = 1.0 / clock.tick_length();
        Pacer {
            clock,
            ticks_per_nanosecond: rate * scale,
            longest_own: LONGEST_OWN * rate,
            shortest_wait: SHORTEST_WAIT * rate,
            waits: 0,
            may_have_waited: false,
            unit: unit.unwrap_or_else(nanoseconds_per_unit) * rate,
            work: Work::new(),
            footprint: Footprint::new(),
            slowness: 1.0,
            chunks: 0,
            stops,
            debt: 0.0,
            short: 0.0,
            start: 0.0,
            paid: 0.0,
        }
    }

    /// The calling thread is the lane's, from now on.
    pub fn begin(&mut self) {
        self.waits = sys::voluntary_switches();
    }

    /// A thread will be started after the computing that comes next; as that of the tool holds the start of a task, it is as much shorter.
    pub fn expect_start(&mut self) {
        let before = self.debt;
        self.owe(self.start);
        self.paid = self.debt - before;
    }

    /// A thread was started, which took so much processor time, nanoseconds.
    pub fn started(&mut self, taken: u64) {
        let taken = self.unslowed(taken as f64 / self.clock.tick_length());
        let paid = std::mem::take(&mut self.paid);
        self.owe(taken - paid);
        self.start = match self.start > 0.0 {
            true => (self.start * 3.0 + taken) / 4.0,
            false => taken,
        };
    }

    /// Other threads were woken, which took so much processor time, nanoseconds. The tool's calls woke its tasks, too, and what that took is part
    /// of what they computed; on a virtual machine it is some 20 µs where the one that is woken is on another processor.
    pub fn woke(&mut self, taken: u64) {
        self.owe(self.unslowed(taken as f64 / self.clock.tick_length()));
    }

    /// A call took so many ticks.
    #[inline]
    pub fn called(&mut self, ticks: u64) {
        self.may_have_waited = ticks as f64 > self.shortest_wait;
    }

    /// The lane waited for others or slept until `now`, so many ticks, as the tool's task did: what it computed after that holds what this takes.
    /// Gives the time then.
    #[inline]
    pub fn rested(&mut self, ticks: u64, now: u64) -> u64 {
        if (ticks as f64) < self.shortest_wait {
            return now;
        }
        self.waits = sys::voluntary_switches();
        let end = self.clock.ticks();
        let own = (end.saturating_sub(now) as f64).min(self.longest_own);
        self.owe(self.unslowed(own));
        end
    }

    /// So often the thread has waited so far, the last time in a call.
    fn waited(&mut self, waits: u64) {
        if waits != std::mem::replace(&mut self.waits, waits) {
            self.footprint.forget();
            self.short = 0.0;
        }
    }

    /// Reads memory again that computing of so many ticks needs. Gives how many of them are left.
    fn recall(&mut self, ticks: f64) -> f64 {
        let tick = self.clock.tick_length();
        ticks - self.footprint.compute(ticks * tick) / tick
    }

    /// What so many ticks would have been on a core that nothing slows.
    fn unslowed(&self, ticks: f64) -> f64 {
        (ticks / self.slowness).min(self.most_debt())
    }

    /// So many ticks are to be taken from computing that comes.
    fn owe(&mut self, ticks: f64) {
        self.debt = (self.debt + ticks).min(self.most_debt());
    }

    fn most_debt(&self) -> f64 {
        DEBT_STEPS * self.longest_own
    }

    fn is_stopped(&self) -> bool {
        self.stops.iter().any(|stop| stop.load(Ordering::Relaxed))
    }

    /// Computes what takes `nanoseconds` on a core that nothing slows; what other threads take meanwhile doesn't count.
    /// What the replay itself did since `begin` (waking other lanes, which the tool's calls did, too) does. Gives the time at the end.
    ///
    /// Until half a unit of work is due, not even the clock is read, and the time stays that of `begin`: what the replay itself did counts as part of what
    /// comes next. A tool that does one call after the other would else take longer to replay than to run (`cp -a`, of which calibration leaves no computing).
    #[inline]
    pub fn burn(&mut self, begin: u64, nanoseconds: f32) -> u64 {
        let wanted = f64::from(nanoseconds) * self.ticks_per_nanosecond;
        if !self.may_have_waited && wanted - self.debt < self.unit / 2.0 {
            self.debt -= wanted;
            self.short += wanted;
            return begin;
        }
        if std::mem::take(&mut self.may_have_waited) {
            self.waited(sys::voluntary_switches());
        }
        let mut now = self.clock.ticks();
        let own = (now.saturating_sub(begin) as f64).min(self.longest_own);
        let due = wanted + std::mem::take(&mut self.short);
        let read = due - self.recall(due);
        if read > 0.0 {
            now = self.clock.ticks();
        }
        match self.units(wanted - read, own) {
            0 => now,
            units => self.work(now, units),
        }
    }

    /// Units of work for so many ticks of computing, of which the replay itself has taken `own`: to the nearest; the rest is owed, or has been paid.
    fn units(&mut self, wanted: f64, own: f64) -> u64 {
        let left = wanted - self.debt - self.unslowed(own);
        let units = (left / self.unit + 0.5).max(0.0) as u64;
        self.debt = (units as f64 * self.unit - left).min(self.most_debt());
        units
    }

    /// Does so many units of work. Gives the time at the end, or earlier if it is stopped.
    fn work(&mut self, mut last: u64, mut units: u64) -> u64 {
        while units > 0 {
            let chunk = units.min(u64::from(CHUNK)) as u32;
            self.work.run(chunk);
            units -= u64::from(chunk);
            let now = self.clock.ticks();
            if chunk >= LEAST_CHUNK {
                self.learn(now.saturating_sub(last) as f64, chunk);
            }
            last = now;
            self.chunks += 1;
            if self.chunks >= LOOKS {
                self.chunks = 0;
                if self.is_stopped() {
                    break;
                }
            }
        }
        last
    }

    /// So many units took so many ticks.
    fn learn(&mut self, ticks: f64, units: u32) {
        let slowness = ticks / (f64::from(units) * self.unit);
        if slowness < LONGEST_CHUNK {
            self.slowness += (slowness - self.slowness) * NEWS;
        }
    }

    /// How long to ask the kernel for a sleep that is to take so many nanoseconds of the tool's time.
    pub fn asked(&self, nanoseconds: f32) -> Duration {
        let scale = self.ticks_per_nanosecond * self.clock.tick_length();
        let wanted = f64::from(nanoseconds) * scale - SLACK;
        Duration::from_nanos(wanted.max(0.0) as u64)
    }

    /// Sleeps that long. Gives the time at the end.
    pub fn sleep(&self, left: Duration) -> u64 {
        sleep(left, || self.is_stopped());
        self.clock.ticks()
    }
}

/// Sleeps that long, or until it is stopped.
pub(crate) fn sleep(mut left: Duration, is_stopped: impl Fn() -> bool) {
    while !left.is_zero() && !is_stopped() {
        let part = left.min(LONGEST_SLEEP);
        std::thread::sleep(part);
        left -= part;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a unit is taken to take, nanoseconds: how fast this machine is decides nothing.
    const UNIT: f64 = 100.0;
    /// A beginning since which nothing was taken by the replay itself, however slowed it is.
    const NOW: u64 = u64::MAX;

    fn pacer(stop: &AtomicBool) -> Pacer<'_> {
        Pacer::new(Clock::start(), 1.0, Some(UNIT), [stop, stop])
    }

    #[test]
    fn what_is_shorter_than_a_unit_adds_up() {
        let never = AtomicBool::new(false);
        let mut pacer = pacer(&never);
        let unit = pacer.unit;
        let units: u64 = (0..1000).map(|_| pacer.units(0.3 * unit, 0.0)).sum();
        assert!((299..=301).contains(&units), "{units}");
    }

    #[test]
    fn what_the_replay_took_itself_is_taken_from_what_follows() {
        let never = AtomicBool::new(false);
        let mut pacer = pacer(&never);
        let unit = pacer.unit;
        assert_eq!(pacer.units(10.0 * unit, 4.0 * unit), 6);
        assert_eq!(pacer.units(2.0 * unit, 5.0 * unit), 0);
        assert_eq!(pacer.units(10.0 * unit, 0.0), 7);
        // On a slow core it took longer than it would have.
        pacer.slowness = 2.0;
        assert_eq!(pacer.units(10.0 * unit, 4.0 * unit), 8);
    }

    #[test]
    fn the_clock_is_read_when_a_unit_is_due_or_a_call_may_have_waited() {
        let never = AtomicBool::new(false);
        let mut pacer = pacer(&never);
        let of_unit = |pacer: &Pacer<'_>, share: f64| {
            (share * pacer.unit / pacer.ticks_per_nanosecond) as f32
        };
        assert_eq!(pacer.burn(1, 0.0), 1);
        assert_eq!(pacer.burn(1, of_unit(&pacer, 0.3)), 1);
        assert!(pacer.burn(1, of_unit(&pacer, 0.3)) > 1, "0.6 units are due");
        // What was paid too much is due, too.
        pacer.debt = -2.0 * pacer.unit;
        assert!(pacer.burn(1, 0.0) > 1);
        pacer.debt = 0.0;
        pacer.called(1 << 40);
        assert!(pacer.burn(1, 0.0) > 1);
        assert_eq!(pacer.burn(1, 0.0), 1);
    }

    #[test]
    fn what_is_too_short_for_a_unit_is_computed_later_and_needs_memory_too() {
        let never = AtomicBool::new(false);
        let mut pacer = pacer(&never);
        let tenth = (0.1 * pacer.unit / pacer.ticks_per_nanosecond) as f32;
        let waits = pacer.waits + 1;
        let worked = (0..1000).filter(|_| pacer.burn(NOW, tenth) != NOW).count();
        // Each tenth time the clock is read and a unit done.
        assert!((99..=101).contains(&worked), "{worked}");
        assert!((99..=101).contains(&pacer.work.done()));
        pacer.debt = 0.0;
        pacer.waited(waits);
        assert_eq!(pacer.short, 0.0);
        for _ in 0..4 {
            pacer.burn(1, tenth);
        }
        assert!((pacer.short / pacer.unit - 0.4).abs() < 1e-3);
    }

    #[test]
    fn no_more_is_owed_than_is_short_however_often() {
        let never = AtomicBool::new(false);
        let mut pacer = pacer(&never);
        for _ in 0..1000 {
            pacer.woke(20_000);
            pacer.burn(1, 0.0);
        }
        assert!(pacer.debt <= pacer.most_debt());
        assert!(pacer.burn(1, 10_000_000.0) > 1);
    }

    #[test]
    fn all_that_is_to_be_computed_is_done_as_work() {
        let never = AtomicBool::new(false);
        let mut pacer = pacer(&never);
        let mut wanted = 0.0;
        for (nanoseconds, times) in [(200.0, 10_000), (20_000.0, 100), (2e6, 1)] {
            for _ in 0..times {
                pacer.burn(NOW, nanoseconds);
            }
            wanted += f64::from(nanoseconds) * f64::from(times) / UNIT;
            let done = f64::from(pacer.work.done());
            assert!((done - wanted).abs() <= 1.0, "{done} of {wanted}");
        }
    }

    #[test]
    fn computing_comes_back_to_its_memory_after_a_call_that_waited() {
        let never = AtomicBool::new(false);
        let mut pacer = pacer(&never);
        pacer.waits = 7;
        pacer.waited(7);
        assert_eq!(pacer.recall(1e5), 1e5);
        pacer.waited(8);
        let tick = pacer.clock.tick_length();
        let read = pacer.footprint.clone().compute(1e5 * tick);
        assert!(read > 0.0);
        let left = pacer.recall(1e5);
        assert!(((1e5 - left) * tick / read - 1.0).abs() < 1e-6);
    }

    #[test]
    fn the_kernel_tells_of_a_wait() {
        let never = AtomicBool::new(false);
        let mut pacer = pacer(&never);
        let long = (10.0 * pacer.shortest_wait) as u64;
        pacer.begin();
        std::thread::sleep(Duration::from_millis(1));
        pacer.called(10);
        let before = pacer.waits;
        pacer.burn(pacer.clock.ticks(), 1.0);
        assert_eq!(pacer.waits, before, "too short to ask");
        pacer.called(long);
        pacer.burn(pacer.clock.ticks(), 1.0);
        assert!(pacer.waits > before);
        let now = pacer.clock.ticks();
        assert_eq!(pacer.rested(10, now), now);
        assert!(pacer.rested(long, now) >= now);
    }

    #[test]
    fn a_stop_ends_it() {
        let stop = AtomicBool::new(true);
        let mut pacer = pacer(&stop);
        // A minute.
        pacer.burn(NOW, 60e9);
        assert_eq!(pacer.work.done(), LOOKS * CHUNK);
    }
}

//! The tool's own time in a lane: computing keeps a processor busy, sleeping doesn't.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::clock::Clock;
use super::cold::Cold;

/// The most that a lane has done itself between two looks at the clock, nanoseconds: if more time
/// has passed, somebody else had the processor. Interrupts and the replay's own steps are shorter,
/// turns of other threads longer (`sched_base_slice_ns`: 700 µs and more).
const LONGEST_STEP: f64 = 10_000.0;
/// The most that is owed, in such steps: a replay that can't keep up says so by taking longer.
const DEBT_STEPS: f64 = 20.0;
/// What the kernel adds to a short sleep (its default timer slack), nanoseconds; a recorded sleep
/// had it, too.
const SLACK: f64 = 55_000.0;
/// A cancelled replay ends within this time.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);
/// Looks at the clock between two for a cancellation: some tens of microseconds.
const LOOKS: u32 = 1024;

/// Burns and sleeps for one lane.
#[derive(Clone)]
pub struct Pacer<'a> {
    clock: Clock,
    ticks_per_nanosecond: f64,
    /// What recorded computing is multiplied by besides.
    computing: f64,
    longest_step: f64,
    /// Looks since the last one for a cancellation.
    looks: u32,
    /// Either ends it.
    stops: [&'a AtomicBool; 2],
    /// Ticks that the replay itself took and that no computing was there to take them from;
    /// negative where computing is left to do.
    debt: f64,
    /// What starting a thread takes, ticks.
    start: f64,
    /// What of that was taken from the computing before it happened.
    paid: f64,
    /// Ticks of processor time spent computing, but for what waits made longer.
    computed: f64,
    cold: Cold,
}

impl<'a> Pacer<'a> {
    /// `scale` is what recorded nanoseconds are multiplied by, `computing` what those of computing
    /// are multiplied by besides.
    pub fn new(clock: Clock, scale: f64, computing: f64, stops: [&'a AtomicBool; 2]) -> Pacer<'a> {
        let rate = 1.0 / clock.tick_length();
        Pacer {
            clock,
            ticks_per_nanosecond: rate * scale,
            computing,
            longest_step: LONGEST_STEP * rate,
            looks: 0,
            stops,
            debt: 0.0,
            start: 0.0,
            paid: 0.0,
            computed: 0.0,
            cold: Cold::none(clock),
        }
    }

    /// A thread will be started after the computing that comes next; as that of the tool holds the
    /// start of a task, it is as much shorter.
    pub fn expect_start(&mut self) {
        let before = self.debt;
        self.owe(self.start);
        self.paid = self.debt - before;
    }

    /// A thread was started, which took so much processor time, nanoseconds.
    pub fn started(&mut self, taken: u64) {
        let taken = self.ticks(taken).min(self.most_debt());
        let paid = std::mem::take(&mut self.paid);
        self.owe(taken - paid);
        self.start = if self.start > 0.0 {
            (self.start * 3.0 + taken) / 4.0
        } else {
            taken
        };
    }

    /// Other threads were woken, which took so much processor time, nanoseconds. The tool's calls
    /// woke its tasks, too, and what that took is part of what they computed; on a virtual machine
    /// it is some 20 µs where the one that is woken is on another processor.
    pub fn woke(&mut self, taken: u64) {
        self.owe(self.ticks(taken));
    }

    /// For the lane with that number.
    pub fn of_lane(self, lane: usize) -> Pacer<'a> {
        Pacer {
            cold: self.cold.of_lane(lane),
            ..self
        }
    }

    /// An op took so many ticks, and so many nanoseconds when it was recorded.
    #[inline]
    pub fn called(&mut self, op: usize, ticks: u64, recorded: f32) {
        let took = (ticks as f64 * self.clock.tick_length()) as f32;
        self.cold.called(op, took, recorded);
    }

    /// By how many ticks the wait in an op made computing longer, as far as it was not told yet.
    #[inline]
    pub fn take_lost(&mut self) -> Option<(usize, u64)> {
        self.cold.take_lost()
    }

    fn ticks(&self, nanoseconds: u64) -> f64 {
        nanoseconds as f64 / self.clock.tick_length()
    }

    /// So many ticks are to be taken from computing that comes.
    fn owe(&mut self, ticks: f64) {
        self.debt = (self.debt + ticks).min(self.most_debt());
    }

    fn most_debt(&self) -> f64 {
        DEBT_STEPS * self.longest_step
    }

    fn is_stopped(&self) -> bool {
        self.stops.iter().any(|stop| stop.load(Ordering::Relaxed))
    }

    /// Computes what took so many recorded nanoseconds; what other threads take meanwhile doesn't
    /// count, nor what a wait before it makes longer. What the replay itself did since `begin`
    /// (waking other lanes, which the tool's calls did, too) does; what is more of it than is to be
    /// computed is taken from what comes later. Gives the time at the end, earlier if it is
    /// stopped.
    #[inline]
    pub fn burn(&mut self, begin: u64, nanoseconds: f32) -> u64 {
        self.debt -= f64::from(nanoseconds) * self.ticks_per_nanosecond * self.computing;
        let mut last = begin;
        // The replay's own doing comes first.
        let mut reads = false;
        loop {
            let now = self.clock.ticks();
            let mut step = (now.saturating_sub(last) as f64).min(self.longest_step);
            if reads && step < self.longest_step {
                step = self.cold.took(step);
            }
            self.computed += step;
            self.owe(step);
            last = now;
            if self.debt >= 0.0 {
                return last;
            }
            reads = self.cold.come_back();
            self.looks += 1;
            if self.looks >= LOOKS {
                self.looks = 0;
                if self.is_stopped() {
                    return last;
                }
            }
        }
    }

    /// Ticks of processor time that were spent computing so far, but for what waits made longer.
    pub fn computed(&self) -> u64 {
        self.computed as u64
    }

    /// How long to ask the kernel for a sleep that is to take so many nanoseconds of the tool's
    /// time.
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

    const MICROSECOND: f32 = 1e3;

    fn pacer(stop: &AtomicBool) -> Pacer<'_> {
        Pacer::new(Clock::start(), 1.0, 1.0, [stop, stop])
    }

    /// A moment, microseconds ago.
    fn ago(pacer: &Pacer<'_>, microseconds: u64) -> u64 {
        pacer.clock.ticks() - pacer.ticks(microseconds * 1000) as u64
    }

    #[test]
    fn what_the_replay_took_itself_is_taken_from_what_follows() {
        let never = AtomicBool::new(false);
        let mut pacer = pacer(&never);
        let begin = ago(&pacer, 5);
        pacer.burn(begin, 2.0 * MICROSECOND);
        assert!(pacer.debt >= pacer.ticks(2999), "{}", pacer.debt);
        // It is paid by what comes next, and adds up.
        let before = pacer.debt;
        pacer.burn(pacer.clock.ticks(), 2.0 * MICROSECOND);
        assert!(pacer.debt >= before - pacer.ticks(2001), "{}", pacer.debt);
        let begin = ago(&pacer, 5);
        pacer.burn(begin, 0.0);
        assert!(pacer.debt >= pacer.ticks(5900), "{}", pacer.debt);
    }

    #[test]
    fn while_others_have_the_processor_nothing_is_computed() {
        let never = AtomicBool::new(false);
        let mut pacer = pacer(&never);
        let (begin, now) = (ago(&pacer, 1_000_000), pacer.clock.ticks());
        let end = pacer.burn(begin, 50.0 * MICROSECOND);
        let most = pacer.ticks(LONGEST_STEP as u64);
        assert!((end - now) as f64 + most >= pacer.ticks(49_999));
        // Of what they took, no more than a step is held to be the lane's own.
        let computed = pacer.computed() as f64;
        assert!(computed <= (end - now) as f64 + most);
        assert!(computed >= pacer.ticks(49_999));
    }

    #[test]
    fn recorded_computing_is_multiplied_and_sleep_is_not() {
        let never = AtomicBool::new(false);
        let mut pacer = Pacer::new(Clock::start(), 1.0, 3.0, [&never, &never]);
        let begin = pacer.clock.ticks();
        let end = pacer.burn(begin, 100.0 * MICROSECOND);
        assert!((end - begin) as f64 >= pacer.ticks(299_999));
        // The counter's speed is measured: a nanosecond may be lost.
        let asked = pacer.asked(255_000.0).as_nanos();
        assert!((199_000..=201_000).contains(&asked), "{asked}");
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
    fn a_stop_ends_it() {
        let stop = AtomicBool::new(true);
        let mut pacer = pacer(&stop);
        // An hour.
        pacer.burn(pacer.clock.ticks(), 3600e9);
        assert!(pacer.debt < 0.0);
    }
}

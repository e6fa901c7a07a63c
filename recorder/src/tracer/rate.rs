//! The processor's counter beside the clock.

use std::time::Duration;

use fsreplay_inside::arch;

use crate::arch::has_steady_counter;
use crate::sys;

/// For so long at least the processor's counter is compared with the clock, nanoseconds: a thousand
/// times as long as reading both, which is enough for a bound. Each look compares anew.
const COMPARED: u64 = 100_000;
/// So often at most both are read for one moment.
const READINGS: usize = 8;

/// Counter and clock at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    ticks: u64,
    time: u64,
}

/// Reads counter and clock together.
#[derive(Clone, Copy, Debug, Default)]
struct Reader {
    /// The fewest ticks that ever passed while the clock was read.
    narrowest: Option<u64>,
}

impl Reader {
    /// The clock, between two readings of the counter. Where something else ran in between, the
    /// two are apart by that, so both are read anew unless it took about as long as ever.
    fn read(&mut self, mut counter: impl FnMut() -> u64, mut clock: impl FnMut() -> u64) -> Moment {
        let mut best = (u64::MAX, Moment { ticks: 0, time: 0 });
        for _ in 0..READINGS {
            let before = counter();
            let time = clock();
            let apart = counter().saturating_sub(before);
            if apart < best.0 {
                let ticks = before + apart / 2;
                best = (apart, Moment { ticks, time });
            }
            if self.narrowest.is_some_and(|least| apart <= least * 2) {
                break;
            }
        }
        let (apart, moment) = best;
        let least = self.narrowest.unwrap_or(u64::MAX);
        self.narrowest = Some(least.min(apart));
        moment
    }

    fn now(&mut self) -> Moment {
        self.read(arch::ticks, sys::now)
    }
}

/// How fast the processor's counter runs.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    reader: Reader,
    begin: Moment,
    per_tick: f64,
}

impl Rate {
    /// Begins to compare. `None` where this machine can't record inside: processors whose counters
    /// don't agree with the clock, or a kernel that doesn't let programs have what it takes.
    pub fn begin() -> Option<Rate> {
        let possible = fsreplay_inside::is_supported() && has_steady_counter();
        possible.then(|| {
            let mut reader = Reader::default();
            let begin = reader.now();
            Rate {
                reader,
                begin,
                per_tick: 1.0,
            }
        })
    }

    /// Has compared for long enough.
    pub fn measure(mut self) -> Rate {
        while sys::now() - self.begin.time < COMPARED {
            std::hint::spin_loop();
        }
        self.look();
        self
    }

    /// Compares anew, and gives the moment at which it did.
    pub fn look(&mut self) -> Moment {
        let now = self.reader.now();
        let passed = now.ticks.saturating_sub(self.begin.ticks);
        if passed > 0 {
            self.per_tick = now.time.saturating_sub(self.begin.time) as f64 / passed as f64;
        }
        now
    }

    /// So many ticks pass in that time.
    pub fn ticks_in(&self, time: Duration) -> u64 {
        (time.as_nanos() as f64 / self.per_tick) as u64
    }

    /// Nanoseconds of a tick, times 2^32.
    pub fn of_tick(&self) -> u64 {
        (self.per_tick * 2f64.powi(32)) as u64
    }

    /// What the clock showed when the counter showed that, some time before a moment: nanoseconds.
    pub fn time_of(&self, ticks: u64, before: Moment) -> u64 {
        let ago = before.ticks.saturating_sub(ticks) as f64 * self.per_tick;
        before.time.saturating_sub(ago as u64)
    }
}

impl Moment {
    /// The counter.
    pub fn ticks(self) -> u64 {
        self.ticks
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A counter of two ticks a nanosecond, each reading of which takes 10 ns, and a clock, which
    /// takes 20. `interrupted` says before which readings of the clock something else runs for
    /// 3 ms.
    fn moment(reader: &mut Reader, now: &Cell<u64>, interrupted: &[usize]) -> Moment {
        let readings = Cell::new(0);
        let counter = || {
            now.set(now.get() + 10);
            now.get() * 2
        };
        let clock = || {
            if interrupted.contains(&readings.get()) {
                now.set(now.get() + 3_000_000);
            }
            readings.set(readings.get() + 1);
            now.set(now.get() + 20);
            now.get()
        };
        reader.read(counter, clock)
    }

    #[test]
    fn what_interrupts_between_counter_and_clock_moves_no_event() {
        let (mut reader, now) = (Reader::default(), Cell::new(1_000_000));
        let begin = moment(&mut reader, &now, &[0, 2, 3]);
        for interrupted in [&[][..], &[0], &[0, 1, 2, 3], &[0, 1, 2, 3, 4, 5, 6]] {
            now.set(now.get() + 1_000_000);
            let at = now.get();
            let end = moment(&mut reader, &now, interrupted);
            let per_tick = (end.time - begin.time) as f64 / (end.ticks - begin.ticks) as f64;
            let rate = Rate {
                reader,
                begin,
                per_tick,
            };
            let off = rate.time_of(at * 2, end).abs_diff(at);
            assert!(off < 50, "{interrupted:?}: {off} ns off");
        }
    }

    #[test]
    fn nothing_is_read_twice_while_nothing_interrupts() {
        let (mut reader, now) = (Reader::default(), Cell::new(1_000_000));
        moment(&mut reader, &now, &[]);
        let before = now.get();
        moment(&mut reader, &now, &[]);
        assert_eq!(now.get() - before, 40);
    }
}

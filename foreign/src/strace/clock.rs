//! One clock for all lines of a log, whatever form their times have.

use super::line::{Stamp, Time};

/// A time that goes back by more than half a day has passed midnight.
const HALF_DAY: u64 = 12 * 3_600_000_000_000;

/// The clock of a log: nanoseconds, from where the log's own times begin.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    now: u64,
    first: Option<u64>,
    last_of_day: u64,
    midnights: u64,
    started: Option<i64>,
    relative: bool,
}

impl Clock {
    /// When a line was printed; without a time, when what the lines before tell was over.
    pub fn tell(&mut self, time: Option<Time>) -> u64 {
        let told = match time.map(|time| time.stamp) {
            None => self.now,
            Some(Stamp::Epoch(time)) => {
                let seconds = i64::try_from(time / 1_000_000_000).ok();
                self.started = self.started.or(seconds);
                time
            }
            Some(Stamp::OfDay(time)) => {
                if self.last_of_day.saturating_sub(time) > HALF_DAY {
                    self.midnights += 1;
                }
                self.last_of_day = time;
                time.saturating_add(self.midnights.saturating_mul(2 * HALF_DAY))
            }
            // The first line's is 0 or what passed since something else.
            Some(Stamp::Relative(_)) if self.first.is_none() => {
                self.relative = true;
                0
            }
            Some(Stamp::Relative(passed)) => self.last_of_day.saturating_add(passed),
        };
        if let Some(Stamp::Relative(_)) = time.map(|time| time.stamp) {
            self.last_of_day = told;
        }
        if time.is_some() {
            self.first.get_or_insert(told);
            self.now = told;
        }
        told
    }

    /// The last moment that is known.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Something was over at that moment. Where lines have no times, the next begins then.
    pub fn pass(&mut self, moment: u64) {
        if self.first.is_none() {
            self.now = self.now.max(moment);
        }
    }

    /// The first line's time, if it has one.
    pub fn first(&self) -> Option<u64> {
        self.first
    }

    /// Seconds since the epoch at the first line, if it tells.
    pub fn started(&self) -> Option<i64> {
        self.started
    }

    /// Whether lines tell a time that those of other logs can be compared with.
    pub fn is_absolute(&self) -> bool {
        self.first.is_some() && !self.relative
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(stamp: Stamp) -> Option<Time> {
        Some(Time {
            stamp,
            coarse: false,
        })
    }

    #[test]
    fn midnight_is_passed_and_not_gone_back_over() {
        let mut clock = Clock::default();
        let late = clock.tell(at(Stamp::OfDay(2 * HALF_DAY - 5)));
        let early = clock.tell(at(Stamp::OfDay(5)));
        assert_eq!(early - late, 10);
        // A line may be printed a little after a later one.
        assert_eq!(clock.tell(at(Stamp::OfDay(3))), early - 2);
        assert!(clock.is_absolute());
    }

    #[test]
    fn times_since_the_line_before_add_up() {
        let mut clock = Clock::default();
        let times = [9, 100, 50].map(|time| clock.tell(at(Stamp::Relative(time))));
        assert_eq!(times, [0, 100, 150]);
        assert!(!clock.is_absolute());
    }

    #[test]
    fn without_times_calls_follow_each_other() {
        let mut clock = Clock::default();
        assert_eq!(clock.tell(None), 0);
        clock.pass(700);
        assert_eq!(clock.tell(None), 700);
    }
}

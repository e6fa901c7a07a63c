//! How many calls are made inside the tool, beside those that stop it: how often to look at the
//! former, and where the recorder had better run.

use std::time::Duration;

/// Between two looks while few calls are made inside.
const SELDOM: Duration = Duration::from_millis(2);
/// While there are many. In that time no task fills its memory for events.
const OFTEN: Duration = Duration::from_micros(400);
/// So many at a look after the long time are many, and so few after the short one are few.
const MANY: u128 = 64;
/// See [`MANY`].
const FEW: u128 = 8;
/// So many at one look: the next is at once.
const FLOOD: usize = 512;
/// Calls of both kinds over which a share is told.
const WINDOW: u64 = 512;
/// Where so many times as many calls are inside as stop, stops matter little.
const MOSTLY: u64 = 8;

/// What was seen lately.
#[derive(Debug, Default)]
pub struct Flow {
    /// Found at the last look.
    found: usize,
    /// Found since it was judged last how often to look.
    since: usize,
    /// When that was, nanoseconds.
    judged: u64,
    often: bool,
    inside: u64,
    stops: u64,
}

impl Flow {
    /// A task stopped.
    pub fn stop(&mut self) {
        self.stops += 1;
    }

    /// So many calls were found at a look.
    pub fn found(&mut self, count: usize) {
        self.found = count;
        self.since += count;
        self.inside += count as u64;
    }

    /// Whether to look again at once, without waiting.
    pub fn is_flood(&self) -> bool {
        self.found >= FLOOD
    }

    /// How long to wait from `now` on, nanoseconds, if that is another time than before.
    ///
    /// It is judged by what a whole wait brought: a stop is a look as well, and the one right after
    /// it finds nothing while calls are many.
    pub fn other_period(&mut self, now: u64) -> Option<Duration> {
        let passed = u128::from(now.saturating_sub(self.judged));
        let period = self.period().as_nanos();
        if passed < period {
            return None;
        }
        let found = std::mem::take(&mut self.since) as u128 * period / passed;
        self.judged = now;
        let often = found >= if self.often { FEW } else { MANY };
        let changed = std::mem::replace(&mut self.often, often) != often;
        changed.then(|| self.period())
    }

    /// How long to wait between looks.
    pub fn period(&self) -> Duration {
        if self.often { OFTEN } else { SELDOM }
    }

    /// Whether most calls of the last while were inside: told once for each such while.
    pub fn is_mostly_inside(&mut self) -> bool {
        if self.inside + self.stops < WINDOW {
            return false;
        }
        let mostly = self.inside > MOSTLY * self.stops;
        (self.inside, self.stops) = (0, 0);
        mostly
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: u64 = OFTEN.as_nanos() as u64;
    const LONG: u64 = SELDOM.as_nanos() as u64;

    #[test]
    fn looks_are_more_often_while_calls_are_many() {
        let mut flow = Flow::default();
        flow.found(63);
        assert_eq!(flow.other_period(LONG), None);
        flow.found(64);
        assert_eq!(flow.other_period(2 * LONG), Some(OFTEN));
        flow.found(8);
        assert_eq!(flow.other_period(2 * LONG + SHORT), None);
        flow.found(8);
        assert_eq!(flow.other_period(2 * LONG + 3 * SHORT), Some(SELDOM));
        assert!(!flow.is_flood());
        flow.found(FLOOD);
        assert!(flow.is_flood());
    }

    #[test]
    fn looks_that_follow_each_other_at_once_are_one() {
        let mut flow = Flow::default();
        flow.found(1024);
        assert_eq!(flow.other_period(LONG), Some(OFTEN));
        for turn in 1..10 {
            // The ring was full: a stop at the entry of a call, and one at its exit.
            flow.found(1024);
            assert_eq!(flow.other_period(LONG + turn * SHORT), None);
            flow.found(0);
            assert_eq!(flow.other_period(LONG + turn * SHORT + 1000), None);
        }
    }

    #[test]
    fn a_share_is_told_once_for_each_while() {
        let mut flow = Flow::default();
        flow.found(500);
        assert!(!flow.is_mostly_inside());
        (0..12).for_each(|_| flow.stop());
        assert!(flow.is_mostly_inside());
        assert!(!flow.is_mostly_inside());
        flow.found(450);
        (0..62).for_each(|_| flow.stop());
        assert!(!flow.is_mostly_inside());
    }
}

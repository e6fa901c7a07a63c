//! When events returned: how many had done so when a call was entered that is told of later.

use std::collections::VecDeque;

/// So many of the latest are kept one by one.
const RECENT: usize = 1 << 16;
/// Of those before, one in so many.
const STRIDE: u64 = 1 << 10;

/// The moments at which events returned, in the order in which they were written.
#[derive(Debug, Default)]
pub struct Returned {
    /// The latest, ascending.
    recent: VecDeque<u64>,
    /// A moment, and how many had returned by then.
    marks: Vec<(u64, u64)>,
    events: u64,
}

impl Returned {
    /// Events so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// When the last one returned.
    pub fn latest(&self) -> u64 {
        self.recent.back().copied().unwrap_or(0)
    }

    /// An event returned at that moment. One that is written late (a call that was interrupted and
    /// not made again) counts as returned when the last one before it did.
    pub fn push(&mut self, moment: u64) {
        let latest = self.latest();
        if self.recent.len() == RECENT
            && let Some(oldest) = self.recent.pop_front()
        {
            let left = self.events - self.recent.len() as u64;
            if left.is_multiple_of(STRIDE) {
                self.marks.push((oldest, left));
            }
        }
        self.recent.push_back(moment.max(latest));
        self.events += 1;
    }

    /// How many events had returned by a moment; of one that is long ago, no more than that and as
    /// exact as the marks are.
    pub fn before(&self, moment: u64) -> u64 {
        if self.recent.back().is_none_or(|latest| *latest <= moment) {
            return self.events;
        }
        let older = self.events - self.recent.len() as u64;
        let recent = self.recent.partition_point(|exit| *exit <= moment) as u64;
        if recent > 0 || older == 0 {
            return older + recent;
        }
        let mark = self.marks.partition_point(|(time, _)| *time <= moment);
        mark.checked_sub(1).map_or(0, |mark| self.marks[mark].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_returned_before_a_moment_is_counted_and_never_too_much() {
        let mut returned = Returned::default();
        assert_eq!(returned.before(0), 0);
        let events = 3 * RECENT as u64;
        for number in 1..=events {
            returned.push(number * 10);
        }
        assert_eq!(returned.before(u64::MAX), events);
        let exact = events - RECENT as u64 + 1;
        for moment in [exact, exact + 77, events - 1, events] {
            assert_eq!(returned.before(moment * 10), moment);
            assert_eq!(returned.before(moment * 10 + 9), moment);
            assert_eq!(returned.before(moment * 10 - 1), moment - 1, "{moment}");
        }
        for moment in [0, 1, STRIDE, STRIDE + 5, 2 * RECENT as u64 - 1] {
            let told = returned.before(moment * 10);
            assert!(told <= moment && moment - told < STRIDE, "{moment} {told}");
        }
    }

    #[test]
    fn an_event_that_is_written_late_does_not_turn_the_order_round() {
        let mut returned = Returned::default();
        for moment in [10, 50, 20, 60] {
            returned.push(moment);
        }
        assert_eq!(returned.before(20), 1);
        assert_eq!(returned.before(50), 3);
        assert_eq!(returned.before(59), 3);
        assert_eq!(returned.before(60), 4);
    }
}

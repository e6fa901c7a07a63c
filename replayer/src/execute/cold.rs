//! What a wait takes from the processor's caches.
//!
//! A task that waits for a server, a disk or another machine finds its memory gone from the caches:
//! the server ran there, or the task woke on another processor. Its own computing takes longer
//! then, which is a good part of what a FUSE mount costs a tool (`docs/accuracy.md`).
//!
//! So after a call that waited, computing is reading a ring of lines once, from its beginning, each
//! of which names the next. Where they are in the caches, that takes the time that it stands for.
//! Else it takes longer, and what it takes longer is what the wait cost. Where the call took about
//! as long when it was recorded, the recorded computing holds that already.

use std::hint::black_box;
use std::sync::LazyLock;

use fsreplay_measure::simulated::Chance;

use super::clock::Clock;
use super::lane::LINE;

/// Lines of a ring: half a megabyte, which is more than the first level of caches holds, and no
/// more than the second of most.
const LINES: usize = (512 << 10) / LINE;
/// Rings. Lanes that share a processor take memory of each other's from its caches, as tasks do.
const RINGS: usize = 16;
/// Lines that are read between two looks at the clock.
const CHUNK: usize = 16;
/// How often the ring is read to see what a chunk takes where it is in the caches: the shortest
/// time counts.
const TRIES: usize = 12;
/// A call that takes so much longer than when it was recorded may have waited, nanoseconds: to wake
/// a task takes some microseconds.
const WAITED: f32 = 10_000.0;

/// One after the other, and never written to.
static ALL: LazyLock<Vec<Line>> = LazyLock::new(|| ring().repeat(RINGS));

/// A line names the next one.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(u32);

/// The ring goes through all lines, in an order that no processor guesses.
fn ring() -> Vec<Line> {
    let mut order: Vec<u32> = (0..LINES as u32).collect();
    let mut chance = Chance::new(0);
    for at in (1..LINES).rev() {
        order.swap(at, (chance.even() * (at + 1) as f64) as usize);
    }
    let mut ring = vec![Line(0); LINES];
    let next = order.iter().cycle().skip(1);
    for (at, next) in order.iter().zip(next) {
        ring[*at as usize] = Line(*next);
    }
    ring
}

/// Reads the lines after `at`; gives the last one.
fn read(ring: &[Line], at: u32) -> u32 {
    let chunk = 0..CHUNK;
    black_box(chunk.fold(at, |at, _| ring[at as usize].0))
}

/// What of its memory a lane has come back to since it waited.
#[derive(Clone)]
pub struct Cold {
    ring: &'static [Line],
    /// The last line that was read.
    at: u32,
    /// Lines that it has not come back to.
    left: usize,
    /// What a chunk takes where it is in the caches, ticks.
    warm: f64,
    /// What more they took, and was not told yet, ticks.
    lost: f64,
    /// The op in which it waited.
    waited: usize,
}

impl Cold {
    /// Of a lane that has it all.
    pub fn none(clock: Clock) -> Cold {
        let ring = &ALL[..LINES];
        let whole = |_| {
            let begin = clock.ticks();
            let mut end = begin;
            (0..LINES / CHUNK).fold(0, |at, _| {
                end = clock.ticks();
                read(ring, at)
            });
            end.saturating_sub(begin)
        };
        let shortest = (0..TRIES).map(whole).min().unwrap_or(0);
        Cold {
            ring,
            at: 0,
            left: 0,
            warm: shortest as f64 / (LINES / CHUNK) as f64,
            lost: 0.0,
            waited: 0,
        }
    }

    /// The same of the lane with that number.
    pub fn of_lane(self, lane: usize) -> Cold {
        let begin = lane % RINGS * LINES;
        Cold {
            ring: &ALL[begin..begin + LINES],
            ..self
        }
    }

    /// An op took so many nanoseconds, and so many when it was recorded. If it waited, nothing may
    /// be in the caches any more.
    #[inline]
    pub fn called(&mut self, op: usize, took: f32, recorded: f32) {
        if took > recorded + WAITED {
            (self.at, self.left, self.waited) = (0, LINES, op);
        }
    }

    /// Reads a chunk of what is left. Gives whether there was one.
    #[inline]
    pub fn come_back(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        self.at = read(self.ring, self.at);
        self.left -= CHUNK;
        true
    }

    /// The chunk took so many ticks. Gives how many it stands for.
    #[inline]
    pub fn took(&mut self, ticks: f64) -> f64 {
        self.lost += ticks - self.warm;
        self.warm
    }

    /// The op that waited, and what was lost by that and was not told yet, ticks.
    #[inline]
    pub fn take_lost(&mut self) -> Option<(usize, u64)> {
        let whole = self.lost.floor();
        if whole < 1.0 {
            return None;
        }
        self.lost -= whole;
        Some((self.waited, whole as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_goes_through_each_line_once() {
        let mut seen = vec![false; LINES];
        let mut at = 0;
        for _ in 0..LINES {
            assert!(!std::mem::replace(&mut seen[at as usize], true));
            at = ALL[at as usize].0;
        }
        assert_eq!(at, 0);
    }

    #[test]
    fn a_lane_comes_back_to_all_lines_once_after_each_wait() {
        let mut cold = Cold::none(Clock::start());
        assert!(cold.warm > 0.0 && cold.warm.is_finite(), "{}", cold.warm);
        assert!(!cold.come_back());
        for _ in 0..2 {
            cold.called(3, 90_000.0, 1_000.0);
            for _ in 0..LINES / CHUNK {
                assert!(cold.come_back());
            }
            assert!(!cold.come_back());
        }
    }

    #[test]
    fn what_took_as_long_when_it_was_recorded_is_no_wait() {
        let mut cold = Cold::none(Clock::start());
        for (took, recorded) in [(9_000.0, 0.0), (90_000.0, 85_000.0), (1_000.0, 90_000.0)] {
            cold.called(3, took, recorded);
            assert!(!cold.come_back(), "{took} {recorded}");
        }
    }

    #[test]
    fn what_took_longer_is_lost_by_the_op_that_waited() {
        let mut cold = Cold {
            warm: 10.0,
            ..Cold::none(Clock::start())
        };
        cold.called(7, 90_000.0, 1_000.0);
        assert_eq!((cold.took(25.0), cold.took(8.0)), (10.0, 10.0));
        assert_eq!(cold.take_lost(), Some((7, 13)));
        assert_eq!(cold.take_lost(), None);
        // What took less is taken from what follows.
        cold.took(4.0);
        assert_eq!(cold.take_lost(), None);
        cold.took(19.0);
        assert_eq!(cold.take_lost(), Some((7, 3)));
    }
}

//! What a wait takes from the processor's caches.
//!
//! A task that waits for a server, a disk or another machine finds its memory gone from the caches:
//! the server ran there, or the task woke on another processor. Its own computing takes longer
//! then. Of five tools, what a FUSE mount made them slower was underrated by 21 to 63 % without
//! this (`docs/accuracy.md`).
//!
//! So after a call that waited, computing is reading a ring of lines once, each of which names the
//! next. Where they are in the caches, that takes the time that it stands for. Else it takes
//! longer, and what it takes longer is what the wait cost. Where the call took as long when it was
//! recorded, the recorded computing holds that already.

use std::hint::black_box;
use std::sync::LazyLock;

use super::clock::Clock;

/// Bytes that a processor fetches at a time, or half of that.
const LINE: usize = 64;
/// Lines of the ring: half a megabyte, which is more than the first level of caches holds, and no
/// more than the second of most.
const LINES: usize = (512 << 10) / LINE;
/// Lines that are read between two looks at the clock.
const CHUNK: usize = 16;
/// How often the ring is read to see what a chunk takes where it is in the caches: the shortest
/// time counts.
const TRIES: usize = 12;
/// A call that takes longer may have waited, nanoseconds: to wake a task takes some microseconds.
const WAITED: f32 = 10_000.0;

/// One for all lanes, and never written to.
static RING: LazyLock<Vec<Line>> = LazyLock::new(ring);

/// A line names the next one.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(u32);

/// The ring goes through all lines, in an order that no processor guesses.
fn ring() -> Vec<Line> {
    let mut order: Vec<u32> = (0..LINES as u32).collect();
    // A linear congruential generator (Press et al., "Numerical Recipes"): chance is not needed.
    let mut state = 1u32;
    for at in (1..LINES).rev() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        order.swap(at, (state >> 8) as usize % (at + 1));
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

/// Whether a call that took so many nanoseconds may have waited.
pub fn may_have_waited(nanoseconds: f32) -> bool {
    nanoseconds > WAITED
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
    /// What more they took since the last time that was asked, ticks.
    lost: f64,
}

impl Cold {
    /// Of a lane that has it all.
    pub fn none(clock: Clock) -> Cold {
        let ring = RING.as_slice();
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
        }
    }

    /// It waited: nothing may be in the caches any more.
    pub fn forget(&mut self) {
        self.left = LINES;
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

    /// What was lost since the last time that this was asked, ticks.
    #[inline]
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost).max(0.0) as u64
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
            at = RING[at as usize].0;
        }
        assert_eq!(at, 0);
    }

    #[test]
    fn a_lane_comes_back_to_all_lines_once_after_each_wait() {
        let mut cold = Cold::none(Clock::start());
        assert!(cold.warm > 0.0 && cold.warm.is_finite(), "{}", cold.warm);
        assert!(!cold.come_back());
        for _ in 0..2 {
            cold.forget();
            for _ in 0..LINES / CHUNK {
                assert!(cold.come_back());
            }
            assert!(!cold.come_back());
        }
    }

    #[test]
    fn what_took_longer_is_lost_and_stands_for_no_more() {
        let mut cold = Cold {
            warm: 10.0,
            ..Cold::none(Clock::start())
        };
        assert_eq!((cold.took(25.0), cold.took(8.0)), (10.0, 10.0));
        assert_eq!(cold.take_lost(), 13);
        assert_eq!(cold.take_lost(), 0);
        // A machine that got faster takes nothing from calls.
        cold.took(1.0);
        assert_eq!(cold.take_lost(), 0);
    }
}

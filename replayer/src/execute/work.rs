//! Computing, as work that takes longer where the tool's own would.
//!
//! A recorded microsecond of computing isn't burnt until a microsecond has passed but as the work that a core does in it while nothing slows it. Cores
//! of virtual machines are shared: where a neighbour computes on the other hardware thread, programs take up to 1.6 times as long, for tenths of
//! seconds to minutes. Waiting for the clock would take as long as ever, and predict the tool too short just then.
//!
//! What slows differs by what is done. In half a minute on such a machine, a chain of multiplications took 1.01 to 1.1 times as long as at best (median and
//! 97th percentile), loads, stores and arithmetic that don't wait for each other 1.04 to 2.0, gcc, git and python 1.04 to 1.5. So a unit of work is a mixture.
//! One neighbour isn't as another, nor one program: a replay's time is not that of a run under the same neighbour, but no longer as if there was none.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use fsreplay_trace::model::Processors;

/// Steps of a unit that a neighbour slows, as they fill what a core can do at a time: some 25 of 38 ns.
const BROAD: u32 = 16;
/// And of those that it doesn't: each needs what the one before gave.
const CHAIN: u32 = 10;
/// Words that are worked on; few, so that what a call left in the caches stays there.
const WORDS: usize = 128;
/// Units of a try to find out what one takes: some 15 µs.
const TRY: u32 = 400;
/// Tries, of which the shortest counts.
const TRIES: u32 = 25;
/// Tries before the first that counts: processors at rest begin slowly.
const WARM: u32 = 100;

/// Number of this work: another one would take another time, and so does this one where the compiler doesn't make the best of it. It goes up by two when
/// [`Work::run`] changes.
const WORK: u32 = 2 + cfg!(debug_assertions) as u32;
/// Cores that neighbours slow by more weren't seen.
pub const MOST_SLOWED: f64 = 2.5;

/// The shortest time that a unit was seen to take, femtoseconds.
static SHORTEST: AtomicU64 = AtomicU64::new(u64::MAX);

/// What a lane works on.
#[derive(Clone)]
pub struct Work {
    words: [u32; WORDS],
    sum: u32,
    at: u32,
    other: u32,
    to: u32,
}

impl Work {
    pub fn new() -> Work {
        let mut words = [0; WORDS];
        for (word, number) in words.iter_mut().zip(1u32..) {
            *word = number.wrapping_mul(2_654_435_761) >> 7;
        }
        Work {
            words,
            sum: 1,
            at: 1,
            other: 7,
            to: 0,
        }
    }

    /// Units done so far, until their number wraps.
    #[cfg(test)]
    pub fn done(&self) -> u32 {
        self.to / BROAD
    }

    /// Does so many units.
    #[inline(never)]
    pub fn run(&mut self, units: u32) {
        const MASK: usize = WORDS - 1;
        let Work {
            sum, at, other, to, ..
        } = *self;
        let (mut sum, mut at, mut other, mut to) = (sum, at, other, to);
        for _ in 0..units {
            for step in 0..BROAD {
                let one = self.words[(at >> 9) as usize & MASK];
                let two = self.words[(other >> 4) as usize & MASK];
                at = at.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                other = other.wrapping_add(0x9E37) ^ (step << 2);
                sum = match at & 0x8000 {
                    0 => sum.wrapping_add(one),
                    _ => (sum ^ two).rotate_left(3),
                };
                self.words[to as usize & MASK] = one.wrapping_add(two);
                to = to.wrapping_add(1);
            }
            for step in 0..CHAIN {
                sum = sum.wrapping_mul(0x9E37_79B1) ^ step;
            }
        }
        (self.sum, self.at, self.other, self.to) = (sum, at, other, to);
    }
}

/// What a unit takes on a core that nothing slows, nanoseconds: the shortest time seen so far, after half a millisecond of looking again. Where all looks
/// so far met a slowed core, it is too long.
pub fn nanoseconds_per_unit() -> f64 {
    let mut work = Work::new();
    if SHORTEST.load(Ordering::Relaxed) == u64::MAX {
        work.run(WARM * TRY);
    }
    let tries = (0..TRIES).map(|_| {
        let begin = Instant::now();
        work.run(TRY);
        begin.elapsed().as_nanos() as u64 * 1_000_000 / u64::from(TRY)
    });
    let shortest = shortest_of(tries.collect());
    black_box(work.sum);
    SHORTEST.fetch_min(shortest, Ordering::Relaxed);
    SHORTEST.load(Ordering::Relaxed) as f64 / 1e6
}

/// The shortest of times that the same work took, at least 1. A clock that stood still, or went back, isn't the shortest.
pub(super) fn shortest_of(mut times: Vec<u64>) -> u64 {
    times.sort_unstable();
    let typical = times.get(times.len() / 2).copied().unwrap_or_default();
    let shortest = times.into_iter().find(|time| *time > typical / 2);
    shortest.unwrap_or(typical).max(1)
}

/// What is known of this machine's processors, of which a unit takes so long, nanoseconds, and that were so slowed while something was recorded.
pub fn processors(unit: f64, slowness: f64) -> Processors {
    Processors {
        slowness,
        unit,
        work: WORK,
        boot: boot_id(),
    }
}

/// What a unit takes, if that was found out on this machine; else a shorter time than seen here may be another processor's.
pub fn unit_here(processors: &Processors) -> Option<f64> {
    let here = processors.work == WORK && !processors.boot.is_empty();
    let here = here && processors.boot == boot_id();
    let seen = nanoseconds_per_unit();
    let likely = seen / MOST_SLOWED..=seen * MOST_SLOWED;
    (here && likely.contains(&processors.unit)).then_some(processors.unit)
}

/// Of the machine since it was started; the same in its containers.
fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    text.unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_unit_takes_is_known_only_of_this_machine_and_work() {
        let (unit, mine) = loop {
            let unit = nanoseconds_per_unit();
            let mine = processors(unit * 0.8, 1.5);
            let known = unit_here(&mine);
            // A core that was slowed until now makes the shortest time another one meanwhile.
            if nanoseconds_per_unit() == unit {
                assert_eq!(known, (!mine.boot.is_empty()).then_some(unit * 0.8));
                break (unit, mine);
            }
        };
        let others = [
            Processors {
                boot: "another".into(),
                ..mine.clone()
            },
            Processors {
                work: WORK + 2,
                ..mine.clone()
            },
            Processors {
                unit: f64::NAN,
                ..mine.clone()
            },
            Processors {
                unit: unit / 100.0,
                ..mine
            },
        ];
        for other in &others {
            assert_eq!(unit_here(other), None, "{other:?}");
        }
    }

    #[test]
    fn each_unit_is_done_and_needs_the_one_before() {
        assert!(nanoseconds_per_unit() > 0.0);
        let [mut whole, mut parts, mut less] = [Work::new(), Work::new(), Work::new()];
        whole.run(TRY);
        less.run(TRY - 1);
        for _ in 0..TRY {
            parts.run(1);
        }
        assert_eq!(
            [whole.done(), parts.done(), less.done()],
            [TRY, TRY, TRY - 1]
        );
        assert_eq!((whole.sum, whole.words), (parts.sum, parts.words));
        assert_ne!((whole.sum, whole.words), (less.sum, less.words));
    }
}

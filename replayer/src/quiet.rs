//! Whether something else disturbed a run.
//!
//! A virtual processor shares a core with those of other machines. What they do can't be seen from here, but felt: on a machine where this was looked
//! into, `cp -a` of 1,200 files took 22 or 33 ms, nothing between, for seconds at a time. A fixed piece of work done before and after a run tells which of
//! these it was (1,500 stats: 1.6 or 2.9 ms). It sees cores that got slower, by their neighbours or their frequency, not processors that others take
//! their turns on: it is shorter than a turn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Processors that are looked at.
const MOST_PROCESSORS: usize = 4;
/// Tries, of which the shortest counts: an interrupt is no disturbance.
const TRIES: usize = 3;
/// Files opened, looked at and closed in a try: some tenths of a millisecond.
const FILES: usize = 200;
/// No further try after this: where calls are emulated, each takes long.
const ENOUGH: Duration = Duration::from_millis(5);
/// Looks that a watch compares with.
const REMEMBERED: usize = 100;
/// The share of looks that are shorter than what short ones take.
const LUCKY: f64 = 0.1;
/// A look that takes longer than short ones by this is a disturbed one.
const DISTURBED: f64 = 1.2;
/// So long is waited for quiet.
const PATIENCE: Duration = Duration::from_millis(500);
/// Between two looks while waiting for quiet.
const PAUSE: Duration = Duration::from_millis(50);

/// What a fixed piece of work takes on each processor, seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look(Vec<f64>);

impl Look {
    /// Does it now, in a thread of its own: some milliseconds.
    pub fn take() -> Look {
        let thread = std::thread::Builder::new().spawn(|| {
            let allowed = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
            let allowed = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
            allowed.take(MOST_PROCESSORS).map(on_processor).collect()
        });
        // One that can't be taken tells nothing.
        let looks = thread.ok().and_then(|thread| thread.join().ok());
        Look(looks.unwrap_or_default())
    }

    /// What was the longer on each processor.
    #[must_use]
    pub fn and(mut self, other: &Look) -> Look {
        self.0.resize(self.0.len().max(other.0.len()), f64::NAN);
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = mine.max(*theirs);
        }
        self
    }
}

/// Waits for quiet.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    looks: Vec<Look>,
}

impl Watch {
    /// Waits until nothing disturbs, but no longer than [`PATIENCE`] or until `stop`. Gives what was seen last.
    pub fn wait(&mut self, stop: &AtomicBool) -> Look {
        let begin = Instant::now();
        loop {
            let look = Look::take();
            let is_late = begin.elapsed() >= PATIENCE || stop.load(Ordering::Relaxed);
            if !self.is_disturbed(&look) || is_late {
                return look;
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn is_disturbed(&mut self, look: &Look) -> bool {
        if self.looks.len() == REMEMBERED {
            self.looks.remove(0);
        }
        self.looks.push(look.clone());
        slowness(look, &short(self.looks.iter())) > DISTURBED
    }
}

/// How many times longer than the shortest it took, on the worst processor.
fn slowness(look: &Look, best: &[f64]) -> f64 {
    let times = look.0.iter().zip(best);
    times.map(|(time, best)| time / best).fold(1.0, f64::max)
}

fn on_processor(cpu: usize) -> f64 {
    let mut one = CpuSet::new();
    one.set(cpu);
    if sched_setaffinity(None, &one).is_err() {
        return f64::NAN;
    }
    let whole = Instant::now();
    let tries = (0..TRIES).take_while(|done| *done == 0 || whole.elapsed() < ENOUGH);
    let tries = tries.map(|_| {
        let begin = Instant::now();
        for _ in 0..FILES {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let file = rustix::fs::open("/dev/null", flags, Mode::empty());
            let _ = file.map(|file| rustix::fs::fstat(&file));
        }
        begin.elapsed().as_secs_f64()
    });
    tries.fold(f64::INFINITY, f64::min)
}

/// Which runs of several series count, by what was seen beside each: those that nothing disturbed, and at least `least` of each series, the least
/// disturbed ones. Series that stand beside each other are judged by the short looks of all of them.
pub fn undisturbed(series: &[Vec<Look>], least: impl Fn(usize) -> usize) -> Vec<Vec<bool>> {
    let best = short(series.iter().flatten());
    let of_one = |looks: &Vec<Look>| {
        let mut sorted: Vec<f64> = looks.iter().map(|look| slowness(look, &best)).collect();
        sorted.sort_by(f64::total_cmp);
        let last = least(looks.len()).min(looks.len()).checked_sub(1);
        let most = last.map_or(DISTURBED, |last| sorted[last].max(DISTURBED));
        let counts = looks.iter().map(|look| slowness(look, &best) <= most);
        counts.collect()
    };
    series.iter().map(of_one).collect()
}

/// How many of so many rounds count however disturbed they are: fewer than six are too few to tell a difference from chance.
pub fn least_rounds(of: usize) -> usize {
    of.min(6).max(of.div_ceil(2))
}

/// What short looks take on each processor; the very shortest may have been lucky.
fn short<'l>(looks: impl Iterator<Item = &'l Look>) -> Vec<f64> {
    let mut times: Vec<Vec<f64>> = Vec::new();
    for look in looks {
        times.resize(look.0.len().max(times.len()), Vec::new());
        for (times, time) in times.iter_mut().zip(&look.0) {
            times.push(*time);
        }
    }
    let of_one = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[((times.len() - 1) as f64 * LUCKY) as usize]
    };
    times.into_iter().map(of_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(times: &[(f64, f64)]) -> Vec<Look> {
        let look = |(one, other): &(f64, f64)| Look(vec![*one, *other]);
        times.iter().map(look).collect()
    }

    #[test]
    fn runs_beside_which_work_took_longer_on_any_processor_dont_count() {
        let looks = looks(&[(1.0, 2.0), (1.1, 2.1), (1.5, 2.0), (1.0, 3.2), (1.15, 2.3)]);
        let counts = undisturbed(&[looks], |_| 1);
        assert_eq!(counts, [[true, true, false, false, true]]);
    }

    #[test]
    fn the_least_disturbed_count_where_too_few_are_undisturbed() {
        let looks = looks(&[(1.0, 1.0), (1.6, 1.0), (1.5, 1.0), (1.0, 1.7), (1.0, 1.8)]);
        let counts = undisturbed(&[looks], |_| 2);
        assert_eq!(counts, [[true, false, true, false, false]]);
    }

    #[test]
    fn a_series_that_was_disturbed_throughout_is_seen_beside_another() {
        let (one, other) = (
            looks(&[(1.0, 1.0), (1.0, 1.1)]),
            looks(&[(1.5, 1.0), (1.6, 1.0)]),
        );
        let counts = undisturbed(&[one, other], |_| 1);
        assert_eq!(counts, [[true, true], [true, false]]);
    }

    #[test]
    fn six_rounds_or_half_of_them_count_at_least() {
        let least = [1, 4, 6, 7, 10, 13, 40].map(least_rounds);
        assert_eq!(least, [1, 4, 6, 6, 6, 7, 20]);
    }

    #[test]
    fn a_watch_knows_the_shortest_so_far() {
        let mut watch = Watch::default();
        let looks = looks(&[(2.0, 1.0), (1.0, 1.1), (1.3, 1.0), (1.1, 1.15)]);
        let disturbed = looks.iter().map(|look| watch.is_disturbed(look));
        assert_eq!(disturbed.collect::<Vec<_>>(), [false, false, true, false]);
    }

    #[test]
    fn without_looks_all_count() {
        let looks = vec![Look::default(), Look::default()];
        assert_eq!(
            undisturbed(&[looks, Vec::new()], |_| 0),
            [vec![true, true], vec![]]
        );
    }

    #[test]
    fn a_look_sees_processors_once_and_tells_of_none_that_it_cant_see() {
        let look = Look::take();
        assert!(look.0.len() <= MOST_PROCESSORS);
        assert!(
            look.0.iter().all(|time| time.is_nan() || *time > 0.0),
            "{look:?}"
        );
        let slower = Look(look.0.iter().map(|time| time * 2.0).collect());
        assert_eq!(slowness(&look.and(&slower), &slower.0), 1.0);
    }
}

//! Whether something else disturbed a run.
//!
//! A virtual processor shares a core with those of other machines, and a container with other containers. What they do can't be seen from here, but
//! felt: on a machine where this was looked into, `cp -a` of 1,200 files took 22 or 33 ms, nothing between, for seconds at a time. A fixed piece of work
//! done before and after a run tells which of these it was (1,500 stats: 1.6 or 2.9 ms), whatever the run itself does.

use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Processors that are looked at.
const MOST_PROCESSORS: usize = 4;
/// Tries, of which the shortest counts: an interrupt is no disturbance.
const TRIES: usize = 3;
/// Files opened, looked at and closed in a try: some tenths of a millisecond.
const FILES: usize = 200;
/// A look that takes longer than the shortest of all by this is a disturbed one.
const DISTURBED: f64 = 1.2;
/// At least this share of runs counts, however disturbed all are.
const LEAST_SHARE: f64 = 0.25;
/// As long as a round of a replay waits for quiet.
pub const PATIENCE: Duration = Duration::from_millis(500);
/// Between two looks while waiting for quiet.
const PAUSE: Duration = Duration::from_millis(50);

/// What a fixed piece of work takes on each processor, seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look(Vec<f64>);

impl Look {
    /// Does it now, in a thread of its own: some milliseconds.
    pub fn take() -> Look {
        let thread = std::thread::spawn(|| {
            let allowed = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
            let allowed = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
            allowed.take(MOST_PROCESSORS).map(on_processor).collect()
        });
        // One that can't be taken tells nothing.
        Look(thread.join().unwrap_or_default())
    }

    /// What was the longer on each processor.
    #[must_use]
    pub fn and(mut self, other: &Look) -> Look {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = mine.max(*theirs);
        }
        self
    }
}

/// Waits for quiet.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// The shortest so far, by processor.
    best: Vec<f64>,
}

impl Watch {
    /// Waits until nothing disturbs, but no longer than `most`.
    pub fn wait(&mut self, most: Duration) {
        let begin = Instant::now();
        while self.is_disturbed(&Look::take()) && begin.elapsed() < most {
            std::thread::sleep(PAUSE);
        }
    }

    fn is_disturbed(&mut self, look: &Look) -> bool {
        self.best.resize(look.0.len(), f64::INFINITY);
        for (best, time) in self.best.iter_mut().zip(&look.0) {
            *best = best.min(*time);
        }
        slowness(look, &self.best) > DISTURBED
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
    let tries = (0..TRIES).map(|_| {
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

/// Which runs count, by what was seen beside each: those that nothing disturbed, and at least some.
pub fn undisturbed(looks: &[Look]) -> Vec<bool> {
    let processors = looks.iter().map(|look| look.0.len()).max().unwrap_or(0);
    let times = |cpu: usize| {
        looks
            .iter()
            .filter_map(move |look| look.0.get(cpu).copied())
    };
    let best: Vec<f64> = (0..processors)
        .map(|cpu| times(cpu).fold(f64::INFINITY, f64::min))
        .collect();
    let slowness = |look: &Look| slowness(look, &best);
    let mut sorted: Vec<f64> = looks.iter().map(slowness).collect();
    sorted.sort_by(f64::total_cmp);
    let least = (looks.len() as f64 * LEAST_SHARE).ceil() as usize;
    let most = sorted.get(least.saturating_sub(1)).copied();
    let most = most.unwrap_or(DISTURBED).max(DISTURBED);
    looks.iter().map(|look| slowness(look) <= most).collect()
}

/// Keeps the runs that nothing disturbed. Gives how many were dropped.
pub fn keep_undisturbed<T>(runs: &mut Vec<T>, look: impl Fn(&T) -> &Look) -> usize {
    let looks: Vec<Look> = runs.iter().map(|run| look(run).clone()).collect();
    let mut counts = undisturbed(&looks).into_iter();
    runs.retain(|_| counts.next().unwrap_or(true));
    looks.len() - runs.len()
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
        assert_eq!(undisturbed(&looks), [true, true, false, false, true]);
        let mut runs: Vec<(usize, Look)> = looks.into_iter().enumerate().collect();
        assert_eq!(keep_undisturbed(&mut runs, |(_, look)| look), 2);
        let kept: Vec<usize> = runs.into_iter().map(|(run, _)| run).collect();
        assert_eq!(kept, [0, 1, 4]);
    }

    #[test]
    fn where_all_but_one_are_disturbed_the_least_disturbed_count() {
        let looks = looks(&[(1.0, 1.0), (1.6, 1.0), (1.5, 1.0), (1.0, 1.7), (1.0, 1.8)]);
        assert_eq!(undisturbed(&looks), [true, false, true, false, false]);
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
        assert_eq!(
            undisturbed(&[Look::default(), Look::default()]),
            [true, true]
        );
        assert!(undisturbed(&[]).is_empty());
    }

    #[test]
    fn a_look_sees_each_processor_once() {
        let look = Look::take();
        assert!(!look.0.is_empty() && look.0.len() <= MOST_PROCESSORS);
        assert!(look.0.iter().all(|time| *time > 0.0), "{look:?}");
        let other = Look(look.0.iter().map(|time| time * 2.0).collect());
        assert_eq!(look.and(&other), other);
    }
}

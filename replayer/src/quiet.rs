//! Whether something else disturbed a run.
//!
//! A virtual processor shares a core with those of other machines. What they do can't be seen from here, but felt: on a machine where this was looked
//! into, `cp -a` of 1,200 files took 22 or 33 ms, nothing between, for tenths of seconds or minutes at a time. A small fixed piece of work, done on each
//! processor every few milliseconds while a run goes on, tells which of these it was. It sees cores that got slower, by their neighbours or their
//! frequency, not processors that others take their turns on: it is shorter than a turn.

mod probe;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use probe::Probes;

use crate::execute::pace::sleep;

/// Looks that a watch compares with.
const REMEMBERED: usize = 100;
/// The share of looks that are shorter than what short ones take.
const LUCKY: f64 = 0.1;
/// A look that takes longer than short ones by this is a disturbed one.
const DISTURBED: f64 = 1.1;
/// So long is waited for quiet.
const PATIENCE: Duration = Duration::from_millis(500);
/// Between two looks while waiting for quiet.
const PAUSE: Duration = Duration::from_millis(50);

/// What a fixed piece of work takes on each processor, on average while something ran, nanoseconds; not a number where that could not be told. With it
/// how much each processor was used meanwhile, of all; nothing if that isn't known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    times: Vec<f64>,
    used: Vec<f64>,
}

impl Look {
    /// How it is now: some tenths of a millisecond.
    pub fn take() -> Look {
        Look {
            times: probe::now(),
            used: Vec::new(),
        }
    }
}

impl std::fmt::Display for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let times: Vec<String> = self.times.iter().map(|time| format!("{time:.0}")).collect();
        f.write_str(&times.join("/"))?;
        let used: Vec<String> = self.used.iter().map(|used| format!("{used:.0}")).collect();
        write!(f, " {}", used.join("/"))
    }
}

/// Waits for quiet.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    looks: Vec<Look>,
}

impl Watch {
    /// Does nothing for so long and waits until nothing disturbs, but no longer than [`PATIENCE`] or until `stop`. Looks from then on.
    pub fn rest(&mut self, rest: Duration, stop: &AtomicBool) -> Probes {
        let probes = Probes::begin();
        sleep(rest, || stop.load(Ordering::Relaxed));
        let begin = Instant::now();
        while self.is_disturbed(&Look::take())
            && begin.elapsed() < PATIENCE
            && !stop.load(Ordering::Relaxed)
        {
            std::thread::sleep(PAUSE);
        }
        probes.from_now_on()
    }

    fn is_disturbed(&mut self, look: &Look) -> bool {
        if self.looks.len() == REMEMBERED {
            self.looks.remove(0);
        }
        self.looks.push(look.clone());
        worst(look, &short(self.looks.iter())) > DISTURBED
    }
}

/// How many times as long as the shortest it took, on the average of the processors, by how much each was used; none if that isn't known.
fn slowness(look: &Look, best: &[f64]) -> Option<f64> {
    let each = look.times.iter().zip(best).zip(&look.used);
    let each = each.map(|((time, best), used)| (time / best, used));
    let known = each.filter(|(slower, _)| slower.is_finite());
    let (sum, all) = known.fold((0.0, 0.0), |(sum, all), (slower, used)| {
        (sum + slower * used, all + used)
    });
    (all > 0.0).then(|| sum / all)
}

/// The same of the processor on which it took longest.
fn worst(look: &Look, best: &[f64]) -> f64 {
    let times = look.times.iter().zip(best);
    times.map(|(time, best)| time / best).fold(1.0, f64::max)
}

/// How many times as long work took on the processors of each run of several series as it takes where nothing disturbs, by the short looks of all of them;
/// 1 where it isn't known which processors those were.
pub fn slownesses(series: &[Vec<Look>]) -> Vec<Vec<f64>> {
    let best = short(series.iter().flatten());
    let of = |look: &Look| slowness(look, &best).unwrap_or(1.0).max(1.0);
    let of_one = |looks: &Vec<Look>| looks.iter().map(of).collect();
    series.iter().map(of_one).collect()
}

/// Which runs of several series count, by what was seen beside each: those that nothing disturbed, and at least `least` of each series, the least
/// disturbed ones. Series that stand beside each other are judged by the short looks of all of them.
pub fn undisturbed(series: &[Vec<Look>], least: impl Fn(usize) -> usize) -> Vec<Vec<bool>> {
    let best = short(series.iter().flatten());
    let of = |look: &Look| slowness(look, &best).unwrap_or_else(|| worst(look, &best));
    let of_one = |looks: &Vec<Look>| {
        let slownesses: Vec<f64> = looks.iter().map(of).collect();
        let mut sorted = slownesses.clone();
        sorted.sort_by(f64::total_cmp);
        let last = least(sorted.len()).min(sorted.len()).checked_sub(1);
        let most = last.map_or(DISTURBED, |last| sorted[last].max(DISTURBED));
        let counts = slownesses.iter().map(|slowness| *slowness <= most);
        counts.collect()
    };
    series.iter().map(of_one).collect()
}

/// How many of so many rounds count however disturbed they are: fewer than six are too few to tell a difference from chance.
pub fn least_rounds(of: usize) -> usize {
    of.min(6)
}

/// What short looks take on each processor; the very shortest may have been lucky.
fn short<'l>(looks: impl Iterator<Item = &'l Look>) -> Vec<f64> {
    let mut times: Vec<Vec<f64>> = Vec::new();
    for look in looks {
        times.resize(look.times.len().max(times.len()), Vec::new());
        for (times, time) in times.iter_mut().zip(&look.times) {
            times.push(*time);
        }
    }
    let of_one = |mut times: Vec<f64>| {
        times.retain(|time| time.is_finite());
        times.sort_by(f64::total_cmp);
        let last = times.len().checked_sub(1);
        last.map_or(f64::NAN, |last| times[(last as f64 * LUCKY) as usize])
    };
    times.into_iter().map(of_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(times: &[(f64, f64)]) -> Vec<Look> {
        let look = |(one, other): &(f64, f64)| Look {
            times: vec![*one, *other],
            used: Vec::new(),
        };
        times.iter().map(look).collect()
    }

    #[test]
    fn runs_in_which_work_took_longer_dont_count() {
        let looks = looks(&[(1.0, 2.0), (1.05, 2.1), (1.5, 2.0), (1.0, 3.2), (1.1, 2.15)]);
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
    fn six_rounds_count_at_least() {
        assert_eq!([1, 4, 6, 7, 40].map(least_rounds), [1, 4, 6, 6, 6]);
    }

    #[test]
    fn a_watch_knows_the_shortest_so_far() {
        let mut watch = Watch::default();
        let looks = looks(&[(2.0, 1.0), (1.0, 1.1), (1.3, 1.0), (1.05, 1.1)]);
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
    fn processors_that_cant_be_seen_tell_nothing() {
        let [look, slower] = [1.0, 2.0].map(|time| Look {
            times: vec![time, f64::NAN],
            used: vec![1.0, 9.0],
        });
        let best = short([&look, &slower].into_iter());
        assert_eq!(slowness(&slower, &best), Some(2.0));
        assert_eq!(worst(&slower, &best), 2.0);
    }

    #[test]
    fn processors_count_as_much_as_they_were_used() {
        let look = Look {
            times: vec![1.0, 3.0],
            used: vec![3.0, 1.0],
        };
        assert_eq!(slowness(&look, &[1.0, 1.0]), Some(1.5));
        let unknown = Look {
            used: Vec::new(),
            ..look.clone()
        };
        assert_eq!(slowness(&unknown, &[1.0, 1.0]), None);
        let quiet = Look {
            times: vec![1.0, 1.0],
            ..look.clone()
        };
        let series = [vec![look, quiet, unknown]];
        assert_eq!(slownesses(&series), [[1.5, 1.0, 1.0]]);
        assert_eq!(undisturbed(&series, |_| 0), [[false, true, false]]);
    }

    #[test]
    fn a_rest_ends_when_it_is_to_stop() {
        let begin = Instant::now();
        let probes = Watch::default().rest(Duration::from_secs(60), &AtomicBool::new(true));
        probes.end();
        assert!(begin.elapsed() < Duration::from_secs(20));
    }
}

//! What something else slowed, and by how much.
//!
//! A virtual processor shares a core with those of other machines. What they do can't be seen from here, but felt: on a machine where this was looked
//! into, `cp -a` of 1,200 files took 22 or 33 ms, nothing between, for tenths of seconds or minutes at a time. A small fixed piece of work, done on each
//! processor every few milliseconds while a run goes on, tells which of these it was. It sees cores that got slower, by their neighbours or their
//! frequency, not processors that others take their turns on: it is shorter than a turn.

mod probe;
mod response;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use crate::execute::work::{nanoseconds_per_unit, processors};
pub use probe::Probes;
pub use response::Response;

use crate::execute::pace::sleep;
use crate::execute::work;

/// Looks that a watch compares with.
const REMEMBERED: usize = 100;
/// The share of looks that are shorter than what short ones take.
const LUCKY: f64 = 0.1;
/// A look that takes longer than short ones by this is a disturbed one.
const DISTURBED: f64 = 1.1;
/// So many ticks as a run's own tell as much of which processors it used as all runs of its series do.
const VAGUE_TICKS: f64 = 4.0;
/// So long is waited for quiet, at most,
const PATIENCE: Duration = Duration::from_millis(500);
/// and at least: half as long as before each time that it was in vain. There are hours without quiet.
const LEAST_PATIENCE: Duration = Duration::from_millis(30);
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
    /// One that saw these times on the processors, nanoseconds.
    pub fn of(times: Vec<f64>) -> Look {
        Look {
            times,
            used: Vec::new(),
        }
    }

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
#[derive(Clone, Debug)]
pub struct Watch {
    looks: Vec<Look>,
    patience: Duration,
}

impl Default for Watch {
    fn default() -> Watch {
        Watch {
            looks: Vec::new(),
            patience: PATIENCE,
        }
    }
}

impl Watch {
    /// Does nothing for so long and waits until nothing disturbs, but no longer than half a second or until `stop`. Looks from then on.
    pub fn rest(&mut self, rest: Duration, stop: &AtomicBool) -> Probes {
        let probes = Probes::begin(true);
        sleep(rest, || stop.load(Ordering::Relaxed));
        let begin = Instant::now();
        let mut in_vain = false;
        while !in_vain && self.is_disturbed(&Look::take()) && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(PAUSE.min(self.patience));
            in_vain = begin.elapsed() >= self.patience;
        }
        self.waited(in_vain);
        probes.from_now_on()
    }

    fn waited(&mut self, in_vain: bool) {
        self.patience = match in_vain {
            true => (self.patience / 2).max(LEAST_PATIENCE),
            false => (self.patience * 2).min(PATIENCE),
        };
    }

    fn is_disturbed(&mut self, look: &Look) -> bool {
        if self.looks.len() == REMEMBERED {
            self.looks.remove(0);
        }
        self.looks.push(look.clone());
        worst(look, &short(self.looks.iter())) > DISTURBED
    }
}

/// How many times as long as the shortest it took on the processor on which it took longest.
fn worst(look: &Look, best: &[f64]) -> f64 {
    let times = look.times.iter().zip(best);
    times.map(|(time, best)| time / best).fold(1.0, f64::max)
}

/// The same on the average of the processors, by how much each was used, as far as that is known: the kernel counts in hundredths of a second, so that a short
/// run counts as its `series` does. Never below 1.
fn slowness(look: &Look, series: &[f64], best: &[f64]) -> f64 {
    let all: f64 = series.iter().sum();
    let each = look.times.iter().zip(best).enumerate();
    let each = each.map(|(cpu, (time, best))| {
        let share = match all > 0.0 {
            true => series.get(cpu).map_or(0.0, |used| used / all),
            false => 1.0,
        };
        let used = look.used.get(cpu).copied().unwrap_or(0.0);
        (time / best, used + VAGUE_TICKS * share)
    });
    let known = each.filter(|(slower, _)| slower.is_finite());
    let (sum, all) = known.fold((0.0, 0.0), |(sum, all), (slower, used)| {
        (sum + slower * used, all + used)
    });
    match all > 0.0 {
        true => (sum / all).max(1.0),
        false => 1.0,
    }
}

/// How much each processor was used, in all runs of a series.
fn used<'l>(looks: impl Iterator<Item = &'l Look>) -> Vec<f64> {
    let mut sums: Vec<f64> = Vec::new();
    for look in looks {
        sums.resize(look.used.len().max(sums.len()), 0.0);
        for (sum, used) in sums.iter_mut().zip(&look.used) {
            *sum += used;
        }
    }
    sums
}

/// How many times as long work took during each run of several series as it takes where nothing slows it, by the short looks of all of them.
pub fn slownesses(series: &[Vec<&Look>]) -> Vec<Vec<f64>> {
    let best = short(series.iter().flatten().copied());
    let of_one = |looks: &Vec<&Look>| {
        let used = used(looks.iter().copied());
        let each = looks.iter().map(|look| slowness(look, &used, &best));
        each.collect()
    };
    series.iter().map(of_one).collect()
}

/// The same of one run, by what a unit of a replay's work takes where nothing slows it, nanoseconds. No more than neighbours were seen to do.
pub fn slowness_by_unit(look: &Look, unit: f64) -> f64 {
    let best = vec![unit * probe::UNITS_OF_WORK; look.times.len()];
    slowness(look, &look.used, &best).min(work::MOST_SLOWED)
}

/// Whether a run was slowed by more than chance.
pub fn is_slowed(slowness: f64) -> bool {
    slowness > DISTURBED
}

/// A run, and what was seen meanwhile.
#[derive(Clone, Debug)]
pub struct Timed {
    /// Time on the clock.
    pub wall_seconds: f64,
    /// On processors, if that is known.
    pub cpu_seconds: Option<f64>,
    /// What was seen.
    pub look: Look,
}

/// The part of the runs' time in which they, or what they waited for on this machine, were on a processor; all where that isn't known. Of all together, as the
/// kernel's ticks are too long for a short one.
fn busy_share(runs: &[Timed]) -> f64 {
    let wall: f64 = runs.iter().map(|run| run.wall_seconds).sum();
    let cpu = runs.iter().map(|run| run.cpu_seconds).sum::<Option<f64>>();
    let ticks = used(runs.iter().map(|run| &run.look));
    let ticks = ticks.into_iter().reduce(|sum, one| sum + one);
    let known = [cpu, ticks.map(|ticks| ticks / probe::TICKS_PER_SECOND)];
    match known.into_iter().flatten().reduce(f64::max) {
        Some(busy) if wall > 0.0 => (busy / wall).clamp(0.0, 1.0),
        _ => 1.0,
    }
}

/// How slow the machine was during each run of several series, and what each took, seconds, had nothing slowed it. Each `kinds`-th series is of one kind, the
/// same program on another mount: how much a slowed machine makes of what it computes is learnt from all of these together. Series by themselves, of a few
/// dozen runs, tell more of what else varied.
pub fn unslowed(series: &[Vec<Timed>], kinds: usize) -> Vec<Vec<(f64, f64)>> {
    let slow = slownesses_of(series);
    slowed_by(1.0, series, kinds, slow)
}

/// The same, had each run been slowed as the series were on average. Of many runs that tells more precisely how series compare: what a machine makes of them
/// that was never seen is not asked for.
pub fn slowed_alike(series: &[Vec<Timed>], kinds: usize) -> Vec<Vec<(f64, f64)>> {
    let slow = slownesses_of(series);
    let of_each = slow.iter().filter(|slow| !slow.is_empty());
    let of_each: Vec<f64> = of_each.map(|slow| average_of(slow.iter())).collect();
    slowed_by(average_of(of_each.iter()), series, kinds, slow)
}

/// The geometric mean of slownesses.
fn average_of<'s>(slow: impl Iterator<Item = &'s f64>) -> f64 {
    let (sum, count) = slow.fold((0.0, 0.0), |(sum, count), slow| {
        (sum + slow.ln(), count + 1.0)
    });
    match count > 0.0 {
        true => f64::exp(sum / count),
        false => 1.0,
    }
}

fn slownesses_of(series: &[Vec<Timed>]) -> Vec<Vec<f64>> {
    let looks = series.iter();
    let looks = looks.map(|runs| runs.iter().map(|run| &run.look).collect());
    slownesses(&looks.collect::<Vec<_>>())
}

fn slowed_by(
    factor: f64,
    series: &[Vec<Timed>],
    kinds: usize,
    slow: Vec<Vec<f64>>,
) -> Vec<Vec<(f64, f64)>> {
    let busy: Vec<f64> = series.iter().map(|runs| busy_share(runs)).collect();
    let kind = |index: usize| index % kinds.max(1);
    let mut responses = vec![Response::expected(1.0); kinds.max(1)];
    for (index, (runs, slow)) in series.iter().zip(&slow).enumerate() {
        let response = &mut responses[kind(index)];
        let walls = runs.iter().map(|run| run.wall_seconds);
        response.learn_busy(busy[index], walls.zip(slow.iter().copied()));
    }
    let of_one = |(index, (runs, slow)): (usize, (&Vec<Timed>, Vec<f64>))| {
        let response = responses[kind(index)].of_busy(busy[index]);
        let each = runs.iter().zip(slow);
        let each = each.map(|(run, slow)| {
            let time = response.unslowed(run.wall_seconds, slow / factor);
            (slow, time)
        });
        each.collect()
    };
    let both = series.iter().zip(slow).enumerate();
    both.map(of_one).collect()
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
    fn a_series_that_was_slowed_throughout_is_seen_beside_another() {
        let (one, other) = (
            looks(&[(1.0, 1.0), (1.0, 1.2)]),
            looks(&[(1.5, 1.0), (1.6, 1.0)]),
        );
        let series = [&one, &other].map(|looks| looks.iter().collect());
        let slow = slownesses(&series);
        assert_eq!(slow, [[1.0, 1.1], [1.25, 1.3]]);
        assert_eq!([1.0, 1.2].map(is_slowed), [false, true]);
    }

    #[test]
    fn what_a_slowed_machine_added_is_taken_out() {
        let run = |slow: f64, wall: f64, busy: Option<f64>| Timed {
            wall_seconds: wall,
            cpu_seconds: busy,
            look: Look {
                times: vec![slow],
                used: Vec::new(),
            },
        };
        // One waits for a disk all the time, the other computes; of the third it isn't known, and its times tell.
        let slow = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5];
        let waiting = slow.map(|slow| run(slow, 10.0, Some(0.0)));
        let computing = slow.map(|slow| run(slow, 10.0 * slow, Some(10.0 * slow)));
        let unknown = slow.map(|slow| run(slow, 10.0 * slow.powf(0.5), None));
        let alone = [run(1.5, 15.0, None)];
        let nothing = [run(1.5, 0.0, None)];
        let series = [
            waiting.to_vec(),
            computing.to_vec(),
            std::iter::repeat_n(unknown, 100).flatten().collect(),
            alone.to_vec(),
            nothing.to_vec(),
            Vec::new(),
        ];
        let times = unslowed(&series, series.len());
        for (_, time) in times[..4].iter().flatten() {
            assert!((time - 10.0).abs() < 0.1, "{times:?}");
        }
        assert_eq!(times[3][0].0, 1.5);
        assert_eq!(times[4], [(1.5, 0.0)]);
        assert!(times[5].is_empty());
        assert_eq!(average_of([].iter()), 1.0);
    }

    #[test]
    fn series_that_were_slowed_differently_are_compared_as_if_alike() {
        let runs = |slow: &[f64], exponent: f64| -> Vec<Timed> {
            let run = |slow: &f64| Timed {
                wall_seconds: 10.0 * slow.powf(exponent),
                cpu_seconds: Some(10.0 * slow.powf(exponent)),
                look: Look::of(vec![*slow]),
            };
            std::iter::repeat_n(slow, 200).flatten().map(run).collect()
        };
        // However many there are of each.
        let many = [&[1.0, 1.1, 1.2][..]; 5].concat();
        let series = [runs(&many, 1.0), runs(&[1.3, 1.4, 1.5], 0.5), Vec::new()];
        let average = (1.0f64 * 1.1 * 1.2 * 1.3 * 1.4 * 1.5).powf(1.0 / 6.0);
        let times = slowed_alike(&series, series.len());
        for (times, exponent) in times.iter().zip([1.0, 0.5]) {
            let wanted = 10.0 * average.powf(exponent);
            let off = times.iter().map(|(_, time)| (time / wanted - 1.0).abs());
            assert!(off.fold(0.0, f64::max) < 0.02, "{wanted}");
        }
        assert!(times[2].is_empty());
    }

    #[test]
    fn what_few_runs_seem_to_tell_is_outweighed_by_others_of_their_kind() {
        let runs = |exponent: f64, times: usize| -> Vec<Timed> {
            let run = |slow: &f64| Timed {
                wall_seconds: 10.0 * slow.powf(exponent),
                cpu_seconds: None,
                look: Look::of(vec![*slow]),
            };
            let slow = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5];
            std::iter::repeat_n(slow, times)
                .flatten()
                .map(|slow| run(&slow))
                .collect()
        };
        let series = [runs(2.0, 4), runs(0.5, 200), runs(1.0, 200), runs(0.5, 200)];
        let last = |times: &[Vec<(f64, f64)>]| times[0][5].1;
        let alone = last(&unslowed(&series, 4));
        let together = last(&unslowed(&series, 2));
        let wanted = |exponent: f64| 10.0 * 1.5f64.powf(2.0 - exponent);
        assert!((wanted(2.0)..wanted(1.2)).contains(&alone), "{alone}");
        assert!((together / wanted(1.0) - 1.0).abs() < 0.02, "{together}");
    }

    #[test]
    fn a_watch_knows_the_shortest_so_far() {
        let mut watch = Watch::default();
        let looks = looks(&[(2.0, 1.0), (1.0, 1.1), (1.3, 1.0), (1.05, 1.1)]);
        let disturbed = looks.iter().map(|look| watch.is_disturbed(look));
        assert_eq!(disturbed.collect::<Vec<_>>(), [false, false, true, false]);
    }

    #[test]
    fn without_looks_nothing_is_slow() {
        let look = Look::default();
        assert_eq!(slownesses(&[vec![&look], vec![]]), [vec![1.0], vec![]]);
    }

    #[test]
    fn processors_that_cant_be_seen_tell_nothing() {
        let [look, slower] = [1.0, 2.0].map(|time| Look {
            times: vec![time, f64::NAN],
            used: vec![1.0, 9.0],
        });
        let best = short([&look, &slower].into_iter());
        assert_eq!(slowness(&slower, &slower.used, &best), 2.0);
        assert_eq!(worst(&slower, &best), 2.0);
    }

    #[test]
    fn processors_count_as_much_as_they_were_used() {
        let look = |used: &[f64]| Look {
            times: vec![1.0, 3.0],
            used: used.to_vec(),
        };
        let of = |used: &[f64], series: &[f64]| slowness(&look(used), series, &[1.0, 1.0]);
        assert_eq!(of(&[300.0, 100.0], &[300.0, 100.0]), 1.5);
        // Too short for its own ticks to tell.
        assert_eq!(of(&[0.0, 0.0], &[3.0, 1.0]), 1.5);
        assert_eq!(of(&[], &[3.0, 1.0]), 1.5);
        assert_eq!(of(&[], &[]), 2.0);
        // Its own and those of its series alike.
        assert_eq!(of(&[0.0, 4.0], &[40.0, 0.0]), 2.0);
        assert_eq!(
            used([look(&[1.0, 2.0]), look(&[3.0, 4.0]), look(&[])].iter()),
            [4.0, 6.0]
        );
    }

    #[test]
    fn a_slowed_recording_is_known_by_the_unit_of_work() {
        let unit = 30.0;
        let look = |slow: f64| Look {
            times: vec![slow * unit * probe::UNITS_OF_WORK; 2],
            used: vec![5.0, 1.0],
        };
        assert!((slowness_by_unit(&look(1.5), unit) - 1.5).abs() < 1e-9);
        assert_eq!(slowness_by_unit(&look(0.9), unit), 1.0);
        assert_eq!(slowness_by_unit(&look(50.0), unit), work::MOST_SLOWED);
        assert_eq!(slowness_by_unit(&Look::default(), unit), 1.0);
    }

    #[test]
    fn patience_wears_off_where_there_is_no_quiet() {
        let mut watch = Watch::default();
        for _ in 0..10 {
            watch.waited(true);
        }
        assert_eq!(watch.patience, LEAST_PATIENCE);
        watch.waited(false);
        assert_eq!(watch.patience, LEAST_PATIENCE * 2);
        for _ in 0..10 {
            watch.waited(false);
        }
        assert_eq!(watch.patience, PATIENCE);
    }

    #[test]
    fn a_rest_ends_when_it_is_to_stop() {
        const HOUR: Duration = Duration::from_secs(3600);
        let begin = Instant::now();
        let probes = Watch::default().rest(HOUR, &AtomicBool::new(true));
        probes.end();
        assert!(begin.elapsed() < HOUR, "it ended before its time");
    }
}

//! From runs of the command and replays in turn to what a replay has to compute for each event.

use fsreplay_measure::estimate::{hodges_lehmann, median};

/// What no number of runs makes more precise: that part of the time that a tool waited for a disk is another in a replay.
const VAGUE: f64 = 0.05;
/// Likewise, of processor time: a replay's is another one where threads wait for each other (measured: 2 to 15 % more, `make -j2` 30 %).
const VAGUE_BUSY: f64 = 0.15;
/// What tries differ by for other reasons than their runs, as a share: for seconds at a time, a tool and its replay run on different processors, of which
/// one is slower (seen: 0.82 to 1.16 in tries whose runs agreed within 2 %; what slowed them is taken out since). No single try outweighs the others.
const DRIFT: f64 = 0.05;
/// Likewise, of the two of which it is told how a replay grows: less, or where it hardly grows that would never be seen.
const DRIFT_OF_GROWTH: f64 = 0.025;
/// So many standard errors aren't chance.
const CLEARLY: f64 = 2.0;
/// How well it is known how a replay's time grows with what is computed for each event, as a share.
const VAGUE_GROWTH: f64 = 0.5;
/// And at best: what overlaps here doesn't everywhere.
const LEAST_VAGUE: f64 = 0.3;
/// The standard error of a Hodges-Lehmann estimate is larger than that of a mean by this, for values that are normally distributed.
const TYPICAL_ERROR: f64 = 1.02;
/// Standard deviations between the quartiles, likewise.
const QUARTILES: f64 = 1.349;

/// What a try gave.
#[derive(Debug)]
pub struct Try {
    /// What is computed for each event on average, nanoseconds.
    pub computed: f64,
    /// On the clock.
    pub wall: Option<Times>,
    /// On processors.
    pub cpu: Option<Times>,
}

/// The tool's time, and how its replay's compares.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// What it typically is where nothing slows the machine, nanoseconds.
    pub tool: f64,
    /// What the replay's time is divided by the tool's, there.
    ratio: f64,
    /// Its standard error.
    error: f64,
}

impl Times {
    /// Of runs of the tool and of replays, nanoseconds. None if the tool's time is not known.
    pub fn of(mut tool: Vec<f64>, mut replay: Vec<f64>) -> Option<Times> {
        tool.retain(|time| *time > 0.0);
        replay.retain(|time| *time > 0.0);
        if tool.is_empty() || replay.is_empty() {
            return None;
        }
        tool.sort_by(f64::total_cmp);
        replay.sort_by(f64::total_cmp);
        let middle = hodges_lehmann(&tool);
        let ratio = hodges_lehmann(&replay) / middle;
        Some(Times {
            tool: middle,
            ratio,
            error: error(&tool).hypot(error(&replay)) * ratio,
        })
    }

    /// What the replay's time is divided by the tool's.
    #[cfg(test)]
    pub fn ratio(&self) -> f64 {
        self.ratio
    }

    /// What the replay typically takes, nanoseconds.
    fn replay(&self) -> f64 {
        self.ratio * self.tool
    }
}

/// What is right for each event, by all tries.
///
/// The time of a replay grows in proportion to what it computes for each event, as far as threads don't overlap. So each try tells what would have been
/// right, the more precisely the nearer it was.
///
/// Time on the clock and processor time both tell what is missing. Where the tool mostly waits for a disk, the first is vague; where
/// many tasks wait for each other, the second is: each counts as much as it is precise.
pub fn estimate(tries: &[Try], events: f64) -> Option<Found> {
    let by = |times: fn(&Try) -> Option<Times>, growth: (f64, f64), drift: f64| {
        let (slope, vague) = growth;
        let (least, most) = bounds(tries, times);
        let each = tries.iter().filter_map(|one| {
            let times = times(one)?;
            let step = (times.tool - times.replay()) / slope;
            // What is far off is told by a growth that is another there.
            let missed = (1.0 - times.ratio).abs();
            Some(Estimate {
                value: one.computed + step,
                error: (times.error.hypot(drift) * times.tool / slope)
                    .hypot((vague.max(LEAST_VAGUE) + missed) * step),
            })
        });
        let each: Vec<Estimate> = each.collect();
        let likely = each.iter().copied();
        let likely = likely.filter(|found| (least..=most).contains(&found.value));
        let clamped = each.iter().map(|found| Estimate {
            value: found.value.clamp(least, most),
            ..*found
        });
        // Tries on both sides may each expect it beyond the other.
        likely
            .reduce(Estimate::and)
            .or_else(|| clamped.reduce(Estimate::and))
    };
    let last = |times: fn(&Try) -> Option<Times>| tries.iter().rev().find_map(times);
    let busy = last(|one| one.cpu).map_or(0.0, |cpu| cpu.tool);
    let waiting = last(|one| one.wall).map_or(0.0, |wall| (wall.tool - busy).max(0.0));
    let growth = growth(tries, events);
    let vague = |found: Estimate, by: f64| Estimate {
        error: found.error.hypot(by),
        ..found
    };
    let by_wall = |drift| by(|one| one.wall, growth, drift);
    // Where nothing is left to take away, processor time doesn't fall any more either.
    let cpu_growth = seen_growth(tries, events, |one| one.cpu).unwrap_or((events, 0.0));
    let by_cpu = |drift| by(|one| one.cpu, cpu_growth, drift);
    let both = [
        by_wall(DRIFT).map(|found| vague(found, VAGUE * waiting / growth.0)),
        by_cpu(DRIFT).map(|found| vague(found, VAGUE_BUSY * busy / events)),
    ];
    let noise = [by_wall(0.0), by_cpu(0.0)].into_iter().flatten();
    Some(Found {
        computed: both.into_iter().flatten().reduce(Estimate::and)?.value,
        noise: noise.reduce(Estimate::and)?.error,
        slope: growth.0,
    })
}

/// What is right lies between these, as far as tries tell it clearly: a replay doesn't get shorter by adding more. So a try refutes what one further away on
/// the same side expected: where nothing is left to be taken away, both are as long.
fn bounds(tries: &[Try], times: fn(&Try) -> Option<Times>) -> (f64, f64) {
    let mut bounds = (f64::NEG_INFINITY, f64::INFINITY);
    for one in tries {
        let Some(times) = times(one) else { continue };
        let clearly = CLEARLY * times.error.hypot(DRIFT);
        if times.ratio < 1.0 - clearly {
            bounds.0 = one.computed.max(bounds.0);
        } else if times.ratio > 1.0 + clearly {
            bounds.1 = one.computed.min(bounds.1);
        }
    }
    match bounds.0 < bounds.1 {
        true => bounds,
        false => (f64::NEG_INFINITY, f64::INFINITY),
    }
}

/// Whether replays of some tries took longer than the tool and some less.
pub fn are_around(tries: &[Try]) -> bool {
    let ratios = tries.iter().filter_map(|one| one.wall.or(one.cpu));
    let shorter = ratios.clone().any(|times| times.ratio < 1.0);
    shorter && ratios.clone().any(|times| times.ratio >= 1.0)
}

/// What was found.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// What is right to compute for each event, nanoseconds.
    pub computed: f64,
    /// How much of its error more runs would take away.
    pub noise: f64,
    /// By how much the replay's time grows for each nanosecond that is computed for each event.
    pub slope: f64,
}

/// How the time of a replay grows with what is computed for each event, and how vague that is, as a share: by the two tries that lie furthest apart if that
/// tells, else by how many threads are busy at a time.
fn growth(tries: &[Try], events: f64) -> (f64, f64) {
    if let Some(seen) = seen_growth(tries, events, |one| one.wall) {
        return seen;
    }
    let threads = tries.iter().rev().find_map(|one| {
        let (wall, cpu) = (one.wall?, one.cpu?);
        Some(cpu.replay() / wall.replay())
    });
    let threads = threads.filter(|threads| threads.is_finite());
    (
        events / threads.unwrap_or(1.0).clamp(1.0, 10.0),
        VAGUE_GROWTH,
    )
}

/// By the two tries that lie furthest apart, if they do.
fn seen_growth(tries: &[Try], events: f64, times: fn(&Try) -> Option<Times>) -> Option<(f64, f64)> {
    // Where nothing is left to be taken away, replays don't grow.
    let (least, most) = bounds(tries, times);
    let within = |one: &&Try| (least..=most).contains(&one.computed);
    let known = || {
        let within = tries.iter().filter(within);
        within.filter_map(|one| Some((one.computed, times(one)?)))
    };
    let (from, low) = known().min_by(|a, b| a.0.total_cmp(&b.0))?;
    let (to, high) = known().max_by(|a, b| a.0.total_cmp(&b.0))?;
    if to <= from {
        return None;
    }
    // All tries are judged as if nothing had slowed them.
    let slope = (high.ratio - low.ratio) * low.tool / (to - from);
    let error = high.error.hypot(low.error).hypot(DRIFT_OF_GROWTH) * low.tool / (to - from);
    // Threads overlap, so that a part of the events counts; less than a tenth of them is noise. Computing that comes back to its memory after waits takes longer than
    // it is long (`xargs`: 1.8 times).
    (error < VAGUE_GROWTH * slope)
        .then(|| (slope.clamp(events / 10.0, events * 3.0), error / slope))
}

/// Standard error of what sorted values typically are, as a share of it. A few that agree may do so by chance.
fn error(sorted: &[f64]) -> f64 {
    let count = sorted.len() as f64;
    let typical = TYPICAL_ERROR * deviation(sorted) / count.sqrt();
    (typical / median(sorted)).max(VAGUE / count)
}

/// Standard deviation of sorted values, by their quartiles: single runs that are far off don't count.
fn deviation(sorted: &[f64]) -> f64 {
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
    (at(0.75) - at(0.25)) / QUARTILES
}

/// Nanoseconds for each event, and their standard error.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    value: f64,
    error: f64,
}

impl Estimate {
    /// Both together, each by its precision.
    fn and(self, other: Estimate) -> Estimate {
        let weight = |estimate: Estimate| 1.0 / estimate.error.powi(2).max(f64::MIN_POSITIVE);
        let (mine, theirs) = (weight(self), weight(other));
        Estimate {
            value: (self.value * mine + other.value * theirs) / (mine + theirs),
            error: (mine + theirs).sqrt().recip(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::next_to_compute;
    use super::*;

    /// Ratios and times of runs that all agree, with what was computed in each try.
    fn tries(tool: f64, cpu: f64, replays: &[(f64, f64, f64)]) -> Vec<Try> {
        let of = |tool: f64, replay: f64| Times::of(vec![tool; 20], vec![replay; 20]);
        replays
            .iter()
            .map(|(each, wall, busy)| Try {
                computed: *each,
                wall: of(tool, *wall),
                cpu: of(cpu, *busy),
            })
            .collect()
    }

    /// What five tries find that begin there, each where those before it say, and the tries.
    fn searched(
        tool: f64,
        replay: impl Fn(f64) -> f64,
        mut each: f64,
        events: f64,
    ) -> (f64, Vec<(f64, f64, f64)>) {
        let (mut found, mut all) = (each, Vec::new());
        for _ in 0..5 {
            all.push((each, replay(each), replay(each)));
            let tries = tries(tool, tool, &all);
            found = estimate(&tries, events).expect("an estimate").computed;
            each = next_to_compute(each, found, are_around(&tries));
        }
        (found, all)
    }

    #[test]
    fn what_is_missing_is_found_whatever_overlaps() {
        // A thousand events; 5 us are missing in each. The clock sees one thread of so many.
        for threads in [1.0, 2.0, 4.0] {
            let replay = |each: f64| (each, (15e6 + 1000.0 * each) / threads, 15e6 + 1000.0 * each);
            let mut found = 0.0;
            let mut all = Vec::new();
            for _ in 0..3 {
                all.push(replay(found));
                let tries = tries(20e6 / threads, 20e6, &all);
                found = estimate(&tries, 1000.0).expect("an estimate").computed;
            }
            assert!((found - 5000.0).abs() < 100.0, "{threads}: {found}");
        }
    }

    #[test]
    fn where_a_tool_waits_for_a_disk_its_processor_time_counts() {
        // 80 ms, of which 8 on a processor; the clock says that nothing is missing, the processor 1 us each.
        let tries = tries(80e6, 8e6, &[(0.0, 80e6, 7e6)]);
        let found = estimate(&tries, 1000.0).expect("an estimate");
        assert!((found.computed - 1000.0).abs() < 150.0, "{found:?}");
    }

    #[test]
    fn it_is_found_where_the_replay_hardly_falls_any_more() {
        // Of 2 us that are too much for each, the last 1.5 make it shorter by a fourth of that: others compute at the same time.
        let replay = |each: f64| {
            let much = each.max(1500.0);
            8e6 + 1000.0 * much + 250.0 * (each - much)
        };
        let tool = replay(500.0);
        let (found, all) = searched(tool, replay, 2500.0, 1000.0);
        let off = replay(found) / tool - 1.0;
        assert!(off.abs() < 0.01, "{found}: {off}, {all:?}");
    }

    #[test]
    fn tries_where_less_changes_nothing_are_refuted_by_a_nearer_one() {
        // The command takes 10 ms; a replay, 6.5, below 12 us: what is computed less is less for a task that nobody waits for.
        let replay = |each: f64| 10e6 * (1.0 + 0.35 * (each - 17_000.0) / 5000.0).max(0.65);
        let (found, all) = searched(10e6, replay, 0.0, 700.0);
        let off = replay(found) / 10e6 - 1.0;
        assert!(off.abs() < 0.05, "{found}: {off}, {all:?}");
    }

    #[test]
    fn a_replay_may_grow_by_more_than_it_computes() {
        // By 1.8 times as much.
        let replay = |each: f64| (each, 8e6 + 1800.0 * each, 8e6 + 1800.0 * each);
        let all = [replay(0.0), replay(2000.0)];
        let found = estimate(&tries(10e6, 10e6, &all), 1000.0).expect("an estimate");
        assert!(
            (found.computed / (2000.0 / 1.8) - 1.0).abs() < 0.02,
            "{found:?}"
        );
        assert!((found.slope / 1800.0 - 1.0).abs() < 0.01, "{found:?}");
    }

    #[test]
    fn tries_that_differ_by_drift_tell_no_growth() {
        let all = [(1000.0, 10.0e6, 10.0e6), (1020.0, 10.3e6, 10.3e6)];
        let found = estimate(&tries(10e6, 10e6, &all), 1000.0).expect("an estimate");
        assert_eq!(found.slope, 1000.0);
    }

    #[test]
    fn tries_that_expect_it_beyond_each_other_meet_between() {
        // By one thread's growth each is far off; they lie near each other.
        let all = [(0.0, 8e6, 8e6), (100.0, 12e6, 12e6)];
        let found = estimate(&tries(10e6, 10e6, &all), 100.0).expect("an estimate");
        assert!((0.0..=100.0).contains(&found.computed), "{found:?}");
    }

    #[test]
    fn unknown_times_count_for_nothing() {
        let one = Try {
            computed: 0.0,
            wall: Times::of(vec![10e6; 8], vec![9e6; 8]),
            cpu: Times::of(vec![0.0; 8], vec![9e6; 8]),
        };
        assert!(one.cpu.is_none());
        let found = estimate(&[one], 1000.0).expect("an estimate");
        assert!((found.computed - 1000.0).abs() < 1.0, "{found:?}");
        assert!(estimate(&[], 1000.0).is_none());
    }

    #[test]
    fn the_error_of_a_ratio_is_that_of_both_times() {
        let steps = [-2.0, -1.0, 0.0, 1.0, 2.0];
        let around = |middle: f64, off: f64| steps.map(|by| middle + by * off);
        let times = Times::of(around(10.0, 0.5).into(), around(11.0, 0.0).into()).expect("times");
        assert!((times.ratio - 1.1).abs() < 1e-9, "{times:?}");
        let tool = TYPICAL_ERROR * (1.0 / QUARTILES) / 5f64.sqrt() / 10.0;
        let wanted = tool.hypot(VAGUE / 5.0) * 1.1;
        assert!((times.error - wanted).abs() < 1e-9, "{times:?}");
    }
}

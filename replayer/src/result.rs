//! The result of a replay, as documented in docs/result-json.md.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fsreplay_measure::estimate::{hodges_lehmann, variation};
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::error::ReplayError;
use crate::execute::{Run, Sample};
use crate::plan::{Coverage, Plan};

/// Version of the JSON's schema.
pub const SCHEMA_VERSION: u32 = 1;

/// What a replay gave.
#[derive(Debug, Serialize)]
pub struct PlayResult {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// `play`: what this document is, among the results of the other commands.
    pub kind: &'static str,
    /// Events of the trace.
    pub events: u64,
    /// Events whose outcome was not the recorded one, in the round with the most of them.
    pub divergences: u64,
    /// Whether the tool's own time was part of the rounds: `fast`, `recorded`, `recorded x SCALE`.
    pub timing: String,
    /// What the tool would take on these targets; only with recorded timing.
    pub prediction: Option<Prediction>,
    /// Wall time of each round, seconds; with `fast` timing, file-system time only.
    pub wall_seconds: Vec<f64>,
    /// The same had nothing slowed the machine.
    pub unslowed_seconds: Vec<f64>,
    /// The median of these.
    pub median_wall_seconds: f64,
    /// For each round, how many times as long work took meanwhile as where nothing slows the machine.
    pub slowness: Vec<f64>,
    /// How many rounds something else slowed.
    pub slowed_rounds: usize,
    /// Replay threads.
    pub threads: usize,
    /// What was issued and what not.
    pub coverage: Coverage,
    /// The directories replayed in.
    pub targets: Vec<TargetInfo>,
    /// Each round.
    pub rounds: Vec<Round>,
    /// Divergences of the last round, by call and cause.
    pub divergence_groups: Vec<DivergenceGroup>,
    /// What was changed to fit, and how often.
    pub notes: Vec<(String, u64)>,
    /// What to know before believing the times, in words; for whoever words it.
    pub caveats: Vec<String>,
    /// Calls that the recorder saw and did not record, by name; for whoever has the trace's end.
    pub unrecorded: BTreeMap<String, u64>,
    /// Where the tree was left, with `--keep`.
    pub kept: Vec<PathBuf>,
    /// Directories that could not be removed.
    #[serde(skip)]
    pub left: Vec<ReplayError>,
    /// State of the page cache when the rounds began.
    pub cache: &'static str,
}

/// A directory replayed in.
#[derive(Debug, Serialize)]
pub struct TargetInfo {
    /// The recorded directory placed there.
    pub recorded: String,
    /// The target.
    pub path: PathBuf,
    /// `f_type` of statfs(2), in hexadecimal.
    pub fs_magic: String,
}

/// What the tool would take.
#[derive(Clone, Debug, Serialize)]
pub struct Prediction {
    /// What the rounds typically take where nothing slows the machine, seconds ([`hodges_lehmann`]).
    pub seconds: f64,
    /// The shortest round there.
    pub low: f64,
    /// The longest round there.
    pub high: f64,
    /// Standard deviation of the rounds divided by their mean; null for one round.
    pub variation: Option<f64>,
    /// Where the tool's own time comes from: `calibrated` (a run without the recorder), `recorded`, or
    /// `clock` (a recording that could not tell computing from waiting).
    pub basis: &'static str,
}

impl Prediction {
    /// Of the times of rounds that nothing slowed.
    pub fn of(rounds: &[f64], plan: &Plan) -> Prediction {
        Prediction {
            seconds: hodges_lehmann(rounds),
            low: rounds.iter().copied().reduce(f64::min).unwrap_or(0.0),
            high: rounds.iter().copied().reduce(f64::max).unwrap_or(0.0),
            variation: variation(rounds),
            basis: match (plan.timing.unobserved, plan.timing.told) {
                (Some(_), _) => "calibrated",
                (None, true) => "recorded",
                (None, false) => "clock",
            },
        }
    }
}

/// One round.
#[derive(Debug, Serialize)]
pub struct Round {
    /// From the first op to the end of the last, seconds.
    pub wall_seconds: f64,
    /// Making the tree, seconds.
    pub prepare_seconds: f64,
    /// Sum over all threads of the time in calls, seconds.
    pub call_seconds: f64,
    /// Sum over all threads of the time waiting for other threads, seconds.
    pub wait_seconds: f64,
    /// Sum over all threads of the tool's own time, seconds: computing and sleeping.
    pub own_seconds: f64,
    /// Events that diverged.
    pub divergences: u64,
    /// Calls left out, because the tool would not have made them here: copying of files that could be cloned.
    pub left_out: u64,
    /// By call, the one with the most time first.
    pub calls: Vec<CallStatistics>,
}

/// One call's counts and latencies (nanoseconds, three significant digits).
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct CallStatistics {
    pub name: &'static str,
    pub count: u64,
    pub errors: u64,
    pub total_seconds: f64,
    pub min_ns: u64,
    pub p50_ns: u64,
    pub p90_ns: u64,
    pub p99_ns: u64,
    pub p999_ns: u64,
    pub max_ns: u64,
    /// Latencies: lower bound in nanoseconds (powers of two) and how many.
    pub histogram: Vec<(u64, u64)>,
}

/// Divergences of one call with one cause.
#[derive(Debug, Serialize)]
pub struct DivergenceGroup {
    /// The call.
    pub call: &'static str,
    /// What explains it.
    pub cause: &'static str,
    /// How many.
    pub count: u64,
    /// Some of them.
    pub examples: Vec<Divergence>,
}

/// One divergence.
#[derive(Debug, Serialize)]
pub struct Divergence {
    /// Number of the event in the trace.
    pub event: u32,
    /// Path that it names, if it names one.
    pub path: String,
    /// Recorded value or `-errno`.
    pub expected: i64,
    /// Replayed value or `-errno`.
    pub got: i64,
}

/// Statistics by call, and the sum of all time in calls in seconds.
pub fn statistics(plan: &Plan, run: &Run) -> (Vec<CallStatistics>, f64) {
    let mut by_call: BTreeMap<&'static str, (Histogram<u64>, u64, u64)> = BTreeMap::new();
    for (lane, run) in run.lanes.iter().enumerate() {
        for (index, op) in plan.ops_of(lane).enumerate() {
            let sample = run.samples.get(index, op);
            if sample.result == Sample::NOT_ISSUED || !op.recorded {
                continue;
            }
            let (histogram, errors, total) = by_call.entry(op.call.name()).or_insert_with(|| {
                // Three digits are within the range that the constructor takes.
                (
                    Histogram::new(3).unwrap_or_else(|_| unreachable!("3 digits are allowed")),
                    0,
                    0,
                )
            });
            // Grows by itself; only a value beyond any clock could fail.
            if histogram.record(sample.duration).is_err() {
                histogram.saturating_record(sample.duration);
            }
            *errors += u64::from(sample.result < 0);
            *total += sample.duration;
        }
    }
    let mut calls: Vec<CallStatistics> = by_call
        .into_iter()
        .map(|(name, (histogram, errors, total))| CallStatistics {
            name,
            count: histogram.len(),
            errors,
            total_seconds: total as f64 / 1e9,
            min_ns: histogram.min(),
            p50_ns: histogram.value_at_quantile(0.5),
            p90_ns: histogram.value_at_quantile(0.9),
            p99_ns: histogram.value_at_quantile(0.99),
            p999_ns: histogram.value_at_quantile(0.999),
            max_ns: histogram.max(),
            histogram: octaves(&histogram),
        })
        .collect();
    calls.sort_by(|a, b| b.total_seconds.total_cmp(&a.total_seconds));
    let total = calls.iter().map(|call| call.total_seconds).sum();
    (calls, total)
}

/// How many latencies lie in each octave that has any.
fn octaves(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    let mut octaves: BTreeMap<u64, u64> = BTreeMap::new();
    for bucket in histogram.iter_recorded() {
        let low = 1u64 << bucket.value_iterated_to().max(1).ilog2();
        *octaves.entry(low).or_default() += bucket.count_at_value();
    }
    octaves.into_iter().collect()
}

/// Seconds in calls and number of calls by place.
pub fn place_seconds(plan: &Plan, run: &Run) -> Vec<(f64, u64)> {
    let mut places = vec![(0.0, 0); plan.places.len()];
    for (lane, run) in run.lanes.iter().enumerate() {
        for (index, op) in plan.ops_of(lane).enumerate() {
            let sample = run.samples.get(index, op);
            if sample.result != Sample::NOT_ISSUED
                && let Some((seconds, count)) = places.get_mut(op.place as usize)
            {
                *seconds += sample.duration as f64 / 1e9;
                *count += u64::from(op.recorded);
            }
        }
    }
    places
}

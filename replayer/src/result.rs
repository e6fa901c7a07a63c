//! From what a replay measured to the figures of its result.

use std::collections::BTreeMap;

use fsreplay_measure::estimate::variation;
use fsreplay_results::play::{CallStatistics, Prediction};
use hdrhistogram::Histogram;

use crate::execute::{Run, Sample};
use crate::plan::Plan;

/// How far the time of such rounds is the tool's.
pub fn prediction(rounds: &[f64], plan: &Plan) -> Prediction {
    let basis = if plan.timing.processor_seconds.is_some() {
        "calibrated"
    } else if plan.timing.told {
        "recorded"
    } else {
        "clock"
    };
    Prediction {
        variation: variation(rounds),
        basis: basis.to_owned(),
    }
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
            name: name.to_owned(),
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

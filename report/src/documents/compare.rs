//! The result of `fsreplay compare`.

use serde::Deserialize;

use super::{Machine, Trace};

/// A comparison of targets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Compare {
    pub trace: Trace,
    pub machine: Machine,
    /// `recorded`, `fast` or `scale N`.
    pub timing: String,
    pub cache: String,
    pub rounds_asked: u64,
    pub interrupted: bool,
    /// Rounds of all targets that something else slowed.
    pub slowed_rounds: u64,
    /// Recorded directories that were replayed on the targets.
    pub moved: Vec<String>,
    /// Where everything else was replayed.
    pub neutral: Option<Neutral>,
    /// Name of the target that the others are compared with.
    pub baseline: String,
    pub targets: Vec<Target>,
    pub sentence: String,
    pub notes: Vec<(String, u64)>,
    /// What to know before believing it, in sentences.
    pub caveats: Vec<String>,
}

/// The common place of what was not moved.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Neutral {
    pub path: String,
    pub what: String,
}

/// What one target gave.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Target {
    pub name: String,
    pub path: String,
    pub class: String,
    pub fs_type: String,
    /// Wall time of each round, seconds.
    pub rounds: Vec<f64>,
    /// What the tool would take; only with recorded timing.
    pub prediction_seconds: Option<f64>,
    /// Sum of the time in calls.
    pub file_system_seconds: f64,
    pub ratio: Option<Ratio>,
    pub divergences: u64,
    /// Share of the outcomes that were the recorded ones.
    pub fidelity: Option<f64>,
    pub calls: Vec<Call>,
    pub directories: Vec<Directory>,
}

/// Time relative to the baseline, with its 95 % interval.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Ratio {
    pub to: String,
    pub value: f64,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub verdict: String,
    /// Why a target is not ranked, if the result tells.
    pub reason: Option<String>,
}

/// One call's counts and latencies on a target.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Call {
    pub name: String,
    pub count: u64,
    pub errors: u64,
    pub total_seconds: f64,
    pub p50_ns: u64,
    pub p90_ns: u64,
    pub p99_ns: u64,
    pub max_ns: u64,
    /// Lower bound of each bucket in nanoseconds, and the calls in it.
    pub histogram: Vec<(u64, u64)>,
}

/// Time in one recorded directory on a target.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Directory {
    pub path: String,
    pub count: u64,
    pub seconds: f64,
}

impl Target {
    /// What is shown as this target's time: the prediction, or the median of its rounds.
    pub fn seconds(&self) -> Option<f64> {
        self.prediction_seconds
            .or_else(|| median(&self.rounds))
            .filter(|seconds| seconds.is_finite() && *seconds >= 0.0)
    }

    /// Whether the result withholds a rank.
    pub fn is_unranked(&self) -> bool {
        self.ratio
            .as_ref()
            .is_none_or(|ratio| ratio.verdict == "not ranked")
    }

    /// The 95 % interval of the median of the rounds, from their order (no distribution assumed); `None` where
    /// the rounds are too few for one.
    pub fn interval(&self) -> Option<(f64, f64)> {
        let sorted = sorted(&self.rounds);
        let skipped = interval_rank(sorted.len())?;
        let (low, high) = (
            *sorted.get(skipped)?,
            *sorted.get(sorted.len() - 1 - skipped)?,
        );
        // A prediction may be more than the median of the rounds; the relative width is the same.
        let scale = match (self.prediction_seconds, median(&self.rounds)) {
            (Some(prediction), Some(median)) if median > 0.0 => prediction / median,
            _ => 1.0,
        };
        Some((low * scale, high * scale))
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The middle value.
pub fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => sorted.get(middle).copied(),
        _ => Some((sorted.get(middle - 1)? + sorted.get(middle)?) / 2.0),
    }
}

/// How many values to leave out at each end of a sorted sample, so that the rest covers the median with 95 %:
/// the largest k with P(Binomial(n, ½) ≤ k) ≤ 2.5 %, less one.
fn interval_rank(n: usize) -> Option<usize> {
    let mut probability = 0.5f64.powi(i32::try_from(n.min(1000)).ok()?);
    let mut below = 0.0;
    let mut skipped = None;
    for k in 0..n.min(1000) {
        below += probability;
        if below > 0.025 {
            break;
        }
        skipped = Some(k);
        probability *= (n - k) as f64 / (k + 1) as f64;
    }
    skipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_tables() {
        // Ranks of the 95 % interval of a median, as statistics books print them (counted from 1).
        for (n, low) in [(6, 1), (9, 2), (10, 2), (20, 6), (30, 10)] {
            assert_eq!(interval_rank(n), Some(low - 1), "{n} values");
        }
        assert_eq!(interval_rank(5), None);
        assert_eq!(interval_rank(0), None);
    }

    #[test]
    fn a_target_without_rounds_has_no_time() {
        let target = Target::default();
        assert_eq!(target.seconds(), None);
        assert_eq!(target.interval(), None);
        assert!(target.is_unranked());
    }
}

//! The result of `fsreplay compare library:all`: all workloads of the library on each mount.

use fsreplay_measure::estimate::geometric_mean;
use serde::{Deserialize, Serialize};

use crate::common::{Estimate, Machine, Verdict};
use crate::compare::Compare;

/// A figure for each workload and mount.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Scorecard {
    /// [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Where it was measured.
    pub machine: Machine,
    /// Name of the target that the others are compared with.
    pub baseline: String,
    /// The targets, the baseline first.
    pub targets: Vec<ScoredTarget>,
    /// The workloads that were played, in the order of their names.
    pub workloads: Vec<Scored>,
    /// Workloads that could not be played, each with why.
    pub left_out: Vec<LeftOut>,
    /// It was ended early.
    pub interrupted: bool,
}

/// A target over all workloads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ScoredTarget {
    /// Its name.
    pub name: String,
    /// The directory.
    pub path: String,
    /// Class of its mount, as in `mounts`.
    pub class: String,
    /// Its file system.
    pub fs_type: String,
    /// Geometric mean of its ratios; null where it has none.
    pub mean_ratio: Option<f64>,
    /// How many ratios that is of.
    pub ratios: u64,
}

/// A workload on all targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Scored {
    /// Its name in the library.
    pub workload: String,
    /// What it is on each target that it fits on.
    pub scores: Vec<Score>,
}

/// A workload on a target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Score {
    /// The target's name.
    pub target: String,
    /// What the tool would take there.
    pub seconds: Estimate,
    /// That beside the baseline.
    pub ratio: Estimate,
    /// What the ratio says.
    pub verdict: Verdict,
    /// Share of events whose outcome was the recorded one, 0 to 1; null where it is not known.
    pub fidelity: Option<f64>,
}

/// A workload that was not played.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct LeftOut {
    /// Its name in the library.
    pub workload: String,
    /// Why.
    pub reason: String,
}

impl Scorecard {
    /// Takes what `compare` found for a workload.
    pub fn add(&mut self, workload: &str, found: &Compare) {
        for target in &found.targets {
            let known = self.targets.iter().any(|known| known.name == target.name);
            if !known {
                self.targets.push(ScoredTarget {
                    name: target.name.clone(),
                    path: target.path.clone(),
                    class: target.class.clone(),
                    fs_type: target.fs_type.clone(),
                    ..ScoredTarget::default()
                });
            }
        }
        let scores = found.targets.iter().map(|target| Score {
            target: target.name.clone(),
            seconds: target.seconds,
            ratio: target.ratio.estimate,
            verdict: target.ratio.verdict,
            fidelity: target.fidelity,
        });
        self.workloads.push(Scored {
            workload: workload.to_owned(),
            scores: scores.collect(),
        });
    }

    /// Takes the means, when all workloads were added. What has no rank counts in none.
    pub fn finish(&mut self) {
        let baseline = self.baseline.clone();
        self.targets.sort_by_key(|target| target.name != baseline);
        for target in &mut self.targets {
            let scores = self.workloads.iter().flat_map(|one| &one.scores);
            let ratios: Vec<f64> = scores
                .filter(|score| score.target == target.name)
                .filter(|score| score.verdict != Verdict::NotRanked)
                .filter_map(|score| score.ratio.known())
                .filter(|ratio| *ratio > 0.0)
                .collect();
            target.ratios = ratios.len() as u64;
            target.mean_ratio = geometric_mean(&ratios);
        }
    }
}

impl Scored {
    /// What it is on the target of that name.
    pub fn on(&self, target: &str) -> Option<&Score> {
        self.scores.iter().find(|score| score.target == target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Ratio, Target};

    fn found(ratios: &[(&str, f64, Verdict)]) -> Compare {
        let target = |(name, ratio, verdict): &(&str, f64, Verdict)| Target {
            name: (*name).to_owned(),
            ratio: Ratio {
                estimate: Estimate::within(*ratio, *ratio, *ratio),
                verdict: *verdict,
                ..Ratio::default()
            },
            ..Target::default()
        };
        Compare {
            targets: ratios.iter().map(target).collect(),
            ..Compare::default()
        }
    }

    #[test]
    fn a_mean_is_geometric_and_of_what_has_a_rank() {
        let mut card = Scorecard {
            baseline: "disk".to_owned(),
            ..Scorecard::default()
        };
        let disk = ("disk", 1.0, Verdict::Baseline);
        card.add("a", &found(&[("memory", 0.5, Verdict::Faster), disk]));
        card.add("b", &found(&[("memory", 2.0, Verdict::Slower), disk]));
        card.add("c", &found(&[("memory", 9.0, Verdict::NotRanked), disk]));
        card.add("d", &found(&[disk]));
        card.finish();
        let told: Vec<_> = card
            .targets
            .iter()
            .map(|t| (t.name.as_str(), t.mean_ratio, t.ratios))
            .collect();
        assert_eq!(told, [("disk", Some(1.0), 4), ("memory", Some(1.0), 2)]);
        assert!(card.workloads[3].on("memory").is_none());
    }
}

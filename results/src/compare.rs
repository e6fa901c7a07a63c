//! The result of `fsreplay compare`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::common::{Estimate, Machine, Trace, Verdict};
use crate::play::CallStatistics;
use crate::share::FileShare;
use crate::timeline::Phase;

/// What the tool would take on each of several targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Compare {
    /// [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The trace.
    pub trace: Trace,
    /// Where it was measured.
    pub machine: Machine,
    /// `recorded`, `fast` or `recorded x SCALE`.
    pub timing: String,
    /// How times were found.
    pub method: Method,
    /// State of the page cache when rounds began.
    pub cache: String,
    /// Rounds that were asked for; null where as many were played as it took, within the budget.
    pub rounds_asked: Option<u64>,
    /// The part of this machine's processors that others had meanwhile, 0 to 1; null where it is
    /// not known.
    pub others_share: Option<f64>,
    /// It was ended early.
    pub interrupted: bool,
    /// Recorded directories that went to the targets (`/`: all).
    pub moved: Vec<String>,
    /// Where everything else was replayed.
    pub neutral: Option<Neutral>,
    /// How much of the tool's time is file access; null where it is not known.
    pub share: Option<FileShare>,
    /// Busy stretches of the recording; empty where there is only one.
    pub phases: Vec<Phase>,
    /// The phase that times and verdicts are of; null where they are of all work.
    pub phase: Option<String>,
    /// Name of the target that the others are compared with.
    pub baseline: String,
    /// In the order of the command line.
    pub targets: Vec<Target>,
    /// Targets that were left out.
    pub unfit: Vec<Unfit>,
    /// The answer.
    pub sentence: String,
    /// What to know before believing it, in sentences.
    pub caveats: Vec<String>,
    /// Calls that were seen and not recorded, by name.
    pub unrecorded: BTreeMap<String, u64>,
    /// What was changed to fit, and how often.
    pub notes: Vec<(String, u64)>,
}

/// How times are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// On paper: the recorded computing and waiting, with what calls took in replays as fast as
    /// possible, on shares at the pace of the tool. Samples are of groups of rounds.
    Paper,
    /// By the clock, in replays with the tool's own time.
    #[default]
    Paced,
    /// By the clock, in replays as fast as possible: file-system time only.
    Fast,
}

/// The common place of what was not moved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Neutral {
    /// The directory.
    pub path: String,
    /// What was replayed there, in words.
    pub what: String,
}

/// What one target gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// The directory.
    pub path: String,
    /// Class of its mount, as in `mounts`.
    pub class: String,
    /// Its file system.
    pub fs_type: String,
    /// Its time: what the tool would take with recorded timing, else what the replay takes.
    #[serde(alias = "prediction_seconds")]
    pub seconds: Estimate,
    /// What the time and the ratio come from: on paper of groups of rounds, else of each round,
    /// seconds.
    pub rounds: Vec<f64>,
    /// What each round took by the clock, seconds.
    pub wall_seconds: Vec<f64>,
    /// Time in calls, summed over threads: median of the rounds, seconds.
    pub file_system_seconds: f64,
    /// Beside the baseline.
    pub ratio: Ratio,
    /// What each phase takes there, in the order of [`Compare::phases`]; empty where it is not
    /// known.
    pub phases: Vec<TargetPhase>,
    /// Events whose outcome was not the recorded one, in the round with the most of them.
    pub divergences: u64,
    /// Why, the most frequent first.
    pub causes: Vec<Cause>,
    /// What to know of it before believing its time, in words.
    pub caveats: Vec<String>,
    /// Calls left out in the last round, because the tool would not have made them there.
    pub left_out: u64,
    /// Share of events whose outcome was the recorded one, 0 to 1; null where it is not known.
    pub fidelity: Option<f64>,
    /// Calls of the last round.
    pub calls: Vec<CallStatistics>,
    /// Directories that took most on any target; the same of each target.
    pub directories: Vec<Directory>,
}

/// A target's time relative to the baseline's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Ratio {
    /// Name of the baseline.
    pub to: String,
    /// Quotient of both times.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// What that says.
    pub verdict: Verdict,
    /// Why it says nothing, where the verdict is `can't be told` or `not ranked`; else null.
    pub reason: Option<String>,
}

/// What a phase takes on a target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct TargetPhase {
    /// As in [`Phase::name`].
    pub name: String,
    /// Its busy time there, seconds.
    pub seconds: Estimate,
}

/// Time in a recorded directory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Directory {
    /// Its recorded path.
    pub path: String,
    /// Calls.
    pub count: u64,
    /// Time in them: median of the rounds' sums, seconds.
    pub seconds: f64,
}

/// Why outcomes were not as recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Cause {
    /// The call.
    pub call: String,
    /// What explains it.
    pub cause: String,
    /// How many.
    pub count: u64,
}

/// A target that can't hold the tree of the trace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Unfit {
    /// Its name.
    pub name: String,
    /// The directory.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Whether a file system keeps its files over a restart: those in memory don't.
pub fn keeps_files(fs_type: &str) -> bool {
    !matches!(fs_type, "tmpfs" | "ramfs")
}

impl Compare {
    /// The target of that name.
    pub fn target(&self, name: &str) -> Option<&Target> {
        self.targets.iter().find(|target| target.name == name)
    }

    /// Whether its times are what the tool works, and it also waits for what is outside of it.
    pub fn is_of_work(&self) -> bool {
        let waits = self.share.as_ref().is_some_and(FileShare::waits);
        self.method == Method::Paper && (waits || !self.phases.is_empty())
    }
}

impl Target {
    /// Whether what lies there is still there after a restart.
    pub fn keeps_files(&self) -> bool {
        keeps_files(&self.fs_type)
    }

    /// Whether it has no rank.
    pub fn is_unranked(&self) -> bool {
        self.ratio.verdict == Verdict::NotRanked
    }
}

//! The result of `fsreplay advise`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::common::{Estimate, Machine, Trace};
use crate::share::FileShare;

/// Which directories to move where.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Advise {
    /// [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The trace.
    pub trace: Trace,
    /// Where it was measured.
    pub machine: Machine,
    /// How much of the tool's time is file access; null where it is not known.
    pub share: Option<FileShare>,
    /// The workspace as it lies now.
    pub baseline: Baseline,
    /// Where the calls are.
    pub directories: Vec<Directory>,
    /// What gains something for certain, the most first.
    pub moves: Vec<Move>,
    /// Number of the move that is advised; null where none is.
    pub advised: Option<usize>,
    /// The answer.
    pub sentence: String,
    /// What to know before believing it, in sentences.
    pub caveats: Vec<String>,
    /// Calls that were seen and not recorded, by name.
    pub unrecorded: BTreeMap<String, u64>,
}

/// What the moves are compared with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Baseline {
    /// The target that the workspace lies on.
    pub name: String,
    /// What the tool takes there, seconds.
    pub seconds: Estimate,
}

/// What a recorded directory costs on the baseline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Directory {
    /// Its recorded path.
    pub path: String,
    /// Share of the workspace's time in calls, 0 to 1.
    pub share: f64,
    /// Time in calls, seconds.
    pub seconds: f64,
    /// Calls.
    pub count: u64,
}

/// A move that was verified by a replay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Move {
    /// The recorded directories, as one text.
    pub path: String,
    /// Each of them.
    pub paths: Vec<String>,
    /// The target.
    pub to: String,
    /// Class of its mount, as in `mounts`.
    pub class: String,
    /// What the tool then takes, seconds.
    #[serde(alias = "predicted_seconds")]
    pub seconds: Estimate,
    /// What that gains, seconds.
    pub gain_seconds: f64,
    /// Quotient of its time and the baseline's.
    pub ratio: Estimate,
    /// Events whose outcome was not the recorded one, in the round with the most of them.
    pub divergences: u64,
    /// Lines for devcontainer.json.
    pub devcontainer: Vec<String>,
    /// Lines for compose.yaml.
    pub compose: Vec<String>,
    /// What to know of it, in words.
    pub caveats: Vec<String>,
}

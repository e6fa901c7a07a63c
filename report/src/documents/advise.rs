//! The result of `fsreplay advise`.

use serde::Deserialize;

use super::{Machine, Trace};

/// Which directories to move where.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Advise {
    pub trace: Trace,
    pub machine: Machine,
    pub baseline: Baseline,
    pub directories: Vec<Directory>,
    pub moves: Vec<Move>,
    /// Number of the move that is advised.
    pub advised: Option<usize>,
    pub sentence: String,
    /// What to know before believing it, in sentences.
    pub caveats: Vec<String>,
}

/// What the moves are compared with.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Baseline {
    pub name: String,
    pub seconds: f64,
}

/// What a recorded directory costs on the baseline.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Directory {
    pub path: String,
    pub share: f64,
    pub seconds: f64,
    pub count: u64,
}

/// A move that was verified by a replay.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Move {
    pub path: String,
    pub to: String,
    pub class: String,
    pub predicted_seconds: f64,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub gain_seconds: f64,
    pub ratio: f64,
    /// Lines for devcontainer.json.
    pub devcontainer: Vec<String>,
    /// Lines for compose.yaml.
    pub compose: Vec<String>,
    pub caveats: Vec<String>,
}

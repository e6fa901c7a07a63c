//! The result of `fsreplay play`.

use serde::Deserialize;

use super::{Machine, Trace};

/// A replay on one placement.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Play {
    pub trace: Trace,
    pub machine: Machine,
    pub events: u64,
    pub divergences: u64,
    pub wall_seconds: Vec<f64>,
    pub median_wall_seconds: f64,
    pub threads: u64,
    pub coverage: Coverage,
    pub targets: Vec<Target>,
    pub rounds: Vec<Round>,
    pub divergence_groups: Vec<DivergenceGroup>,
    pub notes: Vec<(String, u64)>,
    /// What to know before believing it, in sentences.
    pub caveats: Vec<String>,
    pub cache: String,
}

/// What was issued of a trace.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Coverage {
    pub events: u64,
    pub issued: u64,
}

/// A directory replayed in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Target {
    pub recorded: String,
    pub path: String,
}

/// One round.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Round {
    pub calls: Vec<super::compare::Call>,
}

/// Divergences of one call with one cause.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct DivergenceGroup {
    pub call: String,
    pub cause: String,
    pub count: u64,
    pub examples: Vec<Divergence>,
}

/// One divergence.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Divergence {
    pub path: String,
}

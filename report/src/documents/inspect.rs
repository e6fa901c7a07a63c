//! The result of `fsreplay inspect`.

use serde::Deserialize;

use super::Trace;
use super::timeline::{Phase, Polling, Watching};

/// What a tool does to the file system.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Inspect {
    pub trace: Trace,
    pub command: Vec<String>,
    pub complete: Option<bool>,
    pub events: u64,
    pub elapsed_seconds: f64,
    pub totals: Totals,
    pub busy_seconds: f64,
    pub waiting_seconds: f64,
    pub phases: Vec<Phase>,
    pub polling: Vec<Polling>,
    pub watches: Vec<Watching>,
    pub calls: Vec<Cost>,
    pub directories: Vec<Cost>,
    pub mounts: Vec<Cost>,
    pub programs: Vec<Cost>,
    pub findings: Vec<Finding>,
    /// What to know before believing it, in sentences.
    pub caveats: Vec<String>,
}

/// Number and time of calls.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Share {
    pub count: u64,
    pub failed: u64,
    pub seconds: f64,
}

/// What the events were about.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Totals {
    pub file_system: Share,
    pub pseudo: Share,
    pub other: Share,
    pub unresolved: Share,
}

/// What a call, directory, mount or program costs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Cost {
    #[serde(alias = "path", alias = "mount_point")]
    pub name: String,
    pub fs_type: String,
    pub remote: bool,
    pub processes: u64,
    pub count: u64,
    pub failed: u64,
    pub seconds: f64,
}

/// Suspicious work of one kind.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Finding {
    pub kind: String,
    pub count: u64,
    pub seconds: f64,
    pub bytes: Option<u64>,
    pub paths: u64,
    pub items: Vec<Item>,
    pub names: Vec<Name>,
    pub processes: Vec<Responsible>,
}

/// One path of a finding.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Item {
    pub path: String,
    pub count: u64,
    pub seconds: f64,
    pub bytes: Option<u64>,
    pub exists: Option<bool>,
    pub entries: Option<u64>,
    pub used: Option<u64>,
    pub names: Vec<String>,
}

/// A name looked for in vain.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Name {
    pub name: String,
    pub count: u64,
    pub directories: u64,
}

/// A program and its part in a finding.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Responsible {
    pub name: String,
    pub processes: u64,
    pub count: u64,
}

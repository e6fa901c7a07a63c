//! When a recorded tool worked and when it waited, as a part of the result of `fsreplay inspect`.

use serde::Deserialize;

/// A time in which the tool worked, between two waits for the outside.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Phase {
    pub name: String,
    pub begin_seconds: f64,
    pub end_seconds: f64,
    pub busy_seconds: f64,
    /// Calls on files, of what all tasks worked: 0 to 1.
    pub file_share: f64,
    pub events: u64,
    pub directory: Option<String>,
}

/// Polling by one process.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Polling {
    pub program: String,
    pub directory: Option<String>,
    pub questions: u64,
    pub calls_per_second: f64,
    pub processor_share: f64,
    pub note: String,
}

/// Watches on one mount.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Watching {
    pub mount_point: String,
    pub fs_type: String,
    pub watches: u64,
    /// What to know: changes may not arrive.
    pub note: Option<String>,
}

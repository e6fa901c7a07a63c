//! The result of `fsreplay library`: the recorded workloads that come with the program.

use serde::{Deserialize, Serialize};

/// The workloads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Library {
    /// [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// In the order of their names.
    pub workloads: Vec<Workload>,
}

/// A recorded workload: what it is, and what it was recorded with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Workload {
    /// What it is called after `library:`.
    pub name: String,
    /// What it does to the file system, in one line.
    pub does: String,
    /// What was run, on what.
    pub about: String,
    /// The command.
    pub command: Vec<String>,
    /// Versions of the programs.
    pub versions: Vec<String>,
    /// Events (system calls).
    pub events: u64,
    /// Tasks.
    pub tasks: u64,
    /// Paths named in the trace.
    pub files: u64,
    /// Bytes of the files that were there before.
    pub initial_bytes: u64,
    /// Size of the trace, bytes.
    pub bytes: u64,
    /// What recorded it.
    pub producer: String,
    /// Start of the recording, seconds since the epoch.
    pub started: i64,
    /// Length of the recording, seconds.
    pub elapsed_seconds: f64,
    /// How the calls were seen.
    pub backend: String,
    /// The machine's architecture.
    pub architecture: String,
    /// Its processors.
    pub cpus: u32,
    /// Its kernel.
    pub kernel: String,
    /// The file system that it ran on.
    pub fs_type: String,
    /// Shell commands that made what was there when it ran.
    pub setup: String,
    /// Shell commands that put it back before each run.
    pub reset: String,
}

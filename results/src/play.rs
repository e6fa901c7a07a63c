//! The result of `fsreplay play`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::common::Estimate;

/// A replay on one placement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Play {
    /// [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Events of the trace.
    pub events: u64,
    /// Events whose outcome was not the recorded one, in the round with the most of them.
    pub divergences: u64,
    /// Whether the tool's own time was part of the rounds: `fast`, `recorded`, `recorded x SCALE`.
    pub timing: String,
    /// What the rounds take, seconds.
    #[serde(alias = "median_wall_seconds")]
    pub seconds: Estimate,
    /// That this is what the tool would take on these targets; only with recorded timing.
    pub prediction: Option<Prediction>,
    /// Wall time of each round, seconds; with `fast` timing, file-system time only.
    pub wall_seconds: Vec<f64>,
    /// Replay threads.
    pub threads: u64,
    /// What was issued and what not.
    pub coverage: Coverage,
    /// The directories replayed in.
    pub targets: Vec<TargetInfo>,
    /// Each round.
    pub rounds: Vec<Round>,
    /// Divergences of the last round, by call and cause.
    pub divergence_groups: Vec<DivergenceGroup>,
    /// What was changed to fit, and how often.
    pub notes: Vec<(String, u64)>,
    /// What to know before believing the times, in sentences.
    pub caveats: Vec<String>,
    /// Calls that the recorder saw and did not record, by name.
    pub unrecorded: BTreeMap<String, u64>,
    /// Where the tree was left, with `--keep`.
    pub kept: Vec<String>,
    /// State of the page cache when the rounds began.
    pub cache: String,
}

/// How far the rounds' time is the tool's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Prediction {
    /// Standard deviation of the rounds divided by their mean; null for one round.
    pub variation: Option<f64>,
    /// Where the tool's own time comes from: `calibrated` (runs without the recorder), `recorded`,
    /// or `clock` (a recording that could not tell computing from waiting).
    pub basis: String,
}

/// What was issued of a trace. Numbers of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Coverage {
    /// Events of the trace.
    pub events: u64,
    /// Issued to the target.
    pub issued: u64,
    /// Tracked and not issued: pseudo file systems.
    pub pseudo: u64,
    /// Tracked and not issued: pipes, sockets, events, and calls that touch no file (umask, wait).
    pub other: u64,
    /// Left out by `--skip`.
    pub skipped: u64,
    /// Not issued because the descriptor or path could not be told.
    pub unresolved: u64,
    /// Not issued because the call never returned.
    pub unfinished: u64,
}

/// A directory replayed in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct TargetInfo {
    /// The recorded directory placed there.
    pub recorded: String,
    /// The target.
    pub path: String,
    /// `f_type` of statfs(2), in hexadecimal.
    pub fs_magic: String,
}

/// One round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Round {
    /// From the first op to the end of the last, seconds.
    pub wall_seconds: f64,
    /// Making the tree, seconds.
    pub prepare_seconds: f64,
    /// Sum over all threads of the time in calls, seconds.
    pub call_seconds: f64,
    /// Sum over all threads of the time waiting for other threads, seconds.
    pub wait_seconds: f64,
    /// Sum over all threads of the tool's own time, seconds: computing and sleeping.
    pub own_seconds: f64,
    /// Events that diverged.
    pub divergences: u64,
    /// Calls left out, because the tool would not have made them here: copying of files that could
    /// be cloned.
    pub left_out: u64,
    /// By call, the one with the most time first.
    pub calls: Vec<CallStatistics>,
}

/// One call's counts and latencies (nanoseconds, three significant digits).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct CallStatistics {
    /// The call.
    pub name: String,
    /// How often.
    pub count: u64,
    /// How often it failed.
    pub errors: u64,
    /// Time in it, seconds.
    pub total_seconds: f64,
    /// The shortest, nanoseconds.
    pub min_ns: u64,
    /// The median, nanoseconds.
    pub p50_ns: u64,
    /// 90 % took no longer, nanoseconds.
    pub p90_ns: u64,
    /// 99 % took no longer, nanoseconds.
    pub p99_ns: u64,
    /// 99.9 % took no longer, nanoseconds.
    pub p999_ns: u64,
    /// The longest, nanoseconds.
    pub max_ns: u64,
    /// Latencies: lower bound in nanoseconds (powers of two) and how many.
    pub histogram: Vec<(u64, u64)>,
}

/// Divergences of one call with one cause.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct DivergenceGroup {
    /// The call.
    pub call: String,
    /// What explains it.
    pub cause: String,
    /// How many.
    pub count: u64,
    /// Some of them.
    pub examples: Vec<Divergence>,
    /// Those that failed and had succeeded, apart by error: `examples` may all be of one. Not
    /// written.
    #[serde(skip)]
    pub failures: Vec<Failures>,
}

impl DivergenceGroup {
    /// The cause where the kernel of the replay has no such call.
    pub const LACKING: &str = "this kernel doesn't have the call";
}

/// Divergences of a group that failed with one error and had succeeded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failures {
    /// The error, as in errno(3).
    pub errno: i32,
    /// Whether they asked for locks: `fcntl` does other things as well.
    pub on_locks: bool,
    /// How many.
    pub count: u64,
    /// Path that the first of them names, if it names one.
    pub path: String,
}

/// One divergence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Divergence {
    /// Number of the event in the trace.
    pub event: u32,
    /// Path that it names, if it names one.
    pub path: String,
    /// Recorded value or `-errno`.
    pub expected: i64,
    /// Replayed value or `-errno`.
    pub got: i64,
}

//! The result of `fsreplay diff`.

use serde::{Deserialize, Serialize};

use crate::inspect::FindingKind;

/// What came or went between two recordings of a tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Diff {
    /// [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The recording that the other is compared with.
    pub before: Side,
    /// The other one.
    pub after: Side,
    /// Whether anything came or went.
    pub different: bool,
    /// Calls on files whose number differs, those that differ most first.
    pub calls: Vec<Change>,
    /// Paths at which calls differ, those that differ most first.
    pub paths: Vec<PathChange>,
    /// How many paths there are, also those not shown.
    pub changed_paths: u64,
    /// Wasted work that came or went, that which differs most first.
    pub waste: Vec<WasteChange>,
}

/// One of the two recordings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Side {
    /// The recorded command.
    pub command: Vec<String>,
    /// Calls on files and directories.
    pub on_files: u64,
    /// Length of the recording, seconds.
    pub elapsed_seconds: f64,
}

/// How often a call was made before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Change {
    /// The call.
    pub name: String,
    /// Number of calls before.
    pub count_before: u64,
    /// Number of calls after.
    pub count_after: u64,
    /// Of those before, how many failed.
    pub failed_before: u64,
    /// Of those after, how many failed.
    pub failed_after: u64,
}

/// Calls at a path before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct PathChange {
    /// The path. Names that the tool made and that differ from run to run are `*`; digits of names
    /// that only one of the runs looked for are `#`.
    pub path: String,
    /// The calls that differ there.
    pub calls: Vec<Change>,
}

/// Wasted work before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct WasteChange {
    /// Which kind, as in `inspect`.
    pub finding: FindingKind,
    /// The path that it is about; empty for all of that kind.
    pub path: String,
    /// Its count before, as in `inspect`; 0 where it was no finding.
    pub count_before: u64,
    /// Its count after.
    pub count_after: u64,
}

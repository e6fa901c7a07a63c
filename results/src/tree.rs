//! Time in calls on files by path and by what the calls do, as a tree.

use serde::{Deserialize, Serialize};

/// A path of the tree, and what calls on it and on everything below it took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Branch {
    /// The last name of its path; `/` of the root.
    pub name: String,
    /// Number of the branch above, which stands before it; `None` for the root.
    pub above: Option<u64>,
    /// Calls on it and on everything below it, also where that has no branch of its own, summed
    /// over tasks, seconds.
    pub seconds: f64,
    /// The same by what the calls do; kinds without any time are left out.
    pub work: Vec<Work>,
}

/// Time in calls of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Work {
    /// Which kind.
    pub kind: WorkKind,
    /// Seconds.
    pub seconds: f64,
}

/// What calls on files do; each call is of one kind.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WorkKind {
    /// Look for names that aren't there: without need, if it is much.
    Missing,
    /// Ask what was asked before, of paths that count as asked again and again: without need.
    Again,
    /// Look up and open.
    Lookup,
    /// List directories.
    List,
    /// Read and map.
    Read,
    /// Write.
    Write,
    /// Make, rename, remove and change names and what belongs to them.
    Change,
    /// Wait for the disk.
    Sync,
    /// Anything else; also a kind that this version doesn't know.
    #[default]
    #[serde(other)]
    Other,
}

impl WorkKind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [WorkKind; 9] = [
        WorkKind::Missing,
        WorkKind::Again,
        WorkKind::Lookup,
        WorkKind::List,
        WorkKind::Read,
        WorkKind::Write,
        WorkKind::Change,
        WorkKind::Sync,
        WorkKind::Other,
    ];
}

//! The result of `fsreplay inspect`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::share::FileShare;
use crate::timeline::Timeline;
use crate::tree::Branch;

/// What a tool does to the file system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Inspect {
    /// [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The recorded command.
    pub command: Vec<String>,
    /// Whether the trace has its end; null where it is not known.
    pub complete: Option<bool>,
    /// Events of the trace.
    pub events: u64,
    /// Length of the recording, seconds.
    pub elapsed_seconds: f64,
    /// How much of the tool's time is file access; null where it is not known.
    pub share: Option<FileShare>,
    /// When it worked and when it waited.
    #[serde(flatten)]
    pub timeline: Timeline,
    /// What the events were about.
    pub totals: Totals,
    /// File-system calls by name, the most expensive first; all of them.
    pub calls: Vec<CallCost>,
    /// Directories by the time spent on them and on the names in them.
    pub directories: Vec<DirectoryCost>,
    /// Time by path: the paths that took most, from the root downwards.
    pub tree: Vec<Branch>,
    /// Recorded mounts by time; all that were used.
    pub mounts: Vec<MountCost>,
    /// Programs by the time of all processes that ran them.
    pub programs: Vec<ProgramCost>,
    /// Processes by time.
    pub processes: Vec<ProcessCost>,
    /// Suspicious work, the most expensive first. One call may count in several of them.
    pub findings: Vec<Finding>,
    /// Calls that the recorder saw and did not record, by name.
    pub unrecorded: BTreeMap<String, u64>,
    /// What to know before believing the figures, in words; for whoever words it.
    pub caveats: Vec<String>,
}

/// Number and time of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Share {
    /// Calls.
    pub count: u64,
    /// Of those, calls that failed.
    pub failed: u64,
    /// Seconds from entry to exit, summed over tasks.
    pub seconds: f64,
}

/// What the events of a trace were about; the parts sum up to all events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Totals {
    /// Files and directories.
    pub file_system: Share,
    /// Pseudo file systems (/proc, /sys, /dev).
    pub pseudo: Share,
    /// Pipes, sockets, waiting, calls without a file.
    pub other: Share,
    /// Calls on descriptors or relative to directories that the trace doesn't tell.
    pub unresolved: Share,
}

/// What a call cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct CallCost {
    /// Its name.
    pub name: String,
    /// Number and time.
    #[serde(flatten)]
    pub share: Share,
}

/// What a directory cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct DirectoryCost {
    /// Its path.
    pub path: String,
    /// Calls on it and on the names in it.
    #[serde(flatten)]
    pub share: Share,
    /// Calls on everything below it, too.
    pub below: Share,
}

/// What a recorded mount cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct MountCost {
    /// Where it was mounted.
    pub mount_point: String,
    /// Type of its file system.
    pub fs_type: String,
    /// Whether each call on it goes to another machine or process.
    pub remote: bool,
    /// Number and time.
    #[serde(flatten)]
    pub share: Share,
}

/// What the processes of one program cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ProgramCost {
    /// The last name of the path of the program.
    pub name: String,
    /// Processes that ran it last.
    pub processes: u64,
    /// Number and time.
    #[serde(flatten)]
    pub share: Share,
}

/// What a process cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ProcessCost {
    /// Process id in the recording.
    pub pid: u32,
    /// Process id of the process that made it; `None` for the command.
    pub parent: Option<u32>,
    /// The last name of the path of the program that it ran last.
    pub name: String,
    /// The arguments of that program, as far as the trace keeps them: its name is the first.
    pub arguments: Vec<String>,
    /// Number and time.
    #[serde(flatten)]
    pub share: Share,
}

/// The kinds of suspicious work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// Lookups of names that aren't there, by directory; and for which names.
    FailedLookups,
    /// One path asked for its status over and over.
    RepeatedStats,
    /// One path opened over and over.
    RepeatedOpens,
    /// One directory listed over and over.
    RepeatedListings,
    /// One link read, or one path asked whether it is a link, over and over.
    RepeatedReadlinks,
    /// Reads of a few bytes.
    TinyReads,
    /// Writes of a few bytes.
    TinyWrites,
    /// Files read in full whose contents had been read in full before.
    RepeatedReads,
    /// Directories listed of whose files hardly any was used.
    UnusedWalks,
    /// Many calls that wait for the disk.
    SyncStorms,
    /// Files made, written and deleted (or replaced) again.
    ShortLivedFiles,
    /// Files written to remote mounts that could lie on a local one: deleted again, or caches by
    /// their place.
    TemporaryOnRemoteMount,
    /// A kind that this version doesn't know.
    #[default]
    #[serde(other)]
    Other,
}

/// One kind of suspicious work. Sums are over all items, also those not shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Finding {
    /// Which kind.
    pub kind: FindingKind,
    /// Calls; files for short-lived ones, listed directories for walks.
    pub count: u64,
    /// Seconds in those calls; of repeated ones, all of them.
    pub seconds: f64,
    /// Bytes: of tiny reads and writes, of what was read again, of short-lived files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// How many paths it is about.
    pub paths: u64,
    /// The paths that cost most.
    pub items: Vec<Item>,
    /// Of failed lookups: the names that were looked for, the most frequent first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<MissingName>,
    /// The programs responsible.
    pub processes: Vec<Responsible>,
}

/// One path of a finding.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Item {
    /// The file or directory.
    pub path: String,
    /// As in [`Finding::count`].
    pub count: u64,
    /// As in [`Finding::seconds`].
    pub seconds: f64,
    /// As in [`Finding::bytes`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Of a searched directory: whether it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// Different names looked for; entries seen in a walk; files synced, or short-lived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// Of a walk: entries that were used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
    /// The most frequent names looked for; examples of files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The programs responsible.
    pub processes: Vec<Responsible>,
}

/// A name that was looked for in vain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct MissingName {
    /// The name.
    pub name: String,
    /// How often.
    pub count: u64,
    /// In how many directories.
    pub directories: u64,
    /// Seconds in those calls.
    pub seconds: f64,
}

/// A program and its part in a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Responsible {
    /// Name of the program.
    pub name: String,
    /// How many processes of it.
    pub processes: u64,
    /// Their part of the count.
    pub count: u64,
}

//! The result of `fsreplay info`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a trace holds and reveals.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Info {
    /// [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Events (system calls).
    pub events: u64,
    /// Tasks.
    pub tasks: u64,
    /// Paths named in the trace.
    pub files: u64,
    /// Size of the trace file, bytes.
    pub bytes: u64,
    /// `bytes` / `events`.
    pub bytes_per_event: f64,
    /// Whether the trace has its footer.
    pub complete: bool,
    /// The recorded command; without its arguments, unless they were kept.
    pub command: Vec<String>,
    /// The directory in which it ran.
    pub cwd: String,
    /// Its exit status; null where it is not known or a signal killed it.
    pub exit_code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// Length of the recording, seconds.
    pub elapsed_seconds: f64,
    /// Start of the recording, seconds since the epoch.
    pub started: i64,
    /// What recorded it.
    pub producer: String,
    /// Architecture of the recorded machine.
    pub architecture: String,
    /// Release of its kernel.
    pub kernel: String,
    /// Its processors.
    pub cpus: u32,
    /// How calls were seen.
    pub backend: String,
    /// Of the events, those that were recorded inside the tool's own processes; at all others the
    /// tool was stopped.
    pub recorded_inside: u64,
    /// The user who recorded.
    pub uid: u32,
    /// Events by call.
    pub calls: BTreeMap<String, CallCount>,
    /// Files whose state was taken.
    pub initial_files: u64,
    /// Directories whose state was taken.
    pub initial_directories: u64,
    /// Links whose state was taken.
    pub initial_links: u64,
    /// Bytes of those files.
    pub initial_bytes: u64,
    /// Calls that were seen and not recorded, by name.
    pub unrecorded: BTreeMap<String, u64>,
    /// Processes that still ran when the command had ended.
    pub left_running: u64,
    /// What a reader should know about gaps.
    pub warnings: Vec<String>,
    /// Mounts of the recorded machine.
    pub mounts: Vec<RecordedMount>,
    /// What the trace tells of the machine and its people.
    pub reveals: Reveals,
}

/// Events of one call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct CallCount {
    /// How many.
    pub count: u64,
    /// Of those, calls that failed.
    pub errors: u64,
    /// Time in them as recorded, the recorder's own cost included, seconds.
    pub seconds: f64,
}

/// A mount of the recorded machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct RecordedMount {
    /// Where it was mounted.
    pub mount_point: String,
    /// Type of its file system.
    pub fs_type: String,
    /// What was mounted.
    pub source: String,
    /// The directory of that file system which was mounted.
    pub root: String,
    /// Its options.
    pub options: String,
}

/// What a trace reveals. Contents of files, the environment and values of attributes are in no
/// trace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Reveals {
    /// Whether it says that its names were replaced.
    pub anonymized: bool,
    /// Files and directories that it names.
    pub names: u64,
    /// Different texts of links.
    pub link_targets: u64,
    /// Different names of extended attributes.
    pub attribute_names: u64,
    /// Mounts.
    pub mounts: u64,
    /// Of those, mounts of which it tells the source.
    pub mount_sources: u64,
    /// Programs that were started, or tried to be (along `PATH`).
    pub programs: u64,
    /// Of those, ones of which it has arguments beyond the program's name.
    pub programs_with_arguments: u64,
}

//! The frame around the records: what is known when a recording begins, and when it ends.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the recorder's stops add to each event while recorder and task share a processor,
/// nanoseconds; measured when a recording begins. In [`Spent`](super::Spent) it is taken out, in
/// durations it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StopCosts {
    /// To the processor time before the call.
    pub think: u64,
    /// To the processor time in the call.
    pub cpu: u64,
    /// To [`Event::duration`](super::Event::duration).
    pub duration: u64,
}

/// A run of the command without the recorder.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Unobserved {
    /// From its start to its end, nanoseconds.
    pub elapsed: u64,
    /// Processor time of the command and of all children that were waited for, nanoseconds.
    pub cpu: u64,
    /// Processor time that each event takes besides what was recorded (may be negative),
    /// nanoseconds, so that a replay where the command was recorded takes as long as the command
    /// did; `None` where that was not tried.
    pub per_event: Option<f64>,
}

/// Runs of the command without the recorder, as they were measured: what is made of them is the
/// reader's to say.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Samples {
    /// Which way of measuring this was: those of another one are not to be compared with.
    pub engine: u32,
    /// One for each run, in the order in which they were made.
    pub runs: Vec<Sample>,
}

impl Samples {
    /// The way of measuring of this version: the command runs again and again, each time right
    /// after the time before (on a share, after cached attributes have expired), and nothing is
    /// taken out.
    pub const ENGINE: u32 = 1;
}

/// A run of the command without the recorder, with all of its children that were waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sample {
    /// From its start to its end, nanoseconds.
    pub elapsed: u64,
    /// On processors, nanoseconds.
    pub cpu: u64,
    /// Its first task's time ready to run and kept waiting for a processor, nanoseconds: the
    /// kernel tells it of single tasks. 0 where it doesn't.
    pub queued: u64,
}

/// How fast processors were that something else may have slowed: a virtual machine's neighbours.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Processors {
    /// How many times as long computing took while the command was recorded as where nothing slows
    /// them.
    pub slowness: f64,
    /// What a unit of a replay's work takes there, nanoseconds.
    pub unit: f64,
    /// Which work that is.
    pub work: u32,
    /// Of which machine that is true, until it starts again (`/proc/sys/kernel/random/boot_id`);
    /// empty if that isn't known.
    pub boot: String,
}

/// Under this name, a footer counts events whose arguments in memory could not be read: unlike all
/// else that is counted there, they are events of the trace as well.
pub const UNREADABLE_ARGUMENTS: &str = "calls with unreadable arguments";

/// A mounted file system, as /proc/self/mountinfo tells it (unescaped).
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mount {
    /// Mount id.
    pub id: u32,
    /// Which directory of the file system is mounted.
    pub root: Vec<u8>,
    /// Where.
    pub mount_point: Vec<u8>,
    /// Per-mount options.
    pub options: String,
    /// Optional fields, such as `master:5`.
    pub optional: String,
    /// File system type.
    pub fs_type: String,
    /// Source.
    pub source: Vec<u8>,
    /// Per-superblock options.
    pub super_options: String,
}

/// What is known when a recording begins.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Header {
    /// Version of the fsreplay that wrote the trace.
    pub producer: String,
    /// The command and those of its arguments that are kept: none, unless the recording was asked
    /// to.
    pub command: Vec<Vec<u8>>,
    /// Working directory of the command.
    pub cwd: Vec<u8>,
    /// umask at the start.
    pub umask: u32,
    /// Effective user id of the command.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Machine architecture: `x86_64`, `aarch64`.
    pub architecture: String,
    /// Kernel release.
    pub kernel: String,
    /// Processors that the command could use.
    pub cpus: u32,
    /// Page size in bytes.
    pub page_size: u32,
    /// How it was recorded: `ptrace`, [`Header::INSIDE`], …
    pub backend: String,
    /// Seconds since the epoch at the start.
    pub started: i64,
    /// The mount table at the start; [`Metadata::mount`](super::Metadata::mount) is an index into
    /// it.
    pub mounts: Vec<Mount>,
    /// What the recorder's stops add to times; `None` where it was not measured.
    #[serde(skip)]
    pub costs: Option<StopCosts>,
    /// Whether events tell what a task computed and what it waited for
    /// ([`Spent`](super::Spent), and the `think` of starts and exits). Where they don't, all time
    /// between calls counts as computing.
    #[serde(skip)]
    pub tells_waiting: bool,
}

/// What the producer of an anonymized trace ends with.
const ANONYMIZED: &str = ", anonymized";

impl Header {
    /// [`Header::backend`] of a tool that was recorded from inside, but for calls that stop.
    pub const INSIDE: &str = "inside";

    /// Whether the trace says that its names were replaced by others.
    pub fn is_anonymized(&self) -> bool {
        self.producer.ends_with(ANONYMIZED)
    }

    /// The producer of a trace whose names were replaced, from that of the trace that had them.
    /// What isn't a version of fsreplay might name somebody, and goes.
    pub(crate) fn anonymized(producer: &str) -> String {
        let version = producer.strip_prefix("fsreplay ").unwrap_or_default();
        let end = version.find(|c: char| !c.is_ascii_digit() && c != '.');
        let version = &version[..end.unwrap_or(version.len())];
        format!("fsreplay {version}{ANONYMIZED}")
    }
}

/// What is known when a recording ends.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Footer {
    /// Status of the command as wait(2) encodes it; `None` if it is not known.
    pub status: Option<i32>,
    /// Length of the recording, nanoseconds.
    pub elapsed: u64,
    /// Number of events.
    pub events: u64,
    /// Number of tasks.
    pub tasks: u64,
    /// Calls that were seen and not recorded, by name.
    pub unrecorded: BTreeMap<String, u64>,
    /// Tasks left running when the recording ended.
    pub left_running: u64,
    /// What a reader of the trace should know about its gaps.
    pub warnings: Vec<String>,
    /// A run of the same command without the recorder (`--calibrate`).
    #[serde(skip)]
    pub unobserved: Option<Unobserved>,
    /// How fast the processors were (`--calibrate`).
    #[serde(skip)]
    pub processors: Option<Processors>,
    /// Of the events, those that were recorded inside the tool's own processes. For all others the
    /// tool was stopped.
    #[serde(skip)]
    pub recorded_inside: u64,
    /// Runs of the same command without the recorder (`--calibrate`).
    #[serde(skip)]
    pub samples: Option<Samples>,
}

/// File systems whose files are the kernel's own state.
const PSEUDO_TYPES: &[&str] = &[
    "proc",
    "sysfs",
    "devtmpfs",
    "devpts",
    "cgroup",
    "cgroup2",
    "mqueue",
    "tracefs",
    "debugfs",
    "securityfs",
    "bpf",
    "bpffs",
    "pstore",
    "fusectl",
    "configfs",
    "binfmt_misc",
    "hugetlbfs",
    "rpc_pipefs",
    "nsfs",
    "selinuxfs",
    "efivarfs",
    "resctrl",
    "smackfs",
    "functionfs",
    "pipefs",
    "sockfs",
];

/// Whether nothing that is stored lies on a file system of that type: its files are the kernel's
/// own state.
pub fn is_pseudo(fs_type: &str) -> bool {
    PSEUDO_TYPES.contains(&fs_type)
}

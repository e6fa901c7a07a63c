//! The timeline of a recording: phases of work between waits for what is outside of the tool.

use serde::{Deserialize, Serialize};

/// When the tool worked, when it waited for the outside, and what it did without need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Timeline {
    /// Seconds in which at least one task was at work: without waiting for a processor, and
    /// without the recorder's cost.
    pub busy_seconds: f64,
    /// Seconds in which no task was busy: all waited for timers, the network, people, events.
    pub waiting_seconds: f64,
    /// Phases in the order of time; all of them.
    pub phases: Vec<Phase>,
    /// Work between phases: wake-ups that did nothing to speak of, and polling.
    pub between: Between,
    /// What was polled, what takes most of a processor first.
    pub polling: Vec<Polling>,
    /// Watched files and directories by recorded mount.
    pub watches: Vec<Watching>,
}

/// What set the tool to work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PhaseKind {
    /// The command began.
    Start,
    /// A change of a watched file.
    Rebuild,
    /// A connection, or bytes of one.
    Request,
    /// Bytes of a stream that was open when the command began.
    Input,
    /// A wait in which nothing happened came to its end.
    Timer,
    /// The trace doesn't tell.
    #[default]
    Work,
    /// The command ended, without work to speak of.
    End,
}

/// A time in which the tool worked, between two waits for the outside.
///
/// The events of a phase are those from `first_event` up to, and not with, `end_event`, by their
/// number: the order in which they returned, from 0, as in the records of the trace and in the plan
/// that is made of it. Phases don't overlap; events between them belong to none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Phase {
    /// The kind, and a number where there are several of it: `start`, `rebuild 2`.
    pub name: String,
    /// What set the tool to work.
    pub kind: PhaseKind,
    /// Seconds since the start of the recording.
    pub begin_seconds: f64,
    /// Seconds since the start of the recording.
    pub end_seconds: f64,
    /// As [`Timeline::busy_seconds`].
    pub busy_seconds: f64,
    /// Seconds in calls on files, summed over tasks, the recorder's cost taken out.
    pub file_seconds: f64,
    /// Those of what all tasks worked, 0 to 1.
    pub file_share: f64,
    /// Events that returned in it.
    pub events: u64,
    /// Of those, files and directories that were opened.
    pub opens: u64,
    /// The deepest directory with at least half of the time in calls on files.
    pub directory: Option<String>,
    /// Number of its first event.
    pub first_event: u64,
    /// One more than the number of its last event; `first_event` if it has none.
    pub end_event: u64,
}

/// What lay between phases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Between {
    /// As [`Timeline::busy_seconds`].
    pub busy_seconds: f64,
    /// Events.
    pub events: u64,
}

/// Polling by one process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Polling {
    /// Name of its program.
    pub program: String,
    /// Its process id in the recording.
    pub pid: u32,
    /// The deepest directory with at least half of the calls; `None` for waits that end without
    /// anything.
    pub directory: Option<String>,
    /// Mount point and type of the file system of that directory.
    pub mount_point: Option<String>,
    /// Type of that file system.
    pub fs_type: Option<String>,
    /// Whether each call on that mount goes to another machine or process.
    pub remote: bool,
    /// Different questions: a path and a call.
    pub questions: u64,
    /// Calls.
    pub calls: u64,
    /// Calls a second, from the first to the last.
    pub calls_per_second: f64,
    /// Seconds from a question to the same one again, on average.
    pub interval_seconds: f64,
    /// The part of one processor that it takes while nobody works.
    pub processor_share: f64,
    /// What to do.
    pub note: String,
}

/// Watches on one recorded mount.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Watching {
    /// Where it was mounted.
    pub mount_point: String,
    /// Type of its file system.
    pub fs_type: String,
    /// Whether each call on it goes to another machine or process.
    pub remote: bool,
    /// Successful calls that set a watch.
    pub watches: u64,
    /// What to know.
    pub note: Option<String>,
}

impl PhaseKind {
    /// What a phase of it is called.
    pub fn name(self) -> &'static str {
        match self {
            PhaseKind::Start => "start",
            PhaseKind::Rebuild => "rebuild",
            PhaseKind::Request => "request",
            PhaseKind::Input => "input",
            PhaseKind::Timer => "timer",
            PhaseKind::Work => "work",
            PhaseKind::End => "end",
        }
    }
}

/// The phase that an event belongs to, by its number: an index into `phases`; `None` between
/// phases.
pub fn phase_of(phases: &[Phase], event: u64) -> Option<usize> {
    let after = phases.partition_point(|phase| phase.first_event <= event);
    let index = after.checked_sub(1)?;
    (event < phases.get(index)?.end_event).then_some(index)
}

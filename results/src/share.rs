//! How much of a tool's time is file access.

use serde::{Deserialize, Serialize};

/// What makes less of a difference nobody notices, as part of a time: the same bound as for times
/// that count as equal.
pub const NOTICED: f64 = fsreplay_measure::verdict::NEGLIGIBLE;

/// What takes less feels instantaneous, seconds (Miller, "Response time in man-computer
/// conversational transactions", 1968).
const AT_ONCE: f64 = 0.1;

/// What kind of place files lie in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PlaceKind {
    /// The directory that the tool was started in, or the repository around it.
    Workspace,
    /// A mount of its own, of the recorded machine.
    Mount,
    /// Where programs that ran have their own directories, and libraries of languages.
    Toolchain,
    /// What belongs to the operating system.
    System,
    /// Anything else.
    #[default]
    Other,
}

/// File access in one kind of place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct PlaceShare {
    /// Which kind.
    pub kind: PlaceKind,
    /// The directory, of a workspace or a mount.
    pub directory: Option<String>,
    /// In calls there, on the longest way, seconds.
    pub call_seconds: f64,
    /// What can be gained at most if calls there take nothing, seconds: of the time that the tool
    /// works, also beside the longest way.
    pub gain_seconds: f64,
    /// The same as part of the time that the tool works, 0 to 1.
    pub share: f64,
}

/// How much of a tool's time is file access.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct FileShare {
    /// The part of the time that the tool works, which a mount can gain at most, 0 to 1. Waiting
    /// for what is outside of it is no work.
    pub file_share: f64,
    /// How long the tool took, seconds: without the recorder if the trace knows that, else as
    /// recorded without the recorder's own cost.
    pub seconds: f64,
    /// What a mount can gain at most, seconds.
    pub gain_seconds: f64,
    /// In file calls, on the longest way through the tool's tasks, seconds.
    pub call_seconds: f64,
    /// Computing on it, seconds.
    pub computing_seconds: f64,
    /// Waiting on it for a processor that the tool's own tasks had, seconds.
    pub queued_seconds: f64,
    /// All of its tasks waited for what is outside of the tool, seconds: timers, the network,
    /// people.
    pub outside_seconds: f64,
    /// These are times of another machine, on which the trace was recorded, or of this one under
    /// another kernel.
    pub recorded_elsewhere: bool,
    /// By place, what can be gained most first.
    pub places: Vec<PlaceShare>,
    /// In words.
    pub sentence: String,
}

impl FileShare {
    /// Whether no mount can make a difference that anyone would notice.
    pub fn is_small(&self) -> bool {
        // Of a tool that waits nearly all the time, nobody notices what is short and rare.
        let is_rare = self.gain_seconds < NOTICED * self.seconds && self.gain_seconds < AT_ONCE;
        self.file_share < NOTICED || is_rare
    }

    /// Whether the tool also waits for what is outside of it, so that what it works isn't what it
    /// takes.
    pub fn waits(&self) -> bool {
        self.outside_seconds > NOTICED * self.seconds
    }
}

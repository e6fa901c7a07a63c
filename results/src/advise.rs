//! The result of `fsreplay advise`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::common::{Estimate, Machine, Trace, Verdict};
use crate::share::FileShare;

/// Which directories to move where.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Advise {
    /// [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The trace.
    pub trace: Trace,
    /// Where it was measured.
    pub machine: Machine,
    /// How much of the tool's time is file access; null where it is not known.
    pub share: Option<FileShare>,
    /// The workspace as it lies now.
    pub baseline: Baseline,
    /// The recorded directory that is the workspace.
    pub workspace: String,
    /// Where the calls are.
    pub directories: Vec<Directory>,
    /// Each directory on each mount, what came of it, the fastest first.
    pub tried: Vec<Tried>,
    /// What gains something for certain, the most first.
    pub moves: Vec<Move>,
    /// Number of the move that is advised; null where none is.
    pub advised: Option<usize>,
    /// What came of it with the real command (`--verify`); null where that was not tried.
    pub verified: Option<Verified>,
    /// The answer.
    pub sentence: String,
    /// What to know before believing it, in sentences.
    pub caveats: Vec<String>,
    /// Calls that were seen and not recorded, by name.
    pub unrecorded: BTreeMap<String, u64>,
}

/// The real command on copies: as everything lies now, and as it is advised.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Verified {
    /// The command.
    pub command: Vec<String>,
    /// Runs with each layout that count.
    pub runs: u64,
    /// The status that its last run ended with.
    pub status: i32,
    /// What it takes on a copy as everything lies now, seconds.
    pub before_seconds: Estimate,
    /// What it takes as it is advised, seconds.
    pub after_seconds: Estimate,
    /// Quotient of both.
    pub ratio: Estimate,
    /// What that says: `faster` confirms the advice.
    pub verdict: Verdict,
}

/// What the moves are compared with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Baseline {
    /// The target that the workspace lies on.
    pub name: String,
    /// What the tool takes there, seconds.
    pub seconds: Estimate,
}

/// What a recorded directory costs on the baseline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Directory {
    /// Its recorded path.
    pub path: String,
    /// Share of the workspace's time in calls, 0 to 1.
    pub share: f64,
    /// Time in calls, seconds.
    pub seconds: f64,
    /// Calls.
    pub count: u64,
}

/// What came of a directory on a mount, or why it was not tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Tried {
    /// The recorded directories, as one text.
    pub path: String,
    /// Each of them.
    pub paths: Vec<String>,
    /// The target.
    pub to: String,
    /// Class of its mount, as in `mounts`.
    pub class: String,
    /// What the tool then takes, seconds; its value is null where it was not tried.
    pub seconds: Estimate,
    /// Quotient of its time and the baseline's.
    pub ratio: Estimate,
    /// What that says.
    pub verdict: Verdict,
    /// Why it is the advice, or isn't.
    pub reason: Reason,
    /// That in words, with its figures; null where there is no more to say.
    pub detail: Option<String>,
    /// Events whose outcome was not the recorded one, in the round with the most of them; null
    /// where it was not tried.
    pub divergences: Option<u64>,
}

/// Why a move is the advice, or isn't.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Reason {
    /// It is.
    #[serde(rename = "advised")]
    Advised,
    /// Another one gains more.
    #[serde(rename = "gains less")]
    GainsLess,
    /// Another one gains as much, and is less trouble.
    #[serde(rename = "more trouble")]
    MoreTrouble,
    /// It gains so little that nobody would notice.
    #[serde(rename = "gains too little")]
    TooLittle,
    /// It takes as long as now, as far as can be told, or longer.
    #[serde(rename = "no gain")]
    NoGain,
    /// What was measured doesn't tell.
    #[serde(rename = "can't be told")]
    CannotTell,
    /// The replay was not the tool's work there.
    #[serde(rename = "diverged")]
    Diverged,
    /// Nothing shows that it can be made anew, as what lies on a tmpfs has to be.
    #[serde(rename = "not for a tmpfs")]
    NotForTmpfs,
    /// The target can't hold the tree.
    #[serde(rename = "left out")]
    LeftOut,
    /// Too much of the tool's work is not in the trace; also for what is not known.
    #[default]
    #[serde(rename = "not recorded")]
    NotRecorded,
}

impl Advise {
    /// The move that is advised.
    pub fn best(&self) -> Option<&Move> {
        self.advised.and_then(|number| self.moves.get(number))
    }
}

impl Reason {
    /// As it is written and shown.
    pub fn text(self) -> &'static str {
        match self {
            Reason::Advised => "advised",
            Reason::GainsLess => "gains less",
            Reason::MoreTrouble => "more trouble",
            Reason::TooLittle => "gains too little",
            Reason::NoGain => "no gain",
            Reason::CannotTell => "can't be told",
            Reason::Diverged => "diverged",
            Reason::NotForTmpfs => "not for a tmpfs",
            Reason::LeftOut => "left out",
            Reason::NotRecorded => "not recorded",
        }
    }
}

/// A move that was verified by a replay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Move {
    /// The recorded directories, as one text.
    pub path: String,
    /// Each of them.
    pub paths: Vec<String>,
    /// The target.
    pub to: String,
    /// Class of its mount, as in `mounts`.
    pub class: String,
    /// What the tool then takes, seconds.
    #[serde(alias = "predicted_seconds")]
    pub seconds: Estimate,
    /// What that gains, seconds.
    pub gain_seconds: f64,
    /// Quotient of its time and the baseline's.
    pub ratio: Estimate,
    /// Events whose outcome was not the recorded one, in the round with the most of them.
    pub divergences: u64,
    /// Lines for devcontainer.json.
    pub devcontainer: Vec<String>,
    /// Lines for compose.yaml.
    pub compose: Vec<String>,
    /// What to know of it, in words.
    pub caveats: Vec<String>,
}

//! The result of `fsreplay why`.

use serde::{Deserialize, Serialize};

use crate::advise::Advise;
use crate::common::Trace;
use crate::compare::Compare;
use crate::inspect::Inspect;

/// Whether it is the file system, and what to do about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Why {
    /// [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The trace.
    pub trace: Trace,
    /// The status that the command ended with; null where a trace was given.
    pub status: Option<i32>,
    /// The part of the time that the tool works, which a mount can gain at most, 0 to 1; null
    /// where it is not known. As in `compare.share` where mounts were measured, else as in
    /// `inspect.share`.
    pub file_share: Option<f64>,
    /// It was ended early: `compare` is of the rounds until then, and what to move may not have
    /// been looked for.
    pub interrupted: bool,
    /// The answer.
    pub sentence: String,
    /// What the tool does.
    pub inspect: Inspect,
    /// What it would take on each mount; null where no mount can make a difference.
    pub compare: Option<Compare>,
    /// What to move; null where nothing is faster.
    pub advise: Option<Advise>,
}

//! What is told of an import.

use std::borrow::Cow;

/// Something that the log doesn't tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// What, as a sentence without its stop.
    pub what: Cow<'static, str>,
    /// How often.
    pub count: u64,
}

/// What came of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Calls in the trace.
    pub events: u64,
    /// Tasks.
    pub tasks: u64,
    /// Files and directories that are inferred to have been there.
    pub inferred: u64,
    /// What isn't known. The trace has it as its warnings.
    pub unknown: Vec<Unknown>,
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not in the log: {} ({})", self.what, self.count)
    }
}

//! Exit codes, as documented in `--help` and docs/architecture.md, and the error that carries one.

use fsreplay_trace::format::TraceError;

/// Success.
pub const OK: i32 = 0;
/// Divergences under `--strict`, or a condition that failed.
pub const DIVERGED: i32 = 1;
/// Bad usage (clap uses it, too).
pub const USAGE: i32 = 2;
/// A trace, or a result of an earlier command, that can't be read.
pub const TRACE: i32 = 3;
/// A target that can't be used.
pub const TARGET: i32 = 4;
/// What was asked can't be told from what was measured.
pub const CANNOT_TELL: i32 = 5;
/// Any other failure.
pub const FAILURE: i32 = 6;
/// A message for the user, and the status to exit with.
#[derive(Debug)]
pub struct Failure {
    /// Exit status.
    pub code: i32,
    /// What went wrong and what to do.
    pub message: String,
}

impl Failure {
    /// A failure with that status.
    pub fn new(code: i32, message: impl Into<String>) -> Failure {
        Failure {
            code,
            message: message.into(),
        }
    }

    /// A trace could not be read.
    pub fn trace(path: &std::path::Path, error: &TraceError) -> Failure {
        Failure::new(TRACE, format!("{}: {}", path.display(), chain(error)))
    }
}

/// An error with its causes, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

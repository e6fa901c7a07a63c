//! What can't be recorded inside, and why.

use std::io;

/// Why something was not done, and stays with ptrace.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The tracer could not.
    #[error("the task could not be changed: {0}")]
    Tracer(#[from] io::Error),
    /// A call that the task was made to make failed.
    #[error("{call} failed in the tool")]
    Call {
        /// Which.
        call: &'static str,
    },
    /// The task uses `gs` itself, or did not stop at a `syscall` instruction.
    #[error("the task can't have an area")]
    Task,
    /// No padding that is beyond doubt, no private text of a file, or no room near it.
    #[error("the site can't be patched")]
    Site,
    /// It is in another namespace, where the region's number is that of another segment.
    #[error("the areas' segment is not the tool's")]
    Foreign,
    /// All areas are taken.
    #[error("no area is free")]
    Areas,
}

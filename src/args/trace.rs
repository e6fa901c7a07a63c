//! A trace on the command line.

use std::path::PathBuf;

use clap::Args;
use fsreplay_compare::Source;
use fsreplay_trace::format::Limits;

use super::values::limit;
use crate::exit::Failure;
use crate::library;

/// A trace, and how much is taken from it.
#[derive(Clone, Debug, Default, Args)]
pub struct TraceArgs {
    /// The trace: a file, or library:NAME for one that comes with fsreplay (see `library`)
    #[arg(value_name = "TRACE")]
    pub path: PathBuf,
    /// Take more from the trace than any recording holds, if you know who made it; NAME is string,
    /// strings, path, paths, events-per-byte, tasks or plan (may be given several times)
    #[arg(long, value_name = "NAME=NUMBER", value_parser = limit)]
    pub limit: Vec<(&'static str, u64)>,
}

impl TraceArgs {
    /// A trace of our own.
    pub fn usual(path: PathBuf) -> TraceArgs {
        TraceArgs {
            path,
            limit: Vec::new(),
        }
    }

    /// What comes after `library:`, for a trace that comes with fsreplay.
    pub fn in_library(&self) -> Option<&str> {
        self.path.to_str()?.strip_prefix(library::PREFIX)
    }

    /// Where it is.
    ///
    /// # Errors
    /// A name that the library doesn't have.
    pub fn source(&self) -> Result<Source, Failure> {
        let source = match self.in_library() {
            Some(name) => Source::held(&self.path, library::find(name)?.trace),
            None => Source::file(&self.path),
        };
        Ok(source.within(self.limits()))
    }

    /// How much is taken.
    pub fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        for (name, most) in &self.limit {
            limits.set(name, *most);
        }
        limits
    }
}

//! Where a trace comes from: a file, or bytes that a program holds.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use fsreplay_trace::format::{self, Limits, TraceError, TraceReader};

use crate::error::Error;

/// A trace that can be read as often as it takes, wherever its bytes are.
#[derive(Clone, Debug)]
pub struct Source {
    name: PathBuf,
    held: Option<&'static [u8]>,
    limits: Limits,
}

impl Source {
    /// A file. It is opened when it is read.
    pub fn file(path: impl Into<PathBuf>) -> Source {
        Source {
            name: path.into(),
            held: None,
            limits: Limits::default(),
        }
    }

    /// A trace that is part of the program, under the name that errors call it by.
    pub fn held(name: impl Into<PathBuf>, bytes: &'static [u8]) -> Source {
        Source {
            held: Some(bytes),
            ..Source::file(name)
        }
    }

    /// The same, from which other amounts are taken than any recording holds.
    pub fn within(self, limits: Limits) -> Source {
        Source { limits, ..self }
    }

    /// What it is called.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// How much is taken from it.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Begins to read it.
    ///
    /// # Errors
    /// [`Error::Trace`].
    pub fn reader(&self) -> Result<TraceReader, Error> {
        let reader = match self.held {
            Some(bytes) => TraceReader::of(Box::new(bytes), &self.limits),
            None => format::open_within(&self.name, &self.limits),
        };
        reader.map_err(|error| self.failed(error))
    }

    /// The error of this trace.
    pub fn failed(&self, source: TraceError) -> Error {
        Error::Trace {
            trace: self.name.clone(),
            source,
        }
    }

    /// How many bytes it has.
    ///
    /// # Errors
    /// Those of looking at a file.
    pub fn size(&self) -> io::Result<u64> {
        match self.held {
            Some(bytes) => Ok(bytes.len() as u64),
            None => std::fs::metadata(&self.name).map(|found| found.len()),
        }
    }

    /// All of them.
    ///
    /// # Errors
    /// Those of reading a file.
    pub fn bytes(&self) -> io::Result<Cow<'static, [u8]>> {
        match self.held {
            Some(bytes) => Ok(Cow::Borrowed(bytes)),
            None => std::fs::read(&self.name).map(Cow::Owned),
        }
    }
}

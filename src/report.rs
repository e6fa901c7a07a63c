//! `fsreplay report`: results of other commands as one HTML page.

use std::path::Path;

use fsreplay_results::{Document, ReadError};

use crate::args::ReportArgs;
use crate::exit::{self, Failure};
use crate::term;
use crate::text;

/// Results are some hundred kilobytes; what is larger than this is something else.
const LARGEST: u64 = 256 << 20;

/// Runs the command.
pub fn run(args: &ReportArgs) -> Result<(), Failure> {
    let mut documents = Vec::new();
    let mut others = Vec::new();
    for path in &args.results {
        match read(path)? {
            Read::Result(document) => documents.push(*document),
            Read::Other(failure) => others.push(failure),
        }
    }
    // `*.json` also takes what other tools keep there (package.json).
    let mut others = others.into_iter();
    if documents.is_empty()
        && let Some(first) = others.next()
    {
        return Err(first);
    }
    for other in others {
        term::tell(&text!("passed over: {}", other.message));
    }
    write_page(&args.html, documents)
}

/// What a file holds.
enum Read {
    /// A result.
    Result(Box<Document>),
    /// Something else, and what to say where a result was expected.
    Other(Failure),
}

/// The page of results, as commands with `--html` write it.
pub fn write_page(path: &Path, documents: Vec<Document>) -> Result<(), Failure> {
    let page = fsreplay_report::render(documents);
    term::write_data(path, |out| out.write_all(page.as_bytes()))
}

fn read(path: &Path) -> Result<Read, Failure> {
    let name = path.display().to_string();
    let unreadable =
        |error: &dyn std::fmt::Display| Failure::new(exit::TRACE, format!("{name}: {error}"));
    let size = std::fs::metadata(path).map_err(|e| unreadable(&e))?.len();
    if size > LARGEST {
        return Err(unreadable(
            &"larger than any result; give files that fsreplay wrote with --json",
        ));
    }
    let bytes = std::fs::read(path).map_err(|e| unreadable(&e))?;
    match Document::parse(&name, &bytes) {
        Ok(document) if fsreplay_report::is_shown(&document) => {
            Ok(Read::Result(Box::new(document)))
        }
        Ok(document) => Ok(Read::Other(unreadable(&format!(
            "a result of {}, but a report shows those of why, compare, advise, inspect and play",
            document.kind()
        )))),
        Err(error) => {
            let is_other = is_of_others(&error, &bytes);
            let failure = Failure::new(exit::TRACE, exit::chain(&error));
            if is_other {
                Ok(Read::Other(failure))
            } else {
                Err(failure)
            }
        }
    }
}

/// Whether a file was never a result: not one that was cut off, or is of another version.
fn is_of_others(error: &ReadError, bytes: &[u8]) -> bool {
    const OURS: &[u8] = b"\"schema_version\"";
    match error {
        ReadError::NotJson { .. } | ReadError::NoResult { .. } => {
            !bytes.windows(OURS.len()).any(|part| part == OURS)
        }
        ReadError::UnknownKind { .. } | ReadError::Version { .. } | ReadError::Malformed { .. } => {
            false
        }
    }
}

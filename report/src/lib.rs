//! From the JSON results of fsreplay's commands to one self-contained HTML page.
//!
//! This crate knows the documents (docs/result-json.md) and neither the replayer nor the inspector: results come from other
//! machines, other days and other versions. The page needs no network and no script; charts are inline SVG beside tables that
//! hold the same numbers. Every text of a document goes through [`html`]'s escaping.
#![forbid(unsafe_code)]

mod chart;
pub mod documents;
mod html;
mod page;
mod traces;
mod units;

pub use documents::Document;

/// What is wrong with an input.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Not JSON at all.
    #[error("{name}: not JSON; give files that fsreplay wrote with --json")]
    NotJson {
        /// The input.
        name: String,
        /// Where it stops being JSON.
        source: serde_json::Error,
    },
    /// JSON of something else.
    #[error(
        "{name}: no result of compare, advise, inspect or play (it lacks schema_version or kind); give files that these \
         commands wrote with --json"
    )]
    NoResult {
        /// The input.
        name: String,
    },
    /// A result of a command whose results the report doesn't show.
    #[error(
        "{name}: a result of kind {kind:?}, but a report shows results of compare, advise, inspect and play"
    )]
    UnknownKind {
        /// The input.
        name: String,
        /// What it says it is.
        kind: String,
    },
    /// Written by another version.
    #[error(
        "{name}: schema version {version}, but this fsreplay reads version {known}; use the fsreplay that wrote it, or \
         measure again with this one"
    )]
    Version {
        /// The input.
        name: String,
        /// Its version, as it stands there.
        version: String,
        /// The one that is read.
        known: u64,
    },
    /// A field has another type than documented.
    #[error("{name}: not a {kind} result as documented; was it edited?")]
    Malformed {
        /// The input.
        name: String,
        /// What it says it is.
        kind: String,
        /// Which field.
        source: serde_json::Error,
    },
}

/// The page for some results, merged by the trace that they are about.
pub fn render(documents: Vec<Document>) -> String {
    page::render(&traces::merge(documents))
}

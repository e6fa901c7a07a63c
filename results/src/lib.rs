//! What fsreplay's commands find, as plain data: written as JSON with `--json`, read by `report`.
//!
//! Whatever measures or counts builds these values; whatever shows them (terminal, page, CSV,
//! tables for pull requests, `--fail-if`) takes its numbers from them, so that all say the same.
//! The names of the fields are those of docs/result-json.md; `schema/` holds them as JSON Schema.
//!
//! Fields that a file doesn't have take their default, and fields that are not known are passed
//! over, because fields may be added at any time. Only [`SCHEMA_VERSION`] tells that one changed
//! its meaning.
#![forbid(unsafe_code)]

pub mod advise;
pub mod common;
pub mod compare;
pub mod diff;
mod document;
mod earlier;
pub mod info;
pub mod inspect;
pub mod library;
pub mod mounts;
pub mod play;
#[cfg(test)]
mod schema;
pub mod scorecard;
pub mod share;
pub mod timeline;
pub mod tree;
pub mod why;

pub use common::{Estimate, LEVEL, Machine, PAPER_ERROR, Trace, Verdict};
pub use document::{Document, ReadError};
pub use share::FileShare;
pub use timeline::Timeline;

/// The version of the documents that are written.
pub const SCHEMA_VERSION: u32 = 2;

//! From the JSON results of fsreplay's commands to one self-contained HTML page.
//!
//! This crate knows the documents (docs/result-json.md) and neither the replayer nor the inspector:
//! results come from other machines, other days and other versions. The page needs no network and
//! no script; charts are inline SVG beside tables that hold the same numbers. Every text of a
//! document goes through `html`'s escaping.
#![forbid(unsafe_code)]

mod chart;
mod html;
mod page;
mod traces;
mod units;

pub use traces::is_shown;

use fsreplay_results::Document;

/// The page for some results, merged by the trace that they are about.
pub fn render(documents: Vec<Document>) -> String {
    page::render(&traces::merge(documents))
}

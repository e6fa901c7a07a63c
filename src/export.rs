//! Results as other programs take them: CSV for spreadsheets, a table in Markdown for pull
//! requests.
//!
//! Names in results come from traces and file systems, and may hold anything: what they would do in
//! a spreadsheet or on a page is taken from them here.

mod csv;
mod markdown;

pub use csv::{advise as advise_csv, compare as compare_csv};
pub use markdown::{advise as advise_markdown, compare as compare_markdown};

use std::path::PathBuf;

use crate::exit::Failure;
use crate::term;

/// Writes what was asked for.
pub fn write(file: Option<&PathBuf>, text: impl FnOnce() -> String) -> Result<(), Failure> {
    let Some(file) = file else {
        return Ok(());
    };
    let text = text();
    term::write_data(file, |out| out.write_all(text.as_bytes()))
}

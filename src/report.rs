//! `fsreplay report`: results of other commands as one HTML page.

use std::path::Path;

use fsreplay_results::Document;

use crate::args::ReportArgs;
use crate::exit::{self, Failure};
use crate::term;

/// Results are some hundred kilobytes; what is larger than this is something else.
const LARGEST: u64 = 256 << 20;

/// Runs the command.
pub fn run(args: &ReportArgs) -> Result<(), Failure> {
    let documents = args
        .results
        .iter()
        .map(|path| read(path))
        .collect::<Result<Vec<_>, _>>()?;
    write_page(&args.html, documents)
}

/// The page of results, as commands with `--html` write it.
pub fn write_page(path: &Path, documents: Vec<Document>) -> Result<(), Failure> {
    let page = fsreplay_report::render(documents);
    term::write_data(path, |out| out.write_all(page.as_bytes()))
}

fn read(path: &Path) -> Result<Document, Failure> {
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
    let document = Document::parse(&name, &bytes)
        .map_err(|error| Failure::new(exit::TRACE, exit::chain(&error)))?;
    if fsreplay_report::is_shown(&document) {
        Ok(document)
    } else {
        Err(unreadable(&format!(
            "a result of {}, but a report shows those of why, compare, advise, inspect and play",
            document.kind()
        )))
    }
}

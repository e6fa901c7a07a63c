//! `fsreplay report`: results of other commands as one HTML page.

use std::path::Path;

use fsreplay_report::Document;

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

/// The page of one result, as commands with `--html` write it.
pub fn write_result(path: &Path, result: &impl serde::Serialize) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| Failure::new(exit::FAILURE, exit::chain(error));
    let bytes = serde_json::to_vec(result).map_err(|error| failed(&error))?;
    let document = Document::parse("the result", &bytes).map_err(|error| failed(&error))?;
    write_page(path, vec![document])
}

fn write_page(path: &Path, documents: Vec<Document>) -> Result<(), Failure> {
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
    Document::parse(&name, &bytes).map_err(|error| Failure::new(exit::TRACE, exit::chain(&error)))
}

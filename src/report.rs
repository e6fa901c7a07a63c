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
    let page = fsreplay_report::render(documents);
    if args.html == Path::new("-") {
        return term::print_all(page.as_bytes());
    }
    std::fs::write(&args.html, page)
        .map_err(|error| Failure::new(exit::FAILURE, format!("{}: {error}", args.html.display())))
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

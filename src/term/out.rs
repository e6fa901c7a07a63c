//! The only place that writes to standard output and standard error.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use fsreplay_recorder::Beside;
use fsreplay_results::Document;
use fsreplay_shown::{json, shown};

use super::table::columns;
use super::text::Text;
use crate::exit::{self, Failure};
use crate::text;

/// Whether one of the results that were asked for goes to standard output, which then holds
/// nothing else.
pub fn is_taken(results: &[&Option<PathBuf>]) -> bool {
    results
        .iter()
        .any(|path| path.as_deref().is_some_and(is_standard))
}

fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}

/// Refuses files for results that can't be written, before minutes are spent on what would stand in
/// them.
pub fn check_results(results: &[&Option<PathBuf>]) -> Result<(), Failure> {
    let files = results.iter().filter_map(|path| path.as_deref());
    for path in files.filter(|path| !is_standard(path)) {
        check_writable(path).map_err(|error| failed(path, &error))?;
    }
    Ok(())
}

/// Nothing is emptied: what comes first may fail.
fn check_writable(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) if found.is_file() => File::options().write(true).open(path).map(drop),
        // Opening a pipe may wait.
        Ok(_) => Ok(()),
        Err(_) => Beside::create(path).map(drop),
    }
}

/// Writes a result as JSON to a file, or to standard output for `-`.
pub fn write_json(path: &Path, result: &Document) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(result).map_err(|error| failed(path, &error))?;
    text.push('\n');
    write_data(path, |out| out.write_all(json(&text).as_bytes()))
}

/// Writes a result to a file, or to standard output for `-`. Whoever writes sees to it that it
/// holds nothing that a terminal would act on. A reader that has gone away (`| head`) is no
/// failure.
pub fn write_data(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    if is_standard(path) {
        return to_standard_output(write);
    }
    let written = File::create(path).and_then(|file| {
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        out.flush()
    });
    written.map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::new(exit::FAILURE, format!("{}: {error}", path.display()))
}

/// Writes a text to standard output, whose words a terminal doesn't break; a reader that has gone
/// away is no failure.
pub fn print(text: &Text) -> Result<(), Failure> {
    let fitting = columns().map(|width| text.wrapped(width.into()));
    let text = fitting.as_ref().unwrap_or(text);
    to_standard_output(|out| out.write_all(text.as_str().as_bytes()))
}

/// Buffered writing to standard output; a reader that has gone away is no failure.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn to_standard_output(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let written = write(&mut out).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(
            exit::FAILURE,
            format!("standard output: {error}"),
        )),
        _ => Ok(()),
    }
}

/// Writes bytes as one line, shown.
pub fn write_line(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(line(bytes).as_bytes())
}

/// Writes a line of JSON so that a terminal can be given it.
pub fn write_json_line(out: &mut dyn Write, value: &[u8]) -> io::Result<()> {
    // What isn't UTF-8 is no JSON, and is shown.
    match std::str::from_utf8(value) {
        Ok(text) => out.write_all(json(text).as_bytes()),
        Err(_) => write_line(out, value),
    }
}

/// Tells the user something on standard error.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn tell(text: &Text) {
    let line = text!("fsreplay: {}\n", text);
    // Nobody is left to be told that it could not be written.
    let _ = io::stderr().write_all(line.as_str().as_bytes());
}

/// Where diagnostics go: to standard error, shown. Each write is one of them, and so one line.
#[derive(Clone, Copy, Debug)]
pub struct Diagnostics;

impl Write for Diagnostics {
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        write_line(&mut io::stderr(), event)?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn line(event: &[u8]) -> String {
    let event = event.strip_suffix(b"\n").unwrap_or(event);
    format!("{}\n", shown(event))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_is_one_line() {
        assert_eq!(
            line(b" WARN removing /a\x1b]0;t\x07\nfsreplay: b: busy\n"),
            " WARN removing /a\\x1b]0;t\\x07\\nfsreplay: b: busy\n"
        );
    }
}

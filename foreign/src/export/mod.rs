//! Traces for what other tools read: written record by record, so that none is too long.

mod chrome;
mod csv;
mod fio;
pub mod jsonl;
mod strace;
mod tasks;

use std::io::{self, Write};

use fsreplay_shown::is_plain;
use fsreplay_trace::format::{Tables, TraceError, TraceReader};
use fsreplay_trace::model::{Header, Record};
use thiserror::Error;

/// What a trace is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The trace event format that browsers and speedscope show.
    ChromeTrace,
    /// A table with a line for each call.
    Csv,
    /// A JSON object for each call, one a line.
    JsonLines,
    /// A log as `strace -f -ttt -T -y` writes one.
    Strace,
    /// What fio replays (`--read_iolog`): reads, writes and syncs of files.
    Fio,
}

impl Format {
    fn writer(self, header: &Header) -> Box<dyn Writer> {
        match self {
            Format::ChromeTrace => Box::new(chrome::Chrome::new(header)),
            Format::Csv => Box::new(csv::Table::default()),
            Format::JsonLines => Box::new(jsonl::Lines::new(header)),
            Format::Strace => Box::new(strace::Log::new(header)),
            Format::Fio => Box::new(fio::Log::new(header)),
        }
    }
}

/// Writes records in a form.
trait Writer {
    /// Writes what stands before all records.
    fn begin(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    /// Takes the next record.
    fn record(&mut self, out: &mut dyn Write, record: &Record, tables: &Tables) -> io::Result<()>;

    /// Writes what stands behind all records.
    fn end(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    /// What the form can't hold of the records that were taken.
    fn left_out(&self) -> Vec<LeftOut> {
        Vec::new()
    }
}

/// Something of a trace that a form can't hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// What, in the plural.
    pub what: String,
    /// How often.
    pub count: u64,
}

/// What became of a trace that was exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// What the form can't hold.
    pub left_out: Vec<LeftOut>,
    /// Whether the trace was cut off, and what was whole of it was taken.
    pub truncated: bool,
}

/// Why a trace can't be exported.
#[derive(Debug, Error)]
pub enum ExportError {
    /// It can't be read.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The output takes no more.
    #[error("writing")]
    Write(#[from] io::Error),
}

/// Writes a trace in another form; what that can't hold is counted.
///
/// With `truncated`, what is whole of a trace that was cut off; else that is an error.
///
/// # Errors
/// Those of the reader, and where the output takes no more.
pub fn export(
    reader: &mut TraceReader,
    format: Format,
    out: &mut dyn Write,
    truncated: bool,
) -> Result<Exported, ExportError> {
    let mut writer = format.writer(reader.header());
    writer.begin(out)?;
    let is_cut_off = loop {
        match reader.next_record() {
            Ok(Some(record)) => writer.record(out, &record, reader.tables())?,
            Ok(None) => break false,
            Err(TraceError::Truncated { .. }) if truncated => break true,
            Err(error) => return Err(error.into()),
        }
    };
    writer.end(out)?;
    out.flush()?;
    Ok(Exported {
        left_out: writer.left_out(),
        truncated: is_cut_off,
    })
}

/// A name as text. One of visible characters without a backslash stands as it is; any other in
/// ASCII, with escapes for the rest: all bytes come back, and a terminal acts on none. Which
/// characters are visible is said by [`is_plain`], as for what people are shown.
fn text(bytes: &[u8]) -> String {
    let stays = |c: char| is_plain(c) && c != '\\';
    match std::str::from_utf8(bytes) {
        Ok(valid) if valid.chars().all(stays) => valid.to_owned(),
        _ => bytes.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that a text stands for.
    fn back(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((first, behind)) = rest.split_first() {
            let (byte, length) = match (first, behind) {
                (b'\\', [b'x', high, low, ..]) => {
                    let digits = [*high, *low];
                    let digits = std::str::from_utf8(&digits).expect("two digits");
                    (u8::from_str_radix(digits, 16).expect("a number"), 4)
                }
                (b'\\', [b'n', ..]) => (b'\n', 2),
                (b'\\', [b'r', ..]) => (b'\r', 2),
                (b'\\', [b't', ..]) => (b'\t', 2),
                (b'\\', [itself, ..]) => (*itself, 2),
                _ => (*first, 1),
            };
            bytes.push(byte);
            rest = &rest[length..];
        }
        bytes
    }

    #[test]
    fn names_come_back_and_show_all_that_they_hold() {
        // A soft hyphen, marks of direction, a filler, a line's end, a variation and a tag.
        let hidden = "\u{9b}\u{ad}\u{61c}\u{202e}\u{115f}\u{2028}\u{fe0f}\u{feff}\u{e0041}"
            .chars()
            .map(|c| format!("a{c}b").into_bytes());
        let others: [&[u8]; 5] = [
            b"a \"b\"'\r\n\t\x1b[2J\0",
            b"\\x41",
            b"\xff\xe2\x80",
            "\u{fc}\\".as_bytes(),
            b"",
        ];
        for name in hidden.chain(others.map(<[u8]>::to_vec)) {
            let text = text(&name);
            assert!(text.chars().all(is_plain), "{text:?}");
            assert!(text.contains('\\') || name.is_empty(), "{text:?}");
            assert_eq!(back(&text), name, "{text:?}");
        }
        for name in ["plain", "\u{fc}", "A\u{308}pfel", "\"'"] {
            assert_eq!(text(name.as_bytes()), name);
        }
    }
}

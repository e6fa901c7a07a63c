//! `fsreplay dump`: the records of a trace, one a line.

mod flags;
mod json;
mod text;

use std::io::{BufWriter, Write};

use fsreplay_trace::format::{self, TraceError};
use fsreplay_trace::model::Record;

use crate::args::DumpArgs;
use crate::exit::{self, Failure};

/// Runs the command. A reader of the output that has gone away ends it without an error.
pub fn run(args: &DumpArgs) -> Result<(), Failure> {
    let failed = |error: TraceError| Failure::trace(&args.trace, &error);
    let mut reader = format::open(&args.trace).map_err(failed)?;
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    loop {
        let record = match reader.next_record() {
            Ok(Some(record)) => record,
            Ok(None) => break,
            Err(TraceError::Truncated { .. }) if args.truncated => break,
            Err(error) => {
                let _ = out.flush();
                return Err(failed(error));
            }
        };
        if !args.all && !matches!(record, Record::Event(_)) {
            continue;
        }
        let written = if args.json {
            json::write(&mut out, &record, reader.tables())
        } else {
            text::write(&mut out, &record, reader.tables())
        };
        match written {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => {
                return Err(Failure::new(
                    exit::FAILURE,
                    format!("standard output: {error}"),
                ));
            }
            Ok(()) => {}
        }
    }
    match out.flush() {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(
            exit::FAILURE,
            format!("standard output: {error}"),
        )),
        _ => Ok(()),
    }
}

/// The name of an error number.
pub fn errno_name(number: i32) -> String {
    flags::errno(number)
}

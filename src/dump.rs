//! `fsreplay dump`: the records of a trace, one a line.

mod flags;
mod json;
mod text;

use fsreplay_trace::abi::OpenFlags;
use fsreplay_trace::format::TraceError;
use fsreplay_trace::model::Record;

use crate::args::DumpArgs;
use crate::exit::Failure;
use crate::term;

/// Runs the command. A reader of the output that has gone away ends it without an error.
pub fn run(args: &DumpArgs) -> Result<(), Failure> {
    let failed = |error: TraceError| Failure::trace(&args.trace.path, &error);
    let mut reader = args.trace.source()?.reader()?;
    let open = OpenFlags::of(&reader.header().architecture);
    let mut unreadable = None;
    term::to_standard_output(|out| {
        let mut line = Vec::new();
        loop {
            let record = match reader.next_record() {
                Ok(Some(record)) => record,
                Ok(None) => return Ok(()),
                Err(TraceError::Truncated { .. }) if args.truncated => return Ok(()),
                Err(error) => {
                    unreadable = Some(error);
                    return Ok(());
                }
            };
            if !args.all && !matches!(record, Record::Event(_)) {
                continue;
            }
            line.clear();
            if args.json {
                json::write(&mut line, &record, reader.tables())?;
                term::write_json_line(out, &line)?;
            } else {
                text::write(&mut line, &record, reader.tables(), open)?;
                term::write_line(out, &line)?;
            }
        }
    })?;
    unreadable.map_or(Ok(()), |error| Err(failed(error)))
}

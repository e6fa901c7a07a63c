//! `fsreplay export`: a trace in the form of another tool.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fsreplay_foreign::export::{ExportError, Format, LeftOut, export};

use crate::args::trace::TraceArgs;
use crate::exit::Failure;
use crate::{term, text};

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// What it is written as
    #[arg(value_enum, value_name = "FORMAT")]
    pub format: Form,
    /// The trace.
    #[command(flatten)]
    pub trace: TraceArgs,
    /// The file to write, or `-` for standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

/// Forms by their names on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Form {
    /// The trace event format: chrome://tracing, speedscope, Perfetto
    ChromeTrace,
    /// A table with a line for each call
    Csv,
    /// A JSON object a line for each call, with the paths that its descriptors lead to
    Jsonl,
    /// A log as `strace -f -ttt -T -y` writes one
    Strace,
    /// A log that fio replays (--read_iolog): reads, writes and syncs of files
    Fio,
}

/// Runs the command.
pub fn run(args: &ExportArgs) -> Result<(), Failure> {
    let mut reader = args.trace.source()?.reader()?;
    let format = match args.format {
        Form::ChromeTrace => Format::ChromeTrace,
        Form::Csv => Format::Csv,
        Form::Jsonl => Format::JsonLines,
        Form::Strace => Format::Strace,
        Form::Fio => Format::Fio,
    };
    let mut unreadable = None;
    let mut left_out = Vec::new();
    term::write_data(&args.output, |out| match export(&mut reader, format, out) {
        Ok(what) => {
            left_out = what;
            Ok(())
        }
        Err(ExportError::Write(error)) => Err(error),
        Err(ExportError::Trace(error)) => {
            unreadable = Some(error);
            Ok(())
        }
    })?;
    for LeftOut { what, count } in left_out {
        term::tell(&text!("left out: {} ({})", what, term::count(count)));
    }
    unreadable.map_or(Ok(()), |error| {
        Err(Failure::trace(&args.trace.path, &error))
    })
}

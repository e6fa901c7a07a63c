//! `fsreplay export`: a trace in the form of another tool.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use fsreplay_foreign::export::{ExportError, Exported, Format, LeftOut, export};
use fsreplay_trace::format::TraceReader;

use crate::args::trace::TraceArgs;
use crate::exit::{self, Failure};
use crate::{term, text, whole_file};

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
    /// Replace an existing file
    #[arg(long)]
    pub force: bool,
    /// Take what is whole of a trace that was cut off
    #[arg(long)]
    pub truncated: bool,
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
    let done = if is_stream(&args.output) {
        to_stream(args)?
    } else {
        to_file(args)?
    };
    if done.truncated {
        term::tell(&text!(
            "the trace was cut off: what was whole of it was taken"
        ));
    }
    for LeftOut { what, count } in done.left_out {
        term::tell(&text!("left out: {} ({})", what, term::count(count)));
    }
    Ok(())
}

/// Whether it takes what comes and keeps nothing that could be replaced: standard output, a pipe, a
/// device, a descriptor that a shell opened.
fn is_stream(output: &Path) -> bool {
    let is_descriptor = ["/dev/fd", "/proc/self/fd"]
        .iter()
        .any(|descriptors| output.starts_with(descriptors));
    if is_descriptor || output == Path::new("/dev/stdout") || output == Path::new("-") {
        return true;
    }
    fs::metadata(output).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

fn to_stream(args: &ExportArgs) -> Result<Exported, Failure> {
    let mut reader = args.trace.source()?.reader()?;
    let mut done = Ok(Exported::default());
    term::write_data(&args.output, |out| match write(args, &mut reader, out) {
        Err(ExportError::Write(error)) => Err(error),
        other => {
            done = other;
            Ok(())
        }
    })?;
    done.map_err(|error| failure(args, &error))
}

fn to_file(args: &ExportArgs) -> Result<Exported, Failure> {
    whole_file::refuse(&args.output, args.force)?;
    let mut reader = args.trace.source()?.reader()?;
    let (done, _) = whole_file::write(&args.output, |file| {
        let mut out = BufWriter::new(file);
        let done = write(args, &mut reader, &mut out).map_err(|error| failure(args, &error))?;
        let file = out
            .into_inner()
            .map_err(|error| failure(args, &ExportError::Write(error.into_error())))?;
        Ok((file, done))
    })?;
    Ok(done)
}

fn write(
    args: &ExportArgs,
    reader: &mut TraceReader,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let format = match args.format {
        Form::ChromeTrace => Format::ChromeTrace,
        Form::Csv => Format::Csv,
        Form::Jsonl => Format::JsonLines,
        Form::Strace => Format::Strace,
        Form::Fio => Format::Fio,
    };
    export(reader, format, out, args.truncated)
}

fn failure(args: &ExportArgs, error: &ExportError) -> Failure {
    match error {
        ExportError::Trace(error) => Failure::trace(&args.trace.path, error),
        ExportError::Write(error) => {
            Failure::new(exit::FAILURE, format!("{}: {error}", args.output.display()))
        }
    }
}

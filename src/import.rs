//! `fsreplay import`: a trace from what another tool has recorded.

use std::fs::File;
use std::io::{self, BufReader};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use fsreplay_foreign::strace::{self, ImportError, Log, Report};
use fsreplay_trace::build::BuildError;
use fsreplay_trace::format::TraceError;

use crate::exit::{self, Failure};
use crate::{term, text, whole_file};

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// What it was recorded by.
    #[command(subcommand)]
    pub from: From,
}

/// Where a recording comes from.
#[derive(Debug, Subcommand)]
pub enum From {
    /// A log of strace: of `strace -f -ttt -T -y -o LOG` best, of any other as far as it tells
    Strace(StraceArgs),
}

/// Arguments of `import strace`.
#[derive(Debug, Args)]
pub struct StraceArgs {
    /// The log, or `-` for standard input; of `strace -ff` the logs of all tasks
    #[arg(required = true, value_name = "LOG")]
    pub logs: Vec<PathBuf>,
    /// The trace to write
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// The directory in which the command was run [default: as the log tells]
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// Replace an existing file
    #[arg(long)]
    pub force: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}

/// Runs the command.
pub fn run(args: &ImportArgs) -> Result<(), Failure> {
    match &args.from {
        From::Strace(args) => import(args),
    }
}

fn import(args: &StraceArgs) -> Result<(), Failure> {
    let output = &args.output;
    whole_file::refuse(output, args.force)?;
    if let Some(dir) = args.cwd.as_ref().filter(|dir| !dir.is_absolute()) {
        let why = format!("--cwd {}: give an absolute path", dir.display());
        return Err(Failure::new(exit::USAGE, why));
    }
    let logs = args
        .logs
        .iter()
        .map(|path| open(path))
        .collect::<Result<Vec<Log>, Failure>>()?;
    let options = strace::Options {
        cwd: args.cwd.clone().map(|dir| dir.into_os_string().into_vec()),
        producer: format!("fsreplay {}", env!("CARGO_PKG_VERSION")),
    };
    let (report, _) = whole_file::write(output, |file| {
        strace::import(logs, file, &options).map_err(failure)
    })?;
    if !args.quiet {
        tell(&report, output);
    }
    Ok(())
}

fn open(path: &Path) -> Result<Log, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Log {
            path: "standard input".into(),
            text: Box::new(io::stdin().lock()),
        });
    }
    let file = File::open(path)
        .map_err(|error| Failure::new(exit::TRACE, format!("{}: {error}", path.display())))?;
    Ok(Log {
        path: path.to_owned(),
        text: Box::new(BufReader::new(file)),
    })
}

/// A log that can't be read is told from a trace that can't be written.
fn failure(error: ImportError) -> Failure {
    let code = match error {
        ImportError::Write(_)
        | ImportError::Build {
            source: BuildError::Trace(TraceError::Io { .. }),
            ..
        } => exit::FAILURE,
        ImportError::Read { .. }
        | ImportError::NoLog { .. }
        | ImportError::TooMuch { .. }
        | ImportError::NoOrder { .. }
        | ImportError::Build { .. } => exit::TRACE,
    };
    Failure::new(code, exit::chain(&error))
}

fn tell(report: &Report, output: &Path) {
    term::tell(&text!(
        "{} of {}, {} inferred → {}",
        term::counted(report.events, "event", "events"),
        term::counted(report.tasks, "task", "tasks"),
        term::counted(report.inferred, "path", "paths"),
        output,
    ));
    for unknown in &report.unknown {
        term::tell(&text!(
            "not in the log: {} ({})",
            unknown.what,
            term::count(unknown.count)
        ));
    }
}

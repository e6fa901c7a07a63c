//! `fsreplay anonymize`: a trace with other names.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use fsreplay_recorder::Beside;
use fsreplay_trace::anonymize::{Anonymized, anonymize};
use fsreplay_trace::format::TraceError;

use crate::args::AnonymizeArgs;
use crate::exit::{self, Failure};
use crate::planning;
use crate::{term, text};

/// Runs the command.
pub fn run(args: &AnonymizeArgs) -> Result<(), Failure> {
    let output = &args.output;
    let failed =
        |error: io::Error| Failure::new(exit::FAILURE, format!("{}: {error}", output.display()));
    let refused = match fs::symlink_metadata(output) {
        Ok(found) if !found.is_file() => Some("it is no file"),
        Ok(_) if !args.force => Some("it is there already (--force replaces it)"),
        Ok(_) | Err(_) => None,
    };
    if let Some(why) = refused {
        return Err(Failure::new(
            exit::USAGE,
            format!("{}: {why}", output.display()),
        ));
    }
    let reader = planning::open(&args.trace)?;
    let mut beside = Beside::create(output).map_err(failed)?;
    let file = beside.file().try_clone().map_err(failed)?;
    let done = anonymize(reader, file, args.truncated).map_err(|error| match error {
        TraceError::Io { .. } => Failure::new(
            exit::FAILURE,
            format!("{}: {}", output.display(), exit::chain(&error)),
        ),
        error => Failure::trace(&args.trace.path, &error),
    })?;
    done.out.sync_all().map_err(failed)?;
    let bytes = done.out.metadata().map_err(failed)?.len();
    let path = beside.name().map_err(failed)?;
    fs::rename(path, output).map_err(failed)?;
    beside.placed();
    if !args.quiet {
        report(&done, output, bytes);
    }
    Ok(())
}

fn report(done: &Anonymized<File>, output: &Path, bytes: u64) {
    if done.truncated {
        term::tell(&text!(
            "the trace was cut off: what was whole of it was taken"
        ));
    }
    term::tell(&text!(
        "{} names replaced → {} ({}); what it still tells: fsreplay info",
        term::count(done.replaced as u64),
        output,
        term::bytes(bytes),
    ));
}

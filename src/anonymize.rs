//! `fsreplay anonymize`: a trace with other names.

use std::path::Path;

use fsreplay_trace::anonymize::anonymize;
use fsreplay_trace::format::TraceError;

use crate::args::AnonymizeArgs;
use crate::exit::{self, Failure};
use crate::{term, text, whole_file};

/// Runs the command.
pub fn run(args: &AnonymizeArgs) -> Result<(), Failure> {
    let output = &args.output;
    whole_file::refuse(output, args.force)?;
    let reader = args.trace.source()?.reader()?;
    let failed = |error: TraceError| match error {
        TraceError::Io { .. } => Failure::new(
            exit::FAILURE,
            format!("{}: {}", output.display(), exit::chain(&error)),
        ),
        error => Failure::trace(&args.trace.path, &error),
    };
    let (done, bytes) = whole_file::write(output, |file| {
        let done = anonymize(reader, file, args.truncated).map_err(failed)?;
        let told = Told {
            replaced: done.replaced,
            truncated: done.truncated,
        };
        Ok((done.out, told))
    })?;
    if !args.quiet {
        report(&done, output, bytes);
    }
    Ok(())
}

/// What a person is told.
struct Told {
    replaced: usize,
    truncated: bool,
}

fn report(done: &Told, output: &Path, bytes: u64) {
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

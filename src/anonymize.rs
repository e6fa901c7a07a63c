//! `fsreplay anonymize`: a trace with other names.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use fsreplay_trace::anonymize::{Anonymized, anonymize};
use fsreplay_trace::format::TraceError;

use crate::args::AnonymizeArgs;
use crate::exit::{self, Failure};
use crate::planning;
use crate::{term, text};

/// A file that is written beside its place and moved there when it is whole; removed when dropped
/// before that.
struct Beside {
    path: PathBuf,
    is_placed: bool,
}

impl Beside {
    /// Makes the file, its owner's alone.
    fn create(output: &Path) -> io::Result<(Beside, File)> {
        let mut name = std::ffi::OsString::from(".");
        name.push(output.file_name().unwrap_or_default());
        name.push(format!(".{}.tmp", std::process::id()));
        let path = output.with_file_name(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let is_placed = false;
        Ok((Beside { path, is_placed }, file))
    }

    /// Gives it its name.
    fn place(mut self, output: &Path) -> io::Result<()> {
        fs::rename(&self.path, output)?;
        self.is_placed = true;
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.is_placed {
            // A leftover is harmless.
            let _ = fs::remove_file(&self.path);
        }
    }
}

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
    let (beside, file) = Beside::create(output).map_err(failed)?;
    let done = anonymize(reader, file, args.truncated).map_err(|error| match error {
        TraceError::Io { .. } => Failure::new(
            exit::FAILURE,
            format!("{}: {}", output.display(), exit::chain(&error)),
        ),
        error => Failure::trace(&args.trace.path, &error),
    })?;
    done.out.sync_all().map_err(failed)?;
    let bytes = done.out.metadata().map_err(failed)?.len();
    beside.place(output).map_err(failed)?;
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

//! `fsreplay clean`: remove what killed replays left.

use std::fmt::Write;

use fsreplay_replayer::sandbox::{CleanOptions, Outcome, clean};

use crate::args::CleanArgs;
use crate::exit::{self, Failure};
use crate::term;

/// Runs the command.
pub fn run(args: &CleanArgs) -> Result<(), Failure> {
    let options = CleanOptions {
        dry_run: args.dry_run,
        other_kernels: args.other_kernels,
    };
    let mut out = String::new();
    let mut failures = Vec::new();
    for directory in &args.directories {
        let found = match clean(directory, options) {
            Ok(found) => found,
            Err(error) => {
                failures.push((exit::TARGET, exit::chain(&error)));
                continue;
            }
        };
        if found.is_empty() {
            let _ = writeln!(out, "{}: no leftovers", directory.display());
        }
        for found in found {
            let path = found.path.display();
            // Writing to a String can't fail.
            let _ = match found.outcome {
                Outcome::Removed if args.dry_run => writeln!(out, "would remove {path}"),
                Outcome::Removed => writeln!(out, "removed {path}"),
                Outcome::Left(reason) => writeln!(out, "left alone {path}: {reason}"),
                Outcome::Failed(error) => {
                    failures.push((exit::FAILURE, format!("removing {path}: {error}")));
                    Ok(())
                }
            };
        }
    }
    if !args.quiet {
        term::print_all(out.as_bytes())?;
    }
    match failures.first() {
        None => Ok(()),
        Some((code, _)) => {
            let messages: Vec<&str> = failures.iter().map(|(_, text)| text.as_str()).collect();
            Err(Failure::new(*code, messages.join("\nfsreplay: ")))
        }
    }
}

//! `fsreplay clean`: remove what killed replays left.

use fsreplay_replayer::sandbox::{CleanOptions, Outcome, clean};

use crate::args::CleanArgs;
use crate::exit::{self, Failure};
use crate::say;
use crate::term::{self, Text};

/// Runs the command.
pub fn run(args: &CleanArgs) -> Result<(), Failure> {
    let options = CleanOptions {
        dry_run: args.dry_run,
        other_kernels: args.other_kernels,
    };
    let mut out = Text::default();
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
            say!(out, "{}: no leftovers", directory);
        }
        for found in found {
            let path = found.path;
            match found.outcome {
                Outcome::Removed if args.dry_run => say!(out, "would remove {}", path),
                Outcome::Removed => say!(out, "removed {}", path),
                Outcome::Left(reason) => say!(out, "left alone {}: {}", path, reason),
                Outcome::Failed(error) => {
                    let message = format!("removing {}: {error}", path.display());
                    failures.push((exit::FAILURE, message));
                }
            }
        }
    }
    if !args.quiet {
        term::print(&out)?;
    }
    // The first gives the status; the last is told by whoever ends the program.
    let Some(code) = failures.first().map(|(code, _)| *code) else {
        return Ok(());
    };
    let last = failures.pop().map(|(_, message)| message);
    for (_, message) in failures {
        term::tell(&Text::of(&message));
    }
    Err(Failure::new(code, last.unwrap_or_default()))
}

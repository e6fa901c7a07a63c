//! `fsreplay clean`: remove what killed replays and recordings left.

use std::path::Path;

use fsreplay_recorder::{Leftover, Writer, leftovers, remove_leftover};
use fsreplay_replayer::sandbox::{CleanOptions, Outcome, clean};

use crate::args::CleanArgs;
use crate::exit::{self, Failure};
use crate::say;
use crate::term::{self, Text};
use crate::text;

/// What was done, and what failed.
#[derive(Default)]
struct Report {
    out: Text,
    failures: Vec<(i32, String)>,
}

/// Runs the command.
pub fn run(args: &CleanArgs) -> Result<(), Failure> {
    let mut report = Report::default();
    for directory in &args.directories {
        replays(directory, args, &mut report);
    }
    if args.recordings {
        recordings(args, &mut report);
    }
    if !args.quiet {
        term::print(&report.out)?;
    }
    // The first gives the status; the last is told by whoever ends the program.
    let Some(code) = report.failures.first().map(|(code, _)| *code) else {
        return Ok(());
    };
    let last = report.failures.pop().map(|(_, message)| message);
    for (_, message) in report.failures {
        term::tell(&Text::of(&message));
    }
    Err(Failure::new(code, last.unwrap_or_default()))
}

fn replays(directory: &Path, args: &CleanArgs, report: &mut Report) {
    let options = CleanOptions {
        dry_run: args.dry_run,
        other_kernels: args.other_kernels,
    };
    let found = match clean(directory, options) {
        Ok(found) => found,
        Err(error) => {
            let failure = (exit::TARGET, exit::chain(&error));
            report.failures.push(failure);
            return;
        }
    };
    if found.is_empty() {
        say!(report.out, "{}: no leftovers", directory);
    }
    for found in found {
        let path = &found.path;
        match found.outcome {
            Outcome::Removed => report.removed(args, &Text::of(path)),
            Outcome::Left(reason) => say!(report.out, "left alone {}: {}", path, reason),
            Outcome::Failed(error) => report.failed(path, &error),
        }
    }
}

fn recordings(args: &CleanArgs, report: &mut Report) {
    let found = leftovers();
    if found.is_empty() {
        say!(report.out, "no recordings that broke off");
    }
    for leftover in &found {
        recording(leftover, args, report);
    }
    if args.dry_run && !found.is_empty() {
        say!(
            report.out,
            "info, dump and play read what there is of them with --truncated"
        );
    }
}

fn recording(leftover: &Leftover, args: &CleanArgs, report: &mut Report) {
    let path = &leftover.path;
    let left = match leftover.writer {
        Writer::Living => Some("a recorder is writing it"),
        Writer::Unknown => Some("whether a recorder is writing it can't be told there"),
        Writer::OtherKernel if !args.other_kernels => Some(
            "it was written before a restart or in another virtual machine, where a recorder may \
             be \
             at work; `fsreplay clean --recordings --other-kernels` removes it",
        ),
        Writer::OtherKernel | Writer::Gone => None,
    };
    if let Some(reason) = left {
        say!(report.out, "left alone {}: {}", path, reason);
        return;
    }
    let removed = if args.dry_run {
        Ok(())
    } else {
        remove_leftover(leftover)
    };
    match removed {
        Ok(()) => report.removed(
            args,
            &text!(
                "{} ({}, written until {} ago)",
                path,
                term::bytes(leftover.bytes),
                age(leftover)
            ),
        ),
        Err(error) => report.failed(&leftover.path, &error),
    }
}

/// How long ago it was written last, in the largest unit that fits.
fn age(leftover: &Leftover) -> String {
    let seconds = leftover.modified.elapsed().map_or(0, |age| age.as_secs());
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

impl Report {
    fn removed(&mut self, args: &CleanArgs, what: &Text) {
        let done = if args.dry_run {
            "would remove"
        } else {
            "removed"
        };
        say!(self.out, "{} {}", done, what);
    }

    fn failed(&mut self, path: &Path, error: &std::io::Error) {
        let text = format!("removing {}: {error}", path.display());
        self.failures.push((exit::FAILURE, text));
    }
}

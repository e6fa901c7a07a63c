//! The `fsreplay` binary: arguments, terminal, exit status. What it does is in the crates.
//!
//! Names go to people through [`term`] only, which lets no control character through.
#![deny(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

mod advise;
mod anonymize;
mod args;
mod clean;
mod compare;
mod diff;
mod dump;
mod exit;
mod export;
mod export_trace;
mod generated;
mod import;
mod info;
mod inspect;
mod library;
mod mounts;
mod play;
mod progress;
mod record;
mod report;
mod scorecard;
mod signals;
mod term;
mod whole_file;
mod why;

use std::path::PathBuf;

use clap::Parser;

use args::{Cli, Command};
use exit::Failure;

fn main() {
    let cli = Cli::parse();
    start_diagnostics(&cli.command);
    let code = term::check_results(&results(&cli.command))
        .and_then(|()| run(&cli.command))
        .unwrap_or_else(|failure| {
            term::tell(&term::Text::of(&failure.message));
            failure.code
        });
    std::process::exit(code);
}

fn run(command: &Command) -> Result<i32, Failure> {
    match command {
        Command::Why(args) => why::run(args),
        Command::Record(args) => record::run(args),
        Command::Play(args) => play::run(args),
        Command::Compare(args) if args.trace.in_library() == Some(scorecard::NAME) => {
            scorecard::run(args)
        }
        Command::Compare(args) => compare::run(args),
        Command::Advise(args) => advise::run(args),
        Command::Export(args) => export_trace::run(args).map(|()| exit::OK),
        Command::Import(args) => import::run(args).map(|()| exit::OK),
        Command::Anonymize(args) => anonymize::run(args).map(|()| exit::OK),
        Command::Info(args) => info::run(args).map(|()| exit::OK),
        Command::Diff(args) => diff::run(args),
        Command::Dump(args) => dump::run(args).map(|()| exit::OK),
        Command::Mounts(args) => mounts::run(args).map(|()| exit::OK),
        Command::Inspect(args) => inspect::run(args).map(|()| exit::OK),
        Command::Clean(args) => clean::run(args).map(|()| exit::OK),
        Command::Library(args) => library::run(args).map(|()| exit::OK),
        Command::Report(args) => report::run(args).map(|()| exit::OK),
        Command::Completions(args) => generated::completions(args).map(|()| exit::OK),
        Command::Man(args) => generated::man(args).map(|()| exit::OK),
    }
}

/// Where the results of commands that take their time go.
fn results(command: &Command) -> Vec<&Option<PathBuf>> {
    match command {
        Command::Why(args) => vec![&args.json, &args.html],
        Command::Play(args) => vec![&args.json],
        Command::Compare(args) => args.files.all().to_vec(),
        Command::Advise(args) => args.files.all().to_vec(),
        _ => Vec::new(),
    }
}

/// Diagnostics of the crates go to standard error: warnings always, more with -vv or
/// `FSREPLAY_LOG`.
fn start_diagnostics(command: &Command) {
    let verbose = match command {
        Command::Record(args) => args.verbose,
        Command::Play(args) => args.verbose,
        _ => 0,
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("FSREPLAY_LOG").unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new(if verbose > 1 { "debug" } else { "warn" })
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| term::Diagnostics)
        .with_ansi(false)
        .without_time()
        .log_internal_errors(false)
        .init();
}

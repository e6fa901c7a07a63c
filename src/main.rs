//! The `fsreplay` binary: arguments, terminal, exit status. What it does is in the crates.
//!
//! Names go to people through [`term`] only, which lets no control character through.
#![deny(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

mod advise;
mod anonymize;
mod args;
mod caveats;
mod clean;
mod compare;
mod dump;
mod exit;
mod export;
mod generated;
mod info;
mod inspect;
mod measuring;
mod mounts;
mod places;
mod planning;
mod play;
mod progress;
mod record;
mod report;
mod share;
mod term;
mod why;

use clap::Parser;

use args::{Cli, Command};

fn main() {
    let cli = Cli::parse();
    start_diagnostics(&cli.command);
    let outcome = match &cli.command {
        Command::Why(args) => why::run(args),
        Command::Record(args) => record::run(args),
        Command::Play(args) => play::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Advise(args) => advise::run(args),
        Command::Anonymize(args) => anonymize::run(args).map(|()| exit::OK),
        Command::Info(args) => info::run(args).map(|()| exit::OK),
        Command::Dump(args) => dump::run(args).map(|()| exit::OK),
        Command::Mounts(args) => mounts::run(args).map(|()| exit::OK),
        Command::Inspect(args) => inspect::run(args).map(|()| exit::OK),
        Command::Clean(args) => clean::run(args).map(|()| exit::OK),
        Command::Report(args) => report::run(args).map(|()| exit::OK),
        Command::Completions(args) => generated::completions(args).map(|()| exit::OK),
        Command::Man(args) => generated::man(args).map(|()| exit::OK),
    };
    let code = outcome.unwrap_or_else(|failure| {
        term::tell(&term::Text::of(&failure.message));
        failure.code
    });
    std::process::exit(code);
}

/// Diagnostics of the crates go to standard error: warnings always, more with -vv or `FSREPLAY_LOG`.
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

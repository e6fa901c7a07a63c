//! Measures fsreplay beside its peers. Run by hand, on a quiet machine; prints medians, spreads and
//! ratios.
//!
//! - `advise`: the gain that advice predicts beside the tool's own, run with that placement. Needs
//!   root.
//! - `intervals`: how often the intervals of `compare` hold what a repeated run finds, and whether
//!   its order is the tool's. Needs root.
//! - `accuracy`: predicted times of real tools on many mounts beside their real times. Needs root.
//!   `bench/guest` runs it in an emulated machine with virtiofs and 9P shares.
//! - `imports`: a log of strace, imported, beside a recording of the same command: the calls, and
//!   the file time of replays of both in turn.
//! - `overhead`: what recording adds to a command, beside `strace --seccomp-bpf`, interleaved in
//!   one run.
//! - `size`: bytes per event of the traces, beside strace's text under `zstd -19`.
//! - `loop`: the replay loop beside a straight loop of the same calls.
//! - `scale`: memory and time of `play`, by the number of events.
//! - `verdicts`: how often `compare` is right beside a busy neighbour.
//! - `writer`: memory and speed of the trace writer.

mod accuracy;
mod advise;
mod final_set;
mod fsreplay;
mod imports;
mod intervals;
mod mounts;
mod overhead;
mod replay_loop;
mod scale;
mod shell;
mod size;
mod timing;
mod tried_set;
mod tried_since;
mod verdicts;
mod workloads;
mod writer;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Measure fsreplay beside its peers.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Bench,
}

/// Which tools are recorded and replayed, where, and how often.
#[derive(clap::Args)]
struct Tools {
    /// The fsreplay binary
    #[arg(long, default_value = "target/release/fsreplay")]
    fsreplay: PathBuf,
    /// Replays of each recording or placement, and runs of the tool
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Where projects and workloads' trees are made, and replayed
    #[arg(long, default_value = "/var/tmp/fsreplay-bench")]
    dir: PathBuf,
    /// Only tools whose name contains this
    #[arg(long, default_value = "")]
    only: String,
}

#[derive(Subcommand)]
enum Bench {
    /// How often verdicts are right beside busy loops
    Verdicts(verdicts::Options),
    /// Predicted times on many mounts, beside the real tool's
    Accuracy(accuracy::Options),
    /// Errors, ratios and order from a log of `accuracy`
    Analyse {
        /// The log
        log: PathBuf,
        /// Mounts on which the tool at rest is predicted, and not the one that is run again at
        /// once
        #[arg(long, value_delimiter = ',', default_values = mounts::SHARES)]
        shares: Vec<String>,
        /// The mount that ratios are to; the first one in the log if none is given
        #[arg(long)]
        base: Option<String>,
    },
    /// The gain that advice predicts, beside the tool's own
    Advise(Tools),
    /// How often intervals hold what a repeated comparison finds
    Intervals(intervals::Options),
    /// Extra time of recording, beside strace
    Overhead {
        /// The fsreplay binary
        #[arg(long, default_value = "target/release/fsreplay")]
        fsreplay: PathBuf,
        /// Runs of each variant
        #[arg(long, default_value_t = 7)]
        rounds: usize,
        /// Where the workloads' trees are made
        #[arg(long, default_value = "/var/tmp/fsreplay-bench")]
        dir: PathBuf,
        /// Only workloads whose name contains this
        #[arg(long, default_value = "")]
        only: String,
    },
    /// Calls and file time of imported logs of strace, beside recordings
    Imports(Tools),
    /// Bytes per event, beside strace's text
    Size {
        /// The fsreplay binary
        #[arg(long, default_value = "target/release/fsreplay")]
        fsreplay: PathBuf,
        /// Where the workloads' trees are made
        #[arg(long, default_value = "/var/tmp/fsreplay-bench")]
        dir: PathBuf,
        /// Only workloads whose name contains this
        #[arg(long, default_value = "")]
        only: String,
    },
    /// The replay loop beside a straight loop of the same calls
    Loop {
        /// Runs of each
        #[arg(long, default_value_t = 15)]
        rounds: usize,
        /// Where the files are made
        #[arg(long, default_value = "/var/tmp/fsreplay-bench")]
        dir: PathBuf,
        /// Whether the caches hold what a run needs
        #[arg(long, value_enum, default_value_t = replay_loop::Kind::Warm)]
        caches: replay_loop::Kind,
    },
    /// Memory and time of `play`, by the number of events
    Scale(scale::Options),
    /// Memory and speed of the trace writer with made-up events
    Writer {
        /// How many
        #[arg(long, default_value_t = 10_000_000)]
        events: u64,
        /// Where the trace is made
        #[arg(long, default_value = "/var/tmp/fsreplay-bench")]
        dir: PathBuf,
    },
}

fn main() {
    let outcome = match Cli::parse().command {
        Bench::Overhead {
            fsreplay,
            rounds,
            dir,
            only,
        } => overhead::run_all(&fsreplay, rounds, &dir, &only),
        Bench::Accuracy(options) => accuracy::run_all(&options),
        Bench::Verdicts(options) => verdicts::run(&options),
        Bench::Analyse { log, shares, base } => {
            accuracy::analysis::analyse(&log, &shares, base.as_deref())
        }
        Bench::Advise(tools) => {
            advise::run_all(&tools.fsreplay, tools.rounds, &tools.dir, &tools.only)
        }
        Bench::Intervals(options) => intervals::run_all(&options),
        Bench::Loop {
            rounds,
            dir,
            caches,
        } => replay_loop::run(rounds, &dir, caches),
        Bench::Scale(options) => scale::run(&options),
        Bench::Writer { events, dir } => writer::run(events, &dir),
        Bench::Imports(tools) => {
            imports::run_all(&tools.fsreplay, tools.rounds, &tools.dir, &tools.only)
        }
        Bench::Size {
            fsreplay,
            dir,
            only,
        } => size::run_all(&fsreplay, &dir, &only),
    };
    if let Err(error) = outcome {
        eprintln!("fsreplay-bench: {error}");
        std::process::exit(6);
    }
}

//! Measures fsreplay beside its peers. Run by hand, on a quiet machine; prints medians, spreads and ratios.
//!
//! - `advise`: the gain that advice predicts beside the tool's own, run with that placement. Needs root.
//! - `intervals`: how often the intervals of `compare` hold what a repeated run finds, and whether its order is the tool's. Needs root.
//! - `accuracy`: predicted times of real tools on many mounts beside their real times. Needs root.
//!   `bench/guest` runs it in an emulated machine with virtiofs and 9P shares.
//! - `overhead`: what recording adds to a command, beside `strace --seccomp-bpf`, interleaved in one run.
//! - `size`: bytes per event of the traces, beside strace's text under `zstd -19`.
//! - `loop`: the replay loop beside a straight loop of the same calls.
//! - `writer`: memory and speed of the trace writer.

mod accuracy;
mod advise;
mod fsreplay;
mod intervals;
mod mounts;
mod overhead;
mod replay_loop;
mod size;
mod timing;
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

#[derive(Subcommand)]
enum Bench {
    /// Predicted times on many mounts, beside the real tool's
    Accuracy {
        /// The fsreplay binary
        #[arg(long, default_value = "target/release/fsreplay")]
        fsreplay: PathBuf,
        /// Runs of the tool, and rounds of the replay, on each mount
        #[arg(long, default_value_t = 7)]
        rounds: u32,
        /// Where mounts and traces are made
        #[arg(long, default_value = "/var/tmp/fsreplay-bench")]
        dir: PathBuf,
        /// Only workloads whose name contains one of these
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// Only these mounts; the first is recorded on
        #[arg(long, value_delimiter = ',')]
        mounts: Vec<String>,
        /// A directory on a mount that is there already, instead of mounts made for this; may be repeated
        #[arg(long, value_name = "NAME=DIR", value_parser = named)]
        on: Vec<(String, PathBuf)>,
        /// Record while another process computes
        #[arg(long)]
        loaded: bool,
        /// Record without `--calibrate`
        #[arg(long)]
        uncalibrated: bool,
        /// Print where predicted time goes, too
        #[arg(long)]
        explain: bool,
        /// Predict from less knowledge of what the tool takes besides its calls, too
        #[arg(long)]
        bases: bool,
    },
    /// The gain that advice predicts, beside the tool's own
    Advise {
        /// The fsreplay binary
        #[arg(long, default_value = "target/release/fsreplay")]
        fsreplay: PathBuf,
        /// Runs of the tool, and rounds of each placement
        #[arg(long, default_value_t = 9)]
        rounds: usize,
        /// Where the project is made
        #[arg(long, default_value = "/var/tmp/fsreplay-bench")]
        dir: PathBuf,
        /// Only tools whose name contains this
        #[arg(long, default_value = "")]
        only: String,
    },
    /// How often intervals hold what a repeated comparison finds
    Intervals {
        /// The fsreplay binary
        #[arg(long, default_value = "target/release/fsreplay")]
        fsreplay: PathBuf,
        /// Comparisons of each workload
        #[arg(long, default_value_t = 4)]
        runs: usize,
        /// Rounds of each comparison, and runs of the tool, on each mount
        #[arg(long, default_value_t = 10)]
        rounds: usize,
        /// Where mounts and traces are made
        #[arg(long, default_value = "/var/tmp/fsreplay-bench")]
        dir: PathBuf,
        /// Only workloads whose name contains this
        #[arg(long, default_value = "")]
        only: String,
        /// These mounts; the first is recorded on
        #[arg(
            long,
            value_delimiter = ',',
            default_value = "ext4,tmpfs,overlay,bindfs"
        )]
        mounts: Vec<String>,
    },
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
    },
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

fn named(text: &str) -> Result<(String, PathBuf), String> {
    let (name, dir) = text.split_once('=').ok_or("NAME=DIR is expected")?;
    Ok((name.into(), dir.into()))
}

fn main() {
    let outcome = match Cli::parse().command {
        Bench::Overhead {
            fsreplay,
            rounds,
            dir,
            only,
        } => overhead::run_all(&fsreplay, rounds, &dir, &only),
        Bench::Accuracy {
            fsreplay,
            rounds,
            dir,
            only,
            mounts,
            on,
            loaded,
            uncalibrated,
            explain,
            bases,
        } => accuracy::run_all(&accuracy::Options {
            fsreplay,
            rounds,
            dir,
            only,
            mounts,
            on,
            loaded,
            uncalibrated,
            explain,
            bases,
        }),
        Bench::Advise {
            fsreplay,
            rounds,
            dir,
            only,
        } => advise::run_all(&fsreplay, rounds, &dir, &only),
        Bench::Intervals {
            fsreplay,
            runs,
            rounds,
            dir,
            only,
            mounts,
        } => intervals::run_all(&intervals::Options {
            fsreplay,
            runs,
            rounds,
            dir,
            only,
            mounts,
        }),
        Bench::Loop { rounds, dir } => replay_loop::run(rounds, &dir),
        Bench::Writer { events, dir } => writer::run(events, &dir),
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

//! Arguments of the commands that replay.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};
use fsreplay_replayer::{Cache, Timing};

use super::trace::TraceArgs;
use super::values::{budget, cache, timing};

/// Arguments of `why`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["trace", "command"]))]
pub struct WhyArgs {
    /// A trace (a file or library:NAME); without one, the command after `--` is recorded
    #[arg(value_name = "TRACE")]
    pub trace: Option<PathBuf>,
    /// Where the trace of the command goes; an existing one is kept as FILE.old
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "trace.zst",
        conflicts_with = "trace"
    )]
    pub output: PathBuf,
    /// What replays may take in all, such as 30s or 2m
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = budget)]
    pub budget: Duration,
    /// A directory on a mount to compare, with a name for it (may be given several times); without
    /// any, one writable mount of each kind
    #[arg(long, value_name = "[NAME=]DIR")]
    pub target: Vec<OsString>,
    /// Write what was found as JSON to FILE, or to standard output for `-`
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the result as one self-contained page to FILE, or to standard output for `-`
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Print nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
    /// The command to run and its arguments, after `--`
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// Arguments of `play`.
#[derive(Debug, Args)]
pub struct PlayArgs {
    /// The trace.
    #[command(flatten)]
    pub trace: TraceArgs,
    /// Directory on the mount under test; a fresh directory is made in it and removed afterwards
    #[arg(long, value_name = "DIR")]
    pub target: PathBuf,
    /// Replay a recorded directory in another place than the rest (may be given several times)
    #[arg(long, value_name = "RECORDED=DIR")]
    pub place: Vec<OsString>,
    /// Leave out what was done below a recorded directory (may be given several times)
    #[arg(long, value_name = "RECORDED")]
    pub skip: Vec<OsString>,
    /// How often to replay; each round starts from a fresh tree
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rounds: u32,
    /// The tool's own time between its calls: fast (none: file-system time only), recorded
    /// (predicts what the tool would take), or a number to multiply the recorded time by
    #[arg(long, value_name = "recorded|fast|SCALE", default_value = "fast", value_parser = timing)]
    pub timing: Timing,
    /// State of the page cache when a round begins: made (the tree was just made or put back),
    /// warm (a replay that doesn't count goes first), cold (dropped, as far as this user may)
    /// [default: warm with recorded timing, else made]
    #[arg(long, value_name = "made|warm|cold", value_parser = cache)]
    pub cache: Option<Cache>,
    /// Leave the tree of the last round in place and say where it is
    #[arg(long)]
    pub keep: bool,
    /// Exit with status 1 if an outcome differs from the recorded one
    #[arg(long)]
    pub strict: bool,
    /// Plan and check the target, but write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Play what is whole of a trace that was cut off
    #[arg(long)]
    pub truncated: bool,
    /// Write the result as JSON to FILE, or to standard output for `-`
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Print nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more: -v every call and divergence, -vv what the replayer does
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Arguments of `compare`.
#[derive(Clone, Debug, Default, Args)]
pub struct CompareArgs {
    /// The trace.
    #[command(flatten)]
    pub trace: TraceArgs,
    /// A directory on a mount to compare, with a name for it (may be given several times); without
    /// any, one writable mount of each kind that this machine or container has
    #[arg(long, value_name = "[NAME=]DIR")]
    pub target: Vec<OsString>,
    /// What all rounds together may take, and working times out from them, such as 30s or 2m; they
    /// end earlier where all is told
    /// [default: 30s; by the clock: 10 rounds, however long]
    #[arg(long, value_name = "TIME", value_parser = budget)]
    pub budget: Option<Duration>,
    /// Rounds on each target, at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub rounds: Option<u32>,
    /// Measure by the clock, in replays with the tool's own time, each of which takes as long as
    /// the tool; without it the calls are measured, and the tool's time is worked out from them
    #[arg(long)]
    pub precise: bool,
    /// Compare even where the trace says that no mount can make a difference
    #[arg(long)]
    pub anyway: bool,
    /// Compare one phase of a tool that also waits for what is outside of it, such as start or
    /// 'rebuild 2' (inspect names them), and not all that it works
    #[arg(long, value_name = "NAME")]
    pub phase: Option<String>,
    /// The target that others are compared with [default: where the workspace was recorded, else
    /// the first]
    #[arg(long, value_name = "NAME")]
    pub baseline: Option<String>,
    /// What goes to the targets: workspace (the mount or repository of the recorded working
    /// directory), all, or recorded directories, separated by commas; everything else is replayed
    /// in one common neutral place
    #[arg(
        long = "move",
        value_name = "workspace|all|PATH,…",
        default_value = "workspace"
    )]
    pub moved: String,
    /// The neutral place [default: a directory of this machine's or container's root file system]
    #[arg(long, value_name = "DIR")]
    pub neutral: Option<PathBuf>,
    /// As for play; recorded timing predicts what the tool would take
    #[arg(long, value_name = "recorded|fast|SCALE", default_value = "recorded",
          value_parser = timing)]
    pub timing: Timing,
    /// As for play
    #[arg(long, value_name = "made|warm|cold", value_parser = cache)]
    pub cache: Option<Cache>,
    /// Exit with status 1 if this holds, such as 'ratio(volume,bind) > 0.8', 'time(bind) > 30'
    /// (seconds) or 'divergences(volume) > 0' (may be given several times)
    #[arg(long, value_name = "CONDITION")]
    pub fail_if: Vec<String>,
    /// Where the result is written.
    #[command(flatten)]
    pub files: ResultFiles,
    /// Print nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more: calls and directories that make the difference
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Where a result of mounts is written, besides the terminal.
#[derive(Clone, Debug, Default, Args)]
pub struct ResultFiles {
    /// Write the result as JSON to FILE, or to standard output for `-`
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the result as one self-contained page to FILE, or to standard output for `-`
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write the figures as CSV to FILE, or to standard output for `-`
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write the sentence and a table in Markdown, for a pull request, to FILE, or to standard
    /// output for `-`
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
}

impl ResultFiles {
    /// Each of them.
    pub fn all(&self) -> [&Option<PathBuf>; 4] {
        [&self.json, &self.html, &self.csv, &self.markdown]
    }
}

/// Arguments of `advise`.
#[derive(Clone, Debug, Default, Args)]
pub struct AdviseArgs {
    /// The trace.
    #[command(flatten)]
    pub trace: TraceArgs,
    /// A directory on a mount to choose from, with a name for it (may be given several times);
    /// without any, one writable mount of each kind that this machine or container has
    #[arg(long, value_name = "[NAME=]DIR")]
    pub target: Vec<OsString>,
    /// The target that the workspace lies on now [default: where it was recorded, else a bind
    /// mount, else the first]
    #[arg(long, value_name = "NAME")]
    pub baseline: Option<String>,
    /// What all rounds together may take, and working times out from them, such as 1m; they end
    /// earlier where all is told
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = budget)]
    pub budget: Duration,
    /// Rounds of each placement, at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub rounds: Option<u32>,
    /// Run the command itself, given after --, on copies of the workspace as it lies now and as it
    /// is advised, and show both times; needs the privilege to mount. What it changes elsewhere it
    /// changes really
    #[arg(long, requires = "command")]
    pub verify: bool,
    /// For --verify: the command with its arguments
    #[arg(last = true, value_name = "COMMAND", requires = "verify")]
    pub command: Vec<OsString>,
    /// Where everything outside of the workspace is replayed [default: a directory of the root
    /// file system]
    #[arg(long, value_name = "DIR")]
    pub neutral: Option<PathBuf>,
    /// Where the result is written.
    #[command(flatten)]
    pub files: ResultFiles,
    /// Print nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}

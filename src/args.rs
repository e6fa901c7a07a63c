//! The command line: what can be asked for, as clap definitions.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use fsreplay_replayer::{Cache, Timing};
use fsreplay_trace::format::Limits;

/// Record what a tool does to the file system, and replay it on any mount.
#[derive(Debug, Parser)]
#[command(
    name = "fsreplay",
    version,
    about,
    after_help = "Exit status: 0 success; 1 divergences under --strict, a condition of --fail-if, or advice that --verify refutes; 2 bad usage;\n\
                  3 a trace or result that can't be read;\n\
                  4 a target that can't be used; 5 a comparison that can't be told; 6 any other failure.\n\
                  `record` exits with the status of the tool; 125, 126 and 127 are its own failures to run it, as with env(1)."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say whether it is the file system: run a command, or take its trace, and tell how much of its
    /// time is file access, what of it is wasted, what each mount would make of it, and what to do
    Why(WhyArgs),
    /// Run a command and record what it does to the file system
    Record(RecordArgs),
    /// Recreate the recorded tree under a directory and re-execute the recorded calls there
    Play(PlayArgs),
    /// Replay a trace on several mounts in turn and say what the tool would take on each
    Compare(CompareArgs),
    /// Say which recorded directory, moved to which mount, gains what, and what to write into devcontainer.json
    Advise(AdviseArgs),
    /// Write a trace with other names: the same calls, times and outcomes, for those who may not know them
    Anonymize(AnonymizeArgs),
    /// Print what a trace holds and reveals: command, counts, sizes, coverage, mounts
    Info(InfoArgs),
    /// Print the records of a trace, one a line, in a form near strace's
    Dump(DumpArgs),
    /// Print the mounts of this machine or container that files can lie on, and what each of them is
    Mounts(MountsArgs),
    /// Say what the recorded tool spends its file-system time on, and which of it is wasted
    Inspect(InspectArgs),
    /// Remove what replays and recordings that were killed have left, and nothing else
    Clean(CleanArgs),
    /// Make one self-contained HTML page of results that compare, advise, inspect and play wrote as JSON
    Report(ReportArgs),
    /// Print the completions of this command line for a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all commands to a directory
    Man(ManArgs),
}

/// A trace, and how much is taken from it.
#[derive(Clone, Debug, Default, Args)]
pub struct TraceArgs {
    /// The trace
    #[arg(value_name = "TRACE")]
    pub path: PathBuf,
    /// Take more from the trace than any recording holds, if you know who made it; NAME is string,
    /// strings, path, paths, events-per-byte, tasks or plan (may be given several times)
    #[arg(long, value_name = "NAME=NUMBER", value_parser = limit)]
    pub limit: Vec<(&'static str, u64)>,
}

impl TraceArgs {
    /// A trace of our own.
    pub fn usual(path: PathBuf) -> TraceArgs {
        TraceArgs {
            path,
            limit: Vec::new(),
        }
    }

    /// How much is taken.
    pub fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        for (name, most) in &self.limit {
            limits.set(name, *most);
        }
        limits
    }
}

/// A limit's name and number, the latter with K, M or G for powers of 1024.
fn limit(text: &str) -> Result<(&'static str, u64), String> {
    let (name, number) = text.split_once('=').ok_or("a name, = and a number")?;
    let (name, _) = Limits::names()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| {
            let names: Vec<&str> = Limits::names().map(|(known, _)| known).collect();
            format!("there is no such limit; there are {}", names.join(", "))
        })?;
    let units = [("K", 10), ("M", 20), ("G", 30)];
    let unit = units
        .iter()
        .find_map(|(unit, shift)| Some((number.strip_suffix(unit)?, *shift)));
    let (digits, shift) = unit.unwrap_or((number, 0));
    let most: u64 = digits.parse().map_err(|error| format!("{error}"))?;
    most.checked_mul(1 << shift)
        .map(|most| (name, most))
        .ok_or_else(|| "the number is too large".to_owned())
}

/// Arguments of `why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// A trace; without one, the command after `--` is recorded
    #[arg(value_name = "TRACE", required_unless_present = "command")]
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
    /// Print nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
    /// The command to run and its arguments, after `--`
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "trace")]
    pub command: Vec<OsString>,
}

/// How calls are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// The tool is stopped at each call
    #[default]
    Ptrace,
    /// Calls that change nothing are recorded inside the tool, all else as by ptrace
    Inside,
}

/// Arguments of `record`.
#[derive(Clone, Debug, Default, Args)]
pub struct RecordArgs {
    /// The trace to write; an existing one is kept as FILE.old
    #[arg(short, long, value_name = "FILE", default_value = "trace.zst")]
    pub output: PathBuf,
    /// Run the command some more times afterwards without recording it, so that predictions can take
    /// out what recording cost; only for commands that do the same when run again, with nothing on
    /// their standard input
    #[arg(long)]
    pub calibrate: bool,
    /// With --calibrate: what all further runs may take, such as 30s or 2m
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = budget)]
    pub budget: Duration,
    /// With --calibrate: what to run (by sh -c) before each of the further runs, to put back what the
    /// command changed
    #[arg(long, value_name = "SCRIPT", requires = "calibrate")]
    pub reset: Option<OsString>,
    /// Keep all arguments of all programs in the trace, not only their names: arguments hold passwords and tokens
    #[arg(long)]
    pub keep_arguments: bool,
    /// Let io_uring_setup fail with ENOSYS: what goes through io_uring is not in the trace, and
    /// most tools can do without
    #[arg(long)]
    pub no_io_uring: bool,
    /// How calls are recorded: by stopping the tool at each, or inside the tool, where that can be
    #[arg(long, value_enum, default_value_t)]
    pub backend: Backend,
    /// How long to wait for processes that the command leaves behind before they are ended
    /// [default: until they end, or Ctrl-C]
    #[arg(long, value_name = "SECONDS")]
    pub linger: Option<u32>,
    /// Overwrite an existing trace instead of keeping it as FILE.old
    #[arg(long)]
    pub force: bool,
    /// Print nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more: -v where the recording went, -vv what the recorder does
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// The command to run and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
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
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rounds: u32,
    /// The tool's own time between its calls: fast (none: file-system time only), recorded (predicts what the tool
    /// would take), or a number to multiply the recorded time by
    #[arg(long, value_name = "recorded|fast|SCALE", default_value = "fast", value_parser = timing)]
    pub timing: Timing,
    /// State of the page cache when a round begins: made (the tree was just made or put back), warm (a replay that doesn't
    /// count goes first), cold (dropped, as far as this user may) [default: warm with recorded timing, else made]
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
    /// A directory on a mount to compare, with a name for it (may be given several times); without any, one writable mount
    /// of each kind that this machine or container has
    #[arg(long, value_name = "[NAME=]DIR")]
    pub target: Vec<OsString>,
    /// What all rounds together may take, such as 30s or 2m; they end earlier where all is told
    /// [default: 30s; by the clock: 10 rounds, however long]
    #[arg(long, value_name = "TIME", value_parser = budget)]
    pub budget: Option<Duration>,
    /// Rounds on each target, at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub rounds: Option<u32>,
    /// Measure by the clock, in replays with the tool's own time, each of which takes as long as the
    /// tool; without it the calls alone are measured, and the tool's time is worked out from them
    #[arg(long)]
    pub precise: bool,
    /// Compare even where the trace says that no mount can make a difference
    #[arg(long)]
    pub anyway: bool,
    /// Compare one phase of a tool that also waits for what is outside of it, such as start or 'rebuild 2'
    /// (inspect names them), and not all that it works
    #[arg(long, value_name = "NAME")]
    pub phase: Option<String>,
    /// The target that others are compared with [default: where the workspace was recorded, else the first]
    #[arg(long, value_name = "NAME")]
    pub baseline: Option<String>,
    /// What goes to the targets: workspace (the mount or repository of the recorded working directory), all, or recorded
    /// directories, separated by commas; everything else is replayed in one common neutral place
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
    #[arg(long, value_name = "recorded|fast|SCALE", default_value = "recorded", value_parser = timing)]
    pub timing: Timing,
    /// As for play
    #[arg(long, value_name = "made|warm|cold", value_parser = cache)]
    pub cache: Option<Cache>,
    /// Exit with status 1 if this holds, such as 'ratio(volume,bind) > 0.8', 'time(bind) > 30' (seconds) or 'divergences(volume) > 0'
    /// (may be given several times)
    #[arg(long, value_name = "CONDITION")]
    pub fail_if: Vec<String>,
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
    /// Print nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more: calls and directories that make the difference
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Arguments of `advise`.
#[derive(Clone, Debug, Default, Args)]
pub struct AdviseArgs {
    /// The trace.
    #[command(flatten)]
    pub trace: TraceArgs,
    /// A directory on a mount to choose from, with a name for it (may be given several times); without any, one writable mount of
    /// each kind that this machine or container has
    #[arg(long, value_name = "[NAME=]DIR")]
    pub target: Vec<OsString>,
    /// The target that the workspace lies on now [default: where it was recorded, else a bind mount, else the first]
    #[arg(long, value_name = "NAME")]
    pub baseline: Option<String>,
    /// What all rounds together may take, such as 1m; they end earlier where all is told
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = budget)]
    pub budget: Duration,
    /// Rounds of each placement, at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub rounds: Option<u32>,
    /// Run the command itself, given after --, on copies of the workspace as it lies now and as it is
    /// advised, and show both times; needs the privilege to mount. What it changes elsewhere it
    /// changes really
    #[arg(long, requires = "command")]
    pub verify: bool,
    /// For --verify: the command with its arguments
    #[arg(last = true, value_name = "COMMAND", requires = "verify")]
    pub command: Vec<OsString>,
    /// Where everything outside of the workspace is replayed [default: a directory of the root file system]
    #[arg(long, value_name = "DIR")]
    pub neutral: Option<PathBuf>,
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
    /// Print nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}

/// A time with its unit: `500ms`, `30s`, `2m`.
pub fn budget(text: &str) -> Result<Duration, String> {
    let wrong = || "give a time such as 500ms, 30s or 2m".to_owned();
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0)];
    let found = units
        .iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)));
    let (number, seconds) = found.ok_or_else(wrong)?;
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let time = Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())?;
    if time.is_zero() {
        Err(wrong())
    } else {
        Ok(time)
    }
}

/// `recorded`, `fast`, or a positive number.
fn timing(text: &str) -> Result<Timing, String> {
    match text {
        "fast" => Ok(Timing::Fast),
        "recorded" => Ok(Timing::Scaled(1.0)),
        _ => match text.parse::<f64>() {
            Ok(scale) if scale > 0.0 && scale <= 1000.0 => Ok(Timing::Scaled(scale)),
            _ => Err("give recorded, fast, or a factor above 0 and up to 1000".into()),
        },
    }
}

/// `made`, `warm` or `cold`.
fn cache(text: &str) -> Result<Cache, String> {
    match text {
        "made" => Ok(Cache::Made),
        "warm" => Ok(Cache::Warm),
        "cold" => Ok(Cache::Cold),
        _ => Err("give made, warm or cold".into()),
    }
}

/// Arguments of `anonymize`.
#[derive(Debug, Args)]
pub struct AnonymizeArgs {
    /// The trace.
    #[command(flatten)]
    pub trace: TraceArgs,
    /// The trace to write
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    pub force: bool,
    /// Take what is whole of a trace that was cut off
    #[arg(long)]
    pub truncated: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}

/// Arguments of `info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// The trace.
    #[command(flatten)]
    pub trace: TraceArgs,
    /// Describe what is whole of a trace that was cut off
    #[arg(long)]
    pub truncated: bool,
    /// Write it as JSON to FILE, or to standard output for `-`
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Arguments of `dump`.
#[derive(Debug, Args)]
pub struct DumpArgs {
    /// The trace.
    #[command(flatten)]
    pub trace: TraceArgs,
    /// Also print the states of paths and other records that are no calls
    #[arg(short, long)]
    pub all: bool,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Print what is whole of a trace that was cut off, without an error at its end
    #[arg(long)]
    pub truncated: bool,
}

/// Arguments of `mounts`.
#[derive(Debug, Args)]
pub struct MountsArgs {
    /// Write them as JSON to FILE, or to standard output for `-`
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Arguments of `inspect`.
#[derive(Clone, Debug, Default, Args)]
pub struct InspectArgs {
    /// The trace.
    #[command(flatten)]
    pub trace: TraceArgs,
    /// Write it as JSON to FILE, or to standard output for `-`
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw a flame graph (SVG) of file-system time by path to FILE
    #[arg(long, value_name = "FILE")]
    pub flamegraph: Option<PathBuf>,
    /// Write file-system time by path as folded stacks, in nanoseconds, to FILE
    #[arg(long, value_name = "FILE")]
    pub folded: Option<PathBuf>,
    /// How many entries each list has at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub top: usize,
    /// Inspect what is whole of a trace that was cut off
    #[arg(long)]
    pub truncated: bool,
}

/// Arguments of `clean`.
#[derive(Debug, Args)]
pub struct CleanArgs {
    /// Directories that were given to --target or --place
    #[arg(value_name = "DIR", required_unless_present = "recordings")]
    pub directories: Vec<PathBuf>,
    /// Remove the traces that broke off, too: of recorders that were killed or could not write on
    /// (with --dry-run: list them)
    #[arg(long)]
    pub recordings: bool,
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Also remove what was made before a restart or in another virtual machine, where a living
    /// replay or recorder of another machine can't be told from a dead one
    #[arg(long)]
    pub other_kernels: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Results, as written with --json; those of one trace are shown side by side, whatever machine they are from
    #[arg(required = true, value_name = "RESULT.json")]
    pub results: Vec<PathBuf>,
    /// The page to write, or `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub html: PathBuf,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The directory to write fsreplay.1, fsreplay-record.1 and so on to; it is made if it isn't there
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn limits_are_numbers_with_units() {
        assert_eq!(limit("strings=2G"), Ok(("strings", 2 << 30)));
        assert_eq!(limit("tasks=9"), Ok(("tasks", 9)));
        for wrong in [
            "tasks",
            "tasks=",
            "tasks=x",
            "nothing=1",
            "plan=99999999999999G",
        ] {
            assert!(limit(wrong).is_err(), "{wrong}");
        }
        let mut play = PlayArgs::augment_args(clap::Command::new("play"));
        let told = play.render_long_help().to_string();
        for (name, _) in Limits::names() {
            assert!(told.contains(name), "{name} is not in the help");
        }
    }

    #[test]
    fn a_budget_has_a_unit() {
        assert_eq!(budget("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(budget("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(budget("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["", "30", "s", "-1s", "0s", "nans", "1e30m", "1h"] {
            assert!(budget(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_after_the_command_belong_to_the_command() {
        let cli = Cli::try_parse_from(["fsreplay", "record", "-q", "ls", "-o", "--force"]);
        let Ok(Cli {
            command: Command::Record(args),
        }) = cli
        else {
            panic!("not parsed as record: {cli:?}");
        };
        assert_eq!(args.command, ["ls", "-o", "--force"]);
        assert!(!args.force);
        assert_eq!(args.output, PathBuf::from("trace.zst"));
    }

    #[test]
    fn a_double_dash_before_the_command_is_not_part_of_it() {
        let cli = Cli::try_parse_from(["fsreplay", "record", "--", "-odd", "--", "x"]).unwrap();
        let Command::Record(args) = cli.command else {
            panic!("not record");
        };
        assert_eq!(args.command, ["-odd", "--", "x"]);
    }
}

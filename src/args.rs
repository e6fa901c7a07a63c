//! The command line: what can be asked for, as clap definitions.

mod replaying;
pub mod trace;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use trace::TraceArgs;
use values::budget;
pub use values::{given, moved};

pub use replaying::{AdviseArgs, CompareArgs, PlayArgs, WhyArgs};

/// Record what a tool does to the file system, and replay it on any mount.
#[derive(Debug, Parser)]
#[command(
    name = "fsreplay",
    version,
    about,
    after_help = "Exit status: 0 success; 1 divergences under --strict, a condition of --fail-if, \
                  or advice that --verify refutes; 2 bad usage;\n\
                  3 a trace or result that can't be read;\n\
                  4 a target that can't be used; 5 what is faster can't be told; 6 any other \
                  failure.\n\
                  `record` exits with the status of the tool; 125, 126 and 127 are its own \
                  failures \
                  to run it, as with env(1);\n\
                  so they are of `why -- COMMAND`."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say whether it is the file system: run a command, or take its trace, and tell how much of
    /// its time is file access, what of it is wasted, what each mount would make of it, and what to
    /// do
    Why(WhyArgs),
    /// Run a command and record what it does to the file system
    Record(RecordArgs),
    /// Recreate the recorded tree under a directory and re-execute the recorded calls there
    Play(PlayArgs),
    /// Replay a trace on several mounts in turn and say what the tool would take on each
    Compare(CompareArgs),
    /// Say which recorded directory, moved to which mount, gains what, and what to write into
    /// devcontainer.json
    Advise(AdviseArgs),
    /// Say which calls, paths and waste came or went between two recordings of a tool
    Diff(crate::diff::DiffArgs),
    /// Write a trace in a form that other tools read: a trace of browsers, a table
    Export(crate::export_trace::ExportArgs),
    /// Make a trace of what another tool has recorded, such as a log of strace
    Import(crate::import::ImportArgs),
    /// Write a trace with other names: the same calls, times and outcomes, for those who may not
    /// know them
    Anonymize(AnonymizeArgs),
    /// Print what a trace holds and reveals: command, counts, sizes, coverage, mounts
    Info(InfoArgs),
    /// Print the records of a trace, one a line, in a form near strace's
    Dump(DumpArgs),
    /// Print the mounts of this machine or container that files can lie on, and what each of them
    /// is
    Mounts(MountsArgs),
    /// Say what the recorded tool spends its file-system time on, and which of it is wasted
    Inspect(InspectArgs),
    /// Remove what replays and recordings that were killed have left, and nothing else
    Clean(CleanArgs),
    /// Make one self-contained HTML page of results that compare, advise, inspect and play wrote as
    /// JSON
    Report(ReportArgs),
    /// List the recorded workloads that come with fsreplay, or tell how one was made
    Library(crate::library::LibraryArgs),
    /// Print the completions of this command line for a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all commands to a directory
    Man(ManArgs),
}

/// How calls are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// Inside the tool where that can be, all else by stopping it
    #[default]
    Auto,
    /// The same, and what kept a process from it is told
    Inside,
    /// The tool is stopped at each call
    Ptrace,
}

/// Arguments of `record`.
#[derive(Clone, Debug, Default, Args)]
pub struct RecordArgs {
    /// The trace to write; an existing one is kept as FILE.old
    #[arg(short, long, value_name = "FILE", default_value = "trace.zst")]
    pub output: PathBuf,
    /// Run the command some more times afterwards without recording it, so that predictions can
    /// take out what recording cost; only for commands that do the same when run again, with
    /// nothing on their standard input
    #[arg(long)]
    pub calibrate: bool,
    /// With --calibrate: what all further runs may take, such as 30s or 2m
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = budget)]
    pub budget: Duration,
    /// With --calibrate: what to run (by sh -c) before each of the further runs, to put back what
    /// the command changed
    #[arg(long, value_name = "SCRIPT", requires = "calibrate")]
    pub reset: Option<OsString>,
    /// Keep all arguments of all programs in the trace, not only their names: arguments hold
    /// passwords and tokens
    #[arg(long)]
    pub keep_arguments: bool,
    /// Let io_uring_setup fail with ENOSYS: what goes through io_uring is not in the trace, and
    /// most tools can do without
    #[arg(long)]
    pub no_io_uring: bool,
    /// How calls are recorded: those that change nothing inside the tool, where that can be, or
    /// all by stopping it
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
    /// Attach to what runs already, instead of running a command: a process with all its threads,
    /// and what it starts from then on, until it ends or Ctrl-C; it runs on then
    #[arg(
        long,
        value_name = "PID",
        conflicts_with_all = ["command", "calibrate", "no_io_uring", "backend", "linger"]
    )]
    pub pid: Option<i32>,
    /// The command to run and its arguments
    #[arg(
        required_unless_present = "pid",
        // Without hyphens at its beginning: a mistyped option is told, and no command's name.
        trailing_var_arg = true,
        value_name = "COMMAND"
    )]
    pub command: Vec<OsString>,
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
    /// Write the result as one self-contained page to FILE, or to standard output for `-`
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
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
    /// Results, as written with --json; those of one trace are shown side by side, whatever
    /// machine they are from
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
    /// The directory to write fsreplay.1, fsreplay-record.1 and so on to; it is made if it isn't
    /// there
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn all_limits_are_in_the_help() {
        let mut play = PlayArgs::augment_args(clap::Command::new("play"));
        let told = play.render_long_help().to_string();
        for (name, _) in fsreplay_trace::format::Limits::names() {
            assert!(told.contains(name), "{name} is not in the help");
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

    #[test]
    fn a_mistyped_option_is_no_command() {
        for wrong in [
            &["--calibrat", "--", "ls"][..],
            &["-x", "ls"],
            &["-q", "--nosuch"],
        ] {
            let told = Cli::try_parse_from(["fsreplay", "record"].iter().chain(wrong));
            let kind = told.expect_err("refused").kind();
            assert_eq!(kind, clap::error::ErrorKind::UnknownArgument, "{wrong:?}");
        }
    }

    #[test]
    fn why_asks_for_a_trace_or_a_command() {
        let told = Cli::try_parse_from(["fsreplay", "why"]).expect_err("refused");
        assert!(told.to_string().contains("<TRACE|COMMAND>"), "{told}");
    }
}

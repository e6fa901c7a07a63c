//! `fsreplay record`: run a command under observation.

use std::error::Error;
use std::time::Duration;

use fsreplay_compare::caveats::Unrecorded;
use fsreplay_recorder::{
    AttachOptions, Calibration, Fault, Kept, Observer, RecordError, RecordOptions, Recording,
    Status, Writer,
};
use fsreplay_replayer::expiry;
use indicatif::ProgressBar;

use crate::args::{Backend, RecordArgs};
use crate::exit::{self, Failure};
use crate::progress::{self, bar};
use crate::term::{self, Text};
use crate::text;

/// The recorder failed, and no tool's status stands for it.
const OWN_FAILURE: i32 = 125;

/// Tells the user on standard error; standard output belongs to the tool.
struct Terminal {
    quiet: bool,
    /// What calibration may take.
    budget: Duration,
    /// How far it is.
    bar: Option<ProgressBar>,
}

impl Terminal {
    /// Takes the line about calibration away, which is drawn anew if there are more runs.
    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Terminal {
    fn warning(&mut self, text: &str) {
        self.clear();
        if !self.quiet {
            tell(text);
        }
    }

    fn breaks_off(&mut self, error: &RecordError) {
        self.warning(&format!(
            "the recording breaks off, and the command goes on without it: {}",
            reason(error)
        ));
    }

    fn calibrates(&mut self, done: usize, most: usize, spent: Duration) {
        let (quiet, budget) = (self.quiet, self.budget);
        let bar = self
            .bar
            .get_or_insert_with(|| bar(quiet, budget, "{msg} {wide_bar} at most {eta} left"));
        // The budget, or as long as the most runs take.
        let all = spent
            .checked_div(done as u32)
            .map(|each| each.saturating_mul(most as u32));
        let all = all.map_or(budget, |all| all.min(budget));
        bar.set_length(progress::milliseconds(all));
        bar.set_position(progress::milliseconds(spent));
        bar.set_message(format!("run {} without recording", done + 1));
    }
}

/// One line on standard error. The command runs, or has: where nobody hears it any more (a terminal
/// that was hung up, a full disk), that must not end the recorder.
fn tell(text: &str) {
    term::tell(&Text::of(text));
}

/// Runs the command and gives the status to exit with: the tool's own.
pub fn run(args: &RecordArgs) -> Result<i32, Failure> {
    if let Some(pid) = args.pid {
        return attach(args, pid);
    }
    match command(args)?.status {
        Status::Exited(code) => Ok(code),
        Status::Signaled(signal) => Ok(die_of(signal)),
    }
}

/// Records what runs already. Its status is its parent's to know: 0 if there is a trace.
fn attach(args: &RecordArgs, pid: i32) -> Result<i32, Failure> {
    let options = AttachOptions {
        pid,
        output: args.output.clone(),
        force: args.force,
        keep_arguments: args.keep_arguments,
    };
    let mut terminal = Terminal {
        quiet: args.quiet,
        budget: args.budget,
        bar: None,
    };
    if !args.quiet {
        term::tell(&text!("attaching to process {}; Ctrl-C lets it go", pid));
    }
    let recorded = fsreplay_recorder::attach(&options, &mut terminal);
    let recording = recorded.map_err(|error| failure(&error))?;
    if let Some(fault) = &recording.fault {
        tell_fault(fault, &recording);
        return Ok(OWN_FAILURE);
    }
    if !args.quiet {
        report(&recording, args.verbose > 0);
    }
    Ok(0)
}

/// Runs the command, and tells what there is to tell of its recording.
pub fn command(args: &RecordArgs) -> Result<Recording, Failure> {
    let mut options = RecordOptions::new(args.command.clone(), args.output.clone());
    options.force = args.force;
    options.keep_arguments = args.keep_arguments;
    options.withhold_io_uring = args.no_io_uring;
    options.backend = match args.backend {
        Backend::Ptrace => fsreplay_recorder::Backend::Ptrace,
        Backend::Inside => fsreplay_recorder::Backend::Inside,
        Backend::Auto => fsreplay_recorder::Backend::Auto,
    };
    options.calibration = args.calibrate.then(|| Calibration {
        budget: args.budget,
        reset: args.reset.clone(),
        rest: rest(),
    });
    options.linger = args.linger.map(u64::from).map(Duration::from_secs);
    let mut terminal = Terminal {
        quiet: args.quiet,
        budget: args.budget,
        bar: None,
    };
    let recorded = fsreplay_recorder::record(&options, &mut terminal);
    terminal.clear();
    let recording = recorded.map_err(|error| failure(&error))?;
    if let Some(fault) = &recording.fault {
        // Even where only errors shall be told; but the status is the command's.
        tell_fault(fault, &recording);
    } else if !args.quiet {
        report(&recording, args.verbose > 0);
    }
    if !args.quiet {
        tell_leftovers(&recording);
    }
    Ok(recording)
}

/// How long to do nothing before the command is run again: until what shares cache has expired, so
/// that each run finds them as a replay does.
fn rest() -> Duration {
    let here = std::fs::File::open(".");
    here.map_or(Duration::ZERO, expiry)
}

fn failure(error: &RecordError) -> Failure {
    Failure::new(error.exit_code().into(), reason(error))
}

/// Why, with what to do about it.
fn reason(error: &RecordError) -> String {
    let text = exit::chain(error);
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    let mut code = None;
    while let Some(error) = cause.filter(|_| code.is_none()) {
        let io = error.downcast_ref::<std::io::Error>();
        code = io.and_then(std::io::Error::raw_os_error);
        cause = error.source();
    }
    match (code, error) {
        (Some(libc::EFBIG), _) => format!("{text}; the limit on file sizes (ulimit -f) says so"),
        (Some(libc::ENOSPC | libc::EDQUOT), RecordError::Trace { .. }) => {
            format!("{text}; XDG_STATE_HOME=DIR puts it on another disk")
        }
        _ => text,
    }
}

fn tell_fault(fault: &Fault, recording: &Recording) {
    let (path, bytes) = (recording.path.display(), term::bytes(recording.bytes));
    match fault.kept {
        Kept::Whole => {
            tell(&format!(
                "the trace could not be placed: {}",
                reason(&fault.error)
            ));
            tell(&format!(
                "it is whole, and lies in {path} ({bytes}): move it from there"
            ));
        }
        Kept::Beginning { unrecorded } => {
            tell(&format!(
                "the recording broke off: {}",
                reason(&fault.error)
            ));
            tell(&format!(
                "at least {} calls of the command are not in it. What is lies in {path} ({bytes}): \
                 info, dump and play read it with --truncated",
                term::count(unrecorded),
            ));
        }
    }
}

/// Recordings that broke off lie where nobody sees them.
fn tell_leftovers(recording: &Recording) {
    let mut left = fsreplay_recorder::leftovers();
    left.retain(|left| left.writer != Writer::Living && left.path != recording.path);
    let bytes = left.iter().map(|left| left.bytes).sum();
    if !left.is_empty() {
        tell(&format!(
            "{} recordings that broke off are kept ({}): `fsreplay clean --recordings --dry-run` \
             lists them",
            term::count(left.len() as u64),
            term::bytes(bytes)
        ));
    }
}

fn report(recording: &Recording, verbose: bool) {
    let footer = &recording.footer;
    term::tell(&text!(
        "{} events of {} in {} → {} ({})",
        term::count(footer.events),
        term::counted(footer.tasks, "task", "tasks"),
        term::nanoseconds(footer.elapsed),
        recording.path,
        term::bytes(recording.bytes),
    ));
    if let Some(previous) = recording.previous.as_ref().filter(|_| verbose) {
        term::tell(&text!("the trace that was there is now {}", previous));
    }
    if !footer.unrecorded.is_empty() {
        let calls = Unrecorded::list(&footer.unrecorded);
        term::tell(&text!("seen and not recorded: {}", calls));
    }
    for warning in &footer.warnings {
        term::tell(&text!("warning: {}", warning));
    }
    if recording.ended > 0 {
        let ended = term::counted(recording.ended, "task that", "tasks that");
        term::tell(&text!("ended {} outlived the command", ended));
    }
}

/// Dies of the signal that the tool died of, so that a shell says what it would say of the tool;
/// gives a status if that doesn't work.
fn die_of(signal: i32) -> i32 {
    fsreplay_recorder::die_of(signal);
    128 + signal
}

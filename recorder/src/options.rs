//! What the caller of a recording says and gets.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use fsreplay_trace::model::Footer;

use crate::error::RecordError;

/// Whether tracer and tool share one CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Affinity {
    /// While only one task runs at a time.
    #[default]
    Adaptive,
    /// Never.
    Off,
}

/// How calls are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Backend {
    /// Inside the tool where that can be, by ptrace all else (docs/inprocess.md).
    #[default]
    Auto,
    /// The same, and a warning says what kept a process from it.
    Inside,
    /// The tool is stopped at each.
    Ptrace,
}

/// When recording inside a process is worth what it costs at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eagerness {
    /// Stops of a process before anything is done. As the others, of calls that are made inside
    /// then.
    pub stops: u32,
    /// The same where it has threads already and the kernel wasn't told before that its text will
    /// be changed: that takes milliseconds then.
    pub late_stops: u32,
    /// Hits of a `syscall` instruction before it is patched.
    pub hits: u32,
    /// Stops of a task before it has memory for its events.
    pub task_stops: u32,
}

impl Default for Eagerness {
    /// It costs about as much as a dozen stops, and late as some hundred.
    fn default() -> Eagerness {
        Eagerness {
            stops: 16,
            late_stops: 256,
            hits: 4,
            task_stops: 6,
        }
    }
}

/// What to record and where to.
#[derive(Clone, Debug)]
pub struct RecordOptions {
    /// The command and its arguments; looked up along `PATH`.
    pub command: Vec<OsString>,
    /// Where the trace goes.
    pub output: PathBuf,
    /// Replace an existing output instead of keeping it as `OUTPUT.old`.
    pub force: bool,
    /// How calls are recorded.
    pub backend: Backend,
    /// When it is worth it, with another backend than [`Backend::Ptrace`].
    pub eagerness: Eagerness,
    /// Whether tracer and tool share one CPU.
    pub affinity: Affinity,
    /// Run the command again afterwards without recording it ([`Footer::samples`]).
    pub calibration: Option<Calibration>,
    /// Keep all arguments of all programs, not only the first of each: they hold passwords and
    /// tokens.
    pub keep_arguments: bool,
    /// Let `io_uring_setup` fail with `ENOSYS`. Tools that can do without do so, and what they do
    /// then is in the trace.
    pub withhold_io_uring: bool,
    /// How long to wait for tasks that outlive the command before they are ended; `None` waits for
    /// them.
    pub linger: Option<Duration>,
}

impl RecordOptions {
    /// The defaults for a command and an output.
    pub fn new(command: Vec<OsString>, output: PathBuf) -> RecordOptions {
        RecordOptions {
            command,
            output,
            force: false,
            backend: Backend::default(),
            eagerness: Eagerness::default(),
            affinity: Affinity::Adaptive,
            calibration: None,
            keep_arguments: false,
            withhold_io_uring: false,
            linger: None,
        }
    }
}

/// What that runs already is to be recorded, and where to.
#[derive(Clone, Debug)]
pub struct AttachOptions {
    /// The process, by the number of any of its threads.
    pub pid: i32,
    /// Where the trace goes.
    pub output: PathBuf,
    /// Replace an existing output instead of keeping it as `OUTPUT.old`.
    pub force: bool,
    /// Keep all arguments of all programs.
    pub keep_arguments: bool,
}

/// How a command is run again without being recorded.
#[derive(Clone, Debug, Default)]
pub struct Calibration {
    /// What all such runs may take.
    pub budget: Duration,
    /// Run by `sh -c` before each, to put back what the command changed.
    pub reset: Option<OsString>,
    /// How long to do nothing before each.
    pub rest: Duration,
}

/// Hears about a recording while it runs.
///
/// Called on the recording thread: what takes long here slows the tool.
pub trait Observer {
    /// Something that the user should know now. (It is in the footer's warnings, too, where it
    /// concerns the trace.)
    fn warning(&mut self, text: &str) {
        let _ = text;
    }

    /// The command is run again without being recorded: so many runs are done of so many at most,
    /// which took so long.
    fn calibrates(&mut self, done: usize, most: usize, spent: Duration) {
        let _ = (done, most, spent);
    }

    /// The recording can't go on; the command does, without being recorded.
    fn breaks_off(&mut self, error: &RecordError) {
        let _ = error;
    }

    /// About once a second: events and tasks so far.
    fn progress(&mut self, events: u64, tasks: u64) {
        let _ = (events, tasks);
    }
}

/// An observer that does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Observer for Quiet {}

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It exited with this code.
    Exited(i32),
    /// This signal killed it.
    Signaled(i32),
}

impl Status {
    /// From a status as wait(2) encodes it.
    pub(crate) fn from_wait(status: i32) -> Status {
        if libc::WIFSIGNALED(status) {
            Status::Signaled(libc::WTERMSIG(status))
        } else {
            Status::Exited(libc::WEXITSTATUS(status))
        }
    }
}

/// A recording whose command has ended.
#[derive(Debug)]
pub struct Recording {
    /// How the command ended.
    pub status: Status,
    /// The trace's footer.
    pub footer: Footer,
    /// Where the trace is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Where the earlier file of that name went, if there was one and it was kept.
    pub previous: Option<PathBuf>,
    /// Tasks that outlived the command and were ended by the recorder.
    pub ended: u64,
    /// What is wrong with the trace; it is not at the output then.
    pub fault: Option<Fault>,
}

/// Why a trace is not as it should be, though the command has run.
#[derive(Debug)]
pub struct Fault {
    /// What failed.
    pub error: RecordError,
    /// What there is of the trace.
    pub kept: Kept,
}

/// What there is of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// All of it: it could only not be brought to the output.
    Whole,
    /// Its beginning, without a footer.
    Beginning {
        /// Calls of the command after it that would have been recorded.
        unrecorded: u64,
    },
}

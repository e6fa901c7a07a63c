//! What can go wrong with a recording.

use std::io;
use std::path::PathBuf;

use fsreplay_trace::format::TraceError;

/// Why there is no recording.
///
/// A failed call of the tool, its death and its exit status are data of the trace, not errors.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// No command was given.
    #[error("no command to record")]
    NoCommand,
    /// The command was not found along PATH, or its path does not exist.
    #[error("{}: command not found", .command.display())]
    NotFound {
        /// The command as it was given.
        command: PathBuf,
    },
    /// The command exists and can't be run.
    #[error("{}: cannot be run: {source}", .command.display())]
    NotExecutable {
        /// The command as it was given.
        command: PathBuf,
        /// What execve said.
        source: io::Error,
    },
    /// The output can't be written.
    #[error("{operation} {}: {source}", .path.display())]
    Output {
        /// What was tried.
        operation: &'static str,
        /// On which path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// No place was found for the incomplete trace.
    #[error(
        "no directory outside the tool's working directory takes the incomplete trace (tried \
         {tried})"
    )]
    NoStateDirectory {
        /// The directories tried, with the reason for each.
        tried: String,
    },
    /// ptrace does not exist here.
    #[error(
        "ptrace is not available here ({source}): this looks like user-mode emulation (QEMU-user, \
         Rosetta). \
         Record in a container of the machine's own architecture (for example --platform \
         linux/arm64 on an ARM Mac)"
    )]
    PtraceMissing {
        /// What the kernel said.
        source: io::Error,
    },
    /// ptrace is forbidden.
    #[error(
        "ptrace is forbidden here ({source}): a seccomp profile, an LSM or \
         kernel.yama.ptrace_scope=3 refuses it. \
         In a container use the engine's default profile or --cap-add=SYS_PTRACE; outside, sysctl \
         kernel.yama.ptrace_scope=1"
    )]
    PtraceDenied {
        /// What the kernel said.
        source: io::Error,
    },
    /// The recorder itself is traced in a way that takes its children.
    #[error(
        "another tracer (process {tracer}) is attached: a task has one tracer only. Run the \
         recorder outside of it"
    )]
    AlreadyTraced {
        /// Process id of the other tracer; 0 if it could not be told.
        tracer: i32,
    },
    /// There is no process of that number to attach to.
    #[error("there is no process {pid}, or it has ended")]
    NoProcess {
        /// The number.
        pid: i32,
    },
    /// The recorder was asked to attach to itself.
    #[error("process {pid} is this recorder itself")]
    Itself {
        /// The number.
        pid: i32,
    },
    /// Another tracer is attached to a process.
    #[error(
        "process {pid} is traced by process {tracer} already (a debugger, strace, another \
         recorder): \
         a task has one tracer. End that one first"
    )]
    TracedByOther {
        /// The process.
        pid: i32,
        /// Its tracer.
        tracer: i32,
    },
    /// A process may not be attached to.
    #[error(
        "process {pid} may not be attached to ({source}): it is another user's, a kernel's thread, \
         has more privileges, or kernel.yama.ptrace_scope ({scope}) allows a process's own parent \
         only. As root it works with a scope up to 2 (sudo); else sysctl \
         kernel.yama.ptrace_scope=0, and back to {scope} then"
    )]
    AttachDenied {
        /// The process.
        pid: i32,
        /// What the kernel allows; "none" where it has no such rule.
        scope: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel has no seccomp filters, or refuses them.
    #[error("seccomp filters are not available here: {source}")]
    SeccompMissing {
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel is too old.
    #[error("this kernel lacks PTRACE_GET_SYSCALL_INFO (Linux 5.3 or later is needed): {source}")]
    KernelTooOld {
        /// What the kernel said.
        source: io::Error,
    },
    /// The trace could not be written.
    #[error(transparent)]
    Trace {
        /// The reason.
        #[from]
        source: TraceError,
    },
    /// There is too little memory to begin or to go on.
    #[error(
        "the limit on the address space (ulimit -v) leaves {} MiB, and recording needs {} MiB",
        .left >> 20, .needed >> 20
    )]
    Memory {
        /// What is left, bytes.
        left: u64,
        /// What is needed, bytes.
        needed: u64,
    },
    /// The recorder itself is wrong.
    #[error("a fault of the recorder itself, please report it: {message}")]
    Internal {
        /// What it said.
        message: String,
    },
    /// A system call of the recorder failed.
    #[error("{operation}: {source}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// A system call of the recorder on a task failed.
    #[error("{operation} of task {tid}: {source}")]
    Task {
        /// What was tried.
        operation: &'static str,
        /// The task's id.
        tid: i32,
        /// The reason.
        source: io::Error,
    },
}

impl RecordError {
    /// Wraps an error of a system call of the recorder.
    pub(crate) fn system(operation: &'static str) -> impl FnOnce(io::Error) -> RecordError {
        move |source| RecordError::System { operation, source }
    }

    /// The exit code that env(1) and the shells use for it: 127 not found, 126 can't be run, 125
    /// otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            RecordError::NotFound { .. } => 127,
            RecordError::NotExecutable { .. } => 126,
            _ => 125,
        }
    }
}

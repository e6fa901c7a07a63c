//! Runs a command under observation and writes what it does to the file system into a trace.
//!
//! The backend is ptrace with a seccomp filter that stops a task only at the calls of
//! [`fsreplay_trace::call::TABLE`]; everything else runs at full speed. It needs no privilege.
//!
//! # Layers
//!
//! - [`record()`]: one recording from start to end: the surface for the binary
//! - [`attach()`]: the same of what runs already, until it ends or is let go
//! - [`probe()`]: can this machine record at all, and if not, why
//! - `session`: the core: calls in, records out. It knows no kernel, and says what a backend
//!   delivers
//! - `session/decode`: arguments of a call, read through the `Memory` trait; pure
//! - `session/states`: states of paths, taken before the first call on them
//! - `session/task`: tasks, and what they share (descriptors, working directory, memory)
//! - `machine`: what the core asks of the machine: files, and /proc
//! - `tracer`: the backend: stops of ptrace in, calls out
//! - `tracer/attached`: another one, without a filter: for tasks that ran before
//! - `tracer/affinity`: tracer and tool on one CPU while that pays
//! - `tracer/filter`: the BPF program that decides which calls stop
//! - `tracer/costs`, `tracer/cpu_time`: what a stop costs, and where a task's time went
//! - `spawn`: fork the command, attach, install the filter, exec
//! - `output`, `state`, `beside`: the incomplete file and its way to the final name; what is left
//!   of others
//! - `limits`, `headroom`: limits of this process, and the memory that they leave
//! - `arch`, `sys`: what differs by architecture, system calls
//!
//! # Wake-ups
//!
//! What a stop costs is the switch to the recorder and back, not the recorder's work: across idle
//! virtual CPUs it is several times the cost on one CPU. While only one task of the tool runs at a
//! time, the recorder and that task are kept on one CPU; as soon as two want to run at once, all
//! go back to the CPUs they had (see `tracer/affinity`). The tool does not see it:
//! `sched_getaffinity` is answered with the mask it would have had, and a task that sets its own
//! affinity is left alone. (`Cpus_allowed` in `/proc/PID/status` does show it.)
//!
//! # Interrupted calls
//!
//! A call that stops with `ERESTARTSYS` and its kin has no result yet. The recorder holds it back
//! until the task's next stop: if that is the same call with the same arguments, it is one event,
//! from the first entry to the last exit; otherwise the tool saw `EINTR` and that is what is
//! recorded.
//!
//! # What is left behind
//!
//! The filter can't be taken off a task, and without a recorder its calls would fail with `ENOSYS`.
//! So a recording ends when the last task of the tool has ended, not when the command has. When
//! tasks outlive the command, the observer is told; an interrupt (Ctrl-C, SIGTERM) then ends them,
//! first by SIGTERM, then by SIGKILL. The footer says how many.
//!
//! # Faults
//!
//! When the recording can't go on, the tool does (`tracer/escort`), and keeps its status. What
//! happens at each fault stands in docs/faults.md.

mod arch;
mod attach;
mod beside;
mod error;
mod headroom;
mod limits;
mod machine;
mod mountinfo;
mod options;
mod output;
mod probe;
mod record;
mod recording;
pub mod session;
mod spawn;
mod state;
mod sys;
mod tracer;
mod unobserved;

pub use attach::attach;
pub use beside::Beside;
pub use error::RecordError;
pub use options::{
    Affinity, AttachOptions, Backend, Calibration, Eagerness, Fault, Kept, Observer, Quiet,
    RecordOptions, Recording, Status,
};
pub use probe::{Capabilities, probe};
pub use record::record;
pub use state::{Leftover, Writer, leftovers, remove_leftover};
pub use sys::children_cpu;
pub use sys::signal::die_of;

//! Records system calls inside the process that makes them.
//!
//! How it works, and why it is safe: docs/inprocess.md.

/// Whether a task's memory is needed to take it out of the stub, or to lead it to its area.
pub const NEEDS_MEMORY: bool = led::leads::NEEDS_MEMORY;

/// Behind the stub's `syscall`: a filter lets pass what is called there.
pub fn instruction() -> u64 {
    layout::STUB + arch::marks().called
}

pub mod arch;
mod away;
pub mod class;
mod draft;
#[cfg(test)]
mod fake;
mod functions;
mod known;
pub mod layout;
mod led;
mod maps;
mod refused;
mod region;
mod rescue;
mod space;
mod start;
mod sys;
mod tasks;
mod tracee;
mod traps;
mod ways;

pub use arch::{Found, is_supported};
pub use away::{Away, Here, Later, Off};
pub use led::Shares;
pub use refused::Refused;
pub use region::{Area, Bounds, Event, Region, Seen, Unread};
pub use rescue::Why;
pub use space::Space;
pub use tasks::{Policy, Tasks, take_area};
pub use tracee::{Signals, Tracee};

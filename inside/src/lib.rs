//! Records system calls inside the process that makes them.
//!
//! How it works, and why it is safe: docs/inprocess.md.

/// Behind the stub's `syscall`: a filter lets pass what is called there.
pub fn instruction() -> u64 {
    layout::STUB + arch::marks().called
}

pub mod arch;
pub mod class;
pub mod layout;
mod maps;
mod region;
mod rescue;
pub mod sites;
mod space;
mod sys;
mod tasks;
mod tracee;

pub use region::{Area, Bounds, Event, Found, Region};
pub use rescue::Why;
pub use space::{Refused, Space};
pub use sys::has_fsgsbase;
pub use tasks::{Policy, Tasks, take_area};
pub use tracee::Tracee;

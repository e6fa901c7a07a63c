//! Records system calls inside the process that makes them.
//!
//! How it works, and why it is safe: docs/inprocess.md.

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

pub use region::{Area, Bounds, Event, Region};
pub use rescue::{Why, is_inside, rescue};
pub use space::{Refused, Space};
pub use sys::has_fsgsbase;
pub use tasks::{Policy, Tasks};
pub use tracee::Tracee;

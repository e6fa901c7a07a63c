//! How a task is led to its area, and out of the stub: what differs by architecture.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
use aarch64 as this;
#[cfg(target_arch = "x86_64")]
use x86_64 as this;

pub use this::restore::{
    area_of, drop_call, is_behind, keep_by_handler, kept_by_handler, may_wait_at, put_back,
    put_back_outside, put_in, traced_way,
};
pub use this::{leads, preparation};

/// A call that a process makes once, when it gets the stub. It gives 0.
#[derive(Clone, Copy, Debug)]
pub struct Preparation {
    /// Its name.
    pub name: &'static str,
    /// Its number.
    pub number: i64,
    /// Its arguments.
    pub arguments: [u64; 6],
    /// Without it no task of the process may have an area. Otherwise it only saves something later.
    pub is_needed: bool,
}

/// What a new task shares with its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shares {
    /// Nothing that matters here: it is a process.
    Nothing,
    /// Memory. It has a thread pointer of its own (`CLONE_SETTLS`).
    Memory,
    /// Memory and thread pointer.
    Pointer,
}

impl Shares {
    /// By the flags of `clone`.
    pub fn by(flags: u64) -> Shares {
        let has = |flag: i32| flags & flag as u64 != 0;
        match (has(libc::CLONE_VM), has(libc::CLONE_SETTLS)) {
            (false, _) => Shares::Nothing,
            (true, true) => Shares::Memory,
            (true, false) => Shares::Pointer,
        }
    }
}

/// Where a new task was led.
#[allow(dead_code, reason = "each architecture has two of them")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newborn {
    /// To the area that it was to have.
    Led,
    /// Nowhere: it has what leads another task of its memory, which is led nowhere either.
    Borrows,
    /// It was left as it is.
    Stays,
}

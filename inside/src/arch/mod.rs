//! What differs by architecture: the stub's code, sites and trampolines, registers.
//!
//! The only place in this crate with `cfg(target_arch)`.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
use aarch64 as this;
#[cfg(target_arch = "x86_64")]
use x86_64 as this;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("add a module to inside/src/arch");

pub(crate) use this::sites;
pub use this::{
    Registers, SCRIPT_CALLS, TRACED, TRAMPOLINE, is_supported, marks, script, stub, takes, ticks,
    trampoline,
};

/// Places in the stub, from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// From here on `rax` and `rdx` are put away.
    pub saved: u64,
    /// From here on the flags are, too.
    pub flags: u64,
    /// The `syscall`.
    pub call: u64,
    /// Behind it.
    pub called: u64,
    /// The result is in the event.
    pub result: u64,
    /// The event counts.
    pub written: u64,
    /// On the way to the traced way.
    pub refused: u64,
    /// A wake was made, of which the event counts already. Behind the instruction here `rax` is put
    /// away.
    pub woken: u64,
    /// The end; the table of classes follows.
    pub end: u64,
}

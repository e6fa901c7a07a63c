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
    Marks, Registers, TRACED, TRAMPOLINE, is_supported, marks, stub, ticks, trampoline,
};

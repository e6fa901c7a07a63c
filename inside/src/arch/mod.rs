//! What differs by architecture: the stub's code, trampolines, registers.
//!
//! The only place in this crate with `cfg(target_arch)`, but for one feature of processors in `sys`.

mod x86_64;

pub use x86_64::{Marks, Registers, TRACED, TRAMPOLINE, marks, stub, ticks, trampoline};

//! What differs by architecture: the audit architecture, registers. Numbers of calls stand in the
//! table.
//!
//! The only place in the recorder with `cfg(target_arch)`.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
use aarch64 as this;
#[cfg(target_arch = "x86_64")]
use x86_64 as this;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!(
    "the recorder knows the calls of x86_64 and aarch64 only; add a module to recorder/src/arch"
);

pub use this::{
    ARCHITECTURE, AUDIT_ARCH, CALL_INSTRUCTION, FIRST_ARGUMENT, FOREIGN_NAME, FOREIGN_NUMBERS,
    RESULT, VFORK, call_in_progress, calls, has_steady_counter, is_native, next_instruction,
};

use fsreplay_trace::call::Call;

/// General registers as `NT_PRSTATUS` gives them.
pub type Words = [u64; REGISTER_WORDS];

/// How many they are.
pub const REGISTER_WORDS: usize = this::REGISTER_WORDS;

/// Each call of the table that this architecture has, with its number.
pub fn numbers() -> impl Iterator<Item = (u32, Call)> {
    Call::all().filter_map(|call| Some((call.number(this::ARCHITECTURE)?, call)))
}

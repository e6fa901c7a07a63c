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
    AUDIT_ARCH, FIRST_ARGUMENT, FOREIGN_FROM, FOREIGN_NAME, RESULT, VFORK, call_in_progress,
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

/// From the number of a call to the call.
pub struct Numbers {
    calls: Vec<Option<Call>>,
}

impl Numbers {
    /// The table of this architecture.
    pub fn new() -> Numbers {
        let length = numbers().map(|(number, _)| number as usize + 1).max();
        let mut calls = vec![None; length.unwrap_or(0)];
        for (number, call) in numbers() {
            calls[number as usize] = Some(call);
        }
        Numbers { calls }
    }

    /// The call of that number, if it is one of the table.
    pub fn call(&self, number: u64) -> Option<Call> {
        *self.calls.get(usize::try_from(number).ok()?)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_by_the_numbers_of_this_machine() {
        let numbers = Numbers::new();
        for (number, call) in [
            (libc::SYS_openat, Call::openat),
            (libc::SYS_newfstatat, Call::newfstatat),
            (libc::SYS_renameat2, Call::renameat2),
            (libc::SYS_copy_file_range, Call::copy_file_range),
            (libc::SYS_futex, Call::futex),
            (libc::SYS_bind, Call::bind),
        ] {
            assert_eq!(numbers.call(number as u64), Some(call), "{call}");
        }
        assert_eq!(numbers.call(libc::SYS_getpid as u64), None);
        assert_eq!(numbers.call(u64::MAX), None);
    }
}

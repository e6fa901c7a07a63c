//! What differs by architecture: numbers of calls, the audit architecture, registers.
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
    AUDIT_ARCH, FIRST_ARGUMENT, FOREIGN_FROM, FOREIGN_NAME, NUMBERS, RESULT, VFORK,
    call_in_progress,
};

use fsreplay_trace::call::Call;

/// General registers as `NT_PRSTATUS` gives them.
pub type Words = [u64; REGISTER_WORDS];

/// How many they are.
pub const REGISTER_WORDS: usize = this::REGISTER_WORDS;

macro_rules! numbers {
    (named { $($name:ident $number_name:ident,)* } literal { $($literal:ident = $number:literal,)* }) => {
        /// Each call of the table that this architecture has, with its number.
        pub const NUMBERS: &[(u32, fsreplay_trace::call::Call)] = &[
            $((libc::$number_name as u32, fsreplay_trace::call::Call::$name),)*
            $(($number, fsreplay_trace::call::Call::$literal),)*
        ];
    };
}
use numbers;

/// From the number of a call to the call.
pub struct Numbers {
    calls: Vec<Option<Call>>,
}

impl Numbers {
    /// The table of this architecture.
    pub fn new() -> Numbers {
        let length = NUMBERS.iter().map(|(number, _)| *number as usize + 1).max();
        let mut calls = vec![None; length.unwrap_or(0)];
        for (number, call) in NUMBERS {
            calls[*number as usize] = Some(*call);
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
    fn no_number_and_no_call_stands_twice() {
        let mut numbers: Vec<u32> = NUMBERS.iter().map(|(n, _)| *n).collect();
        let mut calls: Vec<Call> = NUMBERS.iter().map(|(_, c)| *c).collect();
        numbers.sort_unstable();
        numbers.dedup();
        calls.sort_unstable();
        calls.dedup();
        assert_eq!(numbers.len(), NUMBERS.len());
        assert_eq!(calls.len(), NUMBERS.len());
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn every_call_of_the_table_has_a_number() {
        let numbers = Numbers::new();
        for call in Call::all() {
            assert!(
                NUMBERS.iter().any(|(_, c)| *c == call),
                "{call} has no number"
            );
        }
        assert_eq!(numbers.call(257), Some(Call::openat));
        assert_eq!(numbers.call(u64::MAX), None);
    }
}

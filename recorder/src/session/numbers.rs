//! From the number of a call to the call.

use fsreplay_trace::abi::Architecture;
use fsreplay_trace::call::Call;

/// The numbers of one architecture.
pub struct Numbers {
    calls: Vec<Option<Call>>,
}

impl Numbers {
    /// The table of that architecture.
    pub fn new(architecture: Architecture) -> Numbers {
        let mut calls = Vec::new();
        for call in Call::all() {
            let Some(number) = call.number(architecture) else {
                continue;
            };
            let number = number as usize;
            if calls.len() <= number {
                calls.resize(number + 1, None);
            }
            calls[number] = Some(call);
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
    use crate::arch;

    #[test]
    fn calls_are_found_by_the_numbers_of_this_machine() {
        let numbers = Numbers::new(arch::ARCHITECTURE);
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

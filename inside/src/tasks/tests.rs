//! Processes that are looked into, and those that are not.

use std::io;

use super::*;
use crate::arch::Registers;
use crate::tracee::Signals;

/// A task that may not be changed; whether that was asked.
#[derive(Default)]
struct Unfit {
    asked: bool,
}

impl Tracee for Unfit {
    fn registers(&mut self) -> io::Result<Registers> {
        Err(io::ErrorKind::Other.into())
    }

    fn set_registers(&mut self, _registers: &Registers) -> io::Result<()> {
        Err(io::ErrorKind::Other.into())
    }

    fn read(&mut self, _address: u64, _buffer: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn write(&mut self, _address: u64, _bytes: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Other.into())
    }

    fn make_call(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Other.into())
    }

    fn maps(&mut self) -> io::Result<String> {
        Ok(String::new())
    }

    fn may_be_changed(&mut self) -> bool {
        self.asked = true;
        false
    }

    fn signals_of(&mut self, _other: i32) -> Option<Signals> {
        None
    }

    fn signal_mask(&mut self) -> io::Result<u64> {
        Ok(0)
    }

    fn set_signal_mask(&mut self, _mask: u64) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a process is looked into that makes a call of that number again and again.
fn is_looked_into(number: i64) -> bool {
    let mut tasks = Tasks::new(Policy {
        stops: 4,
        hits: 2,
        task_stops: 2,
        bounds: Bounds { gap: 0, call: 0 },
    });
    tasks.first(1);
    let mut tracee = Unfit::default();
    for _ in 0..8 {
        tasks.enters(1, number.cast_unsigned(), 0x40_1002);
        tasks.leaves(1, &mut tracee);
    }
    tracee.asked
}

#[test]
fn calls_that_stop_in_any_case_get_no_stub() {
    assert!(!is_looked_into(libc::SYS_execve));
    assert!(!is_looked_into(libc::SYS_wait4));
    let read = libc::SYS_read;
    assert_eq!(is_looked_into(read), arch::takes(read.cast_unsigned()));
}

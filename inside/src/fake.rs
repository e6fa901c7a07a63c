//! A task of the tests', which has nothing but memory.

use std::io;

use crate::arch::Registers;
use crate::tracee::{Signals, Tracee};

/// A task that is in no stop: it makes no calls, and has no registers.
#[derive(Default)]
pub struct Fake {
    /// Where its memory begins.
    pub at: u64,
    /// The memory.
    pub bytes: Vec<u8>,
    /// From which byte on it can't be written to, if there is one.
    pub read_only: Option<usize>,
    /// Whether it was asked if it may be changed, which it may not.
    pub asked: bool,
}

impl Tracee for Fake {
    fn registers(&mut self) -> io::Result<Registers> {
        Err(io::ErrorKind::Other.into())
    }

    fn set_registers(&mut self, _registers: &Registers) -> io::Result<()> {
        Err(io::ErrorKind::Other.into())
    }

    fn read(&mut self, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let offset = address.checked_sub(self.at);
        let there = offset.and_then(|offset| self.bytes.get(offset as usize..));
        let there = there.unwrap_or_default();
        let length = there.len().min(buffer.len());
        buffer[..length].copy_from_slice(&there[..length]);
        Ok(length)
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> io::Result<()> {
        let start = address.wrapping_sub(self.at) as usize;
        if self.read_only.is_some_and(|first| start >= first) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let there = self.bytes.get_mut(start..start.wrapping_add(bytes.len()));
        let there = there.ok_or(io::ErrorKind::Other)?;
        there.copy_from_slice(bytes);
        Ok(())
    }

    fn make_call(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Other.into())
    }

    fn to_handler(&mut self, _signal: i32) -> io::Result<Option<i32>> {
        Err(io::ErrorKind::Other.into())
    }

    fn set_number(&mut self, _number: i32) -> io::Result<()> {
        Err(io::ErrorKind::Other.into())
    }

    fn thread_pointer(&mut self) -> io::Result<u64> {
        Ok(0)
    }

    fn set_thread_pointer(&mut self, _value: u64) -> io::Result<()> {
        Err(io::ErrorKind::Other.into())
    }

    fn maps(&mut self) -> io::Result<String> {
        Ok(String::new())
    }

    fn may_be_changed(&mut self) -> bool {
        self.asked = true;
        false
    }

    fn may_be_started(&mut self) -> bool {
        self.may_be_changed()
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

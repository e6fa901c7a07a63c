//! What is asked of a tracer: one stopped task of the tool.

use std::io;

use crate::arch::Registers;

/// A task that stands still in a ptrace stop.
pub trait Tracee {
    /// Its registers.
    fn registers(&mut self) -> io::Result<Registers>;

    /// Sets its registers.
    fn set_registers(&mut self, registers: &Registers) -> io::Result<()>;

    /// Reads its memory; gives how many bytes there were.
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes its memory, also where it may not write itself.
    fn write(&mut self, address: u64, bytes: &[u8]) -> io::Result<()>;

    /// Lets it go on until it returns from the system call that it stands before. No signal reaches it
    /// meanwhile. Fails if it dies, or anything else stops it.
    fn make_call(&mut self) -> io::Result<()>;

    /// Its mappings, as `/proc/PID/maps` tells them.
    fn maps(&mut self) -> io::Result<String>;

    /// Whether it may be made to make calls and run the stub: it has no filter of its own that might
    /// object and no limit that mappings count for, and is a program of this architecture.
    fn may_be_changed(&mut self) -> bool;

    /// Whether another task neither blocks nor ignores `SIGTRAP`.
    fn takes_traps(&mut self, other: i32) -> bool;
}

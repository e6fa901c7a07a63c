//! What is asked of a tracer: one stopped task of the tool.

use std::io;

use crate::arch::Registers;

/// What a task does with signals, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// Those that it blocks.
    pub blocked: u64,
    /// Those that its process ignores.
    pub ignored: u64,
    /// Those that its process has handlers for.
    pub caught: u64,
}

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

    /// Lets it go on until it returns from the system call that it stands before. No signal reaches
    /// it meanwhile. Fails if it dies, or anything else stops it.
    fn make_call(&mut self) -> io::Result<()>;

    /// Lets it go on with a signal that it has a handler for, to the first instruction of that.
    /// Where it doesn't come there, gives the signal that it is about to get instead, or 0.
    fn to_handler(&mut self, signal: i32) -> io::Result<Option<i32>>;

    /// Puts another number in place of that of the call that it stands before.
    fn set_number(&mut self, number: i32) -> io::Result<()>;

    /// Its thread pointer, where that is no general register.
    fn thread_pointer(&mut self) -> io::Result<u64>;

    /// Sets it.
    fn set_thread_pointer(&mut self, value: u64) -> io::Result<()>;

    /// Its mappings, as `/proc/PID/maps` tells them.
    fn maps(&mut self) -> io::Result<String>;

    /// Whether it may be made to make calls and run the stub: it has no filter of its own that
    /// might object and no limit that mappings count for, and is a program of this architecture.
    fn may_be_changed(&mut self) -> bool;

    /// The same of one that stands in the `execve` which started its program.
    fn may_be_started(&mut self) -> bool;

    /// What another task does with signals: `None` if that can't be told.
    fn signals_of(&mut self, other: i32) -> Option<Signals>;

    /// The signals that this task blocks, one bit each.
    fn signal_mask(&mut self) -> io::Result<u64>;

    /// Sets them.
    fn set_signal_mask(&mut self, mask: u64) -> io::Result<()>;
}

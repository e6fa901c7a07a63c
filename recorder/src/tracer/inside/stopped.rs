//! What the crate for recording inside asks of a task that stands still.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use fsreplay_inside::arch::Registers;
use fsreplay_inside::{Signals, Tracee};

use crate::spawn::{self, Status};
use crate::sys;
use crate::sys::ptrace;
use crate::tracer::held_off::HeldOff;
use crate::tracer::side::has_no_other_filter;

/// A task in a ptrace stop.
pub(super) struct Stopped {
    pub tid: i32,
    /// Its memory, once it was asked for.
    pub memory: Option<Rc<File>>,
    /// It may have filters of its own.
    pub may_have_filters: bool,
}

impl Stopped {
    fn memory(&mut self) -> io::Result<&File> {
        match &mut self.memory {
            Some(memory) => Ok(memory),
            none => Ok(none.insert(Rc::new(ptrace::memory(self.tid)?))),
        }
    }
}

impl Tracee for Stopped {
    fn registers(&mut self) -> io::Result<Registers> {
        ptrace::all_registers(self.tid).map(Registers)
    }

    fn set_registers(&mut self, registers: &Registers) -> io::Result<()> {
        ptrace::set_all_registers(self.tid, registers.0)
    }

    fn read(&mut self, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.memory()?.read_at(buffer, address).unwrap_or(0))
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> io::Result<()> {
        self.memory()?.write_all_at(bytes, address)
    }

    fn make_call(&mut self) -> io::Result<()> {
        let held_off = HeldOff::begin(self.tid)?;
        let made = held_off.to_call().and_then(|()| held_off.to_call());
        held_off.end()?;
        made
    }

    fn to_handler(&mut self, signal: i32) -> io::Result<Option<i32>> {
        ptrace::step_to_handler(self.tid, signal)
    }

    fn set_number(&mut self, number: i32) -> io::Result<()> {
        ptrace::set_number(self.tid, number)
    }

    fn thread_pointer(&mut self) -> io::Result<u64> {
        ptrace::thread_pointer(self.tid)
    }

    fn set_thread_pointer(&mut self, value: u64) -> io::Result<()> {
        ptrace::set_thread_pointer(self.tid, value)
    }

    fn maps(&mut self) -> io::Result<String> {
        let maps = spawn::read_all(self.tid, "maps")?;
        Ok(String::from_utf8_lossy(&maps).into_owned())
    }

    fn signals_of(&mut self, other: i32) -> Option<Signals> {
        let status = Status::of(other)?;
        let mask = |name| u64::from_str_radix(status.text(name)?, 16).ok();
        Some(Signals {
            blocked: mask("SigBlk:")?,
            ignored: mask("SigIgn:")?,
            caught: mask("SigCgt:")?,
        })
    }

    fn signal_mask(&mut self) -> io::Result<u64> {
        ptrace::signal_mask(self.tid)
    }

    fn set_signal_mask(&mut self, mask: u64) -> io::Result<()> {
        ptrace::set_signal_mask(self.tid, mask)
    }

    fn may_be_changed(&mut self) -> bool {
        let native = self
            .registers()
            .is_ok_and(|registers| registers.is_native());
        let Some(status) = Status::of(self.tid) else {
            return false;
        };
        // It won't miss the room that mappings of the recorder take.
        let has_room = status.text("VmLck:") == Some("0 kB") && has_all_addresses(self.tid);
        native && has_room && has_no_other_filter(&status)
    }

    fn may_be_started(&mut self) -> bool {
        // Its registers were looked at, and `execve` has let go of locked memory. What its status
        // says is written anew for each that asks, which takes long.
        let has_filters =
            || Status::of(self.tid).is_none_or(|status| !has_no_other_filter(&status));
        has_all_addresses(self.tid) && !(self.may_have_filters && has_filters())
    }
}

/// Whether a process's address space is not limited.
fn has_all_addresses(tid: i32) -> bool {
    if let Ok(limit) = sys::process::address_space(tid) {
        return limit.is_none();
    }
    // It may forbid to be asked, as in a container.
    let limits = spawn::read_all(tid, "limits").unwrap_or_default();
    let limits = String::from_utf8_lossy(&limits);
    let mut lines = limits.lines();
    let limit = lines.find_map(|line| line.strip_prefix("Max address space"));
    limit.and_then(|limit| limit.split_whitespace().next()) == Some("unlimited")
}

//! Calls that a task is made to make, before it is let go.

use std::io;

use crate::arch::{self, Words};
use crate::sys::listener;
use crate::sys::ptrace::{self, Stop};
use crate::tracer::held_off::HeldOff;
use crate::tracer::parcel::Parcel;

/// `SECCOMP_SET_MODE_FILTER`.
const SET_FILTER: u64 = 1;
/// Results from here on are `-errno`.
const ERRORS_FROM: i64 = -4095;

/// A task that stands still, and makes calls in between.
pub struct Injected {
    tid: i32,
    /// Of the instruction that makes a call.
    instruction: u64,
    before: Words,
    held_off: HeldOff,
}

impl Injected {
    /// Takes over a task in a ptrace stop. Fails where it can't be made to call anything.
    pub fn begin(tid: i32) -> io::Result<Injected> {
        let before = ptrace::all_registers(tid)?;
        if !arch::is_native(&before) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let instruction = find_instruction(tid).ok_or(io::ErrorKind::Unsupported)?;
        Ok(Injected {
            tid,
            instruction,
            before,
            held_off: HeldOff::begin(tid)?,
        })
    }

    /// Makes one call; gives its result.
    pub fn call(&self, number: libc::c_long, args: [u64; 6]) -> io::Result<u64> {
        let words = arch::calls(&self.before, self.instruction, number as u64, args);
        ptrace::set_all_registers(self.tid, words)?;
        loop {
            self.held_off.to_call()?;
            if let Stop::Exit { result } = ptrace::syscall_info(self.tid)? {
                return check(result);
            }
        }
    }

    /// Gives the task memory with what a parcel holds.
    pub fn put(&self, contents: impl FnOnce(u64) -> Parcel) -> io::Result<Parcel> {
        let access = (libc::PROT_READ | libc::PROT_WRITE) as u64;
        let kind = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        let at = self.call(libc::SYS_mmap, [0, Parcel::SIZE, access, kind, u64::MAX, 0])?;
        let parcel = contents(at);
        ptrace::write_memory(self.tid, at, &parcel.bytes)?;
        Ok(parcel)
    }

    /// A socket that sends to a postbox, if that can be reached from where the task is.
    pub fn connect(&self, parcel: &Parcel) -> io::Result<u64> {
        let kind = (libc::SOCK_DGRAM | libc::SOCK_CLOEXEC) as u64;
        let socket = self.call(libc::SYS_socket, [libc::AF_UNIX as u64, kind, 0, 0, 0, 0])?;
        let (address, length) = parcel.address;
        let connected = self.call(libc::SYS_connect, [socket, address, length, 0, 0, 0]);
        if connected.is_err() {
            self.close(socket);
        }
        connected.map(|_| socket)
    }

    /// Installs the filter; gives the task's descriptor of its listener.
    pub fn install(&self, parcel: &Parcel) -> io::Result<u64> {
        let flags = listener::NEW_LISTENER | listener::WAIT_KILLABLE;
        let program = parcel.program;
        self.call(libc::SYS_seccomp, [SET_FILTER, flags, program, 0, 0, 0])
    }

    /// Sends a descriptor.
    pub fn send(&self, socket: u64, parcel: &Parcel, fd: u64) -> io::Result<()> {
        ptrace::write_memory(self.tid, parcel.descriptor, &(fd as i32).to_ne_bytes())?;
        let args = [socket, parcel.at, 0, 0, 0, 0];
        self.call(libc::SYS_sendmsg, args).map(drop)
    }

    /// Closes a descriptor. That fails only where the task is gone.
    pub fn close(&self, fd: u64) {
        let _ = self.call(libc::SYS_close, [fd, 0, 0, 0, 0, 0]);
    }

    /// Takes the memory back. That fails only where the task is gone.
    pub fn take_back(&self, parcel: &Parcel) {
        let _ = self.call(libc::SYS_munmap, [parcel.at, Parcel::SIZE, 0, 0, 0, 0]);
    }

    /// Puts all back, and lets the task stand in a stop in which a call that it was interrupted in
    /// is made again. `registers` is what it goes on with, unless with what it had. Gives the
    /// signal of that stop.
    pub fn end(self, registers: Option<Words>) -> io::Result<i32> {
        ptrace::interrupt(self.tid)?;
        let signal = self.held_off.to_interruption()?;
        ptrace::set_all_registers(self.tid, registers.unwrap_or(self.before))?;
        self.held_off.end()?;
        Ok(signal)
    }
}

fn check(result: i64) -> io::Result<u64> {
    if (ERRORS_FROM..0).contains(&result) {
        return Err(io::Error::from_raw_os_error(-result as i32));
    }
    Ok(result as u64)
}

/// The instruction that makes a call, in the kernel's own page of a task: every program has it.
fn find_instruction(tid: i32) -> Option<u64> {
    let maps = std::fs::read_to_string(format!("/proc/{tid}/maps")).ok()?;
    let line = maps.lines().find(|line| line.ends_with("[vdso]"))?;
    let (start, end) = line.split_whitespace().next()?.split_once('-')?;
    let start = u64::from_str_radix(start, 16).ok()?;
    let size = u64::from_str_radix(end, 16).ok()?.checked_sub(start)?;
    let mut code = vec![0; usize::try_from(size).ok()?];
    let got = ptrace::read_proc_memory(tid, start, &mut code).ok()?;
    let mut windows = code[..got].windows(arch::CALL_INSTRUCTION.len());
    let at = windows.position(|bytes| bytes == arch::CALL_INSTRUCTION)?;
    Some(start + at as u64)
}

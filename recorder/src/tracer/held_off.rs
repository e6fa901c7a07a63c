//! A task that is made to call something: what comes for it meanwhile waits until the end.

use std::cell::Cell;
use std::io;

use crate::spawn;
use crate::sys::ptrace;
use crate::sys::signal;

/// A task in a ptrace stop. Of signals only `SIGKILL` reaches it: all others are blocked, and
/// `SIGSTOP`, which can't be, is sent again at the end.
pub struct HeldOff {
    tid: i32,
    mask: u64,
    to_stop: Cell<bool>,
}

impl HeldOff {
    /// From now on.
    pub fn begin(tid: i32) -> io::Result<HeldOff> {
        let mask = ptrace::signal_mask(tid)?;
        ptrace::set_signal_mask(tid, u64::MAX)?;
        Ok(HeldOff {
            tid,
            mask,
            to_stop: Cell::new(false),
        })
    }

    /// To the next stop at a call's entry or exit.
    pub fn to_call(&self) -> io::Result<()> {
        loop {
            ptrace::resume_to_exit(self.tid, 0)?;
            let status = self.next_stop()?;
            if status >> 16 == 0 && libc::WSTOPSIG(status) == ptrace::SYSCALL_STOP {
                return Ok(());
            }
            self.put_off(status)?;
        }
    }

    /// To the stop that was asked for (`PTRACE_INTERRUPT`); gives its signal.
    pub fn to_interruption(&self) -> io::Result<i32> {
        loop {
            ptrace::resume(self.tid, 0)?;
            let status = self.next_stop()?;
            if status >> 16 == ptrace::EVENT_STOP {
                return Ok(libc::WSTOPSIG(status));
            }
            self.put_off(status)?;
        }
    }

    fn next_stop(&self) -> io::Result<i32> {
        let status = ptrace::wait_for_stop(self.tid)?;
        Ok(status.ok_or(io::ErrorKind::NotFound)?)
    }

    fn put_off(&self, status: i32) -> io::Result<()> {
        let signal = libc::WSTOPSIG(status);
        match status >> 16 {
            0 if signal == libc::SIGSTOP => self.to_stop.set(true),
            // It was to stand still with its process.
            ptrace::EVENT_STOP if ptrace::stops(signal) => self.to_stop.set(true),
            ptrace::EVENT_STOP | libc::PTRACE_EVENT_SECCOMP => {}
            _ => return Err(io::Error::other("stopped by something else")),
        }
        Ok(())
    }

    /// Signals come again, and what was put off.
    pub fn end(self) -> io::Result<()> {
        // What lets it go on takes away what was to stop it, as it would have without this.
        if self.to_stop.get() && !self.goes_on_again() {
            signal::kill(self.tid, libc::SIGSTOP);
        }
        ptrace::set_signal_mask(self.tid, self.mask)
    }

    /// Whether a `SIGCONT` came; like all others it was blocked, and so is still there.
    fn goes_on_again(&self) -> bool {
        let waits = |name| {
            let signals = spawn::status_text(self.tid, name)
                .and_then(|text| u64::from_str_radix(&text, 16).ok());
            signals.unwrap_or(0) & 1 << (libc::SIGCONT - 1) != 0
        };
        waits("SigPnd:") || waits("ShdPnd:")
    }
}

//! Faults of the first process of a PID namespace.
//!
//! The kernel lets such a process die of a fault, but not if it is traced: it drops the signal that
//! the tracer passes on, and the instruction faults again, without end.

use std::io;

use crate::spawn;
use crate::sys::ptrace;
use crate::sys::signal::Sender;

/// Lets a task go for good, if a fault would kill it without a tracer: the same instruction faults
/// once more, so that none of its calls is missed. Gives whether it did.
pub fn let_die(tid: i32, signal: i32) -> io::Result<bool> {
    let fault = matches!(
        signal,
        libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE
    );
    let by_kernel = || ptrace::signal_stop(tid, signal) == Some(Sender::Kernel);
    if !fault || !by_kernel() || !is_init(tid) || handles(tid, signal) {
        return Ok(false);
    }
    ptrace::detach(tid).map(|()| true)
}

/// Whether it is the first process of a namespace below this one's.
fn is_init(tid: i32) -> bool {
    let ids = spawn::status_text(tid, "NStgid:").unwrap_or_default();
    let mut ids = ids.split_whitespace();
    ids.next_back() == Some("1") && ids.next().is_some()
}

fn handles(tid: i32, signal: i32) -> bool {
    ["SigCgt:", "SigIgn:"].into_iter().any(|name| {
        let mask = spawn::status_text(tid, name);
        let mask = mask.and_then(|mask| u64::from_str_radix(&mask, 16).ok());
        mask.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
    })
}

//! Locks on files.

use std::io;
use std::os::fd::RawFd;

use super::check;

/// Locks a file against others that ask for its lock, until it is closed everywhere. Fails with
/// `EWOULDBLOCK` if another has it, unless it shall `wait`.
pub fn lock(fd: RawFd, wait: bool) -> io::Result<()> {
    let operation = libc::LOCK_EX | if wait { 0 } else { libc::LOCK_NB };
    loop {
        // SAFETY: plain numbers.
        match check(i64::from(unsafe { libc::flock(fd, operation) })) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done.map(drop),
        }
    }
}

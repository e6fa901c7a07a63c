//! System calls of the recorder, one wrapper each, with a safe surface.

pub mod affinity;
pub mod file;
pub mod listener;
pub mod process;
pub mod ptrace;
pub mod seccomp;
pub mod signal;
pub mod xattr;

use std::io;

/// `Err(errno)` for -1, the value otherwise.
fn check(result: i64) -> io::Result<i64> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Monotonic time in nanoseconds.
#[inline]
pub fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec to write to; CLOCK_MONOTONIC always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Processor time of this process's children that were waited for, and of theirs, nanoseconds.
pub fn children_cpu() -> u64 {
    // SAFETY: all zeroes is a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a valid rusage to write to.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage) };
    let nanoseconds =
        |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1000;
    nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime)
}

/// Writes back what all file systems hold.
pub fn sync() {
    // SAFETY: it takes nothing and always succeeds.
    unsafe { libc::sync() };
}

/// Whether this process leads its session: a terminal that hangs up tells it and no other.
pub fn is_session_leader() -> bool {
    // SAFETY: plain numbers.
    unsafe { libc::getsid(0) == libc::getpid() }
}

/// Effective user and group ids.
pub fn effective_ids() -> (u32, u32) {
    // SAFETY: both take no arguments and always succeed.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

/// Supplementary groups.
pub fn groups() -> Vec<u32> {
    // SAFETY: a size of 0 asks for the number and writes nothing.
    let count = unsafe { libc::getgroups(0, std::ptr::null_mut()) };
    let mut groups = vec![0; usize::try_from(count).unwrap_or(0)];
    // SAFETY: the buffer has room for as many ids as its length says.
    let got = unsafe { libc::getgroups(groups.len() as i32, groups.as_mut_ptr()) };
    groups.truncate(usize::try_from(got).unwrap_or(0));
    groups
}

/// The page size in bytes.
pub fn page_size() -> u32 {
    // SAFETY: sysconf with a known name has no preconditions.
    u32::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// The kernel's release, such as `6.1.0-18-amd64`.
pub fn kernel_release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .map(|text| text.trim_end().to_owned())
        .unwrap_or_default()
}

/// This process's umask, as /proc says it (setting it to read it would be seen by other threads).
pub fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))
        .and_then(|value| u32::from_str_radix(value.trim(), 8).ok())
        .unwrap_or(0o022)
}

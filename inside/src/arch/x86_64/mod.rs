//! What an architecture has of its own, on x86_64: the stub, sites, trampolines and registers.

mod patch;
mod registers;
mod script;
pub mod sites;
mod stub;
mod trampoline;

use super::Found;
use crate::class;
pub use registers::Registers;
pub use script::{SCRIPT_CALLS, script};
pub use trampoline::{TRACED, TRAMPOLINE, trampoline};

/// Older calls, which not every architecture has; and the start of a program, by a task that has an
/// area though it shares memory with the one that made it.
pub const OWN_CLASSES: &[(i64, u8)] = &[
    (libc::SYS_getdents, class::PLAIN),
    (libc::SYS_stat, class::PATH_FIRST),
    (libc::SYS_lstat, class::LSTAT),
    (libc::SYS_access, class::PATH_FIRST),
    (libc::SYS_readlink, class::PATH_FIRST),
    (libc::SYS_open, class::OPEN),
    (libc::SYS_execve, class::EXEC),
    (libc::SYS_poll, class::UNLESS_THIRD_0),
    (libc::SYS_select, class::PLAIN),
    (libc::SYS_epoll_wait, class::UNLESS_FOURTH_0),
];

/// What the stub puts away.
pub(crate) mod kept {
    use crate::layout::area::KEPT;

    /// `rax`.
    pub const RAX: u64 = KEPT;
    /// `rdx`.
    pub const RDX: u64 = KEPT + 8;
    /// The flags, as `lahf` and `seto` leave them in `ax`.
    pub const FLAGS: u64 = KEPT + 16;
}

/// Whether this machine can do it: programs may read and write their `gs` base by themselves
/// (`AT_HWCAP2`).
pub fn is_supported() -> bool {
    const FSGSBASE: u64 = 2;
    // SAFETY: it takes a number.
    unsafe { libc::getauxval(libc::AT_HWCAP2) & FSGSBASE != 0 }
}

/// From the words of a `struct stat`, by their offsets.
pub fn found(word: impl Fn(u64) -> u64) -> Found {
    let halves = |at| {
        let word = word(at);
        (word as u32, (word >> 32) as u32)
    };
    let (mode, uid) = halves(24);
    let (gid, _) = halves(32);
    Found {
        device: word(0),
        inode: word(8),
        links: word(16),
        mode,
        uid,
        gid,
        size: word(48),
        mtime: word(88).cast_signed(),
    }
}

/// Processor time stamp.
pub fn ticks() -> u64 {
    // SAFETY: every x86_64 processor has it; a process that was forbidden it would have been told
    // by its own prctl.
    unsafe { std::arch::x86_64::_rdtsc() }
}

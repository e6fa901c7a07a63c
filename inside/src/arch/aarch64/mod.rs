//! What an architecture has of its own, on aarch64: the stub, sites, trampolines and registers.

mod registers;
mod script;
pub mod sites;
mod stub;
mod trampoline;

// The counter has no function in the standard library.
use std::arch::asm;

use super::Found;
use crate::layout::{PAGE, STUB};
pub use registers::Registers;
pub use script::{SCRIPT_CALLS, script};
pub(crate) use trampoline::{BACK, REFUSED};
pub use trampoline::{TRACED, TRAMPOLINE, trampoline};

/// There are no older calls.
pub const OWN_CLASSES: &[(i64, u8)] = &[];

/// What the stub and trampolines put away in the area: three pairs.
pub(crate) mod kept {
    use crate::layout::area::KEPT;

    /// `x16` and `x17`.
    pub const X16: u64 = KEPT;
    /// `x14` and `x15`.
    pub const X14: u64 = KEPT + 16;
    /// `x12` and `x13`.
    pub const X12: u64 = KEPT + 32;
}

/// What they put away on the stack before there is an area, bytes below its pointer. Go's functions
/// keep something in the 16 bytes above that.
pub(crate) mod below {
    /// `x16` and `x17`.
    pub const X16: u64 = 32;
    /// `x14` and `x15`.
    pub const X14: u64 = 48;
}

/// Whether this machine can do it: its pages are as small as a stub is, and programs have as many
/// addresses as it takes.
pub fn is_supported() -> bool {
    // SAFETY: it takes a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    page == PAGE as libc::c_long && is_an_address(STUB)
}

/// Whether a page can be mapped there, in this process as in others.
fn is_an_address(address: u64) -> bool {
    let address = std::ptr::without_provenance_mut(address as usize);
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: it replaces nothing that is mapped.
    let found = unsafe { libc::mmap(address, PAGE as usize, libc::PROT_NONE, kind, -1, 0) };
    if found == libc::MAP_FAILED {
        return false;
    }
    // SAFETY: it was mapped just now, and nothing uses it.
    unsafe { libc::munmap(found, PAGE as usize) };
    found == address
}

/// From the words of a `struct stat`, by their offsets.
pub fn found(word: impl Fn(u64) -> u64) -> Found {
    let halves = |at| {
        let word = word(at);
        (word as u32, (word >> 32) as u32)
    };
    let (mode, links) = halves(16);
    let (uid, gid) = halves(24);
    Found {
        device: word(0),
        inode: word(8),
        links: u64::from(links),
        mode,
        uid,
        gid,
        size: word(48),
        mtime: word(88).cast_signed(),
    }
}

/// The generic timer's counter.
pub fn ticks() -> u64 {
    let count;
    // SAFETY: it reads a register that Linux lets programs read; not before what precedes it.
    unsafe { asm!("isb", "mrs {}, cntvct_el0", out(reg) count, options(nostack)) };
    count
}

//! What differs by architecture: the stub's code, sites and trampolines, registers.
//!
//! `cfg(target_arch)` stands here and in `led`, and with the stub's address
//! ([`crate::layout`]).

#[cfg(target_arch = "aarch64")]
pub(crate) mod aarch64;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_64;

#[cfg(target_arch = "aarch64")]
use aarch64 as this;
#[cfg(target_arch = "x86_64")]
use x86_64 as this;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("add a module to inside/src/arch");

mod code;

use crate::class;
pub use code::{marks, stub};
pub use this::{
    Registers, SCRIPT_CALLS, TRACED, TRAMPOLINE, is_supported, script, ticks, trampoline,
};
pub(crate) use this::{found, sites};

/// Nanoseconds, for the clock that the stub asks.
const SECOND: u32 = 1_000_000_000;

/// The class of each call that is not traced always.
fn classes_of_calls() -> impl Iterator<Item = &'static (i64, u8)> {
    class::CLASSES.iter().chain(this::OWN_CLASSES)
}

/// Whether the stub makes a call of that number with such arguments, without a stop. It doesn't
/// where its ring is full, or a path is long, or the time since the last call.
pub fn takes(number: u64, arguments: &[u64; 6]) -> bool {
    let class = classes_of_calls().find(|(of, _)| of.cast_unsigned() == number);
    class.is_some_and(|(_, class)| class::is_made_at_once(*class, arguments))
}

/// What `struct stat` says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Number of its names.
    pub links: u64,
    /// Type and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size in bytes.
    pub size: u64,
    /// Modification time, seconds since the epoch.
    pub mtime: i64,
}

/// Places in the stub, from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// From here on the registers that it uses are put away.
    pub saved: u64,
    /// From here on the flags are, too, where it changes them.
    pub flags: u64,
    /// Where a call is made that the recorder has seen at a stop.
    pub seen: u64,
    /// Its system call.
    pub call: u64,
    /// Behind it.
    pub called: u64,
    /// The result is in the event.
    pub result: u64,
    /// The event counts.
    pub written: u64,
    /// On the way to the traced way.
    pub refused: u64,
    /// A wake was made, of which the event counts already. Behind the instruction here its
    /// result is put away, where that is needed.
    pub woken: u64,
    /// From here on, up to the end, the task's clock is asked: before the call, or behind it if the
    /// task is in a call by its area.
    pub asks: u64,
    /// The end; the table of classes follows.
    pub end: u64,
}

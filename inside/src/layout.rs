//! Where everything stands: addresses in the tool's memory, offsets in an area and in an event.
//!
//! The stub's code and the recorder both go by these numbers; nothing else is shared between them.

/// Where the stub's page is mapped: where the kernel puts nothing by itself, so that it is free in
/// nearly every address space. A process in which it is not stays on ptrace. And where sanitizers
/// suffer a mapping: ThreadSanitizer above `0x7e80_0000_0000` on x86_64, and in the first 8 GiB on
/// aarch64, where AddressSanitizer leaves the first 64 to the program.
pub const STUB: u64 = if cfg!(target_arch = "x86_64") {
    0x7ec0_0000_0000
} else {
    0x1_e000_0000
};

/// Bytes that are mapped there.
pub const STUB_SIZE: u64 = if cfg!(target_arch = "x86_64") {
    PAGE
} else {
    2 * PAGE
};

/// Where it stands whose area is whose, where no register tells that: behind the stub's page.
pub const OWNERS: u64 = STUB + PAGE;

/// Where the areas are mapped: in the same 4 GiB.
pub const REGION: u64 = STUB + 0x1000_0000;

/// Bytes of a page.
pub const PAGE: u64 = 4096;
/// Areas in a region: as many tasks of one memory can be recorded from inside at a time.
pub const AREAS: usize = 64;
/// Events that an area holds; a power of two.
pub const EVENTS: u64 = 1024;
/// Bytes of an event; a power of two.
pub const EVENT: u64 = 1 << EVENT_SHIFT;
/// Its logarithm.
pub const EVENT_SHIFT: u32 = 9;
/// Bytes of an area: a page of words, and its events.
pub const AREA: u64 = PAGE + EVENTS * EVENT;
/// Bytes of a region.
pub const REGION_SIZE: u64 = AREA * AREAS as u64;

/// Offsets of an area's words. Those up to [`area::TAIL`] are the task's, which alone writes them
/// while it runs.
pub mod area {
    /// Events written so far.
    pub const HEAD: u64 = 0x00;
    /// What the task is in: [`IN_CALL`], [`WAKING`], or 0.
    pub const STATE: u64 = 0x08;
    /// A call of its current event.
    pub const IN_CALL: u64 = 1;
    /// A wake, of which the event counts already.
    pub const WAKING: u64 = 2;
    /// When it returned from its last call, ticks; 0 sends the next call the traced way.
    pub const LAST_EXIT: u64 = 0x10;
    /// Address of the current event.
    pub const CURRENT: u64 = 0x18;
    /// Where the trampoline makes the call the traced way.
    pub const TRACED: u64 = 0x20;
    /// What the registers held that the stub uses: up to six words, which ones is told by
    /// [`crate::arch`].
    pub const KEPT: u64 = 0x28;
    /// How long the task had been on processors in its life when that was known last, nanoseconds.
    pub const CPU: u64 = 0x58;
    /// When that was, ticks; 0 if it is not known.
    pub const CPU_AT: u64 = 0x60;
    /// How often it had left a processor of its own accord when it asked last; the recorder adds
    /// one for each stop. Of a task that has not asked yet, or was made to do something, it is too
    /// low: it takes itself for one that slept, once. The recorder knows better.
    pub const SLEEPS: u64 = 0x68;
    /// How long it was off its processor, nanoseconds, while its sleeps are asked for.
    pub const OFF: u64 = 0x70;
    /// Events that the recorder has read; the recorder's, in a cache line of its own.
    pub const TAIL: u64 = 0x80;
    /// Address of the first event.
    pub const BASE: u64 = 0x88;
    /// After a longer time between two calls, or in one, the task asks how long it was off its
    /// processor, ticks.
    pub const ASK_BOUND: u64 = 0x90;
    /// Where it can't ask, a longer time sends the next call the traced way, ticks.
    pub const LONG_BOUND: u64 = 0x98;
    /// 1 if the task may be made to ask how long it was on its processor, and whether it slept.
    pub const ASKS: u64 = 0xa0;
    /// It was on it all the time if it was off for no longer, nanoseconds.
    pub const IDLE: u64 = 0xa8;
    /// Nanoseconds of a tick, times 2^32.
    pub const RATE: u64 = 0xb0;
    /// 1 if the stub makes `execve`: nothing is recorded of its arguments but the first.
    pub const EXECS: u64 = 0xb8;
    /// In a region's first area: a number that no other segment holds there.
    pub const MARK: u64 = 0x100;
    /// Where its clock of processor time answers (`struct timespec`).
    pub const CLOCK: u64 = 0x180;
    /// Where the kernel says how often it slept (`struct rusage`).
    pub const USAGE: u64 = 0x1c0;
    /// In what it says there: how often the task left a processor of its own accord (`ru_nvcsw`).
    pub const USAGE_SLEEPS: u64 = USAGE + 128;
}

/// Offsets in an event.
pub mod event {
    /// When the call was entered, ticks.
    pub const ENTRY: u64 = 0;
    /// When it returned, ticks.
    pub const EXIT: u64 = 8;
    /// Its result.
    pub const RESULT: u64 = 16;
    /// Its number.
    pub const NUMBER: u64 = 24;
    /// Its six arguments.
    pub const ARGUMENTS: u64 = 32;
    /// What kind of call it is ([`crate::class`]).
    pub const CLASS: u64 = 80;
    /// 1 if [`STAT`] is filled.
    pub const HAS_STAT: u64 = 88;
    /// How long the task was off its processor before the call, nanoseconds; or [`NOT_ASKED`]. Like
    /// the next word, and the two after it, it is chosen by [`super::area::STATE`].
    pub const OFF: u64 = 96;
    /// The same in the call.
    pub const OFF_IN_CALL: u64 = OFF + super::area::IN_CALL * 8;
    /// It was not asked.
    pub const NOT_ASKED: u64 = u64::MAX;
    /// If it slept before the call: how often it has left a processor of its own accord in its
    /// life. Otherwise 0.
    pub const SLEEPS: u64 = 112;
    /// The same in the call.
    pub const SLEEPS_IN_CALL: u64 = SLEEPS + super::area::IN_CALL * 8;
    /// Its path, with the zero that ends it; from the next word on the name of an attribute, if it
    /// has one.
    pub const PATH: u64 = 128;
    /// Calls with longer paths and names go the traced way.
    pub const PATH_MAX: u64 = STAT - PATH;
    /// Bytes of a word.
    pub const WORD: u64 = 8;
    /// What `lstat` said, at the offsets of `struct stat`, as far as it is kept: two cache lines.
    pub const STAT: u64 = super::EVENT - 96;
}

//! The stub's code on aarch64.
//!
//! The kernel destroys no register at an `svc`, so a trampoline puts two of them on the stack
//! first, below what a program may keep there. Whose area it is, is told by the thread pointer
//! ([`crate::led`]). Once the stub has the area, everything that it uses is put away there: a call
//! may take the stack away. It changes no flags and uses no vector register.

mod registers;
mod script;
pub mod sites;
mod trampoline;

// The only way to state machine code that the assembler checks.
use std::arch::{asm, global_asm};

use super::{Found, SECOND};
use crate::class;
use crate::layout::{AREA, AREAS, EVENT_SHIFT, EVENTS, OWNERS, PAGE, REGION, STUB, area, event};
pub use registers::Registers;
pub use script::{SCRIPT_CALLS, script};
pub(crate) use trampoline::{BACK, REFUSED};
pub use trampoline::{TRACED, TRAMPOLINE, trampoline};

/// There are no older calls.
pub const OWN_CLASSES: &[(i64, u8)] = &[];

/// Set in an address when it is behind the last owner ([`crate::led`]), of those in that page.
const BEHIND_OWNERS: u32 = (8 * AREAS as u64).trailing_zeros();
const _: () = assert!(OWNERS & 1 << BEHIND_OWNERS == 0 && AREAS.is_power_of_two());

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

global_asm!(
    ".pushsection .rodata.fsreplay_inside, \"a\"",
    // Seen by all of the crate, and by nothing that it is linked with.
    ".irp mark, begin,saved,flags,seen,call,called,result,written,refused,woken,asks,end",
    ".globl fsreplay_inside_\\mark",
    ".hidden fsreplay_inside_\\mark",
    ".endr",
    ".balign 4096",
    "fsreplay_inside_begin:",
    "stp x14, x15, [sp, #-{below_x14}]",
    // Whose is it? Word by word, up to the one that holds this task's thread pointer.
    "mrs x14, tpidr_el0",
    "cbz x14, 11f",
    "adr x15, fsreplay_inside_begin + {owners}",
    "10: ldr x16, [x15], #8",
    "sub x16, x16, x14",
    "cbz x16, 12f",
    "tbz x15, #{behind_owners}, 10b",
    "11: ldp x14, x15, [sp, #-{below_x14}]",
    "sub x17, x17, #{to_refused}",
    "br x17",
    // x16: the area.
    "12: adr x16, fsreplay_inside_begin + {owners} + 8",
    "sub x15, x15, x16",
    "mov x16, #{word_low}",
    "movk x16, #{word_high}, lsl #16",
    "mul x15, x15, x16",
    "mov x16, #{region_low}",
    "movk x16, #{region_middle}, lsl #16",
    "movk x16, #{region_high}, lsl #32",
    "add x16, x16, x15",
    "str x17, [x16, #{TRACED}]",
    "ldp x14, x15, [sp, #-{below_x16}]",
    "stp x14, x15, [x16, #{X16}]",
    "ldp x14, x15, [sp, #-{below_x14}]",
    "stp x14, x15, [x16, #{X14}]",
    "stp x12, x13, [x16, #{X12}]",
    "fsreplay_inside_saved:",
    "fsreplay_inside_flags:",
    // Is it a call for the stub, and is there room for its event?
    "lsr x14, x8, #{numbers_shift}",
    "cbnz x14, fsreplay_inside_refused",
    "adr x15, fsreplay_inside_end",
    "ldrb w14, [x15, x8]",
    "cbz w14, fsreplay_inside_refused",
    "ldr x15, [x16, #{HEAD}]",
    "ldr x17, [x16, #{TAIL}]",
    "sub x17, x15, x17",
    "lsr x17, x17, #{events_shift}",
    "cbnz x17, fsreplay_inside_refused",
    "ubfiz x15, x15, #{event_shift}, #{events_shift}",
    "ldr x17, [x16, #{BASE}]",
    // x15: the event. x14: its class.
    "add x15, x15, x17",
    "str x8, [x15, #{NUMBER}]",
    "str x14, [x15, #{CLASS}]",
    "str xzr, [x15, #{HAS_STAT}]",
    "mov x17, #{not_asked}",
    "stp x17, x17, [x15, #{OFF}]",
    "str xzr, [x15, #{SLEPT}]",
    "stp x0, x1, [x15, #{ARGUMENTS}]",
    "stp x2, x3, [x15, #{ARGUMENTS} + 16]",
    "stp x4, x5, [x15, #{ARGUMENTS} + 32]",
    // What its class asks for.
    ".macro of_class class, to",
    "sub w17, w14, #\\class",
    "cbz w17, \\to",
    ".endm",
    "of_class {plain}, 50f",
    "of_class {path_second}, 32f",
    "of_class {stat_at}, 32f",
    "of_class {open_at}, 22f",
    "of_class {path_first}, 31f",
    "of_class {named}, 31f",
    "of_class {fcntl}, 30f",
    "of_class {ioctl}, 33f",
    "of_class {map}, 34f",
    "of_class {advice}, 35f",
    "of_class {vector}, 36f",
    "of_class {wake}, 38f",
    "of_class {copy}, 45f",
    "of_class {send}, 46f",
    "of_class {unless_fourth_0}, 48f",
    "b fsreplay_inside_refused",
    ".purgem of_class",
    "22: mov w17, #{open_low}",
    "movk w17, #{open_high}, lsl #16",
    "and w17, w17, w2",
    "cbnz w17, fsreplay_inside_refused",
    "b 32f",
    "30: mov w17, #{fcntl_other}",
    "sub w17, w17, w1",
    "cbz w17, 50f",
    "lsr w17, w1, #{fcntl_shift}",
    "cbnz w17, 39f",
    "b 50f",
    "39: sub w17, w1, #{fcntl_last}",
    "cbz w17, 50f",
    "b fsreplay_inside_refused",
    "33: mov w17, #{ioctl_asked}",
    "sub w17, w17, w1",
    "cbz w17, 50f",
    "mov w17, #{copies_low}",
    "movk w17, #{copies_high}, lsl #16",
    "sub w17, w17, w1",
    "cbz w17, 50f",
    "b fsreplay_inside_refused",
    "45: cbnz x1, fsreplay_inside_refused",
    "cbnz x3, fsreplay_inside_refused",
    "b 50f",
    "48: cbnz w3, 50f",
    "b fsreplay_inside_refused",
    "46: cbz x2, 50f",
    "b fsreplay_inside_refused",
    "34: tbz w3, #{map_traced}, 50f",
    "b fsreplay_inside_refused",
    "35: sub w17, w2, #{advice_asked}",
    "cbz w17, 50f",
    "b fsreplay_inside_refused",
    // Copy the vectors, word by word. Memory that isn't there is a signal, as with paths.
    "36: mov w17, #{vectors}",
    "sub x17, x17, x2",
    "tbnz x17, #63, fsreplay_inside_refused",
    "tbnz x2, #63, fsreplay_inside_refused",
    "lsl w13, w2, #1",
    "mov x17, x1",
    "add x12, x15, #{PATH}",
    "37: cbz w13, 50f",
    "ldr x14, [x17], #8",
    "str x14, [x12], #8",
    "sub w13, w13, #1",
    "b 37b",
    "38: and w17, w1, #{futex_command}",
    "cbz w17, 47f",
    "sub w14, w17, #{wakes}",
    "cbz w14, 50f",
    "sub w14, w17, #{waits_for}",
    "cbnz w14, fsreplay_inside_refused",
    "47: mov w14, #{plain}",
    "str x14, [x15, #{CLASS}]",
    "b 50f",
    "31: mov x17, x0",
    "b 40f",
    "32: mov x17, x1",
    // Copy the path. A page that isn't there is a signal, which the recorder sees.
    "40: cbz x17, 44f",
    "add x12, x15, #{PATH}",
    "mov w13, #{path_max}",
    "41: ldrb w14, [x17], #1",
    "strb w14, [x12], #1",
    "cbz w14, 42f",
    "sub w13, w13, #1",
    "cbnz w13, 41b",
    "b fsreplay_inside_refused",
    // A name stands behind the path, from the next word on.
    "42: ldr w14, [x15, #{CLASS}]",
    "sub w14, w14, #{named}",
    "cbnz w14, 50f",
    "add x12, x12, #{word} - 1",
    "and x12, x12, #-{word}",
    "mov x17, x1",
    "43: add x13, x15, #{PATH} + {path_max}",
    "sub x13, x13, x12",
    "cbz x13, fsreplay_inside_refused",
    "ldrb w14, [x17], #1",
    "strb w14, [x12], #1",
    "cbnz w14, 43b",
    "b 50f",
    // There is no path; a name would have to be copied all the same.
    "44: sub w14, w14, #{named}",
    "cbnz w14, 50f",
    "b fsreplay_inside_refused",
    // The recorder has seen the call at a stop, and sends the task here to make it.
    "fsreplay_inside_seen:",
    "mrs x17, cntvct_el0",
    "str x17, [x15, #{ENTRY}]",
    // What it took to get here from the stop is none of the call's.
    "ldr x14, [x16, #{CPU_AT}]",
    "cbz x14, fsreplay_inside_call",
    "str x17, [x16, #{CPU_AT}]",
    "b fsreplay_inside_call",
    // The time. After a long gap the recorder has to look if the task slept.
    "50: mrs x17, cntvct_el0",
    "str x17, [x15, #{ENTRY}]",
    "ldr x14, [x16, #{LAST_EXIT}]",
    "sub x14, x17, x14",
    "ldr x13, [x16, #{ASK_BOUND}]",
    "sub x13, x13, x14",
    "tbnz x13, #63, fsreplay_inside_asks",
    "53: ldr w14, [x15, #{CLASS}]",
    "sub w14, w14, #{wake}",
    "cbz w14, 80f",
    "mov w14, #{in_call}",
    "str x14, [x16, #{STATE}]",
    "fsreplay_inside_call:",
    "svc #0",
    "fsreplay_inside_called:",
    "ldr x14, [x16, #{STATE}]",
    "sub x14, x14, #{waking}",
    "cbz x14, fsreplay_inside_woken",
    "str x0, [x15, #{RESULT}]",
    "fsreplay_inside_result:",
    "mrs x17, cntvct_el0",
    "str x17, [x15, #{EXIT}]",
    "str x17, [x16, #{LAST_EXIT}]",
    "ldr x14, [x15, #{ENTRY}]",
    "sub x17, x17, x14",
    "ldr x14, [x16, #{ASK_BOUND}]",
    "sub x14, x14, x17",
    "tbnz x14, #63, fsreplay_inside_asks",
    // What was found, for calls that don't follow a link at the end of their path: its state. What
    // the kernel has just written can be read, or a signal tells the recorder.
    "60: ldr w14, [x15, #{CLASS}]",
    "sub w14, w14, #{stat_at}",
    "cbnz w14, 70f",
    "tbz w3, #{nofollow}, 70f",
    "cbnz x0, 70f",
    // What `found` reads of it: numbers, mode, links, owner, size, time.
    ".irp offset, 0,8,16,24,48,88",
    "ldr x14, [x2, #\\offset]",
    "str x14, [x15, #{STAT} + \\offset]",
    ".endr",
    "mov w14, #1",
    "str x14, [x15, #{HAS_STAT}]",
    "70: ldr x14, [x16, #{HEAD}]",
    "add x14, x14, #1",
    "add x17, x16, #{HEAD}",
    // Whoever sees that it counts sees all of it.
    "stlr x14, [x17]",
    "fsreplay_inside_written:",
    "str xzr, [x16, #{STATE}]",
    "ldr x17, [x16, #{TRACED}]",
    "ldp x12, x13, [x16, #{X12}]",
    "ldp x14, x15, [x16, #{X14}]",
    "sub x17, x17, #{to_back}",
    "br x17",
    // The traced way, with everything as it was.
    "fsreplay_inside_refused:",
    "ldr x17, [x16, #{TRACED}]",
    "ldp x12, x13, [x16, #{X12}]",
    "ldp x14, x15, [x16, #{X14}]",
    "sub x17, x17, #{to_refused}",
    "br x17",
    // A wake: its event counts first. What the call takes is time until the next one.
    "80: str x17, [x15, #{EXIT}]",
    "str x17, [x16, #{LAST_EXIT}]",
    "str xzr, [x15, #{RESULT}]",
    "mov w14, #{waking}",
    "str x14, [x16, #{STATE}]",
    "ldr x14, [x16, #{HEAD}]",
    "add x14, x14, #1",
    "add x17, x16, #{HEAD}",
    "stlr x14, [x17]",
    "b fsreplay_inside_call",
    // What ends it is as with an event: its state, and registers.
    "fsreplay_inside_woken:",
    "b fsreplay_inside_written",
    // How long was it off its processor since that was known last? Asked before a call after a long
    // gap, and after a long call. Three registers take part that are the call's.
    "fsreplay_inside_asks:",
    "ldr x14, [x16, #{ASKS}]",
    "cbz x14, 93f",
    "ldr x14, [x16, #{LAST_EXIT}]",
    "cbz x14, 93f",
    "ldr x14, [x16, #{CPU_AT}]",
    "cbz x14, 93f",
    "mov w0, #{clock}",
    "add x1, x16, #{CLOCK}",
    "mov w8, #{clock_gettime}",
    "svc #0",
    "cbnz x0, 92f",
    "mrs x17, cntvct_el0",
    "ldp x12, x13, [x16, #{CLOCK}]",
    "mov w14, #{second_low}",
    "movk w14, #{second_high}, lsl #16",
    "madd x12, x12, x14, x13",
    "ldr x14, [x16, #{CPU_AT}]",
    "sub x14, x17, x14",
    "str x17, [x16, #{CPU_AT}]",
    "ldr x13, [x16, #{RATE}]",
    "umulh x17, x14, x13",
    "mul x14, x14, x13",
    "extr x14, x17, x14, #32",
    "sub x14, x14, x12",
    "ldr x13, [x16, #{CPU}]",
    "add x14, x14, x13",
    "str x12, [x16, #{CPU}]",
    "ldr x13, [x16, #{IDLE}]",
    "sub x13, x13, x14",
    "tbnz x13, #63, 54f",
    "mov x14, #0",
    "b 55f",
    // Did it sleep, or wait for a processor?
    "54: str x14, [x16, #{AWAY}]",
    "mov w0, #{of_thread}",
    "add x1, x16, #{USAGE}",
    "mov w8, #{getrusage}",
    "svc #0",
    "cbnz x0, 92f",
    "ldr x12, [x16, #{USAGE_SLEEPS}]",
    "ldr x13, [x16, #{SLEEPS}]",
    "sub x13, x13, x12",
    "cbz x13, 56f",
    "str x12, [x16, #{SLEEPS}]",
    "ldr x13, [x16, #{STATE}]",
    "cbz x13, 91f",
    "str x12, [x15, #{SLEPT}]",
    "56: ldr x14, [x16, #{AWAY}]",
    "55: ldr x13, [x16, #{STATE}]",
    "add x12, x15, x13, lsl #3",
    "str x14, [x12, #{OFF}]",
    "ldr x1, [x15, #{ARGUMENTS} + 8]",
    "ldr x8, [x15, #{NUMBER}]",
    "cbnz x13, 57f",
    "ldr x0, [x15, #{ARGUMENTS}]",
    "mrs x17, cntvct_el0",
    "str x17, [x15, #{ENTRY}]",
    "b 53b",
    "57: ldr x0, [x15, #{RESULT}]",
    "b 60b",
    // It slept before the call.
    "91: ldp x0, x1, [x15, #{ARGUMENTS}]",
    "ldr x8, [x15, #{NUMBER}]",
    "b fsreplay_inside_refused",
    // There is no answer.
    "92: ldp x0, x1, [x15, #{ARGUMENTS}]",
    "ldr x8, [x15, #{NUMBER}]",
    "93: ldr x13, [x16, #{STATE}]",
    "ldr x14, [x15, #{ENTRY}]",
    "cbnz x13, 94f",
    "ldr x17, [x16, #{LAST_EXIT}]",
    "sub x14, x14, x17",
    "ldr x13, [x16, #{LONG_BOUND}]",
    "sub x13, x13, x14",
    "tbz x13, #63, 53b",
    "b fsreplay_inside_refused",
    "94: ldr x0, [x15, #{RESULT}]",
    "ldr x17, [x15, #{EXIT}]",
    "sub x17, x17, x14",
    "ldr x14, [x16, #{LONG_BOUND}]",
    "sub x14, x14, x17",
    "tbz x14, #63, 60b",
    "str xzr, [x16, #{LAST_EXIT}]",
    "b 60b",
    "fsreplay_inside_end:",
    ".popsection",
    below_x16 = const below::X16,
    below_x14 = const below::X14,
    owners = const PAGE,
    behind_owners = const BEHIND_OWNERS,
    to_refused = const TRACED - REFUSED,
    to_back = const TRACED - BACK,
    // From the offset of an owner, of eight bytes each, to that of its area.
    word_low = const AREA / 8 & 0xffff,
    word_high = const AREA / 8 >> 16,
    region_low = const REGION & 0xffff,
    region_middle = const REGION >> 16 & 0xffff,
    region_high = const REGION >> 32,
    numbers_shift = const class::NUMBERS.trailing_zeros(),
    events_shift = const EVENTS.trailing_zeros(),
    event_shift = const EVENT_SHIFT,
    plain = const class::PLAIN,
    path_first = const class::PATH_FIRST,
    path_second = const class::PATH_SECOND,
    open_at = const class::OPEN_AT,
    fcntl = const class::FCNTL,
    ioctl = const class::IOCTL,
    named = const class::NAMED,
    map = const class::MAP,
    advice = const class::ADVICE,
    vector = const class::VECTOR,
    wake = const class::WAKE,
    copy = const class::COPY,
    send = const class::SEND,
    unless_fourth_0 = const class::UNLESS_FOURTH_0,
    stat_at = const class::STAT_AT,
    open_low = const class::OPEN_TRACED & 0xffff,
    open_high = const class::OPEN_TRACED >> 16,
    fcntl_last = const class::FCNTL_LAST,
    fcntl_shift = const class::FCNTL_LAST.trailing_zeros(),
    fcntl_other = const class::FCNTL_OTHER,
    ioctl_asked = const class::IOCTL_ASKED,
    copies_low = const class::IOCTL_COPIES & 0xffff,
    copies_high = const class::IOCTL_COPIES >> 16,
    map_traced = const (libc::MAP_ANONYMOUS as u32).trailing_zeros(),
    advice_asked = const class::ADVICE_ASKED,
    vectors = const class::VECTORS,
    futex_command = const class::FUTEX_COMMAND as i32,
    wakes = const class::WAKES,
    waits_for = const class::WAITS_FOR,
    in_call = const area::IN_CALL,
    waking = const area::WAKING,
    nofollow = const (libc::AT_SYMLINK_NOFOLLOW as u32).trailing_zeros(),
    path_max = const event::PATH_MAX,
    word = const event::WORD,
    X16 = const kept::X16,
    X14 = const kept::X14,
    X12 = const kept::X12,
    TRACED = const area::TRACED,
    HEAD = const area::HEAD,
    TAIL = const area::TAIL,
    BASE = const area::BASE,
    STATE = const area::STATE,
    LAST_EXIT = const area::LAST_EXIT,
    ASK_BOUND = const area::ASK_BOUND,
    LONG_BOUND = const area::LONG_BOUND,
    ASKS = const area::ASKS,
    ENTRY = const event::ENTRY,
    EXIT = const event::EXIT,
    RESULT = const event::RESULT,
    NUMBER = const event::NUMBER,
    ARGUMENTS = const event::ARGUMENTS,
    CLASS = const event::CLASS,
    PATH = const event::PATH,
    STAT = const event::STAT,
    IDLE = const area::IDLE,
    RATE = const area::RATE,
    CPU = const area::CPU,
    CPU_AT = const area::CPU_AT,
    SLEEPS = const area::SLEEPS,
    AWAY = const area::OFF,
    CLOCK = const area::CLOCK,
    USAGE = const area::USAGE,
    USAGE_SLEEPS = const area::USAGE_SLEEPS,
    HAS_STAT = const event::HAS_STAT,
    OFF = const event::OFF,
    SLEPT = const event::SLEEPS,
    not_asked = const event::NOT_ASKED.cast_signed(),
    second_low = const SECOND & 0xffff,
    second_high = const SECOND >> 16,
    clock = const libc::CLOCK_THREAD_CPUTIME_ID,
    clock_gettime = const libc::SYS_clock_gettime,
    of_thread = const libc::RUSAGE_THREAD,
    getrusage = const libc::SYS_getrusage,
);

// The commands up to the last one are told by their bits.
const _: () = assert!(class::FCNTL_LAST.is_power_of_two());
const _: () = assert!(event::OFF_IN_CALL == event::OFF + 8 && area::IN_CALL == 1);
const _: () = assert!(class::NUMBERS.is_power_of_two() && EVENTS.is_power_of_two());

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

//! The stub's code on x86_64.
//!
//! It is entered by a jump from a site's trampoline, with the registers of the call, and `r11` on
//! the trampoline's own `syscall`. Of the registers it may use `rcx` and `r11`, which the kernel
//! destroys in any case; `rax`, `rdx` and the flags it puts away in the task's area. It uses no
//! stack and no vector register.
//!
//! Comparisons before the flags are put away use `jrcxz` and `lea`, which touch none.

mod patch;
mod registers;
mod script;
pub mod sites;
mod trampoline;

// The only way to state machine code that the assembler checks.
use std::arch::global_asm;

use super::Found;
use crate::class;
use crate::layout::{EVENT_SHIFT, EVENTS, STUB, area, event};
pub use registers::Registers;
pub use script::{SCRIPT_CALLS, script};
pub use trampoline::{TRACED, TRAMPOLINE, trampoline};

/// The upper half of the stub's address and of the region's, with its bytes turned round: what
/// `bswap` leaves in the lower half.
const HIGH_TURNED: u32 = ((STUB >> 32) as u32).swap_bytes();

/// Older calls, which not every architecture has.
pub const OWN_CLASSES: &[(i64, u8)] = &[
    (libc::SYS_getdents, class::PLAIN),
    (libc::SYS_stat, class::PATH_FIRST),
    (libc::SYS_lstat, class::LSTAT),
    (libc::SYS_access, class::PATH_FIRST),
    (libc::SYS_readlink, class::PATH_FIRST),
    (libc::SYS_open, class::OPEN),
];

/// Nanoseconds.
const SECOND: i32 = 1_000_000_000;

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

global_asm!(
    ".pushsection .rodata.fsreplay_inside, \"a\"",
    // Seen by all of the crate, and by nothing that it is linked with.
    ".globl fsreplay_inside_begin",
    ".hidden fsreplay_inside_begin",
    ".globl fsreplay_inside_saved",
    ".hidden fsreplay_inside_saved",
    ".globl fsreplay_inside_flags",
    ".hidden fsreplay_inside_flags",
    ".globl fsreplay_inside_seen",
    ".hidden fsreplay_inside_seen",
    ".globl fsreplay_inside_call",
    ".hidden fsreplay_inside_call",
    ".globl fsreplay_inside_called",
    ".hidden fsreplay_inside_called",
    ".globl fsreplay_inside_result",
    ".hidden fsreplay_inside_result",
    ".globl fsreplay_inside_written",
    ".hidden fsreplay_inside_written",
    ".globl fsreplay_inside_refused",
    ".hidden fsreplay_inside_refused",
    ".globl fsreplay_inside_woken",
    ".hidden fsreplay_inside_woken",
    ".globl fsreplay_inside_asks",
    ".hidden fsreplay_inside_asks",
    ".globl fsreplay_inside_end",
    ".hidden fsreplay_inside_end",
    ".balign 64",
    "fsreplay_inside_begin:",
    // Is there an area? Its address has the upper half of the region's.
    "rdgsbase rcx",
    "jrcxz 10f",
    "bswap rcx",
    "mov ecx, ecx",
    "lea ecx, [rcx + {turned_back}]",
    "jrcxz 11f",
    "10: jmp r11",
    "11: mov gs:[{RAX}], rax",
    "mov gs:[{RDX}], rdx",
    "fsreplay_inside_saved:",
    "lahf",
    "seto al",
    "mov gs:[{FLAGS}], rax",
    "fsreplay_inside_flags:",
    "mov gs:[{TRACED}], r11",
    // Is it a call for the stub, and is there room for its event?
    "mov rax, gs:[{RAX}]",
    "cmp rax, {numbers}",
    "jae 90f",
    "lea rcx, [rip + fsreplay_inside_end]",
    "movzx ecx, byte ptr [rcx + rax]",
    "test ecx, ecx",
    "jz 90f",
    "mov rdx, gs:[{HEAD}]",
    "mov r11, rdx",
    "sub rdx, gs:[{TAIL}]",
    "cmp rdx, {events}",
    "jae 90f",
    "and r11d, {events} - 1",
    "shl r11, {shift}",
    "add r11, gs:[{BASE}]",
    "mov gs:[{CURRENT}], r11",
    "mov rdx, gs:[{RDX}]",
    "mov [r11 + {NUMBER}], rax",
    "mov [r11 + {CLASS}], rcx",
    "mov qword ptr [r11 + {HAS_STAT}], 0",
    "mov [r11 + {ARGUMENTS}], rdi",
    "mov [r11 + {ARGUMENTS} + 8], rsi",
    "mov [r11 + {ARGUMENTS} + 16], rdx",
    "mov [r11 + {ARGUMENTS} + 24], r10",
    "mov [r11 + {ARGUMENTS} + 32], r8",
    "mov [r11 + {ARGUMENTS} + 40], r9",
    // What its class asks for.
    "cmp ecx, {path_first}",
    "jb 50f",
    "je 31f",
    "cmp ecx, {open}",
    "jb 32f",
    "je 21f",
    "cmp ecx, {fcntl}",
    "jb 22f",
    "cmp ecx, {stat_at}",
    "je 32f",
    "ja 90f",
    "cmp ecx, {lstat}",
    "je 31f",
    "cmp ecx, {ioctl}",
    "je 33f",
    "cmp ecx, {named}",
    "je 31f",
    "cmp ecx, {map}",
    "je 34f",
    "cmp ecx, {advice}",
    "je 35f",
    "cmp ecx, {vector}",
    "je 36f",
    "cmp ecx, {wake}",
    "je 38f",
    "cmp ecx, {copy}",
    "je 39f",
    "cmp ecx, {send}",
    "je 30f",
    "cmp esi, {fcntl_last}",
    "jbe 50f",
    "cmp esi, {fcntl_other}",
    "je 50f",
    "jmp 90f",
    "30: test rdx, rdx",
    "jz 50f",
    "jmp 90f",
    "39: mov rax, rsi",
    "or rax, r10",
    "jz 50f",
    "jmp 90f",
    "33: cmp esi, {ioctl_asked}",
    "je 50f",
    "cmp esi, {ioctl_copies}",
    "je 50f",
    "jmp 90f",
    "34: test r10d, {map_traced}",
    "jz 50f",
    "jmp 90f",
    "35: cmp edx, {advice_asked}",
    "je 50f",
    "jmp 90f",
    // Copy the vectors, from the last word on. Memory that isn't there is a signal, as with paths.
    "36: cmp rdx, {vectors}",
    "ja 90f",
    "lea ecx, [rdx + rdx]",
    "test ecx, ecx",
    "jz 50f",
    "37: mov rax, [rsi + rcx * 8 - 8]",
    "mov [r11 + rcx * 8 + {PATH} - 8], rax",
    "dec ecx",
    "jnz 37b",
    "jmp 50f",
    "38: mov eax, esi",
    "and eax, {futex_command}",
    "cmp eax, {wakes}",
    "je 50f",
    "jmp 90f",
    "21: test esi, {open_traced}",
    "jz 31f",
    "jmp 90f",
    "22: test edx, {open_traced}",
    "jnz 90f",
    "32: mov rcx, rsi",
    "jmp 40f",
    "31: mov rcx, rdi",
    // Copy the path. A page that isn't there is a signal, which the recorder sees.
    "40: test rcx, rcx",
    "jz 44f",
    "xor edx, edx",
    "41: movzx eax, byte ptr [rcx + rdx]",
    "mov [r11 + rdx + {PATH}], al",
    "test al, al",
    "jz 42f",
    "inc edx",
    "cmp edx, {path_max}",
    "jb 41b",
    "jmp 90f",
    // A name stands behind the path, from the next word on.
    "42: cmp dword ptr [r11 + {CLASS}], {named}",
    "jne 50f",
    "add edx, {word}",
    "and edx, -{word}",
    "mov rcx, rsi",
    "sub rcx, rdx",
    "43: cmp edx, {path_max}",
    "jae 90f",
    "movzx eax, byte ptr [rcx + rdx]",
    "mov [r11 + rdx + {PATH}], al",
    "inc edx",
    "test al, al",
    "jnz 43b",
    "jmp 50f",
    // There is no path; a name would have to be copied all the same.
    "44: cmp dword ptr [r11 + {CLASS}], {named}",
    "jne 50f",
    "jmp 90f",
    // The recorder has seen the call at a stop, and sends the task here to make it.
    "fsreplay_inside_seen:",
    "rdtsc",
    "shl rdx, 32",
    "or rax, rdx",
    "mov rcx, gs:[{CURRENT}]",
    "mov [rcx + {ENTRY}], rax",
    "jmp 51f",
    // The time. After a long gap the recorder has to look, unless the task computed all the time.
    "50: rdtsc",
    "shl rdx, 32",
    "or rax, rdx",
    "mov [r11 + {ENTRY}], rax",
    "sub rax, gs:[{LAST_EXIT}]",
    "cmp rax, gs:[{GAP_BOUND}]",
    "ja fsreplay_inside_asks",
    "53: cmp dword ptr [r11 + {CLASS}], {wake}",
    "je 80f",
    "51: mov rdx, gs:[{RDX}]",
    "mov rax, gs:[{RAX}]",
    "mov dword ptr gs:[{STATE}], {in_call}",
    "fsreplay_inside_call:",
    "syscall",
    "fsreplay_inside_called:",
    "cmp dword ptr gs:[{STATE}], {waking}",
    "je 81f",
    "mov rcx, gs:[{CURRENT}]",
    "mov [rcx + {RESULT}], rax",
    "fsreplay_inside_result:",
    "rdtsc",
    "shl rdx, 32",
    "or rax, rdx",
    "mov [rcx + {EXIT}], rax",
    "mov gs:[{LAST_EXIT}], rax",
    "sub rax, [rcx + {ENTRY}]",
    "cmp rax, gs:[{CALL_BOUND}]",
    "jbe 60f",
    "mov qword ptr gs:[{LAST_EXIT}], 0",
    // What was found, for calls that don't follow a link at the end of their path: its state. What
    // the kernel has just written can be read, or a signal tells the recorder.
    "60: mov rdx, gs:[{RDX}]",
    "cmp dword ptr [rcx + {CLASS}], {lstat}",
    "jb 70f",
    "mov r11, rsi",
    "je 61f",
    "test r10d, {nofollow}",
    "jz 70f",
    "mov r11, rdx",
    "61: cmp qword ptr [rcx + {RESULT}], 0",
    "jne 70f",
    // What `found` reads of it: numbers, mode, owner, size, time.
    ".irp offset, 0,8,16,24,32,48,88",
    "mov rax, [r11 + \\offset]",
    "mov [rcx + {STAT} + \\offset], rax",
    ".endr",
    "mov qword ptr [rcx + {HAS_STAT}], 1",
    "70: inc qword ptr gs:[{HEAD}]",
    "fsreplay_inside_written:",
    "mov dword ptr gs:[{STATE}], 0",
    "mov rax, gs:[{FLAGS}]",
    "add al, 127",
    "sahf",
    "mov rax, [rcx + {RESULT}]",
    "mov r11, gs:[{TRACED}]",
    "lea r11, [r11 + 2]",
    "jmp r11",
    // The traced way, with everything as it was.
    "fsreplay_inside_refused:",
    "90: mov rax, gs:[{FLAGS}]",
    "add al, 127",
    "sahf",
    "mov rdx, gs:[{RDX}]",
    "mov rax, gs:[{RAX}]",
    "mov r11, gs:[{TRACED}]",
    "jmp r11",
    // A wake: its event counts first. What the call takes is time until the next one.
    "80: mov rax, [r11 + {ENTRY}]",
    "mov [r11 + {EXIT}], rax",
    "mov gs:[{LAST_EXIT}], rax",
    "mov qword ptr [r11 + {RESULT}], 0",
    "mov rdx, gs:[{RDX}]",
    "mov rax, gs:[{RAX}]",
    "mov dword ptr gs:[{STATE}], {waking}",
    "inc qword ptr gs:[{HEAD}]",
    "jmp fsreplay_inside_call",
    "fsreplay_inside_woken:",
    "81: mov gs:[{RAX}], rax",
    "mov dword ptr gs:[{STATE}], 0",
    "mov rax, gs:[{FLAGS}]",
    "add al, 127",
    "sahf",
    "mov rdx, gs:[{RDX}]",
    "mov rax, gs:[{RAX}]",
    "mov r11, gs:[{TRACED}]",
    "lea r11, [r11 + 2]",
    "jmp r11",
    // Was it on its processor since that was known last? Two registers take part that are the
    // call's.
    "fsreplay_inside_asks:",
    "cmp qword ptr gs:[{LAST_EXIT}], 0",
    "je 90b",
    "cmp qword ptr gs:[{ASKS}], 0",
    "je 90b",
    "mov edi, {clock}",
    "lea rsi, [r11 + {CLOCK}]",
    "mov eax, {clock_gettime}",
    "syscall",
    "mov r11, gs:[{CURRENT}]",
    "mov rdi, [r11 + {ARGUMENTS}]",
    "mov rsi, [r11 + {ARGUMENTS} + 8]",
    "test rax, rax",
    "jnz 90b",
    "imul rcx, [r11 + {CLOCK}], {second}",
    "add rcx, [r11 + {CLOCK} + 8]",
    "rdtsc",
    "shl rdx, 32",
    "or rax, rdx",
    "mov [r11 + {ENTRY}], rax",
    "sub rax, gs:[{CPU_AT}]",
    "mul qword ptr gs:[{RATE}]",
    "shrd rax, rdx, 32",
    "sub rax, rcx",
    "add rax, gs:[{CPU}]",
    "cmp rax, gs:[{IDLE}]",
    "jg 90b",
    "mov gs:[{CPU}], rcx",
    "mov rax, [r11 + {ENTRY}]",
    "mov gs:[{CPU_AT}], rax",
    "jmp 53b",
    "fsreplay_inside_end:",
    ".popsection",
    turned_back = const HIGH_TURNED.cast_signed().wrapping_neg(),
    numbers = const class::NUMBERS,
    events = const EVENTS,
    shift = const EVENT_SHIFT,
    path_first = const class::PATH_FIRST,
    open = const class::OPEN,
    fcntl = const class::FCNTL,
    fcntl_last = const class::FCNTL_LAST,
    fcntl_other = const class::FCNTL_OTHER,
    ioctl = const class::IOCTL,
    named = const class::NAMED,
    map = const class::MAP,
    advice = const class::ADVICE,
    vector = const class::VECTOR,
    vectors = const class::VECTORS,
    wake = const class::WAKE,
    copy = const class::COPY,
    send = const class::SEND,
    wakes = const class::WAKES,
    futex_command = const class::FUTEX_COMMAND,
    in_call = const area::IN_CALL,
    waking = const area::WAKING,
    advice_asked = const class::ADVICE_ASKED,
    map_traced = const libc::MAP_ANONYMOUS,
    word = const event::WORD,
    ioctl_asked = const class::IOCTL_ASKED,
    ioctl_copies = const class::IOCTL_COPIES,
    open_traced = const class::OPEN_TRACED,
    path_max = const event::PATH_MAX,
    lstat = const class::LSTAT,
    stat_at = const class::STAT_AT,
    nofollow = const libc::AT_SYMLINK_NOFOLLOW,
    RAX = const kept::RAX,
    RDX = const kept::RDX,
    FLAGS = const kept::FLAGS,
    TRACED = const area::TRACED,
    HEAD = const area::HEAD,
    TAIL = const area::TAIL,
    BASE = const area::BASE,
    CURRENT = const area::CURRENT,
    STATE = const area::STATE,
    LAST_EXIT = const area::LAST_EXIT,
    GAP_BOUND = const area::GAP_BOUND,
    CALL_BOUND = const area::CALL_BOUND,
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
    HAS_STAT = const event::HAS_STAT,
    CLOCK = const event::CLOCK,
    second = const SECOND,
    clock = const libc::CLOCK_THREAD_CPUTIME_ID,
    clock_gettime = const libc::SYS_clock_gettime,
);

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

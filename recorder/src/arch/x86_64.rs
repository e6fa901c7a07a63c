//! x86_64: the layout of registers and what stands beside its calls.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;

use fsreplay_trace::abi::Architecture;

use super::Words;

/// This one.
pub const ARCHITECTURE: Architecture = Architecture::X86_64;

/// `AUDIT_ARCH_X86_64`.
pub const AUDIT_ARCH: u32 = 0xc000_003e;

/// The numbers of x32 calls, which have the same audit architecture. Those beyond are negative ones
/// and no calls at all: the kernel answers `ENOSYS`.
pub const FOREIGN_NUMBERS: Option<Range<u32>> = Some(0x4000_0000..0x8000_0000);

/// What calls of another architecture in the same process are called in the footer.
pub const FOREIGN_NAME: &str = "i386 calls";

/// `vfork`.
pub const VFORK: i64 = libc::SYS_vfork;

/// Words of `NT_PRSTATUS` (`struct user_regs_struct`).
pub const REGISTER_WORDS: usize = 27;

/// The word of a call's first argument (`rdi`).
pub const FIRST_ARGUMENT: usize = 14;

/// The word of a call's result (`rax`).
pub const RESULT: usize = 10;

/// The call that a task is in and its first two arguments, from its registers (`orig_rax`, `rdi`,
/// `rsi`).
pub fn call_in_progress(registers: &Words) -> (u64, [u64; 2]) {
    (registers[15], [registers[14], registers[13]])
}

/// The instruction that makes a call (`syscall`).
pub const CALL_INSTRUCTION: &[u8] = &[0x0f, 0x05];

/// Registers of a task that is about to make a call with the instruction at that address. It is in
/// no call then (`orig_rax`): none is made again for it.
pub fn calls(registers: &Words, instruction: u64, number: u64, args: [u64; 6]) -> Words {
    let mut words = *registers;
    (words[10], words[15], words[16]) = (number, u64::MAX, instruction);
    // rdi, rsi, rdx, r10, r8, r9
    for (word, arg) in [14, 13, 12, 7, 9, 8].into_iter().zip(args) {
        words[word] = arg;
    }
    words
}

/// Address of the instruction that a task goes on with.
pub fn next_instruction(registers: &Words) -> u64 {
    registers[16]
}

/// Whether a task runs code of this architecture, and not of i386 (by its segment, `cs`).
pub fn is_native(registers: &Words) -> bool {
    registers[17] == 0x33
}

/// Whether the counter runs at one speed, on all processors alike, and the kernel goes by it.
pub fn has_steady_counter() -> bool {
    let Ok(info) = File::open("/proc/cpuinfo") else {
        return false;
    };
    // All processors alike: no more is read than the first.
    let mut lines = BufReader::new(info).lines().map_while(Result::ok);
    let flags = lines
        .find(|line| line.starts_with("flags"))
        .unwrap_or_default();
    let has = |flag| flags.split_whitespace().any(|word| word == flag);
    has("constant_tsc") && has("nonstop_tsc")
}

//! aarch64: the layout of registers and what stands beside its calls.

use std::ops::Range;

use fsreplay_trace::abi::Architecture;

use super::Words;

/// This one.
pub const ARCHITECTURE: Architecture = Architecture::Aarch64;

/// `AUDIT_ARCH_AARCH64`.
pub const AUDIT_ARCH: u32 = 0xc000_00b7;

/// No range of numbers belongs to another ABI.
pub const FOREIGN_NUMBERS: Option<Range<u32>> = None;

/// What calls of another architecture in the same process are called in the footer.
pub const FOREIGN_NAME: &str = "32-bit ARM calls";

/// `vfork` is a form of `clone` here.
pub const VFORK: i64 = -1;

/// Words of `NT_PRSTATUS` (`struct user_pt_regs`).
pub const REGISTER_WORDS: usize = 34;

/// The word of a call's first argument (`x0`).
pub const FIRST_ARGUMENT: usize = 0;

/// The word of a call's result (`x0`).
pub const RESULT: usize = 0;

/// The call that a task is in and its first two arguments, from its registers (`x8`, `x0`, `x1`).
pub fn call_in_progress(registers: &Words) -> (u64, [u64; 2]) {
    (registers[8], [registers[0], registers[1]])
}

/// The instruction that makes a call (`svc #0`).
pub const CALL_INSTRUCTION: &[u8] = &[0x01, 0x00, 0x00, 0xd4];

/// Registers of a task that is about to make a call with the instruction at that address.
pub fn calls(registers: &Words, instruction: u64, number: u64, args: [u64; 6]) -> Words {
    let mut words = *registers;
    (words[8], words[32]) = (number, instruction);
    words[..args.len()].copy_from_slice(&args);
    words
}

/// Address of the instruction that a task goes on with.
pub fn next_instruction(registers: &Words) -> u64 {
    registers[32]
}

/// Whether a task runs code of this architecture, and not of 32-bit ARM (by `pstate`).
pub fn is_native(registers: &Words) -> bool {
    registers[33] & 0x10 == 0
}

/// Whether the counter runs at one speed, on all processors alike, and the kernel goes by it: the
/// architecture says so of its generic timer.
pub fn has_steady_counter() -> bool {
    true
}

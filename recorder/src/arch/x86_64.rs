//! x86_64: the layout of registers and what stands beside its calls.

use fsreplay_trace::abi::Architecture;

use super::Words;

/// This one.
pub const ARCHITECTURE: Architecture = Architecture::X86_64;

/// `AUDIT_ARCH_X86_64`.
pub const AUDIT_ARCH: u32 = 0xc000_003e;

/// Numbers from here on are x32 calls, which have the same audit architecture.
pub const FOREIGN_FROM: Option<u32> = Some(0x4000_0000);

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

/// The call that a task is in and its first two arguments, from its registers (`orig_rax`, `rdi`, `rsi`).
pub fn call_in_progress(registers: &Words) -> (u64, [u64; 2]) {
    (registers[15], [registers[14], registers[13]])
}

//! Code that makes calls.

use super::registers::RESULTS;
use super::sites::SYSCALL;

/// Calls of a script.
pub const SCRIPT_CALLS: usize = RESULTS.len();

/// Code that makes calls, each with its number and arguments, keeps their results
/// ([`super::Registers::results`]), and then makes one more, without arguments.
pub fn script(calls: [(i64, [u64; 6]); SCRIPT_CALLS], last: i64) -> Vec<u8> {
    // mov eax, number
    let number = |number: i64| [&[0xb8], &(number as u32).to_le_bytes()[..]].concat();
    // mov rdi, rsi, rdx, r10, r8, r9
    const MOVES: [[u8; 2]; 6] = [
        [0x48, 0xbf],
        [0x48, 0xbe],
        [0x48, 0xba],
        [0x49, 0xba],
        [0x49, 0xb8],
        [0x49, 0xb9],
    ];
    // mov rbx, rbp, r12, r13, r14 from rax
    const KEEPS: [[u8; 3]; SCRIPT_CALLS] = [
        [0x48, 0x89, 0xc3],
        [0x48, 0x89, 0xc5],
        [0x49, 0x89, 0xc4],
        [0x49, 0x89, 0xc5],
        [0x49, 0x89, 0xc6],
    ];
    let mut code = Vec::new();
    for ((of, arguments), keep) in calls.into_iter().zip(KEEPS) {
        for (instruction, value) in MOVES.iter().zip(arguments) {
            code.extend(instruction);
            code.extend(value.to_le_bytes());
        }
        code.extend(number(of));
        code.extend(SYSCALL);
        code.extend(keep);
    }
    code.extend(number(last));
    code.extend(SYSCALL);
    code
}

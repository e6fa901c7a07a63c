//! What a site's jump leads to.

use super::sites::{SYSCALL, jump};
use super::{below, kept};
use crate::layout::STUB;

/// Bytes of a trampoline.
pub const TRAMPOLINE: usize = 48;
/// Where in a trampoline its own `svc` is.
pub const TRACED: u64 = 28;
/// Where in it the stub comes back to, behind the call.
pub(crate) const BACK: u64 = 16;
/// Where in it the stub comes back to for the traced way.
pub(crate) const REFUSED: u64 = 24;

/// A trampoline: what a site's jump leads to.
///
/// It puts two registers on the stack, loads the address of its own `svc` and goes to the stub.
/// That comes back behind the call, or for the traced way.
pub fn trampoline(at: u64, site: u64) -> Option<[u8; TRAMPOLINE]> {
    let behind = site + SYSCALL.len() as u64;
    let back = |from: u64| jump(at + from, behind);
    let words = [
        pair_on_stack(STORE, below::X16),
        // adr x17, traced; ldr x16, the last word; br x16
        0x1000_0000 | ((TRACED - 4) as u32 / 4) << 5 | 17,
        0x5800_0000 | ((LITERAL - 8) as u32 / 4) << 5 | 16,
        0xd61f_0000 | 16 << 5,
        // ldp x16, x17, [x16, kept]
        LOAD | (kept::X16 as u32 / 8) << 15 | 17 << 10 | 16 << 5 | 16,
        u32::from_le_bytes(back(BACK + 4)?),
        pair_on_stack(LOAD, below::X16),
        u32::from_le_bytes(SYSCALL),
        u32::from_le_bytes(back(TRACED + 4)?),
    ];
    let mut code = [0; TRAMPOLINE];
    for (to, word) in code.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    code[LITERAL as usize..].copy_from_slice(&STUB.to_le_bytes());
    Some(code)
}

/// Where in a trampoline the stub's address stands.
const LITERAL: u64 = 40;
/// `stp` of two registers, and `ldp`.
const STORE: u32 = 0xa900_0000;
const LOAD: u32 = 0xa940_0000;

/// `stp` or `ldp` of `x16` and `x17`, so many bytes below the stack pointer.
fn pair_on_stack(instruction: u32, below: u64) -> u32 {
    let offset = (below as u32 / 8).wrapping_neg() & 0x7f;
    instruction | offset << 15 | 17 << 10 | 31 << 5 | 16
}

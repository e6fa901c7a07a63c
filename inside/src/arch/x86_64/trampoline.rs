//! What a site's jump leads to.

use super::sites::{SYSCALL, jump};
use crate::layout::STUB;

/// Bytes of a trampoline.
pub const TRAMPOLINE: usize = 32;
/// Where in a trampoline its own `syscall` is.
pub const TRACED: u64 = 13;

/// A trampoline: what a site's jump leads to.
///
/// It loads the address of its own `syscall` and goes to the stub, which comes back to that
/// instruction, for the traced way, or behind it. From there it goes back behind the site.
pub fn trampoline(at: u64, site: u64) -> Option<[u8; TRAMPOLINE]> {
    let mut code = [0xcc; TRAMPOLINE];
    // lea r11, [rip + 6]; jmp [rip + 11]; syscall; jmp back
    code[..7].copy_from_slice(&[0x4c, 0x8d, 0x1d, 6, 0, 0, 0]);
    code[7..13].copy_from_slice(&[0xff, 0x25, 11, 0, 0, 0]);
    code[13..15].copy_from_slice(&SYSCALL);
    code[15..20].copy_from_slice(&jump(at + TRACED + 2, site + 2)?);
    code[24..].copy_from_slice(&STUB.to_le_bytes());
    Some(code)
}

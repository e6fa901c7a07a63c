//! Code that makes calls.

use super::registers::RESULTS;
use super::sites::SYSCALL;

/// Calls of a script.
pub const SCRIPT_CALLS: usize = RESULTS.len();

/// Code that makes calls, each with its number and arguments, keeps their results
/// ([`super::Registers::results`]), and then makes one more, without arguments.
pub fn script(calls: [(i64, [u64; 6]); SCRIPT_CALLS], last: i64) -> Vec<u8> {
    let mut code = Vec::new();
    for ((number, arguments), keep) in calls.into_iter().zip(RESULTS) {
        for (register, value) in arguments.into_iter().enumerate() {
            code.extend(load(register, value));
        }
        code.extend(load(8, number.cast_unsigned()));
        code.extend(SYSCALL);
        // mov keep, x0
        code.extend((0xaa00_03e0 | keep as u32).to_le_bytes());
    }
    code.extend(load(8, last.cast_unsigned()));
    code.extend(SYSCALL);
    code
}

/// `movz` of the lowest 16 bits, and `movk` of each other 16 that are not zero.
fn load(register: usize, value: u64) -> Vec<u8> {
    let mut code = Vec::new();
    for part in 0..4u32 {
        let bits = (value >> (16 * part)) as u32 & 0xffff;
        let instruction = if part == 0 { 0xd280_0000 } else { 0xf280_0000 };
        if part == 0 || bits != 0 {
            code.extend((instruction | part << 21 | bits << 5 | register as u32).to_le_bytes());
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_loaded_part_by_part() {
        // movz x1, #0x5678; movk x1, #0x1234, lsl #32
        let code = [0xd28a_cf01_u32, 0xf2c2_4681].map(u32::to_le_bytes);
        assert_eq!(load(1, 0x1234_0000_5678), code.concat());
    }
}

//! Times in one byte: log-linear, 16 steps per octave.
//!
//! Gaps and durations below 7.8 ms are rounded to within 1/32 of their value (8 ns at the least);
//! longer ones are kept in units of 1,024 ns behind an escape. Gaps are coded against reconstructed
//! times, so errors don't add up.

/// Smallest step, nanoseconds.
const UNIT: u64 = 16;
/// The code that says that the value follows in the stream of long times.
pub const ESCAPE: u8 = 255;
/// Unit of long times, as a shift.
pub const LONG_SHIFT: u32 = 10;

/// The code of a time in nanoseconds, or [`ESCAPE`].
pub fn code(nanoseconds: u64) -> u8 {
    let units = nanoseconds.saturating_add(UNIT / 2) / UNIT;
    if units < 16 {
        return units as u8;
    }
    let mut octave = 63 - units.leading_zeros() - 4;
    let half = if octave == 0 { 0 } else { 1u64 << (octave - 1) };
    let mut step = (units + half) >> octave;
    if step == 32 {
        octave += 1;
        step = 16;
    }
    let code = u64::from(octave + 1) * 16 + (step - 16);
    if code >= u64::from(ESCAPE) {
        ESCAPE
    } else {
        code as u8
    }
}

/// The code of a time, with four steps per octave instead of sixteen; the same as [`code`] below
/// 256 ns.
pub fn coarse_code(nanoseconds: u64) -> u8 {
    let fine = code(nanoseconds);
    if fine < 16 || fine == ESCAPE {
        return fine;
    }
    let rounded = (u16::from(fine) + 2) / 4 * 4;
    match u8::try_from(rounded) {
        Ok(coarse) if coarse < ESCAPE => coarse,
        _ => fine,
    }
}

/// The time that a code other than [`ESCAPE`] stands for, nanoseconds.
pub fn value(code: u8) -> u64 {
    let code = u64::from(code);
    if code < 16 {
        return code * UNIT;
    }
    ((16 + code % 16) << (code / 16 - 1)) * UNIT
}

/// A time as it comes back from a trace, nanoseconds.
pub fn quantized(nanoseconds: u64) -> u64 {
    match code(nanoseconds) {
        ESCAPE => nanoseconds >> LONG_SHIFT << LONG_SHIFT,
        code => value(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_as_itself() {
        for code_before in 0..ESCAPE {
            assert_eq!(code(value(code_before)), code_before);
        }
    }

    #[test]
    fn errors_stay_below_a_thirty_second() {
        let mut time = 1u64;
        while time < 1 << 40 {
            let error = quantized(time).abs_diff(time);
            assert!(error <= (time / 32).max(8) + 8, "{time}: {error}");
            time += time / 7 + 1;
        }
    }
}

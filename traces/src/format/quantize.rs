//! Times in one byte: log-linear, 16 steps per octave.
//!
//! Times below 8.0 ms are rounded to within 1/32 of their value (8 ns at the least), or, coarse, to
//! within 5/32; longer ones are kept in units of 1,024 ns behind an escape. What comes back is
//! rounded to itself, so that a trace that is read and written again keeps its times.

/// Smallest step, nanoseconds.
const UNIT: u64 = 16;
/// The code that says that the value follows in the stream of long times.
pub const ESCAPE: u8 = 255;
/// Unit of long times, as a shift.
pub const LONG_SHIFT: u32 = 10;

/// The least time that takes the escape, nanoseconds: from here on, times would be rounded to it.
/// It is a whole number of the units of long times.
const LONG: u64 = 7808 << LONG_SHIFT;

/// The code of a time in nanoseconds, or [`ESCAPE`].
pub fn code(nanoseconds: u64) -> u8 {
    if nanoseconds >= LONG {
        return ESCAPE;
    }
    let units = (nanoseconds + UNIT / 2) / UNIT;
    if units < 16 {
        return units as u8;
    }
    // From nanoseconds, and not from units, which are rounded already.
    let mut octave = 63 - (nanoseconds / UNIT).max(16).leading_zeros() - 4;
    let mut step = (nanoseconds + (UNIT << octave) / 2) / (UNIT << octave);
    if step == 32 {
        octave += 1;
        step = 16;
    }
    (u64::from(octave + 1) * 16 + (step - 16)) as u8
}

/// The code of the longest time with a code that is not above a time, or [`ESCAPE`].
pub fn code_below(nanoseconds: u64) -> u8 {
    let code = code(nanoseconds);
    if told(code, nanoseconds) > nanoseconds {
        code - 1
    } else {
        code
    }
}

/// The code of a time, with four steps per octave instead of sixteen; the same as [`code`] below
/// 256 ns.
pub fn coarse_code(nanoseconds: u64) -> u8 {
    coarse(code(nanoseconds))
}

/// The coarse code that is next to a code. Of those in the middle, as many go up as down: sums of
/// many times stay nearly true.
pub fn coarse(fine: u8) -> u8 {
    if fine < 16 || fine == ESCAPE {
        return fine;
    }
    let more = match fine % 8 {
        0..=2 => 0,
        3..=5 => 4,
        _ => 8,
    };
    let rounded = u16::from(fine / 8 * 8) + more;
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
    told(code(nanoseconds), nanoseconds)
}

/// What comes back of a time with that code, nanoseconds.
pub fn told(code: u8, nanoseconds: u64) -> u64 {
    match code {
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
    fn what_is_below_is_next_below() {
        let near_long = LONG - 300_000..LONG + 2048;
        for time in (0..100_000).chain(near_long) {
            let below = told(code_below(time), time);
            assert!(below <= time, "{time}");
            assert!(time - below <= (time / 16).max(15), "{time}: {below}");
        }
        for code_before in 0..ESCAPE {
            assert_eq!(code_below(value(code_before)), code_before);
        }
    }

    #[test]
    fn what_comes_back_is_rounded_to_itself() {
        let near_long = LONG - 40..LONG + 2048;
        for time in (0..100_000).chain(near_long) {
            let fine = quantized(time);
            assert_eq!(quantized(fine), fine, "{time}");
            let coarse = told(coarse_code(time), time);
            assert_eq!(told(coarse_code(coarse), coarse), coarse, "{time}");
        }
    }

    #[test]
    fn coarse_errors_stay_below_five_thirty_seconds() {
        let mut time = 1u64;
        while time < 1 << 40 {
            let error = told(coarse_code(time), time).abs_diff(time);
            assert!(error <= (time * 5 / 32).max(8) + 8, "{time}: {error}");
            time += time / 31 + 1;
        }
    }

    #[test]
    fn sums_of_coarse_times_are_true() {
        for octave in 9..22 {
            let times = (1 << octave..2 << octave).step_by(1 << (octave - 9));
            let sum: u64 = times.clone().sum();
            let coarse: u64 = times.map(|time| told(coarse_code(time), time)).sum();
            let error = coarse.abs_diff(sum);
            assert!(error < sum / 100, "{octave}: {coarse} for {sum}");
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

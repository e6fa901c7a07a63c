//! Where functions end, as the tables for unwinding tell it (`.eh_frame_hdr`), which nearly every
//! program and library has mapped.

/// What lies between two functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Where the first function begins.
    pub function: u64,
    /// Behind it.
    pub start: u64,
    /// Where the next one begins.
    pub end: u64,
}

/// `PT_LOAD`.
const LOAD: u32 = 1;
/// `PT_GNU_EH_FRAME`.
const FRAMES: u32 = 0x6474_e550;
/// No more functions are looked at: a table may not be in order.
const MOST: usize = 1 << 17;

/// Gaps that begin between two addresses; none if the tables can't be read or are of another form.
/// `base` is where the file's first byte is mapped, `read` fills a buffer from an address or fails.
pub fn gaps(
    base: u64,
    from: u64,
    to: u64,
    mut read: impl FnMut(u64, &mut [u8]) -> Option<()>,
) -> Vec<Gap> {
    find(base, from, to, &mut read).unwrap_or_default()
}

type Read<'a> = dyn FnMut(u64, &mut [u8]) -> Option<()> + 'a;

fn find(base: u64, from: u64, to: u64, read: &mut Read<'_>) -> Option<Vec<Gap>> {
    let header = frames(base, read)?;
    let mut bytes = [0; 12];
    read(header, &mut bytes)?;
    // Version 1; offsets of 4 bytes, of the table from its own beginning.
    if bytes[0] != 1 || bytes[2..4] != [0x03, 0x3b] {
        return None;
    }
    let count = u64::from(int(&bytes, 8)?);
    let mut low = 0;
    let mut high = count;
    // A large program's table has a megabyte, of which a few entries are read.
    while low < high {
        let middle = low.midpoint(high);
        if entry(header, middle, read)?.0 <= from {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let mut found = Vec::new();
    for index in (low.saturating_sub(1)..count.saturating_sub(1)).take(MOST) {
        let (function, about) = entry(header, index, read)?;
        let (end, _) = entry(header, index + 1, read)?;
        if function > to {
            break;
        }
        let start = function + length(about, function, read)?;
        if start < end && (from..=to).contains(&start) {
            found.push(Gap {
                function,
                start,
                end,
            });
        }
    }
    Some(found)
}

/// A function's first byte, and its entry for unwinding.
fn entry(header: u64, index: u64, read: &mut Read<'_>) -> Option<(u64, u64)> {
    let mut bytes = [0; 8];
    read(header.checked_add(12 + index * 8)?, &mut bytes)?;
    let address = |at| {
        let offset = int(&bytes, at)?.cast_signed();
        Some(header.wrapping_add_signed(i64::from(offset)))
    };
    Some((address(0)?, address(4)?))
}

/// The length of a function, from its entry for unwinding.
fn length(at: u64, function: u64, read: &mut Read<'_>) -> Option<u64> {
    let mut bytes = [0; 16];
    read(at, &mut bytes)?;
    let offset = int(&bytes, 8)?.cast_signed();
    let begin = (at + 8).wrapping_add_signed(i64::from(offset));
    // Otherwise its numbers are of another form.
    (begin == function).then_some(u64::from(int(&bytes, 12)?))
}

/// Where the table is mapped.
fn frames(base: u64, read: &mut Read<'_>) -> Option<u64> {
    let mut header = [0; 64];
    read(base, &mut header)?;
    if !header.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let programs = long(&header, 32)?;
    let count = u16::from_le_bytes([header[56], header[57]]);
    let mut bias = None;
    let mut frames = None;
    for index in 0..u64::from(count.min(64)) {
        let mut program = [0; 56];
        read(base.checked_add(programs)? + index * 56, &mut program)?;
        let (offset, address) = (long(&program, 8)?, long(&program, 16)?);
        match int(&program, 0)? {
            LOAD if offset == 0 => bias = Some(base.wrapping_sub(address)),
            FRAMES => frames = Some(address),
            _ => {}
        }
    }
    Some(bias?.wrapping_add(frames?))
}

fn int(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

//! A site, and the padding near it.
//!
//! A site is a `syscall` instruction that a task was seen to execute, or one with the same bytes
//! around it at the same place of a file: no data are taken for code.
//! Its two bytes become a short jump, whose target has to lie within 127 bytes: in padding, where
//! nothing is ever executed, that has room for a jump to anywhere near.
//!
//! Padding is taken only where all of this holds:
//! - decoding from behind the site, instruction by instruction, leads to an instruction that never
//!   goes on to the next, and the padding follows that;
//! - it consists of no-operations or breakpoints alone, up to an address to which code is aligned;
//! - no direct jump in the neighbourhood leads into it.
//!
//! Or the tables for unwinding say that it lies between two functions.
//!
//! Where there is no padding, the instruction before the site becomes the jump, if it is long
//! enough and does nothing but put a number into a register, as that of the call. The site stays as
//! it is, for who jumps to it, and who stands there.

pub use super::patch::{
    AT_ONCE, Ahead, BREAKPOINT, FAR, LONGEST, Padding, Patch, SITE, SYSCALL, Way, jump, patch,
    reaches,
};
use super::patch::{JUMP, SHORT};
use crate::functions::Gap;
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

/// Bytes behind a site that a short jump reaches.
const REACH: u64 = 127;
/// How far a short jump reaches, with its own length, bytes.
const SHORT_REACH: u64 = 130;
/// How far from a site a gap between functions may begin that is on its way, bytes.
pub const GAPS: u64 = 2 * SHORT_REACH;
/// How far ahead of padding decoding begins, at the latest, bytes; and from so many places.
const AHEAD: u64 = 48;
/// To which addresses code is aligned.
const ALIGNMENT: u64 = 16;
/// To which addresses what is jumped to within a function is aligned, where it is.
const LABELS: u64 = 8;
/// How far jumps into the padding are looked for, bytes. A short jump reaches no further, and a
/// long one within a function that has a system call rarely does.
pub const NEIGHBOURHOOD: u64 = 1024;

/// Code of a tool: bytes, and the address at which they stand.
#[derive(Clone, Copy, Debug)]
pub struct Code<'a> {
    /// Address of the first.
    pub address: u64,
    /// The bytes.
    pub bytes: &'a [u8],
    /// Gaps between functions in it, as far as they are known.
    pub gaps: &'a [Gap],
}

impl<'a> Code<'a> {
    fn from(&self, address: u64) -> Option<&'a [u8]> {
        let offset = usize::try_from(address.checked_sub(self.address)?).ok()?;
        self.bytes.get(offset..)
    }
}

/// Code without how far these jumps to trampolines lead, which says nothing of ways.
pub fn without_distances(address: u64, bytes: &[u8], jumps: &[u64]) -> Vec<u8> {
    let mut without = bytes.to_vec();
    for jump in jumps {
        let offset = jump
            .checked_sub(address)
            .and_then(|at| usize::try_from(at).ok());
        let distance = offset.and_then(|at| without.get_mut(at + 1..at + JUMP));
        if let Some(distance) = distance {
            distance.fill(0);
        }
    }
    without
}

/// The way that a site can use; `None` if there is none that is beyond doubt.
pub fn way(code: Code<'_>, site: u64) -> Option<Way> {
    if !code.from(site)?.starts_with(&SYSCALL) {
        return None;
    }
    by_padding(code, site).or_else(|| ahead(code, site).map(Way::Ahead))
}

fn by_padding(code: Code<'_>, site: u64) -> Option<Way> {
    let behind = site.checked_add(2)?;
    let mut small = Vec::new();
    for found in near(code, behind, behind) {
        if found.length >= JUMP {
            return Some(Way::Padding {
                hop: None,
                last: found,
            });
        }
        small.push(found);
    }
    small.into_iter().find_map(|hop| {
        let end = hop.address + hop.length as u64;
        let last = near(code, end, hop.address + 2).find(|padding| padding.length >= JUMP)?;
        Some(Way::Padding {
            hop: Some(hop),
            last,
        })
    })
}

/// The instruction before a site, if a jump may stand in its place. Nothing leads into the middle
/// of it.
fn ahead(code: Code<'_>, site: u64) -> Option<Ahead> {
    (JUMP..=LONGEST).find_map(|length| {
        let address = site.checked_sub(length as u64)?;
        let there = code.from(address)?.get(..length)?;
        let decoded = Decoder::with_ip(64, there, address, DecoderOptions::NONE).decode();
        let is_whole = decoded.len() == length && puts_number(&decoded);
        let middle = Padding {
            address: address + 1,
            length: length - 1,
        };
        let is_one = is_whole && most_say(code, address, |_| true) && !is_jumped_to(code, middle);
        let mut bytes = [0; LONGEST];
        bytes[..length].copy_from_slice(there);
        is_one.then_some(Ahead {
            address,
            bytes,
            length,
        })
    })
}

/// Whether it does nothing but put a number into a register that is no stack pointer.
fn puts_number(instruction: &Instruction) -> bool {
    let register = instruction.op0_register();
    instruction.mnemonic() == Mnemonic::Mov
        && instruction.op0_kind() == OpKind::Register
        && (Register::EAX..=Register::R15).contains(&register)
        && !matches!(register, Register::ESP | Register::RSP)
        && matches!(
            instruction.op1_kind(),
            OpKind::Immediate32 | OpKind::Immediate32to64
        )
}

/// Padding that short jumps reach whose distance counts from `origin`, the one behind it first; an
/// instruction begins at `code_at`. It is looked for as it is asked for: what lies ahead of a
/// function takes longest to find, and is needed least often.
fn near(code: Code<'_>, code_at: u64, origin: u64) -> impl Iterator<Item = Padding> {
    let (first, last) = (origin.saturating_sub(REACH + 1), origin + REACH);
    let gaps = code
        .gaps
        .iter()
        .filter(move |gap| (first..=last).contains(&gap.start));
    behind(code, code_at, last)
        .chain(before(code, code_at, first))
        .chain(gaps.filter_map(move |gap| fills_gap(code, *gap)))
}

/// The padding between two functions. The last instruction of the first is one that never goes on,
/// or a call: of a function that never returns, or this would go on behind its end.
fn fills_gap(code: Code<'_>, gap: Gap) -> Option<Padding> {
    let length = usize::try_from(gap.end - gap.start).ok()?;
    let found = Padding {
        address: gap.start,
        length,
    };
    let (last, at_end) = ends(code, gap.function, gap.start)?;
    let last = last.filter(|_| at_end)?;
    let stays = never_goes_on(&last) || last.mnemonic() == Mnemonic::Call;
    let fills = filling(code.from(gap.start)?.get(..length)?, gap.start) == length;
    (length >= SHORT && stays && fills && !is_jumped_to(code, found)).then_some(found)
}

/// Padding behind an instruction: what is decoded from there is what is executed.
fn behind(code: Code<'_>, code_at: u64, last: u64) -> impl Iterator<Item = Padding> {
    let bytes = code.from(code_at).unwrap_or_default();
    let mut decoder = Decoder::with_ip(64, bytes, code_at, DecoderOptions::NONE);
    let instructions = std::iter::from_fn(move || {
        let is_near = decoder.can_decode() && decoder.ip() <= last;
        is_near.then(|| decoder.decode())
    });
    let valid = instructions.take_while(|instruction| !instruction.is_invalid());
    valid.filter_map(move |instruction| {
        let address = instruction.next_ip();
        if !never_goes_on(&instruction) || address > last {
            return None;
        }
        let length = filling(code.from(address).unwrap_or_default(), address);
        let found = Padding { address, length };
        let aligned = (address + length as u64).is_multiple_of(LABELS);
        (length >= SHORT && aligned && !is_jumped_to(code, found)).then_some(found)
    })
}

/// Padding before a site's function. Where an instruction ends is told by decoding from many places
/// further ahead, which soon agree.
fn before(code: Code<'_>, code_at: u64, first: u64) -> impl Iterator<Item = Padding> {
    let nearest = code_at - code_at % ALIGNMENT;
    let starts = (0..)
        .map(move |count| nearest.checked_sub(count * ALIGNMENT))
        .map_while(move |start| start.filter(|start| *start > first));
    starts.filter_map(move |function| padding_up_to(code, code_at, function, first))
}

/// The longest padding that ends where a function begins which `code_at` is in, and doesn't begin
/// before `first`.
fn padding_up_to(code: Code<'_>, code_at: u64, function: u64, first: u64) -> Option<Padding> {
    if !ends(code, function, code_at)?.1 {
        return None; // Decoding from there leads past it.
    }
    let ahead = function.checked_sub(ALIGNMENT - 1)?.max(first);
    (ahead..function.checked_sub(SHORT as u64)? + 1).find_map(|address| {
        let length = usize::try_from(function - address).ok()?;
        let found = Padding { address, length };
        let fills = filling(code.from(address)?.get(..length)?, address) == length;
        let is_end = fills && most_say(code, address, never_goes_on);
        (is_end && !is_jumped_to(code, found)).then_some(found)
    })
}

/// Whether decoding from places ahead comes to an end of an instruction there that is of some kind.
/// Nearly all have to agree: where one of another kind ended there, nearly all would say that.
fn most_say(code: Code<'_>, address: u64, is_such: impl Fn(&Instruction) -> bool) -> bool {
    let Some(start) = address.checked_sub(2 * AHEAD) else {
        return false;
    };
    let (mut agreed, mut others) = (0, 0);
    for from in start..start + AHEAD {
        match ends(code, from, address) {
            Some((Some(last), true)) if is_such(&last) => agreed += 1,
            Some(_) => others += 1,
            None => {} // No code begins there.
        }
    }
    agreed >= AHEAD / 2 && others <= agreed / 8
}

/// Decodes from one address up to another. Gives the last instruction before that, and whether it
/// ends there; `None` if what is decoded is no code.
fn ends(code: Code<'_>, from: u64, to: u64) -> Option<(Option<Instruction>, bool)> {
    let mut decoder = Decoder::with_ip(64, code.from(from)?, from, DecoderOptions::NONE);
    let mut last = None;
    while decoder.ip() < to {
        let instruction = decoder.decode();
        if instruction.is_invalid() {
            return None;
        }
        last = Some(instruction);
    }
    Some((last, decoder.ip() == to))
}

fn never_goes_on(instruction: &Instruction) -> bool {
    matches!(
        instruction.mnemonic(),
        Mnemonic::Ret | Mnemonic::Jmp | Mnemonic::Ud2 | Mnemonic::Hlt | Mnemonic::Int3
    )
}

/// How many bytes of no-operations, or of breakpoints, begin here.
fn filling(bytes: &[u8], address: u64) -> usize {
    let breakpoints = bytes.iter().take_while(|byte| **byte == 0xcc).count();
    if breakpoints > 0 {
        return breakpoints;
    }
    let mut decoder = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE);
    let mut length = 0;
    while decoder.can_decode() {
        let instruction = decoder.decode();
        if instruction.is_invalid() || instruction.mnemonic() != Mnemonic::Nop {
            break;
        }
        length = decoder.position();
    }
    length
}

/// Whether a direct jump or call nearby leads into the padding: a long one, at whatever byte it
/// might begin, or a short one among the instructions.
fn is_jumped_to(code: Code<'_>, padding: Padding) -> bool {
    let end = padding.address + padding.length as u64;
    let into = padding.address..end;
    let start = padding
        .address
        .saturating_sub(NEIGHBOURHOOD)
        .max(code.address);
    let Some(bytes) = code.from(start) else {
        return true;
    };
    let bytes = &bytes[..bytes.len().min(2 * NEIGHBOURHOOD as usize)];
    let long = (0..bytes.len())
        .filter_map(|at| long_target(&bytes[at..], start + at as u64))
        .any(|target| into.contains(&target));
    let ahead = padding
        .address
        .saturating_sub(2 * SHORT_REACH)
        .max(code.address);
    // Decoding has found the instructions, wherever it began, before it comes to where short jumps
    // reach from.
    let mut ranges = (ahead..(ahead + 4).min(padding.address))
        .map(|from| (from, padding.address))
        .chain([(end, end + 2 * SHORT_REACH)]);
    long || ranges.any(|(from, to)| short_targets(code, from, to).any(|to| into.contains(&to)))
}

/// Where the short jumps between two addresses lead.
fn short_targets<'a>(code: Code<'a>, from: u64, to: u64) -> impl Iterator<Item = u64> + 'a {
    let bytes = code.from(from).unwrap_or_default();
    let mut decoder = Decoder::with_ip(64, bytes, from, DecoderOptions::NONE);
    std::iter::from_fn(move || {
        (decoder.ip() < to && decoder.can_decode()).then(|| decoder.decode())
    })
    .filter(|instruction| instruction.len() == 2)
    .map(|instruction| instruction.near_branch_target())
}

/// Where a long jump or call leads, if these bytes are one.
fn long_target(bytes: &[u8], address: u64) -> Option<u64> {
    let near = |skip: usize| {
        let displacement = bytes.get(skip..skip + 4)?.try_into().ok()?;
        let displacement = i64::from(i32::from_le_bytes(displacement));
        let behind = address.wrapping_add(skip as u64 + 4);
        Some(behind.wrapping_add_signed(displacement))
    };
    match bytes {
        [0xe8 | 0xe9, ..] => near(1),
        [0x0f, 0x80..=0x8f, ..] => near(2),
        _ => None,
    }
}

/// A way near an address, for tests.
#[cfg(test)]
pub fn example(address: u64) -> Way {
    let padding = |address| Padding { address, length: 8 };
    Way::Padding {
        hop: Some(padding(address - 16)),
        last: padding(address + 32),
    }
}

#[cfg(test)]
mod tests;

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

pub use super::patch::{
    AT_ONCE, BREAKPOINT, FAR, PATCHED, Padding, SITE, SYSCALL, Way, jump, patch, reaches,
};
use super::patch::{JUMP, SHORT};
use crate::functions::Gap;
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic};

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

/// The way that a site can use; `None` if there is none that is beyond doubt.
pub fn way(code: Code<'_>, site: u64) -> Option<Way> {
    if !code.from(site)?.starts_with(&SYSCALL) {
        return None;
    }
    let behind = site.checked_add(2)?;
    let mut small = Vec::new();
    for found in near(code, behind, behind) {
        if found.length >= JUMP {
            return Some(Way {
                hop: None,
                last: found,
            });
        }
        small.push(found);
    }
    small.into_iter().find_map(|hop| {
        let end = hop.address + hop.length as u64;
        let last = near(code, end, hop.address + 2).find(|padding| padding.length >= JUMP)?;
        Some(Way {
            hop: Some(hop),
            last,
        })
    })
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
        (fills && most_end_at(code, address) && !is_jumped_to(code, found)).then_some(found)
    })
}

/// Whether decoding from places ahead comes to an end of an instruction there, and that never goes
/// on. Nearly all have to agree: where one that goes on ended there, nearly all would say that.
fn most_end_at(code: Code<'_>, address: u64) -> bool {
    let Some(start) = address.checked_sub(2 * AHEAD) else {
        return false;
    };
    let (mut agreed, mut others) = (0, 0);
    for from in start..start + AHEAD {
        match ends(code, from, address) {
            Some((Some(last), true)) if never_goes_on(&last) => agreed += 1,
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
    Way {
        hop: Some(padding(address - 16)),
        last: padding(address + 32),
    }
}

#[cfg(test)]
mod tests {
    use super::super::patch::short_jump;
    use super::*;
    use crate::functions;

    const AT: u64 = 0x40_1000;

    fn find(bytes: &[u8]) -> Option<Padding> {
        let code = Code {
            address: AT,
            bytes,
            gaps: &[],
        };
        way(code, AT).map(|way| way.last)
    }

    /// `syscall; ret`, filled up to 16 bytes, and another function.
    fn function(filling: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x0f, 0x05, 0xc3];
        bytes.extend(filling);
        bytes.extend([0x48, 0x89, 0xc8, 0xc3]);
        bytes
    }

    #[test]
    fn padding_behind_a_return_is_found() {
        let nops = [
            0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0, 0x0f, 0x1f, 0x00,
        ];
        let found = find(&function(&nops)).expect("padding");
        assert_eq!((found.address, found.length), (AT + 3, 13));
        assert_eq!(short_jump(AT, found), Some([0xeb, 1]));
        let found = find(&function(&[0xcc; 13])).expect("padding");
        assert_eq!((found.address, found.length), (AT + 3, 13));
    }

    #[test]
    fn no_operations_that_are_executed_are_not_padding() {
        let mut bytes = vec![0x0f, 0x05, 0x90, 0x90, 0x90];
        bytes.extend([0x90; 11]);
        bytes.extend([0xc3, 0xb8, 0, 0, 0, 0, 0xc3]);
        assert_eq!(find(&bytes), None);
    }

    #[test]
    fn filling_that_something_jumps_to_is_not_padding() {
        let mut bytes = function(&[0x90; 13]);
        assert!(find(&bytes).is_some());
        // jne to the last of the no-operations.
        bytes.extend([0x75, (-8i8) as u8]);
        assert_eq!(find(&bytes), None);
    }

    #[test]
    fn filling_that_ends_where_no_function_begins_is_not_padding() {
        assert_eq!(find(&function(&[0xcc; 12])), None);
        assert_eq!(find(&function(&[0xcc; 4])), None);
    }

    /// Two functions, the second with its site where nothing behind it is near enough.
    fn long_function(last: &[u8], filling: &[u8]) -> (Vec<u8>, u64) {
        let mut bytes: Vec<u8> = [0x48, 0x89, 0xc8].repeat(60);
        bytes.extend(last);
        bytes.extend(filling);
        assert!(
            (AT + bytes.len() as u64).is_multiple_of(16),
            "{}",
            bytes.len()
        );
        bytes.extend([0xb8, 1, 0, 0, 0]);
        let site = AT + bytes.len() as u64;
        bytes.extend([0x0f, 0x05]);
        bytes.extend([0x48, 0x89, 0xc8].repeat(60));
        bytes.push(0xc3);
        (bytes, site)
    }

    #[test]
    fn padding_before_a_function_is_found() {
        let (bytes, site) = long_function(&[0xc3], &[0x90; 11]);
        let code = Code {
            address: AT,
            bytes: &bytes,
            gaps: &[],
        };
        let found = way(code, site).expect("padding").last;
        assert_eq!((found.address, found.length), (AT + 181, 11));
        assert_eq!(short_jump(site, found), Some([0xeb, (-18i8) as u8]));
    }

    #[test]
    fn no_operations_that_something_goes_on_to_are_not_padding() {
        // mov rbx, rax, which ends with the byte of a return; and a call, which comes back.
        let mov: (&[u8], &[u8]) = (&[0x48, 0x89, 0xc3], &[0x90; 9]);
        let call: (&[u8], &[u8]) = (&[0xe8, 0, 0, 0, 0], &[0x90; 7]);
        for (last, filling) in [mov, call] {
            let (bytes, site) = long_function(last, filling);
            let code = Code {
                address: AT,
                bytes: &bytes,
                gaps: &[],
            };
            assert_eq!(way(code, site), None);
        }
    }

    #[test]
    fn a_hop_leads_to_padding_that_is_too_far_away() {
        let mut bytes = vec![0x0f, 0x05];
        bytes.extend([0x48, 0x89, 0xc8].repeat(35));
        bytes.extend([0x90, 0x90, 0xc3, 0xcc, 0xcc]);
        assert_eq!(bytes.len(), 112);
        assert_eq!(find(&bytes), None);
        bytes.extend([0x48, 0x89, 0xc8].repeat(30));
        bytes.push(0xc3);
        bytes.extend([0xcc; 5]);
        assert_eq!(bytes.len() % 16, 0);
        let code = Code {
            address: AT,
            bytes: &bytes,
            gaps: &[],
        };
        let way = way(code, AT).expect("a way");
        assert_eq!(
            way.hop.map(|hop| (hop.address, hop.length)),
            Some((AT + 110, 2))
        );
        assert_eq!((way.last.address, way.last.length), (AT + 203, 5));
    }

    #[test]
    fn what_is_no_site_has_no_padding() {
        assert_eq!(find(&[0x0f, 0x0b, 0xc3, 0xcc, 0xcc]), None);
        assert_eq!(find(&[]), None);
    }

    #[test]
    fn jumps_reach_two_gibibytes() {
        assert_eq!(jump(0x1000, 0x1005), Some([0xe9, 0, 0, 0, 0]));
        assert_eq!(jump(0x1005, 0x1000), Some([0xe9, 0xf6, 0xff, 0xff, 0xff]));
        assert_eq!(jump(0x1000, 0x1_0000_1000), None);
    }

    /// Every site of this machine's C library: most have padding, and it holds nothing.
    #[test]
    fn most_sites_of_the_c_library_have_padding() {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
        let text = maps
            .lines()
            .find(|line| line.contains(" r-xp ") && line.contains("/libc"));
        let Some(text) = text else {
            println!("skipped: no C library is mapped here (static)");
            return;
        };
        let path = text.split_whitespace().last().expect("its path");
        let words: Vec<&str> = text.split([' ', '-']).collect();
        let hex = |word: &str| u64::from_str_radix(word, 16).expect("a number");
        let (start, end) = (hex(words[0]), hex(words[1]));
        let offset = hex(text.split_whitespace().nth(2).expect("its offset"));
        let file = std::fs::read(path).expect("the library");
        let bytes = &file[offset as usize..(offset + end - start).min(file.len() as u64) as usize];
        let base = start - offset;
        let read = |at: u64, buffer: &mut [u8]| {
            let from = usize::try_from(at - base).ok()?;
            buffer.copy_from_slice(file.get(from..from + buffer.len())?);
            Some(())
        };
        let gaps = functions::gaps(base, start, end, read);
        assert!(gaps.len() > 1000, "{}", gaps.len());
        let code = Code {
            address: start,
            bytes,
            gaps: &gaps,
        };
        let sites: Vec<u64> = (0..bytes.len() - 1)
            .filter(|at| bytes[*at..].starts_with(&SYSCALL))
            .map(|at| start + at as u64)
            .collect();
        let found = sites
            .iter()
            .filter(|site| way(code, **site).is_some())
            .count();
        println!("{found} of {} sites have padding", sites.len());
        assert!(found * 10 > sites.len() * 5, "{found} of {}", sites.len());
    }
}

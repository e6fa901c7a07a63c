//! What a site and its padding are made to hold.

use super::trampoline::{TRACED, TRAMPOLINE};

/// A `syscall` instruction.
pub const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// Its bytes.
pub const SITE: u64 = SYSCALL.len() as u64;
/// Whether a site may be written at once while others execute it: no, a processor may meet one old
/// and one new byte.
pub const AT_ONCE: bool = false;
/// `int3`.
pub const BREAKPOINT: u8 = 0xcc;
/// A jump whose distance is one byte.
const SHORT_JUMP: u8 = 0xeb;
/// How far a pool may be from a site, bytes.
pub const FAR: u64 = 1 << 30;
/// Bytes of a jump to anywhere within 2 GiB.
pub const JUMP: usize = 5;
/// Bytes of a short jump.
pub const SHORT: usize = 2;
/// Room for a jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padding {
    /// Where it begins.
    pub address: u64,
    /// Its bytes.
    pub length: usize,
}

/// The way from a site to a jump that leads anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The site becomes a short jump.
    Padding {
        /// Room for another short jump on the way, where nothing larger is near enough.
        hop: Option<Padding>,
        /// Room for the long jump.
        last: Padding,
    },
    /// The instruction before the site becomes the long jump, and is executed elsewhere.
    Ahead(Ahead),
}

/// An instruction that stands before a site, and puts a number into a register: to execute it twice
/// does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// Where it begins.
    pub address: u64,
    /// Its bytes, and zeros behind them.
    pub bytes: [u8; LONGEST],
    /// How many they are, at the least those of a jump.
    pub length: usize,
}

/// Bytes of the longest of such instructions.
pub const LONGEST: usize = 7;

impl Ahead {
    fn instruction(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Way {
    /// The same where its code is mapped so many bytes further on.
    pub fn moved(self, by: u64) -> Way {
        let moved = |padding: Padding| Padding {
            address: padding.address.wrapping_add(by),
            ..padding
        };
        match self {
            Way::Padding { hop, last } => Way::Padding {
                hop: hop.map(moved),
                last: moved(last),
            },
            Way::Ahead(ahead) => Way::Ahead(Ahead {
                address: ahead.address.wrapping_add(by),
                ..ahead
            }),
        }
    }

    /// What stands before the site's trampoline and leads on to it, and the address that it is
    /// instead of.
    pub fn lead_in(&self) -> Option<(u64, [u8; TRAMPOLINE])> {
        let Way::Ahead(ahead) = self else {
            return None;
        };
        let mut code = [BREAKPOINT; TRAMPOLINE];
        code[..ahead.length].copy_from_slice(ahead.instruction());
        let behind = ahead.length + JUMP;
        code[ahead.length..behind].copy_from_slice(&jump(ahead.length as u64, TRAMPOLINE as u64)?);
        Some((ahead.address, code))
    }
}

const _: () = assert!(LONGEST + JUMP <= TRACED as usize);

/// What is written to let a site lead to its trampoline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// What nothing leads to before the last is written.
    pub first: Vec<(u64, Vec<u8>)>,
    /// Where that is.
    pub at: u64,
    /// What stands there.
    pub before: Vec<u8>,
    /// As many bytes in its place.
    pub after: Vec<u8>,
}

impl Patch {
    /// Where the jump to the trampoline stands, or to what leads on to it.
    pub fn long_jump(&self) -> u64 {
        self.first.first().map_or(self.at, |(at, _)| *at)
    }
}

/// Lets a site lead to its trampoline, or what leads on to that; `None` if it is too far away.
pub fn patch(site: u64, way: Way, trampoline: u64) -> Option<Patch> {
    match way {
        Way::Padding { hop, last } => {
            let far = jump(last.address, trampoline)?;
            let mut first = vec![filled(last, &far)];
            if let Some(hop) = hop {
                first.push(filled(hop, &short_jump(hop.address, last)?));
            }
            Some(Patch {
                first,
                at: site,
                before: SYSCALL.to_vec(),
                after: short_jump(site, hop.unwrap_or(last))?.to_vec(),
            })
        }
        Way::Ahead(ahead) => {
            let mut after = jump(ahead.address, trampoline)?.to_vec();
            after.resize(ahead.length, BREAKPOINT);
            Some(Patch {
                first: Vec::new(),
                at: ahead.address,
                before: ahead.instruction().to_vec(),
                after,
            })
        }
    }
}

/// A jump in padding; what is left of it stays padding that others can use.
fn filled(padding: Padding, jump: &[u8]) -> (u64, Vec<u8>) {
    let mut bytes = vec![BREAKPOINT; padding.length];
    bytes[..jump.len()].copy_from_slice(jump);
    (padding.address, bytes)
}

/// Whether a site can lead to what stands there.
pub fn reaches(site: u64, trampoline: u64) -> bool {
    jump(site, trampoline).is_some()
}

/// A short jump from an address to padding.
pub fn short_jump(from: u64, padding: Padding) -> Option<[u8; SHORT]> {
    let distance = padding.address.wrapping_sub(from.checked_add(2)?);
    let distance = i8::try_from(distance.cast_signed()).ok()?;
    Some([SHORT_JUMP, distance.cast_unsigned()])
}

/// A jump from an address to another, if it is near enough.
pub fn jump(from: u64, to: u64) -> Option<[u8; JUMP]> {
    let distance = to
        .wrapping_sub(from.wrapping_add(JUMP as u64))
        .cast_signed();
    let [a, b, c, d] = i32::try_from(distance).ok()?.to_le_bytes();
    Some([0xe9, a, b, c, d])
}

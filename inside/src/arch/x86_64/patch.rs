//! What a site and its padding are made to hold.

/// A `syscall` instruction.
pub const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// Its bytes.
pub const SITE: u64 = SYSCALL.len() as u64;
/// Whether a site may be written at once while others execute it: no, a processor may meet one old
/// and one new byte.
pub const AT_ONCE: bool = false;
/// `int3`.
pub const BREAKPOINT: u8 = 0xcc;
/// What a patched site begins with: a jump whose distance is one byte.
pub const PATCHED: u8 = 0xeb;
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
pub struct Way {
    /// Room for another short jump on the way, where nothing larger is near enough.
    pub hop: Option<Padding>,
    /// Room for the long jump.
    pub last: Padding,
}

impl Way {
    /// The same where its code is mapped so many bytes further on.
    pub fn moved(self, by: u64) -> Way {
        let moved = |padding: Padding| Padding {
            address: padding.address.wrapping_add(by),
            ..padding
        };
        Way {
            hop: self.hop.map(moved),
            last: moved(self.last),
        }
    }
}

/// What is written to let a site lead to its trampoline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// What nothing leads to before the site does.
    pub first: Vec<(u64, Vec<u8>)>,
    /// The site itself.
    pub site: [u8; SITE as usize],
}

/// Lets a site lead to its trampoline; `None` if that is too far away.
pub fn patch(site: u64, way: Way, trampoline: u64) -> Option<Patch> {
    let far = jump(way.last.address, trampoline)?;
    let mut first = vec![filled(way.last, &far)];
    if let Some(hop) = way.hop {
        first.push(filled(hop, &short_jump(hop.address, way.last)?));
    }
    Some(Patch {
        first,
        site: short_jump(site, way.hop.unwrap_or(way.last))?,
    })
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
    Some([PATCHED, distance.cast_unsigned()])
}

/// A jump from an address to another, if it is near enough.
pub fn jump(from: u64, to: u64) -> Option<[u8; JUMP]> {
    let distance = to
        .wrapping_sub(from.wrapping_add(JUMP as u64))
        .cast_signed();
    let [a, b, c, d] = i32::try_from(distance).ok()?.to_le_bytes();
    Some([0xe9, a, b, c, d])
}

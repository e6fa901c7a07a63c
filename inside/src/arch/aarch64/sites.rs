//! Sites: each can jump by itself.
//!
//! `svc` and `b` are of the same length, and both are among the instructions of which one may be
//! written in the other's place while another processor executes it: that meets one of the two (Arm
//! Architecture Reference Manual, "Concurrent modification and execution of instructions").

use super::trampoline::TRAMPOLINE;
use crate::functions::Gap;

/// `svc #0`.
pub const SYSCALL: [u8; 4] = [0x01, 0x00, 0x00, 0xd4];
/// Its bytes.
pub const SITE: u64 = SYSCALL.len() as u64;
/// A site may be written at once while others execute it.
pub const AT_ONCE: bool = true;
/// The first byte of `brk`, which is never written here.
pub const BREAKPOINT: u8 = 0;
/// Nothing around a site says whether it can be patched.
pub const NEIGHBOURHOOD: u64 = 0;
/// Likewise.
pub const GAPS: u64 = 0;
/// How far a jump reaches, bytes.
const REACH: i64 = 1 << 27;
/// How far a pool may be from a site, bytes: with the site's mapping and the pool near enough.
pub const FAR: u64 = 96 << 20;

/// Code of a tool: bytes, and the address at which they stand.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "a site needs nothing of it here")]
pub struct Code<'a> {
    /// Address of the first.
    pub address: u64,
    /// The bytes.
    pub bytes: &'a [u8],
    /// Gaps between functions in it, as far as they are known.
    pub gaps: &'a [Gap],
}

/// The way from a site to its trampoline: nothing lies between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way;

impl Way {
    /// The same where its code is mapped so many bytes further on.
    pub fn moved(self, _by: u64) -> Way {
        Way
    }

    /// Nothing leads on to the site's trampoline.
    pub fn lead_in(&self) -> Option<(u64, [u8; TRAMPOLINE])> {
        None
    }
}

/// What is written to let a site lead to its trampoline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// What nothing leads to before the last is written.
    pub first: Vec<(u64, Vec<u8>)>,
    /// Where that is: the site.
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

/// Code without how far its jumps to trampolines lead: nothing of it is compared.
pub fn without_distances(_address: u64, _bytes: &[u8], _jumps: &[u64]) -> Vec<u8> {
    Vec::new()
}

/// The way of a site: every site has one.
pub fn way(_code: Code<'_>, _site: u64) -> Option<Way> {
    Some(Way)
}

/// Lets a site lead to its trampoline; `None` if that is too far away.
pub fn patch(site: u64, _way: Way, trampoline: u64) -> Option<Patch> {
    jump(site, trampoline).map(|jump| Patch {
        first: Vec::new(),
        at: site,
        before: SYSCALL.to_vec(),
        after: jump.to_vec(),
    })
}

/// Whether a site can lead to what stands there, and be led back to.
pub fn reaches(site: u64, trampoline: u64) -> bool {
    // A pool is less than a mebibyte.
    let near = |at: u64| at.wrapping_sub(site).cast_signed().abs() < REACH;
    near(trampoline) && near(trampoline.wrapping_add(1 << 20))
}

/// `b` from an address to another, if it is near enough.
pub fn jump(from: u64, to: u64) -> Option<[u8; SITE as usize]> {
    let distance = to.wrapping_sub(from).cast_signed();
    let fits = (-REACH..REACH).contains(&distance) && distance % 4 == 0;
    let words = (distance >> 2) as u32 & 0x03ff_ffff;
    fits.then(|| (0x1400_0000 | words).to_le_bytes())
}

/// A way near an address, for tests.
#[cfg(test)]
pub fn example(_address: u64) -> Way {
    Way
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_reach_128_mebibytes() {
        assert_eq!(jump(0x1000, 0x1008), Some([2, 0, 0, 0x14]));
        assert_eq!(jump(0x1008, 0x1000), Some([0xfe, 0xff, 0xff, 0x17]));
        assert_eq!(jump(0, 0x0800_0000), None);
        assert!(jump(0x0800_0000, 0).is_some());
        assert_eq!(jump(0, 2), None);
        assert!(reaches(0x1000_0000, 0x0900_0000));
        assert!(!reaches(0x1000_0000, 0x17f8_0000));
    }
}

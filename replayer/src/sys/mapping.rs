//! Memory mapped from files.

use libc::c_int;

use super::raw;

/// Bytes of mapped data that are read at most.
const TOUCHED_DATA: usize = 1 << 20;
/// Bytes of a mapped program that are read at most: what one fault brings (`fault_around_bytes`).
const TOUCHED_PROGRAM: usize = 64 << 10;

/// Bytes of a shared mapping that are written at most.
pub const TOUCHED_WRITTEN: usize = 16 << 20;

/// Bytes of a mapping that is made with `MAP_POPULATE` that are read at most: a file of holes has
/// any size, and populating can't be interrupted.
const TOUCHED_POPULATED: usize = 256 << 20;

/// What a mapping may be protected as, and the flags that it may have: none that fixes its place,
/// grows it, locks memory or takes huge pages, of which the machine has few.
const PROTECTIONS: c_int = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
const FLAGS: c_int = libc::MAP_TYPE | libc::MAP_NORESERVE | libc::MAP_SYNC;

/// Memory mapped from a file, unmapped when dropped.
#[derive(Debug, Default)]
pub struct Mapping {
    address: usize,
    length: usize,
}

impl Mapping {
    /// `mmap`, never at a fixed address; the result is 0 or `-errno`.
    pub fn map(fd: c_int, length: u64, prot: c_int, flags: c_int, offset: i64) -> (Mapping, i64) {
        let populates = flags & libc::MAP_POPULATE != 0;
        let (prot, flags) = (prot & PROTECTIONS, flags & FLAGS);
        let address = call!(mmap, 0usize, length, prot, flags, fd, offset);
        if (-4095..0).contains(&address) {
            return (Mapping::default(), address);
        }
        let mapping = Mapping {
            address: address as usize,
            length: (length as usize).next_multiple_of(page()),
        };
        mapping.touch(touched(prot, flags, populates));
        (mapping, 0)
    }

    /// Touches pages, as many bytes as given at most. Populating fails where that would end the
    /// process (a file that is shorter now); kernels before 5.14 don't know it, and nothing is
    /// touched then.
    fn touch(&self, touched: Option<(c_int, usize)>) {
        if let Some((advice, most)) = touched {
            let _ = call!(madvise, self.address, self.length.min(most), advice);
        }
    }

    /// The part of this mapping that a range covers.
    fn part(&self, start: u64, length: u64) -> Option<(usize, usize)> {
        let start = usize::try_from(start)
            .ok()
            .filter(|start| *start < self.length)?;
        let length = usize::try_from(length)
            .unwrap_or(usize::MAX)
            .min(self.length - start);
        Some((self.address + start, length))
    }

    /// `munmap` of a part.
    pub fn unmap(&self, start: u64, length: u64) -> i64 {
        self.part(start, length)
            .map_or(0, |(address, length)| call!(munmap, address, length))
    }

    /// `msync` of a part.
    pub fn sync(&self, start: u64, length: u64, flags: c_int) -> i64 {
        self.part(start, length)
            .map_or(-i64::from(libc::ENOMEM), |(address, length)| {
                call!(msync, address, length, flags)
            })
    }

    /// `madvise` of a part.
    pub fn advise(&self, start: u64, length: u64, advice: c_int) -> i64 {
        self.part(start, length)
            .map_or(-i64::from(libc::ENOMEM), |(address, length)| {
                call!(madvise, address, length, advice)
            })
    }
}

fn page() -> usize {
    rustix::param::page_size()
}

const MADV_POPULATE_READ: c_int = 22;
const MADV_POPULATE_WRITE: c_int = 23;

/// What is done by page faults, and of how many bytes: reading what the tool presumably read, data
/// to some size, of programs the beginning; and writing what it presumably wrote, a file that is
/// mapped for writing, as linkers do with what they make. What it really touched no recorder can
/// tell without privilege.
fn touched(prot: c_int, flags: c_int, populates: bool) -> Option<(c_int, usize)> {
    // MAP_SHARED_VALIDATE has both bits.
    let shared = flags & libc::MAP_SHARED != 0;
    match prot {
        _ if shared && prot & libc::PROT_WRITE != 0 => Some((MADV_POPULATE_WRITE, TOUCHED_WRITTEN)),
        _ if populates && prot & libc::PROT_READ != 0 => {
            Some((MADV_POPULATE_READ, TOUCHED_POPULATED))
        }
        _ if prot & libc::PROT_EXEC != 0 => Some((MADV_POPULATE_READ, TOUCHED_PROGRAM)),
        _ if prot & libc::PROT_READ != 0 => Some((MADV_POPULATE_READ, TOUCHED_DATA)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shared_mappings_for_writing_are_written() {
        let (read, write, exec) = (libc::PROT_READ, libc::PROT_WRITE, libc::PROT_EXEC);
        let advice = |prot, flags| touched(prot, flags, false).map(|(advice, _)| advice);
        let written = Some(MADV_POPULATE_WRITE);
        assert_eq!(advice(read | write, libc::MAP_SHARED), written);
        assert_eq!(advice(write, libc::MAP_SHARED_VALIDATE), written);
        assert_eq!(
            advice(read | write, libc::MAP_PRIVATE),
            Some(MADV_POPULATE_READ)
        );
        assert_eq!(advice(read, libc::MAP_SHARED), Some(MADV_POPULATE_READ));
        assert_eq!(advice(libc::PROT_NONE, libc::MAP_SHARED), None);
        let program = touched(read | exec, libc::MAP_PRIVATE, false);
        assert!(program < touched(read, libc::MAP_PRIVATE, false));
    }
}

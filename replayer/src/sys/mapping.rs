//! Memory mapped from files.

use libc::c_int;

use super::raw;

/// Bytes of mapped data that are read at most.
const TOUCHED_DATA: usize = 1 << 20;
/// Bytes of a mapped program that are read at most: what one fault brings (`fault_around_bytes`).
const TOUCHED_PROGRAM: usize = 64 << 10;

/// Memory mapped from a file, unmapped when dropped.
#[derive(Debug, Default)]
pub struct Mapping {
    address: usize,
    length: usize,
}

impl Mapping {
    /// `mmap`, never at a fixed address; the result is 0 or `-errno`.
    pub fn map(fd: c_int, length: u64, prot: c_int, flags: c_int, offset: i64) -> (Mapping, i64) {
        let flags = flags & !(libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE | libc::MAP_GROWSDOWN);
        let address = call!(SYS_mmap, 0usize, length, prot, flags, fd, offset);
        if (-4095..0).contains(&address) {
            return (Mapping::default(), address);
        }
        let mapping = Mapping {
            address: address as usize,
            length: (length as usize).next_multiple_of(page()),
        };
        mapping.touch(prot);
        (mapping, 0)
    }

    /// Reads by page faults what the tool presumably read: data to some size, of programs the beginning. What it really touched
    /// no recorder can tell without privilege. Populating fails where touching a page would end the process
    /// (a file that is shorter now); kernels before 5.14 don't know it, and nothing is read then.
    fn touch(&self, prot: c_int) {
        const MADV_POPULATE_READ: c_int = 22;
        let most = match prot & (libc::PROT_READ | libc::PROT_EXEC) {
            libc::PROT_READ => TOUCHED_DATA,
            0 => return,
            _ => TOUCHED_PROGRAM,
        };
        let length = self.length.min(most);
        let _ = call!(SYS_madvise, self.address, length, MADV_POPULATE_READ);
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
            .map_or(0, |(address, length)| call!(SYS_munmap, address, length))
    }

    /// `msync` of a part.
    pub fn sync(&self, start: u64, length: u64, flags: c_int) -> i64 {
        self.part(start, length)
            .map_or(-i64::from(libc::ENOMEM), |(address, length)| {
                call!(SYS_msync, address, length, flags)
            })
    }

    /// `madvise` of a part.
    pub fn advise(&self, start: u64, length: u64, advice: c_int) -> i64 {
        self.part(start, length)
            .map_or(-i64::from(libc::ENOMEM), |(address, length)| {
                call!(SYS_madvise, address, length, advice)
            })
    }
}

fn page() -> usize {
    rustix::param::page_size()
}

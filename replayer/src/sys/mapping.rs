//! Memory mapped from files.

use libc::c_int;

use super::raw;

/// Bytes of mapped data that are read at most.
const TOUCHED_DATA: usize = 1 << 20;
/// Bytes of a mapped program that are read at most: what one fault brings (`fault_around_bytes`).
const TOUCHED_PROGRAM: usize = 64 << 10;

/// Bytes of a shared mapping that are written at most.
const TOUCHED_WRITTEN: usize = 16 << 20;

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
        mapping.touch(prot, flags);
        (mapping, 0)
    }

    /// Reads by page faults what the tool presumably read: data to some size, of programs the beginning; and writes what it
    /// presumably wrote: a file that is mapped for writing, as linkers do with what they make. What it really touched no recorder can tell
    /// without privilege. Populating fails where touching a page would end the process (a file that is shorter now); kernels
    /// before 5.14 don't know it, and nothing is touched then.
    fn touch(&self, prot: c_int, flags: c_int) {
        const MADV_POPULATE_READ: c_int = 22;
        const MADV_POPULATE_WRITE: c_int = 23;
        // MAP_SHARED_VALIDATE has both bits.
        let shared = flags & libc::MAP_SHARED != 0;
        let (advice, most) = match prot {
            _ if shared && prot & libc::PROT_WRITE != 0 => (MADV_POPULATE_WRITE, TOUCHED_WRITTEN),
            _ if prot & libc::PROT_EXEC != 0 => (MADV_POPULATE_READ, TOUCHED_PROGRAM),
            _ if prot & libc::PROT_READ != 0 => (MADV_POPULATE_READ, TOUCHED_DATA),
            _ => return,
        };
        let length = self.length.min(most);
        let _ = call!(SYS_madvise, self.address, length, advice);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_shared_mapping_for_writing_is_written_and_others_are_not() {
        let blocks = |prot, flags| {
            let file = tempfile::tempfile().expect("a file");
            file.set_len(1 << 16).expect("a length");
            let (mapping, result) = Mapping::map(file.as_raw_fd(), 1 << 16, prot, flags, 0);
            assert_eq!(result, 0);
            mapping.sync(0, 1 << 16, libc::MS_SYNC);
            file.metadata().expect("metadata").blocks()
        };
        let writable = libc::PROT_READ | libc::PROT_WRITE;
        assert!(blocks(writable, libc::MAP_SHARED) >= 128);
        assert_eq!(blocks(writable, libc::MAP_PRIVATE), 0);
        // A hole that is read takes no block, but on tmpfs a page may be kept for it.
        assert!(blocks(libc::PROT_READ, libc::MAP_SHARED) <= 128);
    }
}

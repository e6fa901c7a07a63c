//! Reading a tool's memory.
//!
//! A trait, so that decoders are tested on a byte slice instead of a task.

/// Memory that can be read at virtual addresses.
pub trait Memory {
    /// Reads up to `buffer.len()` bytes at `address`; returns how many could be read (0 if none).
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize;

    /// Whether it turned out that none of it may be read.
    fn is_denied(&self) -> bool {
        false
    }

    /// Fills `buffer` completely or says that it can't.
    fn read_exact(&self, address: u64, buffer: &mut [u8]) -> Option<()> {
        (self.read(address, buffer) == buffer.len()).then_some(())
    }

    /// A native-endian u64.
    fn read_u64(&self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read_exact(address, &mut bytes)?;
        Some(u64::from_ne_bytes(bytes))
    }

    /// A native-endian i32.
    fn read_i32(&self, address: u64) -> Option<i32> {
        let mut bytes = [0; 4];
        self.read_exact(address, &mut bytes)?;
        Some(i32::from_ne_bytes(bytes))
    }

    /// Appends a NUL-terminated string, without its NUL, to `out`. At most `limit` bytes are taken.
    /// Gives `None`, with `out` as it was, if the memory ends before a NUL or the limit.
    fn read_string(&self, address: u64, limit: usize, out: &mut Vec<u8>) -> Option<()> {
        // The smallest page of the supported machines: a chunk never crosses a page, so a string at
        // the end of a mapping is read completely.
        const PAGE: u64 = 4096;
        const CHUNK: u64 = 256;
        let start = out.len();
        let mut at = address;
        let mut chunk = [0; CHUNK as usize];
        while out.len() - start < limit {
            let to_page_end = PAGE - at % PAGE;
            let wanted = CHUNK.min(to_page_end) as usize;
            let got = self.read(at, &mut chunk[..wanted]);
            if got == 0 {
                out.truncate(start);
                return None;
            }
            match chunk[..got].iter().position(|b| *b == 0) {
                Some(end) => {
                    out.extend_from_slice(&chunk[..end]);
                    out.truncate(start + limit);
                    return Some(());
                }
                None => out.extend_from_slice(&chunk[..got]),
            }
            at = at.wrapping_add(got as u64);
        }
        out.truncate(start + limit);
        Some(())
    }
}

impl<M: Memory + ?Sized> Memory for &M {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        (**self).read(address, buffer)
    }

    fn is_denied(&self) -> bool {
        (**self).is_denied()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Bytes that stand at an address.
    pub struct Slice {
        pub base: u64,
        pub bytes: Vec<u8>,
    }

    impl Memory for Slice {
        fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
            let Some(offset) = address.checked_sub(self.base) else {
                return 0;
            };
            let rest = self.bytes.get(offset as usize..).unwrap_or(&[]);
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            count
        }
    }

    #[test]
    fn a_string_may_cross_pages_and_end_at_the_end_of_memory() {
        let mut bytes = vec![b'x'; 300];
        bytes.push(0);
        let memory = Slice {
            base: 4096 - 10,
            bytes,
        };
        let mut out = b"kept".to_vec();
        assert!(memory.read_string(4096 - 10, 4096, &mut out).is_some());
        assert_eq!(out.len(), 304);
    }

    #[test]
    fn a_string_without_an_end_is_none_and_leaves_the_buffer_alone() {
        let memory = Slice {
            base: 0x1000,
            bytes: vec![b'x'; 20],
        };
        let mut out = b"kept".to_vec();
        assert!(memory.read_string(0x1000, 4096, &mut out).is_none());
        assert!(memory.read_string(0, 4096, &mut out).is_none());
        assert_eq!(out, b"kept");
    }

    #[test]
    fn a_string_is_cut_at_the_limit() {
        let memory = Slice {
            base: 0x1000,
            bytes: b"abcdef\0".to_vec(),
        };
        let mut out = Vec::new();
        assert!(memory.read_string(0x1000, 3, &mut out).is_some());
        assert_eq!(out, b"abc");
    }
}

//! The buffers of a lane, and the calls that fill or empty them.

use std::sync::Arc;

use fsreplay_trace::abi;
use libc::{c_int, c_void};

use super::{TextRef, XattrPlace, raw};

/// Buffers of one lane.
pub struct Scratch {
    read: Vec<u8>,
    write: Pattern,
    vectors: Vec<libc::iovec>,
    small: Box<[u64; 512]>,
}

// SAFETY: the vectors hold addresses of buffers that move with the scratch; only its owner uses
// them.
unsafe impl Send for Scratch {}

/// What replays write: not compressible, and the same for all lanes.
#[derive(Clone)]
pub struct Pattern(Arc<[u8]>);

impl Pattern {
    /// For writes of up to `longest` bytes.
    pub fn new(longest: u64) -> Pattern {
        let size = size_for(longest);
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut bytes = Vec::with_capacity(size + size_of::<u64>());
        while bytes.len() < size {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes.truncate(size);
        Pattern(bytes.into())
    }
}

/// Bytes of a buffer for transfers of up to `longest` bytes.
fn size_for(longest: u64) -> usize {
    let longest = usize::try_from(longest).unwrap_or(LARGEST_BUFFER);
    longest.clamp(1 << 16, LARGEST_BUFFER) + 2 * ALIGNMENT
}

/// The largest buffer; longer transfers use it several times in one vectored call.
const LARGEST_BUFFER: usize = 4 << 20;
const MOST_VECTORS: usize = 1024;
const ALIGNMENT: usize = 4096;

impl Scratch {
    /// Buffers for transfers of up to `longest` bytes, for which the pattern was made, in memory
    /// that has been `touched` or will be when it is first used.
    pub fn new(longest: u64, pattern: &Pattern, touched: bool) -> Scratch {
        let read = if touched {
            pattern.0.to_vec()
        } else {
            vec![0; size_for(longest)]
        };
        Scratch {
            read,
            write: pattern.clone(),
            vectors: Vec::with_capacity(MOST_VECTORS),
            small: Box::new([0; 512]),
        }
    }

    /// Start and usable length of a buffer, aligned for `O_DIRECT`.
    fn buffer(&mut self, writing: bool) -> (*mut c_void, usize) {
        // The kernel only reads what is written.
        let start: *mut u8 = if writing {
            self.write.0.as_ptr().cast_mut()
        } else {
            self.read.as_mut_ptr()
        };
        let skip = start.align_offset(ALIGNMENT).min(ALIGNMENT);
        let size = self.read.len() - ALIGNMENT;
        (start.wrapping_add(skip).cast(), size)
    }

    /// The vectors of a transfer: `count` of them if that many are asked for, more if the buffer is
    /// too small.
    fn vectors(&mut self, writing: bool, length: u64, count: u32) -> (*const libc::iovec, c_int) {
        let (base, size) = self.buffer(writing);
        self.vectors.clear();
        let wanted = u64::from(count.max(1)).min(MOST_VECTORS as u64);
        let part = (length / wanted).clamp(u64::from(length > 0), size as u64);
        let mut left = length;
        while self.vectors.len() < MOST_VECTORS && (left > 0 || self.vectors.is_empty()) {
            let last = self.vectors.len() as u64 + 1 >= wanted;
            let this = if last {
                left.min(size as u64)
            } else {
                left.min(part)
            };
            self.vectors.push(libc::iovec {
                iov_base: base,
                iov_len: this as usize,
            });
            left -= this;
        }
        (self.vectors.as_ptr(), self.vectors.len() as c_int)
    }

    pub(super) fn small(&mut self) -> *mut u64 {
        self.small.as_mut_ptr()
    }

    /// `read`, `readv`.
    #[inline]
    pub fn read(&mut self, fd: c_int, length: u64, vectors: u32) -> i64 {
        let (base, size) = self.buffer(false);
        if vectors == 0 && length <= size as u64 {
            return call!(read, fd, base, length);
        }
        let (vectors, count) = self.vectors(false, length, vectors);
        call!(readv, fd, vectors, count)
    }

    /// `write`, `writev`.
    #[inline]
    pub fn write(&mut self, fd: c_int, length: u64, vectors: u32) -> i64 {
        let (base, size) = self.buffer(true);
        if vectors == 0 && length <= size as u64 {
            return call!(write, fd, base, length);
        }
        let (vectors, count) = self.vectors(true, length, vectors);
        call!(writev, fd, vectors, count)
    }

    /// `pread64`, `preadv`, `preadv2`.
    pub fn pread(
        &mut self,
        fd: c_int,
        length: u64,
        vectors: u32,
        offset: i64,
        flags: c_int,
    ) -> i64 {
        let (base, size) = self.buffer(false);
        if vectors == 0 && length <= size as u64 {
            return call!(pread64, fd, base, length, offset);
        }
        let (vectors, count) = self.vectors(false, length, vectors);
        call!(
            preadv2,
            fd,
            vectors,
            count,
            offset,
            offset >> 32 >> 31,
            flags
        )
    }

    /// `pwrite64`, `pwritev`, `pwritev2`.
    pub fn pwrite(
        &mut self,
        fd: c_int,
        length: u64,
        vectors: u32,
        offset: i64,
        flags: c_int,
    ) -> i64 {
        let (base, size) = self.buffer(true);
        if vectors == 0 && length <= size as u64 {
            return call!(pwrite64, fd, base, length, offset);
        }
        let (vectors, count) = self.vectors(true, length, vectors);
        call!(
            pwritev2,
            fd,
            vectors,
            count,
            offset,
            offset >> 32 >> 31,
            flags
        )
    }

    /// `getdents64`: once, or until there is no more; gives how many bytes it got.
    pub fn getdents(&mut self, fd: c_int, length: u64, to_end: bool) -> i64 {
        let (base, size) = self.buffer(false);
        let length = length.min(size as u64);
        let mut all = 0;
        loop {
            let got = call!(getdents64, fd, base, length);
            if got <= 0 || !to_end {
                return if all > 0 && got >= 0 { all } else { got };
            }
            all += got;
        }
    }

    /// `newfstatat`; an empty path without `AT_EMPTY_PATH` fails as it should.
    #[inline]
    pub fn stat(&mut self, dir: c_int, path: TextRef, flags: c_int) -> i64 {
        call!(newfstatat, dir, path.ptr(), self.small(), flags)
    }

    /// `statx`.
    pub fn statx(&mut self, dir: c_int, path: TextRef, flags: c_int, mask: u32) -> i64 {
        call!(statx, dir, path.ptr(), flags, mask, self.small())
    }

    /// `fstat`.
    #[inline]
    pub fn fstat(&mut self, fd: c_int) -> i64 {
        call!(fstat, fd, self.small())
    }

    /// `fstatfs`.
    pub fn fstatfs(&mut self, fd: c_int) -> i64 {
        call!(fstatfs, fd, self.small())
    }

    /// `file_getattr`. The kernel clears what its structure doesn't fill, up to `length`.
    pub fn file_getattr(&mut self, dir: c_int, path: TextRef, length: u64, flags: c_int) -> i64 {
        let (base, size) = self.buffer(false);
        let length = length.min(size as u64);
        call!(file_getattr, dir, path.ptr(), base, length, flags)
    }

    /// `readlinkat`.
    pub fn readlink(&mut self, dir: c_int, path: TextRef, length: u64) -> i64 {
        let (base, size) = self.buffer(false);
        call!(readlinkat, dir, path.ptr(), base, length.min(size as u64))
    }

    /// `fgetxattr` or, with a path, `getxattr` and `lgetxattr`.
    pub fn getxattr(&mut self, place: XattrPlace, name: TextRef, length: u64) -> i64 {
        let (base, size) = self.buffer(false);
        let length = length.min(size as u64);
        match place {
            XattrPlace::Fd(fd) => call!(fgetxattr, fd, name.ptr(), base, length),
            XattrPlace::Path(path, true) => {
                call!(getxattr, path.as_ptr(), name.ptr(), base, length)
            }
            XattrPlace::Path(path, false) => {
                call!(lgetxattr, path.as_ptr(), name.ptr(), base, length)
            }
        }
    }

    /// `fsetxattr`, `setxattr`, `lsetxattr`.
    pub fn setxattr(&mut self, place: XattrPlace, name: TextRef, length: u64, flags: c_int) -> i64 {
        let (base, size) = self.buffer(true);
        let length = length.min(size as u64);
        match place {
            XattrPlace::Fd(fd) => call!(fsetxattr, fd, name.ptr(), base, length, flags),
            XattrPlace::Path(path, true) => {
                call!(setxattr, path.as_ptr(), name.ptr(), base, length, flags)
            }
            XattrPlace::Path(path, false) => {
                call!(lsetxattr, path.as_ptr(), name.ptr(), base, length, flags)
            }
        }
    }

    /// `flistxattr`, `listxattr`, `llistxattr`.
    pub fn listxattr(&mut self, place: XattrPlace, length: u64) -> i64 {
        let (base, size) = self.buffer(false);
        let length = length.min(size as u64);
        match place {
            XattrPlace::Fd(fd) => call!(flistxattr, fd, base, length),
            XattrPlace::Path(path, true) => call!(listxattr, path.as_ptr(), base, length),
            XattrPlace::Path(path, false) => call!(llistxattr, path.as_ptr(), base, length),
        }
    }

    /// `ioctl` with an argument that the kernel may write to (up to 4 KiB), preset to a number.
    pub fn ioctl(&mut self, fd: c_int, command: u64, argument: u64) -> i64 {
        self.small.fill(0);
        self.small[0] = argument;
        if command == u64::from(abi::FS_IOC_SETFLAGS) {
            // Those that it has: a trace doesn't tell which were set, and some can't be taken away.
            let asked = call!(ioctl, fd, u64::from(abi::FS_IOC_GETFLAGS), self.small());
            if asked < 0 {
                return asked;
            }
        }
        // Only commands whose argument is a pointer to at most 4 KiB, or unused, are let through by
        // the planner; the size is encoded in the command where there is one.
        call!(ioctl, fd, command, self.small())
    }

    /// `name_to_handle_at`.
    pub fn name_to_handle(&mut self, dir: c_int, path: TextRef, flags: c_int) -> i64 {
        self.small[0] = 128; // handle_bytes
        let handle = self.small();
        call!(
            name_to_handle_at,
            dir,
            path.ptr(),
            handle,
            self.read.as_mut_ptr(),
            flags
        )
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_listing_to_the_end_goes_on_however_few_entries_a_call_gives() {
        let dir = tempfile::tempdir().expect("a directory");
        for number in 0..100 {
            std::fs::write(dir.path().join(format!("name {number}")), "").expect("a file");
        }
        let mut scratch = Scratch::new(0, &Pattern::new(0), true);
        let mut list = |length, to_end| {
            let dir = std::fs::File::open(dir.path()).expect("it opens");
            scratch.getdents(dir.as_raw_fd(), length, to_end)
        };
        let whole = list(1 << 16, false);
        let part = list(256, false);
        assert!(0 < part && part <= 256 && whole > 256, "{part} of {whole}");
        assert_eq!(list(256, true), whole);
        assert_eq!(scratch.getdents(-1, 256, true), -i64::from(libc::EBADF));
    }
}

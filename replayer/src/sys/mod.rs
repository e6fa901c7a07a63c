//! Raw system calls behind safe functions, for the replay loop. Results are values or `-errno`, as the kernel gives them.
//!
//! Safe, because paths come from a [`Texts`] that ends with a NUL, buffers from a [`Scratch`] whose length bounds every
//! transfer, and memory that is mapped or unmapped is only ever that of [`Mapping`]s made here.

mod raw;

use std::sync::atomic::{AtomicU32, Ordering};

use libc::{c_int, c_void};

pub use raw::{counter, prefetch};

/// NUL-terminated texts, by offset.
pub struct Texts(Vec<u8>);

/// One of them.
#[derive(Clone, Copy)]
pub struct TextRef<'a>(&'a u8);

impl Texts {
    /// A final NUL is added, so that every offset leads to a terminated text.
    pub fn new(mut bytes: Vec<u8>) -> Texts {
        bytes.push(0);
        Texts(bytes)
    }

    /// The text at an offset; beyond the end the empty one.
    #[inline]
    pub fn at(&self, offset: u32) -> TextRef<'_> {
        TextRef(&self.0[(offset as usize).min(self.0.len() - 1)])
    }
}

impl TextRef<'_> {
    #[inline]
    fn ptr(self) -> *const u8 {
        self.0
    }

    /// Whether it has no bytes.
    pub fn is_empty(self) -> bool {
        *self.0 == 0
    }
}

macro_rules! call {
    ($number:ident $(, $arg:expr)*) => {{
        let args = [$(raw::Argument::register($arg)),*];
        // SAFETY: pointers among the arguments are valid for what the kernel does with them, as the safe signature of
        // the enclosing function guarantees; the others are numbers.
        unsafe { raw::syscall(libc::$number, args) }
    }};
}

/// Buffers of one lane.
pub struct Scratch {
    read: Vec<u8>,
    write: Vec<u8>,
    vectors: Vec<libc::iovec>,
    small: Box<[u64; 512]>,
}

// SAFETY: the vectors hold addresses of buffers that move with the scratch; only its owner uses them.
unsafe impl Send for Scratch {}

/// The largest buffer; longer transfers use it several times in one vectored call.
const LARGEST_BUFFER: usize = 4 << 20;
const MOST_VECTORS: usize = 1024;
const ALIGNMENT: usize = 4096;

impl Scratch {
    /// Buffers for transfers of up to `longest` bytes; what is written is not compressible.
    pub fn new(longest: u64) -> Scratch {
        let size = (longest as usize).clamp(1 << 16, LARGEST_BUFFER) + 2 * ALIGNMENT;
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut write = Vec::with_capacity(size);
        while write.len() < size {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            write.extend_from_slice(&state.to_le_bytes());
        }
        write.truncate(size);
        Scratch {
            read: write.clone(),
            write,
            vectors: Vec::with_capacity(MOST_VECTORS),
            small: Box::new([0; 512]),
        }
    }

    /// Start and usable length of a buffer, aligned for `O_DIRECT`.
    fn buffer(&mut self, writing: bool) -> (*mut c_void, usize) {
        let bytes = if writing {
            &mut self.write
        } else {
            &mut self.read
        };
        let skip = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        (bytes[skip..].as_mut_ptr().cast(), bytes.len() - ALIGNMENT)
    }

    /// The vectors of a transfer: `count` of them if that many are asked for, more if the buffer is too small.
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

    fn small(&mut self) -> *mut u64 {
        self.small.as_mut_ptr()
    }

    /// `read`, `readv`.
    #[inline]
    pub fn read(&mut self, fd: c_int, length: u64, vectors: u32) -> i64 {
        let (base, size) = self.buffer(false);
        if vectors == 0 && length <= size as u64 {
            return call!(SYS_read, fd, base, length);
        }
        let (vectors, count) = self.vectors(false, length, vectors);
        call!(SYS_readv, fd, vectors, count)
    }

    /// `write`, `writev`.
    #[inline]
    pub fn write(&mut self, fd: c_int, length: u64, vectors: u32) -> i64 {
        let (base, size) = self.buffer(true);
        if vectors == 0 && length <= size as u64 {
            return call!(SYS_write, fd, base, length);
        }
        let (vectors, count) = self.vectors(true, length, vectors);
        call!(SYS_writev, fd, vectors, count)
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
            return call!(SYS_pread64, fd, base, length, offset);
        }
        let (vectors, count) = self.vectors(false, length, vectors);
        call!(
            SYS_preadv2,
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
            return call!(SYS_pwrite64, fd, base, length, offset);
        }
        let (vectors, count) = self.vectors(true, length, vectors);
        call!(
            SYS_pwritev2,
            fd,
            vectors,
            count,
            offset,
            offset >> 32 >> 31,
            flags
        )
    }

    /// `getdents64`.
    pub fn getdents(&mut self, fd: c_int, length: u64) -> i64 {
        let (base, size) = self.buffer(false);
        call!(SYS_getdents64, fd, base, length.min(size as u64))
    }

    /// `newfstatat`; an empty path without `AT_EMPTY_PATH` fails as it should.
    #[inline]
    pub fn stat(&mut self, dir: c_int, path: TextRef, flags: c_int) -> i64 {
        call!(SYS_newfstatat, dir, path.ptr(), self.small(), flags)
    }

    /// `statx`.
    pub fn statx(&mut self, dir: c_int, path: TextRef, flags: c_int, mask: u32) -> i64 {
        call!(SYS_statx, dir, path.ptr(), flags, mask, self.small())
    }

    /// `fstat`.
    #[inline]
    pub fn fstat(&mut self, fd: c_int) -> i64 {
        call!(SYS_fstat, fd, self.small())
    }

    /// `fstatfs`.
    pub fn fstatfs(&mut self, fd: c_int) -> i64 {
        call!(SYS_fstatfs, fd, self.small())
    }

    /// `readlinkat`.
    pub fn readlink(&mut self, dir: c_int, path: TextRef, length: u64) -> i64 {
        let (base, size) = self.buffer(false);
        call!(
            SYS_readlinkat,
            dir,
            path.ptr(),
            base,
            length.min(size as u64)
        )
    }

    /// `fgetxattr` or, with a path, `getxattr` and `lgetxattr`.
    pub fn getxattr(&mut self, place: XattrPlace, name: TextRef, length: u64) -> i64 {
        let (base, size) = self.buffer(false);
        let length = length.min(size as u64);
        match place {
            XattrPlace::Fd(fd) => call!(SYS_fgetxattr, fd, name.ptr(), base, length),
            XattrPlace::Path(path, true) => {
                call!(SYS_getxattr, path.as_ptr(), name.ptr(), base, length)
            }
            XattrPlace::Path(path, false) => {
                call!(SYS_lgetxattr, path.as_ptr(), name.ptr(), base, length)
            }
        }
    }

    /// `fsetxattr`, `setxattr`, `lsetxattr`.
    pub fn setxattr(&mut self, place: XattrPlace, name: TextRef, length: u64, flags: c_int) -> i64 {
        let (base, size) = self.buffer(true);
        let length = length.min(size as u64);
        match place {
            XattrPlace::Fd(fd) => call!(SYS_fsetxattr, fd, name.ptr(), base, length, flags),
            XattrPlace::Path(path, true) => {
                call!(SYS_setxattr, path.as_ptr(), name.ptr(), base, length, flags)
            }
            XattrPlace::Path(path, false) => call!(
                SYS_lsetxattr,
                path.as_ptr(),
                name.ptr(),
                base,
                length,
                flags
            ),
        }
    }

    /// `flistxattr`, `listxattr`, `llistxattr`.
    pub fn listxattr(&mut self, place: XattrPlace, length: u64) -> i64 {
        let (base, size) = self.buffer(false);
        let length = length.min(size as u64);
        match place {
            XattrPlace::Fd(fd) => call!(SYS_flistxattr, fd, base, length),
            XattrPlace::Path(path, true) => call!(SYS_listxattr, path.as_ptr(), base, length),
            XattrPlace::Path(path, false) => call!(SYS_llistxattr, path.as_ptr(), base, length),
        }
    }

    /// `ioctl` with an argument that the kernel may write to (up to 4 KiB), preset to a number.
    pub fn ioctl(&mut self, fd: c_int, command: u64, argument: u64) -> i64 {
        self.small.fill(0);
        self.small[0] = argument;
        // Only commands whose argument is a pointer to at most 4 KiB, or unused, are let through by the planner; the size
        // is encoded in the command where there is one.
        call!(SYS_ioctl, fd, command, self.small())
    }

    /// `name_to_handle_at`.
    pub fn name_to_handle(&mut self, dir: c_int, path: TextRef, flags: c_int) -> i64 {
        self.small[0] = 128; // handle_bytes
        let handle = self.small();
        call!(
            SYS_name_to_handle_at,
            dir,
            path.ptr(),
            handle,
            self.read.as_mut_ptr(),
            flags
        )
    }
}

/// Where an extended attribute is: xattr calls have no `*at` form on older kernels, so paths are absolute ones that
/// lead into the replay directory.
pub enum XattrPlace<'a> {
    /// A descriptor.
    Fd(c_int),
    /// A path, and whether a link at its end is followed.
    Path(&'a std::ffi::CStr, bool),
}

/// Sets `system.posix_acl_access` to the ACL that says no more than the permission bits of a mode.
pub fn set_acl(place: XattrPlace, mode: u32) -> i64 {
    let name = c"system.posix_acl_access".as_ptr();
    let mut value = [0u8; 28];
    value[..4].copy_from_slice(&2u32.to_ne_bytes());
    let tags = [(0x01u16, mode >> 6), (0x04, mode >> 3), (0x20, mode)];
    for (entry, (tag, permissions)) in value[4..].chunks_exact_mut(8).zip(tags) {
        entry[..2].copy_from_slice(&tag.to_ne_bytes());
        entry[2..4].copy_from_slice(&((permissions & 7) as u16).to_ne_bytes());
        entry[4..].fill(0xff);
    }
    let (value, length) = (value.as_ptr(), value.len());
    match place {
        XattrPlace::Fd(fd) => call!(SYS_fsetxattr, fd, name, value, length, 0),
        XattrPlace::Path(path, true) => {
            call!(SYS_setxattr, path.as_ptr(), name, value, length, 0)
        }
        XattrPlace::Path(path, false) => {
            call!(SYS_lsetxattr, path.as_ptr(), name, value, length, 0)
        }
    }
}

/// `openat`, or `openat2` if there are resolve flags.
#[inline]
pub fn open(dir: c_int, path: TextRef, flags: c_int, mode: u32, resolve: u64) -> i64 {
    if resolve == 0 {
        return call!(SYS_openat, dir, path.ptr(), flags, mode);
    }
    let mode = if flags & (libc::O_CREAT | libc::O_TMPFILE) == 0 {
        0
    } else {
        u64::from(mode)
    };
    let how = [flags as u64, mode, resolve];
    call!(
        SYS_openat2,
        dir,
        path.ptr(),
        how.as_ptr(),
        size_of_val(&how)
    )
}

macro_rules! plain {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $kind:ty),*) = $number:ident($($value:expr),*);)*) => {
        $($(#[$doc])* #[inline] pub fn $name($($arg: $kind),*) -> i64 { call!($number $(, $value)*) })*
    };
}

plain! {
    /// `close`. The replay's slots own their descriptors.
    close(fd: c_int) = SYS_close(fd);
    /// `fcntl(F_DUPFD_CLOEXEC)`.
    dup(fd: c_int) = SYS_fcntl(fd, libc::F_DUPFD_CLOEXEC, 0);
    /// `dup3`.
    dup3(fd: c_int, to: c_int) = SYS_dup3(fd, to, libc::O_CLOEXEC);
    /// `fcntl` with a number.
    fcntl(fd: c_int, command: c_int, argument: u64) = SYS_fcntl(fd, command, argument);
    /// `fcntl` with a lock.
    lock(fd: c_int, command: c_int, lock: &mut libc::flock) = SYS_fcntl(fd, command, std::ptr::from_mut(lock));
    /// `flock`.
    flock(fd: c_int, operation: c_int) = SYS_flock(fd, operation);
    /// `ioctl(FICLONE)`.
    clone_file(fd: c_int, source: c_int) = SYS_ioctl(fd, 0x4004_9409u64, source);
    /// `ioctl(FICLONERANGE)`.
    clone_range(fd: c_int, range: &[u64; 4]) = SYS_ioctl(fd, 0x4020_940Du64, range.as_ptr());
    /// `lseek`.
    seek(fd: c_int, offset: i64, whence: c_int) = SYS_lseek(fd, offset, whence);
    /// `faccessat2`; `faccessat` where there are no flags.
    access(dir: c_int, path: TextRef, mode: c_int) = SYS_faccessat(dir, path.ptr(), mode);
    /// `faccessat2`.
    access2(dir: c_int, path: TextRef, mode: c_int, flags: c_int) = SYS_faccessat2(dir, path.ptr(), mode, flags);
    /// `mkdirat`.
    mkdir(dir: c_int, path: TextRef, mode: u32) = SYS_mkdirat(dir, path.ptr(), mode);
    /// `unlinkat`.
    unlink(dir: c_int, path: TextRef, flags: c_int) = SYS_unlinkat(dir, path.ptr(), flags);
    /// `renameat2`.
    rename(dir: c_int, path: TextRef, to: c_int, new: TextRef, flags: u32) = SYS_renameat2(dir, path.ptr(), to, new.ptr(), flags);
    /// `linkat`.
    link(dir: c_int, path: TextRef, to: c_int, new: TextRef, flags: c_int) = SYS_linkat(dir, path.ptr(), to, new.ptr(), flags);
    /// `symlinkat`.
    symlink(target: TextRef, dir: c_int, path: TextRef) = SYS_symlinkat(target.ptr(), dir, path.ptr());
    /// `mknodat` of a regular file or FIFO.
    mknod(dir: c_int, path: TextRef, mode: u32) = SYS_mknodat(dir, path.ptr(), mode, 0);
    /// `fchmodat`.
    chmod(dir: c_int, path: TextRef, mode: u32) = SYS_fchmodat(dir, path.ptr(), mode);
    /// `fchmodat2`.
    chmod2(dir: c_int, path: TextRef, mode: u32, flags: c_int) = SYS_fchmodat2(dir, path.ptr(), mode, flags);
    /// `fchmod`.
    fchmod(fd: c_int, mode: u32) = SYS_fchmod(fd, mode);
    /// `fchownat`.
    chown(dir: c_int, path: TextRef, uid: u32, gid: u32, flags: c_int) = SYS_fchownat(dir, path.ptr(), uid, gid, flags);
    /// `fchown`.
    fchown(fd: c_int, uid: u32, gid: u32) = SYS_fchown(fd, uid, gid);
    /// `ftruncate`.
    ftruncate(fd: c_int, length: i64) = SYS_ftruncate(fd, length);
    /// `fallocate`.
    fallocate(fd: c_int, mode: c_int, offset: i64, length: i64) = SYS_fallocate(fd, mode, offset, length);
    /// `fsync`.
    fsync(fd: c_int) = SYS_fsync(fd);
    /// `fdatasync`.
    fdatasync(fd: c_int) = SYS_fdatasync(fd);
    /// `syncfs`.
    syncfs(fd: c_int) = SYS_syncfs(fd);
    /// `sync_file_range`.
    sync_range(fd: c_int, offset: i64, length: i64, flags: u32) = SYS_sync_file_range(fd, offset, length, flags);
    /// `fremovexattr`.
    fremovexattr(fd: c_int, name: TextRef) = SYS_fremovexattr(fd, name.ptr());
    /// `fadvise64`.
    advise(fd: c_int, offset: i64, length: i64, advice: c_int) = SYS_fadvise64(fd, offset, length, advice);
    /// `readahead`.
    readahead(fd: c_int, offset: i64, length: u64) = SYS_readahead(fd, offset, length);
    /// `inotify_add_watch` by way of a descriptor's path.
    watch(inotify: c_int, path: &std::ffi::CStr, mask: u32) = SYS_inotify_add_watch(inotify, path.as_ptr(), mask);
}

/// `truncate`, `statfs` and xattr calls have no `*at` form: their paths are absolute.
pub fn truncate(path: &std::ffi::CStr, length: i64) -> i64 {
    call!(SYS_truncate, path.as_ptr(), length)
}

/// `statfs`.
pub fn statfs(path: &std::ffi::CStr, scratch: &mut Scratch) -> i64 {
    call!(SYS_statfs, path.as_ptr(), scratch.small())
}

/// `removexattr`, `lremovexattr`.
pub fn removexattr(path: &std::ffi::CStr, name: TextRef, follow: bool) -> i64 {
    if follow {
        call!(SYS_removexattr, path.as_ptr(), name.ptr())
    } else {
        call!(SYS_lremovexattr, path.as_ptr(), name.ptr())
    }
}

/// `utimensat`; without a path the descriptor itself, without times "now".
pub fn utimens(
    dir: c_int,
    path: Option<TextRef>,
    times: Option<[libc::timespec; 2]>,
    flags: c_int,
) -> i64 {
    let path = path.map_or(std::ptr::null(), TextRef::ptr);
    let times = times
        .as_ref()
        .map_or(std::ptr::null(), |times| times.as_ptr());
    call!(SYS_utimensat, dir, path, times, flags)
}

fn offset(value: &mut i64) -> *mut i64 {
    if *value < 0 {
        std::ptr::null_mut()
    } else {
        std::ptr::from_mut(value)
    }
}

/// `copy_file_range`; a negative offset is the descriptor's own.
pub fn copy_range(
    source: c_int,
    mut from: i64,
    fd: c_int,
    mut to: i64,
    length: u64,
    flags: u32,
) -> i64 {
    call!(
        SYS_copy_file_range,
        source,
        offset(&mut from),
        fd,
        offset(&mut to),
        length,
        flags
    )
}

/// `sendfile`; a negative offset is the descriptor's own.
pub fn sendfile(fd: c_int, source: c_int, mut from: i64, length: u64) -> i64 {
    call!(SYS_sendfile, fd, source, offset(&mut from), length)
}

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
        (
            Mapping {
                address: address as usize,
                length: (length as usize).next_multiple_of(page()),
            },
            0,
        )
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

/// `FUTEX_WAIT` for at most 100 ms.
pub fn futex_wait(word: &AtomicU32, value: u32) {
    let timeout = libc::timespec {
        tv_sec: 0,
        tv_nsec: 100_000_000,
    };
    let _ = call!(
        SYS_futex,
        word.as_ptr(),
        libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
        value,
        std::ptr::from_ref(&timeout)
    );
}

/// `FUTEX_WAKE` of all.
pub fn futex_wake(word: &AtomicU32) {
    let _ = word.load(Ordering::Relaxed);
    let _ = call!(
        SYS_futex,
        word.as_ptr(),
        libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
        i32::MAX
    );
}

/// A descriptor of the replay's slots, for as long as the caller keeps its slot.
pub fn borrow<'a>(fd: c_int) -> std::os::fd::BorrowedFd<'a> {
    debug_assert!(fd >= 0);
    // SAFETY: callers check that the number isn't negative, and slots are closed only by the op that the plan has for
    // it or after all lanes have ended; a number that was closed meanwhile gives EBADF, not undefined behaviour.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) }
}

/// Whether [`counter`] counts anything.
pub fn has_counter() -> bool {
    cfg!(any(target_arch = "x86_64", target_arch = "aarch64"))
}

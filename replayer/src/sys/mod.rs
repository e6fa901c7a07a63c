//! Raw system calls behind safe functions, for the replay loop. Results are values or `-errno`, as
//! the kernel gives them.
//!
//! Safe, because paths come from a [`Texts`] that ends with a NUL, buffers from a [`Scratch`] whose
//! length bounds every transfer, and memory that is mapped or unmapped is only ever that of
//! [`Mapping`]s made here.

macro_rules! call {
    ($name:ident $(, $arg:expr)*) => {{
        const NUMBER: i64 = raw::number(fsreplay_trace::call::Call::$name);
        let args = [$(raw::Argument::register($arg)),*];
        // SAFETY: pointers among the arguments are valid for what the kernel does with them, as the
        // safe signature of the enclosing function guarantees; the others are numbers.
        unsafe { raw::syscall(NUMBER, args) }
    }};
}

mod mapping;
mod raw;
mod scratch;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fsreplay_trace::abi;
use libc::c_int;

pub use mapping::{Mapping, TOUCHED_WRITTEN};
pub use raw::{counter, prefetch};
pub use scratch::{Pattern, Scratch};

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
    /// The empty text.
    pub const EMPTY: TextRef<'static> = TextRef(&0);

    #[inline]
    fn ptr(self) -> *const u8 {
        self.0
    }

    /// Asks the processor to have at hand soon what lies so many bytes after its beginning.
    #[inline]
    pub fn prefetch_after(self, bytes: usize) {
        prefetch(self.ptr().wrapping_add(bytes));
    }

    /// Whether it has no bytes.
    pub fn is_empty(self) -> bool {
        *self.0 == 0
    }
}

/// Where an extended attribute is: xattr calls have no `*at` form on older kernels, so paths are
/// absolute ones that lead into the replay directory.
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
        XattrPlace::Fd(fd) => call!(fsetxattr, fd, name, value, length, 0),
        XattrPlace::Path(path, true) => {
            call!(setxattr, path.as_ptr(), name, value, length, 0)
        }
        XattrPlace::Path(path, false) => {
            call!(lsetxattr, path.as_ptr(), name, value, length, 0)
        }
    }
}

/// Gives this thread a table of descriptors of its own, where that is allowed: `close_range` of no
/// descriptor at all with `CLOSE_RANGE_UNSHARE` (close_range(2)), because containers forbid
/// `unshare`.
pub fn unshare_files() {
    let _ = call!(close_range, u32::MAX, u32::MAX, libc::CLOSE_RANGE_UNSHARE);
}

/// `openat`, or `openat2` if there are resolve flags.
#[inline]
pub fn open(dir: c_int, path: TextRef, flags: c_int, mode: u32, resolve: u64) -> i64 {
    if resolve == 0 {
        return call!(openat, dir, path.ptr(), flags, mode);
    }
    let mode = if flags & (libc::O_CREAT | libc::O_TMPFILE) == 0 {
        0
    } else {
        u64::from(mode)
    };
    let how = [flags as u64, mode, resolve];
    call!(openat2, dir, path.ptr(), how.as_ptr(), size_of_val(&how))
}

macro_rules! plain {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $kind:ty),*)
        = $call:ident($($value:expr),*);)*) => {
        $($(#[$doc])*
        #[inline]
        pub fn $name($($arg: $kind),*) -> i64 {
            call!($call $(, $value)*)
        })*
    };
}

plain! {
    /// `close`. The replay's slots own their descriptors.
    close(fd: c_int) = close(fd);
    /// `fcntl(F_DUPFD_CLOEXEC)`.
    dup(fd: c_int) = fcntl(fd, libc::F_DUPFD_CLOEXEC, 0);
    /// `dup3`.
    dup3(fd: c_int, to: c_int) = dup3(fd, to, libc::O_CLOEXEC);
    /// `fcntl` with a number.
    fcntl(fd: c_int, command: c_int, argument: u64) = fcntl(fd, command, argument);
    /// `fcntl` with a lock.
    lock(fd: c_int, command: c_int, lock: &mut libc::flock)
        = fcntl(fd, command, std::ptr::from_mut(lock));
    /// `flock`.
    flock(fd: c_int, operation: c_int) = flock(fd, operation);
    /// `ioctl(FICLONE)`.
    clone_file(fd: c_int, source: c_int) = ioctl(fd, u64::from(abi::FICLONE), source);
    /// `ioctl(FICLONERANGE)`.
    clone_range(fd: c_int, range: &[u64; 4])
        = ioctl(fd, u64::from(abi::FICLONERANGE), range.as_ptr());
    /// `lseek`.
    seek(fd: c_int, offset: i64, whence: c_int) = lseek(fd, offset, whence);
    /// `faccessat2`; `faccessat` where there are no flags.
    access(dir: c_int, path: TextRef, mode: c_int) = faccessat(dir, path.ptr(), mode);
    /// `faccessat2`.
    access2(dir: c_int, path: TextRef, mode: c_int, flags: c_int)
        = faccessat2(dir, path.ptr(), mode, flags);
    /// `mkdirat`.
    mkdir(dir: c_int, path: TextRef, mode: u32) = mkdirat(dir, path.ptr(), mode);
    /// `unlinkat`.
    unlink(dir: c_int, path: TextRef, flags: c_int) = unlinkat(dir, path.ptr(), flags);
    /// `renameat2`.
    rename(dir: c_int, path: TextRef, to: c_int, new: TextRef, flags: u32)
        = renameat2(dir, path.ptr(), to, new.ptr(), flags);
    /// `linkat`.
    link(dir: c_int, path: TextRef, to: c_int, new: TextRef, flags: c_int)
        = linkat(dir, path.ptr(), to, new.ptr(), flags);
    /// `symlinkat`.
    symlink(target: TextRef, dir: c_int, path: TextRef) = symlinkat(target.ptr(), dir, path.ptr());
    /// `mknodat` of a regular file or FIFO.
    mknod(dir: c_int, path: TextRef, mode: u32) = mknodat(dir, path.ptr(), mode, 0);
    /// `fchmodat`.
    chmod(dir: c_int, path: TextRef, mode: u32) = fchmodat(dir, path.ptr(), mode);
    /// `fchmodat2`.
    chmod2(dir: c_int, path: TextRef, mode: u32, flags: c_int)
        = fchmodat2(dir, path.ptr(), mode, flags);
    /// `unshare`.
    unshare(flags: c_int) = unshare(flags);
    /// `fchdir`.
    fchdir(fd: c_int) = fchdir(fd);
    /// `fchmodat` of an absolute path.
    chmod_path(path: &std::ffi::CStr, mode: u32) = fchmodat(libc::AT_FDCWD, path.as_ptr(), mode);
    /// `fchmod`.
    fchmod(fd: c_int, mode: u32) = fchmod(fd, mode);
    /// `fchownat`.
    chown(dir: c_int, path: TextRef, uid: u32, gid: u32, flags: c_int)
        = fchownat(dir, path.ptr(), uid, gid, flags);
    /// `fchown`.
    fchown(fd: c_int, uid: u32, gid: u32) = fchown(fd, uid, gid);
    /// `ftruncate`.
    ftruncate(fd: c_int, length: i64) = ftruncate(fd, length);
    /// `fallocate`.
    fallocate(fd: c_int, mode: c_int, offset: i64, length: i64)
        = fallocate(fd, mode, offset, length);
    /// `fsync`.
    fsync(fd: c_int) = fsync(fd);
    /// `fdatasync`.
    fdatasync(fd: c_int) = fdatasync(fd);
    /// `syncfs`.
    syncfs(fd: c_int) = syncfs(fd);
    /// `sync_file_range`.
    sync_range(fd: c_int, offset: i64, length: i64, flags: u32)
        = sync_file_range(fd, offset, length, flags);
    /// `fremovexattr`.
    fremovexattr(fd: c_int, name: TextRef) = fremovexattr(fd, name.ptr());
    /// `fadvise64`.
    advise(fd: c_int, offset: i64, length: i64, advice: c_int)
        = fadvise64(fd, offset, length, advice);
    /// `readahead`.
    readahead(fd: c_int, offset: i64, length: u64) = readahead(fd, offset, length);
    /// `inotify_add_watch` by way of a descriptor's path.
    watch(inotify: c_int, path: &std::ffi::CStr, mask: u32)
        = inotify_add_watch(inotify, path.as_ptr(), mask);
}

/// `truncate`, `statfs` and xattr calls have no `*at` form: their paths are absolute.
pub fn truncate(path: &std::ffi::CStr, length: i64) -> i64 {
    call!(truncate, path.as_ptr(), length)
}

/// `statfs`.
pub fn statfs(path: &std::ffi::CStr, scratch: &mut Scratch) -> i64 {
    call!(statfs, path.as_ptr(), scratch.small())
}

/// `readlinkat` of an absolute path.
pub fn read_link(path: &std::ffi::CStr, text: &mut [u8]) -> i64 {
    let (buffer, length) = (text.as_mut_ptr(), text.len());
    call!(readlinkat, libc::AT_FDCWD, path.as_ptr(), buffer, length)
}

/// `removexattr`, `lremovexattr`.
pub fn removexattr(path: &std::ffi::CStr, name: TextRef, follow: bool) -> i64 {
    if follow {
        call!(removexattr, path.as_ptr(), name.ptr())
    } else {
        call!(lremovexattr, path.as_ptr(), name.ptr())
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
    call!(utimensat, dir, path, times, flags)
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
        copy_file_range,
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
    call!(sendfile, fd, source, offset(&mut from), length)
}

/// The longest wait for a futex: whoever waits looks then whether all are to stop.
pub const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// `FUTEX_WAIT` for at most [`LONGEST_WAIT`].
pub fn futex_wait(word: &AtomicU32, value: u32) {
    futex_wait_for(word, value, Duration::MAX);
}

/// The same, for no longer than `most`.
pub fn futex_wait_for(word: &AtomicU32, value: u32, most: Duration) {
    let timeout = libc::timespec {
        tv_sec: 0,
        tv_nsec: most.min(LONGEST_WAIT).as_nanos() as libc::c_long,
    };
    let _ = call!(
        futex,
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
        futex,
        word.as_ptr(),
        libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
        i32::MAX
    );
}

/// A descriptor of the replay's slots, for as long as the caller keeps its slot.
pub fn borrow<'a>(fd: c_int) -> std::os::fd::BorrowedFd<'a> {
    debug_assert!(fd >= 0);
    // SAFETY: callers check that the number isn't negative, and slots are closed only by the op
    // that the plan has for it or after all lanes have ended; a number that was closed
    // meanwhile gives EBADF, not undefined behaviour.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) }
}

/// Owns a descriptor that a call of this module has just returned, and that is in no slot.
pub fn own(fd: c_int) -> std::os::fd::OwnedFd {
    use std::os::fd::FromRawFd;
    debug_assert!(fd >= 0);
    // SAFETY: callers have checked that the number isn't negative, and nobody else closes it.
    unsafe { std::os::fd::OwnedFd::from_raw_fd(fd) }
}

/// Whether [`counter`] counts anything.
pub fn has_counter() -> bool {
    cfg!(any(target_arch = "x86_64", target_arch = "aarch64"))
}

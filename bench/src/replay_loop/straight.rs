//! The loops that the replay loop is measured beside. This module is made for the `unsafe` of
//! system calls without a library around them.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Instant;

use rustix::fs::{AtFlags, Mode, OFlags};
use syscalls::{Errno, Sysno, syscall};

use super::{PIECE, SIZE};

/// What a read asks for.
const LENGTH: usize = 4096;

/// Seconds of each piece, by the instruction itself: nothing returns between two calls.
pub fn by_instruction(root: &OwnedFd, paths: &[CString], passes: usize) -> io::Result<Vec<f64>> {
    let mut buffer = vec![0u8; LENGTH];
    in_pieces(paths, passes, |path| {
        let (root, path) = (root.as_raw_fd(), path.as_ptr());
        let mut status = MaybeUninit::<libc::stat>::uninit();
        let buffer = buffer.as_mut_ptr();
        // SAFETY: the path ends with a zero, the kernel writes a status to what is as large as one,
        // and at most LENGTH bytes to the buffer; the descriptor is closed by whom it belongs to.
        unsafe {
            syscall!(Sysno::newfstatat, root, path, status.as_mut_ptr(), 0)?;
            let flags = libc::O_RDONLY | libc::O_CLOEXEC;
            let file = syscall!(Sysno::openat, root, path, flags, 0)?;
            syscall!(Sysno::fstat, file, status.as_mut_ptr())?;
            while syscall!(Sysno::read, file, buffer, LENGTH)? > 0 {}
            syscall!(Sysno::close, file)?;
        }
        Ok::<(), Errno>(())
    })
}

/// The same, as programs call.
pub fn by_libraries(root: &OwnedFd, paths: &[CString], passes: usize) -> io::Result<Vec<f64>> {
    let mut buffer = vec![0u8; LENGTH];
    in_pieces(paths, passes, |path| {
        rustix::fs::statat(root, path, AtFlags::empty())?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(root, path, flags, Mode::empty())?;
        rustix::fs::fstat(&file)?;
        while rustix::io::read(&file, &mut buffer[..])? > 0 {}
        Ok::<(), rustix::io::Errno>(())
    })
}

/// Seconds of each piece of what is done for each file.
#[inline(always)]
fn in_pieces<E: Into<io::Error>>(
    paths: &[CString],
    passes: usize,
    mut visit: impl FnMut(&CString) -> Result<(), E>,
) -> io::Result<Vec<f64>> {
    let mut pieces = Vec::with_capacity(passes * paths.len() / PIECE);
    for _ in 0..passes {
        for paths in paths.chunks(PIECE) {
            let begin = Instant::now();
            for path in paths {
                visit(path).map_err(Into::into)?;
            }
            pieces.push(begin.elapsed().as_secs_f64());
        }
    }
    Ok(pieces)
}

const _: () = assert!(
    SIZE < LENGTH as u64,
    "one read takes a file, one sees its end"
);

//! Contents of whole files, copied by other means where the kernel's own don't do here.
//!
//! Holes stay holes, as with cp(1): else a trace of a few bytes, with a file that is large and
//! empty, would fill the target. And a copy ends where the replay is to stop, however long it is.

use std::os::fd::RawFd;

use rustix::io::Errno;

use super::Issuer;
use crate::sys;

/// Bytes of one copy inside the kernel: between two, the replay can be stopped.
const LONGEST: u64 = 256 << 20;

impl Issuer<'_> {
    /// Copies a whole file, and leaves both offsets as they were.
    pub(super) fn copy_whole(&self, source: RawFd, target: RawFd) {
        if source < 0 || target < 0 {
            return;
        }
        let before = [source, target].map(|fd| (fd, sys::seek(fd, 0, libc::SEEK_CUR)));
        let mut is_refused = false;
        // What goes wrong shows in the sizes that later calls find.
        let _ = self.copy_stretches(source, target, |at, length| {
            let (here, length) = (at as i64, length.min(LONGEST));
            if !is_refused {
                let copied = sys::copy_range(source, here, target, here, length, 0);
                if copied > 0 {
                    return Ok(copied as u64);
                }
                is_refused = true; // file systems differ
            }
            sys::seek(target, here, libc::SEEK_SET);
            outcome(sys::sendfile(target, source, here, length))
        });
        for (fd, offset) in before {
            sys::seek(fd, offset, libc::SEEK_SET);
        }
    }

    /// Has `copy` copy what a file holds, stretch by stretch: from an offset on at most so many
    /// bytes, of which it gives how many it did. Leaves the source's offset anywhere.
    ///
    /// # Errors
    /// That of `copy`, of what isn't a regular file, and `EINTR` where the replay is to stop.
    pub(super) fn copy_stretches(
        &self,
        source: RawFd,
        target: RawFd,
        mut copy: impl FnMut(u64, u64) -> Result<u64, Errno>,
    ) -> Result<(), Errno> {
        let mut at = 0;
        while let Some((data, end)) = next_stretch(source, at)? {
            at = data;
            while at < end {
                if self.progress.is_to_stop() {
                    return Err(Errno::INTR);
                }
                match copy(at, end - at)? {
                    0 => return Ok(()), // it was cut off meanwhile
                    copied => at += copied,
                }
            }
        }
        // A hole at the end belongs to it.
        let (source, target) = (sys::borrow(source), sys::borrow(target));
        let size = rustix::fs::fstat(source)?.st_size as u64;
        if size > rustix::fs::fstat(target)?.st_size as u64 {
            rustix::fs::ftruncate(target, size)?;
        }
        Ok(())
    }
}

/// Where a file's next data lie from an offset on: their begin and end.
fn next_stretch(file: RawFd, from: u64) -> Result<Option<(u64, u64)>, Errno> {
    let begin = match outcome(sys::seek(file, from as i64, libc::SEEK_DATA)) {
        Err(Errno::NXIO) => return Ok(None), // a hole up to the end, or the end
        begin => begin?,
    };
    let end = outcome(sys::seek(file, begin as i64, libc::SEEK_HOLE))?;
    Ok((end > begin).then_some((begin, end)))
}

fn outcome(result: i64) -> Result<u64, Errno> {
    u64::try_from(result).map_err(|_| Errno::from_raw_os_error(-result as i32))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn stretches_are_what_is_not_a_hole() {
        let file = tempfile::tempfile().expect("a file");
        file.set_len(64 << 20).expect("it grows");
        assert_eq!(
            next_stretch(file.as_raw_fd(), 0).map(|s| s.is_some()),
            Ok(false)
        );
        file.write_all_at(b"x", 32 << 20).expect("it is written");
        let found = next_stretch(file.as_raw_fd(), 0).expect("it is told");
        let (begin, end) = found.expect("there are data");
        // What a file system keeps together is its own matter.
        assert!(
            begin > 0 && begin <= 32 << 20 && end > 32 << 20,
            "{begin} {end}"
        );
        assert_eq!(next_stretch(file.as_raw_fd(), end), Ok(None));
    }
}

//! Calls on sizes, contents and mappings.

use super::{Issuer, UNISSUED};
use crate::plan::{Action, Slot};
use crate::sys::{self, Mapping};

impl Issuer<'_> {
    /// Sizes, copies, mappings.
    pub(super) fn issue_data(&mut self, action: &Action, expected: i64) -> i64 {
        use Action::*;
        match *action {
            FdTruncate { fd, length } => sys::ftruncate(self.fd(fd), length),
            Allocate {
                fd,
                mode,
                offset,
                length,
            } => sys::fallocate(self.fd(fd), mode, offset, length),
            Fsync { fd } => sys::fsync(self.fd(fd)),
            Fdatasync { fd } => sys::fdatasync(self.fd(fd)),
            Syncfs { fd } => sys::syncfs(self.fd(fd)),
            SyncRange {
                fd,
                offset,
                length,
                flags,
            } => sys::sync_range(self.fd(fd), offset, length, flags),
            CopyRange {
                source,
                source_offset: -1,
                fd,
                offset: -1,
                length,
                flags: 0,
            } => self.copy_on(source, fd, length, expected),
            CopyRange {
                source,
                source_offset,
                fd,
                offset,
                length,
                flags,
            } => sys::copy_range(
                self.fd(source),
                source_offset,
                self.fd(fd),
                offset,
                length,
                flags,
            ),
            SendFile {
                source,
                source_offset,
                fd,
                length,
            } => sys::sendfile(self.fd(fd), self.fd(source), source_offset, length),
            Fcntl {
                fd,
                command,
                argument,
            } => sys::fcntl(self.fd(fd), command, fcntl_argument(command, argument)),
            Ioctl {
                fd,
                command,
                argument,
            } => self.scratch.ioctl(self.fd(fd), command, argument),
            CloneRange {
                fd,
                source,
                source_offset,
                length,
                offset,
            } => {
                let source = self.fd(source) as u32;
                sys::clone_range(
                    self.fd(fd),
                    &[u64::from(source), source_offset, length, offset],
                )
            }
            Map {
                fd,
                map,
                length,
                prot,
                flags,
                offset,
            } => {
                let (mapping, result) = Mapping::map(self.fd(fd), length, prot, flags, offset);
                self.with_map(map, |held| *held = mapping);
                result
            }
            Unmap { map, start, length } => self
                .with_map(map, |held| held.unmap(start, length))
                .unwrap_or(0),
            MapSync {
                map,
                start,
                length,
                flags,
            } => self
                .with_map(map, |held| held.sync(start, length, flags))
                .unwrap_or(0),
            MapAdvise {
                map,
                start,
                length,
                advice,
            } => self
                .with_map(map, |held| held.advise(start, length, advice))
                .unwrap_or(0),
            Advise {
                fd,
                offset,
                length,
                advice,
            } => sys::advise(self.fd(fd), offset, length, advice),
            ReadAhead { fd, offset, length } => sys::readahead(self.fd(fd), offset, length),
            _ => UNISSUED,
        }
    }

    /// Clones a file. One that can't be cloned here, though it could when recorded, a tool copies
    /// instead. One that can be cloned here, though it couldn't then, leaves nothing to copy.
    #[inline(never)]
    pub(super) fn clone_file(
        &mut self,
        index: usize,
        fd: Slot,
        source: Slot,
        expected: i64,
    ) -> i64 {
        let (fd, source) = (self.fd(fd), self.fd(source));
        let result = sys::clone_file(fd, source);
        match (result >= 0, expected >= 0) {
            (true, false) => self.cloned.push(index as u32),
            (false, true) => self.copy_whole(source, fd),
            _ => {}
        }
        result
    }

    fn with_map<T>(&self, map: u32, action: impl FnOnce(&mut Mapping) -> T) -> Option<T> {
        let mut held = self.shared.maps.get(map as usize)?.lock().ok()?;
        Some(action(&mut held))
    }
}

/// Flags that `F_SETFL` may set; the others signal processes or wait.
const SETTABLE: u64 = (libc::O_APPEND | libc::O_DIRECT | libc::O_NOATIME) as u64;

/// The argument of an `fcntl` on flags: those of the replay's own ([`super::open_flags`]) stay.
fn fcntl_argument(command: i32, argument: u64) -> u64 {
    match command {
        libc::F_SETFL => argument & SETTABLE | libc::O_NONBLOCK as u64,
        libc::F_SETFD => libc::FD_CLOEXEC as u64,
        _ => argument,
    }
}

//! Files that are made without a name (`O_TMPFILE`), and their names.
//!
//! Where the file system can't make any, which is a divergence, the replay goes on as tools do:
//! with a file of a name of its own, which gets the wanted one where the recorded file got one,
//! and goes with its descriptor else.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::held::Lies;
use super::{Issuer, open_flags};
use crate::plan::{At, Slot};
use crate::sys;

/// A file with a name of the replay's own, in place of one without.
struct StandIn {
    dir: OwnedFd,
    name: CString,
}

/// All such files.
#[derive(Default)]
pub(crate) struct Unnamed {
    /// By slot; duplicates of a descriptor share one.
    by_slot: Mutex<HashMap<u32, Arc<StandIn>>>,
    /// How many were ever made.
    made: AtomicUsize,
}

impl Unnamed {
    fn all(&self) -> MutexGuard<'_, HashMap<u32, Arc<StandIn>>> {
        self.by_slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot's descriptor was duplicated into another slot.
    #[inline]
    pub(super) fn duplicated(&self, slot: Slot, out: Slot) {
        if self.made.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut all = self.all();
        match all.get(&slot.0).cloned() {
            Some(stand_in) => all.insert(out.0, stand_in),
            None => all.remove(&out.0),
        };
    }

    /// The slot's descriptor is closed.
    #[inline]
    pub(super) fn closed(&self, slot: Slot) {
        if self.made.load(Ordering::Relaxed) > 0 {
            self.forget(slot);
        }
    }

    #[cold]
    fn forget(&self, slot: Slot) {
        self.all().remove(&slot.0);
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // One that got its name isn't there any more.
        let _ = rustix::fs::unlinkat(&self.dir, &*self.name, AtFlags::empty());
    }
}

/// Whether an open that failed was to make a file without a name, and can't here.
pub(super) fn can_not_be(flags: i32, error: i64) -> bool {
    let unsupported = [libc::EOPNOTSUPP, libc::EISDIR, libc::ENOSYS];
    flags & libc::O_TMPFILE == libc::O_TMPFILE && unsupported.contains(&(-error as i32))
}

impl Issuer<'_> {
    /// Makes a file in place of one without a name. Gives its descriptor, or `error` if that fails.
    #[cold]
    pub(super) fn stand_in(&mut self, at: At, flags: i32, mode: u32, out: Slot, error: i64) -> i64 {
        let (dir, path) = self.at(at);
        let dir = sys::open(
            dir,
            path,
            libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC,
            0,
            0,
        );
        if dir < 0 {
            return error;
        }
        let dir = sys::own(dir as RawFd);
        if !self.shared.is_walled() && self.whereabouts(dir.as_raw_fd()) != Lies::Inside {
            return error;
        }
        let number = self.shared.unnamed.made.fetch_add(1, Ordering::Relaxed);
        let name = format!(".fsreplay-unnamed-{number}");
        let Ok(name) = CString::new(name) else {
            return error;
        };
        let creates = libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
        let plain = open_flags(flags & !libc::O_TMPFILE) | creates;
        let flags = OFlags::from_bits_retain(plain as u32);
        match rustix::fs::openat(&dir, &*name, flags, Mode::from_raw_mode(mode)) {
            Ok(file) => {
                let stand_in = Arc::new(StandIn { dir, name });
                self.shared.unnamed.all().insert(out.0, stand_in);
                i64::from(file.into_raw_fd())
            }
            Err(_) => error,
        }
    }

    /// Gives the file behind a descriptor a name.
    pub(super) fn link_descriptor(
        &mut self,
        (from, to): (At, At),
        flags: i32,
        begin: &mut u64,
    ) -> i64 {
        if !self.shared.is_walled() {
            // Nothing gets a name inside that was not opened inside.
            if self.lies(self.fd(from.dir), begin) != Lies::Inside {
                return -i64::from(libc::EXDEV);
            }
        }
        if let Some(renamed) = self.name_stand_in(from.dir, to) {
            return renamed;
        }
        let ((dir, path), (to_dir, to_path)) = (self.at(from), self.at(to));
        let linked = sys::link(dir, path, to_dir, to_path, flags);
        if linked != -i64::from(libc::ENOENT) || self.shared.is_walled() || to_dir < 0 {
            return linked;
        }
        // Before Linux 6.10 only CAP_DAC_READ_SEARCH may link by descriptor alone.
        let name = self.name_of_fd(dir).to_owned();
        let to_dir = sys::borrow(to_dir);
        let follow = AtFlags::SYMLINK_FOLLOW;
        let to_path = self.shared.plan.bytes(to.path);
        outcome(rustix::fs::linkat(CWD, &*name, to_dir, to_path, follow))
    }

    /// Gives a slot's stand-in its name, if there is one. Where that fails it stays: a program may
    /// try another name.
    fn name_stand_in(&self, slot: Slot, to: At) -> Option<i64> {
        let stand_in = self.shared.unnamed.all().get(&slot.0).cloned()?;
        let renamed = self.rename_stand_in(&stand_in, to);
        if renamed >= 0 {
            let mut all = self.shared.unnamed.all();
            all.retain(|_, other| !Arc::ptr_eq(other, &stand_in));
        }
        Some(renamed)
    }

    fn rename_stand_in(&self, stand_in: &StandIn, to: At) -> i64 {
        let to_dir = self.fd(to.dir);
        if to_dir < 0 {
            return -i64::from(libc::EBADF);
        }
        let (to_dir, to) = (sys::borrow(to_dir), self.shared.plan.bytes(to.path));
        let (dir, name) = (&stand_in.dir, &*stand_in.name);
        let only_new = RenameFlags::NOREPLACE;
        let renamed = rustix::fs::renameat_with(dir, name, to_dir, to, only_new);
        if renamed != Err(Errno::INVAL) {
            return outcome(renamed);
        }
        // Not all file systems can rename so; what is left of it goes with its last user here.
        outcome(rustix::fs::linkat(dir, name, to_dir, to, AtFlags::empty()))
    }
}

fn outcome(result: Result<(), Errno>) -> i64 {
    match result {
        Ok(()) => 0,
        Err(error) => -i64::from(error.raw_os_error()),
    }
}

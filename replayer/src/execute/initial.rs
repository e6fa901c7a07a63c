//! Opens what the tool found open when it began, whatever the modes say: it was handed over, not
//! opened.

use std::os::fd::RawFd;
use std::sync::atomic::Ordering;

use rustix::fs::{AtFlags, Mode};

use super::Shared;
use super::issue::open_flags;
use crate::error::ReplayError;
use crate::plan::InitialFd;
use crate::sys::{self, Texts};

static DOT: std::sync::LazyLock<Texts> = std::sync::LazyLock::new(|| Texts::new(b".\0".to_vec()));

const NO_READER: i64 = -(libc::ENXIO as i64);

/// Fills the slots of descriptors that were open at the start.
pub fn open_initial(shared: &Shared<'_>) -> Result<(), ReplayError> {
    for initial in &shared.plan.initial_fds {
        let dir = shared
            .slots
            .get(initial.at.dir.0 as usize)
            .map_or(-1, |fd| fd.load(Ordering::Relaxed));
        let mut fd = open(shared, dir, initial);
        if fd == -i64::from(libc::EACCES) {
            let path = shared.plan.bytes(initial.at.path);
            let changed = grant(dir, path);
            fd = open(shared, dir, initial);
            restore(dir, changed);
        }
        if fd < 0 {
            return Err(ReplayError::Tree {
                operation: "opening a file that was open at the start:",
                path: String::from_utf8_lossy(shared.plan.bytes(initial.at.path))
                    .into_owned()
                    .into(),
                source: std::io::Error::from_raw_os_error(-fd as i32),
            });
        }
        if initial.offset > 0 {
            sys::seek(fd as i32, initial.offset as i64, libc::SEEK_SET);
        }
        if let Some(slot) = shared.slots.get(initial.out.0 as usize) {
            slot.store(fd as i32, Ordering::Relaxed);
        }
    }
    Ok(())
}

fn open(shared: &Shared<'_>, dir: RawFd, initial: &InitialFd) -> i64 {
    let path = shared.texts.at(initial.at.path.0);
    let creates = libc::O_CREAT | libc::O_EXCL | libc::O_TRUNC;
    let flags = open_flags(initial.flags & !creates);
    let path = if path.is_empty() { DOT.at(0) } else { path };
    match sys::open(dir, path, flags, 0, 0) {
        // A FIFO that nobody reads can't be opened for writing alone without waiting (fifo(7)).
        NO_READER => sys::open(dir, path, flags & !libc::O_ACCMODE | libc::O_RDWR, 0, 0),
        opened => opened,
    }
}

/// Gives the owner all rights on a path and the directories on the way; what was changed, and the
/// modes before.
fn grant(dir: RawFd, path: &[u8]) -> Vec<(Vec<u8>, Mode)> {
    let Some(dir) = (dir >= 0).then(|| sys::borrow(dir)) else {
        return Vec::new();
    };
    let mut changed = Vec::new();
    let ends = path.iter().enumerate().filter(|(_, b)| **b == b'/');
    for end in ends.map(|(at, _)| at).chain([path.len()]) {
        let part = &path[..end];
        let Ok(found) = rustix::fs::statat(dir, part, AtFlags::SYMLINK_NOFOLLOW) else {
            break;
        };
        let mode = Mode::from_raw_mode(found.st_mode & 0o7777);
        if !mode.contains(Mode::RWXU)
            && rustix::fs::chmodat(dir, part, mode | Mode::RWXU, AtFlags::empty()).is_ok()
        {
            changed.push((part.to_vec(), mode));
        }
    }
    changed
}

fn restore(dir: RawFd, changed: Vec<(Vec<u8>, Mode)>) {
    let Some(dir) = (dir >= 0).then(|| sys::borrow(dir)) else {
        return;
    };
    for (part, mode) in changed.into_iter().rev() {
        if let Err(error) = rustix::fs::chmodat(dir, &part[..], mode, AtFlags::empty()) {
            let path = String::from_utf8_lossy(&part);
            tracing::warn!(%path, %error, "a mode could not be put back");
        }
    }
}

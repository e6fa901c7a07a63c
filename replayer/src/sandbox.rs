//! The fresh directory that a replay works in, and its removal: nothing outside it is ever touched.

mod clean;
mod marker;

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::error::ReplayError;
use marker::Marker;

pub use clean::{CleanOptions, Found, Outcome, clean};

/// Names of replay directories begin with this.
pub const PREFIX: &str = ".fsreplay-";

/// Hexadecimal digits that follow.
const RANDOM_DIGITS: usize = 12;

/// The recorded tree's place in a replay directory, beside the marker.
const TREE: &str = "tree";

/// A replay directory; it is marked while it is in use, and removed when dropped unless it is kept.
///
/// It holds a [`Marker`] and the directory in which the recorded tree is made.
pub struct Sandbox {
    path: PathBuf,
    parent: OwnedFd,
    name: CString,
    directory: OwnedFd,
    root: OwnedFd,
    marker: Option<Marker>,
    kept: bool,
}

impl Sandbox {
    /// Makes a fresh directory in the target, mode 0700.
    pub fn create(target: &Path) -> Result<Sandbox, ReplayError> {
        let failed = |operation, path: &Path, error: Errno| ReplayError::Tree {
            operation,
            path: path.into(),
            source: error.into(),
        };
        let real = target.canonicalize().map_err(|source| ReplayError::Tree {
            operation: "finding",
            path: target.into(),
            source,
        })?;
        let parent = rustix::fs::open(
            &real,
            OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|error| failed("opening", &real, error))?;
        for attempt in 0..100u32 {
            let name = unique(attempt);
            let path = real.join(&name);
            match rustix::fs::mkdirat(&parent, name.as_str(), Mode::RWXU) {
                Err(Errno::EXIST) => continue,
                Err(error) => return Err(failed("making", &path, error)),
                Ok(()) => {}
            }
            let (directory, marker, root) = furnish(parent.as_fd(), &name).map_err(|error| {
                // It is empty, or holds no more than the marker.
                let inside = format!("{name}/{}", marker::NAME);
                let _ = rustix::fs::unlinkat(&parent, inside.as_str(), AtFlags::empty());
                let _ = rustix::fs::unlinkat(&parent, name.as_str(), AtFlags::REMOVEDIR);
                failed("making", &path, error)
            })?;
            return Ok(Sandbox {
                path: path.join(TREE),
                parent,
                name: CString::new(name).unwrap_or_default(),
                directory,
                root,
                marker: Some(marker),
                kept: false,
            });
        }
        Err(failed("making a directory in", &real, Errno::EXIST))
    }

    /// A descriptor of the directory for the tree.
    pub fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// The absolute path of the directory for the tree, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its absolute path as bytes.
    pub fn path_bytes(&self) -> Vec<u8> {
        self.path.as_os_str().as_bytes().to_vec()
    }

    /// Leaves the tree in place, unmarked, so that no cleaning takes it for a leftover, and gives its path.
    pub fn keep(mut self) -> PathBuf {
        self.kept = true;
        if let Err(error) = Marker::remove(self.directory.as_fd()) {
            tracing::warn!("removing the mark of {}: {error}", self.path.display());
        }
        self.path.clone()
    }

    /// Removes it with all that is in it.
    pub fn remove(mut self) -> Result<(), ReplayError> {
        self.kept = true; // not a second time when dropped
        self.remove_now()
    }

    /// Leaves everything as a process that is killed does.
    #[cfg(test)]
    fn abandon(mut self) {
        self.kept = true;
    }

    fn remove_now(&mut self) -> Result<(), ReplayError> {
        let marker = self.marker.take();
        discard(
            self.parent.as_fd(),
            &self.name,
            self.directory.as_fd(),
            marker,
        )
        .map_err(|error| ReplayError::Tree {
            operation: "removing the replayed tree",
            path: self.path.clone(),
            source: error.into(),
        })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = self.remove_now()
        {
            tracing::warn!("{error}");
        }
    }
}

/// Opens a directory that was just made, marks it and makes the directory for the tree.
fn furnish(parent: BorrowedFd<'_>, name: &str) -> Result<(OwnedFd, Marker, OwnedFd), Errno> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    let marker = Marker::create(directory.as_fd())?;
    rustix::fs::mkdirat(&directory, TREE, Mode::RWXU)?;
    let root = rustix::fs::openat(&directory, TREE, flags, Mode::empty())?;
    Ok((directory, marker, root))
}

/// Removes a replay directory: first the tree, then the marker, so that what an interruption leaves is still marked.
fn discard(
    parent: BorrowedFd<'_>,
    name: &CStr,
    directory: BorrowedFd<'_>,
    marker: Option<Marker>,
) -> Result<(), Errno> {
    // The tool may have made its topmost directory one that nobody may enter.
    let _ = rustix::fs::fchmod(directory, Mode::RWXU);
    for (entry, kind) in entries(directory)? {
        if entry.to_bytes() == marker::NAME.as_bytes() {
            continue;
        }
        if kind == FileType::Directory {
            remove_directory(directory, &entry)?;
        } else {
            remove(directory, &entry, AtFlags::empty())?;
        }
    }
    Marker::remove(directory)?;
    match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        // The marker, which is open, under its other name.
        Err(Errno::NOTEMPTY | Errno::EXIST) => {
            drop(marker);
            until_let_go(|| rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR))
        }
        Err(Errno::NOENT) => Ok(()),
        outcome => outcome,
    }
}

/// A name that no other replay uses.
fn unique(attempt: u32) -> String {
    use std::hash::{BuildHasher, RandomState};
    let random =
        RandomState::new().hash_one((attempt, std::process::id(), std::time::SystemTime::now()));
    format!("{PREFIX}{:0RANDOM_DIGITS$x}", random & 0xffff_ffff_ffff)
}

/// How often a removal is tried again while a share still holds what was removed,
const LET_GO_TRIES: u32 = 20;
/// and how long after the last try.
const LET_GO_PAUSE: Duration = Duration::from_millis(50);

/// A directory that is being emptied.
struct Level {
    fd: OwnedFd,
    name: CString,
    entries: Vec<(CString, FileType)>,
}

/// Removes a name of a directory with all below it; one that is not there is no error.
pub(crate) fn remove_all(parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    match remove(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error),
    }
    remove_directory(parent, name)
}

fn remove_directory(parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    until_let_go(|| {
        empty(open_child(parent, name)?.as_fd())?;
        remove(parent, name, AtFlags::REMOVEDIR)
    })
}

/// FUSE and NFS keep a file that is removed while it is open under another name in its directory (`.fuse_hidden…`, `.nfs…`), and FUSE gives
/// it up only some time after the last close.
fn until_let_go(mut removal: impl FnMut() -> Result<(), Errno>) -> Result<(), Errno> {
    for _ in 0..LET_GO_TRIES {
        match removal() {
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::BUSY) => std::thread::sleep(LET_GO_PAUSE),
            outcome => return outcome,
        }
    }
    removal()
}

/// The names in a directory, without `.` and `..`.
pub(crate) fn names(directory: BorrowedFd<'_>) -> Result<Vec<CString>, Errno> {
    let entries = entries(directory)?;
    Ok(entries.into_iter().map(|(name, _)| name).collect())
}

/// Removes all entries of a directory: relative to descriptors, following no link, crossing no mount, in
/// depth-first order without recursion.
fn empty(root: BorrowedFd<'_>) -> Result<(), Errno> {
    let first = rustix::io::dup(root)?;
    let mut levels = vec![Level {
        entries: entries(first.as_fd())?,
        fd: first,
        name: CString::default(),
    }];
    while let Some(level) = levels.last_mut() {
        let Some((name, kind)) = level.entries.pop() else {
            let Some(done) = levels.pop() else { break };
            if let Some(parent) = levels.last() {
                remove(parent.fd.as_fd(), &done.name, AtFlags::REMOVEDIR)?;
            }
            continue;
        };
        if kind != FileType::Directory {
            match remove(level.fd.as_fd(), &name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => continue,
                Err(Errno::ISDIR) => {}
                Err(error) => return Err(error),
            }
        }
        let child = open_child(level.fd.as_fd(), &name)?;
        let entries = entries(child.as_fd())?;
        levels.push(Level {
            fd: child,
            name,
            entries,
        });
    }
    Ok(())
}

/// Removes a name, from a directory that not even its owner may write to, too.
fn remove(parent: BorrowedFd<'_>, name: &CStr, flags: AtFlags) -> Result<(), Errno> {
    match rustix::fs::unlinkat(parent, name, flags) {
        Err(Errno::ACCESS | Errno::PERM) => {
            rustix::fs::fchmod(parent, Mode::RWXU)?;
            rustix::fs::unlinkat(parent, name, flags)
        }
        outcome => outcome,
    }
}

fn open_child(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    let open = || {
        let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
        match rustix::fs::openat2(parent, name, flags, Mode::empty(), resolve) {
            Err(Errno::NOSYS | Errno::PERM) => {
                rustix::fs::openat(parent, name, flags, Mode::empty())
            }
            outcome => outcome,
        }
    };
    match open() {
        // The tool may have made directories that not even their owner can read.
        Err(Errno::ACCESS) => {
            let _ = rustix::fs::fchmod(parent, Mode::RWXU);
            rustix::fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
            open()
        }
        outcome => outcome,
    }
}

fn entries(directory: BorrowedFd<'_>) -> Result<Vec<(CString, FileType)>, Errno> {
    let mut found = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            found.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    Ok(found)
}

/// Opens the directory of a path without following any link, so that its depth is the number of its components;
/// gives it and where the last component begins.
pub fn open_parent(dir: RawFd, path: &[u8]) -> Result<(OwnedFd, u32), Errno> {
    if dir < 0 {
        return Err(Errno::BADF);
    }
    let trimmed = path
        .iter()
        .rposition(|byte| *byte != b'/')
        .map_or(0, |last| last + 1);
    let name = path[..trimmed]
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |slash| slash + 1);
    let parent = if name == 0 {
        b".".as_slice()
    } else {
        &path[..name - 1]
    };
    // The descriptor is one of the replay's slots, open for as long as the plan uses it.
    let dir = crate::sys::borrow(dir);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let opened = match rustix::fs::openat2(dir, parent, flags, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM) => walk(dir, parent),
        outcome => outcome,
    };
    opened.map(|fd| (fd, name as u32))
}

/// As `openat2` with `RESOLVE_NO_SYMLINKS`, for kernels and profiles without it.
fn walk(dir: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = rustix::fs::openat(dir, ".", flags, Mode::empty())?;
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => return Err(Errno::XDEV),
            name => at = rustix::fs::openat(&at, name, flags, Mode::empty())?,
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_share_still_holds_is_removed_when_it_lets_go() {
        let mut tries = 0;
        let removed = until_let_go(|| {
            tries += 1;
            match tries {
                1 | 2 => Err(Errno::NOTEMPTY),
                _ => Ok(()),
            }
        });
        assert_eq!((removed, tries), (Ok(()), 3));
    }

    #[test]
    fn other_failures_are_told_at_once() {
        let mut tries = 0;
        let removed = until_let_go(|| {
            tries += 1;
            Err(Errno::IO)
        });
        assert_eq!((removed, tries), (Err(Errno::IO), 1));
    }
}

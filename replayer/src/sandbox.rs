//! The fresh directory that a replay works in, and its removal: nothing outside it is ever touched.

mod clean;
mod health;
mod marker;
mod removal;

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::error::ReplayError;
use marker::Marker;
use removal::{Failures, entries, remove, remove_directory, until_let_go};

pub(crate) use removal::{names, open_child, remove_all};

pub use clean::{CleanOptions, Found, Outcome, clean};

/// Names of replay directories begin with this.
pub const PREFIX: &str = ".fsreplay-";

/// Hexadecimal digits that follow.
const RANDOM_DIGITS: usize = 12;

/// The recorded tree's place in a replay directory, beside the marker.
const TREE: &str = "tree";

/// A replay directory; it is marked while it is in use, and removed when dropped unless it is kept.
///
/// It holds a `Marker` and the directory in which the recorded tree is made.
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
                if let Err(left) = unmake(parent.as_fd(), &name) {
                    // `clean` leaves alone what has no marker.
                    let (path, target) = (path.display(), real.display());
                    tracing::warn!(
                        "removing {path}: {left}; `fsreplay clean {target}` removes it when that \
                         works again, unless it has no mark yet: then remove it yourself"
                    );
                }
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

    /// Leaves the tree in place, unmarked, so that no cleaning takes it for a leftover, and gives
    /// its path.
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
        .map_err(|error| left_in(self.directory_path(), error))
    }

    /// Where the directory that holds the marker and the tree was made.
    fn directory_path(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }
}

/// A replay directory that could not be removed.
fn left_in(path: &Path, error: Errno) -> ReplayError {
    ReplayError::Left {
        path: path.into(),
        target: path.parent().unwrap_or(path).into(),
        source: error.into(),
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

/// Takes back what [`furnish`] made before it failed. The marker goes last, as ever.
fn unmake(parent: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    let name = CString::new(name).map_err(|_| Errno::INVAL)?;
    match rustix::fs::unlinkat(parent, &*name, AtFlags::REMOVEDIR) {
        Err(Errno::NOTEMPTY | Errno::EXIST) => {}
        outcome => return outcome,
    }
    let directory = open_child(parent, &name)?;
    discard(parent, &name, directory.as_fd(), None)
}

/// Removes a replay directory: first the tree, then the marker, so that what an interruption leaves
/// is still marked.
fn discard(
    parent: BorrowedFd<'_>,
    name: &CStr,
    directory: BorrowedFd<'_>,
    marker: Option<Marker>,
) -> Result<(), Errno> {
    // The tool may have made its topmost directory one that nobody may enter.
    let _ = rustix::fs::fchmod(directory, Mode::RWXU);
    let mut failures = Failures::default();
    for (entry, kind) in entries(directory)? {
        if entry.to_bytes() == marker::NAME.as_bytes() {
            continue;
        }
        failures.pass(if kind == FileType::Directory {
            remove_directory(directory, &entry)
        } else {
            remove(directory, &entry, AtFlags::empty())
        })?;
    }
    failures.end()?;
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

/// The directory of a path, and the last name.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// A path for messages: the middle of a very long one is left out.
pub(crate) fn shortened(path: &[u8]) -> PathBuf {
    const ENDS: usize = 120;
    if path.len() <= 4 * ENDS {
        return PathBuf::from(String::from_utf8_lossy(path).as_ref());
    }
    let (first, last) = (&path[..ENDS], &path[path.len() - ENDS..]);
    PathBuf::from(format!(
        "{}…{} ({} bytes)",
        String::from_utf8_lossy(first),
        String::from_utf8_lossy(last),
        path.len()
    ))
}

/// Opens the directory of a path below `root` without following any link; gives it and the last
/// name. The path isn't empty.
pub(crate) fn open_parent(root: BorrowedFd<'_>, path: &[u8]) -> Result<(OwnedFd, CString), Errno> {
    let (parent, name) = match split(path) {
        (b"", name) => (b".".as_slice(), name),
        parts => parts,
    };
    let name = CString::new(name).map_err(|_| Errno::INVAL)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let opened = match rustix::fs::openat2(root, parent, flags, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM | Errno::NAMETOOLONG) => walk(root, parent),
        outcome => outcome,
    };
    opened.map(|directory| (directory, name))
}

/// As `openat2` with `RESOLVE_NO_SYMLINKS`, for kernels and profiles without it, and for paths that
/// are longer than a call takes.
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

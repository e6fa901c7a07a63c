//! The fresh directory that a replay works in, and its removal: nothing outside it is ever touched.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::error::ReplayError;

/// Names of replay directories begin with this.
pub const PREFIX: &str = ".fsreplay-";

/// A replay directory; it is locked while it is in use, and removed when dropped unless it is kept.
pub struct Sandbox {
    path: PathBuf,
    parent: OwnedFd,
    name: CString,
    root: OwnedFd,
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
            let name = format!("{PREFIX}{}", unique(attempt));
            let path = real.join(&name);
            match rustix::fs::mkdirat(&parent, name.as_str(), Mode::RWXU) {
                Err(Errno::EXIST) => continue,
                Err(error) => return Err(failed("making", &path, error)),
                Ok(()) => {}
            }
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
            let root = rustix::fs::openat(&parent, name.as_str(), flags, Mode::empty())
                .map_err(|error| failed("opening", &path, error))?;
            // Tells leftovers of a killed replay from one that runs; not every file system has locks.
            let _ = rustix::fs::flock(&root, FlockOperation::NonBlockingLockExclusive);
            let name = CString::new(name).unwrap_or_default();
            return Ok(Sandbox {
                path,
                parent,
                name,
                root,
                kept: false,
            });
        }
        Err(failed("making a directory in", &real, Errno::EXIST))
    }

    /// A descriptor of it.
    pub fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// Its absolute path, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its absolute path as bytes.
    pub fn path_bytes(&self) -> Vec<u8> {
        self.path.as_os_str().as_bytes().to_vec()
    }

    /// Leaves it in place and gives its path.
    pub fn keep(mut self) -> PathBuf {
        self.kept = true;
        self.path.clone()
    }

    /// Removes it with all that is in it.
    pub fn remove(mut self) -> Result<(), ReplayError> {
        self.kept = true; // not a second time when dropped
        self.remove_now()
    }

    fn remove_now(&self) -> Result<(), ReplayError> {
        let failed = |error: Errno| ReplayError::Tree {
            operation: "removing the replayed tree",
            path: self.path.clone(),
            source: error.into(),
        };
        empty(self.root.as_fd()).map_err(failed)?;
        rustix::fs::unlinkat(&self.parent, &*self.name, AtFlags::REMOVEDIR).map_err(failed)
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

/// A name that no other replay uses.
fn unique(attempt: u32) -> String {
    use std::hash::{BuildHasher, RandomState};
    let random =
        RandomState::new().hash_one((attempt, std::process::id(), std::time::SystemTime::now()));
    format!("{:012x}", random & 0xffff_ffff_ffff)
}

/// A directory that is being emptied.
struct Level {
    fd: OwnedFd,
    name: CString,
    entries: Vec<(CString, FileType)>,
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

//! Makes the initial tree of a plan in its sandboxes.
//!
//! Directories come first, then files in parallel, then links and symbolic links (so that nothing
//! here can walk through one), and modes and times of directories last, from the bottom up.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use fsreplay_trace::model::FileKind;
use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;

use crate::contain;
use crate::error::ReplayError;
use crate::execute::link_text;
use crate::plan::{Plan, TreeEntry};
use crate::sandbox::{Sandbox, open_parent, shortened};
use crate::side_by_side::on_threads;

/// Makers of files: more than cores, since virtual file systems make each of them wait.
const THREADS: usize = 4;
const CHUNK: usize = 256 << 10;

struct Maker<'a> {
    plan: &'a Plan,
    sandboxes: &'a [Sandbox],
    roots: Vec<Vec<u8>>,
    as_root: bool,
    noise: Vec<u8>,
    cancelled: &'a AtomicBool,
}

/// The longest list of names of extended attributes that the kernel gives, in bytes.
const XATTR_LIST_MAX: usize = 1 << 16;

/// The longest path that a call takes, in bytes, with the one that ends it.
const PATH_MAX: usize = 4096;

/// A directory and a path below it that a call takes.
struct Below<'a> {
    root: BorrowedFd<'a>,
    /// The path's own directory, where the whole path is too long.
    parent: Option<OwnedFd>,
    path: CString,
}

impl<'a> Below<'a> {
    fn of(root: BorrowedFd<'a>, path: &[u8]) -> Result<Below<'a>, Errno> {
        let (parent, path) = if path.len() < PATH_MAX {
            (None, CString::new(path).map_err(|_| Errno::INVAL)?)
        } else {
            let (parent, name) = open_parent(root, path)?;
            (Some(parent), name)
        };
        Ok(Below { root, parent, path })
    }

    fn base(&self) -> BorrowedFd<'_> {
        self.parent.as_ref().map_or(self.root, AsFd::as_fd)
    }
}

/// Makes the tree. `progress` is told how many entries of how many are made.
pub fn prepare(
    plan: &Plan,
    sandboxes: &[Sandbox],
    cancelled: &AtomicBool,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<(), ReplayError> {
    contain::check(plan)?;
    let all = vec![true; plan.tree.len()];
    make(plan, sandboxes, (&all, &all), cancelled, progress)
}

/// Makes the entries of the tree that are marked in the first list, and gives the directories that
/// are marked in the second their modes and times.
pub(crate) fn make(
    plan: &Plan,
    sandboxes: &[Sandbox],
    (wanted, finished): (&[bool], &[bool]),
    cancelled: &AtomicBool,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<(), ReplayError> {
    let maker = Maker {
        plan,
        sandboxes,
        roots: sandboxes.iter().map(Sandbox::path_bytes).collect(),
        as_root: crate::privilege::acts_as_root(),
        noise: noise(),
        cancelled,
    };
    let chosen = |marks: &[bool], index: usize| marks.get(index).copied().unwrap_or(false);
    let entries = || {
        let entries = plan.tree.iter().enumerate();
        entries
            .filter(|(index, _)| chosen(wanted, *index))
            .map(|(_, entry)| entry)
    };
    let total = entries().count();
    let directories = || entries().filter(|entry| entry.kind == FileKind::Directory);
    for entry in directories() {
        maker.try_entry(entry, |root, path| maker.make_directory(root, path))?;
    }
    let done = AtomicUsize::new(directories().count());
    maker.make_files(entries(), &|| {
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, total)
    })?;
    for entry in entries() {
        if entry.link_of.is_some() {
            maker.try_entry(entry, |root, path| maker.make_link(entry, root, path))?;
        }
    }
    for entry in
        entries().filter(|entry| entry.kind == FileKind::Symlink && entry.link_of.is_none())
    {
        maker.try_entry(entry, |root, path| maker.make_symlink(entry, root, path))?;
    }
    for (_, entry) in plan
        .tree
        .iter()
        .enumerate()
        .rev()
        .filter(|(index, entry)| entry.kind == FileKind::Directory && chosen(finished, *index))
    {
        maker.try_entry(entry, |root, path| {
            maker.finish_directory(entry, root, path)
        })?;
    }
    progress(total, total);
    Ok(())
}

/// Bytes that don't compress.
fn noise() -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut bytes = Vec::with_capacity(CHUNK);
    while bytes.len() < CHUNK {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

impl Maker<'_> {
    fn try_entry(
        &self,
        entry: &TreeEntry,
        make: impl FnOnce(BorrowedFd<'_>, &CString) -> Result<(), Errno>,
    ) -> Result<(), ReplayError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(ReplayError::Cancelled);
        }
        let bytes = self.plan.bytes(entry.path);
        let failed = |error: Errno| {
            let base = self
                .sandboxes
                .get(entry.root as usize)
                .map(Sandbox::path)
                .unwrap_or("".as_ref());
            ReplayError::Tree {
                operation: "making",
                path: base.join(shortened(bytes)),
                source: error.into(),
            }
        };
        let sandbox = self
            .sandboxes
            .get(entry.root as usize)
            .ok_or_else(|| failed(Errno::INVAL))?;
        if bytes.is_empty() {
            return make(sandbox.root().as_fd(), &c".".to_owned()).map_err(failed);
        }
        let place = Below::of(sandbox.root().as_fd(), bytes).map_err(failed)?;
        make(place.base(), &place.path).map_err(failed)
    }

    fn make_directory(&self, root: BorrowedFd<'_>, path: &CString) -> Result<(), Errno> {
        match rustix::fs::mkdirat(root, path.as_c_str(), Mode::RWXU) {
            Err(Errno::EXIST) => Ok(()), // the root itself
            outcome => outcome,
        }
    }

    fn make_files<'e>(
        &self,
        entries: impl Iterator<Item = &'e TreeEntry>,
        made: &(dyn Fn() + Sync),
    ) -> Result<(), ReplayError> {
        let files: Vec<&TreeEntry> = entries
            .filter(|entry| entry.link_of.is_none())
            .filter(|entry| {
                !matches!(
                    entry.kind,
                    FileKind::Directory | FileKind::Symlink | FileKind::Absent
                )
            })
            .collect();
        let next = AtomicUsize::new(0);
        let failure = Mutex::new(None);
        let work = || {
            while let Some(entry) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                let outcome = self.try_entry(entry, |root, path| self.make_file(entry, root, path));
                if let Err(error) = outcome {
                    next.store(files.len(), Ordering::Relaxed);
                    if let Ok(mut slot) = failure.lock() {
                        slot.get_or_insert(error);
                    }
                    return;
                }
                made();
            }
        };
        on_threads(THREADS.min(files.len()), work);
        match failure.into_inner() {
            Ok(Some(error)) => Err(error),
            _ => Ok(()),
        }
    }

    fn make_file(
        &self,
        entry: &TreeEntry,
        root: BorrowedFd<'_>,
        path: &CString,
    ) -> Result<(), Errno> {
        let path = path.as_c_str();
        let mode = Mode::from_raw_mode(entry.mode & 0o7777);
        if entry.kind == FileKind::Fifo {
            return rustix::fs::mknodat(root, path, rustix::fs::FileType::Fifo, mode, 0);
        }
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(
            root,
            path,
            flags,
            mode & !(Mode::SUID | Mode::SGID | Mode::SVTX),
        )?;
        let filled = entry.filled();
        self.fill(&file, filled)?;
        if filled < entry.size {
            rustix::fs::ftruncate(&file, entry.size)?;
        }
        self.set_attributes(entry, &file)?;
        self.own(entry, &file)?;
        if entry.mode & 0o7000 != 0 || self.as_root {
            rustix::fs::fchmod(&file, mode)?;
        }
        match entry.mtime {
            Some(mtime) => rustix::fs::futimens(&file, &times(mtime)),
            None => Ok(()),
        }
    }

    /// Sets the extended attributes of a file or directory.
    fn set_attributes(&self, entry: &TreeEntry, file: impl AsFd) -> Result<(), Errno> {
        for (name, size) in &entry.xattrs {
            let name = CString::new(self.plan.bytes(*name)).unwrap_or_default();
            let size = (*size as usize).min(self.noise.len());
            let value = &self.noise[..size];
            match rustix::fs::fsetxattr(&file, name.as_c_str(), value, XattrFlags::empty()) {
                // Shows as a divergence where it matters.
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSPC) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes away the attributes that a round gave to a directory.
    fn remove_attributes(&self, entry: &TreeEntry, directory: impl AsFd) -> Result<(), Errno> {
        let mut names = vec![0u8; XATTR_LIST_MAX];
        let length = match rustix::fs::flistxattr(&directory, &mut names[..]) {
            Ok(length) => length,
            Err(Errno::OPNOTSUPP) => return Ok(()),
            Err(error) => return Err(error),
        };
        let known = |name: &[u8]| {
            let mut entries = entry.xattrs.iter();
            entries.any(|(known, _)| self.plan.bytes(*known) == name)
        };
        for name in names[..length].split(|byte| *byte == 0) {
            // Others are the file system's own (inherited lists of access, labels).
            if name.starts_with(b"user.") && !known(name) {
                let name = CString::new(name).map_err(|_| Errno::INVAL)?;
                rustix::fs::fremovexattr(&directory, name.as_c_str())?;
            }
        }
        Ok(())
    }

    fn fill(&self, file: &OwnedFd, size: u64) -> Result<(), Errno> {
        let mut left = size;
        while left > 0 {
            let part = left.min(self.noise.len() as u64) as usize;
            left -= rustix::io::write(file, &self.noise[..part])? as u64;
        }
        Ok(())
    }

    /// Owners are as recorded for root only; nobody else may give files away.
    fn own(&self, entry: &TreeEntry, file: impl AsFd) -> Result<(), Errno> {
        if !self.as_root || entry.owner == (0, 0) {
            return Ok(());
        }
        let (uid, gid) = entry.owner;
        let (uid, gid) = (
            rustix::fs::Uid::from_raw(uid),
            rustix::fs::Gid::from_raw(gid),
        );
        rustix::fs::fchown(file, Some(uid), Some(gid))
    }

    fn make_link(
        &self,
        entry: &TreeEntry,
        root: BorrowedFd<'_>,
        path: &CString,
    ) -> Result<(), Errno> {
        let first = entry
            .link_of
            .and_then(|of| self.plan.tree.get(of as usize))
            .ok_or(Errno::INVAL)?;
        if first.root != entry.root {
            return self.make_file(entry, root, path); // links don't cross file systems
        }
        let sandbox = self
            .sandboxes
            .get(first.root as usize)
            .ok_or(Errno::INVAL)?;
        let target = Below::of(sandbox.root().as_fd(), self.plan.bytes(first.path))?;
        rustix::fs::linkat(
            target.base(),
            target.path.as_c_str(),
            root,
            path.as_c_str(),
            AtFlags::empty(),
        )
    }

    fn make_symlink(
        &self,
        entry: &TreeEntry,
        root: BorrowedFd<'_>,
        path: &CString,
    ) -> Result<(), Errno> {
        let text = self.plan.bytes(entry.target.ok_or(Errno::INVAL)?);
        let text = match entry.target_root {
            Some(root) => link_text(&self.roots, root, text),
            None => text.to_vec(),
        };
        // A link whose text could not be told: any will do, but an empty one can't be made.
        let text = CString::new(if text.is_empty() {
            b"unknown".to_vec()
        } else {
            text
        })
        .unwrap_or_default();
        rustix::fs::symlinkat(text.as_c_str(), root, path.as_c_str())
    }

    fn finish_directory(
        &self,
        entry: &TreeEntry,
        root: BorrowedFd<'_>,
        path: &CString,
    ) -> Result<(), Errno> {
        let is_root = self.plan.bytes(entry.path).is_empty();
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(root, path.as_c_str(), flags, Mode::empty())?;
        if is_root {
            // It stays the user's own; but who could not write to the recorded root can't here.
            let closed = !self.as_root && entry.mode & 0o200 == 0;
            let mode = if closed {
                Mode::RUSR | Mode::XUSR
            } else {
                Mode::RWXU
            };
            return rustix::fs::fchmod(&directory, mode);
        }
        if entry.changed {
            self.remove_attributes(entry, &directory)?;
        }
        self.set_attributes(entry, &directory)?;
        self.own(entry, &directory)?;
        rustix::fs::fchmod(&directory, Mode::from_raw_mode(entry.mode & 0o7777))?;
        match entry.mtime {
            Some(mtime) => rustix::fs::futimens(&directory, &times(mtime)),
            None => Ok(()),
        }
    }
}

fn times(mtime: i64) -> Timestamps {
    let time = Timespec {
        tv_sec: mtime,
        tv_nsec: 0,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

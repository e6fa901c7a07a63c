//! Removal of a tree: relative to descriptors, following no link, crossing no mount, whatever the
//! modes of its directories, and however deep it is.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::PREFIX;
use crate::error::is_gone;

/// How often a removal is tried again while a share still holds what was removed,
const LET_GO_TRIES: u32 = 20;
/// and how long after the last try.
const LET_GO_PAUSE: Duration = Duration::from_millis(50);

/// How many directories within each other are open at once. Their descriptors are among few, where
/// the limit is low.
const MOST_LEVELS: usize = 16;

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

pub(super) fn remove_directory(parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    until_let_go(|| {
        let emptied = open_child(parent, name).and_then(|directory| empty(directory.as_fd()));
        match emptied.and_then(|()| remove(parent, name, AtFlags::REMOVEDIR)) {
            // Somebody else was faster.
            Err(Errno::NOENT) => Ok(()),
            outcome => outcome,
        }
    })
}

/// FUSE and NFS keep a file that is removed while it is open under another name in its directory
/// (`.fuse_hidden…`, `.nfs…`), and FUSE gives it up only some time after the last close.
pub(super) fn until_let_go(mut removal: impl FnMut() -> Result<(), Errno>) -> Result<(), Errno> {
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

/// Removes all entries of a directory, in depth-first order without recursion. What lies too deep
/// is moved to the top first, so that any depth does with a few descriptors.
///
/// What can't be removed is passed over; the first failure is told at the end.
fn empty(root: BorrowedFd<'_>) -> Result<(), Errno> {
    let first = rustix::io::dup(root)?;
    let mut levels = vec![Level {
        entries: entries(first.as_fd())?,
        fd: first,
        name: CString::default(),
    }];
    let mut moved = 0;
    let mut failures = Failures::default();
    while let Some(level) = levels.last_mut() {
        let Some((name, kind)) = level.entries.pop() else {
            let Some(done) = levels.pop() else { break };
            if let Some(parent) = levels.last() {
                failures.pass(remove(parent.fd.as_fd(), &done.name, AtFlags::REMOVEDIR))?;
            }
            continue;
        };
        if kind != FileType::Directory {
            match remove(level.fd.as_fd(), &name, AtFlags::empty()) {
                Err(Errno::ISDIR) => {}
                outcome => {
                    failures.pass(outcome)?;
                    continue;
                }
            }
        }
        // It may be moved only by who may write to it, too.
        let Some(child) = failures.pass(open_child(level.fd.as_fd(), &name))? else {
            continue;
        };
        if levels.len() >= MOST_LEVELS {
            if let Some(raised) = failures.pass(raise(&levels, &name, &mut moved))? {
                levels[0].entries.push((raised, FileType::Directory));
            }
            continue;
        }
        if let Some(entries) = failures.pass(entries(child.as_fd()))? {
            let fd = child;
            levels.push(Level { fd, name, entries });
        }
    }
    failures.end()
}

/// What went wrong with a removal that goes on.
#[derive(Default)]
pub(super) struct Failures {
    first: Option<Errno>,
}

impl Failures {
    /// Keeps a failure, if there was one. Gives it back where it would be that of all other calls,
    /// each perhaps after a long wait.
    pub(super) fn pass<T>(&mut self, outcome: Result<T, Errno>) -> Result<Option<T>, Errno> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            // Somebody else was faster.
            Err(Errno::NOENT) => Ok(None),
            Err(error) if is_gone(error) || error == Errno::ROFS => Err(error),
            Err(error) => {
                self.first.get_or_insert(error);
                Ok(None)
            }
        }
    }

    /// The first one.
    pub(super) fn end(self) -> Result<(), Errno> {
        self.first.map_or(Ok(()), Err)
    }
}

/// Moves a directory of the last level to the first one, under a name that is free there.
fn raise(levels: &[Level], name: &CStr, moved: &mut u32) -> Result<CString, Errno> {
    let (first, last) = match levels {
        [first, .., last] => (first, last),
        _ => return Err(Errno::INVAL),
    };
    loop {
        let raised = CString::new(format!("{PREFIX}{moved}")).map_err(|_| Errno::INVAL)?;
        *moved += 1;
        match rustix::fs::renameat(&last.fd, name, &first.fd, &*raised) {
            // Taken, by something that the tool made.
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            outcome => return outcome.map(|()| raised),
        }
    }
}

/// Removes a name, from a directory that not even its owner may write to, too.
pub(super) fn remove(parent: BorrowedFd<'_>, name: &CStr, flags: AtFlags) -> Result<(), Errno> {
    match rustix::fs::unlinkat(parent, name, flags) {
        Err(Errno::ACCESS | Errno::PERM) => {
            rustix::fs::fchmod(parent, Mode::RWXU)?;
            rustix::fs::unlinkat(parent, name, flags)
        }
        outcome => outcome,
    }
}

/// Opens a directory itself, no link and no mount point, with all rights for its owner.
pub(crate) fn open_child(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
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
    let opened = match open() {
        // The tool may have made directories that not even their owner can read.
        Err(Errno::ACCESS) => {
            let _ = rustix::fs::fchmod(parent, Mode::RWXU);
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let found = rustix::fs::openat(parent, name, flags, Mode::empty())?;
            let path = format!("/proc/self/fd/{}", found.as_raw_fd());
            rustix::fs::chmod(path, Mode::RWXU)?;
            open()?
        }
        outcome => outcome?,
    };
    // Or search. Root may do so all the same.
    let mode = Mode::from_raw_mode(rustix::fs::fstat(&opened)?.st_mode);
    if !mode.contains(Mode::RWXU) {
        rustix::fs::fchmod(&opened, Mode::RWXU)?;
    }
    Ok(opened)
}

pub(super) fn entries(directory: BorrowedFd<'_>) -> Result<Vec<(CString, FileType)>, Errno> {
    let mut found = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = match entry {
            // It was removed meanwhile.
            Err(Errno::NOENT) => break,
            entry => entry?,
        };
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            found.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    Ok(found)
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

    /// A chain of directories, deeper than any path can name, the deepest with a mode of its own.
    fn chain(top: BorrowedFd<'_>, depth: usize, mode: Mode) {
        let mut at = rustix::io::dup(top).expect("a descriptor");
        for level in 0..depth {
            let mode = if level + 1 == depth { mode } else { Mode::RWXU };
            rustix::fs::mkdirat(&at, "a long name of a directory", mode).expect("it is made");
            if level + 1 < depth {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let name = c"a long name of a directory";
                at = rustix::fs::openat(&at, name, flags, Mode::empty()).expect("it opens");
            }
        }
    }

    #[test]
    fn a_tree_deeper_than_descriptors_and_paths_go_is_removed() {
        let dir = tempfile::tempdir().expect("a directory");
        let top = dir.path().join("top");
        std::fs::create_dir(&top).expect("it is made");
        let taken = top.join(format!("{PREFIX}0"));
        std::fs::create_dir_all(taken.join("x")).expect("it is made");
        let opened = std::fs::File::open(&top).expect("it opens");
        chain(opened.as_fd(), 3_000, Mode::RUSR);
        let parent = std::fs::File::open(dir.path()).expect("it opens");
        remove_all(parent.as_fd(), c"top").expect("it is removed");
        assert!(!top.exists());
    }

    #[test]
    fn directories_without_rights_for_their_owner_are_removed() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        for mode in [0o000, 0o100, 0o200, 0o300, 0o400, 0o500, 0o600] {
            let top = dir.path().join("top");
            std::fs::create_dir_all(top.join("d/e")).expect("they are made");
            std::fs::write(top.join("d/f"), "x").expect("it is made");
            for closed in ["d/e", "d", ""] {
                let closed = top.join(closed);
                std::fs::set_permissions(closed, PermissionsExt::from_mode(mode)).expect("set");
            }
            let parent = std::fs::File::open(dir.path()).expect("it opens");
            remove_all(parent.as_fd(), c"top").unwrap_or_else(|e| panic!("{mode:o}: {e}"));
        }
    }
}

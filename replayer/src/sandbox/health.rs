//! Whether a target is still there and works: looked at after a round, which tells else what a
//! broken disk did as if it were what the file system does to the tool.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;

use super::{Sandbox, TREE, entries};
use crate::error::ReplayError;

/// A file that is made for a try, beside the tree.
const PROBE: &str = "probe";

impl Sandbox {
    /// Fails if the directory isn't where it was made, or its file system was made read-only.
    pub(crate) fn is_in_place(&self) -> Result<(), ReplayError> {
        if !self.is_at_its_path() {
            let what = "the replay's directory is not where it was made: \
                it, the target or its mount was moved, removed or unmounted";
            return Err(self.failed(what, None));
        }
        let is_read_only = rustix::fs::fstatvfs(&self.root)
            .is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::RDONLY));
        if is_read_only {
            return Err(self.failed("it was made read-only", Some(Errno::ROFS)));
        }
        Ok(())
    }

    /// Fails if nothing can be written there any more. For what looks as if that were so.
    pub(crate) fn works(&self) -> Result<(), ReplayError> {
        match self.probe() {
            // A full disk works.
            Ok(()) | Err(Errno::NOSPC | Errno::DQUOT) => Ok(()),
            Err(error) => {
                Err(self.failed("a file can't be made, read and removed there", Some(error)))
            }
        }
    }

    fn is_at_its_path(&self) -> bool {
        // With another error it may be there.
        let there = match rustix::fs::statat(CWD, self.path(), AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT | Errno::NOTDIR) => return false,
            there => there,
        };
        match (there, rustix::fs::fstat(&self.root)) {
            (Ok(there), Ok(here)) => (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino),
            _ => true,
        }
    }

    fn probe(&self) -> Result<(), Errno> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.directory, PROBE, flags, Mode::RUSR | Mode::WUSR)?;
        let written = rustix::io::write(&file, b"x").and_then(|_| match rustix::fs::fsync(&file) {
            Err(Errno::INVAL | Errno::NOSYS) => Ok(()), // not on every file system
            outcome => outcome,
        });
        drop(file);
        let read = rustix::fs::openat(
            &self.directory,
            PROBE,
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .and_then(|file| rustix::io::read(&file, &mut [0; 1]));
        let removed = rustix::fs::unlinkat(&self.directory, PROBE, AtFlags::empty());
        written.and(read.map(drop)).and(removed)?;
        rustix::fs::statat(&self.directory, TREE, AtFlags::SYMLINK_NOFOLLOW)?;
        entries(self.directory.as_fd()).map(drop)
    }

    fn failed(&self, what: &'static str, error: Option<Errno>) -> ReplayError {
        let directory = self.directory_path();
        ReplayError::Failed {
            target: directory.parent().unwrap_or(directory).into(),
            what,
            source: error.map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir, rename};

    use super::*;

    #[test]
    fn a_sandbox_is_in_place_until_it_or_its_target_is_moved_or_replaced() {
        let dir = tempfile::tempdir().expect("a directory");
        let (target, other) = (dir.path().join("target"), dir.path().join("other"));
        create_dir(&target).expect("made");
        let sandbox = Sandbox::create(&target).expect("made");
        assert!(sandbox.is_in_place().is_ok() && sandbox.works().is_ok());
        rename(&target, &other).expect("moved");
        assert!(sandbox.is_in_place().is_err());
        create_dir(&target).expect("made");
        assert!(sandbox.is_in_place().is_err());
        std::fs::remove_dir(&target).expect("removed");
        rename(&other, &target).expect("moved");
        rename(sandbox.path(), target.join("tree")).expect("moved");
        create_dir(sandbox.path()).expect("made");
        assert!(sandbox.is_in_place().is_err());
        sandbox.remove().expect("removed");
    }
}

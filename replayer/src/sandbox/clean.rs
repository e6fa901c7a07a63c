//! Removes what a killed replay left, and never anything else.
//!
//! A directory counts as a leftover if all of this holds: it lies directly in the directory asked
//! for, is no link and no mount point, its name is one that a replay gives, it belongs to this
//! user, it holds a [`Marker`] that belongs to this user, and no living replay uses it (see there).

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::marker::{Marker, User};
use super::{PREFIX, RANDOM_DIGITS, discard, entries};
use crate::error::ReplayError;

/// What is done with leftovers.
#[derive(Clone, Copy, Debug, Default)]
pub struct CleanOptions {
    /// Tell what would be removed, remove nothing.
    pub dry_run: bool,
    /// Also remove what a replay under another kernel left on a file system that several kernels
    /// can use at once.
    pub other_kernels: bool,
}

/// A directory that is named like a replay's.
#[derive(Debug)]
pub struct Found {
    /// Where.
    pub path: PathBuf,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a directory.
#[derive(Debug)]
pub enum Outcome {
    /// It was a leftover and was removed (or would be, on a dry run).
    Removed,
    /// It was left alone, for this reason.
    Left(&'static str),
    /// It is a leftover, but could not be removed, or not be looked into.
    Failed(std::io::Error),
}

/// Removes the leftovers in a directory and tells of every directory whose name is that of a
/// replay's.
pub fn clean(target: &Path, options: CleanOptions) -> Result<Vec<Found>, ReplayError> {
    let refused = |error: std::io::Error| ReplayError::Target {
        target: target.into(),
        reason: match error.kind() {
            std::io::ErrorKind::NotFound => {
                "there is no such directory; name one that was given to --target".into()
            }
            std::io::ErrorKind::NotADirectory => {
                "this is not a directory; name one that was given to --target".into()
            }
            _ => error.to_string(),
        },
    };
    let real = target.canonicalize().map_err(refused)?;
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let parent = rustix::fs::open(&real, flags, Mode::empty()).map_err(|e| refused(e.into()))?;
    let mut names = entries(parent.as_fd()).map_err(|e| refused(e.into()))?;
    names.retain(|(name, _)| is_ours(name.to_bytes()));
    names.sort_by(|one, other| one.0.cmp(&other.0));
    let found = names.iter().map(|(name, _)| Found {
        path: real.join(std::ffi::OsStr::from_bytes(name.to_bytes())),
        outcome: clean_one(parent.as_fd(), name, options).unwrap_or_else(Outcome::Failed),
    });
    Ok(found.collect())
}

/// Whether a replay gives such names.
fn is_ours(name: &[u8]) -> bool {
    name.strip_prefix(PREFIX.as_bytes()).is_some_and(|random| {
        random.len() == RANDOM_DIGITS
            && random
                .iter()
                .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn clean_one(
    parent: BorrowedFd<'_>,
    name: &CStr,
    options: CleanOptions,
) -> Result<Outcome, std::io::Error> {
    let directory = match open(parent, name) {
        Ok(directory) => directory,
        Err(Errno::LOOP | Errno::NOTDIR) => return Ok(Outcome::Left("it is not a directory")),
        Err(Errno::XDEV) => return Ok(Outcome::Left("something is mounted on it")),
        Err(Errno::NOENT) => return Ok(Outcome::Left("another process has just removed it")),
        Err(Errno::ACCESS) => return Ok(Outcome::Left("it belongs to another user")),
        Err(error) => return Err(error.into()),
    };
    let status = rustix::fs::fstat(&directory)?;
    if status.st_uid != rustix::process::geteuid().as_raw() {
        return Ok(Outcome::Left("it belongs to another user"));
    }
    if status.st_dev != rustix::fs::fstat(parent)?.st_dev {
        return Ok(Outcome::Left("something is mounted on it"));
    }
    let Some((marker, user)) = Marker::find(directory.as_fd(), is_local(directory.as_fd()))? else {
        return Ok(Outcome::Left(
            "no replay made it, or its tree was kept; remove it yourself if you don't need it",
        ));
    };
    match user {
        User::Living(reason) => return Ok(Outcome::Left(reason)),
        User::OtherKernel if !options.other_kernels => {
            return Ok(Outcome::Left(
                "a replay before a restart or in another virtual machine made it, and may be at \
                 work; \
                 `fsreplay clean --other-kernels` removes it",
            ));
        }
        User::OtherKernel | User::Gone => {}
    }
    if !options.dry_run {
        discard(parent, name, directory.as_fd(), Some(marker))?;
    }
    Ok(Outcome::Removed)
}

/// Opens a directory itself: no link, no mount point.
fn open(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    match rustix::fs::openat2(parent, name, flags, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(parent, name, flags, Mode::empty()),
        outcome => outcome,
    }
}

/// Whether only one kernel at a time can have that file system mounted: memory and the usual local
/// disks.
fn is_local(directory: BorrowedFd<'_>) -> bool {
    const LOCAL: [u32; 6] = [
        0xef53,      // ext2, ext3, ext4
        0x5846_5342, // XFS
        0x9123_683e, // btrfs
        0xf2f5_2010, // F2FS
        0x794c_7630, // overlay
        0x0102_1994, // tmpfs
    ];
    rustix::fs::fstatfs(directory).is_ok_and(|fs| LOCAL.contains(&(fs.f_type as u32)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{Sandbox, marker};
    use std::os::unix::fs::symlink;

    /// A replay directory with something in it, as if its replay had been killed.
    fn leftover(target: &Path) -> PathBuf {
        let sandbox = Sandbox::create(target).expect("made");
        std::fs::create_dir_all(sandbox.path().join("a/b")).expect("made");
        std::fs::write(sandbox.path().join("a/b/f"), "x").expect("written");
        let path = sandbox.path().parent().expect("a parent").to_owned();
        sandbox.abandon();
        path
    }

    fn cleaned(target: &Path) -> Vec<Found> {
        clean(target, CleanOptions::default()).expect("cleaned")
    }

    #[test]
    fn a_dead_replays_directory_is_removed_and_a_living_ones_stays() {
        let target = tempfile::tempdir().expect("a directory");
        let dead = leftover(target.path());
        let living = Sandbox::create(target.path()).expect("made");
        let told = clean(
            target.path(),
            CleanOptions {
                dry_run: true,
                ..CleanOptions::default()
            },
        );
        assert_eq!(told.expect("told").len(), 2);
        assert!(dead.is_dir());
        let found = cleaned(target.path());
        let outcome = |path: &Path| {
            let real = path.canonicalize().unwrap_or(path.into());
            found
                .iter()
                .find(|found| real.starts_with(&found.path))
                .map(|found| &found.outcome)
        };
        assert!(matches!(outcome(&dead), Some(Outcome::Removed)));
        assert!(matches!(outcome(living.path()), Some(Outcome::Left(_))));
        assert!(!dead.exists() && living.path().is_dir());
        living.remove().expect("removed");
        assert_eq!(
            std::fs::read_dir(target.path()).expect("listed").count(),
            0,
            "nothing is left"
        );
    }

    #[test]
    fn what_a_user_made_is_left_alone_whatever_its_name() {
        let target = tempfile::tempdir().expect("a directory");
        let elsewhere = tempfile::tempdir().expect("a directory");
        let real = leftover(elsewhere.path());
        let own = target.path().join(".fsreplay-00112233aabb");
        std::fs::create_dir(&own).expect("made");
        std::fs::write(own.join("work"), "x").expect("written");
        let forged = target.path().join(".fsreplay-00112233aabc");
        std::fs::create_dir(&forged).expect("made");
        std::fs::write(forged.join(marker::NAME), "").expect("written");
        let link = target.path().join(".fsreplay-00112233aabd");
        symlink(&real, &link).expect("linked");
        let linked_marker = target.path().join(".fsreplay-00112233aabe");
        std::fs::create_dir(&linked_marker).expect("made");
        symlink(real.join(marker::NAME), linked_marker.join(marker::NAME)).expect("linked");
        let named_otherwise = leftover(target.path());
        let other_name = target.path().join(".fsreplay-mine");
        std::fs::rename(&named_otherwise, &other_name).expect("renamed");
        let file = target.path().join(".fsreplay-00112233aabf");
        std::fs::write(&file, "x").expect("written");
        for found in cleaned(target.path()) {
            assert!(matches!(found.outcome, Outcome::Left(_)), "{found:?}");
        }
        for path in [&own.join("work"), &forged, &link, &linked_marker, &file] {
            assert!(path.symlink_metadata().is_ok(), "{}", path.display());
        }
        assert!(other_name.join("tree/a/b/f").is_file());
        assert!(real.join("tree/a/b/f").is_file());
    }

    #[test]
    fn links_out_of_a_leftover_are_not_followed() {
        let target = tempfile::tempdir().expect("a directory");
        let outside = tempfile::tempdir().expect("a directory");
        std::fs::write(outside.path().join("precious"), "x").expect("written");
        let dead = leftover(target.path());
        symlink(outside.path(), dead.join("tree/out")).expect("linked");
        symlink(outside.path(), dead.join("tree/a/out")).expect("linked");
        assert!(matches!(
            cleaned(target.path())[0].outcome,
            Outcome::Removed
        ));
        assert!(!dead.exists() && outside.path().join("precious").is_file());
    }

    #[test]
    fn a_kept_tree_is_no_leftover() {
        let target = tempfile::tempdir().expect("a directory");
        let kept = Sandbox::create(target.path()).expect("made").keep();
        assert!(matches!(
            cleaned(target.path())[0].outcome,
            Outcome::Left(_)
        ));
        assert!(kept.is_dir());
    }

    #[test]
    fn a_missing_directory_is_told() {
        let error = clean(Path::new("/nonexistent/here"), CleanOptions::default());
        assert!(error.is_err_and(|error| error.is_target()));
    }
}

//! The second line of containment: the kernel keeps the threads of a replay away from everything
//! that isn't theirs, whatever they are told to do (docs/security.md, "The second line").
//!
//! Where the user may have one (root with `CAP_SYS_ADMIN`), it is a mount namespace in which there
//! is nothing but the replay's directories, at the paths that they have outside, so that absolute
//! links lead there. It covers every call, and looks at none.
//!
//! Elsewhere it is Landlock (landlock(7)), where the kernel has it: it denies opening for writing,
//! making, renaming and removing outside of the directories. It looks at each open, which is why
//! it isn't laid over a namespace. It doesn't know changes of modes, owners, times and extended
//! attributes by path: these go through descriptors that were looked at (`execute/issue/held`).

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use landlock::{
    ABI, AccessFs, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus,
};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change,
    mount_remount, unmount,
};

use crate::error::ReplayError;
use crate::sandbox::Sandbox;
use crate::sys;

/// What the kernel keeps a thread and those that it starts within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    /// A mount namespace that holds the replay's directories only.
    Namespace,
    /// A Landlock domain.
    Landlock,
    /// Nothing: neither is to be had here.
    Nothing,
}

/// Fences the calling thread in, and gives descriptors of the directories as seen from inside.
///
/// It can't be undone, so it is for a thread that ends with the replay.
pub(crate) fn enter(sandboxes: &[Sandbox]) -> Result<(Fence, Vec<OwnedFd>), ReplayError> {
    // What rustix knows of the process it learns once, on older kernels from /proc/self/auxv, which
    // isn't to be had inside (PR_GET_AUXV is there since Linux 6.4).
    let _ = rustix::param::page_size();
    match namespace(sandboxes) {
        Ok(roots) => return Ok((Fence::Namespace, roots)),
        Err(error) => tracing::debug!("no mount namespace for the replay: {error}"),
    }
    let duplicated = sandboxes
        .iter()
        .map(|sandbox| sandbox.root().try_clone())
        .collect::<Result<_, _>>();
    let roots = duplicated.map_err(|source| ReplayError::Process {
        operation: "duplicating the descriptor of the replay directory",
        source,
    })?;
    match landlock(sandboxes) {
        Ok(RulesetStatus::NotEnforced) => {
            tracing::debug!("the kernel has no Landlock");
            Ok((Fence::Nothing, roots))
        }
        Ok(_) => Ok((Fence::Landlock, roots)),
        Err(error) => {
            tracing::debug!("no Landlock for the replay: {error}");
            Ok((Fence::Nothing, roots))
        }
    }
}

/// A mount namespace of the thread's own. Where a step fails, the thread sees the mounts that it
/// saw before.
fn namespace(sandboxes: &[Sandbox]) -> Result<Vec<OwnedFd>, Errno> {
    if !rustix::process::geteuid().is_root() {
        return Err(Errno::PERM);
    }
    let first = sandboxes
        .first()
        .and_then(|sandbox| sandbox.path().parent());
    // A directory of ours, which nobody misses when something is mounted on it in here.
    let base = first.ok_or(Errno::INVAL)?;
    errno(sys::unshare(libc::CLONE_NEWNS))?;
    // Nothing that is mounted here from now on is seen elsewhere.
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?;
    let trees = sandboxes
        .iter()
        .map(same_directory)
        .collect::<Result<Vec<OwnedFd>, Errno>>()?;
    mount(
        "fsreplay",
        base,
        "tmpfs",
        MountFlags::NOSUID | MountFlags::NODEV,
        c"mode=0755,size=1m",
    )?;
    let entered = furnish(base, sandboxes, &trees).and_then(|()| move_in(base, sandboxes));
    if entered.is_err() {
        // Back to what was seen before: the replay goes on with the next best fence.
        let _ = unmount(base, UnmountFlags::DETACH);
    }
    entered
}

/// A sandbox's directory as this namespace sees it; descriptors from before belong to the other.
fn same_directory(sandbox: &Sandbox) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = rustix::fs::open(sandbox.path(), flags, Mode::empty())?;
    let (here, there) = (
        rustix::fs::fstat(&found)?,
        rustix::fs::fstat(sandbox.root())?,
    );
    if (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino) {
        return Err(Errno::NOENT); // a mount has been laid over it
    }
    Ok(found)
}

/// Mounts the trees below `base`, each at its own path.
fn furnish(base: &Path, sandboxes: &[Sandbox], trees: &[OwnedFd]) -> Result<(), Errno> {
    for (sandbox, tree) in sandboxes.iter().zip(trees) {
        let place = below(base, sandbox.path());
        std::fs::create_dir_all(&place)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        let source = format!("/proc/thread-self/fd/{}", tree.as_raw_fd());
        mount_bind(source, &place)?;
    }
    mount_remount(base, MountFlags::BIND | MountFlags::RDONLY, c"")
}

/// Makes `base` the root, and lets go of all other mounts.
fn move_in(base: &Path, sandboxes: &[Sandbox]) -> Result<Vec<OwnedFd>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Opened before there is no way back.
    let roots = sandboxes
        .iter()
        .map(|sandbox| rustix::fs::open(below(base, sandbox.path()), flags, Mode::empty()))
        .collect::<Result<Vec<_>, _>>()?;
    rustix::process::chdir(base)?;
    rustix::process::pivot_root(".", ".")?;
    // The old root lies over the new one now.
    unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")?;
    Ok(roots)
}

/// An absolute path as one below another directory.
fn below(base: &Path, path: &Path) -> PathBuf {
    base.join(path.strip_prefix("/").unwrap_or(path))
}

fn errno(result: i64) -> Result<(), Errno> {
    if result < 0 {
        return Err(Errno::from_raw_os_error(-result as i32));
    }
    Ok(())
}

/// Denies this thread to write, make, rename and remove outside of the sandboxes. The first
/// version of Landlock is left alone, since it denies all renames between directories, too.
fn landlock(sandboxes: &[Sandbox]) -> Result<RulesetStatus, RulesetError> {
    // As of version 2: that of 3 adds truncation, for which the kernel looks at opens for reading.
    let writing = AccessFs::from_write(ABI::V2);
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(writing)?
        .create()?;
    for sandbox in sandboxes {
        ruleset = ruleset.add_rule(PathBeneath::new(sandbox.root().as_fd(), writing))?;
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

/// Whether a path names something in one of the directories or one of them itself.
pub(crate) fn is_inside(path: &[u8], roots: &[Vec<u8>]) -> bool {
    roots.iter().any(|root| {
        path.strip_prefix(root.as_slice())
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a fenced thread may do to a file beside its sandbox and to one in it.
    fn tried(enter: fn(&[Sandbox]) -> bool) -> Option<[bool; 4]> {
        let dir = tempfile::tempdir().expect("a directory");
        let sandbox = Sandbox::create(dir.path()).expect("a sandbox");
        let outside = dir.path().join("outside");
        std::fs::write(&outside, "x").expect("a file");
        let inside = sandbox.path().join("inside");
        let sandboxes = [sandbox];
        let outcome = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter(&sandboxes).then(|| {
                    [
                        std::fs::OpenOptions::new()
                            .write(true)
                            .open(&outside)
                            .is_ok(),
                        std::fs::remove_file(&outside).is_ok(),
                        std::fs::write(&inside, "x").is_ok(),
                        std::fs::rename(&inside, sandboxes[0].path().join("b")).is_ok(),
                    ]
                })
            });
            thread.join().expect("it ends")
        });
        assert!(outside.exists());
        // The rest of the process is as free as before.
        std::fs::write(&outside, "y").expect("it can be written");
        outcome
    }

    #[test]
    fn a_namespace_holds_the_replays_directories_only() {
        let outcome = tried(|sandboxes| namespace(sandboxes).is_ok());
        match outcome {
            Some(tried) => assert_eq!(tried, [false, false, true, true]),
            None => println!("skipped: no mount namespace for this user"),
        }
    }

    #[test]
    fn landlock_keeps_writers_inside() {
        let enter = |sandboxes: &[Sandbox]| {
            landlock(sandboxes).is_ok_and(|status| status == RulesetStatus::FullyEnforced)
        };
        match tried(enter) {
            Some(tried) => assert_eq!(tried, [false, false, true, true]),
            None => println!("skipped: no Landlock in this kernel"),
        }
    }

    #[test]
    fn a_path_is_inside_by_whole_names() {
        let roots = [b"/t/.fsreplay-1/tree".to_vec(), b"/v".to_vec()];
        for inside in [
            "/t/.fsreplay-1/tree",
            "/t/.fsreplay-1/tree/a",
            "/v/b (deleted)",
        ] {
            assert!(is_inside(inside.as_bytes(), &roots), "{inside}");
        }
        for outside in [
            "/t/.fsreplay-1",
            "/t/.fsreplay-1/trees/a",
            "/",
            "",
            "(unreachable)/v",
        ] {
            assert!(!is_inside(outside.as_bytes(), &roots), "{outside}");
        }
    }
}

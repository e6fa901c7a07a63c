//! Whether targets can take a plan, found out before anything is written.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, StatVfsMountFlags, StatxFlags};

use crate::error::ReplayError;
use crate::limits;
use crate::plan::Plan;

/// Checks that a plan can be executed within this process's limits, and all its targets:
/// directories, writable, with room for the tree at its largest.
pub fn preflight(plan: &Plan) -> Result<(), ReplayError> {
    limits::maps(plan.lanes.len(), limits::most_maps())?;
    limits::descriptors(plan)?;
    limits::addresses(plan)?;
    for root in &plan.roots {
        usable(&root.target)?;
        room(&root.target, plan.peak_bytes, plan.peak_inodes)?;
    }
    Ok(())
}

/// Whether trees of all plans have room at the same time, each at its largest.
pub(crate) fn fit_together<'p>(plans: impl IntoIterator<Item = &'p Plan>) -> bool {
    let mut needs: HashMap<u64, (&Path, u64, u64)> = HashMap::new();
    for plan in plans {
        for root in &plan.roots {
            let Ok(metadata) = std::fs::metadata(&root.target) else {
                continue;
            };
            let (_, bytes, inodes) = needs.entry(metadata.dev()).or_insert((&root.target, 0, 0));
            *bytes = bytes.saturating_add(plan.peak_bytes);
            *inodes = inodes.saturating_add(plan.peak_inodes);
        }
    }
    let mut needs = needs.into_values();
    needs.all(|(target, bytes, inodes)| room(target, bytes, inodes).is_ok())
}

fn refused(target: &Path, reason: impl Into<String>) -> ReplayError {
    ReplayError::Target {
        target: target.into(),
        reason: reason.into(),
    }
}

/// A directory in which the user may make another.
pub fn usable(target: &Path) -> Result<(), ReplayError> {
    let metadata = std::fs::metadata(target).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => refused(
            target,
            "there is no such directory; make it first, on the mount under test",
        ),
        _ => refused(target, error.to_string()),
    })?;
    if !metadata.is_dir() {
        return Err(refused(
            target,
            "this is not a directory; name one on the mount under test",
        ));
    }
    let mount = rustix::fs::statvfs(target).map_err(|error| refused(target, error.to_string()))?;
    if mount.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err(refused(
            target,
            "the file system is mounted read-only; a replay has to write",
        ));
    }
    rustix::fs::accessat(
        CWD,
        target,
        Access::WRITE_OK | Access::EXEC_OK,
        AtFlags::EACCESS,
    )
    .or_else(|_| rustix::fs::access(target, Access::WRITE_OK | Access::EXEC_OK))
    .map_err(|error| refused(target, format!("you may not make files in it: {error}")))
}

/// Whether two directories lie on one mount, so that links and renames go from one to the other.
/// Two mounts of one file system are two (rename(2)).
pub fn is_one_mount(one: &Path, other: &Path) -> bool {
    mount_of(one).is_some_and(|mount| mount_of(other) == Some(mount))
}

/// What tells a mount from others: its number, where the kernel gives one (Linux 5.8), and its
/// file system.
fn mount_of(path: &Path) -> Option<(u64, u32, u32)> {
    let wanted = StatxFlags::MNT_ID;
    let found = rustix::fs::statx(CWD, path, AtFlags::empty(), wanted).ok()?;
    let known = found.stx_mask & wanted.bits() != 0;
    let number = if known { found.stx_mnt_id } else { 0 };
    Some((number, found.stx_dev_major, found.stx_dev_minor))
}

fn room(target: &Path, bytes: u64, inodes: u64) -> Result<(), ReplayError> {
    let mount = rustix::fs::statvfs(target).map_err(|error| refused(target, error.to_string()))?;
    let block = mount.f_frsize.max(1);
    let free = mount.f_bavail.saturating_mul(block);
    // Each file rounds up to a block.
    let needed = bytes.saturating_add(inodes.saturating_mul(block));
    if needed > free {
        return Err(refused(
            target,
            format!(
                "the tree needs up to {} MiB and {} MiB are free",
                needed >> 20,
                free >> 20
            ),
        ));
    }
    // File systems without a fixed number of inodes say 0.
    if mount.f_files > 0 && inodes > mount.f_favail {
        return Err(refused(
            target,
            format!(
                "the tree needs up to {inodes} inodes and {} are free",
                mount.f_favail
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_of_one_file_system_need_room_for_all() {
        let dir = tempfile::tempdir().expect("a directory");
        let mount = rustix::fs::statvfs(dir.path()).expect("a file system");
        let root = crate::plan::Root {
            recorded: b"/".to_vec(),
            target: dir.path().to_owned(),
        };
        let plan = Plan {
            roots: vec![root],
            peak_bytes: mount.f_bavail.saturating_mul(mount.f_frsize) / 3 * 2,
            ..Plan::default()
        };
        assert!(fit_together(std::slice::from_ref(&plan)));
        assert!(!fit_together(&[plan.clone(), plan]));
    }

    #[test]
    fn two_directories_of_a_mount_are_on_one_and_others_are_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let (one, other) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::create_dir(&one).expect("a directory");
        std::fs::create_dir(&other).expect("a directory");
        assert!(is_one_mount(&one, &other));
        assert!(!is_one_mount(&one, "/proc".as_ref()));
        assert!(!is_one_mount(&one, "/no/such/place".as_ref()));
    }
}

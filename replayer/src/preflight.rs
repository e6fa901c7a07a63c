//! Whether targets can take a plan, found out before anything is written.

use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, StatVfsMountFlags};

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

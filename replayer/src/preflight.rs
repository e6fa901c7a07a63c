//! Whether targets can take a plan, found out before anything is written.

use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, StatVfsMountFlags};

use crate::error::ReplayError;
use crate::plan::Plan;

/// Memory maps of a thread: its stack and that of its signal handlers, each with a guard.
const MAPS_OF_THREAD: usize = 4;
/// Maps that a process has besides its threads' own, with room for what a replay maps.
const OTHER_MAPS: usize = 4096;

/// Checks that a plan can be executed, and all its targets: directories, writable, with room for
/// the tree at its largest.
pub fn preflight(plan: &Plan) -> Result<(), ReplayError> {
    threads(plan.lanes.len(), most_maps())?;
    for root in &plan.roots {
        usable(&root.target)?;
        room(&root.target, plan.peak_bytes, plan.peak_inodes)?;
    }
    Ok(())
}

/// Memory maps that a process may have (`vm.max_map_count`, proc(5)).
fn most_maps() -> Option<usize> {
    let told = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?;
    told.trim().parse().ok()
}

/// Whether a thread can be started for each lane. The one that finds no room for the stack of its
/// signal handlers ends the process, and leaves the tree.
fn threads(lanes: usize, most_maps: Option<usize>) -> Result<(), ReplayError> {
    let needed = lanes.saturating_mul(MAPS_OF_THREAD) + OTHER_MAPS;
    match most_maps {
        Some(most) if needed > most => Err(ReplayError::Plan(format!(
            "{lanes} of its tasks lived at the same time, and a thread for each takes some {needed} \
             memory maps of {most} that a process may have (raise it: sysctl vm.max_map_count)",
        ))),
        _ => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_tasks_at_a_time_than_threads_can_be_started_are_refused() {
        assert!(threads(8192, Some(65_530)).is_ok());
        assert!(threads(16_384, Some(65_530)).is_err());
        assert!(threads(16_384, Some(1 << 20)).is_ok());
        assert!(threads(16_384, None).is_ok());
    }
}

//! The state of the page cache when a round begins.

use std::os::fd::AsRawFd;

use fsreplay_trace::model::FileKind;
use rustix::fs::{Advice, Mode, OFlags};

use crate::plan::Plan;
use crate::sandbox::Sandbox;
use crate::sys;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Cache {
    /// As a tree is when it was just made.
    #[default]
    Made,
    /// As after a run: one replay goes before those that count.
    Warm,
    /// Empty, as far as this user may empty it.
    Cold,
}

/// Writes back what the tree's making or putting back left, and empties the caches if asked to. Says what was done.
pub(crate) fn settle(cache: Cache, plan: &Plan, sandboxes: &[Sandbox]) -> &'static str {
    for sandbox in sandboxes {
        // So that writing back the tree doesn't disturb.
        sys::syncfs(sandbox.root().as_raw_fd());
    }
    match cache {
        Cache::Made => "as made: the tree was just made, or put back after a round",
        Cache::Warm => "warm: after a replay that doesn't count",
        Cache::Cold => {
            if std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok() {
                return "cold: caches of the whole machine were dropped";
            }
            forget_files(plan, sandboxes);
            "cold for contents only: files were dropped one by one (fadvise), names and attributes stay cached; \
             dropping all needs root outside of a container"
        }
    }
}

fn forget_files(plan: &Plan, sandboxes: &[Sandbox]) {
    for entry in plan
        .tree
        .iter()
        .filter(|entry| entry.kind == FileKind::File)
    {
        let Some(sandbox) = sandboxes.get(entry.root as usize) else {
            continue;
        };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        // What can't be opened stays cached, and can't be read by the replay either.
        let opened =
            rustix::fs::openat(sandbox.root(), plan.bytes(entry.path), flags, Mode::empty());
        if let Ok(file) = opened {
            let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
        }
    }
}

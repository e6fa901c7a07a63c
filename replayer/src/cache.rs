//! The state of the page cache when a round begins.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use fsreplay_trace::model::FileKind;
use rustix::fs::{Advice, Mode, OFlags};

use crate::plan::Plan;
use crate::sandbox::Sandbox;
use crate::sys;
use crate::timing::Timing;

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

/// Attribute caches of shares expire after one second by FUSE's default (`attr_timeout`) and
/// virtiofs's; NFS and sshfs may keep them for longer. What people run, they run later than that
/// after the last time, and a round that begins earlier would find another state each time.
const EXPIRY: Duration = Duration::from_millis(1_100);

/// A tool is started on a machine at rest, not right after its tree was made or another run ended.
/// What was done in the last tens of milliseconds shows: schedulers place tasks by it (Linux halves
/// it every 32 ms, `PELT_HALFLIFE`), and a processor that was idle has caches of others. `tar |
/// cat` of 1,200 files took 8 ms right after another run, 11 ms after 200 ms of rest, and no more
/// after longer ones.
const IDLE: Duration = Duration::from_millis(200);

/// What a round gains at most whose tree was left alone while another was played in.
pub(crate) const SAVED: Duration = EXPIRY.saturating_sub(IDLE);

/// File systems whose names and attributes are cached for a limited time: FUSE and virtiofs, 9P,
/// NFS, SMB and CIFS.
const SHARES: [u32; 5] = [0x6573_5546, 0x0102_1997, 0x6969, 0xfe53_4d42, 0xff53_4d42];

/// How long to leave a directory alone until no attributes of it are cached any more; no time on
/// what caches them for ever.
pub fn expiry(dir: impl AsFd) -> Duration {
    if is_share(dir) {
        EXPIRY
    } else {
        Duration::ZERO
    }
}

/// How long to leave a directory alone before a tool, or a replay with its timing, runs in it at
/// rest.
pub fn rest_before_run(dir: impl AsFd) -> Duration {
    expiry(dir).max(IDLE)
}

/// How long to leave all alone before the first call of a replay. Its tree, ready by then, was left
/// alone for some time already, and other trees may have been played in meanwhile.
pub(crate) fn rest(timing: Timing, sandboxes: &[Sandbox], left_alone: Duration) -> Duration {
    let rests = sandboxes.iter().map(|sandbox| {
        let until_expired = expiry(sandbox.root()).saturating_sub(left_alone);
        match timing {
            Timing::Fast => until_expired,
            Timing::Scaled(_) => until_expired.max(IDLE),
        }
    });
    // Once is enough for all of them.
    rests.max().unwrap_or_default()
}

fn is_share(dir: impl AsFd) -> bool {
    rustix::fs::fstatfs(dir).is_ok_and(|fs| SHARES.contains(&(fs.f_type as u32)))
}

/// Whether a plan is played in a directory on a share.
pub(crate) fn is_on_share(plan: &Plan) -> bool {
    let mut targets = plan.roots.iter().map(|root| File::open(&root.target));
    targets.any(|target| target.is_ok_and(is_share))
}

/// Writes back what the tree's making or putting back left, and empties the caches if asked to.
/// Says what was done.
pub(crate) fn settle(cache: Cache, plan: &Plan, sandboxes: &[Sandbox]) -> &'static str {
    // So that it doesn't disturb.
    write_back(sandboxes);
    match cache {
        Cache::Made => "as made: the tree was just made, or put back after a round",
        Cache::Warm => "warm: after a replay that doesn't count",
        Cache::Cold => {
            if std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok() {
                return "cold: caches of the whole machine were dropped";
            }
            forget_files(plan, sandboxes);
            "cold for contents only: files were dropped one by one (fadvise), names and \
             attributes stay cached; \
             dropping all needs root outside of a container"
        }
    }
}

/// Writes back what was changed on the file systems of the sandboxes.
pub(crate) fn write_back(sandboxes: &[Sandbox]) {
    for sandbox in sandboxes {
        sys::syncfs(sandbox.root().as_raw_fd());
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

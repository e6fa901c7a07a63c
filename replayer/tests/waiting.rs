//! A lane that waits sleeps. Alone in its file: it looks at the processor time of the whole
//! process.

mod common;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::Builder;
use fsreplay_replayer::plan::{Action, Slot};
use fsreplay_replayer::{PlayOptions, ReplayError, play};
use fsreplay_trace::model::FileKind;

/// What this process has used of all processors so far.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Whether a thread of this process sleeps in the kernel.
fn is_asleep(thread: &Path) -> bool {
    // One that has ended meanwhile is none.
    let state = std::fs::read_to_string(thread.join("stat")).unwrap_or_default();
    state
        .rsplit(") ")
        .next()
        .is_some_and(|rest| rest.starts_with('S'))
}

/// Until all lanes sleep. Lanes that spin never do, but use a second of the processors.
fn until_all_wait(lanes: usize) {
    let before = processor_time();
    loop {
        let listed = std::fs::read_dir("/proc/self/task").expect("threads");
        let threads: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
        let is_lane = |thread: &&PathBuf| {
            std::fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.starts_with("lane-"))
        };
        let found: Vec<&PathBuf> = threads.iter().filter(is_lane).collect();
        if found.len() == lanes && found.iter().all(|thread| is_asleep(thread)) {
            return;
        }
        let used = processor_time() - before;
        assert!(used < Duration::from_secs(1), "of {lanes} lanes {found:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn lanes_that_wait_leave_the_processor_to_others() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut b = Builder::new(dir.path());
    b.entry("file", FileKind::File, 1);
    let at = b.at("file");
    // One lane has a lock and waits for the one that asks for it; two more wait for that one, too.
    let (holder, asker, others) = (b.lane(), b.lane(), [b.lane(), b.lane()]);
    let mut locks = |lane, slot| {
        let action = Action::Open {
            at,
            flags: libc::O_RDWR,
            mode: 0,
            resolve: 0,
            out: slot,
        };
        b.op(lane, action, 0);
        let operation = libc::LOCK_EX;
        b.op(
            lane,
            Action::Flock {
                fd: slot,
                operation,
            },
            0,
        )
    };
    let held = locks(holder, Slot(3));
    let had = locks(asker, Slot(4));
    b.wait(asker, holder, held);
    for lane in [holder, others[0], others[1]] {
        b.op(lane, Action::Stat { at, flags: 0 }, 0);
        b.wait(lane, asker, had);
    }
    let stop = AtomicBool::new(false);
    let (played, used) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            until_all_wait(4);
            let before = processor_time();
            std::thread::sleep(Duration::from_millis(400));
            let used = processor_time() - before;
            stop.store(true, Ordering::Relaxed);
            used
        });
        let options = PlayOptions {
            rounds: 1,
            keep: false,
            timing: Default::default(),
            cache: Default::default(),
        };
        let played = play(&b.plan, options, &stop, &|_| {});
        (played, watcher.join().expect("the watcher ends"))
    });
    // It would take for ever otherwise.
    assert!(matches!(played, Err(ReplayError::Cancelled)), "{played:?}");
    // Three lanes that spin would have used all processors for 400 ms; asking for a lock takes
    // some.
    assert!(used < Duration::from_millis(200), "{used:?} of 400 ms");
}

//! A lane that waits sleeps. Alone in its file: it looks at the processor time of the whole process.

mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::Builder;
use fsreplay_replayer::plan::{Action, Slot};
use fsreplay_trace::model::FileKind;

/// What this process has used of all processors so far.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The pipe in the directory of the replay, once it has been made and the replay had time to open it.
fn pipe_of(target: PathBuf) -> PathBuf {
    loop {
        let mut sandboxes = std::fs::read_dir(&target).expect("a list").flatten();
        if let Some(pipe) = sandboxes.find_map(|entry| {
            let pipe = entry.path().join("tree/pipe");
            pipe.exists().then_some(pipe)
        }) {
            return pipe;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
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
        let threads = std::fs::read_dir("/proc/self/task").expect("threads");
        let threads: Vec<PathBuf> = threads.flatten().map(|entry| entry.path()).collect();
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
    b.entry("pipe", FileKind::Fifo, 0);
    let (blocked, others) = (b.lane(), [b.lane(), b.lane(), b.lane()]);
    // The first lane sleeps in open(2) until this test opens the other end; three more wait for that lane.
    let at = b.at("pipe");
    let opened = b.op(
        blocked,
        Action::Open {
            at,
            flags: libc::O_RDONLY,
            mode: 0,
            resolve: 0,
            out: Slot(3),
        },
        0,
    );
    for lane in others {
        b.op(lane, Action::Stat { at, flags: 0 }, 0);
        b.wait(lane, blocked, opened);
    }
    let target = dir.path().to_path_buf();
    let writer = std::thread::spawn(move || {
        let pipe = pipe_of(target);
        until_all_wait(4);
        let before = processor_time();
        std::thread::sleep(Duration::from_millis(400));
        let used = processor_time() - before;
        drop(std::fs::OpenOptions::new().write(true).open(pipe));
        used
    });
    let result = b.play().expect("plays");
    let used = writer.join().expect("the writer ends");
    assert_eq!(result.divergences, 0, "{:#?}", result.divergence_groups);
    // Three lanes that spin would have used all processors for 400 ms.
    assert!(used < Duration::from_millis(40), "{used:?} of 400 ms");
}

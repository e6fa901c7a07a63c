//! What two threads did at the same time, they do at the same time in the replay.

mod common;

use std::path::Path;

use common::{have, planned, play, record, text, workspace};
use fsreplay_replayer::plan::{Action, Plan};

/// One thread asks for a lock that the other holds; meanwhile the other writes 32 MiB, then lets
/// go.
const TOOL: &str = r#"
import fcntl, os, threading, time
held = open("lock", "w")
fcntl.flock(held, fcntl.LOCK_EX)
def ask():
    with open("lock") as mine:
        fcntl.flock(mine, fcntl.LOCK_EX)
thread = threading.Thread(target=ask)
thread.start()
def waits(): # in flock(2), and not for this thread
    with open(f"/proc/self/task/{thread.native_id}/syscall") as call:
        return call.read().split()[0] == FLOCK
FLOCK = {"x86_64": "73", "aarch64": "32"}[os.uname().machine]
while not waits():
    time.sleep(0.01)
with open("data", "wb", buffering=0) as data:
    for _ in range(32):
        data.write(bytes(1 << 20))
fcntl.flock(held, fcntl.LOCK_UN)
thread.join()
"#;

/// Lane, number and operation of each `flock`.
fn locks(plan: &Plan) -> Vec<(usize, usize, i32)> {
    let mut found = Vec::new();
    for lane in 0..plan.lanes.len() {
        for (number, op) in plan.ops_of(lane).enumerate() {
            if let Action::Flock { operation, .. } = op.action {
                found.push((lane, number, operation));
            }
        }
    }
    found
}

#[test]
fn overlapping_calls_overlap_again() {
    if !have("python3") {
        return;
    }
    let dir = workspace();
    let work = dir.path().join("work");
    std::fs::create_dir(&work).expect("a directory");
    let trace = dir.path().join("t.zst");
    let output = record(&work, &trace, &["python3", "-c", TOOL]);
    assert!(output.status.success(), "{}", text(&output));
    let replay = play(&trace, Path::new(env!("CARGO_TARGET_TMPDIR")));
    assert_eq!(replay.number("divergences"), 0, "{}", replay.json);
    // What the one did until it asked is done while the other has the lock; the asking itself comes
    // after the release, since writes of both may be in order, too.
    let (plan, _) = planned(&trace, dir.path());
    let locks = locks(&plan);
    let released = locks
        .iter()
        .find(|(_, _, operation)| *operation == libc::LOCK_UN);
    let (holder, release, _) = *released.expect("let go");
    let asked = locks.iter().find(|(lane, ..)| *lane != holder);
    let (asker, ask, _) = *asked.expect("asked for");
    let after_release = |op| {
        let mut waits = plan.lanes[asker].waits_of(op).iter().map(|wait| wait.until);
        waits.any(|wait| wait.lane as usize == holder && wait.done as usize > release)
    };
    assert!(!(0..ask).any(after_release), "all waits: {locks:?}");
    assert!(after_release(ask), "it may be had before: {locks:?}");
}

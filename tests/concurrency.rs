//! What two threads did at the same time, they do at the same time in the replay.

mod common;

use std::path::Path;

use common::{have, play, record, text, workspace};

/// One thread asks for a lock that the other holds; meanwhile the other writes 32 MiB, then lets go.
const TOOL: &str = r#"
import fcntl, threading, time
held = open("lock", "w")
fcntl.flock(held, fcntl.LOCK_EX)
def ask():
    with open("lock") as mine:
        fcntl.flock(mine, fcntl.LOCK_EX)
thread = threading.Thread(target=ask)
thread.start()
time.sleep(0.3) # it hangs in flock(2) by now
with open("data", "wb", buffering=0) as data:
    for _ in range(32):
        data.write(bytes(1 << 20))
fcntl.flock(held, fcntl.LOCK_UN)
thread.join()
"#;

/// Seconds in all calls of one kind, of the only round.
fn seconds(json: &serde_json::Value, call: &str) -> f64 {
    let calls = json["rounds"][0]["calls"].as_array().expect("calls");
    let call = calls.iter().find(|entry| entry["name"] == call);
    call.and_then(|call| call["total_seconds"].as_f64())
        .unwrap_or_else(|| panic!("no such call in {calls:?}"))
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
    // The lock is waited for while the writes go on: had the planner put one after the other, it would be had at once.
    let (lock, writes) = (
        seconds(&replay.json, "flock"),
        seconds(&replay.json, "write"),
    );
    assert!(lock > writes / 2.0, "flock {lock} s, write {writes} s");
}

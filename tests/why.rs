//! `why`: from a command, or its trace, to one screen and one answer.

mod common;

use std::path::Path;
use std::process::Output;

use common::fsreplay;
use serde_json::Value;

fn why(dir: &Path, arguments: &[&str]) -> Output {
    fsreplay()
        .current_dir(dir)
        .args(["why", "--budget", "3s", "--target", "disk=."])
        .args(["--target", "memory=/dev/shm"])
        .args(arguments)
        .output()
        .expect("fsreplay runs")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "{error}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// What was measured may be told or not: the machine may be busy.
fn answers(output: &Output) -> bool {
    matches!(output.status.code(), Some(0 | 5))
}

#[test]
fn a_command_is_recorded_and_explained() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = "i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo $i > f$i; cat f$i > /dev/null; \
                  test -e missing$i; done; exit 3";
    let output = why(dir.path(), &["--json", "-", "--", "sh", "-c", script]);
    assert!(answers(&output), "{output:?}");
    let found = json(&output);
    assert_eq!(found["kind"], "why");
    assert_eq!(found["status"], 3);
    assert_eq!(found["trace"]["command"][0], "sh");
    let share = found["file_share"].as_f64().expect("a share");
    assert!((0.0..=1.0).contains(&share), "{share}");
    // Of what was measured, if it was; the recording's own times may be another's.
    let of_which = |found: &Value| match &found["compare"]["share"]["file_share"] {
        Value::Null => found["inspect"]["share"]["file_share"].clone(),
        measured => measured.clone(),
    };
    assert_eq!(found["file_share"], of_which(&found));
    assert!(dir.path().join("trace.zst").is_file());
    // The trace tells the same, but for how the command ended.
    let again = why(dir.path(), &["--json", "-", "trace.zst"]);
    assert!(answers(&again), "{again:?}");
    let again = json(&again);
    assert_eq!(again["status"], Value::Null);
    assert_eq!(again["file_share"], of_which(&again));
    let shares = [&again, &found].map(|found| found["inspect"]["share"].clone());
    let [of_trace, of_recording] = shares.map(|share| share["gain_seconds"].clone());
    assert_eq!(of_trace, of_recording);
}

#[test]
fn a_tool_that_computes_is_told_so_and_nothing_is_replayed() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = "i=0; while [ $i -lt 3000000 ]; do i=$((i+1)); done";
    let output = why(dir.path(), &["--", "sh", "-c", script]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text.contains("No mount can help: it computes"), "{text}");
    assert!(!text.contains("on other mounts"), "{text}");
}

#[test]
fn there_is_a_screen_with_an_answer() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = "for d in a b c; do mkdir $d; for f in $(seq 100); do : > $d/f$f; done; done; \
                  ls -lR . > /dev/null";
    let output = why(dir.path(), &["--", "sh", "-c", script]);
    assert!(answers(&output), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    for part in [
        "is file access",
        "on other mounts",
        "memory",
        "more: fsreplay inspect",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_trace_and_a_command_are_one_too_many() {
    let dir = tempfile::tempdir().expect("a directory");
    for wrong in [&["trace.zst", "--", "ls"][..], &[]] {
        assert_eq!(why(dir.path(), wrong).status.code(), Some(2), "{wrong:?}");
    }
}

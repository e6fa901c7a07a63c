//! `why`: from a command, or its trace, to one screen and one answer.

mod common;

use std::path::Path;
use std::process::{Command, Output};

use common::{answers, fsreplay};
use serde_json::Value;

fn why(dir: &Path, arguments: &[&str]) -> Output {
    let named = ["--target", "disk=.", "--target", "memory=/dev/shm"];
    why_anywhere(dir, &[&named, arguments].concat())
}

fn why_anywhere(dir: &Path, arguments: &[&str]) -> Output {
    fsreplay()
        .current_dir(dir)
        .args(["why", "--budget", "3s"])
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

#[test]
fn a_command_is_recorded_and_explained() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = "i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo $i > f$i; cat f$i > /dev/null; \
                  test -e missing$i; done; exit 3";
    let output = why(dir.path(), &["--json", "-", "--", "sh", "-c", script]);
    assert!(answers(output.status), "{output:?}");
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
    assert!(answers(again.status), "{again:?}");
    let again = json(&again);
    assert_eq!(again["status"], Value::Null);
    assert_eq!(again["file_share"], of_which(&again));
    let shares = [&again, &found].map(|found| found["inspect"]["share"].clone());
    let [of_trace, of_recording] = shares.map(|share| share["gain_seconds"].clone());
    assert_eq!(of_trace, of_recording);
}

#[test]
fn a_command_that_a_signal_ended_is_explained_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = "for i in 1 2 3 4 5; do echo $i > f$i; done; kill -INT $$";
    let page = why(dir.path(), &["--", "sh", "-c", script]);
    assert!(answers(page.status), "{page:?}");
    let text = String::from_utf8_lossy(&page.stdout);
    assert!(text.contains("ended with status 130 (signal 2)"), "{text}");
    let output = why(dir.path(), &["--json", "-", "--", "sh", "-c", script]);
    assert!(answers(output.status), "{output:?}");
    assert_eq!(json(&output)["status"], 130);
}

#[test]
fn where_a_result_cannot_be_written_nothing_is_begun() {
    let dir = tempfile::tempdir().expect("a directory");
    for wrong in [["--json", "missing/why.json"], ["--html", "."]] {
        let output = why(dir.path(), &[&wrong[..], &["--", "touch", "ran"]].concat());
        assert_eq!(output.status.code(), Some(6), "{output:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(wrong[1]), "{told}");
        assert!(!dir.path().join("ran").exists(), "{wrong:?}");
    }
}

#[test]
fn an_earlier_trace_is_not_explained_where_a_recording_broke_off() {
    let dir = tempfile::tempdir().expect("a directory");
    let earlier = why(dir.path(), &["-q", "--", "ls"]);
    assert!(answers(earlier.status), "{earlier:?}");
    // A limit on the size of files, and a trace of names that nothing compresses.
    let script = r#"ulimit -f 160; exec "$0" why -- sh -c 'head -c 300000 /dev/urandom |
        od -An -tx1 -w16 | tr -d " " | while read -r name; do test -e $name; done'"#;
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_fsreplay")])
        .current_dir(dir.path())
        .env("XDG_STATE_HOME", dir.path().join("state"))
        .output()
        .expect("runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{told}");
    assert!(told.contains("the recording broke off"), "{told}");
    assert!(output.stdout.is_empty(), "{output:?}");
}

#[test]
fn a_tool_that_computes_is_told_so_and_nothing_is_replayed() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = "i=0; while [ $i -lt 3000000 ]; do i=$((i+1)); done";
    let output = why_anywhere(dir.path(), &["--", "sh", "-c", script]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text.contains("No mount can help: it computes"), "{text}");
    assert!(!text.contains("on other mounts"), "{text}");
}

#[test]
fn a_tool_that_computes_is_played_where_mounts_are_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let spin = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
    let output = why(dir.path(), &["--json", "-", "--", "sh", "-c", spin]);
    let found = json(&output);
    assert!(
        found["sentence"]
            .as_str()
            .is_some_and(|text| text.contains("No mount can help"))
    );
    assert_eq!(found["compare"]["targets"][0]["name"], "disk", "{found}");
}

#[test]
fn there_is_a_screen_with_an_answer() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = "for d in a b c; do mkdir $d; for f in $(seq 100); do : > $d/f$f; done; done; \
                  ls -lR . > /dev/null";
    let output = why(dir.path(), &["--", "sh", "-c", script]);
    assert!(answers(output.status), "{output:?}");
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
fn the_answer_and_an_inspection_are_also_pages() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = "for f in $(seq 50); do : > f$f; cat f$f; done";
    let output = why(dir.path(), &["--html", "w.html", "--", "sh", "-c", script]);
    assert!(answers(output.status), "{output:?}");
    let inspected = fsreplay()
        .current_dir(dir.path())
        .args(["inspect", "trace.zst", "--html", "i.html"])
        .output()
        .expect("fsreplay runs");
    assert_eq!(inspected.status.code(), Some(0), "{inspected:?}");
    for name in ["w.html", "i.html"] {
        let page = std::fs::read_to_string(dir.path().join(name)).expect("a page");
        assert!(page.contains("Where the time goes"), "{name}");
    }
}

#[test]
fn a_trace_and_a_command_are_one_too_many() {
    let dir = tempfile::tempdir().expect("a directory");
    for wrong in [&["trace.zst", "--", "ls"][..], &[]] {
        assert_eq!(why(dir.path(), wrong).status.code(), Some(2), "{wrong:?}");
    }
}

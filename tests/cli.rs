//! The command line: exit codes, refusals, and what is left behind.

mod common;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use common::{fsreplay, record, text, workspace};

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .expect("listed")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

fn play_code(trace: &Path, target: &Path) -> (i32, String) {
    let output = fsreplay()
        .arg("play")
        .arg(trace)
        .arg("--target")
        .arg(target)
        .output()
        .expect("runs");
    (output.status.code().expect("an exit status"), text(&output))
}

#[test]
fn record_gives_the_tools_status_and_output() {
    let dir = workspace();
    let trace = dir.path().join("t.zst");
    let output = record(
        dir.path(),
        &trace,
        &["sh", "-c", "echo out; echo err >&2; exit 42"],
    );
    assert_eq!(output.status.code(), Some(42));
    assert_eq!(output.stdout, b"out\n");
    assert_eq!(output.stderr, b"err\n");
}

#[test]
fn record_dies_of_the_signal_that_the_tool_died_of() {
    let dir = workspace();
    let output = record(
        dir.path(),
        &dir.path().join("t.zst"),
        &["sh", "-c", "kill -KILL $$"],
    );
    assert_eq!(output.status.signal(), Some(libc::SIGKILL));
    assert!(
        dir.path().join("t.zst").exists(),
        "the trace is finished all the same"
    );
}

#[test]
fn a_command_that_cannot_be_run_leaves_no_trace() {
    let dir = workspace();
    let trace = dir.path().join("t.zst");
    fs::write(dir.path().join("plain"), "no program").expect("written");
    assert_eq!(
        record(dir.path(), &trace, &["no-such-command-anywhere"])
            .status
            .code(),
        Some(127)
    );
    assert_eq!(
        record(dir.path(), &trace, &["./plain"]).status.code(),
        Some(126)
    );
    assert_eq!(names(dir.path()), ["plain"]);
}

#[test]
fn an_existing_trace_is_kept_as_old_and_the_tool_sees_no_other_file() {
    let dir = workspace();
    for _ in 0..2 {
        let output = fsreplay()
            .args(["record", "-q", "ls", "-A"])
            .current_dir(dir.path())
            .output()
            .expect("runs");
        assert!(output.status.success(), "{}", text(&output));
        let seen = String::from_utf8_lossy(&output.stdout);
        assert!(
            seen.lines().all(|name| name == "trace.zst"),
            "the tool saw {seen}"
        );
    }
    assert_eq!(names(dir.path()), ["trace.zst", "trace.zst.old"]);
}

#[test]
fn play_refuses_what_is_no_target_and_changes_nothing() {
    let dir = workspace();
    let trace = dir.path().join("t.zst");
    record(dir.path(), &trace, &["true"]);
    let (code, message) = play_code(&trace, &dir.path().join("missing"));
    assert_eq!(code, 4, "{message}");
    let (code, message) = play_code(&trace, &trace);
    assert_eq!(code, 4, "{message}");
    assert_eq!(names(dir.path()), ["t.zst"]);
}

#[test]
fn play_refuses_what_is_no_trace() {
    let dir = workspace();
    let other = dir.path().join("other");
    fs::write(&other, "This is a text and no trace.").expect("written");
    let (code, message) = play_code(&other, dir.path());
    assert_eq!(code, 3, "{message}");
    let (code, message) = play_code(&dir.path().join("missing"), dir.path());
    assert_eq!(code, 3, "{message}");
    assert_eq!(names(dir.path()), ["other"]);
}

#[test]
fn a_truncated_trace_is_refused_and_played_when_asked() {
    let dir = workspace();
    let (trace, cut) = (dir.path().join("t.zst"), dir.path().join("cut.zst"));
    record(
        dir.path(),
        &trace,
        &["sh", "-c", "for i in 1 2 3; do cat /etc/passwd; done"],
    );
    let bytes = fs::read(&trace).expect("a trace");
    fs::write(&cut, &bytes[..bytes.len() - bytes.len() / 4]).expect("written");
    let (code, message) = play_code(&cut, dir.path());
    assert_eq!(code, 3, "{message}");
    assert!(message.contains("nothing is left of it"), "{message}");
    // A longer one has whole blocks of events. Not all commands take them: those that do are named.
    let long = fs::read("traces/library/npm-ci.zst").expect("a trace");
    let half = dir.path().join("half.zst");
    fs::write(&half, &long[..long.len() / 2]).expect("written");
    let (code, message) = play_code(&half, dir.path());
    assert_eq!(code, 3, "{message}");
    let told = "play, anonymize and export take what is whole, with --truncated";
    assert!(message.contains(told), "says what to do: {message}");
    fs::remove_file(&half).expect("removed");
    let output = fsreplay()
        .args(["play", "--truncated", "--target"])
        .arg(dir.path())
        .arg(&cut)
        .output()
        .expect("runs");
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(names(dir.path()), ["cut.zst", "t.zst"]);
}

#[test]
fn a_dry_run_writes_nothing() {
    let dir = workspace();
    let trace = dir.path().join("t.zst");
    record(dir.path(), &trace, &["ls", "/"]);
    let target = workspace();
    let output = fsreplay()
        .args(["play", "--dry-run", "--target"])
        .arg(target.path())
        .arg(&trace)
        .output()
        .expect("runs");
    assert!(output.status.success(), "{}", text(&output));
    assert!(names(target.path()).is_empty());
}

#[test]
fn play_cleans_up_and_its_json_has_the_plain_numbers() {
    let dir = workspace();
    let trace = dir.path().join("t.zst");
    record(dir.path(), &trace, &["ls", "-la", "/etc"]);
    let target = workspace();
    let output = fsreplay()
        .args(["play", "--rounds", "2", "--json", "-", "-q", "--target"])
        .arg(target.path())
        .arg(&trace)
        .output()
        .expect("runs");
    assert!(output.status.success(), "{}", text(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["kind"], "play");
    assert!(json["events"].as_u64() > Some(10), "{json}");
    assert_eq!(json["divergences"].as_u64(), Some(0), "{json}");
    assert_eq!(
        json["wall_seconds"].as_array().map(Vec::len),
        Some(2),
        "{json}"
    );
    assert!(
        names(target.path()).is_empty(),
        "left behind: {:?}",
        names(target.path())
    );
}

#[test]
fn info_and_dump_tell_what_was_recorded() {
    let dir = workspace();
    let trace = dir.path().join("t.zst");
    record(dir.path(), &trace, &["cat", "/no/such/file"]);
    let info = fsreplay()
        .args(["info", "--json", "-"])
        .arg(&trace)
        .output()
        .expect("runs");
    let json: serde_json::Value = serde_json::from_slice(&info.stdout).expect("JSON");
    assert_eq!(json["exit_code"].as_i64(), Some(1));
    assert_eq!(json["tasks"].as_u64(), Some(1));
    assert!(json["bytes"].as_u64() == Some(fs::metadata(&trace).expect("there").len()));
    let dump = fsreplay().arg("dump").arg(&trace).output().expect("runs");
    let lines = String::from_utf8_lossy(&dump.stdout).into_owned();
    assert_eq!(
        lines.lines().count() as u64,
        json["events"].as_u64().expect("events")
    );
    assert!(
        lines
            .lines()
            .any(|l| l.contains("/no/such/file") && l.contains("-1 ENOENT")),
        "{lines}"
    );
}

#[test]
fn bad_usage_is_two() {
    let output = fsreplay().args(["play"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(2));
}

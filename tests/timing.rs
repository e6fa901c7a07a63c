//! Rounds that begin alike, and the tool's own time.

mod common;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use common::{fsreplay, planned, record, sh, text, workspace};
use fsreplay_replayer::execute::{Tempo, execute};
use fsreplay_replayer::prepare::prepare;
use fsreplay_replayer::sandbox::Sandbox;

/// Plays and gives the JSON result.
fn play(trace: &Path, options: &[&str]) -> serde_json::Value {
    let target = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a target");
    let output = fsreplay()
        .arg("play")
        .arg(trace)
        .arg("--target")
        .arg(target.path())
        .args(["--json", "-", "-q"])
        .args(options)
        .output()
        .expect("fsreplay runs");
    assert!(output.status.success(), "{}", text(&output));
    let left = std::fs::read_dir(target.path())
        .expect("the target")
        .count();
    assert_eq!(left, 0, "the target is left empty");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

const CHANGES: &str = "
    echo more >> a/f; rm a/b/g; mv a/b a/d; mkdir a/new; echo n > a/new/file; rm c/x; mv a/h c/h
    ln -sf zz a/l; chmod 600 c/h; mkdir a/b; mv c a/c2; : > a/d/k; chmod 500 r
    cat a/f a/c2/h; ls -lR .; test ! -e c";

#[test]
fn each_round_begins_with_the_tree_as_recorded() {
    let dir = workspace();
    let work = dir.path().join("work");
    std::fs::create_dir(&work).expect("a directory");
    sh(
        &work,
        "mkdir -p a/b c r; echo 1 > a/f; echo 2 > a/b/g; ln -s f a/l; ln a/f a/h; echo 3 > c/x",
    );
    let trace = dir.path().join("t.zst");
    let output = record(&work, &trace, &["sh", "-euc", CHANGES]);
    assert!(output.status.success(), "{}", text(&output));
    for cache in ["made", "warm", "cold"] {
        let json = play(&trace, &["--rounds", "4", "--strict", "--cache", cache]);
        let said = json["cache"].as_str().expect("the cache");
        assert!(said.contains(cache), "{said}");
        let rounds = json["rounds"].as_array().expect("rounds");
        assert_eq!(rounds.len(), 4);
        assert!(
            rounds.iter().all(|round| round["divergences"] == 0),
            "{json:#}"
        );
    }
}

#[test]
fn sleeping_and_computing_are_played_once() {
    let dir = workspace();
    let trace = dir.path().join("t.zst");
    let script = "sleep 0.3; i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; ls /";
    let output = record(dir.path(), &trace, &["sh", "-c", script]);
    assert!(output.status.success(), "{}", text(&output));
    let recorded = play(&trace, &["--timing", "recorded"]);
    assert!(recorded["seconds"]["value"].as_f64() > Some(0.0));
    // It takes at least what is slept, but for what the kernel adds to a sleep.
    let took = recorded["seconds"]["value"].as_f64();
    assert!(took > Some(0.299), "{recorded}");
    let twice = play(&trace, &["--timing", "2"]);
    assert!(twice["seconds"]["value"].as_f64() > Some(0.599));
    assert!(twice["prediction"].is_null());
    // Both kinds of time are in the plan, once: together no longer than the recording took.
    let (plan, footer) = planned(&trace, dir.path());
    let paces = plan.lanes.iter().flat_map(|lane| lane.paces());
    let (mut computed, mut slept) = (0.0, 0.0);
    for pace in paces {
        computed += f64::from(pace.think) + f64::from(pace.own);
        slept += f64::from(pace.asleep) + f64::from(pace.own_asleep);
    }
    assert!(computed > 1e6, "{computed} ns of {footer:?}");
    assert!(slept > 0.29e9, "{slept} ns of {footer:?}");
    assert!(
        computed + slept < footer.elapsed as f64,
        "{computed} + {slept}, {footer:?}"
    );
}

#[test]
fn a_fast_replay_leaves_out_what_the_tool_slept() {
    let dir = workspace();
    let trace = dir.path().join("t.zst");
    let output = record(dir.path(), &trace, &["sh", "-c", "sleep 0.3; ls /"]);
    assert!(output.status.success(), "{}", text(&output));
    let (plan, _) = planned(&trace, dir.path());
    let mut paces = plan.lanes.iter().flat_map(|lane| lane.paces());
    assert!(paces.any(|pace| pace.asleep + pace.own_asleep > 0.2e9));
    let fast = play(&trace, &[]);
    assert_eq!(fast["timing"], "fast");
    assert!(fast["prediction"].is_null());
    // Lanes say for how long they paced themselves.
    let never = AtomicBool::new(false);
    let sandboxes = [Sandbox::create(dir.path()).expect("a sandbox")];
    prepare(&plan, &sandboxes, &never, &|_, _| {}).expect("a tree");
    let tempo = Tempo {
        scale: None,
        rest: Duration::ZERO,
    };
    let run = execute(&plan, &sandboxes, tempo, &never).expect("a run");
    assert!(run.lanes.iter().all(|lane| lane.paced == 0));
}

#[test]
fn a_wait_for_another_task_is_as_long_as_that_task_takes() {
    let dir = workspace();
    let trace = dir.path().join("t.zst");
    // The reader waits for the writer, which sleeps: once, not twice.
    let script = "(sleep 0.4; echo x) | cat > out";
    let output = record(dir.path(), &trace, &["sh", "-c", script]);
    assert!(output.status.success(), "{}", text(&output));
    let recorded = play(&trace, &["--timing", "recorded"]);
    let took = recorded["seconds"]["value"].as_f64();
    assert!(took > Some(0.399), "{recorded}");
    // What the plan sleeps fits into the time that the recording took.
    let (plan, footer) = planned(&trace, dir.path());
    let paces = plan.lanes.iter().flat_map(|lane| lane.paces());
    let slept: f64 = paces
        .map(|pace| f64::from(pace.asleep + pace.own_asleep))
        .sum();
    assert!(
        slept > 0.39e9 && slept < footer.elapsed as f64,
        "{slept} ns of {footer:?}"
    );
}

#[test]
fn a_calibrated_recording_says_so() {
    let dir = workspace();
    let trace = dir.path().join("t.zst");
    let output = fsreplay()
        .args(["record", "-q", "--calibrate", "--reset", "rm -rf d", "-o"])
        .arg(&trace)
        .args(["--", "mkdir", "d"])
        .current_dir(dir.path())
        .output()
        .expect("fsreplay runs");
    assert!(output.status.success(), "{}", text(&output));
    let recorded = play(&trace, &["--timing", "recorded"]);
    assert_eq!(recorded["prediction"]["basis"], "calibrated");
    let (_, footer) = planned(&trace, dir.path());
    let samples = footer.samples.expect("runs without the recorder");
    assert!(!samples.runs.is_empty() && samples.runs.iter().all(|run| run.elapsed > 0));
    // Without putting back, the second mkdir fails, and that run says nothing.
    let output = fsreplay()
        .args(["record", "--force", "--calibrate", "-o"])
        .arg(&trace)
        .args(["--", "mkdir", "e"])
        .current_dir(dir.path())
        .output()
        .expect("fsreplay runs");
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("can't be used"), "{}", text(&output));
    let recorded = play(&trace, &["--timing", "recorded"]);
    assert_eq!(recorded["prediction"]["basis"], "recorded");
    assert_eq!(planned(&trace, dir.path()).1.samples, None);
}

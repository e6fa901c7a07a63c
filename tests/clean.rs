//! What a killed replay leaves is removed by `fsreplay clean` and by the next replay, and nothing
//! else is.

mod common;

use std::path::Path;
use std::process::{Child, Stdio};

use common::{fsreplay, fsreplay_heeding, record, text, until, workspace};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("listed");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("read")
                .file_name()
                .into_string()
                .expect("text")
        })
        .collect();
    names.sort();
    names
}

/// A replay that is at work below a target, with so many rounds that it does not end by itself.
fn at_work(trace: &Path, target: &Path) -> Child {
    let before = names(target).len();
    let child = fsreplay_heeding()
        .args(["play", "-q", "--rounds", "10000", "--target"])
        .args([target, trace])
        .stderr(Stdio::null())
        .spawn()
        .expect("fsreplay runs");
    until("the replay makes a directory", || {
        names(target).len() != before
    });
    child
}

/// Kills a replay while it has a tree: between two rounds there is none, so it is stopped first.
fn killed(trace: &Path, target: &Path) {
    let before = names(target);
    let mut child = at_work(trace, target);
    let id = Pid::from_raw(child.id() as i32);
    until("the replay has a tree while it is stopped", || {
        kill(id, Signal::SIGSTOP).expect("stopped");
        waitpid(id, Some(WaitPidFlag::WUNTRACED)).expect("it stops");
        let after = names(target);
        let fresh = after.iter().find(|name| !before.contains(name));
        let has_tree = fresh.is_some_and(|name| target.join(name).join("tree").is_dir());
        if !has_tree {
            kill(id, Signal::SIGCONT).expect("continued");
        }
        has_tree
    });
    child.kill().expect("killed");
    child.wait().expect("reaped");
}

#[test]
fn a_killed_replay_is_cleaned_up_after_and_a_living_one_is_not_disturbed() {
    let dir = workspace();
    let (work, target) = (dir.path().join("work"), dir.path().join("target"));
    common::sh(
        dir.path(),
        "mkdir work target; seq 300 | sed s,^,work/f, | xargs touch",
    );
    let trace = dir.path().join("trace.zst");
    let recorded = record(
        &work,
        &trace,
        &["sh", "-c", "cat f*; mkdir -p d/e; mv f1 d/e; rm f2"],
    );
    assert!(recorded.status.success(), "{}", text(&recorded));

    killed(&trace, &target);
    let own = target.join(".fsreplay-0123456789ab");
    std::fs::create_dir(&own).expect("made");
    std::fs::write(own.join("notes"), "mine").expect("written");
    let dry = fsreplay()
        .args(["clean", "--dry-run"])
        .arg(&target)
        .output();
    let dry = text(&dry.expect("fsreplay runs"));
    assert!(
        dry.contains("would remove") && dry.contains("left alone"),
        "{dry}"
    );
    assert_eq!(names(&target).len(), 2);

    let cleaned = fsreplay().arg("clean").arg(&target).output().expect("runs");
    assert!(cleaned.status.success(), "{}", text(&cleaned));
    assert_eq!(names(&target), [".fsreplay-0123456789ab"]);

    killed(&trace, &target);
    let played = fsreplay()
        .args(["play", "--strict", "--target"])
        .args([&target, &trace])
        .output()
        .expect("fsreplay runs");
    assert!(played.status.success(), "{}", text(&played));
    assert!(
        text(&played).contains("killed replays had left"),
        "{}",
        text(&played)
    );
    assert_eq!(names(&target), [".fsreplay-0123456789ab"]);
    assert!(own.join("notes").is_file());

    let mut living = at_work(&trace, &target);
    for _ in 0..20 {
        let cleaned = fsreplay().arg("clean").arg(&target).output().expect("runs");
        assert!(!text(&cleaned).contains("removed /"), "{}", text(&cleaned));
    }
    assert!(living.try_wait().expect("asked").is_none(), "it still runs");
    living.kill().expect("killed");
    living.wait().expect("reaped");
}

#[test]
fn a_directory_that_is_missing_is_a_target_that_can_not_be_used() {
    let output = fsreplay()
        .args(["clean", "/nonexistent/x"])
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    assert!(
        text(&output).contains("no such directory"),
        "{}",
        text(&output)
    );
}

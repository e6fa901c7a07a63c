//! Faults under `fsreplay play`: whatever ends it, and whenever, the target is empty afterwards, or
//! is after `fsreplay clean`.
//!
//! `FSREPLAY_FAULTS=N` tries each signal at N moments instead of a few: by hand, some hundreds.

mod common;
#[path = "faults/moments.rs"]
mod moments;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{fsreplay, text, workspace};
use moments::{moments, times};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Milliseconds from a start to the last moment at which it is struck.
const RANGE: u32 = 1_200;

fn trace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/library/git-status.zst")
}

fn play(target: &Path) -> Command {
    let mut command = fsreplay();
    command.args(["play", "-q", "--rounds", "10000", "--target"]);
    command.arg(target).arg(trace());
    command
}

fn is_empty(directory: &Path) -> bool {
    let mut entries = std::fs::read_dir(directory).expect("listed");
    entries.next().is_none()
}

fn strike(child: &Child, signal: Signal) {
    let id = Pid::from_raw(i32::try_from(child.id()).expect("an id"));
    kill(id, signal).expect("sent");
}

#[test]
fn a_signal_at_any_moment_leaves_an_empty_target() {
    let dir = workspace();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        for after in moments(times(4), RANGE) {
            let child = play(dir.path()).stderr(Stdio::null()).spawn();
            let mut child = child.expect("fsreplay runs");
            std::thread::sleep(after);
            strike(&child, signal);
            let status = child.wait().expect("reaped");
            assert!(!status.success(), "{signal} after {after:?}: {status}");
            assert!(is_empty(dir.path()), "{signal} after {after:?}: {status}");
        }
    }
}

#[test]
fn what_a_kill_at_any_moment_leaves_is_cleaned() {
    let dir = workspace();
    for after in moments(times(6), RANGE) {
        let mut child = play(dir.path()).spawn().expect("fsreplay runs");
        std::thread::sleep(after);
        strike(&child, Signal::SIGKILL);
        child.wait().expect("reaped");
        let output = fsreplay().arg("clean").arg(dir.path()).output();
        let output = output.expect("fsreplay runs");
        assert!(output.status.success(), "{}", text(&output));
        // A kill between making the directory and marking it leaves an empty one.
        let left = text(&output).contains("no replay made it");
        assert!(left || is_empty(dir.path()), "{after:?}: {}", text(&output));
    }
}

/// Runs a script with a small tmpfs at `$T`, in a mount namespace of its own; `None` where that
/// isn't allowed.
fn on_a_small_disk(script: &str) -> Option<String> {
    let dir = workspace();
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c"])
        .arg(format!(
            "mount -t tmpfs -o size=64m none \"$T\" || exit 99; {script}; ls -A \"$T\" | sed 's/^/remains: /'"
        ))
        .env("T", dir.path())
        .env("F", env!("CARGO_BIN_EXE_fsreplay"))
        .env("TRACE", trace())
        .output();
    let output = output
        .ok()
        .filter(|o| ![1, 99].contains(&o.status.code().unwrap_or(1)));
    if output.is_none() {
        println!("skipped: nothing may be mounted here");
    }
    output.map(|output| text(&output))
}

#[test]
fn a_disk_that_fills_up_meanwhile_leaves_an_empty_target() {
    let script = "\"$F\" play -q --rounds 60 --target \"$T\" \"$TRACE\" & \
        for n in 1 2 3 4 5 6; do head -c 64m /dev/zero > \"$T/fill\"; sleep 0.1; rm \"$T/fill\"; done; \
        wait $!; echo status $?";
    let Some(told) = on_a_small_disk(script) else {
        return;
    };
    assert!(told.contains("status "), "{told}");
    assert!(!told.contains("remains: "), "{told}");
    assert!(!told.contains("panicked"), "{told}");
}

#[test]
fn a_full_disk_is_told_before_anything_is_made() {
    let script = "head -c 64m /dev/zero > \"$T/fill\"; \
        \"$F\" play -q --target \"$T\" \"$TRACE\"; echo status $?; rm \"$T/fill\"";
    let Some(told) = on_a_small_disk(script) else {
        return;
    };
    assert!(told.contains("status 4"), "{told}");
    assert!(!told.contains("remains: "), "{told}");
}

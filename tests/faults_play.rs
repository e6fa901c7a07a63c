//! Faults under `fsreplay play` and `compare`: whatever ends them, and whenever, the targets are
//! empty afterwards, or are after `fsreplay clean`; and limits of the process.
//!
//! `FSREPLAY_FAULTS=N` tries each signal at N moments instead of a few: by hand, some hundreds.

mod common;
#[path = "faults/moments.rs"]
mod moments;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{answers, fsreplay, fsreplay_heeding, have, is_root, text, workspace};
use moments::{moments, times};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Milliseconds from a start to the last moment at which it is struck.
const RANGE: u32 = 1_200;

fn trace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/library/git-status.zst")
}

fn play(target: &Path) -> Command {
    let mut command = fsreplay_heeding();
    command.args(["play", "-q", "--rounds", "10000", "--target"]);
    command.arg(target).arg(trace());
    command
}

/// A comparison of three targets below a directory.
fn compare(dir: &Path) -> Command {
    let mut command = fsreplay_heeding();
    command.args(["compare", "-q", "--timing", "fast", "--rounds", "1000"]);
    for target in three(dir) {
        std::fs::create_dir_all(&target).expect("made");
        command.arg("--target").arg(target);
    }
    command.arg(trace());
    command
}

fn three(dir: &Path) -> [PathBuf; 3] {
    ["a", "b", "c"].map(|name| dir.join(name))
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
            let mut child = play(dir.path())
                .stderr(Stdio::null())
                .spawn()
                .expect("fsreplay runs");
            std::thread::sleep(after);
            strike(&child, signal);
            let status = child.wait().expect("reaped");
            assert!(!status.success(), "{signal} after {after:?}: {status}");
            assert!(is_empty(dir.path()), "{signal} after {after:?}: {status}");
        }
    }
}

#[test]
fn a_signal_at_any_moment_of_a_comparison_leaves_empty_targets() {
    let dir = workspace();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        for after in moments(times(3), RANGE) {
            let mut command = compare(dir.path());
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().expect("fsreplay runs");
            std::thread::sleep(after);
            strike(&child, signal);
            let status = child.wait().expect("reaped");
            // What was whole by then is a result.
            let is_told = answers(status) || status.code() == Some(6);
            assert!(
                is_told || status.signal().is_some(),
                "{signal} after {after:?}: {status}"
            );
            for target in three(dir.path()) {
                assert!(is_empty(&target), "{signal} after {after:?}: {status}");
            }
        }
    }
}

#[test]
fn what_a_kill_at_any_moment_of_a_comparison_leaves_is_cleaned() {
    let dir = workspace();
    for after in moments(times(4), RANGE) {
        let mut child = compare(dir.path()).spawn().expect("fsreplay runs");
        std::thread::sleep(after);
        strike(&child, Signal::SIGKILL);
        child.wait().expect("reaped");
        for target in three(dir.path()) {
            is_cleaned(&target, after);
        }
    }
}

fn is_cleaned(target: &Path, after: Duration) {
    let output = fsreplay()
        .arg("clean")
        .arg(target)
        .output()
        .expect("fsreplay runs");
    assert!(output.status.success(), "{}", text(&output));
    // A kill between making the directory and marking it leaves an empty one.
    let left = text(&output).contains("no replay made it");
    assert!(left || is_empty(target), "{after:?}: {}", text(&output));
}

#[test]
fn what_a_kill_at_any_moment_leaves_is_cleaned() {
    let dir = workspace();
    for after in moments(times(6), RANGE) {
        let mut child = play(dir.path()).spawn().expect("fsreplay runs");
        std::thread::sleep(after);
        strike(&child, Signal::SIGKILL);
        child.wait().expect("reaped");
        is_cleaned(dir.path(), after);
    }
}

/// Runs a script with a small tmpfs of some thousand files at `$T`, in a mount namespace of its
/// own; `None` where that isn't allowed.
fn on_a_small_disk(script: &str) -> Option<String> {
    let dir = workspace();
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c"])
        .arg(format!(
            "mount -t tmpfs -o size=64m,nr_inodes=6000 none \"$T\" || exit 99; {script}; \
            ls -A \"$T\" | sed 's/^/remains: /'"
        ))
        .env("T", dir.path())
        .env("F", env!("CARGO_BIN_EXE_fsreplay"))
        .env("TRACE", trace())
        .output()
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
        for n in 1 2 3 4 5 6; do head -c 64m /dev/zero > \"$T/fill\"; sleep 0.1; \
            rm \"$T/fill\"; done; \
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

/// Makes files until there can be no more, and removes them.
const INODES: &str = r#"
    fill() { n=0; while : 2>"$T/../null" >"$T/fill$n"; do n=$((n+1)); done; }
    empty() { find "$T" -maxdepth 1 -name 'fill*' -delete; }
"#;

#[test]
fn inodes_that_run_out_meanwhile_leave_an_empty_target() {
    let script = format!(
        "{INODES}\n\"$F\" play -q --rounds 10000 --target \"$T\" \"$TRACE\" & play=$!; \
         until ls \"$T\"/.fsreplay-*/tree >/dev/null 2>&1 || ! kill -0 $play; do :; done; \
         (fill); empty; kill $play; wait $play; echo status $?"
    );
    let Some(told) = on_a_small_disk(&script) else {
        return;
    };
    // While it prepares it fails; else it goes on, as a tool would, until it is stopped.
    assert!(told.contains("status 6"), "{told}");
    let why = ["df -i", "stopped"].iter().any(|why| told.contains(why));
    assert!(why && !told.contains("panicked"), "{told}");
    assert!(!told.contains("remains: "), "{told}");
}

#[test]
fn no_inodes_are_told_before_anything_is_made() {
    let script = format!(
        "{INODES}\n(fill); \"$F\" play -q --target \"$T\" \"$TRACE\"; echo status $?; empty"
    );
    let Some(told) = on_a_small_disk(&script) else {
        return;
    };
    assert!(
        told.contains("status 4") && told.contains("inodes"),
        "{told}"
    );
    assert!(!told.contains("remains: "), "{told}");
}

/// Two trees of one disk are made side by side, and one of them fits.
#[test]
fn where_only_one_tree_fits_the_one_that_is_needed_is_made() {
    for baseline in ["a", "b"] {
        let script = format!(
            "mount -o remount,nr_inodes=2800 \"$T\"; mkdir \"$T/a\" \"$T/b\"; \
             \"$F\" compare --rounds 2 --target a=\"$T/a\" --target b=\"$T/b\" \
             --baseline {baseline} \"$TRACE\"; echo status $?; rmdir \"$T/a\" \"$T/b\""
        );
        let Some(told) = on_a_small_disk(&script) else {
            return;
        };
        assert!(told.contains("status 0"), "{told}");
        let other = if baseline == "a" { "b" } else { "a" };
        let left_out = format!("{other} is left out");
        assert!(
            told.contains(&left_out) && told.contains("inodes"),
            "{told}"
        );
        assert!(!told.contains("remains: "), "{told}");
    }
}

/// What `play`, or a comparison of so many targets, says under a limit of prlimit(1), for an
/// ordinary user if that can be had: root isn't limited in its processes. Nothing may be left.
fn limited(limit: &str, compared: usize) -> Option<String> {
    if !have("prlimit") {
        return None;
    }
    // The user must get there.
    let place = tempfile::tempdir().expect("a directory");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(place.path(), open).expect("set");
    let target = place.path().join("target");
    std::fs::create_dir(&target).expect("made");
    std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o777)).expect("set");
    let (program, copy) = (place.path().join("fsreplay"), place.path().join("t.zst"));
    std::fs::copy(env!("CARGO_BIN_EXE_fsreplay"), &program).expect("copied");
    std::fs::copy(trace(), &copy).expect("copied");
    let mut command = Command::new("prlimit");
    command.arg(limit).arg(program);
    if compared == 0 {
        command.args(["play", "-q", "--target"]).arg(&target);
    } else {
        command.args(["compare", "--rounds", "2", "--anyway"]);
    }
    for number in 0..compared {
        let name = format!("t{number}={}", target.display());
        command.arg("--target").arg(name);
    }
    command.arg(copy);
    if is_root() {
        // One that runs nothing else.
        command.uid(63_117).gid(63_117);
    }
    let output = command.current_dir("/").output().expect("prlimit runs");
    let told = format!("{limit}: {:?}: {}", output.status.code(), text(&output));
    assert!(is_empty(&target), "{told}");
    assert!(!told.contains("panicked"), "{told}");
    Some(told)
}

#[test]
fn a_limit_of_the_process_is_told_and_nothing_is_left() {
    let fails = [
        ("--fsize=1000", "ulimit -f"),
        ("--fsize=100000", "ulimit -f"),
        ("--nofile=12", "open files"),
        ("--nofile=20", "ulimit -Hn"),
        ("--nofile=60", "ulimit -Hn"),
        ("--as=50000000", "ulimit -Hv"),
        ("--as=500000000", "ulimit -Hv"),
    ];
    for (limit, words) in fails {
        let Some(told) = limited(limit, 0) else {
            return;
        };
        assert!(told.contains("Some(6)") && told.contains(words), "{told}");
    }
    // A comparison makes trees side by side, where it may start threads.
    let played = (1..6).map(|processes| (processes, 0));
    for (processes, compared) in played.chain([(3, 3)]) {
        let Some(told) = limited(&format!("--nproc={processes}"), compared) else {
            return;
        };
        // A user who runs the tests may run more.
        let is_told = told.contains("Some(6)") && told.contains("ulimit -u");
        assert!(is_told || !is_root(), "{told}");
    }
}

//! An ordinary user records and replays, and is refused what an ordinary user is refused.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use common::{have, text};

const NOBODY: &str = "65534";

/// Runs a script as an ordinary user, with the binary under test as `$F`.
fn as_user(dir: &Path, script: &str) -> Output {
    let script = format!("F={}/fsreplay; {script}", dir.display());
    let mut command = if common::is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    command.args(["-euc", &script]).current_dir(dir);
    command.env("HOME", dir).output().expect("sh runs")
}

#[test]
fn an_ordinary_user_records_and_replays() {
    if common::is_root() && !have("setpriv") {
        return;
    }
    // Below the system's own temporary directory, because that of the build may not be another
    // user's to enter.
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).expect("mode");
    std::fs::copy(env!("CARGO_BIN_EXE_fsreplay"), dir.path().join("fsreplay")).expect("copied");
    let output = as_user(
        dir.path(),
        r#"mkdir w target && cd w && for i in 1 2 3; do echo $i > f$i; done
           $F record -q -o ../t.zst -- sh -c '
               mkdir closed; echo x > closed/f; chmod 0 closed; ls closed; cat closed/f
               cp f1 f4; chmod 0 f4; cat f4; chmod 400 f2; echo y >> f2
               ls /root; mkdir /no; rm -f f3' 2> errors || true
           $F play ../t.zst --target ../target --json ../r.json -q
           chmod 700 closed
           ls -A ../target | wc -l"#,
    );
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "0",
        "the tree was removed"
    );
    let json = std::fs::read(dir.path().join("r.json")).expect("a result");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json["divergences"], 0, "{:#}", json["divergence_groups"]);
    assert!(json["events"].as_u64() > Some(100));
}

/// As in a container that was started without any capability.
#[test]
fn root_that_may_no_more_than_others_replays_as_others_do() {
    if !common::is_root() || !have("setpriv") {
        return;
    }
    let dir = common::workspace();
    let script = "mkdir w target; cd w; echo x > f; chown 1:1 f; \
                  $F record -q -o ../t.zst -- sh -c 'cat f; chmod 600 f; ls -l; rm f'; \
                  setpriv --bounding-set -all --inh-caps -all \
                      $F play ../t.zst --strict --target ../target -q; ls -A ../target";
    let output = Command::new("sh")
        .args(["-euc", script])
        .env("F", env!("CARGO_BIN_EXE_fsreplay"))
        .current_dir(dir.path())
        .output()
        .expect("sh runs");
    assert!(output.status.success(), "{}", text(&output));
    let left = String::from_utf8_lossy(&output.stdout);
    assert!(
        left.trim_end().ends_with('f'),
        "the tree was removed: {left}"
    );
}

/// Root records a program that runs as its owner, and is refused what root would not be.
#[test]
fn what_a_set_user_id_program_was_refused_is_not_asked_for_as_root() {
    if !common::is_root() {
        println!("skipped: only root's recordings have set-user-id programs");
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
    let work = dir.path().join("work");
    std::fs::create_dir(&work).expect("a directory");
    let script = "mkdir mine tools; chmod 755 . tools; chmod 700 mine
        cp -L \"$(command -v mkdir)\" tools/mkdir; chown 65534 tools/mkdir; chmod 4755 tools/mkdir";
    common::sh(&work, script);
    let trace = dir.path().join("t.zst");
    let output = common::record(&work, &trace, &["sh", "-c", "tools/mkdir mine/x || exit 7"]);
    if output.status.success() {
        println!("skipped: set-user-id programs run as who starts them here");
        return;
    }
    assert_eq!(output.status.code(), Some(7), "{}", text(&output));
    let replay = common::play(&trace, dir.path());
    let groups = &replay.json["divergence_groups"];
    assert_eq!(replay.number("divergences"), 0, "{groups:#}");
}

/// Paths and entries that an ordinary user's recorder can't get at are told of.
#[test]
fn what_an_ordinary_user_may_not_look_into_is_told_of() {
    if common::is_root() && !have("setpriv") || !have("python3") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).expect("mode");
    std::fs::copy(env!("CARGO_BIN_EXE_fsreplay"), dir.path().join("fsreplay")).expect("copied");
    let closed = "import os
fd = os.open('closed', os.O_RDONLY)
os.chmod('closed', 0)
os.listdir(fd)";
    let hidden = "import ctypes, os
ctypes.CDLL(None).prctl(4, 0)
[os.stat('/etc/passwd') for _ in range(10)]";
    std::fs::write(dir.path().join("closed.py"), closed).expect("written");
    std::fs::write(dir.path().join("hidden.py"), hidden).expect("written");
    let unreadable = dir.path().join("unreadable");
    std::fs::copy("/bin/ls", &unreadable).expect("copied");
    std::fs::set_permissions(&unreadable, std::fs::Permissions::from_mode(0o711)).expect("mode");
    // What is recorded inside a program is there, whatever it makes of itself.
    let output = as_user(
        dir.path(),
        r#"mkdir closed; touch closed/entry
           $F record -o 1.zst -- python3 closed.py
           chmod 700 closed
           $F record --backend ptrace -o 2.zst -- python3 hidden.py
           $F record -o 3.zst -- sh -c 'cat /etc/passwd > /dev/null; exec ./unreadable /' > listing
           for i in 1 2 3; do $F info $i.zst; done"#,
    );
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    let twice = |what: &str| assert_eq!(said.matches(what).count(), 2, "{what}: {said}");
    twice("1 could not be looked into by the recorder");
    twice("python3 may not be looked into");
    // Root's file is one that its owner may read.
    if common::is_root() {
        twice("unreadable may not be looked into");
    }
    assert!(
        said.contains("calls with unreadable arguments 10"),
        "{said}"
    );
}

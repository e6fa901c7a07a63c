//! `advise --verify`: the real command on copies, and nothing of it left behind.

mod common;

use std::path::Path;

use common::{answers, fsreplay, have, record, text, workspace};
use serde_json::Value;

/// Whether a directory can be bound over another here.
fn may_mount() -> bool {
    let mut command = std::process::Command::new("unshare");
    command.args([
        "-m",
        "sh",
        "-c",
        "mount --make-rprivate / && mount --bind /tmp /mnt",
    ]);
    let output = command.output();
    let may = output.is_ok_and(|output| output.status.success());
    if !may {
        println!("skipped: no privilege to mount");
    }
    may
}

fn advise(
    here: &Path,
    trace: &Path,
    targets: &[(&str, &Path)],
    more: &[&str],
) -> std::process::Output {
    let mut command = fsreplay();
    command
        .arg("advise")
        .arg(trace)
        .args(["--budget", "5s", "--json", "-"]);
    for (name, dir) in targets {
        command.args(["--target", &format!("{name}={}", dir.display())]);
    }
    command
        .args(more)
        .current_dir(here)
        .output()
        .expect("fsreplay runs")
}

/// Whether the advice is found depends on the machine; what is looked at is that the command ran on
/// copies if so, and that nothing else was touched.
#[test]
fn the_command_runs_on_copies_only() {
    if !may_mount() || !have("bindfs") {
        return;
    }
    let dir = workspace();
    let (source, share, disk) = ["source", "share", "disk"]
        .map(|name| dir.path().join(name))
        .into();
    for one in [&source, &share, &disk] {
        std::fs::create_dir(one).expect("a directory");
    }
    let mounted = std::process::Command::new("bindfs")
        .args([&source, &share])
        .status();
    assert!(mounted.expect("bindfs runs").success());
    let _unmounts = Unmounts(&share);
    let work = share.join("work");
    std::fs::create_dir(&work).expect("a directory");
    for number in 0..500 {
        std::fs::write(work.join(format!("f{number}")), "x").expect("a file");
    }
    let trace = dir.path().join("t.zst");
    let script = "echo once >>log; for n in 1 2 3; do cat f* | wc -c; done";
    let output = record(&work, &trace, &["sh", "-c", script]);
    assert!(output.status.success(), "{}", text(&output));
    let targets = [("share", share.as_path()), ("disk", disk.as_path())];
    let command = ["--verify", "--", "sh", "-c", script];
    let output = advise(&work, &trace, &targets, &command);
    let is_refuted = output.status.code() == Some(1);
    assert!(answers(output.status) || is_refuted, "{}", text(&output));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let verified = &found["verified"];
    assert_eq!(verified.is_null(), found["advised"].is_null(), "{found}");
    if !verified.is_null() {
        assert!(verified["runs"].as_u64() >= Some(5), "{verified}");
        assert_eq!(verified["status"], 0);
        assert_eq!(verified["command"][0], "sh");
    }
    // Whoever doesn't stand in the project gets no copy of it; the advice is told all the same.
    let elsewhere = advise(Path::new("/"), &trace, &targets, &command);
    let found: Value = serde_json::from_slice(&elsewhere.stdout).expect("JSON");
    assert!(found["verified"].is_null(), "{found}");
    assert_eq!(
        elsewhere.status.code() == Some(2),
        !found["advised"].is_null()
    );
    let log = std::fs::read_to_string(work.join("log")).expect("the tool's file");
    assert_eq!(log, "once\n", "only the recording ran on the real files");
    for target in [&source, &disk] {
        let left: Vec<String> = std::fs::read_dir(target)
            .expect("a directory")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.starts_with('.'))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn without_a_command_there_is_nothing_to_verify() {
    let output = advise(Path::new("/"), Path::new("t.zst"), &[], &["--verify"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}

struct Unmounts<'a>(&'a Path);

impl Drop for Unmounts<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(self.0)
            .status();
    }
}

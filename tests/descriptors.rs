//! Descriptors that lead to more than their number tells: shared from outside, without a name.

mod common;

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Replay, fsreplay, have, is_root, play, record, text, workspace};

const SHARED: &str = "
echo to-stdout
echo to-stderr >&2
python3 -c 'import os; print(os.lseek(1, 0, 1), os.lseek(2, 0, 1))'
";

/// Records what writes its output and its errors to `log`, which both were opened from; gives what
/// then stands there, and how the replay goes.
fn written(log: &Path, trace: &Path, output: File, errors: File) -> (String, Replay) {
    let status = fsreplay()
        .args(["record", "-q", "-o"])
        .arg(trace)
        .args(["--", "sh", "-c", SHARED])
        .current_dir(log.parent().expect("a directory"))
        .stdout(Stdio::from(output))
        .stderr(Stdio::from(errors))
        .status();
    assert!(status.expect("fsreplay runs").success());
    let written = std::fs::read_to_string(log).expect("the log");
    (written, play(trace, Path::new(env!("CARGO_TARGET_TMPDIR"))))
}

#[test]
fn output_and_errors_in_one_file_have_one_offset() {
    if !have("python3") {
        return;
    }
    let dir = workspace();
    let (log, trace) = (dir.path().join("log"), dir.path().join("t.zst"));
    let output = File::create(&log).expect("a file");
    let errors = output.try_clone().expect("another descriptor");
    let (written, replay) = written(&log, &trace, output, errors);
    assert_eq!(written, "to-stdout\nto-stderr\n20 20\n");
    assert_eq!(replay.number("divergences"), 0, "{}", groups(&replay));
}

#[test]
fn output_and_errors_that_were_opened_apart_have_an_offset_each() {
    if !have("python3") {
        return;
    }
    let dir = workspace();
    let (log, trace) = (dir.path().join("log"), dir.path().join("t.zst"));
    let output = File::create(&log).expect("a file");
    let errors = File::create(&log).expect("the same file");
    let (written, replay) = written(&log, &trace, output, errors);
    // The second of them wrote over what the first one had written.
    assert_eq!(written, "to-stderr\n10 10\n");
    assert_eq!(replay.number("divergences"), 0, "{}", groups(&replay));
}

fn groups(replay: &Replay) -> String {
    format!("{:#}", replay.json["divergence_groups"])
}

/// A file without a name gets one: by its descriptor, or by the path of that in /proc.
const NAMED_LATER: &str = r#"
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
open("taken", "w").close()
for (number, by_path) in enumerate((False, True)):
    name = b"named-%d" % number
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o644)
    os.write(fd, b"abc")
    def link(name):
        if by_path:
            return libc.linkat(-100, b"/proc/self/fd/%d" % fd, -100, name, 0x400)
        return libc.linkat(fd, b"", -100, name, 0x1000)
    # A name that is taken, as programs try several.
    assert link(b"taken") == -1 and ctypes.get_errno() == 17
    assert link(name) == 0, os.strerror(ctypes.get_errno())
    assert os.stat(name).st_size == 3
    os.write(fd, b"d")
    os.close(fd)
    assert os.stat(name).st_size == 4
# Only a duplicate of its descriptor is left when it gets its name.
first = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o644)
fd = os.dup(first)
os.close(first)
assert libc.linkat(-100, b"/proc/self/fd/%d" % fd, -100, b"named-2", 0x400) == 0
assert os.stat("named-2").st_size == 0
os.close(fd)
lost = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o644)
os.close(lost)
assert len(os.listdir(".")) == 4
"#;

fn record_named_later(dir: &Path, trace: &Path) -> bool {
    let work = dir.join("work");
    std::fs::create_dir(&work).expect("a directory");
    let output = record(&work, trace, &["python3", "-c", NAMED_LATER]);
    if text(&output).contains("O_TMPFILE") || text(&output).contains("not supported") {
        println!("skipped: this file system makes no files without a name");
        return false;
    }
    assert!(output.status.success(), "{}", text(&output));
    true
}

#[test]
fn a_file_without_a_name_gets_one() {
    let dir = workspace();
    let trace = dir.path().join("t.zst");
    if !have("python3") || !record_named_later(dir.path(), &trace) {
        return;
    }
    for target in common::targets() {
        let replay = play(&trace, &target);
        assert_eq!(replay.number("divergences"), 0, "{}", groups(&replay));
    }
}

#[test]
fn where_no_file_can_be_without_a_name_it_has_another() {
    let dir = workspace();
    let trace = dir.path().join("t.zst");
    if !have("python3") || !have("bindfs") || !record_named_later(dir.path(), &trace) {
        return;
    }
    let (below, mount) = (dir.path().join("below"), dir.path().join("mount"));
    std::fs::create_dir(&below).expect("a directory");
    std::fs::create_dir(&mount).expect("a directory");
    let mounted = Command::new("bindfs").arg(&below).arg(&mount).status();
    if !mounted.is_ok_and(|status| status.success()) {
        assert!(!is_root() || std::env::var_os("CI").is_none(), "bindfs");
        println!("skipped: bindfs can't be mounted here");
        return;
    }
    let result = std::panic::catch_unwind(|| {
        let replay = play(&trace, &mount);
        // What can't be made is told, and nothing follows from it.
        assert_eq!(replay.number("divergences"), 4, "{}", groups(&replay));
        let names = std::fs::read_dir(&replay.sandbox).expect("a tree").count();
        assert!(names > 0);
        let made = replay.sandbox.join(
            dir.path()
                .strip_prefix("/")
                .expect("an absolute path")
                .join("work"),
        );
        let mut names: Vec<_> = std::fs::read_dir(made)
            .expect("the directory")
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["named-0", "named-1", "named-2", "taken"]);
    });
    let unmounted = Command::new("umount").arg(&mount).status();
    assert!(unmounted.is_ok_and(|status| status.success()), "umount");
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

//! What files have besides names and contents: attributes, flags, and transfers that end early.

mod common;

use std::path::Path;

use common::{Replay, have, is_root, play, record, text, workspace};
use fsreplay_trace::abi::Architecture;
use fsreplay_trace::call::Call;

/// Records a Python script in a directory; `false`, with a word, where it says that it can't.
fn record_script(work: &Path, trace: &Path, script: &str) -> bool {
    if !have("python3") {
        return false;
    }
    let output = record(work, trace, &["python3", "-c", script]);
    if text(&output).contains("not here") {
        println!("skipped: {}", text(&output));
        return false;
    }
    assert!(output.status.success(), "{}", text(&output));
    true
}

fn agrees(replay: &Replay) {
    let groups = format!("{:#}", replay.json["divergence_groups"]);
    assert_eq!(replay.number("divergences"), 0, "{groups}");
}

const ATTRIBUTES: &str = r#"
import os
assert os.getxattr("directory", "user.known") == b"abc"
os.setxattr("directory", "user.new", b"d", os.XATTR_CREATE)
if os.geteuid() == 0:
    try:
        os.setxattr("link", "trusted.t", b"v", follow_symlinks=False)
        os.getxattr("link", "trusted.t", follow_symlinks=False)
    except PermissionError:
        pass
"#;

#[test]
fn directories_have_their_attributes_in_each_round() {
    let dir = workspace();
    let (work, trace) = (dir.path().join("work"), dir.path().join("t.zst"));
    std::fs::create_dir_all(work.join("directory")).expect("a directory");
    std::os::unix::fs::symlink("nowhere", work.join("link")).expect("a link");
    if !have("python3") {
        return;
    }
    let set = "import os; os.setxattr('directory', 'user.known', b'abc')";
    let mut command = std::process::Command::new("python3");
    let set = command.args(["-c", set]).current_dir(&work).output();
    if !set.is_ok_and(|output| output.status.success()) {
        println!("skipped: no attributes on this file system");
        return;
    }
    assert!(record_script(&work, &trace, ATTRIBUTES));
    let target = dir.path().join("target");
    std::fs::create_dir(&target).expect("a directory");
    let output = common::fsreplay()
        .args(["play", "-q", "--rounds", "3", "--json", "-", "--target"])
        .args([&target, &trace])
        .output()
        .expect("fsreplay runs");
    assert!(output.status.success(), "{}", text(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["divergences"], 0, "{:#}", json["divergence_groups"]);
}

const FLAGS: &str = r#"
import fcntl, os, struct
IMMUTABLE, APPEND = 0x10, 0x20
def change(path, flags):
    fd = os.open(path, os.O_RDONLY)
    try:
        had, = struct.unpack("l", fcntl.ioctl(fd, 0x80086601, bytes(8)))
        fcntl.ioctl(fd, 0x40086602, struct.pack("l", had & ~0x30 | flags))
    except OSError:
        print("not here: flags of inodes")
        os._exit(0)
    os.close(fd)
def refused(what, *arguments):
    try:
        what(*arguments)
    except PermissionError:
        return
    raise SystemExit("not refused")
open("file", "w").write("abc")
change("file", IMMUTABLE)
refused(os.unlink, "file")
refused(open, "file", "w")
refused(os.rename, "file", "other")
refused(os.link, "file", "other")
refused(os.chmod, "file", 0o600)
refused(os.truncate, "file", 1)
change("file", APPEND)
refused(open, "file", "w")
fd = os.open("file", os.O_WRONLY | os.O_APPEND)
os.write(fd, b"more")
os.close(fd)
change("file", 0)
os.unlink("file")
os.mkdir("closed")
change("closed", IMMUTABLE)
refused(open, "closed/file", "w")
change("closed", 0)
os.rmdir("closed")
"#;

#[test]
fn what_an_inodes_flags_refused_is_not_done() {
    let dir = workspace();
    let (work, trace) = (dir.path().join("work"), dir.path().join("t.zst"));
    std::fs::create_dir(&work).expect("a directory");
    if !is_root() {
        println!("skipped: only root may make files immutable");
        return;
    }
    if record_script(&work, &trace, FLAGS) {
        agrees(&play(&trace, dir.path()));
    }
}

const CUT_SHORT: &str = r#"
import ctypes, fcntl, os
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
PAGE = os.sysconf("SC_PAGE_SIZE")
buffer = libc.mmap(None, 2 * PAGE, 3, 0x22, -1, 0)
libc.munmap(ctypes.c_void_p(buffer + PAGE), PAGE)
at = ctypes.c_void_p(buffer)
open("file", "wb").write(b"x" * 10 * PAGE)
fd = os.open("file", os.O_RDONLY)
assert libc.read(fd, at, 2 * PAGE) == PAGE
assert os.lseek(fd, 0, 1) == PAGE
assert libc.pread(fd, at, 2 * PAGE, 100) == PAGE
out = os.open("out", os.O_WRONLY | os.O_CREAT)
assert libc.write(out, at, 2 * PAGE) == PAGE
assert os.stat("out").st_size == PAGE
fcntl.ioctl(out, 0x5451)
"#;

#[test]
fn transfers_that_ended_early_end_as_early() {
    let dir = workspace();
    let (work, trace) = (dir.path().join("work"), dir.path().join("t.zst"));
    std::fs::create_dir(&work).expect("a directory");
    if record_script(&work, &trace, CUT_SHORT) {
        agrees(&play(&trace, dir.path()));
    }
}

const ASKED: &str = r#"
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
structure = ctypes.create_string_buffer(64)
def ask(directory, path, length, flags):
    if libc.syscall(468, directory, path, structure, length, flags) == 0:
        return 0
    if ctypes.get_errno() == errno.ENOSYS:
        print("not here: file_getattr, which Linux has since 6.17")
        os._exit(0)
    return ctypes.get_errno()
CWD, NO_FOLLOW, EMPTY_PATH = -100, 0x100, 0x1000
fd = os.open("file", os.O_RDONLY)
ask(CWD, b"file", 24, 0)
ask(CWD, b"link", 24, 0)
ask(CWD, b"link", 24, NO_FOLLOW)
ask(fd, b"", 24, EMPTY_PATH)
ask(CWD, b"", 24, EMPTY_PATH)
assert ask(CWD, b"missing", 24, 0) == errno.ENOENT
assert ask(CWD, b"file", 8, 0) == errno.EINVAL
"#;

#[test]
fn who_asks_for_an_inodes_flags_is_answered_the_same() {
    let dir = workspace();
    let (work, trace) = (dir.path().join("work"), dir.path().join("t.zst"));
    std::fs::create_dir(&work).expect("a directory");
    std::fs::write(work.join("file"), "abc").expect("a file");
    std::os::unix::fs::symlink("file", work.join("link")).expect("a link");
    if !record_script(&work, &trace, ASKED) {
        return;
    }
    let output = common::fsreplay()
        .args(["dump", "--json"])
        .arg(&trace)
        .output()
        .expect("fsreplay runs");
    let lines = text(&output);
    let events: Vec<serde_json::Value> = lines
        .lines()
        .filter(|line| line.contains("\"call\":\"file_getattr\""))
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let results: Vec<i64> = events
        .iter()
        .filter_map(|event| event["result"].as_i64())
        .collect();
    assert_eq!(results.len(), 7, "{events:#?}");
    assert_eq!(results[5..], [-2, -22]);
    agrees(&play(&trace, dir.path()));
}

/// Asks about a file by `statx` itself.
const BY_STATX: &str = r#"
import ctypes
libc = ctypes.CDLL(None)
answer = ctypes.create_string_buffer(256)
for name in (b"file", b"file", b"missing"):
    libc.statx(-100, name, 0, 0x7ff, answer)
"#;

/// Runs a program in which calls of one number fail as where the kernel has none.
const WITHOUT: &str = r#"
import ctypes, os, struct, sys
number, program = int(sys.argv[1]), sys.argv[2:]
LOAD, EQUALS, RETURN, ALLOW, ENOSYS = 0x20, 0x15, 0x06, 0x7fff0000, 0x50000 | 38
steps = [(LOAD, 0, 0, 0), (EQUALS, 0, 1, number), (RETURN, 0, 0, ENOSYS), (RETURN, 0, 0, ALLOW)]
code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
filter = struct.pack("HP", len(steps), ctypes.addressof(code))
libc = ctypes.CDLL(None)
NO_NEW_PRIVILEGES, SECCOMP, BY_FILTER = 38, 22, 2
assert libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
assert libc.prctl(SECCOMP, BY_FILTER, filter) == 0
os.execv(program[0], program)
"#;

#[test]
fn calls_that_the_replaying_kernel_does_not_have_are_told() {
    let dir = workspace();
    let (work, trace) = (dir.path().join("work"), dir.path().join("t.zst"));
    std::fs::create_dir(&work).expect("a directory");
    std::fs::write(work.join("file"), "abc").expect("a file");
    if !record_script(&work, &trace, BY_STATX) {
        return;
    }
    let machine = if cfg!(target_arch = "aarch64") {
        Architecture::Aarch64
    } else {
        Architecture::X86_64
    };
    let number = Call::statx.number(machine).expect("it has a number");
    let output = std::process::Command::new("python3")
        .args(["-c", WITHOUT, &number.to_string()])
        .arg(env!("CARGO_BIN_EXE_fsreplay"))
        .args(["play", "-q", "--json", "-", "--target"])
        .args([dir.path(), &trace])
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "{}", text(&output));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let groups = result["divergence_groups"].as_array().expect("a list");
    // What failed is also another outcome than the one that was recorded.
    let group = groups
        .iter()
        .find(|group| group["call"] == "statx")
        .expect("statx diverged");
    assert_eq!(group["cause"], "this kernel doesn't have the call");
    assert!(group["count"].as_u64() >= Some(3), "{group:#}");
    let caveats = format!("{}", result["caveats"]);
    assert!(caveats.contains("statx calls failed (ENOSYS)"), "{caveats}");
}

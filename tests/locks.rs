//! Locks that several tasks take: the replay doesn't stand still, and each finds what it found.

mod common;

use std::process::Command;

use common::{have, play, record, targets, text, workspace};

/// Two take a lock in turn, waiting, and append to a file while they have it.
const IN_TURN: &str = r#"
import fcntl, os, sys, threading
take = fcntl.flock if sys.argv[2] == "flock" else fcntl.lockf
os.close(os.open("lk", os.O_CREAT | os.O_WRONLY))
os.close(os.open("log", os.O_CREAT | os.O_WRONLY))
def work():
    fd = os.open("lk", os.O_RDWR)
    for _ in range(10):
        take(fd, fcntl.LOCK_EX)
        log = os.open("log", os.O_WRONLY | os.O_APPEND)
        os.write(log, b"x")
        os.close(log)
        take(fd, fcntl.LOCK_UN)
    os.close(fd)
if sys.argv[1] == "threads":
    threads = [threading.Thread(target=work) for _ in range(3)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
else:
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            work()
            os._exit(0)
        children.append(child)
    [os.waitpid(child, 0) for child in children]
"#;

/// Locks that end with a descriptor, a process, a program's start; that a child tries for.
const OF_PROCESSES: &str = r#"
import fcntl, os
def tries(fd):
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
def child(action):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if action() else 1)
    return os.waitpid(pid, 0)[1] == 0
first = os.open("lk", os.O_RDWR | os.O_CREAT)
assert tries(first)
assert not child(lambda: tries(first))
second = os.open("lk", os.O_RDWR)
assert tries(second)
assert not child(lambda: tries(second))
os.close(second)
assert child(lambda: tries(first))
os.lseek(first, 100, os.SEEK_SET)
fcntl.lockf(first, fcntl.LOCK_EX, 10, 0, os.SEEK_CUR)
assert not child(lambda: tries(first))
other = os.dup(first)
os.close(first)
assert child(lambda: tries(other))
"#;

/// Descriptors of one file of which some only read and some only write: the process's locks are
/// asked for on each, others are refused what it holds, and they end one after the other.
const OF_READERS: &str = r#"
import fcntl, os
SH, EX, UN = fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_UN
def lock(fd, kind, start, expected):
    try:
        fcntl.lockf(fd, kind if kind == UN else kind | fcntl.LOCK_NB, 1, start)
        had = True
    except BlockingIOError:
        had = False
    assert had == expected, (fd, kind, start)
def child(kind, start, expected):
    pid = os.fork()
    if pid == 0:
        lock(os.open("lk", os.O_RDWR), kind, start, expected)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
os.close(os.open("lk", os.O_CREAT | os.O_WRONLY))
def trial(first, second, kinds):
    first, second = os.open("lk", first), os.open("lk", second)
    lock(first, kinds[0], 0, True)
    child(EX, 0, False)
    lock(second, kinds[1], 1, True)
    child(EX, 0, False)
    child(EX, 1, False)
    child(SH, 0, kinds[0] == SH)
    child(SH, 1, kinds[1] == SH)
    lock(first, kinds[0], 2, True)
    child(EX, 2, False)
    lock(second, UN, 0, True)
    child(EX, 0, True)
    child(EX, 1, False)
    os.close(first)
    child(EX, 1, True)
    os.close(second)
trial(os.O_RDONLY, os.O_RDWR, (SH, EX))
trial(os.O_WRONLY, os.O_RDWR, (EX, SH))
trial(os.O_RDONLY, os.O_WRONLY, (SH, EX))
trial(os.O_WRONLY, os.O_RDONLY, (EX, SH))
"#;

/// Locks of a process beside locks of open files, on the same descriptors: each of them excludes
/// the other, and ends by itself.
const OF_BOTH: &str = r#"
import fcntl, os, struct
READ, WRITE, NOTHING = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK
PROCESS, FILE = fcntl.F_SETLK, 37
def lock(command, fd, kind, start, expected):
    asked = struct.pack("hhqqi4x", kind, os.SEEK_SET, start, 1, 0)
    try:
        fcntl.fcntl(fd, command, asked)
        had = True
    except BlockingIOError:
        had = False
    assert had == expected, (command, fd, kind, start)
def child(action):
    pid = os.fork()
    if pid == 0:
        action()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
def others(start, expected):
    child(lambda: lock(FILE, os.open("lk", os.O_RDWR), WRITE, start, expected))
def closes():
    os.close(os.open("lk", os.O_RDWR))
os.close(os.open("lk", os.O_CREAT | os.O_WRONLY))

# The file's first: the process's end where it closes another descriptor, or gives them all back.
one = os.open("lk", os.O_RDWR)
lock(FILE, one, WRITE, 0, True)
lock(PROCESS, one, WRITE, 0, False)
lock(PROCESS, one, WRITE, 1, True)
others(0, False)
others(1, False)
closes()
others(0, False)
others(1, True)
lock(PROCESS, one, READ, 2, True)
lock(PROCESS, one, NOTHING, 0, True)
others(0, False)
others(2, False)
os.close(one)
others(0, True)
others(2, True)

# The process's first, and a child that has the same open file.
two = os.open("lk", os.O_RDWR)
lock(PROCESS, two, WRITE, 0, True)
lock(PROCESS, two, READ, 1, True)
lock(FILE, two, WRITE, 0, False)
lock(FILE, two, READ, 1, True)
lock(FILE, two, WRITE, 2, True)
lock(FILE, two, NOTHING, 0, True)
others(0, False)
child(lambda: lock(FILE, two, WRITE, 3, True))
child(lambda: lock(PROCESS, two, WRITE, 3, False))
closes()
others(0, True)
others(1, False)
others(2, False)
others(3, False)
lock(FILE, two, NOTHING, 2, True)
others(2, True)
lock(PROCESS, two, WRITE, 2, True)
child(lambda: lock(FILE, two, WRITE, 2, False))
os.close(two)
others(2, True)

# A child asks for the open file what its parent's locks were carried by.
three = os.open("lk", os.O_RDWR)
lock(PROCESS, three, WRITE, 0, True)
child(lambda: lock(FILE, three, WRITE, 1, True))
child(lambda: lock(FILE, three, WRITE, 0, False))
closes()
others(0, True)
others(1, False)
"#;

/// A connection that only reads is in the middle of it, and another one of the same process writes.
const SQLITE_READER: &str = r#"
import os, sqlite3
data = sqlite3.connect("data.db")
data.execute("create table t (x)")
data.executemany("insert into t values (?)", [(x,) for x in range(9)])
data.commit()
data.close()
reader = sqlite3.connect("file:data.db?mode=ro", uri=True)
rows = reader.execute("select x from t")
next(rows)
writer = sqlite3.connect("data.db", timeout=0, isolation_level=None)
writer.execute("begin immediate")
writer.execute("insert into t values (9)")
child = os.fork()
if child == 0:
    other = sqlite3.connect("data.db", timeout=0, isolation_level=None)
    try:
        other.execute("begin immediate")
        os._exit(1)
    except sqlite3.OperationalError:
        os._exit(0)
assert os.waitpid(child, 0)[1] == 0
rows.fetchall()
writer.execute("commit")
reader.close()
writer.close()
"#;

/// Two connections of a process, and two processes, on one data base.
const SQLITE: &str = r#"
import os, sqlite3
def add(times):
    data = sqlite3.connect("data.db", timeout=60)
    for _ in range(times):
        with data:
            data.execute("insert into t values (1)")
    data.close()
first, second = sqlite3.connect("data.db"), sqlite3.connect("data.db")
first.execute("create table t (x)")
first.execute("begin immediate")
try:
    second.execute("pragma busy_timeout = 0")
    second.execute("begin immediate")
    raise SystemExit("both had it")
except sqlite3.OperationalError:
    pass
first.commit()
first.close()
second.close()
child = os.fork()
add(5)
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
"#;

fn replays(tool: &[&str]) {
    if !have("python3") {
        return;
    }
    let dir = workspace();
    let work = dir.path().join("work");
    let trace = dir.path().join("t.zst");
    for _ in 0..3 {
        let _ = std::fs::remove_dir_all(&work);
        std::fs::create_dir(&work).expect("a directory");
        let command = [&["python3", "-c"], tool].concat();
        let output = record(&work, &trace, &command);
        assert!(output.status.success(), "{}", text(&output));
        for target in targets() {
            let replay = play(&trace, &target);
            let groups = &replay.json["divergence_groups"];
            let on = target.display();
            assert_eq!(
                replay.number("divergences"),
                0,
                "{tool:?} on {on}: {groups:#}"
            );
        }
    }
}

#[test]
fn locks_taken_in_turn_by_threads() {
    replays(&[IN_TURN, "threads", "flock"]);
    replays(&[IN_TURN, "threads", "lockf"]);
}

#[test]
fn locks_taken_in_turn_by_processes() {
    replays(&[IN_TURN, "processes", "flock"]);
    replays(&[IN_TURN, "processes", "lockf"]);
}

#[test]
fn locks_of_processes() {
    replays(&[OF_PROCESSES]);
}

#[test]
fn locks_on_descriptors_that_only_read_or_only_write() {
    replays(&[OF_READERS]);
}

#[test]
fn locks_of_processes_and_of_open_files_on_the_same_descriptors() {
    replays(&[OF_BOTH]);
}

#[test]
fn locks_of_a_data_base() {
    if !have("python3") {
        return;
    }
    let asked = Command::new("python3")
        .args(["-c", "import sqlite3"])
        .output();
    if !asked.is_ok_and(|python| python.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "Python has no sqlite3");
        println!("skipped: this Python has no sqlite3");
        return;
    }
    replays(&[SQLITE]);
    replays(&[SQLITE_READER]);
}

//! What is recorded inside the tool is what is recorded by stopping it.

mod both_ways;
#[path = "../common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use both_ways::{calls, can_record_inside, same_both_ways, tree, with};
use common::{Recorded, compile, skip};
use fsreplay_recorder::{Backend, Status};
use fsreplay_trace::call::Call;
use fsreplay_trace::model::TaskId;
use tempfile::TempDir;

fn is_there(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output()
        .is_ok_and(|output| output.status.success());
    if !found {
        skip(&format!("no {program}"));
    }
    found
}

/// A C program in a directory of its own; none where it can't be had, or not be recorded inside.
fn compiled(source: &str) -> Option<(TempDir, PathBuf)> {
    if !can_record_inside() {
        return None;
    }
    let directory = tempfile::tempdir().expect("tempdir");
    let program = compile(directory.path(), source)?;
    Some((directory, program))
}

/// A tree of a few hundred files.
fn plant(directory: &Path) -> PathBuf {
    let root = directory.join("tree");
    for branch in 0..12 {
        let path = root.join(format!("branch-{branch}"));
        std::fs::create_dir_all(&path).expect("a directory");
        for file in 0..25 {
            let text = "x".repeat(file * 37);
            std::fs::write(path.join(format!("file-{file}.txt")), text).expect("a file");
        }
        std::os::unix::fs::symlink("file-1.txt", path.join("link")).expect("a link");
    }
    root
}

#[test]
fn a_search_and_an_archive_are_the_same_both_ways() {
    if !can_record_inside() {
        return;
    }
    let directory = tempfile::tempdir().expect("tempdir");
    let root = plant(directory.path());
    let root = root.to_str().expect("text");
    same_both_ways(&["find", root, "-newer", "/etc/passwd", "-size", "+1"], 300);
    same_both_ways(&["tar", "cf", "/dev/null", root], 300);
    same_both_ways(
        &[
            "find", root, "-name", "*-7.txt", "-exec", "wc", "-c", "{}", ";",
        ],
        20,
    );
    same_both_ways(&["ls", "-lR", root], 300);
    let script = format!("cd {root}; for d in *; do cat $d/*.txt >/dev/null; done");
    same_both_ways(&["sh", "-c", &script], 100);
}

#[test]
fn git_is_the_same_both_ways() {
    if !can_record_inside() || !is_there("git") {
        return;
    }
    let directory = tempfile::tempdir().expect("tempdir");
    let root = plant(directory.path());
    let git = |arguments: &[&str]| {
        let status = Command::new("git")
            .args(arguments)
            .current_dir(&root)
            .status();
        assert!(status.expect("git").success());
    };
    git(&["init", "-q", "."]);
    git(&["add", "."]);
    git(&[
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "commit",
        "-qm",
        "all",
    ]);
    git(&["status", "--short"]);
    let root = root.to_str().expect("text");
    same_both_ways(&["git", "--no-optional-locks", "-C", root, "status"], 100);
    same_both_ways(&["git", "-C", root, "grep", "--threads=1", "xxx"], 100);
}

#[test]
fn imports_are_the_same_both_ways() {
    if !can_record_inside() || !is_there("/usr/bin/python3") {
        return;
    }
    // Where its output goes is asked for, and a log of these tests grows.
    let script = "exec /usr/bin/python3 -c 'import json, email.message, unittest' > /dev/null 2>&1";
    let command = ["sh", "-c", script];
    // What it keeps for the next time is there then.
    with(Backend::Ptrace, &command);
    same_both_ways(&command, 200);
}

#[test]
fn changes_between_calls_inside_are_seen_in_their_order() {
    let source = r#"
#include <sys/stat.h>
#include <stdio.h>
#include <fcntl.h>
#include <unistd.h>
static char name[64], other[64];
int main(int argc, char **argv) {
    struct stat s;
    if (chdir(argv[1])) return 1;
    for (int i = 0; i < 200; i++) {
        sprintf(name, "file-%d", i);
        sprintf(other, "other-%d", i);
        /* first met by a call that changes nothing, and changed after that */
        if (stat(name, &s) != -1) return 2;
        int fd = open(name, O_CREAT | O_WRONLY, 0600);
        if (fd < 0 || write(fd, "0123456789", i % 10) != i % 10 || close(fd)) return 3;
        if (stat(name, &s) || s.st_size != i % 10) return 4;
        if (stat(other, &s) || s.st_size != 3) return 5;
        fd = open(other, O_RDWR);
        if (fd < 0 || pwrite(fd, "more than that", 14, 0) != 14 || close(fd)) return 6;
        if (stat(other, &s) || s.st_size != 14) return 7;
        if (i % 3 == 0 && rename(name, other)) return 8;
        if (i % 5 == 0 && unlink(other)) return 9;
    }
    return 0;
}"#;
    let Some((directory, program)) = compiled(source) else {
        return;
    };
    let program = program.to_str().expect("text");
    let recordings = [Backend::Ptrace, Backend::Inside].map(|backend| {
        let place = directory.path().join("place");
        std::fs::create_dir(&place).expect("a directory");
        for number in 0..200 {
            std::fs::write(place.join(format!("other-{number}")), "abc").expect("a file");
            let file = std::fs::File::open(place.join(format!("other-{number}"))).expect("it");
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
            file.set_modified(time).expect("its time");
        }
        let recorded = with(backend, &[program, place.to_str().expect("text")]);
        assert_eq!(recorded.recording.status, Status::Exited(0));
        std::fs::remove_dir_all(&place).expect("removed");
        recorded
    });
    let [one, other] = &recordings;
    assert_eq!(calls(one), calls(other));
    let files = |recorded: &Recorded| {
        let mut lines = tree(recorded);
        lines.retain(|line| line.contains("/place/"));
        lines
    };
    assert_eq!(files(one), files(other));
    assert!(other.recording.footer.recorded_inside > 1000);
}

#[test]
fn vectors_are_those_of_their_calls() {
    let source = r#"
#define _GNU_SOURCE
#include <sys/uio.h>
#include <fcntl.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
static char data[4096], read_back[4096];
static struct iovec vector[1030];
/* as many vectors, written anew for each call; gives how many bytes they have */
static size_t fill(char *bytes, int count, int by) {
    size_t sum = 0;
    for (int i = 0; i < count; i++) {
        size_t length = (i * 7 + by) % 3;
        vector[i] = (struct iovec){bytes + sum, length};
        sum += length;
    }
    return sum;
}
int main(int argc, char **argv) {
    /* what is too many for an event goes the traced way */
    static const int counts[] = {0, 1, 2, 17, 18, 19, 100, 1024};
    for (size_t i = 0; i < sizeof data; i++) data[i] = i * 31;
    for (int i = 0; i < 160; i++) {
        int count = counts[i % 8];
        int fd = open(argv[1], O_RDWR | O_CREAT, 0600);
        if (fd < 0 || ftruncate(fd, i % 5) || fallocate(fd, 0, 0, 4096)) return 1;
        ssize_t sum = fill(data, count, i);
        if (writev(fd, vector, count) != sum) return 2;
        if (pwritev(fd, vector, count, 2000) != sum) return 3;
        if (pwritev2(fd, vector, count, 0, 0) != sum) return 4;
        if (i % 16 == 0 && (fsync(fd) || fdatasync(fd))) return 5;
        fill(read_back, count, i);
        if (preadv(fd, vector, count, 2000) != sum || memcmp(data, read_back, sum)) return 6;
        if (preadv2(fd, vector, count, 0, 0) != sum || memcmp(data, read_back, sum)) return 7;
        if (lseek(fd, 0, SEEK_SET) || readv(fd, vector, count) != sum) return 8;
        if (dup2(fd, 100) != 100 || dup3(fd, 101, O_CLOEXEC) != 101) return 9;
        if (close(100) || close(101) || close(fd)) return 10;
    }
    int fd = open(argv[1], O_RDWR);
    if (writev(fd, (struct iovec *)8, 3) != -1 || errno != EFAULT) return 11;
    if (readv(fd, vector, 1025) != -1 || errno != EINVAL) return 12;
    if (readv(fd, vector, -1) != -1 || errno != EINVAL) return 13;
    return 0;
}"#;
    let Some((directory, program)) = compiled(source) else {
        return;
    };
    let file = directory.path().join("file");
    let command = [&program, &file].map(|path| path.to_str().expect("text"));
    // The tree is the same before each recording.
    let first = with(Backend::Inside, &command);
    assert_eq!(first.recording.status, Status::Exited(0));
    same_both_ways(&command, 1500);
}

#[test]
fn a_wake_stands_before_the_return_of_whom_it_wakes() {
    let source = r#"
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
static int word, answer;
static long futex(int *at, int command, int value) {
    return syscall(SYS_futex, at, command, value, 0, 0, 0);
}
static void wait_for(int *at, int value) {
    int now;
    while ((now = __atomic_load_n(at, __ATOMIC_ACQUIRE)) != value)
        futex(at, FUTEX_WAIT_PRIVATE, now);
}
static void tell(int *at, int value) {
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
    futex(at, FUTEX_WAKE_PRIVATE, 1);
}
static void *answers(void *unused) {
    for (int i = 1; i <= 2000; i++) {
        wait_for(&word, i);
        tell(&answer, i);
    }
    return 0;
}
int main(void) {
    pthread_t other;
    if (pthread_create(&other, 0, answers, 0)) return 1;
    for (int i = 1; i <= 2000; i++) {
        tell(&word, i);
        wait_for(&answer, i);
    }
    return pthread_join(other, 0) != 0;
}"#;
    let Some((_directory, program)) = compiled(source) else {
        return;
    };
    let recorded = with(Backend::Inside, &[program.to_str().expect("text")]);
    assert_eq!(recorded.recording.status, Status::Exited(0));
    // By address, how many wakes no wait has returned from yet.
    let mut ahead: BTreeMap<u64, i64> = BTreeMap::new();
    let (mut wakes, mut woken) = (0, 0);
    for event in recorded.events() {
        let [address, command, ..] = event.args;
        if event.call != Call::futex {
            continue;
        }
        let ahead = ahead.entry(address).or_default();
        if event.call.wakes(command as u32) {
            assert_eq!((event.duration, event.result), (0, 0));
            wakes += 1;
            *ahead += 1;
        } else if event.result == 0 {
            woken += 1;
            *ahead -= 1;
        }
        // The end of a thread is told to who joins it by the kernel, after the last of these.
        let is_join = wakes == 4000;
        assert!(
            *ahead >= 0 || is_join,
            "wait {woken} returned before its wake"
        );
    }
    assert!(wakes >= 4000 && woken > 100, "{wakes} {woken}");
    let inside = recorded.recording.footer.recorded_inside;
    println!("{inside} of {wakes} wakes, {woken} waits");
    assert!(inside > 3000, "{inside} inside of {wakes} wakes");
}

#[test]
fn what_only_wakes_is_recorded_inside_as_well() {
    // The library's own instruction for it, which has to be seen when it returns to be patched.
    let source = r#"
#include <pthread.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turns = PTHREAD_COND_INITIALIZER;
static long turn;
static void *takes_turns(void *own) {
    for (int i = 0; i < 3000; i++) {
        pthread_mutex_lock(&lock);
        while (turn != (long)own) pthread_cond_wait(&turns, &lock);
        turn = !turn;
        pthread_cond_signal(&turns);
        pthread_mutex_unlock(&lock);
    }
    return 0;
}
int main(void) {
    pthread_t other;
    if (pthread_create(&other, 0, takes_turns, (void *)1)) return 1;
    takes_turns(0);
    return pthread_join(other, 0) != 0;
}"#;
    let Some((_directory, program)) = compiled(source) else {
        return;
    };
    let recorded = with(Backend::Inside, &[program.to_str().expect("text")]);
    assert_eq!(recorded.recording.status, Status::Exited(0));
    let inside = recorded.recording.footer.recorded_inside;
    let all = recorded.recording.footer.events;
    println!("{inside} of {all}");
    assert!(inside > 2000, "{inside} inside of {all}");
}

#[test]
fn names_of_attributes_are_those_of_their_calls() {
    let source = r#"
#include <sys/xattr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
/* both are written anew for each call */
static char path[4096], name[1024];
int main(int argc, char **argv) {
    char value[64];
    for (int i = 0; i < 400; i++) {
        /* what is too long for an event goes the traced way */
        snprintf(path, sizeof path, "%s%.*s", argv[1], i, "//////////////////////////////////////"
            "/////////////////////////////////////////////////////////////////////////////////////"
            "/////////////////////////////////////////////////////////////////////////////////////"
            "////////////////////////////////////////////////////////////////////////////////"
            "/////");
        snprintf(name, sizeof name, "user.%0*d", 1 + i % 250, i);
        if (getxattr(path, name, value, sizeof value) != -1) return 1;
        if (lgetxattr(path, name, 0, 0) != -1) return 2;
        if (listxattr(path, value, sizeof value) < 0 || llistxattr(path, 0, 0) < 0) return 3;
    }
    if (getxattr(path, (char *)8, value, 1) != -1 || errno != EFAULT) return 4;
    if (getxattr((char *)8, name, value, 1) != -1 || errno != EFAULT) return 5;
    if (getxattr(0, name, value, 1) != -1 || errno != EFAULT) return 6;
    if (getxattr(path, 0, value, 1) != -1 || errno != EFAULT) return 7;
    memset(name, 'x', sizeof name - 1);
    if (getxattr(path, name, value, 1) != -1 || errno != ERANGE) return 8;
    return 0;
}"#;
    let Some((directory, program)) = compiled(source) else {
        return;
    };
    let place = directory.path().join("place");
    std::fs::create_dir(&place).expect("a directory");
    let [program, place] = [&program, &place].map(|path| path.to_str().expect("text"));
    same_both_ways(&[program, place], 800);
    let recorded = with(Backend::Inside, &[program, place]);
    assert_eq!(recorded.recording.status, Status::Exited(0));
}

#[test]
fn threads_write_events_of_their_own() {
    let source = r#"
#include <pthread.h>
#include <sys/stat.h>
#include <stdio.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/wait.h>
static int work(const char *what, int from) {
    struct stat s;
    char name[64];
    for (int i = 0; i < 300; i++) {
        sprintf(name, "/none/%s-%d-%d", what, from, i);
        if (stat(name, &s) != -1 || stat("/etc/passwd", &s) || s.st_size == 0) return 1;
        if (i % 100 == 50) {
            pid_t child = i % 200 == 50 ? fork() : vfork();
            if (child == 0) {
                if (i % 200 == 50) {
                    for (int k = 0; k < 50; k++) {
                        sprintf(name, "/none/child-%d-%d-%d", from, i, k);
                        if (stat(name, &s) != -1) _exit(1);
                    }
                    _exit(0);
                }
                execl("/bin/true", "true", (char *)0);
                _exit(1);
            }
            int status;
            if (waitpid(child, &status, 0) != child || status) return 2;
        }
    }
    return 0;
}
static void *thread(void *arg) { return (void *)(long)work("thread", (int)(long)arg); }
int main(void) {
    if (work("main", 0)) return 1;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], 0, thread, (void *)(long)(i + 1));
    for (int i = 0; i < 4; i++) {
        void *result;
        pthread_join(threads[i], &result);
        if (result) return 3;
    }
    return 0;
}"#;
    let Some((_directory, program)) = compiled(source) else {
        return;
    };
    let recorded = with(Backend::Inside, &[program.to_str().expect("text")]);
    assert_eq!(recorded.recording.status, Status::Exited(0));
    for thread in 1..5 {
        let mut tasks = std::collections::BTreeSet::new();
        for number in 0..300 {
            let events = recorded.on_path(format!("/none/thread-{thread}-{number}").as_bytes());
            assert_eq!(events.len(), 1, "{thread} {number}");
            tasks.insert(events[0].task);
        }
        assert_eq!(tasks.len(), 1);
        let child = format!("/none/child-{thread}-50-49");
        assert_eq!(recorded.on_path(child.as_bytes()).len(), 1);
    }
    // Each starts after its entry, and events of one task don't overlap.
    let mut last: BTreeMap<TaskId, u64> = BTreeMap::new();
    for event in recorded.events() {
        let before = last.insert(event.task, event.exit()).unwrap_or(0);
        assert!(event.entry >= before, "{event:?} {before}");
    }
    assert!(recorded.recording.footer.recorded_inside > 2500);
}

#[test]
fn directories_that_are_renamed_while_they_are_open_are_known_by_their_names() {
    let source = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int argc, char **argv) {
    struct stat s;
    char from[64], to[64];
    if (chdir(argv[1])) return 1;
    for (int i = 0; i < 50; i++) if (stat("/etc/passwd", &s)) return 2;
    for (int i = 0; i < 60; i++) {
        sprintf(from, "a%d", i); sprintf(to, "b%d", i);
        if (mkdir(from, 0700)) return 3;
        int fd = open(from, O_RDONLY | O_DIRECTORY);
        if (fstatat(fd, "before", &s, 0) != -1) return 4;
        if (rename(from, to)) return 5;
        if (fstatat(fd, "after", &s, 0) != -1 || close(fd)) return 6;
        /* the same number leads elsewhere at once */
        fd = open("/etc", O_RDONLY | O_DIRECTORY);
        if (fstatat(fd, "passwd", &s, 0) || close(fd)) return 7;
    }
    return 0;
}"#;
    let Some((directory, program)) = compiled(source) else {
        return;
    };
    let place = directory.path().join("place");
    std::fs::create_dir(&place).expect("a directory");
    let command = [
        program.to_str().expect("text"),
        place.to_str().expect("text"),
    ];
    let recorded = with(Backend::Inside, &command);
    assert_eq!(recorded.recording.status, Status::Exited(0));
    assert!(recorded.recording.footer.recorded_inside > 300);
    assert!(recorded.kinds(b"/etc/after").is_empty());
    assert_eq!(recorded.on_path(b"after").len(), 60);
}

/// It takes nearly all addresses for itself, and ends where something else is mapped.
#[test]
fn a_program_under_thread_sanitizer_runs_as_without() {
    let source = r#"
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
static void *work(void *argument) {
    struct stat s;
    char name[64];
    for (int i = 0; i < 200; i++) {
        sprintf(name, "/none/%d", i);
        if (stat(name, &s) != -1) return argument;
    }
    return 0;
}
int main(void) {
    pthread_t thread;
    if (work(&thread) || pthread_create(&thread, 0, work, &thread)) return 1;
    return pthread_join(thread, 0);
}"#;
    let Some((directory, program)) = compiled(source) else {
        return;
    };
    let made = Command::new("cc")
        .args(["-fsanitize=thread", "-pthread", "-o"])
        .arg(&program)
        .arg(directory.path().join("fixture.c"))
        .status();
    let runs = made.is_ok_and(|made| made.success())
        && Command::new(&program).status().is_ok_and(|s| s.success());
    if !runs {
        println!("skipped: no ThreadSanitizer here");
        return;
    }
    let recorded = with(Backend::Inside, &[program.to_str().expect("text")]);
    assert_eq!(recorded.recording.status, Status::Exited(0));
    let inside = recorded.recording.footer.recorded_inside;
    assert!(inside > 300, "{inside}");
}

#[test]
fn what_must_not_be_changed_is_recorded_by_ptrace_and_told() {
    if !can_record_inside() {
        return;
    }
    let directory = tempfile::tempdir().expect("tempdir");
    let root = plant(directory.path());
    let script = format!("ulimit -v 4000000; ls -lR {}", root.display());
    let recorded = with(Backend::Inside, &["sh", "-c", &script]);
    assert_eq!(recorded.recording.status, Status::Exited(0));
    assert!(recorded.recording.footer.events > 500);
    let warnings = &recorded.recording.footer.warnings;
    assert!(
        warnings
            .iter()
            .any(|text| text.contains("limits on memory")),
        "{warnings:?}"
    );
}

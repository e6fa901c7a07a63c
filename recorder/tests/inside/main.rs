//! What is recorded inside the tool is what is recorded by stopping it.

mod both_ways;
#[path = "../common/mod.rs"]
mod common;
mod copied;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use both_ways::{calls, can_record_inside, same_both_ways, tree, with};
use common::{Recorded, compile, skip};
use fsreplay_recorder::{Backend, Status};
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

/// The same without arguments, recorded inside; it has to end well.
fn recorded_inside(source: &str) -> Option<Recorded> {
    let (_directory, program) = compiled(source)?;
    let recorded = with(Backend::Inside, &[program.to_str().expect("text")]);
    assert_eq!(recorded.recording.status, Status::Exited(0));
    Some(recorded)
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
    let Some(recorded) = recorded_inside(source) else {
        return;
    };
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

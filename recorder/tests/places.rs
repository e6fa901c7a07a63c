//! Where the tool sees the tree from: mount namespaces, mounts, and names deeper than a path may be
//! long.

mod common;

use std::path::Path;

use common::{Recorded, can_record, compile, record};
use fsreplay_recorder::Status;
use fsreplay_trace::model::{FileKind, Record};

/// What each fixture begins with. Where something may not be done, it ends with status 77.
const MOUNTS: &str = r#"
    #define _GNU_SOURCE
    #include <fcntl.h>
    #include <linux/sched.h>
    #include <sched.h>
    #include <signal.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <sys/mount.h>
    #include <sys/syscall.h>
    #include <sys/wait.h>
    #include <unistd.h>
    static const char *at;
    static int mounts_and_reads(void *unused) {
        char file[4096], bytes[64];
        if (chdir(at) || mount(0, "/", 0, MS_REC | MS_PRIVATE, 0)) return 77;
        if (mount("other", "in", 0, MS_BIND, 0)) return 77;
        snprintf(file, sizeof file, "%s/in/a", at);
        int fd = open(file, O_RDONLY);
        return fd < 0 || read(fd, bytes, sizeof bytes) != 10;
    }
    static int status_of(pid_t child) {
        int status;
        if (child < 0) return 77;
        waitpid(child, &status, 0);
        return WEXITSTATUS(status);
    }
"#;

/// Records a program that is given a directory with `in/a` of 2 bytes and `other/a` of 10. `None`
/// where nothing may be mounted.
fn seen_in(main: &str) -> Option<(Recorded, String)> {
    if !can_record() {
        return None;
    }
    let directory = tempfile::tempdir().expect("tempdir");
    let program = compile(directory.path(), &[MOUNTS, main].concat())?;
    let at = directory.path().canonicalize().expect("path");
    for (name, text) in [("in", "1\n"), ("other", "123456789\n")] {
        std::fs::create_dir(at.join(name)).expect("made");
        std::fs::write(at.join(name).join("a"), text).expect("written");
    }
    let at = at.to_str().expect("text").to_owned();
    let recorded = record(&[program.to_str().expect("text"), &at]);
    if recorded.recording.status == Status::Exited(77) {
        println!("skipped: nothing may be mounted here");
        return None;
    }
    assert_eq!(recorded.recording.status, Status::Exited(0));
    Some((recorded, at))
}

/// The sizes that were recorded of the file, one after the other.
fn sizes(recorded: &Recorded, at: &str) -> Vec<u64> {
    let states = recorded.states(format!("{at}/in/a").as_bytes());
    let metadata = states.iter().filter_map(|state| state.metadata);
    metadata.map(|metadata| metadata.size).collect()
}

fn one_warning(recorded: &Recorded) {
    let warnings = &recorded.recording.footer.warnings;
    let of_mounts = warnings
        .iter()
        .filter(|text| text.contains("mount namespaces"));
    assert_eq!(of_mounts.count(), 1, "{warnings:?}");
}

#[test]
fn a_task_of_a_new_mount_namespace_is_looked_after_in_it() {
    for (way, main) in [
        (
            "clone",
            r#"int main(int n, char **v) {
                char *stack = malloc(1 << 20);
                at = v[1];
                int flags = CLONE_NEWNS | SIGCHLD;
                return status_of(clone(mounts_and_reads, stack + (1 << 20), flags, 0));
            }"#,
        ),
        (
            "clone3",
            r#"int main(int n, char **v) {
                struct clone_args args = {.flags = CLONE_NEWNS, .exit_signal = SIGCHLD};
                at = v[1];
                pid_t child = syscall(SYS_clone3, &args, sizeof args);
                if (child == 0) _exit(mounts_and_reads(0));
                return status_of(child);
            }"#,
        ),
        (
            "unshare",
            r#"int main(int n, char **v) {
                at = v[1];
                if (unshare(CLONE_NEWNS)) return 77;
                return mounts_and_reads(0);
            }"#,
        ),
    ] {
        let Some((recorded, at)) = seen_in(main) else {
            return;
        };
        assert_eq!(sizes(&recorded, &at), [10], "{way}");
        one_warning(&recorded);
    }
}

/// What was known before doesn't hold: the same name leads to another file.
#[test]
fn a_task_that_enters_a_mount_namespace_is_looked_after_in_it() {
    let Some((recorded, at)) = seen_in(
        r#"int main(int n, char **v) {
            int ready[2], done[2];
            char byte, file[4096], namespace[64];
            at = v[1];
            snprintf(file, sizeof file, "%s/in/a", at);
            if (access(file, R_OK) || pipe(ready) || pipe(done)) return 1;
            pid_t child = fork();
            if (child == 0) {
                int failed = unshare(CLONE_NEWNS) ? 77 : mounts_and_reads(0);
                write(ready[1], "x", 1);
                read(done[0], &byte, 1);
                _exit(failed);
            }
            read(ready[0], &byte, 1);
            snprintf(namespace, sizeof namespace, "/proc/%d/ns/mnt", child);
            int fd = open(namespace, O_RDONLY);
            int entered = setns(fd, CLONE_NEWNS) == 0;
            struct { int fd; } in = {open(file, O_RDONLY)};
            char bytes[64];
            int right = read(in.fd, bytes, sizeof bytes) == 10;
            write(done[1], "x", 1);
            int failed = status_of(child);
            return failed ? failed : !(entered && right);
        }"#,
    ) else {
        return;
    };
    let sizes = sizes(&recorded, &at);
    assert_eq!((sizes[0], sizes.last()), (2, Some(&10)), "{sizes:?}");
    one_warning(&recorded);
}

/// A tree that is 10,000 bytes deep, removed as long as this lives.
fn deep(at: &Path, name: &str) -> usize {
    let script = "import os, sys
os.chdir(sys.argv[1])
for i in range(100): os.mkdir(sys.argv[2]); os.chdir(sys.argv[2])
open('leaf', 'w').write('12345')";
    let made = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(at)
        .arg(name)
        .status();
    if made.is_ok_and(|status| status.success()) {
        100
    } else {
        common::skip("no python3 that makes a deep tree");
        0
    }
}

#[test]
fn names_are_known_below_the_longest_path() {
    if !can_record() {
        return;
    }
    let directory = tempfile::tempdir().expect("tempdir");
    let at = directory.path().canonicalize().expect("path");
    let name = "d".repeat(100);
    let depth = deep(&at, &name);
    if depth == 0 {
        return;
    }
    let top = at.join(&name);
    let recorded = record(&["find", top.to_str().expect("text"), "-name", "none"]);
    let removed = record(&["rm", "-r", top.to_str().expect("text")]);
    for recorded in [&recorded, &removed] {
        let path = format!("{}{}", at.display(), format!("/{name}").repeat(depth));
        let of_leaf = |record: &&Record| match record {
            Record::Listing(listing) => {
                recorded.reader.tables().path(listing.directory) == path.as_bytes()
                    && listing
                        .entries
                        .iter()
                        .any(|(_, kind)| *kind == FileKind::File)
            }
            _ => false,
        };
        assert_eq!(recorded.records.iter().filter(of_leaf).count(), 1);
        assert!(recorded.recording.footer.warnings.is_empty());
    }
    assert!(!top.exists());
}

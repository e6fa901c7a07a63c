//! Tools that trace: what they trace is let go, and works as without a recorder.

#[path = "../common/mod.rs"]
mod common;
mod inside;

use std::process::Command;

use common::{Recorded, can_record, compile, record};
use fsreplay_recorder::{Observer, RecordOptions, Status};

/// Before each program. `CHECK` ends it with the line's number.
const PRELUDE: &str = r#"
    #define _GNU_SOURCE
    #include <errno.h>
    #include <fcntl.h>
    #include <linux/filter.h>
    #include <linux/seccomp.h>
    #include <pthread.h>
    #include <sched.h>
    #include <signal.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/prctl.h>
    #include <sys/ptrace.h>
    #include <sys/syscall.h>
    #include <sys/wait.h>
    #include <unistd.h>
    #define CHECK(what) if (!(what)) _exit(__LINE__)
    static int status;
    static int stopped(pid_t child, int of) {
        return waitpid(child, &status, __WALL) == child && WIFSTOPPED(status)
            && status >> 8 == of;
    }
    static int ended(pid_t child, int with) {
        return waitpid(child, &status, __WALL) == child && WIFEXITED(status)
            && WEXITSTATUS(status) == with;
    }
    #line 1
"#;

/// Ends with 0 where tasks can be let go: a filter can have a listener that waits as it must.
const PROBE: &str = r#"
    int main(void) {
        struct sock_filter allow = {6, 0, 0, SECCOMP_RET_ALLOW};
        struct sock_fprog program = {1, &allow};
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        int flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | 1 << 5;
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) < 0;
    }"#;

/// Records a C program that ends with 0 if it traces as it means to; `None`, with a word, where
/// what it traces can't be let go.
fn traces(source: &str) -> Option<Recorded> {
    if !can_record() {
        return None;
    }
    let directory = tempfile::tempdir().expect("tempdir");
    let program = compile(directory.path(), &format!("{PRELUDE}{PROBE}"))?;
    let can_let_go = Command::new(program).status().expect("it runs").success();
    if !can_let_go {
        common::skip("filters have no listeners here");
        return None;
    }
    let program = compile(directory.path(), &format!("{PRELUDE}{source}"))?;
    let natively = Command::new(&program).status().expect("it runs");
    assert_eq!(natively.code(), Some(0), "natively: the failing line");
    let recorded = record(&[program.to_str().expect("text")]);
    let status = recorded.recording.status;
    assert_eq!(status, Status::Exited(0), "recorded: the failing line");
    Some(recorded)
}

/// Calls that are counted, because what made them had been let go.
fn passed(recorded: &Recorded) -> u64 {
    let counts = &recorded.recording.footer.unrecorded;
    counts
        .get("calls of what the tool traces")
        .copied()
        .unwrap_or(0)
}

#[test]
fn a_child_that_asks_to_be_traced_is() {
    let Some(recorded) = traces(
        r#"
        int main(int count, char **arguments) {
            if (count > 1) return access("/of-the-traced", F_OK) == 0 || errno != ENOENT;
            for (int i = 0; i < 2; i++) {
                pid_t child = fork();
                if (child == 0) {
                    CHECK(access("/of-the-child", F_OK) == -1 && errno == ENOENT);
                    CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
                    CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == -1 && errno == EPERM);
                    execl(arguments[0], arguments[0], "traced", NULL);
                    _exit(99);
                }
                CHECK(stopped(child, SIGTRAP));
                CHECK(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACEEXIT) == 0);
                CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
                CHECK(stopped(child, SIGTRAP | PTRACE_EVENT_EXIT << 8));
                CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
                CHECK(ended(child, 0));
            }
            return access("/of-the-tracer", F_OK) == 0;
        }"#,
    ) else {
        return;
    };
    assert_eq!(recorded.on_path(b"/of-the-child").len(), 2);
    assert_eq!(recorded.on_path(b"/of-the-traced").len(), 0);
    assert_eq!(recorded.on_path(b"/of-the-tracer").len(), 1);
    // At least those on its path, and what starting the program takes.
    assert!(passed(&recorded) > 10, "{}", passed(&recorded));
    assert_eq!(recorded.warned("fixture was traced by the tool itself"), 1);
    assert_eq!(recorded.exits().len(), 3);
}

#[test]
fn a_child_that_waits_in_a_call_is_attached_to_there() {
    let Some(recorded) = traces(
        r#"
        static int begin[2], done[2];
        static int child(int how) {
            char byte;
            if (how == 2) {
                // No call: it stops in the middle of its code.
                for (volatile long i = 0; access("/in-between", F_OK) == -1 && i < 5; i++)
                    for (volatile int j = 0; j < 1000; j++) continue;
            }
            CHECK(read(begin[0], &byte, 1) == 1 && byte == 'b');
            CHECK(access("/of-the-traced", F_OK) == -1 && errno == ENOENT);
            CHECK(write(done[1], "d", 1) == 1);
            return 7;
        }
        int main(void) {
            char byte;
            for (int how = 0; how < 3; how++) {
                CHECK(pipe(begin) == 0 && pipe(done) == 0);
                pid_t traced = fork();
                if (traced == 0) _exit(child(how));
                // It waits by now, most likely; as well if not.
                usleep(20000);
                if (how == 0) {
                    CHECK(ptrace(PTRACE_ATTACH, traced, 0, 0) == 0);
                    CHECK(stopped(traced, SIGSTOP));
                    CHECK(ptrace(PTRACE_CONT, traced, 0, 0) == 0);
                } else {
                    CHECK(ptrace(PTRACE_SEIZE, traced, 0, 0) == 0);
                }
                CHECK(write(begin[1], "b", 1) == 1);
                CHECK(read(done[0], &byte, 1) == 1);
                CHECK(ended(traced, 7));
            }
            return 0;
        }"#,
    ) else {
        return;
    };
    assert_eq!(recorded.on_path(b"/of-the-traced").len(), 0);
    assert!(passed(&recorded) >= 9, "{}", passed(&recorded));
}

#[test]
fn a_child_that_was_stopped_stays_so_until_its_tracer_lets_it_go_on() {
    let Some(_) = traces(
        r#"
        int main(void) {
            pid_t child = fork();
            if (child == 0) {
                raise(SIGSTOP);
                _exit(7);
            }
            CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
            CHECK(ptrace(PTRACE_SEIZE, child, 0, 0) == 0);
            CHECK(stopped(child, SIGSTOP | PTRACE_EVENT_STOP << 8));
            CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
            CHECK(ended(child, 7));
            return 0;
        }"#,
    ) else {
        return;
    };
}

#[test]
fn what_the_traced_start_is_waited_for_and_counted() {
    let Some(recorded) = traces(
        r#"
        int main(void) {
            pid_t child = fork();
            if (child == 0) {
                CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
                if (fork() == 0) {
                    // After all that is recorded has ended.
                    usleep(300000);
                    for (int i = 0; i < 1000; i++) access("/of-the-grandchild", F_OK);
                    _exit(0);
                }
                _exit(7);
            }
            CHECK(ended(child, 7));
            return 0;
        }"#,
    ) else {
        return;
    };
    assert_eq!(recorded.on_path(b"/of-the-grandchild").len(), 0);
    assert!(passed(&recorded) >= 1000, "{}", passed(&recorded));
}

/// As the checker for leaks does: a task that shares its memory attaches to all threads.
#[test]
fn threads_and_the_first_process_are_attached_to_one_by_one() {
    let Some(recorded) = traces(
        r#"
        static pid_t threads[2];
        static int wake[2];
        static void *thread(void *nothing) {
            char byte;
            threads[1] = syscall(SYS_gettid);
            read(wake[0], &byte, 1);
            return nothing;
        }
        static int look(void *nothing) {
            for (int i = 0; i < 2; i++) {
                CHECK(ptrace(PTRACE_ATTACH, threads[i], 0, 0) == 0);
                CHECK(stopped(threads[i], SIGSTOP));
            }
            for (int i = 0; i < 2; i++) CHECK(ptrace(PTRACE_DETACH, threads[i], 0, 0) == 0);
            return 0;
        }
        int main(void) {
            pthread_t other;
            char *stack = malloc(65536);
            threads[0] = getpid();
            CHECK(pipe(wake) == 0);
            CHECK(pthread_create(&other, NULL, thread, NULL) == 0);
            while (!*(volatile pid_t *)&threads[1]) usleep(1000);
            prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
            int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_UNTRACED;
            pid_t tracer = clone(look, stack + 65536, flags, NULL);
            CHECK(ended(tracer, 0));
            CHECK(write(wake[1], "w", 1) == 1);
            CHECK(pthread_join(other, NULL) == 0);
            CHECK(access("/of-the-first", F_OK) == -1 && errno == ENOENT);
            return 0;
        }"#,
    ) else {
        return;
    };
    assert_eq!(recorded.on_path(b"/of-the-first").len(), 0);
    assert!(passed(&recorded) >= 3, "{}", passed(&recorded));
}

/// Records a C program whose wish to trace can't be granted, and gives what was told meanwhile.
fn refused(source: &str) -> Option<(Recorded, Vec<String>)> {
    #[derive(Default)]
    struct Heard(Vec<String>);
    impl Observer for Heard {
        fn warning(&mut self, text: &str) {
            self.0.push(text.to_owned());
        }
    }
    if !can_record() {
        return None;
    }
    let directory = tempfile::tempdir().expect("tempdir");
    let program = compile(directory.path(), &format!("{PRELUDE}{source}"))?;
    let output = directory.path().join("trace.zst");
    let options = RecordOptions::new(vec![program.into_os_string()], output);
    let mut heard = Heard::default();
    let recording = common::alone(|| fsreplay_recorder::record(&options, &mut heard));
    let recorded = Recorded::read(recording.expect("recorded")).of_what_may_be()?;
    Some((recorded, heard.0))
}

/// Its tracer would be the recorder.
#[test]
fn the_first_process_can_not_be_traced_by_what_started_the_recorder() {
    let Some((recorded, heard)) = refused(
        "int main(void) {
            return ptrace(PTRACE_TRACEME, 0, 0, 0) == -1 && errno == EPERM ? 3 : 0;
        }",
    ) else {
        return;
    };
    assert_eq!(recorded.recording.status, Status::Exited(3));
    assert_eq!(recorded.warned("fixture tried to trace"), 1);
    let told = |text: &&String| text.starts_with("fixture (") && text.contains("can't trace");
    assert_eq!(heard.iter().filter(told).count(), 1, "{heard:?}");
}

/// It has a filter of its own, and a listener.
#[test]
fn what_waits_for_a_tracer_that_it_cannot_have_is_ended() {
    let Some((recorded, _)) = refused(
        r#"
        int main(void) {
            struct sock_filter allow = {6, 0, 0, SECCOMP_RET_ALLOW};
            struct sock_fprog program = {1, &allow};
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            int flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
            if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) < 0) return 77;
            pid_t stopped = fork();
            if (stopped == 0) {
                raise(SIGSTOP);
                _exit(0);
            }
            // An end after all, for a recorder that waits without end.
            if (fork() == 0) {
                sleep(30);
                kill(stopped, SIGKILL);
                _exit(0);
            }
            for (int i = 0; i < 2; i++)
                CHECK(ptrace(PTRACE_SEIZE, stopped, 0, 0) == -1 && errno == EPERM);
            return 3;
        }"#,
    ) else {
        return;
    };
    assert_eq!(recorded.recording.status, Status::Exited(3));
    assert_eq!(recorded.recording.ended, 2);
    assert_eq!(recorded.warned("fixture tried to trace"), 1);
}

/// Natively it would stand still for ever.
#[test]
fn what_a_tracer_leaves_standing_still_is_ended() {
    let Some((recorded, _)) = refused(
        r#"
        int main(void) {
            pid_t child = fork();
            if (child == 0) {
                raise(SIGSTOP);
                _exit(0);
            }
            CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
            ptrace(PTRACE_SEIZE, child, 0, 0);
            return 3;
        }"#,
    ) else {
        return;
    };
    assert_eq!(recorded.recording.status, Status::Exited(3));
    assert_eq!(recorded.recording.ended, 1);
}

/// The parent of a `vfork` stops for nothing: to wait for that would be to wait for the one that
/// asks.
#[test]
fn one_that_does_not_stop_is_not_waited_for() {
    let Some((recorded, _)) = refused(
        r#"
        int main(void) {
            prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
            pid_t child = vfork();
            if (child == 0)
                _exit(syscall(SYS_ptrace, PTRACE_SEIZE, getppid(), 0, 0) == -1 ? errno : 0);
            CHECK(access("/of-the-parent", F_OK) == -1 && errno == ENOENT);
            return ended(child, EPERM) ? 3 : 0;
        }"#,
    ) else {
        return;
    };
    assert_eq!(recorded.recording.status, Status::Exited(3));
    assert_eq!(recorded.on_path(b"/of-the-parent").len(), 1);
}

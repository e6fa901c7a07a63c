//! What would go on without its recorder, or find out about it: untraced children, filters and
//! supervisors of the tool's own, the first process of a namespace.

mod common;

use common::{Recorded, can_record, compile, record, try_record_with};
use fsreplay_recorder::Status;
use fsreplay_trace::call::Call;

/// Records a C program; `None`, with a word, where it can't do what it is for.
fn fixture(source: &str) -> Option<Recorded> {
    if !can_record() {
        return None;
    }
    let directory = tempfile::tempdir().expect("tempdir");
    let program = compile(directory.path(), source)?;
    record(&[program.to_str().expect("text")]).of_what_may_be()
}

#[test]
fn children_that_ask_not_to_be_traced_are_recorded() {
    let Some(recorded) = fixture(
        r#"
        #define _GNU_SOURCE
        #include <errno.h>
        #include <fcntl.h>
        #include <linux/sched.h>
        #include <sched.h>
        #include <signal.h>
        #include <stdlib.h>
        #include <sys/syscall.h>
        #include <sys/wait.h>
        #include <unistd.h>
        static int look(void *path) { return access(path, F_OK) == 0 || errno != ENOENT; }
        int main(void) {
            char *stack = malloc(65536);
            int status, flags = CLONE_UNTRACED | SIGCHLD;
            pid_t child = clone(look, stack + 65536, flags, "/of-clone");
            if (waitpid(child, &status, 0) != child || status != 0) return 1;
            struct clone_args args = {.flags = CLONE_UNTRACED, .exit_signal = SIGCHLD};
            child = syscall(SYS_clone3, &args, sizeof args);
            if (child < 0) return 77;
            if (child == 0) _exit(look("/of-clone3"));
            return waitpid(child, &status, 0) != child || status != 0;
        }"#,
    ) else {
        return;
    };
    assert_eq!(recorded.recording.status, Status::Exited(0));
    assert_eq!(recorded.starts().len(), 3);
    for (index, path) in [(1, b"/of-clone".as_slice()), (2, b"/of-clone3")] {
        let task = recorded.on_path(path)[0].task;
        assert_eq!(task, recorded.starts()[index].task);
    }
}

#[test]
fn the_tool_does_not_see_the_recorders_filter_but_its_own() {
    let own = |answer: &str| {
        format!(
            r#"
            #include <linux/filter.h>
            #include <linux/seccomp.h>
            #include <stdio.h>
            #include <sys/prctl.h>
            int main(void) {{
                struct sock_filter allow = {{6, 0, 0, SECCOMP_RET_ALLOW}};
                struct sock_fprog program = {{1, &allow}};
                if (prctl(PR_GET_SECCOMP) != {answer}) return 1;
                prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) return 77;
                return prctl(PR_GET_SECCOMP) != 2;
            }}"#
        )
    };
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let mode = status
        .lines()
        .find_map(|line| line.strip_prefix("Seccomp:"));
    if !status.contains("Seccomp_filters:") {
        common::skip("this kernel doesn't count filters");
        return;
    }
    let Some(recorded) = fixture(&own(mode.expect("a mode").trim())) else {
        return;
    };
    assert_eq!(recorded.recording.status, Status::Exited(0));
}

#[test]
fn a_supervisor_of_the_tools_own_is_told_of() {
    let Some(recorded) = fixture(
        r#"
        #define _GNU_SOURCE
        #include <linux/filter.h>
        #include <linux/seccomp.h>
        #include <sys/prctl.h>
        #include <sys/syscall.h>
        #include <unistd.h>
        int main(void) {
            struct sock_filter allow = {6, 0, 0, SECCOMP_RET_ALLOW};
            struct sock_fprog program = {1, &allow};
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            int flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
            return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) < 0 ? 77 : 0;
        }"#,
    ) else {
        return;
    };
    assert_eq!(recorded.recording.status, Status::Exited(0));
    assert_eq!(recorded.warned("supervisor"), 1);
}

/// Without a tracer the kernel kills it; the tracer's signal it ignores, and faults again.
#[test]
fn the_first_process_of_a_namespace_dies_of_its_fault() {
    let Some(recorded) = fixture(
        r#"
        #define _GNU_SOURCE
        #include <fcntl.h>
        #include <sched.h>
        #include <signal.h>
        #include <sys/wait.h>
        #include <unistd.h>
        int main(void) {
            int status;
            if (unshare(CLONE_NEWPID) != 0) return 77;
            pid_t first = fork();
            if (first == 0) {
                access("/before-the-fault", F_OK);
                *(volatile int *)0 = 1;
                access("/after-the-fault", F_OK);
                _exit(0);
            }
            waitpid(first, &status, 0);
            return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        }"#,
    ) else {
        return;
    };
    assert_eq!(recorded.recording.status, Status::Exited(libc::SIGSEGV));
    assert_eq!(recorded.on_path(b"/before-the-fault").len(), 1);
    assert!(recorded.on_path(b"/after-the-fault").is_empty());
    let exits = recorded.exits();
    assert_eq!(exits.len(), 2);
    assert_eq!(exits[0].status, libc::SIGSEGV);
}

#[test]
fn rings_are_withheld_if_asked_for() {
    if !can_record() {
        return;
    }
    let directory = tempfile::tempdir().expect("tempdir");
    let source = r#"
        #define _GNU_SOURCE
        #include <errno.h>
        #include <sys/syscall.h>
        #include <unistd.h>
        int main(void) {
            char parameters[120] = {0};
            return syscall(SYS_io_uring_setup, 4, parameters) == -1 && errno == ENOSYS;
        }"#;
    let Some(program) = compile(directory.path(), source) else {
        return;
    };
    let program = program.to_str().expect("text");
    let withheld =
        try_record_with(&[program], |options| options.withhold_io_uring = true).expect("recording");
    assert_eq!(withheld.recording.status, Status::Exited(1));
    assert_eq!(withheld.warned("--no-io-uring"), 1);
    assert!(withheld.recording.footer.unrecorded.is_empty());
    let seen = record(&[program]);
    let name = Call::io_uring_setup.name();
    assert!(seen.recording.footer.unrecorded.contains_key(name));
}

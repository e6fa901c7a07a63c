//! Tasks, signals and ends.

mod common;

use std::ffi::OsString;

use common::{can_record, compile, record, try_record, try_record_with};
use fsreplay_recorder::{Kept, Observer, RecordError, RecordOptions, Status};
use fsreplay_trace::call::{ArgKind, Call};
use fsreplay_trace::model::{Event, Record};

/// Records a C program.
fn fixture(source: &str) -> Option<common::Recorded> {
    if !can_record() {
        return None;
    }
    let directory = tempfile::tempdir().expect("tempdir");
    let program = compile(directory.path(), source)?;
    Some(record(&[program.to_str().expect("text")]))
}

#[test]
fn exit_codes_and_signals_pass_through() {
    if !can_record() {
        return;
    }
    let status = |script| record(&["sh", "-c", script]).recording.status;
    assert_eq!(status("exit 7"), Status::Exited(7));
    assert_eq!(status("kill -SEGV $$"), Status::Signaled(libc::SIGSEGV));
    assert_eq!(status("kill -KILL $$"), Status::Signaled(libc::SIGKILL));
}

#[test]
fn a_fault_of_the_recorder_itself_does_not_end_the_tool() {
    struct Panics;
    impl Observer for Panics {
        fn progress(&mut self, _events: u64, _tasks: u64) {
            panic!("on purpose");
        }
    }
    if !can_record() {
        return;
    }
    let directory = tempfile::tempdir().expect("tempdir");
    let script = "sleep 1.5; for i in 1 2 3; do (cat /etc/passwd) || exit 1; done; exit 7";
    let command = ["sh", "-c", script].map(OsString::from).to_vec();
    let options = RecordOptions::new(command, directory.path().join("trace.zst"));
    let recording = common::alone(|| fsreplay_recorder::record(&options, &mut Panics))
        .expect("the command ran");
    assert_eq!(recording.status, Status::Exited(7));
    let fault = recording.fault.expect("a fault");
    assert!(matches!(&fault.error, RecordError::Internal { message } if message == "on purpose"));
    assert!(matches!(fault.kept, Kept::Beginning { unrecorded } if unrecorded > 0));
    let mut reader = fsreplay_trace::format::open(&recording.path).expect("what there is");
    let mut events = 0;
    while let Ok(Some(record)) = reader.next_record() {
        events += u32::from(matches!(record, Record::Event(_)));
    }
    assert!(events > 10, "{events}");
    std::fs::remove_file(&recording.path).expect("removed");
}

#[test]
fn a_command_that_is_not_there_and_one_that_cannot_be_run() {
    if !can_record() {
        return;
    }
    assert!(matches!(
        try_record(&["no-such-command"]).err(),
        Some(RecordError::NotFound { .. })
    ));
    let error = try_record(&["/etc/passwd"]).err().expect("an error");
    assert_eq!(error.exit_code(), 126);
    let directory = tempfile::tempdir().expect("tempdir");
    let script = directory.path().join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").expect("write");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).expect("chmod");
    let error = try_record(&[script.to_str().expect("text")])
        .err()
        .expect("an error");
    assert!(matches!(error, RecordError::NotExecutable { .. }));
}

#[test]
fn the_first_exec_and_failed_ones_are_events() {
    if !can_record() {
        return;
    }
    let recorded = record(&["env", "PATH=/no/such:/bin:/usr/bin", "true"]);
    let execs = recorded.calls(Call::execve);
    assert_eq!(execs[0].result, 0);
    assert_eq!(
        recorded.string(execs[0].arg(ArgKind::Argv).expect("argv")),
        b"env"
    );
    assert_eq!(execs[1].errno(), Some(libc::ENOENT));
    assert_eq!(execs.last().map(|exec| exec.result), Some(0));
    let first = recorded.events().next().map(|event| event.call);
    assert_eq!(first, Some(Call::execve));
}

#[test]
fn arguments_are_kept_only_if_asked_for() {
    if !can_record() {
        return;
    }
    let told = |keep: bool| {
        let recorded = try_record_with(&["env", "-u", "X", "true"], |options| {
            options.keep_arguments = keep;
        })
        .expect("recording");
        let lists: Vec<Vec<u8>> = recorded
            .calls(Call::execve)
            .iter()
            .map(|exec| recorded.string(exec.arg(ArgKind::Argv).expect("argv")))
            .map(<[u8]>::to_vec)
            .collect();
        let first = lists.first().expect("the command's own").clone();
        let last = lists.last().expect("the program's").clone();
        (recorded.reader.header().command.clone(), first, last)
    };
    let (command, first, last) = told(false);
    assert_eq!(command, [b"env"]);
    assert_eq!((first, last), (b"env".to_vec(), b"true".to_vec()));
    let (command, first, last) = told(true);
    assert_eq!(command.join(&0), b"env\0-u\0X\0true");
    assert_eq!(
        (first, last),
        (b"env\0-u\0X\0true".to_vec(), b"true".to_vec())
    );
}

#[test]
fn a_program_without_a_format_is_a_script() {
    if !can_record() {
        return;
    }
    let directory = tempfile::tempdir().expect("tempdir");
    let script = directory.path().join("script");
    std::fs::write(&script, "exit $1\n").expect("write");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).expect("chmod");
    let recorded = record(&[script.to_str().expect("text"), "9"]);
    assert_eq!(recorded.recording.status, Status::Exited(9));
}

#[test]
fn fork_vfork_and_threads_are_tasks_with_their_flags() {
    let Some(recorded) = fixture(
        r#"
        #define _GNU_SOURCE
        #include <pthread.h>
        #include <fcntl.h>
        #include <stdlib.h>
        #include <sys/wait.h>
        #include <unistd.h>
        static void *run(void *x) { close(*(int *)x); return 0; }
        int main(void) {
            if (fork() == 0) { access("/forked", 0); _exit(3); }
            wait(0);
            if (vfork() == 0) { access("/vforked", 0); _exit(4); }
            wait(0);
            int fd = open("/", O_RDONLY);
            pthread_t t;
            pthread_create(&t, 0, run, &fd);
            pthread_join(t, 0);
            return close(fd) == 0;
        }"#,
    ) else {
        return;
    };
    assert_eq!(
        recorded.recording.status,
        Status::Exited(0),
        "the thread closed it"
    );
    let starts = recorded.starts();
    assert_eq!(starts.len(), 4);
    assert_eq!(starts.len(), recorded.exits().len());
    let has = |index: usize, flags: i32| starts[index].flags & flags as u64 == flags as u64;
    assert!(has(2, libc::CLONE_VFORK | libc::CLONE_VM));
    assert!(has(
        3,
        libc::CLONE_THREAD | libc::CLONE_FILES | libc::CLONE_FS | libc::CLONE_VM
    ));
    assert!(!has(1, libc::CLONE_FILES));
    let task = |path: &[u8]| recorded.on_path(path)[0].task;
    assert_eq!(task(b"/forked"), starts[1].task);
    assert_eq!(task(b"/vforked"), starts[2].task);
    let exit = recorded
        .exits()
        .into_iter()
        .find(|e| e.task == starts[1].task);
    assert_eq!(exit.map(|e| libc::WEXITSTATUS(e.status)), Some(3));
}

#[test]
fn a_thread_that_execs_keeps_its_task_and_the_others_end() {
    let Some(recorded) = fixture(
        r#"
        #include <pthread.h>
        #include <unistd.h>
        static void *run(void *x) {
            access("/thread", 0);
            execl("/bin/sh", "sh", "-c", ": < /proc/self/stat; exit 5", (char *)0);
            return 0;
        }
        int main(void) {
            pthread_t t;
            pthread_create(&t, 0, run, 0);
            for (;;) pause();
        }"#,
    ) else {
        return;
    };
    assert_eq!(recorded.recording.status, Status::Exited(5));
    let starts = recorded.starts();
    assert_eq!(starts.len(), 2);
    let exits = recorded.exits();
    assert_eq!(exits.len(), 2);
    let thread = recorded.on_path(b"/thread")[0].task;
    let shell = recorded.on_path(b"/proc/self/stat")[0].task;
    assert_eq!(thread, shell);
    assert_eq!(libc::WEXITSTATUS(exits[1].status), 5);
    assert_eq!(exits[1].task, thread);
}

#[test]
fn many_threads_lose_nothing() {
    let Some(recorded) = fixture(
        r#"
        #include <pthread.h>
        #include <unistd.h>
        static void *run(void *x) { for (int i = 0; i < 200; i++) access("/many", 0); return 0; }
        int main(void) {
            pthread_t t[16];
            for (int i = 0; i < 16; i++) pthread_create(&t[i], 0, run, 0);
            for (int i = 0; i < 16; i++) pthread_join(t[i], 0);
            return 0;
        }"#,
    ) else {
        return;
    };
    assert_eq!(recorded.on_path(b"/many").len(), 3200);
    assert_eq!(recorded.starts().len(), 17);
    let mut count = 0u64;
    for record in &recorded.records {
        if let Record::Event(event) = record {
            assert!(u64::from(event.overlapped) <= count);
            count += 1;
        }
    }
    assert_eq!(count, recorded.recording.footer.events);
}

#[test]
fn an_interrupted_read_is_eintr_or_one_event() {
    let Some(recorded) = fixture(
        r#"
        #include <signal.h>
        #include <string.h>
        #include <sys/time.h>
        #include <unistd.h>
        static int p[2]; static volatile int again;
        static void handle(int s) { if (again) write(p[1], "x", 1); }
        int main(void) {
            char c;
            struct sigaction a;
            memset(&a, 0, sizeof a);
            a.sa_handler = handle;
            sigaction(SIGALRM, &a, 0);
            pipe(p);
            struct itimerval v = {{0, 20000}, {0, 20000}};
            setitimer(ITIMER_REAL, &v, 0);
            int first = read(p[0], &c, 1);
            again = 1;
            a.sa_flags = SA_RESTART;
            sigaction(SIGALRM, &a, 0);
            int second = read(p[0], &c, 1);
            return !(first == -1 && second == 1);
        }"#,
    ) else {
        return;
    };
    assert_eq!(recorded.recording.status, Status::Exited(0));
    let pipe = recorded
        .calls(Call::pipe2)
        .into_iter()
        .chain(recorded.calls(Call::pipe))
        .next();
    let pipe = pipe.expect("pipe");
    let made = pipe.exit();
    let pipe = pipe.fd(ArgKind::OutFd0).expect("fd");
    // The loader has used the number before.
    let results: Vec<i64> = recorded
        .calls(Call::read)
        .iter()
        .filter(|event| event.entry >= made && event.fd(ArgKind::Fd) == Some(pipe))
        .map(|event| event.result)
        .collect();
    assert_eq!(results.first(), Some(&-i64::from(libc::EINTR)));
    assert_eq!(results.last(), Some(&1));
    assert!(results.iter().all(|result| !(-516..=-512).contains(result)));
}

/// The end of a child sends a signal that nobody handles; under a recorder it interrupts a wait
/// nevertheless, and the kernel goes on with it.
#[test]
fn a_wait_that_an_ignored_signal_interrupts_is_one_event() {
    let Some(recorded) = fixture(
        r#"
        #include <poll.h>
        #include <sys/wait.h>
        #include <unistd.h>
        int main(void) {
            int p[2];
            pipe(p);
            if (fork() == 0) {
                usleep(50000);
                if (fork() != 0) _exit(0);
                usleep(100000);
                write(p[1], "x", 1);
                _exit(0);
            }
            struct pollfd f = {p[0], POLLIN, 0};
            int ready = poll(&f, 1, -1);
            wait(0);
            return ready != 1;
        }"#,
    ) else {
        return;
    };
    assert_eq!(recorded.recording.status, Status::Exited(0));
    let polls = [recorded.calls(Call::poll), recorded.calls(Call::ppoll)].concat();
    let results: Vec<i64> = polls.iter().map(|event| event.result).collect();
    assert_eq!(results, [1]);
    // It is over when there is something to read, and not when it was interrupted.
    let write = recorded.calls(Call::write).into_iter().last();
    let write = write.expect("the write");
    assert!(polls[0].exit() >= write.entry, "{polls:?} {write:?}");
}

#[test]
fn stopping_and_continuing_is_seen_by_the_parent() {
    let Some(recorded) = fixture(
        r#"
        #include <signal.h>
        #include <sys/wait.h>
        #include <unistd.h>
        int main(void) {
            int s, child = fork();
            if (child == 0) { raise(SIGSTOP); access("/continued", 0); _exit(6); }
            if (waitpid(child, &s, WUNTRACED) != child) return 1;
            if (!WIFSTOPPED(s) || WSTOPSIG(s) != SIGSTOP) return 1;
            usleep(20000);
            if (waitpid(child, &s, WNOHANG | WUNTRACED) != 0) return 2;
            kill(child, SIGCONT);
            if (waitpid(child, &s, 0) != child || !WIFEXITED(s) || WEXITSTATUS(s) != 6) return 3;
            return 0;
        }"#,
    ) else {
        return;
    };
    assert_eq!(recorded.recording.status, Status::Exited(0));
    assert_eq!(recorded.on_path(b"/continued").len(), 1);
}

#[test]
fn a_call_that_never_returned() {
    let Some(recorded) = fixture(
        r#"
        #include <signal.h>
        #include <stdio.h>
        #include <sys/wait.h>
        #include <unistd.h>
        int main(void) {
            int p[2]; char c, path[64], state = 0;
            pipe(p);
            int child = fork();
            if (child == 0) { access("/reading", 0); read(p[0], &c, 1); _exit(0); }
            /* It sleeps nowhere else. */
            snprintf(path, sizeof path, "/proc/%d/stat", child);
            while (state != 'S') {
                FILE *stat = fopen(path, "r");
                fscanf(stat, "%*d (%*[^)]) %c", &state);
                fclose(stat);
            }
            kill(child, SIGKILL);
            wait(0);
            return 0;
        }"#,
    ) else {
        return;
    };
    let child = recorded.starts()[1].task;
    let read = recorded
        .events()
        .filter(|e| e.task == child)
        .last()
        .expect("read");
    assert_eq!((read.call, read.result), (Call::read, Event::NO_RETURN));
}

#[test]
fn the_tool_sees_its_own_affinity() {
    if !can_record() {
        return;
    }
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let script = format!("[ $(nproc) = {cpus} ] && cd / && [ $(nproc) = {cpus} ]");
    assert_eq!(
        record(&["sh", "-c", &script]).recording.status,
        Status::Exited(0)
    );
}

#[test]
fn what_outlives_the_command_is_waited_for() {
    if !can_record() {
        return;
    }
    let recorded = record(&[
        "sh",
        "-c",
        "(sleep 0.2; cat /after/the/command) 2>/dev/null & exit 2",
    ]);
    assert_eq!(recorded.recording.status, Status::Exited(2));
    assert!(!recorded.on_path(b"/after/the/command").is_empty());
    assert_eq!(recorded.recording.footer.left_running, 0);
}

/// A thread may be seen before its parent's event tells of it, and another one end meanwhile.
#[test]
fn a_thread_that_begins_while_others_end_begins_once() {
    let source = r#"
        #include <pthread.h>
        #include <sys/stat.h>
        static void *look(void *path) {
            struct stat found;
            for (int i = 0; i < 3; i++) stat(path, &found);
            return 0;
        }
        static void *make(void *path) {
            pthread_t threads[2];
            for (int round = 0; round < 250; round++) {
                for (int i = 0; i < 2; i++)
                    if (pthread_create(&threads[i], 0, look, path)) return path;
                for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
            }
            return 0;
        }
        int main(void) {
            pthread_t makers[4];
            void *failed = 0;
            for (int i = 0; i < 4; i++) pthread_create(&makers[i], 0, make, "/");
            for (int i = 0; i < 4 && !failed; i++) pthread_join(makers[i], &failed);
            return failed != 0;
        }
    "#;
    let Some(recorded) = fixture(source) else {
        return;
    };
    assert_eq!(recorded.recording.status, Status::Exited(0));
    // The program's own task, and its threads.
    assert_eq!(recorded.starts().len(), 1 + 4 + 4 * 2 * 250);
    assert_eq!(recorded.exits().len(), 1 + 4 + 4 * 2 * 250);
}

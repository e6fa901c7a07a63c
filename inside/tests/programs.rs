//! Real programs, recorded from inside as far as that goes.

mod common;

use common::{EAGER, compile, watch};

fn run(source: &str, options: &[&str]) -> Option<common::Outcome> {
    let directory = tempfile::tempdir().expect("tempdir");
    let program = compile(directory.path(), source, options)?;
    Some(watch(&[program.to_str().expect("text")], EAGER, true))
}

const STATS: &str = r#"
#include <sys/stat.h>
#include <stdio.h>
#include <fcntl.h>
#include <unistd.h>
int main(void) {
    struct stat s;
    char name[32];
    long sum = 0;
    for (int i = 0; i < 2000; i++) {
        sprintf(name, "/etc/none-%d", i);
        if (stat(name, &s) != -1) return 1;
        if (stat("/etc/passwd", &s) != 0) return 2;
        sum += s.st_size;
        int fd = open("/etc/passwd", O_RDONLY);
        char b[64];
        if (fd < 0 || read(fd, b, 64) != 64 || lseek(fd, 3, SEEK_SET) != 3 || close(fd)) return 3;
    }
    return sum == 2000 * s.st_size ? 7 : 4;
}"#;

#[test]
fn a_loop_of_calls_is_seen_whole_and_nearly_all_of_it_from_inside() {
    let Some(outcome) = run(STATS, &[]) else {
        return;
    };
    assert_eq!(outcome.exited(), Some(7), "{:?}", outcome.refusals);
    println!("{} inside of {}", outcome.inside(), outcome.calls[0].len());
    let stats = outcome.count(libc::SYS_newfstatat) + outcome.count(libc::SYS_stat);
    assert!(stats >= 4000);
    let names: Vec<&[u8]> = outcome.calls[0]
        .iter()
        .filter_map(|call| call.path.as_deref())
        .filter(|path| path.starts_with(b"/etc/none-"))
        .collect();
    assert_eq!(names.len(), 2000);
    for (number, name) in names.iter().enumerate() {
        assert_eq!(*name, format!("/etc/none-{number}").as_bytes());
    }
    assert!(outcome.inside() > 11_000, "{}", outcome.inside());
}

const HANDLERS: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static volatile long handled, jumped;
static sigjmp_buf back;
static volatile int armed;
static void on_alarm(int signal) {
    struct stat s;
    handled++;
    stat("/etc/hosts", &s);
    if (armed && handled % 3 == 0) { armed = 0; jumped++; siglongjmp(back, 1); }
}
int main(void) {
    struct sigaction action = { .sa_handler = on_alarm, .sa_flags = RESTART };
    sigaction(SIGALRM, &action, 0);
    struct timespec start, now;
    timer_t timer;
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
    if (timer_create(CLOCK_MONOTONIC, &event, &timer)) return 9;
    struct itimerspec often = { { 0, 100000 }, { 0, 100000 } };
    timer_settime(timer, 0, &often, 0);
    clock_gettime(CLOCK_MONOTONIC, &start);
    volatile long done = 0;
    for (;;) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec - start.tv_sec >= 2) break;
        struct stat s;
        char buffer[5000];
        memset(&s, 0, sizeof s);
        if (sigsetjmp(back, 1) == 0) {
            armed = 1;
            if (stat("/etc/passwd", &s) != 0 || s.st_size == 0) return 2;
            char name[300];
            memset(name, 'x', 250); name[0] = '/'; name[250] = 0;
            if (stat(name, &s) != -1 || errno != ENOENT) return 3;
            if (stat((char *)8, &s) != -1 || errno != EFAULT) return 4;
            int fd = open("/etc/passwd", O_RDONLY);
            armed = 0;
            if (fd < 0) return 5;
            if (read(fd, buffer, 10) != 10) return 6;
            if (close(fd)) return 7;
        }
        armed = 0;
        done++;
    }
    fprintf(stderr, "%ld loops, %ld signals, %ld jumps\n", done, handled, jumped);
    return handled > 100 && jumped > 10 ? 7 : 8;
}"#;

#[test]
fn signals_at_a_high_rate_never_meet_the_stub() {
    for restart in ["-DRESTART=SA_RESTART", "-DRESTART=0"] {
        let Some(outcome) = run(HANDLERS, &[restart]) else {
            return;
        };
        println!(
            "{restart}: {} inside of {}",
            outcome.inside(),
            outcome.calls[0].len()
        );
        assert_eq!(
            outcome.exited(),
            Some(7),
            "{restart} {:x} {:?}",
            outcome.status,
            outcome.refusals
        );
        assert!(outcome.inside() > 1000);
    }
}

const WAITING: &str = r#"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
static volatile long handled;
static void on_alarm(int signal) { handled++; }
int main(void) {
    int ends[2];
    char c;
    struct sigaction action = { .sa_handler = on_alarm, .sa_flags = RESTART };
    sigaction(SIGALRM, &action, 0);
    if (pipe(ends)) return 1;
    for (int i = 0; i < 50; i++)
        if (write(ends[1], "x", 1) != 1 || read(ends[0], &c, 1) != 1) return 2;
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 200; i++) { usleep(3000); if (write(ends[1], "y", 1) != 1) _exit(1); }
        _exit(0);
    }
    struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
    setitimer(ITIMER_REAL, &often, 0);
    long interrupted = 0, got = 0;
    while (got < 200) {
        c = 0;
        ssize_t n = read(ends[0], &c, 1);
        if (n == 1 && c == 'y') got++;
        else if (n == -1 && errno == EINTR) interrupted++;
        else return 3;
    }
    memset(&often, 0, sizeof often);
    setitimer(ITIMER_REAL, &often, 0);
    int status;
    while (waitpid(child, &status, 0) < 0) if (errno != EINTR) return 4;
    fprintf(stderr, "%ld signals, %ld times EINTR\n", handled, interrupted);
    if (status != 0 || handled < 50) return 5;
    return RESTART ? (interrupted == 0 ? 7 : 6) : (interrupted > 20 ? 7 : 6);
}"#;

#[test]
fn a_read_that_waits_is_interrupted_and_restarted_as_ever() {
    for restart in ["-DRESTART=SA_RESTART", "-DRESTART=0"] {
        let Some(outcome) = run(WAITING, &[restart]) else {
            return;
        };
        println!(
            "{restart}: {} inside of {}",
            outcome.inside(),
            outcome.calls[0].len()
        );
        assert_eq!(
            outcome.exited(),
            Some(7),
            "{restart} {:x} {:?}",
            outcome.status,
            outcome.refusals
        );
        let waited = outcome.calls[0].iter().filter(|call| {
            call.inside && call.number == libc::SYS_read && (-516..=-512).contains(&call.result)
        });
        assert!(waited.count() > 20, "no read waited in the stub");
    }
}

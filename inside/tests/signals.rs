//! Signals that reach programs while they are recorded from inside.

mod common;

use common::{ASKING, EAGER, run_by};
use fsreplay_inside::{Bounds, Policy};

/// Microseconds between two signals. An emulated machine takes a thousand for a stop.
const EVERY: &str = if cfg!(target_arch = "x86_64") {
    "-DEVERY=100"
} else {
    "-DEVERY=4000"
};

/// So many calls at least are inside while signals come so often.
const LEAST_INSIDE: usize = if cfg!(target_arch = "x86_64") {
    1000
} else {
    100
};

/// It asks as well whether it slept, each time.
const WONDERING: Policy = Policy {
    bounds: Bounds {
        idle: (-1i64 << 60).cast_unsigned(),
        ..ASKING.bounds
    },
    ..ASKING
};

/// Runs a program whose handlers let calls be restarted, and one whose handlers don't; each also
/// asking its clock before and after each call. All end with 7 if nothing went wrong. Without a
/// compiler none is run.
fn with_and_without_restart(source: &str) -> Vec<common::Outcome> {
    let (with, without) = ("-DRESTART=SA_RESTART", "-DRESTART=0");
    let ways = [
        (with, EAGER),
        (without, EAGER),
        (with, ASKING),
        (without, ASKING),
        (with, WONDERING),
        (without, WONDERING),
    ];
    let outcomes = ways.into_iter().map_while(|(restart, policy)| {
        let outcome = run_by(policy, source, &[restart, EVERY])?;
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
        Some(outcome)
    });
    outcomes.collect()
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
/* where a machine does nothing but handle signals, they come more seldom */
static volatile long every = EVERY, since;
static timer_t timer;
static void begin(void) {
    struct itimerspec often = { { 0, every * 1000 }, { 0, every * 1000 } };
    timer_settime(timer, 0, &often, 0);
}
static void on_alarm(int signal) {
    struct stat s;
    handled++;
    if (++since > 500 && every < 100000) { since = 0; every *= 2; begin(); }
    stat("/etc/hosts", &s);
    if (armed && handled % 3 == 0) { armed = 0; jumped++; siglongjmp(back, 1); }
}
int main(void) {
    struct sigaction action = { .sa_handler = on_alarm, .sa_flags = RESTART };
    sigaction(SIGALRM, &action, 0);
    struct timespec start, now;
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
    if (timer_create(CLOCK_MONOTONIC, &event, &timer)) return 9;
    begin();
    clock_gettime(CLOCK_MONOTONIC, &start);
    volatile long done = 0;
    for (;;) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        long passed = now.tv_sec - start.tv_sec;
        if (passed >= 2 && (passed >= 60 || (handled > 100 && jumped > 10))) break;
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
        since = 0;
        done++;
    }
    fprintf(stderr, "%ld loops, %ld signals, %ld jumps\n", done, handled, jumped);
    return handled > 100 && jumped > 10 ? 7 : 8;
}"#;

#[test]
fn signals_at_a_high_rate_never_meet_the_stub() {
    for outcome in with_and_without_restart(HANDLERS) {
        assert!(outcome.inside() > LEAST_INSIDE);
    }
}

/// How often they wake one another.
const ROUNDS: usize = if cfg!(target_arch = "x86_64") {
    3000
} else {
    200
};

/// Wakes with and without somebody who waits, whose handlers wake as well.
const WAKES: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>
/* wakes, and gives 1 if a register or a flag is another after that, or the result is not 0 */
__asm__(
    ".text\n.balign 64\nwakes_nobody:\n"
#ifdef __aarch64__
    /* no register but the first argument's, and no flag */
    "stp x29, x30, [sp, #-16]!\n mov x8, #98\n mov x1, #129\n mov x9, #0\n"
    ".irp n, 2,3,4,5,6,7,10,11,12,13,14,15,16,17,29\n mov x\\n, #\\n\n .endr\n"
    "mov x30, #0x50000000\n msr nzcv, x30\n"
    "svc #0\n"
    "mrs x30, nzcv\n lsr x30, x30, #28\n sub x30, x30, #5\n orr x0, x0, x30\n"
    ".irp n, 2,3,4,5,6,7,10,11,12,13,14,15,16,17,29\n"
    "sub x\\n, x\\n, #\\n\n orr x0, x0, x\\n\n .endr\n"
    "orr x0, x0, x9\n sub x1, x1, #129\n orr x0, x0, x1\n sub x8, x8, #98\n orr x0, x0, x8\n"
    "ldp x29, x30, [sp], #16\n ret\n"
#else
    "mov $202, %eax\n mov $129, %esi\n mov $5, %edx\n mov $6, %r8d\n mov $7, %r9d\n"
    "mov $8, %r10d\n mov $0x7fffffff, %ecx\n add $1, %ecx\n stc\n"
    "syscall\n jmp 1f\n"
    ".balign 64, 0xcc\n"
    "1: jnc 2f\n jno 2f\n jns 2f\n"
    "test %rax, %rax\n jnz 2f\n cmp $5, %rdx\n jne 2f\n cmp $129, %rsi\n jne 2f\n"
    "cmp $8, %r10\n jne 2f\n xor %eax, %eax\n ret\n"
    "2: mov $1, %eax\n ret\n"
#endif
);
extern long wakes_nobody(int *at);
static int word, answer, nobody;
static volatile long handled;
/* where a machine does nothing but handle signals, they come more seldom */
static volatile long every = EVERY, since;
static void begin(void) {
    struct itimerval often = { { 0, every }, { 0, every } };
    setitimer(ITIMER_REAL, &often, 0);
}
static long futex(int *at, int command, int value) {
    return syscall(SYS_futex, at, command, value, 0, 0, 0);
}
static void on_alarm(int signal) {
    int saved = errno;
    if (futex(&nobody, FUTEX_WAKE_PRIVATE, 1) != 0) _exit(20);
    handled++;
    if (++since > 500 && every < 100000) { since = 0; every *= 2; begin(); }
    errno = saved;
}
static void wait_for(int *at, int value) {
    int now;
    while ((now = __atomic_load_n(at, __ATOMIC_ACQUIRE)) != value)
        futex(at, FUTEX_WAIT_PRIVATE, now);
}
static void *answers(void *unused) {
    for (int i = 1; i <= ROUNDS; i++) {
        wait_for(&word, i);
        __atomic_store_n(&answer, i, __ATOMIC_RELEASE);
        if (futex(&answer, FUTEX_WAKE_PRIVATE, 1) < 0) _exit(21);
    }
    return 0;
}
int main(void) {
    struct sigaction action = { .sa_handler = on_alarm, .sa_flags = RESTART };
    sigaction(SIGALRM, &action, 0);
    pthread_t other;
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, 0);
    if (pthread_create(&other, 0, answers, 0)) return 1;
    pthread_sigmask(SIG_UNBLOCK, &alarm, 0);
    begin();
    for (int i = 1; i <= ROUNDS; i++) {
        since = 0;
        /* nobody waits; and what can't be a word */
        if (futex(&nobody, FUTEX_WAKE, 5) != 0 || wakes_nobody(&nobody)) return 2;
        if (futex((int *)((char *)&nobody + 1), FUTEX_WAKE, 5) != -1 || errno != EINVAL) return 3;
        __atomic_store_n(&word, i, __ATOMIC_RELEASE);
        long woken = futex(&word, FUTEX_WAKE_PRIVATE, 1);
        if (woken < 0 || woken > 1) return 4;
        wait_for(&answer, i);
    }
    struct itimerval never = { { 0, 0 }, { 0, 0 } };
    setitimer(ITIMER_REAL, &never, 0);
    if (pthread_join(other, 0)) return 5;
    fprintf(stderr, "%ld signals\n", handled);
    return handled < 20 ? 6 : 7;
}"#;

#[test]
fn wakes_are_made_and_told_before_whom_they_wake_goes_on() {
    let source = format!("#define ROUNDS {ROUNDS}\n{WAKES}");
    for outcome in with_and_without_restart(&source) {
        let wakes = outcome.calls.iter().flatten();
        let inside = wakes.filter(|call| call.inside && call.number == libc::SYS_futex);
        // Of 4 by one thread and 1 by the other, each time.
        assert!(inside.count() > 3 * ROUNDS, "few wakes inside");
    }
}

const WAITING: &str = r#"
#include <errno.h>
#define COUNT (EVERY < 1000 ? 200 : 50)
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
        for (int i = 0; i < COUNT; i++) {
            usleep(30 * EVERY);
            if (write(ends[1], "y", 1) != 1) _exit(1);
        }
        _exit(0);
    }
    struct itimerval often = { { 0, 10 * EVERY }, { 0, 10 * EVERY } };
    setitimer(ITIMER_REAL, &often, 0);
    long interrupted = 0, got = 0;
    while (got < COUNT) {
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
    // What is to be made again is no event where the kernel has put it back before it tells of the
    // signal.
    let last = if cfg!(target_arch = "x86_64") {
        -512
    } else {
        -i64::from(libc::EINTR)
    };
    let mut waited = 0;
    for outcome in with_and_without_restart(WAITING) {
        let reads = outcome.calls[0].iter().filter(|call| {
            call.inside && call.number == libc::SYS_read && (-516..=last).contains(&call.result)
        });
        waited += reads.count();
    }
    assert!(waited > 20, "{waited} reads waited in the stub");
}

/// A task waits in a call, is stopped, gets a signal with a handler, and goes on: the call is
/// interrupted unless it is to be restarted.
const STOPPED: &str = r#"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
static volatile int handled;
static void on_signal(int signal) { handled++; }
/* a task sleeps in no other call of these */
static void wait_until_it_waits(pid_t task) {
    char name[64], state = 0;
    sprintf(name, "/proc/%d/stat", task);
    while (state != 'S') {
        usleep(1000);
        FILE *stat = fopen(name, "r");
        if (!stat || fscanf(stat, "%*d %*s %c", &state) != 1) _exit(11);
        fclose(stat);
    }
}
int main(void) {
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = RESTART };
    sigaction(SIGUSR1, &action, 0);
    for (int round = 0; round < 10; round++) {
        int ends[2], answers[2], status;
        char c;
        if (pipe(ends) || pipe(answers)) return 1;
        pid_t child = fork();
        if (child == 0) {
            for (int i = 0; i < 50; i++)
                if (write(ends[1], "x", 1) != 1 || read(ends[0], &c, 1) != 1) _exit(2);
            if (write(answers[1], "y", 1) != 1) _exit(3);
            int n = read(ends[0], &c, 1);
            if (RESTART) _exit(n == 1 && c == 'z' && handled == 1 ? 7 : 4);
            _exit(n == -1 && errno == EINTR && handled == 1 ? 7 : 5);
        }
        if (read(answers[0], &c, 1) != 1) return 6;
        wait_until_it_waits(child);
        kill(child, SIGSTOP);
        if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status)) return 8;
        kill(child, SIGUSR1);
        kill(child, SIGCONT);
        if (RESTART && write(ends[1], "z", 1) != 1) return 9;
        /* an end after all, where it waits for ever */
        alarm(60);
        if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 10;
        if (WEXITSTATUS(status) != 7) return WEXITSTATUS(status);
        close(ends[0]), close(ends[1]), close(answers[0]), close(answers[1]);
    }
    return 7;
}"#;

#[test]
fn a_signal_after_a_stop_interrupts_a_read_as_ever() {
    for outcome in with_and_without_restart(STOPPED) {
        assert!(outcome.inside() > 400, "{} inside", outcome.inside());
    }
}

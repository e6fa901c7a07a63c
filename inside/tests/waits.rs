//! Calls that wait for other tasks, for descriptors and for time, made inside.

mod common;

use common::{ASKING, EAGER, Outcome, run_by};

/// Two threads that wake each other, and waits that end by themselves, by a descriptor, and by
/// signals with and without a handler.
const WAITS: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static int turn;
static volatile int wrong, handled;
static long futex(int *at, int command, int value, struct timespec *time) {
    return syscall(SYS_futex, at, command | FUTEX_PRIVATE_FLAG, value, time, 0, -1);
}
static void *answers(void *own) {
    int mine = (int)(long)own;
    for (int i = 0; i < ROUNDS; i++) {
        int now;
        while ((now = __atomic_load_n(&turn, __ATOMIC_ACQUIRE)) % 2 != mine)
            if (futex(&turn, i % 2 ? FUTEX_WAIT : FUTEX_WAIT_BITSET, now, 0) && errno != EAGAIN)
                wrong = 1;
        __atomic_store_n(&turn, now + 1, __ATOMIC_RELEASE);
        futex(&turn, FUTEX_WAKE, 1, 0);
    }
    return 0;
}
static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}
static void handler(int signal) { handled++; }
static void alarms(int every) {
    struct itimerval often = { { 0, every }, { 0, every } };
    setitimer(ITIMER_REAL, &often, 0);
}
/* Each waits for 30 ms, and finds nothing. */
static long waits(int kind, int ends[2], int many) {
    struct timespec time = { 0, 30000000 };
    struct timeval short_time = { 0, 30000 };
    struct pollfd one = { ends[0], POLLIN, 0 };
    struct epoll_event found;
    fd_set set;
    int none = 5;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    switch (kind) {
    case 0: return poll(&one, 1, 30);
    case 1: return ppoll(&one, 1, &time, 0);
    case 2: return select(ends[0] + 1, &set, 0, 0, &short_time);
    case 3: return pselect(ends[0] + 1, &set, 0, 0, &time, 0);
    case 4: return epoll_wait(many, &found, 1, 30);
    case 5: return epoll_pwait(many, &found, 1, 30, 0);
    default: return futex(&none, FUTEX_WAIT, 5, &time) == -1 && errno == ETIMEDOUT ? 0 : -1;
    }
}
int main(void) {
    pthread_t threads[2];
    int ends[2];
    for (long i = 0; i < 2; i++) pthread_create(&threads[i], 0, answers, (void *)i);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
    if (turn != 2 * ROUNDS || pipe(ends)) return 9;
    struct epoll_event event = { EPOLLIN, { 0 } };
    int many = epoll_create1(0);
    epoll_ctl(many, EPOLL_CTL_ADD, ends[0], &event);
    /* Undisturbed. */
    for (int i = 0; i < 42; i++) {
        double begin = now();
        if (waits(i % 7, ends, many) || now() - begin < 0.0295) wrong = 2;
    }
    /* A signal that nobody hears does not end a wait; but epoll_wait(2), which any tracer ends. */
    signal(SIGALRM, SIG_IGN);
    for (int i = 0; i < 21; i++) {
        if (i % 7 == 4 || i % 7 == 5) continue;
        alarms(4000);
        double begin = now();
        if (waits(i % 7, ends, many) || now() - begin < 0.0295) wrong = 3;
    }
    /* One with a handler does. */
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, 0);
    alarms(4000);
    for (int i = 0; i < 18; i++) {
        int before = handled;
        if (waits(i % 6, ends, many) != -1 || errno != EINTR || handled == before) wrong = 4;
    }
    alarms(0);
    /* What is there ends it at once. */
    write(ends[1], "a", 1);
    for (int i = 0; i < 6; i++) if (waits(i, ends, many) != 1) wrong = 5;
    return wrong ? 20 + wrong : 7;
}"#;

/// How often a thread waits for the other. An emulated machine takes a thousand times as long.
const ROUNDS: &str = if cfg!(target_arch = "x86_64") {
    "-DROUNDS=5000"
} else {
    "-DROUNDS=300"
};

fn count(outcome: &Outcome, number: i64, inside: bool) -> usize {
    let calls = outcome.calls.iter().flatten();
    let of = calls.filter(|call| call.number == number && call.inside == inside);
    of.count()
}

#[test]
fn waits_end_as_ever_and_are_made_inside() {
    for policy in [EAGER, ASKING] {
        let Some(outcome) = run_by(policy, WAITS, &["-pthread", ROUNDS]) else {
            return;
        };
        assert_eq!(outcome.exited(), Some(7), "{:x}", outcome.status);
        let (inside, others) = (
            count(&outcome, libc::SYS_futex, true),
            count(&outcome, libc::SYS_futex, false),
        );
        println!("futex: {inside} inside, {others} not");
        assert!(inside > 10 * others);
        let waits = [
            libc::SYS_ppoll,
            libc::SYS_pselect6,
            libc::SYS_epoll_pwait,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_poll,
        ];
        for wait in waits {
            let (inside, others) = (count(&outcome, wait, true), count(&outcome, wait, false));
            println!("{wait}: {inside} inside, {others} not");
            assert!(inside > 4);
        }
    }
}

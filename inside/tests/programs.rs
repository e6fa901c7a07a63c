//! Real programs, recorded from inside as far as that goes.

mod common;

use common::run;
#[cfg(target_arch = "x86_64")]
use common::{EAGER, compile, watch};

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

/// Runs a program whose handlers let calls be restarted, and one whose handlers don't. Both end
/// with 7 if nothing went wrong. Without a compiler none is run.
fn with_and_without_restart(source: &str) -> Vec<common::Outcome> {
    let ways = ["-DRESTART=SA_RESTART", "-DRESTART=0"];
    let outcomes = ways.into_iter().map_while(|restart| {
        let outcome = run(source, &[restart, EVERY])?;
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
    #[cfg(target_arch = "x86_64")]
    let older = outcome.count(libc::SYS_stat);
    #[cfg(not(target_arch = "x86_64"))]
    let older = 0;
    assert!(outcome.count(libc::SYS_newfstatat) + older >= 4000);
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
    struct itimerspec often = { { 0, EVERY * 1000 }, { 0, EVERY * 1000 } };
    timer_settime(timer, 0, &often, 0);
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
static long futex(int *at, int command, int value) {
    return syscall(SYS_futex, at, command, value, 0, 0, 0);
}
static void on_alarm(int signal) {
    int saved = errno;
    if (futex(&nobody, FUTEX_WAKE_PRIVATE, 1) != 0) _exit(20);
    handled++;
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
    struct itimerval often = { { 0, EVERY }, { 0, EVERY } };
    setitimer(ITIMER_REAL, &often, 0);
    for (int i = 1; i <= ROUNDS; i++) {
        /* nobody waits; and what can't be a word */
        if (futex(&nobody, FUTEX_WAKE, 5) != 0 || wakes_nobody(&nobody)) return 2;
        if (futex((int *)((char *)&nobody + 1), FUTEX_WAKE, 5) != -1 || errno != EINVAL) return 3;
        __atomic_store_n(&word, i, __ATOMIC_RELEASE);
        long woken = futex(&word, FUTEX_WAKE_PRIVATE, 1);
        if (woken < 0 || woken > 1) return 4;
        wait_for(&answer, i);
    }
    memset(&often, 0, sizeof often);
    setitimer(ITIMER_REAL, &often, 0);
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
        usleep(30000);
        kill(child, SIGSTOP);
        if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status)) return 8;
        kill(child, SIGUSR1);
        kill(child, SIGCONT);
        usleep(30000);
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

/// Many sites, each with padding of its own, that threads run into while they are patched.
const HAMMER: &str = r#"
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#define SITES 400
__asm__(
    ".text\n.balign 16\nsites:\n"
    ".rept 400\n"
#ifdef __aarch64__
    "mov x8, x0\n mov x0, x1\n mov x1, x2\n mov x2, x3\n svc #0\n ret\n .balign 64\n"
#else
    "mov %rdi, %rax\n mov %rsi, %rdi\n mov %rdx, %rsi\n mov %rcx, %rdx\n"
    "syscall\n ret\n"
    ".balign 64, 0xcc\n"
#endif
    ".endr\n");
extern char sites[];
typedef long (*site)(long number, long a, long b, long c);
static volatile int wrong;
static void *thread(void *arg) {
    unsigned seed = (unsigned)(long)arg;
    sigset_t all, now;
    sigfillset(&all);
    if ((long)arg % 2) pthread_sigmask(SIG_BLOCK, &all, 0);
    for (int i = 0; i < 20000; i++) {
        site call = (site)(sites + 64 * ((i / 40 + rand_r(&seed) % 3) % SITES));
        /* of no descriptor, of a high one, of no file: each has one right answer */
        if (call(SYS_lseek, -1, 0, 0) != -9) wrong = 1;
        if (call(SYS_close, 4096 + i, 0, 0) != -9) wrong = 2;
        if (call(SYS_faccessat, -100, (long)"/none", 0) != -2) wrong = 3;
        if (wrong) return (void *)1;
    }
    pthread_sigmask(SIG_BLOCK, 0, &now);
    if (sigismember(&now, SIGTRAP) != (long)arg % 2) wrong = 4;
    return 0;
}
int main(void) {
    pthread_t threads[4];
    for (long i = 0; i < 4; i++) pthread_create(&threads[i], 0, thread, (void *)(i + 1));
    for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
    return wrong ? 20 + wrong : 7;
}"#;

#[test]
fn sites_are_patched_while_threads_hammer_them() {
    let Some(outcome) = run(HAMMER, &["-pthread"]) else {
        return;
    };
    assert_eq!(outcome.exited(), Some(7), "{:x}", outcome.status);
    assert!(outcome.refusals.is_empty(), "{:?}", outcome.refusals);
    let calls: Vec<usize> = outcome.calls.iter().map(Vec::len).collect();
    println!("{} inside of {calls:?}", outcome.inside());
    for task in &outcome.calls[1..] {
        let of = |number| task.iter().filter(|call| call.number == number).count();
        assert_eq!(of(libc::SYS_lseek), 20_000);
        assert_eq!(of(libc::SYS_faccessat), 20_000);
    }
    assert!(outcome.inside() > 200_000);
}

const FORKS: &str = r#"
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
static int looks(const char *what, int count) {
    struct stat s;
    char name[64];
    for (int i = 0; i < count; i++) {
        sprintf(name, "/none/%s-%d", what, i);
        if (stat(name, &s) != -1 || stat("/etc/passwd", &s)) return 1;
    }
    return 0;
}
static int shared;
static int sharing(void *arg) { shared += looks("sharing", 50) ? 100 : 1; return 0; }
int main(int argc, char **argv) {
    if (argc > 1) return environ[0] ? 1 : looks("empty", 100);
    if (looks("first", 100)) return 1;
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) _exit(looks("forked", 100));
        int status;
        if (looks("parent", 50) || waitpid(child, &status, 0) != child || status) return 2;
        child = vfork();
        if (child == 0) {
            char *none[] = { 0 };
            char *arguments[] = { argv[0], "again", 0 };
            execve(argv[0], arguments, none);
            _exit(1);
        }
        if (waitpid(child, &status, 0) != child || status) return 3;
        char *stack = malloc(65536);
        child = clone(sharing, stack + 65536, CLONE_VM | SIGCHLD, 0);
        if (looks("beside", 50) || waitpid(child, &status, 0) != child || status) return 4;
    }
    return shared == 20 ? 7 : 5;
}"#;

#[test]
fn forks_of_all_kinds_and_empty_environments() {
    for options in [&[][..], &["-static"]] {
        let Some(outcome) = run(FORKS, options) else {
            return;
        };
        assert_eq!(outcome.exited(), Some(7), "{:x}", outcome.status);
        let names = |what: &str| {
            let calls = outcome.calls.iter().flatten();
            let paths = calls.filter_map(|call| call.path.as_deref());
            paths
                .filter(|path| path.starts_with(what.as_bytes()))
                .count()
        };
        println!("{options:?}: {} inside", outcome.inside());
        assert_eq!(names("/none/first-"), 100);
        assert_eq!(names("/none/forked-"), 20 * 100);
        assert_eq!(names("/none/parent-"), 20 * 50);
        assert_eq!(names("/none/empty-"), 20 * 100);
        assert_eq!(names("/none/sharing-"), 20 * 50);
        assert_eq!(names("/none/beside-"), 20 * 50);
        assert!(outcome.inside() > 5000);
    }
}

#[cfg(target_arch = "x86_64")]
const SEGMENT: &str = r#"
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
static long words[1024];
static int looks(void) {
    struct stat s;
    for (int i = 0; i < 200; i++) if (stat("/etc/passwd", &s)) return 1;
    return 0;
}
int main(int argc, char **argv) {
    if (argc > 1 && looks()) return 1;
    words[1] = 4711;
    if (syscall(SYS_arch_prctl, 0x1001, words)) return 2;
    if (looks()) return 3;
    long word;
    __asm__ volatile("mov %%gs:8, %0" : "=r"(word));
    if (word != 4711) return 4;
    for (int i = 2; i < 1024; i++) if (words[i]) return 5;
    return 7;
}"#;

#[cfg(target_arch = "x86_64")]
#[test]
fn programs_that_use_the_segment_themselves_keep_it() {
    let directory = tempfile::tempdir().expect("tempdir");
    let Some(program) = compile(directory.path(), SEGMENT, &[]) else {
        return;
    };
    let program = program.to_str().expect("text");
    let at_once = watch(&[program], EAGER, true);
    assert_eq!(at_once.exited(), Some(7), "{:x}", at_once.status);
    let later = watch(&[program, "later"], EAGER, true);
    assert_eq!(later.exited(), Some(7), "{:x}", later.status);
    assert!(later.inside() > 100 && at_once.inside() < 50);
}

#[test]
fn a_forked_process_has_an_area_from_its_beginning() {
    let source = r#"
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
    struct stat s;
    for (int i = 0; i < 50; i++) if (stat("/etc/passwd", &s)) return 1;
    for (int i = 0; i < 100; i++) {
        int status, pid = fork();
        if (!pid) {
            /* its parent goes on meanwhile */
            for (int j = 0; j < 50; j++) if (stat("/etc/passwd", &s)) _exit(2);
            pid = fork();
            if (!pid) _exit(stat("/etc/none", &s) == -1 ? 7 : 3);
            if (waitpid(pid, &status, 0) != pid) _exit(4);
            _exit(WEXITSTATUS(status));
        }
        for (int j = 0; j < 50; j++) if (stat("/etc/none", &s) != -1) return 5;
        if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 7) return 6;
    }
    return 7;
}"#;
    let Some(outcome) = run(source, &[]) else {
        return;
    };
    assert_eq!(outcome.exited(), Some(7), "{:?}", outcome.refusals);
    for forked in &outcome.calls[1..] {
        let stats = forked.iter().filter(|call| call.path.is_some());
        assert!(stats.clone().all(|call| call.inside), "{forked:?}");
        assert!(matches!(stats.count(), 1 | 50));
    }
}

//! Real programs, recorded from inside as far as that goes.

mod common;

use common::run;
#[cfg(target_arch = "x86_64")]
use common::{EAGER, Seen, compile, watch};

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

/// Many sites, each with padding of its own or none at all, that threads run into while they are
/// patched.
const HAMMER: &str = r#"
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#define SITES 400
__asm__(
    ".text\n.balign 16\nsites:\n"
    ".rept 400\n"
#ifdef __aarch64__
    "mov x8, x0\n mov x0, x1\n mov x1, x2\n mov x2, x3\n svc #0\n ret\n .balign 64\n"
#elif defined(AHEAD)
    /* no padding: the number before the site makes room, and the call wants it (O_NOFOLLOW) */
    "mov $0x77777, %r10d\n mov %rdi, %rax\n mov %rsi, %rdi\n mov %rdx, %rsi\n mov %rcx, %rdx\n"
    "mov $0x100, %r10d\n syscall\n ret\n"
    ".rept 12\n mov %rcx, %rax\n .endr\n ret\n"
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
#ifdef AHEAD
        struct stat found;
        if (call(SYS_newfstatat, -100, (long)"/", (long)&found)) wrong = 5;
        if (!S_ISDIR(found.st_mode)) wrong = 6;
#endif
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
    hammered(&["-pthread"]);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn what_stands_before_sites_without_padding_is_patched_while_threads_hammer_it() {
    hammered(&["-pthread", "-DAHEAD"]);
}

fn hammered(options: &[&str]) {
    let Some(outcome) = run(HAMMER, options) else {
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

/// Looks for programs as `execvp` does, in children that borrow its memory, or its threads do.
#[cfg(target_arch = "x86_64")]
const STARTS: &str = r#"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
static void *starts(void *to) {
    for (int i = 0; i < 60; i++) {
        char missing[64];
        char *arguments[] = { "a name of its own", "and more", 0 }, *none[] = { 0 };
        sprintf(missing, "/none/program-%d", i);
        int status, child = vfork();
        if (child == 0) {
            execve(missing, arguments, none);
            if (errno != ENOENT || execve(0, arguments, none) != -1) _exit(3);
            if (errno != EFAULT || execve("/bin/true", (char **)16, none) != -1) _exit(4);
            if (errno != EFAULT) _exit(5);
            execve("/bin/true", arguments, none);
            _exit(6);
        }
        if (waitpid(child, &status, 0) != child || status) return (void *)1;
    }
    return 0;
}
int main(void) {
    void *result;
#ifdef THREADS
    pthread_t one, other;
    pthread_create(&one, 0, starts, 0);
    pthread_create(&other, 0, starts, 0);
    if (pthread_join(one, &result) || result) return 1;
    return pthread_join(other, &result) || result ? 2 : 7;
#else
    return starts(0) ? 1 : 7;
#endif
}"#;

#[cfg(target_arch = "x86_64")]
#[test]
fn programs_are_started_inside() {
    for options in [&[][..], &["-pthread", "-DTHREADS"]] {
        let Some(outcome) = run(STARTS, options) else {
            return;
        };
        assert_eq!(outcome.exited(), Some(7), "{:x}", outcome.status);
        let exec = |calls: &[Seen]| -> Vec<(i64, bool)> {
            let execs = calls.iter().filter(|call| call.number == libc::SYS_execve);
            execs.map(|call| (call.result, call.inside)).collect()
        };
        let children = outcome.calls.iter().map(|calls| exec(calls));
        let children: Vec<_> = children.filter(|execs| execs.len() == 4).collect();
        let is_threaded = options.len() > 1;
        assert_eq!(children.len(), if is_threaded { 120 } else { 60 });
        let results = [-libc::ENOENT, -libc::EFAULT, -libc::EFAULT, 0].map(i64::from);
        for execs in &children {
            let found: Vec<i64> = execs.iter().map(|(result, _)| *result).collect();
            assert_eq!(found, results, "{options:?}");
        }
        // What has no path or no arguments is left to the kernel.
        let last: Vec<bool> = children[children.len() - 1]
            .iter()
            .map(|exec| exec.1)
            .collect();
        if !is_threaded {
            assert_eq!(last, [true, false, false, true]);
        }
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

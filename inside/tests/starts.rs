//! Programs that are known, and start.

mod common;

use common::{EAGER, compile, run, watch};

/// Starts itself again and again, and each of those opens a file. Ends with 7 if all do.
const AGAIN: &str = r#"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv) {
    if (argc > 1) {
        int fd = open("/etc/passwd", O_RDONLY);
        char b[64], *m;
        if (fd < 0 || read(fd, b, 64) != 64) return 1;
        m = mmap(0, 64, PROT_READ, MAP_PRIVATE, fd, 0);
        return m == MAP_FAILED || m[9] != b[9] || munmap(m, 64) || close(fd) ? 2 : 7;
    }
    for (int i = 0; i < 40; i++) {
        int status, pid = fork();
        if (!pid) {
            execl(argv[0], argv[0], "again", (char *)0);
            return 3;
        }
        while (DISTURBED && !waitpid(pid, &status, WNOHANG)) {
            kill(pid, SIGSTOP);
            kill(pid, SIGCONT);
            /* without a rest it would hardly come to an instruction of its own */
            usleep(rand() % 400);
        }
        if (!DISTURBED && waitpid(pid, &status, 0) != pid) return 4;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 7) return 5;
    }
    return 7;
}"#;

#[test]
fn a_program_that_is_known_has_the_stub_from_its_first_call_on() {
    // A library is patched at the first call that comes from it.
    let library = (
        &["-DDISTURBED=0"][..],
        &[libc::SYS_execve, libc::SYS_openat][..],
    );
    // Once its C library has given a program its thread pointer, where that leads to its area, one
    // call stops.
    let own: &[i64] = if cfg!(target_arch = "x86_64") {
        &[libc::SYS_execve]
    } else {
        &[libc::SYS_execve, libc::SYS_readlinkat]
    };
    let own = (&["-DDISTURBED=0", "-static"][..], own);
    for (options, wanted) in [library, own] {
        let Some(outcome) = run(AGAIN, options) else {
            return;
        };
        let refusals = &outcome.refusals;
        assert_eq!(outcome.exited(), Some(7), "{refusals:?}");
        // This tracer's filter lets them pass, so they are seen inside only.
        let maps = [libc::SYS_execve, libc::SYS_mmap, libc::SYS_munmap];
        let calls = |task: usize| {
            let calls = outcome.calls[task].iter();
            let calls = calls.filter(|call| !maps.contains(&call.number));
            calls.map(|call| (call.number, call.result.min(0), call.path.clone()))
        };
        let last = outcome.calls.len() - 1;
        assert!(calls(1).eq(calls(last)), "{options:?}");
        let stopped = outcome.calls[last].iter().filter(|call| !call.inside);
        let stopped: Vec<i64> = stopped.map(|call| call.number).collect();
        assert_eq!(stopped, wanted, "{options:?}");
    }
}

#[test]
fn a_program_that_is_stopped_at_its_start_goes_on_as_ever() {
    let Some(outcome) = run(AGAIN, &["-DDISTURBED=1"]) else {
        return;
    };
    assert_eq!(outcome.exited(), Some(7), "{:?}", outcome.refusals);
    assert!(outcome.inside() > 0);
}

/// Begins at the same place, whatever its function `f` is made of; with all registers zero, as
/// `execve` leaves them.
const REPLACED: &str = r#"
__asm__(
    ".globl _start\n"
    "f:\n"
#ifdef __aarch64__
#ifdef OTHER
    "mov x0, #0x50f\n nop\n"
#else
    "nop\n svc #0\n"
#endif
    "ret\n .balign 64\n _start:\n"
    ".irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20\n orr x0, x0, x\\n\n .endr\n"
    ".irp n, 21,22,23,24,25,26,27,28,29,30\n orr x0, x0, x\\n\n .endr\n"
    "cbnz x0, 2f\n mov x19, #20\n"
    "1: mov x0, #-1\n mov x1, #0\n mov x2, #0\n mov x8, #62\n bl f\n"
#ifdef OTHER
    "cmp x0, #0x50f\n b.ne 2f\n"
#endif
    "subs x19, x19, #1\n b.ne 1b\n"
    "mov x0, #7\n mov x8, #93\n svc #0\n"
    "2: mov x0, #8\n mov x8, #93\n svc #0\n"
    ".balign 4096\n"
#else
#ifdef OTHER
    "mov $0x50f, %eax\n"
#else
    "nop\n syscall\n"
#endif
    "ret\n"
    ".balign 64, 0xcc\n"
    "_start:\n"
    "or %rbx, %rax\n or %rcx, %rax\n or %rdx, %rax\n or %rsi, %rax\n"
    "or %rdi, %rax\n or %rbp, %rax\n or %r8, %rax\n or %r9, %rax\n"
    "or %r10, %rax\n or %r11, %rax\n or %r12, %rax\n or %r13, %rax\n"
    "or %r14, %rax\n or %r15, %rax\n"
    "jnz 2f\n"
    "mov $20, %ebx\n"
    "1: mov $-1, %edi\n xor %esi, %esi\n xor %edx, %edx\n"
    "mov $8, %eax\n call f\n"
#ifdef OTHER
    "cmp $0x50f, %eax\n jne 2f\n"
#endif
    "dec %ebx\n jnz 1b\n"
    "mov $7, %edi\n mov $60, %eax\n syscall\n"
    "2: mov $8, %edi\n mov $60, %eax\n syscall\n"
    ".balign 1024, 0xcc\n"
#endif
);"#;

#[test]
fn a_program_that_is_written_anew_has_sites_of_its_own() {
    let driver = r#"
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
static int all_end_with_7(void) {
    for (int i = 0; i < 10; i++) {
        int status, pid = fork();
        if (!pid) {
            execl(IN "/again", "again", (char *)0);
            _exit(3);
        }
        if (waitpid(pid, &status, 0) != pid) return 0;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 7) return 0;
    }
    return 1;
}
static void write_anew(const char *from) {
    static char bytes[1 << 20];
    int in = open(from, O_RDONLY), out = open(IN "/again", O_WRONLY | O_TRUNC | O_CREAT, 0700);
    write(out, bytes, read(in, bytes, sizeof bytes));
    close(in), close(out);
}
int main(void) {
    write_anew(IN "/one");
    if (!all_end_with_7()) return 1;
    write_anew(IN "/other");
    return all_end_with_7() ? 7 : 2;
}"#;
    let directory = tempfile::tempdir().expect("tempdir");
    let small = ["-static", "-nostdlib", "-no-pie", "-Wl,--build-id=none"];
    for (name, option) in [("one", "-DONE"), ("other", "-DOTHER")] {
        let options = [&small[..], &[option]].concat();
        let Some(program) = compile(directory.path(), REPLACED, &options) else {
            return;
        };
        std::fs::rename(program, directory.path().join(name)).expect("renamed");
    }
    let place = format!("-DIN=\"{}\"", directory.path().display());
    let Some(driver) = compile(directory.path(), driver, &[&place]) else {
        return;
    };
    let outcome = watch(&[driver.to_str().expect("text")], EAGER, true);
    assert_eq!(outcome.exited(), Some(7), "{:?}", outcome.refusals);
    // Both were known from their first call on.
    let seeks = |task: &Vec<common::Seen>| {
        let seeks = task.iter().filter(|call| call.number == libc::SYS_lseek);
        seeks.filter(|call| call.inside).count()
    };
    assert_eq!(seeks(&outcome.calls[10]), 20);
    assert_eq!(outcome.count(libc::SYS_lseek), 200);
}

#[test]
fn a_segment_of_another_namespace_is_left_alone() {
    let source = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>
static int own_of_number(const char *number) {
    int fd = open("/proc/sys/kernel/shm_next_id", O_WRONLY);
    if (fd < 0 || write(fd, number, strlen(number)) < 0 || close(fd)) return 0;
    return shmget(IPC_PRIVATE, 1 << 26, 0600) == atoi(number);
}
int main(int argc, char **argv) {
    struct stat s;
    char line[512], *number;
    for (int i = 0; i < 100; i++) if (stat("/etc/passwd", &s)) return 1;
    if (argc > 1) {
        long *own = shmat(atoi(argv[1]), 0, 0);
        if (own == (void *)-1) return 2;
        for (int i = 0; i < (1 << 26) / sizeof *own; i++) if (own[i]) return 3;
        return 7;
    }
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps)) {
        if (!strstr(line, "/SYSV")) continue;
        strtok(line, " ");
        for (int i = 0; i < 4; i++) number = strtok(0, " ");
        if (unshare(CLONE_NEWIPC) || !own_of_number(number)) return 77;
        execl(argv[0], argv[0], number, (char *)0);
    }
    return 4;
}"#;
    let Some(outcome) = run(source, &[]) else {
        return;
    };
    if outcome.exited() == Some(77) {
        println!("skipped: no namespace of its own");
        return;
    }
    assert_eq!(outcome.exited(), Some(7), "{:?}", outcome.refusals);
    let stats = outcome.calls.iter().flatten();
    let stats = stats.filter(|call| call.path.as_deref() == Some(b"/etc/passwd"));
    assert_eq!(stats.count(), 200);
}

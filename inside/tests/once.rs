//! Calls that stop at their entry, and are made by the stub.

mod common;

use common::run;

/// So many calls, with so many microseconds between two signals. An emulated machine takes a
/// thousand for a stop.
const SIZE: [&str; 2] = if cfg!(target_arch = "x86_64") {
    ["-DROUNDS=20000", "-DEVERY=700"]
} else {
    ["-DROUNDS=4000", "-DEVERY=20000"]
};

/// Makes directories that can't be made, checks what a call leaves alone, and is interrupted by
/// handlers that make such calls themselves.
const CHANGES: &str = r#"
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>
static volatile int wrong, handled;
static long makes(const char *path, unsigned long mode) {
#ifdef __aarch64__
    register long result __asm__("x0") = -100;
    register const char *at __asm__("x1") = path;
    register unsigned long third __asm__("x2") = mode;
    register long number __asm__("x8") = SYS_mkdirat;
    unsigned long flags, kept;
    __asm__ volatile(
        "mov x12, #12\n mov x13, #13\n mov x14, #14\n mov x15, #15\n mov x16, #16\n mov x17, #17\n"
        "mov x9, #0xa0000000\n msr nzcv, x9\n"
        "svc #0\n"
        "mrs %1, nzcv\n"
        "add x12, x12, x13, lsl #8\n add x12, x12, x14, lsl #16\n add x12, x12, x15, lsl #24\n"
        "add x12, x12, x16, lsl #32\n add %2, x12, x17, lsl #40\n"
        : "+r"(result), "=&r"(flags), "=&r"(kept), "+r"(third)
        : "r"(at), "r"(number)
        : "x9", "x12", "x13", "x14", "x15", "x16", "x17", "cc", "memory");
    if (flags != 0xa0000000 || kept != 0x11100f0e0d0c) wrong = 1;
#else
    long result;
    unsigned long flags, third = mode;
    __asm__ volatile(
        /* overflow, sign, auxiliary carry and carry, but not zero */
        "mov $0x7f, %%eax\n add $1, %%al\n stc\n mov %4, %%eax\n"
        "syscall\n"
        "pushfq\n pop %1\n"
        : "=&a"(result), "=&r"(flags), "+d"(third)
        : "S"(path), "i"(SYS_mkdirat), "D"(-100L)
        : "rcx", "r11", "cc", "memory");
    if ((flags & 0x8d5) != 0x891) wrong = 1;
#endif
    if (third != mode) wrong = 2;
    return result;
}
static void handler(int signal) {
    handled++;
    if (makes("/none/handled", 0x700 + handled % 8) != -2) wrong = 3;
}
int main(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    sigaction(SIGALRM, &action, 0);
    struct stat found;
    struct itimerval often = { { 0, EVERY }, { 0, EVERY } }, never = { { 0, 0 }, { 0, 0 } };
    setitimer(ITIMER_REAL, &often, 0);
    for (int i = 0; i < ROUNDS && !wrong; i++) {
        if (makes("/none/made", 0x500 + i % 64) != -2) wrong = 4;
        if (i % 4 == 0 && stat("/none/seen", &found) != -1) wrong = 5;
    }
    setitimer(ITIMER_REAL, &never, 0);
    return wrong ? 20 + wrong : handled > 20 ? 7 : 8;
}"#;

#[test]
fn a_call_that_stops_once_is_one_call_and_leaves_registers_alone() {
    let Some(outcome) = run(CHANGES, &SIZE) else {
        return;
    };
    assert_eq!(outcome.exited(), Some(7), "{:x}", outcome.status);
    let modes = |range: std::ops::Range<u64>| {
        let calls = outcome.calls[0].iter();
        let made = calls.filter(|call| call.number == libc::SYS_mkdirat);
        let found: Vec<_> = made
            .filter(|call| range.contains(&call.arguments[2]))
            .collect();
        assert!(found.iter().all(|call| call.result == -2));
        found
    };
    let own = modes(0x500..0x540);
    assert!(own.len() == 20_000 || own.len() == 4_000);
    for (number, call) in (0..).zip(&own) {
        assert_eq!(call.arguments[2], 0x500 + number % 64);
    }
    let handled = modes(0x700..0x708);
    println!(
        "{} of {} stopped once",
        outcome.once,
        own.len() + handled.len()
    );
    assert!(handled.len() > 20);
    assert!(outcome.once > own.len() * 9 / 10, "{}", outcome.once);
}

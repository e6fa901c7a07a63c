//! Tasks that ask their clock before a call, as after a long gap.

mod common;

use common::{ASKING, EAGER, Outcome, run_by};
use fsreplay_inside::{Bounds, Policy};

/// Calls with all registers filled, between which it computes and is interrupted.
const CALLS: &str = r#"
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>
static volatile int wrong, handled;
static long looks(const char *path, struct stat *found, long flags, long fifth, long sixth) {
#ifdef __aarch64__
    register long result __asm__("x0") = -100;
    register const char *at __asm__("x1") = path;
    register struct stat *third __asm__("x2") = found;
    register long fourth __asm__("x3") = flags;
    register long last __asm__("x4") = fifth;
    register long behind __asm__("x5") = sixth;
    register long number __asm__("x8") = SYS_newfstatat;
    __asm__ volatile("svc #0" : "+r"(result), "+r"(at), "+r"(third), "+r"(fourth), "+r"(last),
        "+r"(behind), "+r"(number) : : "memory");
    if (number != SYS_newfstatat) wrong = 1;
#else
    register long fourth __asm__("r10") = flags;
    register long last __asm__("r8") = fifth;
    register long behind __asm__("r9") = sixth;
    long result = SYS_newfstatat, first = -100;
    const char *at = path;
    struct stat *third = found;
    __asm__ volatile("syscall" : "+a"(result), "+D"(first), "+S"(at), "+d"(third), "+r"(fourth),
        "+r"(last), "+r"(behind) : : "rcx", "r11", "cc", "memory");
    if (first != -100) wrong = 1;
#endif
    if (at != path || third != found || fourth != flags || last != fifth || behind != sixth)
        wrong = 2;
    return result;
}
static void handler(int signal) {
    struct stat found;
    handled++;
    if (looks("/none/handled", &found, 0x100, handled, 6) != -2) wrong = 3;
}
int main(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, 0);
    struct itimerval often = { { 0, EVERY }, { 0, EVERY } }, never = { { 0, 0 }, { 0, 0 } };
    setitimer(ITIMER_REAL, &often, 0);
    struct stat found;
    volatile int work = 0;
    for (int i = 0; i < ROUNDS && !wrong; i++) {
        memset(&found, 0, sizeof found);
        if (looks("/", &found, 0x100, i, ~i) != 0 || !S_ISDIR(found.st_mode)) wrong = 4;
        if (looks("/none/seen", &found, 0, i, i) != -2) wrong = 5;
        if (looks((char *)8, &found, 0, i, i) != -14) wrong = 6;
        for (int spent = 0; spent < 300; spent++) work += spent;
    }
    setitimer(ITIMER_REAL, &never, 0);
    return wrong ? 20 + wrong : handled > 20 ? 7 : 8;
}"#;

const SIZE: [&str; 2] = if cfg!(target_arch = "x86_64") {
    ["-DROUNDS=5000", "-DEVERY=1000"]
} else {
    // Emulated, a call that points nowhere takes milliseconds.
    ["-DROUNDS=400", "-DEVERY=20000"]
};

/// What the calls of its own counted, by their fifth argument.
fn numbers(outcome: &Outcome) -> Vec<u64> {
    let calls = outcome.calls[0].iter();
    let own = calls.filter(|call| {
        call.number == libc::SYS_newfstatat && call.path.as_deref() == Some(b"/".as_slice())
    });
    own.map(|call| call.arguments[4]).collect()
}

/// It asks before each call, with what its clock may say for it not to stop.
fn asking(idle: u64) -> Policy {
    let bounds = Bounds {
        idle,
        ..ASKING.bounds
    };
    Policy { bounds, ..ASKING }
}

#[test]
fn a_call_before_which_the_clock_is_asked_is_as_without() {
    // It never was idle for so long, or always. A third of the calls fail for what they point to.
    for (idle, least) in [(u64::MAX / 4, 6), (0, 0)] {
        let Some(outcome) = run_by(asking(idle), CALLS, &SIZE) else {
            return;
        };
        assert_eq!(outcome.exited(), Some(7), "{:x}", outcome.status);
        let calls = outcome.calls[0].len();
        println!("{} of {calls} inside", outcome.inside());
        assert!(outcome.inside() >= calls * least / 10);
        // Nothing is lost, and nothing stands twice.
        let numbers = numbers(&outcome);
        assert!([5000, 400].contains(&numbers.len()), "{}", numbers.len());
        assert!((0..).zip(&numbers).all(|(number, found)| number == *found));
    }
}

/// Computes, and then sleeps as well, between calls; far longer than it may have been idle.
const SLEEPS: &str = r#"
#define _GNU_SOURCE
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
static long spent(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1000000000 + now.tv_nsec;
}
int main(void) {
    struct stat found;
    struct timespec nap = { 0, 20000000 };
    for (int i = 0; i < 40; i++) stat("/etc", &found);
    for (int i = 0; i < 40; i++) {
        long begin = spent();
        while (spent() - begin < 1000000) {}
        stat("/", &found);
        nanosleep(&nap, 0);
        stat("/tmp", &found);
    }
    return 7;
}"#;

#[test]
fn who_slept_says_so_and_who_computed_does_not() {
    let bounds = Bounds {
        ask: rate::ticks_in(150_000),
        idle: 10_000_000,
        rate: rate::of_tick(),
        ..EAGER.bounds
    };
    let Some(outcome) = run_by(Policy { bounds, ..EAGER }, SLEEPS, &[]) else {
        return;
    };
    assert_eq!(outcome.exited(), Some(7), "{:x}", outcome.status);
    let slept = |path: &[u8]| {
        let calls = outcome.calls[0].iter();
        let of = calls.filter(|call| call.path.as_deref() == Some(path) && call.inside);
        let (slept, others): (Vec<_>, Vec<_>) = of.partition(|call| call.slept_before);
        (slept.len(), others.len())
    };
    assert_eq!(slept(b"/tmp"), (40, 0));
    // Who computes loses its processor at times, which is no sleep.
    assert_eq!(slept(b"/"), (0, 40));
}

/// How fast the counter runs that the stub reads.
mod rate {
    use std::sync::OnceLock;
    use std::time::{Duration, Instant};

    fn per_tick() -> f64 {
        static RATE: OnceLock<f64> = OnceLock::new();
        *RATE.get_or_init(|| {
            let (ticks, begin) = (fsreplay_inside::arch::ticks(), Instant::now());
            std::thread::sleep(Duration::from_millis(20));
            let passed = fsreplay_inside::arch::ticks() - ticks;
            begin.elapsed().as_nanos() as f64 / passed as f64
        })
    }

    pub fn ticks_in(nanoseconds: u64) -> u64 {
        (nanoseconds as f64 / per_tick()) as u64
    }

    pub fn of_tick() -> u64 {
        (per_tick() * 2f64.powi(32)) as u64
    }
}

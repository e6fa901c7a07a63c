//! What is told of a tool's own time where its calls are recorded inside: how long it computed and
//! how long it slept, by what its own clocks say.

mod common;

use std::path::Path;
use std::time::Duration;

use common::{compile, fsreplay, record_with, text, workspace};
use fsreplay_trace::model::{Event, Record};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Tells how long it was on a processor, seconds, in the file `spent`.
const TOOL: &str = r#"
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static struct stat found;
static double spent(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}
static void computes(double seconds) {
    double end = spent() + seconds;
    volatile unsigned work = 0;
    while (spent() < end) for (int i = 0; i < 10000; i++) work += i;
}
static void sleeps(double seconds) {
    struct timespec time = { 0, seconds * 1e9 };
    nanosleep(&time, 0);
}
static void on_alarm(int signal) {
    struct stat found;
    stat("/handled", &found);
    stat("/handled", &found);
}
static void *idles(void *end) {
    char byte;
    read(*(int *)end, &byte, 1);
    return 0;
}
int main(int count, char **arguments) {
    int ends[2];
    pthread_t thread;
    cpu_set_t set;
    for (int i = 0; i < 300; i++) stat("/", &found);
    const char *does = arguments[1];
    if (!strcmp(does, "naps"))
        for (int i = 0; i < 20; i++) {
            computes(0.01);
            stat("/computed", &found);
            sleeps(0.02);
            stat("/slept", &found);
        }
    if (!strcmp(does, "often"))
        for (int i = 0; i < 1000; i++) {
            sleeps(0.0003);
            stat("/slept", &found);
        }
    if (!strcmp(does, "asks"))
        for (int i = 0; i < 20; i++) {
            sleeps(0.02);
            sched_getaffinity(0, sizeof set, &set);
            stat("/slept", &found);
        }
    if (!strcmp(does, "gives")) {
        /* no breakpoint beside a thread that would not suffer it */
        signal(SIGTRAP, SIG_IGN);
        if (pipe(ends) || pthread_create(&thread, 0, idles, ends)) return 1;
        for (int i = 0; i < 20; i++) {
            char *memory = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
            memory[0] = 1;
            computes(0.01);
            munmap(memory, 8192);
        }
        stat("/computed", &found);
    }
    if (!strcmp(does, "interrupted")) {
        struct sigaction action = { .sa_handler = on_alarm };
        struct itimerval soon = { { 0, 0 }, { 0, 30 } };
        sigaction(SIGALRM, &action, 0);
        for (int i = 0; i < 100; i++) {
            sleeps(0.005);
            setitimer(ITIMER_REAL, &soon, 0);
            chmod("/none/changed", 0600);
        }
    }
    if (!strcmp(does, "waits"))
        for (int i = 0; i < 20; i++) {
            computes(0.01);
            poll(0, 0, 20);
            stat("/computed", &found);
        }
    if (!strcmp(does, "shares")) {
        /* its processor, with another one that computes */
        CPU_ZERO(&set);
        CPU_SET(sched_getcpu(), &set);
        sched_setaffinity(0, sizeof set, &set);
        pid_t other = fork();
        if (other == 0) for (;;) {}
        for (int i = 0; i < 1000; i++) {
            computes(0.0005);
            poll(0, 0, 0); /* which is no event */
            stat("/computed", &found);
        }
        kill(other, SIGKILL);
    }
    if (!strcmp(does, "queues")) {
        CPU_ZERO(&set);
        CPU_SET(sched_getcpu(), &set);
        sched_setaffinity(0, sizeof set, &set);
        pid_t other = fork();
        if (other == 0) for (;;) {}
        for (int i = 0; i < 10; i++) {
            for (int k = 0; k < 30; k++) poll(0, 0, 1);
            sleeps(0.02);
            stat("/slept", &found);
        }
        kill(other, SIGKILL);
    }
    if (!strcmp(does, "goes on waiting")) {
        struct itimerval once = { { 0, 0 }, { 0, 100000 } };
        signal(SIGALRM, SIG_IGN);
        for (int i = 0; i < 20; i++) poll(0, 0, 1);
        setitimer(ITIMER_REAL, &once, 0);
        poll(0, 0, 300);
        stat("/waited", &found);
    }
    if (!strcmp(does, "goes on"))
        for (int i = 0; i < 4000; i++) {
            computes(0.0005);
            stat("/computed", &found);
        }
    FILE *told = fopen("spent", "w");
    fprintf(told, "%f\n", spent());
    fclose(told);
    _exit(0);
}"#;

/// Seconds.
struct Times {
    /// What the tool's clock says.
    spent: f64,
    /// What was told as computing, in calls and between them.
    worked: f64,
    /// Each gap in which it slept for longer than a bound.
    slept: Vec<f64>,
    /// Each call in which it did.
    waited: Vec<f64>,
}

fn times(at: &Path, trace: &Path, bound: f64) -> Times {
    let mut reader = fsreplay_trace::format::open(trace).expect("a trace");
    let mut worked = 0.0;
    let (mut slept, mut waited) = (Vec::new(), Vec::new());
    let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
    while let Some(record) = reader.next_record().expect("whole") {
        let Record::Event(Event { spent, .. }) = record else {
            continue;
        };
        worked += seconds(spent.think + spent.cpu);
        slept.extend(Some(seconds(spent.blocked)).filter(|time| *time > bound));
        waited.extend(Some(seconds(spent.asleep)).filter(|time| *time > bound));
    }
    let told = std::fs::read_to_string(at.join("spent")).expect("told");
    Times {
        spent: told.trim().parse().expect("a number"),
        worked,
        slept,
        waited,
    }
}

/// What is told of a tool that does that, and slept for longer than a bound, seconds.
fn of(does: &str, bound: f64) -> Option<Times> {
    let directory = workspace();
    let (at, trace) = (directory.path(), directory.path().join("trace"));
    if !compile(at, "tool", TOOL, "") {
        return None;
    }
    let output = record_with(&["--backend", "inside"], at, &trace, &["./tool", does]);
    assert!(output.status.success(), "{}", text(&output));
    Some(times(at, &trace, bound))
}

/// Whether what was told as computing is what its clock says, but for a part of a tenth, and for
/// what starting takes.
fn is_right(times: &Times) -> bool {
    println!("{:.3} s of {:.3}", times.worked, times.spent);
    (times.worked - times.spent).abs() < 0.01 + times.spent / 10.0
}

/// Whether it slept so often, but for a few times on a busy machine that it waited for its files.
fn are_all(slept: &[f64], count: usize) -> bool {
    (count..count + 5).contains(&slept.len())
}

#[test]
fn sleep_is_told_from_the_computing_before_and_behind_it() {
    for does in ["naps", "asks"] {
        let Some(times) = of(does, 0.015) else { return };
        assert!(is_right(&times), "{does}");
        assert!(are_all(&times.slept, 20), "{does} {:?}", times.slept);
    }
}

#[test]
fn sleep_in_a_call_that_waits_is_told_from_computing() {
    let Some(times) = of("waits", 0.015) else {
        return;
    };
    assert!(is_right(&times));
    // On a busy machine it waits for a processor as well, and how long is known in all only.
    let count = times.waited.len();
    assert!((14..25).contains(&count), "{:?}", times.waited);
    assert!(are_all(&times.slept, 0), "{:?}", times.slept);
}

#[test]
fn who_waits_for_its_processor_neither_computes_nor_sleeps() {
    let Some(times) = of("shares", 0.002) else {
        return;
    };
    assert!(is_right(&times));
    assert!(are_all(&times.slept, 0), "{:?}", times.slept);
    assert!(are_all(&times.waited, 0), "{:?}", times.waited);
}

#[test]
fn sleep_before_and_behind_waiting_for_a_processor_is_told() {
    let Some(times) = of("queues", 0.015) else {
        return;
    };
    assert!(are_all(&times.slept, 10), "{:?}", times.slept);
}

#[test]
fn a_wait_that_goes_on_after_a_signal_is_told_once() {
    let Some(times) = of("goes on waiting", 0.05) else {
        return;
    };
    let waited: f64 = times.waited.iter().sum();
    assert!((0.2..0.45).contains(&waited), "{waited}");
    assert!(are_all(&times.slept, 0), "{:?}", times.slept);
}

#[test]
fn a_gap_before_a_call_that_a_signal_came_before_is_told_once() {
    let Some(times) = of("interrupted", 0.003) else {
        return;
    };
    assert!(is_right(&times));
    assert!(are_all(&times.slept, 100), "{:?}", times.slept);
}

#[test]
fn short_sleeps_in_great_number_are_told() {
    let Some(times) = of("often", 0.000_15) else {
        return;
    };
    assert!(times.slept.len() > 980, "{}", times.slept.len());
}

#[test]
fn computing_before_a_call_that_is_no_event_is_not_lost() {
    let Some(times) = of("gives", 0.0) else {
        return;
    };
    assert!(is_right(&times));
}

#[test]
fn what_a_tool_computes_while_the_recorder_stands_still_is_told() {
    let directory = workspace();
    let (at, trace) = (directory.path(), directory.path().join("trace"));
    if !compile(at, "tool", TOOL, "") {
        return;
    }
    let mut recorder = fsreplay()
        .current_dir(at)
        .args(["record", "-q", "--backend", "inside", "-o"])
        .arg(&trace)
        .args(["--", "./tool", "goes on"])
        .spawn()
        .expect("a recorder");
    let id = Pid::from_raw(recorder.id() as i32);
    std::thread::sleep(Duration::from_millis(300));
    kill(id, Signal::SIGSTOP).expect("stopped");
    std::thread::sleep(Duration::from_millis(1700));
    kill(id, Signal::SIGCONT).expect("let go");
    assert!(recorder.wait().expect("its end").success());
    assert!(is_right(&times(at, &trace, 0.0)));
}

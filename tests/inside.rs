//! A trace that was recorded inside the tool becomes the same plan as one that was recorded at
//! stops, and the same replay.

mod common;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::process::Command;

use common::{compile, have, is_root, planned, play, record_with, sh, text, workspace};
use fsreplay_replayer::plan::{Action, Check, Op, Plan};
use fsreplay_trace::call::ArgKind;
use fsreplay_trace::model::Record;

/// A tree of some hundred files. Times of access that lie ahead are left alone by who reads.
const TREE: &str = "for d in $(seq 12); do mkdir -p d$d/s; for f in $(seq 20); do
    echo $d $f > d$d/s/file$f.txt; done; ln -s s/file1.txt d$d/link; done; ln d1/s/file1.txt hard
    find . -exec touch -h -a -d 2037-01-01 {} +";

/// What the plan does and begins with, without times, and without what others do to directories
/// meanwhile.
fn facts(plan: &Plan) -> Vec<String> {
    let mut facts = Vec::new();
    for entry in &plan.tree {
        let of_a_file = (entry.kind != fsreplay_trace::model::FileKind::Directory)
            .then_some((entry.size, entry.mtime));
        facts.push(format!(
            "{} {:?} {of_a_file:?} {:o} {:?} {:?} {:?} {} {}",
            shown(plan.bytes(entry.path)),
            entry.kind,
            entry.mode,
            entry.owner,
            entry.target.map(|text| shown(plan.bytes(text))),
            entry.link_of,
            entry.changed,
            entry.data
        ));
    }
    for number in 0..plan.lanes.len() {
        let ops = plan.ops_of(number).map(|op| (op.recorded, fact(plan, *op)));
        let (recorded, own): (Vec<_>, Vec<_>) = ops.partition(|(recorded, _)| *recorded);
        // What a process leaves mapped is taken away in the order of its addresses, which are
        // random. And what it computes at its end, if it does, takes an op.
        let mut own: Vec<_> = own.into_iter().map(|(_, fact)| fact).collect();
        own.retain(|fact| !fact.contains("action: Nothing"));
        own.sort();
        let recorded = recorded.into_iter().map(|(_, fact)| fact);
        facts.extend(recorded.chain(own).map(|fact| format!("{number}: {fact}")));
    }
    facts.push(format!(
        "{} slots, {} maps, {} listings, {:?}",
        plan.slots, plan.maps, plan.listings, plan.coverage
    ));
    facts
}

/// An op without what differs from run to run.
fn fact(plan: &Plan, mut op: Op) -> String {
    if op.check != Check::Exact {
        op.expected = op.expected.min(1); // An address, most often.
    }
    // Places of mappings that are gone are taken again in the order of their addresses.
    if let Action::Map { map, .. } | Action::Unmap { map, .. } = &mut op.action {
        *map = 0;
    }
    let path = match op.action {
        Action::Open { at, .. } => shown(plan.bytes(at.path)),
        _ => String::new(),
    };
    format!("{op:?} {path}")
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Records a command in both ways in the same directory, put back by `reset`, and compares.
fn same_plan(directory: &Path, reset: &str, command: &[&str]) {
    let scratch = workspace();
    let [ptrace, inside] = ["ptrace", "inside"].map(|backend| {
        sh(directory, reset);
        let trace = scratch.path().join(backend);
        let output = record_with(&["--backend", backend], directory, &trace, command);
        assert!(output.status.success(), "{command:?}: {}", text(&output));
        trace
    });
    let (one, _) = planned(&ptrace, scratch.path());
    let (other, footer) = planned(&inside, scratch.path());
    assert!(
        footer.recorded_inside > 50,
        "{command:?}: {} inside",
        footer.recorded_inside
    );
    let (one, other) = (facts(&one), facts(&other));
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one, other, "{command:?}");
    }
    assert_eq!(one.len(), other.len(), "{command:?}");
    let replays = [ptrace, inside].map(|trace| play(&trace, scratch.path()));
    let [one, other] = replays.map(|replay| {
        let numbers = ["events", "divergences"].map(|name| replay.number(name));
        (numbers, replay.json["divergence_groups"].to_string())
    });
    assert_eq!(one, other, "{command:?}");
}

#[test]
fn readers_have_the_same_plan() {
    let directory = workspace();
    sh(directory.path(), TREE);
    let at = directory.path();
    same_plan(at, "", &["find", ".", "-size", "+1"]);
    same_plan(at, "", &["ls", "-lR", "."]);
    same_plan(at, "", &["tar", "cf", "/dev/null", "."]);
    same_plan(at, "", &["sh", "-c", "for d in d*; do cat $d/s/*; done"]);
    same_plan(
        at,
        "",
        &[
            "find", ".", "-name", "*.txt", "-exec", "wc", "-c", "{}", "+",
        ],
    );
}

#[test]
fn writers_have_the_same_plan() {
    let directory = workspace();
    sh(directory.path(), TREE);
    let at = directory.path();
    let away = "rm -rf copy t.tar";
    same_plan(at, away, &["cp", "-a", "d1", "copy"]);
    same_plan(at, away, &["tar", "cf", "t.tar", "d1", "d2", "d3", "hard"]);
    let put_back = "rm -rf u; mkdir u; tar cf t.tar d1 d2 d3; touch -d 2020-01-01 t.tar";
    same_plan(at, put_back, &["tar", "xf", "t.tar", "-C", "u"]);
    same_plan(at, "rm -rf u; cp -a d4 u", &["rm", "-rf", "u"]);
    let script = "mkdir -p u/a/b; cd u; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20
        do test -e f$i || echo $i > f$i; test -s f$i; read x < f$i; mv f$i a/g$i; test -e f$i
        done; mv a c; ls c > list; cat list c/g1; rm -r c";
    same_plan(at, "rm -rf u", &["sh", "-c", script]);
}

#[test]
fn git_and_python_have_the_same_plan() {
    if !have("git") {
        return;
    }
    let directory = workspace();
    sh(directory.path(), TREE);
    let repository = "git init -q; git config user.name a; git config user.email a@b; \
        git config core.preloadIndex false; git add .; git commit -qm one; sleep 1.1; git status";
    sh(directory.path(), repository);
    let at = directory.path();
    let git = ["git", "--no-optional-locks"];
    same_plan(at, "", &[git[0], git[1], "status", "--short"]);
    same_plan(at, "", &[git[0], git[1], "grep", "--threads=1", "12"]);
    same_plan(at, "", &[git[0], git[1], "log", "--stat"]);
    // What is first on PATH may be a script that looks for it.
    if Path::new("/usr/bin/python3").exists() {
        let script = "import json, email.message, unittest";
        same_plan(at, "", &["/usr/bin/python3", "-B", "-c", script]);
    }
}

/// Signals whose handler makes a call by itself, while directories are made and removed.
const WAKEUPS: &str = "
import os, signal
reader, writer = os.pipe()
os.set_blocking(writer, False)
signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for _ in range(2000):
    os.mkdir('made')
    os.rmdir('made')
signal.setitimer(signal.ITIMER_REAL, 0)
";

#[test]
fn a_call_that_a_signal_came_before_is_told_once_and_was_not_interrupted() {
    if !have("python3") {
        return;
    }
    let directory = workspace();
    let (at, trace) = (directory.path(), directory.path().join("trace"));
    let command = ["python3", "-c", WAKEUPS];
    let output = record_with(&["--backend", "inside"], at, &trace, &command);
    assert!(output.status.success(), "{}", text(&output));
    let mut reader = fsreplay_trace::format::open(&trace).expect("a trace");
    let mut results = [Vec::new(), Vec::new()];
    while let Some(record) = reader.next_record().expect("whole") {
        let Record::Event(event) = record else {
            continue;
        };
        match event.call.name() {
            "mkdir" | "mkdirat" => results[0].push(event.result),
            "rmdir" | "unlinkat" => results[1].push(event.result),
            _ => {}
        }
    }
    for results in results {
        assert!(results.iter().all(|result| *result == 0), "{results:?}");
        assert_eq!(results.len(), 2000);
    }
}

#[test]
fn an_ordinary_user_s_tools_are_recorded_inside() {
    if !is_root() || !have("setpriv") {
        println!("skipped: all other tests here are an ordinary user's already");
        return;
    }
    // Below the system's own temporary directory, because that of the build may not be another's.
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    sh(at, &format!("chmod 777 .; {TREE}"));
    std::fs::copy(env!("CARGO_BIN_EXE_fsreplay"), at.join("fsreplay")).expect("copied");
    let script = "./fsreplay record -q --backend inside -o t.zst -- ls -lR .
        ./fsreplay info --json - t.zst";
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .args(["sh", "-euc", script])
        .current_dir(at)
        .env("HOME", at)
        .output()
        .expect("setpriv runs");
    assert!(output.status.success(), "{}", text(&output));
    let said = String::from_utf8_lossy(&output.stdout);
    let (_, json) = said.split_once("\n{").expect("a result behind the list");
    let info: serde_json::Value = serde_json::from_str(&format!("{{{json}")).expect("JSON");
    assert!(info["recorded_inside"].as_u64() > Some(300), "{info:#}");
    let warnings: BTreeSet<String> =
        serde_json::from_value(info["warnings"].clone()).expect("texts");
    assert!(warnings.is_empty(), "{warnings:?}");
}

/// Forbids itself and its threads to ask for the time, and goes on with calls that are far apart.
const FORBIDS: &str = r#"
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
static volatile unsigned work;
static void *looks(void *rounds) {
    struct stat found;
    for (long i = 0; i < (long)rounds; i++) {
        if (stat("/", &found)) _exit(3);
        for (int spent = 0; spent < 1000000; spent++) work += spent;
    }
    return 0;
}
int main(void) {
    struct sock_filter refuses[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog all = { 4, refuses };
    struct stat found;
    pthread_t thread;
    for (int i = 0; i < 300; i++) stat("/", &found);
    pthread_create(&thread, 0, looks, (void *)60);
    looks((void *)20);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return 4;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &all)) return 5;
    looks((void *)20);
    pthread_join(thread, 0);
    return 0;
}"#;

#[test]
fn a_tool_s_own_filter_meets_no_call_that_the_tool_didn_t_make() {
    let directory = workspace();
    let (at, trace) = (directory.path(), directory.path().join("trace"));
    if !compile(at, "forbids", FORBIDS, "") {
        return;
    }
    let output = record_with(&["--backend", "inside"], at, &trace, &["./forbids"]);
    assert!(output.status.success(), "{}", text(&output));
    // It was inside when the filter came.
    let (_, footer) = planned(&trace, at);
    assert!(footer.recorded_inside > 200, "{}", footer.recorded_inside);
}

/// Gives memory back that is of no file, and tells how often it was put off its processor
/// meanwhile, as at each stop.
const GIVES_BACK: &str = r#"
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
static int gives(void) {
    char *memory = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memory[0] = 1;
    return madvise(memory, 4096, MADV_DONTNEED) || munmap(memory, 8192);
}
static void *idles(void *end) {
    char byte;
    read(*(int *)end, &byte, 1);
    return 0;
}
int main(void) {
    struct rusage before, after;
    struct stat found;
    for (int i = 0; i < 100; i++) stat("/", &found);
#ifdef THREAD
    /* its process doesn't suffer a breakpoint at first */
    int ends[2];
    pthread_t thread;
    signal(SIGTRAP, SIG_IGN);
    if (pipe(ends) || pthread_create(&thread, 0, idles, ends)) return 5;
    for (int i = 0; i < 20; i++) if (gives()) return 3;
    signal(SIGTRAP, SIG_DFL);
#endif
    getrusage(RUSAGE_THREAD, &before);
    for (int i = 0; i < 1000; i++) if (gives()) return 3;
    getrusage(RUSAGE_THREAD, &after);
    _exit(after.ru_nvcsw - before.ru_nvcsw > 500);
}"#;

#[test]
fn calls_that_are_no_events_have_sites_too() {
    let directory = workspace();
    let (at, trace) = (directory.path(), directory.path().join("trace"));
    for options in ["", "-DTHREAD"] {
        if !compile(at, "gives", GIVES_BACK, options) {
            return;
        }
        let output = record_with(&["--backend", "inside"], at, &trace, &["./gives"]);
        assert!(output.status.success(), "{options} {}", text(&output));
    }
}

/// Four processes that each start children, and wait for them in both ways.
const WAITS_FOR_CHILDREN: &str = r#"
#define _GNU_SOURCE
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static int children(void) {
    for (int i = 0; i < 200; i++) {
        siginfo_t found;
        pid_t child = fork();
        if (child == 0) _exit(i % 7);
        if (i % 2 ? waitid(P_PID, child, &found, WEXITED) || found.si_status != i % 7
                  : waitpid(child, 0, 0) != child) return 3;
    }
    return 0;
}
static void heard(int signal) {}
int main(void) {
    int all = 0, status;
    signal(SIGCHLD, heard);
    for (int i = 0; i < 4; i++) if (fork() == 0) _exit(children());
    for (int i = 0; i < 4; i++) {
        wait(&status);
        all |= status;
    }
    return all != 0;
}"#;

#[test]
fn the_end_of_a_task_is_told_before_the_call_that_waited_for_it() {
    let directory = workspace();
    let (at, trace) = (directory.path(), directory.path().join("trace"));
    if !compile(at, "waits", WAITS_FOR_CHILDREN, "") {
        return;
    }
    let output = record_with(&["--backend", "inside"], at, &trace, &["./waits"]);
    assert!(output.status.success(), "{}", text(&output));
    let mut reader = fsreplay_trace::format::open(&trace).expect("a trace");
    let (mut known, mut ended) = (HashMap::new(), HashSet::new());
    let mut waits = 0u64;
    while let Some(record) = reader.next_record().expect("whole") {
        match record {
            Record::TaskStart(start) => {
                known.insert(start.task, start.tid);
            }
            Record::TaskExit(exit) => {
                ended.insert(known[&exit.task]);
            }
            Record::Event(event) => {
                let child = match event.call.name() {
                    "wait4" => event.result as u32,
                    "waitid" => event.arg(ArgKind::Pid).expect("a number") as u32,
                    _ => continue,
                };
                assert!(ended.contains(&child), "{event:?}");
                waits += 1;
            }
            _ => {}
        }
    }
    assert_eq!(waits, 804);
    let inside = reader.footer().expect("an end").recorded_inside;
    assert!(inside > waits / 8, "{inside}");
}

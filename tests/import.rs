//! `import strace`: a log of this machine's strace and a recording of the same run tell the same,
//! and what was imported is replayed, inspected and explained as what was recorded is.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{fsreplay, have, play, record, sh, text, workspace};
use serde_json::Value;

/// A command's log and trace, of the same state of a directory.
struct Run {
    dir: tempfile::TempDir,
    work: PathBuf,
}

impl Run {
    fn new(script: &str) -> Run {
        let dir = workspace();
        let work = dir.path().join("work");
        std::fs::create_dir(&work).expect("a directory");
        sh(&work, script);
        Run { dir, work }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a command under strace with these options and imports the log, or logs.
    fn import(&self, options: &[&str], command: &[&str]) -> PathBuf {
        let log = self.file("log");
        let output = Command::new("strace")
            .args(options)
            .arg("-o")
            .arg(&log)
            .args(command)
            .current_dir(&self.work)
            .output()
            .expect("strace runs");
        assert!(
            output.status.success(),
            "{options:?} {command:?}: {}",
            text(&output)
        );
        let names = std::fs::read_dir(self.dir.path())
            .expect("listed")
            .map(|entry| entry.expect("an entry").path());
        let is_log = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem == "log");
        let logs: Vec<PathBuf> = names.filter(is_log).collect();
        let trace = self.file("imported.zst");
        let output = fsreplay()
            .args(["import", "strace", "--force", "-o"])
            .arg(&trace)
            .arg("--cwd")
            .arg(&self.work)
            .args(&logs)
            .output()
            .expect("fsreplay runs");
        assert!(output.status.success(), "{}", text(&output));
        for log in logs {
            std::fs::remove_file(log).expect("removed");
        }
        trace
    }

    fn record(&self, command: &[&str]) -> PathBuf {
        let trace = self.file("recorded.zst");
        let output = record(&self.work, &trace, command);
        assert!(output.status.success(), "{command:?}: {}", text(&output));
        trace
    }
}

fn json(arguments: &[&str], trace: &Path) -> Value {
    let output = fsreplay()
        .args(arguments)
        .arg(trace)
        .args(["--json", "-"])
        .output()
        .expect("fsreplay runs");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)))
}

/// How often each call was made and failed.
fn calls(trace: &Path) -> Vec<(String, u64, u64)> {
    let info = json(&["info"], trace);
    let calls = info["calls"].as_object().expect("calls");
    let number = |call: &Value, name: &str| call[name].as_u64().expect("a number");
    let calls = calls.iter();
    calls
        .map(|(name, call)| (name.clone(), number(call, "count"), number(call, "errors")))
        .collect()
}

const TREE: &str = "mkdir -p a/b c; for i in 1 2 3 4 5; do echo $i > a/f$i; echo $i$i > a/b/g$i; \
    done; ln -s ../a/f1 c/link; ln a/f2 c/hard";

#[test]
fn a_log_and_a_trace_of_one_run_have_the_same_calls() {
    if !have("strace") {
        return;
    }
    let run = Run::new(TREE);
    let script = "cat a/f1 c/link; ls -lR a >/dev/null; (cat a/f3 | wc -l) >/dev/null; mkdir n; \
        cp a/f4 n/x; mv n/x n/y; cat n/x 2>/dev/null || :; rm -r n; cd a; cat b/g1 >/dev/null";
    let commands: [&[&str]; 3] = [
        &["sh", "-c", script],
        &["find", ".", "-type", "l"],
        &["tar", "cf", "/dev/null", "a", "c"],
    ];
    for command in commands {
        let recorded = calls(&run.record(command));
        assert!(recorded.len() > 8, "{recorded:?}");
        for options in [
            &["-f"][..],
            &["-f", "-ttt", "-T"],
            &["-f", "-tt", "-T", "-y"],
            &["-f", "-r", "-yy", "-s", "0"],
            &["-f", "-v", "-ttt", "-T", "-yy", "-s", "4096"],
            &["-ff", "-ttt", "-T", "-y"],
        ] {
            let imported = calls(&run.import(options, command));
            assert_eq!(imported, recorded, "strace {options:?} {command:?}");
        }
    }
}

#[test]
fn what_was_imported_is_replayed_with_the_same_outcomes() {
    if !["strace", "git", "tar", "python3"]
        .iter()
        .all(|tool| have(tool))
    {
        return;
    }
    let git = "git init -q . && git add . && \
        git -c user.email=a@b.c -c user.name=n commit -q -m m";
    let run = Run::new(&format!("{TREE}; {git}"));
    let commands: [&[&str]; 4] = [
        &["find", ".", "-size", "+1"],
        &["git", "status", "--short"],
        &["tar", "cf", "out.tar", "a", "c"],
        &["python3", "-c", "import json, email, http.client"],
    ];
    for command in commands {
        for options in [&["-f"][..], &["-f", "-ttt", "-T", "-y"]] {
            let trace = run.import(options, command);
            let _ = std::fs::remove_file(run.work.join("out.tar"));
            let replay = play(&trace, run.dir.path());
            assert!(
                replay.fidelity() >= 0.99,
                "{options:?} {command:?}: {:#}",
                replay.json["divergence_groups"]
            );
            let unresolved = replay.json["coverage"]["unresolved"]
                .as_u64()
                .expect("a number");
            assert!(
                unresolved * 100 <= replay.number("events"),
                "{unresolved} unresolved"
            );
        }
    }
}

/// Calls that a replay issues, by name: how often, and how often one fails. These are what file
/// time consists of; `fsreplay-bench imports` measures it, replay for replay.
fn issued(trace: &Path, parent: &Path) -> Vec<(String, u64, u64)> {
    let replay = play(trace, parent);
    let calls = replay.json["rounds"][0]["calls"]
        .as_array()
        .expect("calls")
        .iter();
    let number = |call: &Value, name: &str| call[name].as_u64().expect("a number");
    let one = |call: &Value| {
        let name = call["name"].as_str().expect("a name").to_owned();
        (name, number(call, "count"), number(call, "errors"))
    };
    let mut calls: Vec<_> = calls.map(one).collect();
    calls.sort_unstable();
    calls
}

#[test]
fn replays_of_a_log_and_of_a_trace_issue_the_same_calls() {
    if !["strace", "tar"].iter().all(|tool| have(tool)) {
        return;
    }
    let run = Run::new(TREE);
    let commands: [&[&str]; 2] = [
        &["find", "-L", ".", "-size", "+0"],
        &["tar", "cf", "/dev/null", "a", "c"],
    ];
    for command in commands {
        let recorded = issued(&run.record(command), run.dir.path());
        let log = run.import(&["-f", "-ttt", "-T", "-y"], command);
        assert!(recorded.len() > 5, "{recorded:?}");
        assert_eq!(issued(&log, run.dir.path()), recorded, "{command:?}");
    }
}

#[test]
fn what_was_imported_is_explained_with_what_is_not_known() {
    if !have("strace") {
        return;
    }
    let run = Run::new(TREE);
    let script = "i=0; while [ $i -lt 50 ]; do i=$((i+1)); test -e missing$i; done; true";
    let trace = run.import(&["-f", "-ttt", "-T"], &["sh", "-c", script]);
    let info = json(&["info"], &trace);
    assert_eq!(info["backend"], "imported from strace, not known: tree");
    let warnings = info["warnings"].to_string();
    assert!(warnings.contains("inferred"), "{warnings}");
    let inspect = json(&["inspect"], &trace);
    let caveats = inspect["caveats"].to_string();
    assert!(caveats.contains("imported from strace"), "{caveats}");
    let found = inspect["findings"].as_array().expect("findings").iter();
    let misses = found.filter(|one| one["kind"] == "failed-lookups");
    let count: u64 = misses.filter_map(|one| one["count"].as_u64()).sum();
    assert!(count >= 50, "{inspect:#}");
    assert!(
        inspect["share"]["file_share"].is_number(),
        "{}",
        inspect["share"]
    );
    let why = json(&["why", "--budget", "2s", "--target", "m=/dev/shm"], &trace);
    assert_eq!(why["inspect"]["events"], inspect["events"]);
    let screen = fsreplay()
        .args(["why", "--budget", "2s", "--target", "m=/dev/shm"])
        .arg(&trace)
        .output();
    let screen = text(&screen.expect("fsreplay runs"));
    assert!(screen.contains("imported from strace"), "{screen}");
    assert!(!screen.contains("on another machine"), "{screen}");
    let fast = [
        "compare",
        "--timing",
        "fast",
        "--rounds",
        "2",
        "--target",
        "m=/dev/shm",
    ];
    let caveats = json(&fast, &trace)["caveats"].to_string();
    assert!(caveats.contains("imported from strace"), "{caveats}");
    assert!(!caveats.contains("another machine"), "{caveats}");
    // Without times nothing is said of how much file access takes.
    let trace = run.import(&["-f"], &["sh", "-c", script]);
    let inspect = json(&["inspect"], &trace);
    assert_eq!(inspect["share"], Value::Null);
}

#[test]
fn what_is_no_log_is_refused_with_a_line() {
    let dir = workspace();
    let notes = dir.path().join("notes.txt");
    std::fs::write(&notes, "first\nsecond\n").expect("written");
    let import = |log: &Path, more: &[&str]| {
        let mut command = fsreplay();
        command
            .args(["import", "strace", "-o"])
            .arg(dir.path().join("t.zst"));
        command.arg(log).args(more).output().expect("fsreplay runs")
    };
    let output = import(&notes, &[]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(text(&output).contains("line 1"), "{}", text(&output));
    assert!(!dir.path().join("t.zst").exists());
    assert_eq!(import(&dir.path().join("gone"), &[]).status.code(), Some(3));
    assert_eq!(
        import(&notes, &["--cwd", "relative"]).status.code(),
        Some(2)
    );
}

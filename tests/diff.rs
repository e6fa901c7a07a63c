//! `diff`: a planted change is found, and two recordings of one run differ in nothing.

mod common;

use std::path::{Path, PathBuf};

use common::{fsreplay, record, sh, text, workspace};
use serde_json::Value;

const TREE: &str = "mkdir -p a b; for i in 1 2 3; do echo $i > a/f$i; done";
/// Temporary names and ids of processes differ each time.
const RUN: &str = "cat a/f1 a/f2 > /dev/null; ls b > /dev/null; t=$(mktemp -d x.XXXXXXXX); \
    echo $$ > $t/pid.$$; test -e lock.$$; mv $t/pid.$$ $t/done; rm -r $t; true";

/// Records a script in a fresh copy of the tree.
fn recorded(dir: &Path, name: &str, script: &str) -> PathBuf {
    let work = dir.join("work");
    let _ = std::fs::remove_dir_all(&work);
    std::fs::create_dir(&work).expect("a directory");
    sh(&work, TREE);
    let trace = dir.join(name);
    let output = record(&work, &trace, &["sh", "-c", script]);
    assert!(output.status.success(), "{}", text(&output));
    trace
}

fn diff(before: &Path, after: &Path) -> Value {
    let output = fsreplay()
        .arg("diff")
        .args([before, after])
        .args(["--json", "-"])
        .output()
        .expect("fsreplay runs");
    assert!(output.status.success(), "{}", text(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn two_recordings_of_one_run_differ_in_nothing() {
    let dir = workspace();
    let traces = ["one.zst", "two.zst"].map(|name| recorded(dir.path(), name, RUN));
    let found = diff(&traces[0], &traces[1]);
    assert_eq!(found["different"], false, "{found:#}");
    let output = fsreplay()
        .args(["diff", "--strict"])
        .args(&traces)
        .output()
        .expect("runs");
    assert!(output.status.success(), "{}", text(&output));
    assert!(
        text(&output).contains("nothing came or went"),
        "{}",
        text(&output)
    );
}

/// Where a shell sends what a tool prints is no part of what the tool does, also where the second
/// run comes by the first one's file.
#[test]
fn another_file_for_the_output_is_no_difference() {
    let dir = workspace();
    let traces = ["one", "two"].map(|name| {
        let out = std::fs::File::create(dir.path().join(name)).expect("a file");
        let trace = dir.path().join(format!("{name}.zst"));
        let mut command = fsreplay();
        command
            .args(["record", "-q", "-o"])
            .arg(&trace)
            .args(["--", "ls", "."])
            .current_dir(&dir)
            .stdout(out);
        assert!(command.status().expect("fsreplay runs").success());
        trace
    });
    let found = diff(&traces[0], &traces[1]);
    assert_eq!(found["different"], false, "{found:#}");
}

#[test]
fn a_planted_change_is_told_and_nothing_else() {
    let dir = workspace();
    let before = recorded(dir.path(), "before.zst", RUN);
    let lookups = "i=0; while [ $i -lt 200 ]; do i=$((i+1)); test -e a/gone$i; done; ";
    let after = recorded(
        dir.path(),
        "after.zst",
        &format!("{lookups} ls b > /dev/null; {RUN}"),
    );
    let found = diff(&before, &after);
    let work = dir.path().join("work").display().to_string();
    let paths = found["paths"].as_array().expect("paths");
    let at = |path: &str| {
        paths
            .iter()
            .find(|one| one["path"] == format!("{work}/{path}"))
    };
    let gone = &at("a/gone#").unwrap_or_else(|| panic!("{found:#}"))["calls"];
    assert_eq!(gone.as_array().map(Vec::len), Some(1), "{found:#}");
    assert_eq!(
        (&gone[0]["count_before"], &gone[0]["failed_after"]),
        (&0.into(), &200.into())
    );
    let listed = at("b").unwrap_or_else(|| panic!("{found:#}"))["calls"]
        .as_array()
        .expect("calls")
        .iter()
        .find(|call| call["name"] == "getdents64")
        .unwrap_or_else(|| panic!("{found:#}"));
    assert_eq!(
        (&listed["count_before"], &listed["count_after"]),
        (&2.into(), &4.into())
    );
    // Besides the program that lists, and what it loads, nothing differs in the workspace.
    let inside: Vec<&Value> = paths
        .iter()
        .filter(|one| one["path"].as_str().is_some_and(|p| p.starts_with(&work)))
        .map(|one| &one["path"])
        .collect();
    assert!(
        inside.iter().all(|path| {
            let path = path.as_str().unwrap_or_default();
            path.ends_with("/gone#") || path.ends_with("work/b")
        }),
        "{inside:?}"
    );
    let waste = found["waste"].as_array().expect("waste");
    let misses = waste.iter().find(|one| one["finding"] == "failed-lookups");
    assert!(misses.is_some(), "{found:#}");
    let output = fsreplay()
        .args(["diff", "--strict"])
        .args([&before, &after])
        .output()
        .expect("fsreplay runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("gone#"), "{}", text(&output));
    let missing = fsreplay()
        .args(["diff", "gone.zst", "gone.zst"])
        .output()
        .expect("runs");
    assert_eq!(missing.status.code(), Some(3));
}

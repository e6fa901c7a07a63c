//! `fsreplay report` on results that this fsreplay writes, and what is generated from the command
//! line's definitions.

mod common;

use std::fs;
use std::path::Path;

use common::{fsreplay, record_with, text, workspace};

fn written(dir: &Path, name: &str, args: &[&str]) {
    let output = fsreplay()
        .args(args)
        .args(["--json", name])
        .current_dir(dir)
        .output()
        .expect("runs");
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn results_of_inspect_and_play_make_one_page_about_one_trace() {
    let dir = workspace();
    let root = dir.path();
    fs::write(root.join("<b>"), "x").expect("written");
    let trace = root.join("t.zst");
    record_with(&["--keep-arguments"], root, &trace, &["cat", "<b>"]);
    written(root, "i.json", &["inspect", "t.zst"]);
    written(root, "p.json", &["play", "t.zst", "--target", "."]);
    let output = fsreplay()
        .args(["report", "p.json", "i.json", "--html", "r.html"])
        .current_dir(root)
        .output()
        .expect("runs");
    assert!(output.status.success(), "{}", text(&output));
    let page = fs::read_to_string(root.join("r.html")).expect("a page");
    assert!(page.contains("cat &lt;b&gt;") && !page.contains("<b>"));
    for section in [
        "What it does without need",
        "Single replays",
        "Where the time goes",
        "How it was measured",
    ] {
        assert!(page.contains(section), "no {section}");
    }
    assert!(!page.contains("recorded commands"), "taken for two traces");
}

#[test]
fn what_is_no_result_is_said_and_leaves_no_page() {
    let dir = workspace();
    let root = dir.path();
    fs::write(root.join("text"), "hello").expect("written");
    fs::write(root.join("new"), r#"{"schema_version":9,"kind":"play"}"#).expect("written");
    for (input, told) in [
        ("text", "not JSON"),
        ("new", "schema version 9"),
        ("absent", "No such file"),
    ] {
        let output = fsreplay()
            .args(["report", input, "--html", "r.html"])
            .current_dir(root)
            .output()
            .expect("runs");
        assert_eq!(output.status.code(), Some(3), "{}", text(&output));
        assert!(text(&output).contains(told), "{}", text(&output));
        assert!(!root.join("r.html").exists());
    }
}

#[test]
fn what_else_lies_beside_results_is_passed_over_and_said() {
    let dir = workspace();
    let root = dir.path();
    let write = |name: &str, text: &str| fs::write(root.join(name), text).expect("written");
    write("a.json", r#"{"schema_version":2,"kind":"play","events":3}"#);
    write("package.json", r#"{"name":"app"}"#);
    write("tsconfig.json", "{ // as editors take it\n}");
    let report = |inputs: &[&str]| {
        let output = fsreplay()
            .arg("report")
            .args(inputs)
            .args(["--html", "r.html"])
            .current_dir(root)
            .output();
        output.expect("runs")
    };
    let output = report(&["a.json", "package.json", "tsconfig.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    for name in ["package.json", "tsconfig.json"] {
        assert!(
            text(&output).contains(&format!("passed over: {name}")),
            "{}",
            text(&output)
        );
    }
    assert!(root.join("r.html").exists());
    // One that was cut off is none of others'.
    write("cut.json", r#"{"schema_version":2,"kind":"pl"#);
    let output = report(&["a.json", "cut.json"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = fsreplay()
            .args(["completions", shell])
            .output()
            .expect("runs");
        assert!(output.status.success(), "{}", text(&output));
        for command in ["record", "play", "inspect", "report"] {
            assert!(text(&output).contains(command), "{shell}: no {command}");
        }
    }
    let output = fsreplay()
        .args(["completions", "dcl"])
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn every_command_has_a_manual_page() {
    let dir = workspace();
    let output = fsreplay()
        .args(["man", "share/man1"])
        .current_dir(dir.path())
        .output()
        .expect("runs");
    assert!(output.status.success(), "{}", text(&output));
    for (page, told) in [
        ("fsreplay.1", "divergences"),
        ("fsreplay-record.1", "COMMAND"),
        ("fsreplay-report.1", "html"),
    ] {
        let text = fs::read_to_string(dir.path().join("share/man1").join(page)).expect("a page");
        assert!(text.contains(".TH") && text.contains(told), "{page}");
    }
    let output = fsreplay().arg("man").output().expect("runs");
    assert!(text(&output).contains(".SH NAME"));
}

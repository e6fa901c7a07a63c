//! What a trace tells: secrets are put wherever a tool can put them, and looked for in unpacked
//! traces, plain and anonymized; anonymized ones replay as they did.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{fsreplay, have, play, sh, text, workspace};
use fsreplay_trace::format::{self, TraceWriter, WriterOptions};
use fsreplay_trace::model::{Event, NodeId, Record, StringId};
use serde_json::Value;

/// What all secrets begin with: too long to be drawn by chance.
const MARK: &str = "kvtqzxjw";
const CONTENTS: &str = "kvtqzxjwcontents";
const ARGUMENT: &str = "kvtqzxjwargument";
const ENVIRONMENT: &str = "kvtqzxjwenvironment";
const NAME: &str = "kvtqzxjwname";
const ATTRIBUTE: &str = "kvtqzxjwattribute";
const VALUE: &str = "kvtqzxjwvalue";
const LINK: &str = "kvtqzxjwlink";

/// In no trace.
const NEVER: [&str; 3] = [CONTENTS, ENVIRONMENT, VALUE];
/// In each that isn't anonymized.
const NAMES: [&str; 3] = [NAME, ATTRIBUTE, LINK];

/// A tool that meets a secret in every place.
const TOOL: &str = r#"
import os, subprocess, sys
secret = open("kvtqzxjwname.txt").read() + os.environ["TOKEN"] + sys.argv[1]
open("out.txt", "w").write(secret)
os.symlink("../kvtqzxjwlink/./x", "link")
assert os.readlink("link") == "../kvtqzxjwlink/./x"
os.setxattr("out.txt", "user.kvtqzxjwattribute", b"kvtqzxjwvalue")
assert os.getxattr("out.txt", "user.kvtqzxjwattribute") == b"kvtqzxjwvalue"
os.listxattr("out.txt")
os.mkdir("deep-kvtqzxjwname")
os.rename("out.txt", "deep-kvtqzxjwname/KVTQZXJWNAME.json")
os.stat("deep-kvtqzxjwname/./../kvtqzxjwname.txt")
os.listdir("deep-kvtqzxjwname")
subprocess.run(["/bin/sh", "-c", ": > deep-kvtqzxjwname/$1", "sh", sys.argv[1].split("=")[1][:8]])
"#;

/// Records the tool, and gives the trace.
fn record_tool(dir: &Path, trace: &Path, options: &[&str]) {
    let _ = fs::remove_dir_all(dir.join("work"));
    let work = dir.join("work");
    fs::create_dir(&work).expect("made");
    fs::write(work.join("tool.py"), TOOL).expect("written");
    fs::write(work.join(format!("{NAME}.txt")), CONTENTS).expect("written");
    let output = fsreplay()
        .args(["record", "-q", "--force"])
        .args(options)
        .arg("-o")
        .arg(trace)
        .args(["--", "python3", "-B", "tool.py"])
        .arg(format!("--password={ARGUMENT}"))
        .env("TOKEN", ENVIRONMENT)
        .current_dir(work)
        .output()
        .expect("fsreplay runs");
    assert!(output.status.success(), "{}", text(&output));
}

fn anonymize(trace: &Path, to: &Path) {
    let output = fsreplay()
        .arg("anonymize")
        .arg(trace)
        .arg("-o")
        .arg(to)
        .args(["-q", "--force"])
        .output()
        .expect("fsreplay runs");
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).is_empty(), "{}", text(&output));
}

/// Which of some secrets are in a trace, whatever the case of their letters: in its unpacked bytes,
/// or in its names and strings, of which these bytes hold what they don't share with others.
fn found(trace: &Path, secrets: &[&'static str]) -> Vec<&'static str> {
    let packed = fs::read(trace).expect("the trace");
    let mut bytes = zstd::stream::decode_all(&packed[..]).expect("a zstd file");
    let mut reader = format::open(trace).expect("a trace");
    while reader.next_record().expect("a record").is_some() {}
    let tables = reader.tables();
    for id in 0..tables.node_count() as u32 {
        bytes.extend_from_slice(&tables.path(NodeId(id)));
    }
    for id in 0..tables.string_count() as u32 {
        bytes.extend_from_slice(tables.string(StringId(id)));
    }
    let is_in = |secret: &&&'static str| {
        let mut parts = bytes.windows(secret.len());
        parts.any(|part| part.eq_ignore_ascii_case(secret.as_bytes()))
    };
    secrets.iter().filter(is_in).copied().collect()
}

fn info(trace: &Path) -> (Value, String) {
    let run = |arguments: &[&str]| {
        let output = fsreplay()
            .arg("info")
            .args(arguments)
            .arg(trace)
            .output()
            .expect("fsreplay runs");
        assert!(output.status.success(), "{}", text(&output));
        output.stdout
    };
    let json = serde_json::from_slice(&run(&["--json", "-"])).expect("JSON");
    (json, String::from_utf8_lossy(&run(&[])).into_owned())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("stat").permissions().mode() & 0o7777
}

#[test]
fn secrets_are_where_the_documentation_says_and_nowhere_in_an_anonymized_trace() {
    if !have("python3") {
        return;
    }
    let dir = workspace();
    let trace = dir.path().join("plain.zst");
    let other = dir.path().join("other.zst");
    record_tool(dir.path(), &trace, &[]);
    assert_eq!(found(&trace, &NEVER), [""; 0]);
    assert_eq!(found(&trace, &[ARGUMENT]), [""; 0]);
    assert_eq!(found(&trace, &NAMES), NAMES);
    let (json, shown) = info(&trace);
    assert_eq!(json["command"], serde_json::json!(["python3"]));
    assert_eq!(json["reveals"]["programs_with_arguments"], 0);
    assert!(json["reveals"]["programs"].as_u64() >= Some(2), "{json}");
    assert_eq!(json["reveals"]["attribute_names"], 1);
    assert_eq!(json["reveals"]["anonymized"], false);
    assert!(json["reveals"]["names"].as_u64() > Some(10), "{json}");
    assert!(shown.contains("arguments of programs: no"), "{shown}");
    assert_eq!(mode(&trace), 0o600);
    anonymize(&trace, &other);
    assert_eq!(found(&other, &[NEVER, NAMES].concat()), [""; 0]);
    assert_eq!(found(&other, &[ARGUMENT, MARK]), [""; 0]);
    let (json, shown) = info(&other);
    assert_eq!(json["command"], serde_json::json!(["python3"]));
    assert_eq!(json["reveals"]["anonymized"], true);
    assert_eq!(json["reveals"]["mount_sources"], 0);
    assert!(shown.contains("replaced"), "{shown}");
    assert_eq!(mode(&other), 0o600);
    same_replay(&trace, &other);
}

#[test]
fn arguments_that_were_kept_are_told_and_go() {
    if !have("python3") {
        return;
    }
    let dir = workspace();
    let trace = dir.path().join("plain.zst");
    let other = dir.path().join("other.zst");
    record_tool(dir.path(), &trace, &["--keep-arguments"]);
    assert_eq!(found(&trace, &[ARGUMENT]), [ARGUMENT]);
    assert_eq!(found(&trace, &NEVER), [""; 0]);
    let (json, shown) = info(&trace);
    assert_eq!(json["command"][3], format!("--password={ARGUMENT}"));
    let programs = &json["reveals"]["programs_with_arguments"];
    assert!(programs.as_u64() >= Some(2), "{json}");
    assert!(shown.contains("arguments of programs: yes"), "{shown}");
    anonymize(&trace, &other);
    assert_eq!(found(&other, &[ARGUMENT, "password", MARK]), [""; 0]);
    assert_eq!(info(&other).0["reveals"]["programs_with_arguments"], 0);
    same_replay(&trace, &other);
}

/// What a replay did, without times and names: counts by call, divergences by event.
fn outcome(replay: &common::Replay) -> Value {
    let json = &replay.json;
    let calls: BTreeMap<&str, (&Value, &Value)> = json["rounds"][0]["calls"]
        .as_array()
        .expect("calls")
        .iter()
        .map(|c| {
            (
                c["name"].as_str().expect("a name"),
                (&c["count"], &c["errors"]),
            )
        })
        .collect();
    let groups: Vec<Value> = json["divergence_groups"]
        .as_array()
        .expect("groups")
        .iter()
        .map(|group| {
            let examples = group["examples"]
                .as_array()
                .expect("examples")
                .iter()
                .map(|one| serde_json::json!([one["event"], one["expected"], one["got"]]));
            serde_json::json!([
                group["call"],
                group["cause"],
                group["count"],
                examples.collect::<Vec<_>>(),
            ])
        })
        .collect();
    serde_json::json!({
        "events": json["events"], "divergences": json["divergences"], "threads": json["threads"],
        "coverage": json["coverage"], "notes": json["notes"], "calls": calls, "groups": groups,
        "left_out": json["rounds"][0]["left_out"],
    })
}

/// Replays both and demands that they do the same; gives the number of divergences.
fn same_replay(trace: &Path, other: &Path) -> u64 {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (was, is) = (play(trace, target), play(other, target));
    assert_eq!(outcome(&was), outcome(&is), "{}", trace.display());
    was.number("divergences")
}

/// What an inspection finds, without names.
fn inspected(trace: &Path) -> Value {
    let output = fsreplay()
        .args(["inspect", "--json", "-"])
        .arg(trace)
        .output()
        .expect("fsreplay runs");
    assert!(output.status.success(), "{}", text(&output));
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let list = |name: &str| json[name].as_array().expect("a list").clone();
    let findings: Vec<Value> = list("findings")
        .iter()
        .map(|f| serde_json::json!([f["kind"], f["count"], f["seconds"], f["bytes"], f["paths"]]))
        .collect();
    let mounts: Vec<Value> = list("mounts")
        .iter()
        .map(|m| serde_json::json!([m["fs_type"], m["remote"], m["count"], m["seconds"]]))
        .collect();
    serde_json::json!({
        "totals": json["totals"], "calls": json["calls"], "findings": findings, "mounts": mounts,
        "programs": list("programs").len(), "processes": list("processes").len(),
    })
}

fn library(name: &str) -> PathBuf {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/library");
    library.join(format!("{name}.zst"))
}

#[test]
fn anonymized_traces_of_the_library_replay_as_they_did() {
    let dir = workspace();
    let other = dir.path().join("other.zst");
    for name in [
        "cargo-build",
        "git-status",
        "go-build",
        "npm-ci",
        "pip-install",
        "python-imports",
        "sqlite3",
        "tar",
        "tsc",
    ] {
        let trace = library(name);
        anonymize(&trace, &other);
        assert_eq!(same_replay(&trace, &other), 0, "{name}");
        assert_eq!(inspected(&trace), inspected(&other), "{name}");
        // The directory that it was recorded in is still known for one; what lies there isn't.
        let (json, _) = info(&other);
        let cwd = json["cwd"].as_str().expect("a path");
        assert!(cwd.starts_with("/workspaces/"), "{cwd}");
    }
}

/// A trace as it is, but for some outcomes: what succeeded is told to have failed.
fn with_wrong_outcomes(trace: &Path, to: &Path) {
    let mut reader = format::open(trace).expect("a trace");
    let file = fs::File::create(to).expect("made");
    let options = WriterOptions::default();
    let mut writer = TraceWriter::new(file, reader.header(), options).expect("begun");
    let (mut strings, mut nodes, mut events) = (0, 1, 0);
    while let Some(record) = reader.next_record().expect("a record") {
        let tables = reader.tables();
        for id in (nodes..tables.node_count() as u32).map(NodeId) {
            assert_eq!(writer.node(tables.parent(id), tables.name(id)), id);
        }
        for id in (strings..tables.string_count() as u32).map(StringId) {
            assert_eq!(writer.string(tables.string(id)), id);
        }
        (nodes, strings) = (tables.node_count() as u32, tables.string_count() as u32);
        let record = match record {
            Record::Event(event) => {
                events += 1;
                let is_look = event.call.name().contains("stat") && event.result == 0;
                let wrong = Event {
                    result: -i64::from(libc::ENOENT),
                    ..event
                };
                Record::Event(if is_look && events % 7 == 0 {
                    wrong
                } else {
                    event
                })
            }
            other => other,
        };
        writer.push(&record).expect("written");
    }
    let footer = reader.footer().expect("a footer");
    writer.finish(footer).expect("finished");
}

#[test]
fn what_diverges_still_does_at_the_same_events() {
    let dir = workspace();
    let wrong = dir.path().join("wrong.zst");
    let other = dir.path().join("other.zst");
    for name in ["tar", "python-imports"] {
        with_wrong_outcomes(&library(name), &wrong);
        anonymize(&wrong, &other);
        let divergences = same_replay(&wrong, &other);
        assert!(divergences > 50, "{name}: {divergences}");
    }
}

#[test]
fn anonymized_recordings_of_git_and_a_shell_replay_as_they_did() {
    if !have("git") {
        return;
    }
    let dir = workspace();
    sh(
        dir.path(),
        "git init -q repo && cd repo && git config user.email a@example.org &&
         git config user.name a && mkdir -p AcmeKvtqzx/deep &&
         for i in $(seq 30); do echo $i > AcmeKvtqzx/deep/ClientKvtqzx$i.txt; done &&
         ln -s ../AcmeKvtqzx/deep AcmeKvtqzx/link && ln -s \"$PWD/AcmeKvtqzx\" absolute &&
         printf x > \"$(printf 'odd\\377name \\033[1m')\" && git add -A && git commit -qm one",
    );
    let trace = dir.path().join("plain.zst");
    let other = dir.path().join("other.zst");
    for script in [
        "cd repo; git status --porcelain; git log > /dev/null",
        "cp -a repo copy; cat repo/absolute/deep/ClientKvtqzx1.txt missing 2> errors;
         cat repo/AcmeKvtqzx/link/ClientKvtqzx2.txt > out; readlink repo/absolute >> out;
         ls -R copy > list; cat < /proc/self/fd/0 >> out; rm -r copy",
    ] {
        let output = common::record(dir.path(), &trace, &["sh", "-c", script]);
        assert!(output.status.success(), "{}", text(&output));
        anonymize(&trace, &other);
        let names = ["AcmeKvtqzx", "ClientKvtqzx"];
        assert_eq!(found(&trace, &names), names);
        assert_eq!(found(&other, &names), [""; 0]);
        same_replay(&trace, &other);
    }
}

#[test]
fn anonymize_replaces_a_file_only_if_asked_to_and_leaves_nothing_of_a_failure() {
    let dir = workspace();
    let trace = library("sqlite3");
    let to = dir.path().join("out.zst");
    let run = |trace: &Path, to: &Path, options: &[&str]| {
        let mut command: Command = fsreplay();
        command.arg("anonymize").arg(trace).arg("-o").arg(to);
        let output = command.args(options).output().expect("fsreplay runs");
        (output.status.code(), text(&output))
    };
    let (code, message) = run(&trace, &to, &[]);
    assert_eq!(code, Some(0), "{message}");
    assert!(message.contains("names replaced"), "{message}");
    let first = fs::read(&to).expect("written");
    let (code, message) = run(&trace, &to, &[]);
    assert_eq!(
        (code, message.contains("--force")),
        (Some(2), true),
        "{message}"
    );
    assert_eq!(fs::read(&to).expect("left"), first);
    assert_eq!(run(&to, &to, &["--force"]).0, Some(0));
    assert_ne!(fs::read(&to).expect("replaced"), first);
    assert_eq!(run(&trace, dir.path(), &["--force"]).0, Some(2));
    // Damaged in its last block: what is written of it by then goes.
    let mut damaged = fs::read(library("tar")).expect("a trace");
    let at = damaged.len() - 3000;
    damaged[at] ^= 0xff;
    let broken = dir.path().join("broken.zst");
    fs::write(&broken, damaged).expect("written");
    let (code, message) = run(&broken, &dir.path().join("new.zst"), &[]);
    assert_eq!(code, Some(3), "{message}");
    let mut left: Vec<_> = fs::read_dir(dir.path())
        .expect("listed")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["broken.zst", "out.zst"]);
}

//! `fsreplay inspect` on recordings of tools that work, wait for the outside, and work again.

mod common;

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{ChildStdout, Stdio};
use std::time::Duration;

use common::{answers, fsreplay, have, record, text, workspace};
use serde_json::Value;

/// Works, sleeps; waits for a connection, for a change, for a line; works each time in a directory
/// of its own.
const TOOL: &str = r#"
import ctypes, os, socket, sys, time

def work(name):
    os.mkdir(name)
    for n in range(300):
        open(f"{name}/{n}", "w").close()

work("first")
time.sleep(2)
work("second")
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen()
print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
work("third")
c = ctypes.CDLL(None)
watch = c.inotify_init()
c.inotify_add_watch(watch, b"first", 0x100)
print("watching", flush=True)
os.read(watch, 4096)
work("fourth")
print("reading", flush=True)
sys.stdin.buffer.raw.read(1)
work("fifth")
"#;

/// More than a pause of a tool that works.
const WAIT: Duration = Duration::from_secs(3);

fn line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    output.read_line(&mut line).expect("a line of the tool");
    // By then the tool may not wait yet, but it does when this is over.
    std::thread::sleep(WAIT);
    line.trim().to_owned()
}

fn inspected(trace: &std::path::Path) -> Value {
    let output = fsreplay()
        .arg("inspect")
        .arg(trace)
        .args(["--json", "-"])
        .output()
        .expect("fsreplay runs");
    assert!(output.status.success(), "{}", text(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The phase whose work was in the directory of that name.
fn phase<'j>(told: &'j Value, directory: &str) -> &'j Value {
    let phases = told["phases"].as_array().expect("phases");
    let mut found = phases.iter().filter(|phase| {
        phase["directory"]
            .as_str()
            .is_some_and(|path| path.ends_with(directory))
    });
    found
        .next()
        .unwrap_or_else(|| panic!("no work in {directory} in {phases:?}"))
}

#[test]
fn each_wait_for_the_outside_ends_a_phase_and_what_came_names_the_next() {
    if !have("python3") {
        return;
    }
    let dir = workspace();
    let work = dir.path().join("work");
    std::fs::create_dir(&work).expect("a directory");
    let trace = dir.path().join("t.zst");
    let mut tool = fsreplay()
        .args(["record", "-q", "-o"])
        .arg(&trace)
        .args(["--", "python3", "-c", TOOL])
        .current_dir(&work)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("fsreplay runs");
    let mut output = BufReader::new(tool.stdout.take().expect("its output"));
    let port: u16 = line(&mut output).parse().expect("a port");
    let connection = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    assert_eq!(line(&mut output), "watching");
    std::fs::write(work.join("first/new"), "").expect("a change");
    assert_eq!(line(&mut output), "reading");
    std::io::Write::write_all(&mut tool.stdin.take().expect("its input"), b"x").expect("written");
    assert!(tool.wait().expect("its end").success());
    drop(connection);
    let told = inspected(&trace);
    let phases = ["second", "third", "fourth", "fifth"];
    let kinds = phases.map(|name| phase(&told, name)["kind"].as_str().unwrap_or_default());
    assert_eq!(kinds, ["work", "request", "rebuild", "input"]);
    assert_eq!(told["phases"][0]["name"], "start");
    assert!(phase(&told, "third")["opens"].as_u64() >= Some(300));
    // Four waits, three of which the tool may have come late to.
    let waited = told["waiting_seconds"].as_f64();
    assert!(waited > Some(1.4), "{waited:?}");
    let shown = fsreplay().arg("inspect").arg(&trace).output();
    let shown = text(&shown.expect("fsreplay runs"));
    assert!(
        shown.contains("rebuild") && shown.contains("request"),
        "{shown}"
    );
    let timeline = shown
        .split("\nworked")
        .nth(1)
        .unwrap_or_default()
        .split("\n   call")
        .next()
        .unwrap_or_default();
    let wide: Vec<&str> = timeline
        .lines()
        .filter(|line| line.chars().count() > 80)
        .collect();
    assert!(wide.is_empty(), "{wide:?}");
    work_is_compared_phase_by_phase(&trace, &told);
}

/// No time is looked at, but what is told apart: waits for the outside are no work on any mount.
fn work_is_compared_phase_by_phase(trace: &std::path::Path, told: &Value) {
    let (one, other) = (workspace(), workspace());
    let compare = |more: &[&str]| {
        let mut command = fsreplay();
        command.arg("compare").arg(trace).args(["--json", "-"]);
        for (name, dir) in [("one", &one), ("other", &other)] {
            let target = format!("{name}={}", dir.path().display());
            command.args(["--target", &target]);
        }
        command.args(["--rounds", "5"]).args(more);
        command.output().expect("fsreplay runs")
    };
    let output = compare(&[]);
    assert!(answers(output.status), "{}", text(&output));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let waited = told["waiting_seconds"].as_f64().expect("seconds");
    let outside = found["share"]["outside_seconds"].as_f64();
    assert!(outside > Some(waited / 2.0), "{outside:?} of {waited}");
    let phases = told["phases"].as_array().expect("phases");
    for target in found["targets"].as_array().expect("targets") {
        let of = target["phases"].as_array().expect("phases");
        let names =
            |all: &[Value]| -> Vec<Value> { all.iter().map(|p| p["name"].clone()).collect() };
        assert_eq!(names(of), names(phases));
        let sum: f64 = of
            .iter()
            .filter_map(|p| p["seconds"]["value"].as_f64())
            .sum();
        let all = target["seconds"]["value"].as_f64().expect("seconds");
        assert!(sum > 0.0, "{target}");
        // Times on other targets are the baseline's multiplied by a ratio each.
        let is_baseline = target["name"] == found["baseline"];
        assert!(!is_baseline || sum <= all * 1.001, "{sum} of {all}");
    }
    let output = compare(&["--phase", "rebuild"]);
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found["phase"], "rebuild");
    let output = compare(&["--phase", "rebuild 9"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output).contains("phases are: start"),
        "{}",
        text(&output)
    );
    assert_eq!(
        compare(&["--phase", "start", "--precise"]).status.code(),
        Some(2)
    );
}

#[test]
fn a_tool_that_works_through_is_one_phase() {
    let dir = workspace();
    let trace = dir.path().join("t.zst");
    let script = "for n in 1 2 3 4 5; do sleep 0.1; ls -R /usr/include | wc -l; done";
    let output = record(dir.path(), &trace, &["sh", "-c", script]);
    assert!(output.status.success(), "{}", text(&output));
    let told = inspected(&trace);
    let first = &told["phases"][0];
    assert_eq!(first["name"], "start");
    assert_eq!(first["first_event"], 0);
    let phases = told["phases"].as_array().expect("phases");
    let of_phases: u64 = phases.iter().filter_map(|p| p["events"].as_u64()).sum();
    let between = told["between"]["events"].as_u64().expect("events");
    assert_eq!(Some(of_phases + between), told["events"].as_u64());
    let busy = told["busy_seconds"].as_f64().expect("seconds");
    let waiting = told["waiting_seconds"].as_f64().expect("seconds");
    let elapsed = told["elapsed_seconds"].as_f64().expect("seconds");
    assert!(
        busy > 0.0 && waiting > 0.4 && busy + waiting <= elapsed * 1.001,
        "{told}"
    );
}

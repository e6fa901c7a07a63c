//! `fsreplay inspect` on a recorded workload with planted waste.

mod common;

use common::{fsreplay, have, record, text, workspace};
use serde_json::Value;

/// 500 lookups of 50 names in vain, 300 times the same status, a file read in portions of 4 bytes,
/// another read twenty times.
const TOOL: &str = r#"
import os
open("seen", "w").close()
with open("data", "w") as data: data.write("x" * 400)
for n in range(500):
    os.path.exists(f"searched/name{n % 50}")
for _ in range(300):
    os.stat("seen")
fd = os.open("data", os.O_RDONLY)
while os.read(fd, 4): pass
os.close(fd)
with open("again", "wb") as again: again.write(bytes(20000))
for _ in range(20):
    fd = os.open("again", os.O_RDONLY)
    while os.read(fd, 8192): pass
    os.close(fd)
"#;

/// What a finding says of the file of that name.
fn item<'j>(inspection: &'j Value, kind: &str, name: &str) -> &'j Value {
    let findings = inspection["findings"].as_array().expect("findings");
    let finding = findings.iter().find(|finding| finding["kind"] == kind);
    let items = finding.and_then(|finding| finding["items"].as_array());
    items
        .into_iter()
        .flatten()
        .find(|item| {
            item["path"]
                .as_str()
                .is_some_and(|path| path.ends_with(name))
        })
        .unwrap_or_else(|| panic!("no {kind} of {name} in {findings:?}"))
}

#[test]
fn planted_waste_is_found_with_right_counts() {
    if !have("python3") {
        return;
    }
    let dir = workspace();
    let work = dir.path().join("work");
    std::fs::create_dir(&work).expect("a directory");
    let trace = dir.path().join("t.zst");
    let output = record(&work, &trace, &["python3", "-c", TOOL]);
    assert!(output.status.success(), "{}", text(&output));
    let image = dir.path().join("flames.svg");
    let output = fsreplay()
        .arg("inspect")
        .arg(&trace)
        .args(["--top", "1000", "--json", "-", "--flamegraph"])
        .arg(&image)
        .output()
        .expect("fsreplay runs");
    assert!(output.status.success(), "{}", text(&output));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["kind"], "inspect");
    let missing = item(&told, "failed-lookups", "/work/searched");
    assert_eq!(
        (&missing["count"], &missing["entries"]),
        (&500.into(), &50.into())
    );
    assert_eq!(missing["exists"], false);
    assert_eq!(item(&told, "repeated-stats", "/work/seen")["count"], 300);
    let tiny = item(&told, "tiny-reads", "/work/data");
    assert_eq!((&tiny["count"], &tiny["bytes"]), (&100.into(), &400.into()));
    let again = item(&told, "repeated-reads", "/work/again");
    assert_eq!(
        (&again["count"], &again["bytes"]),
        (&20.into(), &(19 * 20000).into())
    );
    let image = std::fs::read_to_string(&image).expect("the flame graph");
    assert!(
        image.contains("<svg") && image.contains("searched"),
        "no flame graph"
    );
}

#[test]
fn what_is_no_trace_is_refused() {
    let dir = workspace();
    let file = dir.path().join("text");
    std::fs::write(&file, "no trace").expect("a file");
    let output = fsreplay()
        .arg("inspect")
        .arg(&file)
        .output()
        .expect("fsreplay runs");
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
}

#[test]
fn json_has_the_share_of_file_access() {
    let dir = workspace();
    let work = dir.path().join("work");
    std::fs::create_dir(&work).expect("a directory");
    let trace = dir.path().join("t.zst");
    let output = record(&work, &trace, &["sh", "-c", "echo x > a; cat a; sleep 0.2"]);
    assert!(output.status.success(), "{}", text(&output));
    let output = fsreplay()
        .arg("inspect")
        .arg(&trace)
        .args(["--json", "-"])
        .output()
        .expect("fsreplay runs");
    assert!(output.status.success(), "{}", text(&output));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let number = |key: &str| told["share"][key].as_f64().expect("a number");
    let share = number("file_share");
    assert!(share > 0.0 && share < 1.0, "{told}");
    // However busy the machine is, what it slept is no file access.
    assert!(number("outside_seconds") >= 0.15, "{told}");
    assert!(number("gain_seconds") <= number("seconds") - 0.15, "{told}");
    let sentence = told["share"]["sentence"].as_str().expect("a sentence");
    assert!(sentence.contains("is file access"), "{sentence}");
}

//! `export`: what it writes is read by readers of these forms that are not ours.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::{fsreplay, have, record, text, workspace};

/// Exports a trace and gives what was said of it.
fn export(form: &str, trace: &Path, file: &Path) -> Output {
    let output = fsreplay()
        .args(["export", form, "-o"])
        .args([file, trace])
        .output();
    let output = output.expect("fsreplay runs");
    assert!(output.status.success(), "{form}: {}", text(&output));
    output
}

/// Runs a script of awk on files.
fn awk(script: &str, files: &[&Path]) -> String {
    let output = Command::new("awk")
        .arg(script)
        .args(files)
        .output()
        .expect("awk runs");
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

#[test]
fn exports_are_read_by_python() {
    if !have("python3") {
        return;
    }
    let dir = workspace();
    let trace = dir.path().join("t.zst");
    let script = "touch 'a,\"b\"' 'two\nlines'; ls > /dev/null; rm a* two*";
    let output = record(dir.path(), &trace, &["sh", "-c", script]);
    assert!(output.status.success(), "{}", text(&output));
    let events = {
        let output = fsreplay()
            .arg("dump")
            .arg(&trace)
            .output()
            .expect("fsreplay runs");
        String::from_utf8_lossy(&output.stdout).lines().count()
    };
    let readers = [
        (
            "csv",
            "import csv, sys; rows = list(csv.reader(open(sys.argv[1], newline=''))); \
            assert len(set(map(len, rows))) == 1; assert any('a,\"b\"' in row[7] for row in rows); \
            print(len(rows) - 1)",
        ),
        (
            "chrome-trace",
            "import json, sys; events = json.load(open(sys.argv[1]))['traceEvents']; \
            print(sum(event['ph'] == 'X' for event in events))",
        ),
    ];
    for (form, reader) in readers {
        let file = dir.path().join(form);
        export(form, &trace, &file);
        let read = Command::new("python3")
            .args(["-c", reader])
            .arg(&file)
            .output()
            .expect("python3 runs");
        assert!(read.status.success(), "{form}: {}", text(&read));
        assert_eq!(text(&read).trim(), events.to_string(), "{form}");
    }
}

/// Bytes that calls returned by the file that their descriptor leads to; and whether each line has
/// what the page says.
const BYTES_BY_FILE: &str = r#"
    map(if (.tid and .entry_ns and .duration_ns and .call and (.args | type) == "object")
        then . else error("a line without its fields") end)
    | map(select(.call == "read" and .result > 0))
    | group_by(.files.fd)[]
    | "\(map(.result) | add) \(.[0].files.fd)"
"#;

#[test]
fn jq_adds_up_lines_by_the_files_that_descriptors_lead_to() {
    if !have("jq") {
        return;
    }
    let dir = workspace();
    let work = dir.path().join("work");
    std::fs::create_dir(&work).expect("a directory");
    common::sh(&work, "printf 12345 > a; mkdir b; printf 123 > 'b/\"c'");
    let (trace, file) = (dir.path().join("t.zst"), dir.path().join("lines"));
    // dd reads what it is given as its input: a descriptor that the shell opened.
    let script = "dd bs=2 status=none < a; cd b; dd status=none < '\"c'; ls gone || true";
    let output = record(&work, &trace, &["sh", "-c", script]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(text(&export("jsonl", &trace, &file)), "");
    let jq = |options: &[&str], script: &str| {
        let output = Command::new("jq")
            .args(options)
            .arg(script)
            .arg(&file)
            .output()
            .expect("jq runs");
        assert!(output.status.success(), "{}", text(&output));
        text(&output)
    };
    let sums = jq(&["-r", "-s"], BYTES_BY_FILE);
    for (bytes, name) in [(5, "a"), (3, "b/\"c")] {
        let line = format!("{bytes} {}/{name}", work.display());
        assert!(sums.lines().any(|told| told == line), "{line} in {sums}");
    }
    let gone = jq(
        &["-c"],
        r#"select(.args.path == "gone") | [.result, .errno]"#,
    );
    assert!(gone.starts_with("[-2,\"ENOENT\"]\n"), "{gone}");
    // A line is a call, and the text of a trace has as many.
    let dumped = fsreplay().arg("dump").arg(&trace).output();
    let dumped = text(&dumped.expect("fsreplay runs"));
    let numbers: Vec<String> = (0..dumped.lines().count())
        .map(|number| number.to_string())
        .collect();
    let told = jq(&[], ".event");
    assert_eq!(told.lines().collect::<Vec<_>>(), numbers);
}

/// Calls by name with how often each was made and failed, as people ask a log of strace. Of calls
/// on memory a trace has those on files only.
const CALLS: &str = r#"$3 ~ /^[a-z0-9_]+[(]/ && $3 !~ /^(mmap|munmap|clone)/ {
        split($3, part, "("); n[part[1]]++; failed[part[1]] += / = -1 E[A-Z0-9]+ /
    }
    END { for (name in n) print name, n[name], failed[name] | "sort" }"#;

#[test]
fn a_log_of_strace_is_counted_as_those_of_strace_are() {
    if !["awk", "strace", "find"].iter().all(|tool| have(tool)) {
        return;
    }
    let dir = workspace();
    let (trace, log) = (dir.path().join("t.zst"), dir.path().join("exported"));
    let real = dir.path().join("real");
    let work = dir.path().join("work");
    std::fs::create_dir(&work).expect("a directory");
    common::sh(
        &work,
        "mkdir -p a/b c; echo 1 > a/1; ln -s ../a c/link; echo 2 > 'c/<2>'",
    );
    let find = ["find", "-L", ".", "gone", "-size", "+0"];
    // It fails at what is gone.
    let output = record(&work, &trace, &find);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let said = text(&export("strace", &trace, &log));
    assert_eq!(said, "");
    let strace = Command::new("strace")
        .args(["-f", "-ttt", "-T", "-y", "-o"])
        .arg(&real)
        .args(find)
        .current_dir(&work)
        .output()
        .expect("strace runs");
    assert_eq!(strace.status.code(), Some(1), "{}", text(&strace));
    let (exported, real) = (awk(CALLS, &[&log]), awk(CALLS, &[&real]));
    assert!(exported.lines().count() > 8, "{exported}");
    for line in exported.lines() {
        assert!(real.lines().any(|other| other == line), "{line} in {real}");
    }
    let paths = awk("/getdents64/ { print $3 }", &[&log]);
    let directory = format!("getdents64(4<{}/c>,", work.display());
    assert!(
        paths.contains(&directory) || paths.contains(&directory.replace('4', "5")),
        "{paths}"
    );
}

/// Makes the files that a log of fio reads, as docs/export.md says.
const MAKE_FILES: &str = r#"awk '$3 == "add" { size[$2] += 0 }
        NF == 5 && $4 + $5 > size[$2] { size[$2] = $4 + $5 }
        END { for (file in size) print size[file], file }' LOG |
    while read -r size file; do truncate -s "$size" "$file"; done"#;

#[test]
fn fio_replays_the_bytes_and_calls_of_a_trace() {
    if !["fio", "awk", "python3"].iter().all(|tool| have(tool)) {
        return;
    }
    let dir = workspace();
    let work = dir.path().join("work");
    std::fs::create_dir(&work).expect("a directory");
    // Positions that are shared (dup, fork), set, at the end of a file and given with the call.
    let program = "
import os
f = os.open('a', os.O_RDWR | os.O_CREAT)
os.write(f, b'x' * 1000)
os.write(os.dup(f), b'y' * 500)
os.pwrite(f, b'z' * 10, 4000)
os.lseek(f, 100, os.SEEK_SET)
if os.fork() == 0:
    os.read(f, 50)
    os._exit(0)
os.wait()
os.read(f, 70)
os.read(f, 10000)
os.read(f, 10000)
log = os.open('b', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for i in range(3):
    os.write(log, b'12345')
os.fsync(log)
os.fdatasync(f)
os.close(log)
os.unlink('b')
os.listdir('.')
";
    let trace = dir.path().join("t.zst");
    let output = record(&work, &trace, &["python3", "-S", "-c", program]);
    assert!(output.status.success(), "{}", text(&output));
    let files = dir.path().join("files");
    std::fs::create_dir(&files).expect("a directory");
    let log = files.join("LOG");
    let said = text(&export("fio", &trace, &log));
    assert!(
        said.contains("left out: listings of directories ("),
        "{said}"
    );
    assert!(said.contains("left out: changes of names ("), "{said}");
    let of = |file: &str| {
        let script = format!("$2 ~ /_{file}$/ && NF == 5 {{ print $3, $4, $5 }}");
        awk(&script, &[&log])
    };
    assert_eq!(
        of("work_a"),
        "write 0 1000\nwrite 1000 500\nwrite 4000 10\nread 100 50\nread 150 70\n\
        read 220 3790\ndatasync 0 0\n"
    );
    assert_eq!(of("work_b"), "write 0 5\nwrite 5 5\nwrite 10 5\nsync 0 0\n");
    common::sh(&files, MAKE_FILES);
    let json = dir.path().join("fio.json");
    let fio = Command::new("timeout")
        .args([
            "300",
            "fio",
            "--name=replay",
            "--ioengine=psync",
            "--read_iolog=LOG",
        ])
        .args(["--output-format=json", "--output"])
        .arg(&json)
        .current_dir(&files)
        .output()
        .expect("fio runs");
    assert!(fio.status.success(), "{}", text(&fio));
    let told = std::fs::read_to_string(&json).expect("a result");
    // Notes may stand before it.
    let begin = told.find('{').expect("an object");
    let told: serde_json::Value = serde_json::from_str(&told[begin..]).expect("JSON");
    let job = &told["jobs"][0];
    assert_eq!(job["error"], 0, "{job:#}");
    for way in ["read", "write"] {
        let sum = format!("$3 == \"{way}\" {{ n++; bytes += $5 }} END {{ print n, bytes }}");
        let did = format!("{} {}\n", job[way]["total_ios"], job[way]["io_bytes"]);
        assert_eq!(awk(&sum, &[&log]), did, "{way}");
    }
    assert_eq!(job["sync"]["total_ios"], 1, "{job:#}");
}

/// Exports a trace that comes with fsreplay; status, and what was said.
fn tried(trace: &str, file: &Path, options: &[&str]) -> (Option<i32>, String) {
    let output = fsreplay()
        .args(["export", "csv", trace, "-o"])
        .arg(file)
        .args(options)
        .output()
        .expect("fsreplay runs");
    (output.status.code(), text(&output))
}

#[test]
fn a_file_is_replaced_only_if_asked_for_and_left_as_it_was_by_a_failure() {
    let dir = workspace();
    let file = dir.path().join("calls.csv");
    let trace = "library:sqlite3";
    let (code, said) = tried(trace, &file, &[]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let whole = fs::read(&file).expect("written");
    fs::write(&file, "mine").expect("written");
    let (code, said) = tried(trace, &file, &[]);
    assert_eq!((code, said.contains("--force")), (Some(2), true), "{said}");
    // One that can't be read to its end.
    let long = fs::read("traces/library/npm-ci.zst").expect("a trace");
    let half = dir.path().join("half.zst");
    fs::write(&half, &long[..long.len() / 2]).expect("written");
    let half = half.display().to_string();
    let (code, said) = tried(&half, &file, &["--force"]);
    assert_eq!(code, Some(3), "{said}");
    assert_eq!(fs::read(&file).expect("left"), b"mine");
    let (code, said) = tried(&half, &dir.path().join("new.csv"), &[]);
    assert_eq!(code, Some(3), "{said}");
    let there = fs::read_dir(dir.path()).expect("listed").count();
    assert_eq!(there, 2, "the file that was there and the cut trace");

    let (code, said) = tried(&half, &file, &["--force", "--truncated"]);
    assert_eq!(
        (code, said.contains("was cut off")),
        (Some(0), true),
        "{said}"
    );
    let part = fs::read(&file).expect("replaced");
    assert!(part.ends_with(b"\n") && part.len() > 10_000);
    assert_eq!(tried(trace, &file, &["--force"]).0, Some(0));
    assert_eq!(fs::read(&file).expect("replaced"), whole);
}

#[test]
fn what_keeps_nothing_is_written_to_without_being_asked() {
    let dir = workspace();
    for stream in ["/dev/null", "/dev/full"] {
        let (code, said) = tried("library:sqlite3", Path::new(stream), &[]);
        let expected = if stream == "/dev/full" { 6 } else { 0 };
        assert_eq!(code, Some(expected), "{stream}: {said}");
    }
    let (code, said) = tried("library:sqlite3", dir.path(), &["--force"]);
    assert_eq!(code, Some(2), "a directory: {said}");
    let output = fsreplay()
        .args(["export", "csv", "library:sqlite3", "-o", "-"])
        .output()
        .expect("fsreplay runs");
    assert!(output.status.success(), "{}", text(&output));
    let file = dir.path().join("calls.csv");
    assert_eq!(tried("library:sqlite3", &file, &[]).0, Some(0));
    assert_eq!(fs::read(&file).expect("written"), output.stdout);
}

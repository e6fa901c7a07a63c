//! `fsreplay compare` and `advise` on the mounts that every machine has.

#[path = "../common/mod.rs"]
mod common;
mod mounted;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::PoisonError;

use common::{answers, fsreplay, have, record, sh, text, workspace};
use mounted::MOUNTS;

/// A workload with a directory that holds nearly all of its calls.
fn recorded(dir: &Path) -> (PathBuf, PathBuf) {
    let work = dir.join("work");
    std::fs::create_dir(&work).expect("a directory");
    sh(
        &work,
        "mkdir -p .git deps/a src; for i in $(seq 200); do echo $i > deps/a/f$i; done; \
         echo 1 > src/x; echo ref > .git/HEAD",
    );
    let trace = dir.join("t.zst");
    // So many calls more that no stop of a busy machine in one of the others outweighs them.
    let script = "ls .git; for i in 1 2 3 4 5 6 7 8; do cat deps/a/*; done; cat src/x";
    let output = record(&work, &trace, &["sh", "-euc", script]);
    assert!(output.status.success(), "{}", text(&output));
    (work, trace)
}

fn run(command: &str, trace: &Path, options: &[&str]) -> Output {
    fsreplay()
        .arg(command)
        .arg(trace)
        .args(options)
        .output()
        .expect("fsreplay runs")
}

fn targets(dir: &Path) -> Vec<String> {
    vec![
        "--target".into(),
        format!("disk={}", dir.display()),
        "--target".into(),
        "memory=/dev/shm".into(),
    ]
}

#[test]
fn two_targets_are_compared_and_left_empty() {
    let dir = workspace();
    let (_, trace) = recorded(dir.path());
    let target = workspace();
    let mut options = targets(target.path());
    options.extend(["--rounds", "3", "--json", "-"].map(String::from));
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let output = run("compare", &trace, &options);
    assert!(answers(output.status), "{}", text(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["kind"], "compare");
    let moved = json["moved"][0].as_str().expect("what was moved");
    assert!(
        moved.ends_with("/work"),
        "the repository around the working directory: {moved}"
    );
    for target in json["targets"].as_array().expect("targets") {
        assert_eq!(target["rounds"].as_array().map(Vec::len), Some(3));
        assert_eq!(target["divergences"], 0);
        let number = |value: &serde_json::Value| value.as_f64().expect("a number");
        let (seconds, base) = (&target["seconds"], &json["targets"][0]["seconds"]);
        assert!(number(&seconds["low"]) <= number(&seconds["value"]));
        assert!(number(&seconds["value"]) <= number(&seconds["high"]));
        // A ratio is the quotient of the times beside it.
        let quotient = number(&seconds["value"]) / number(&base["value"]);
        let told = number(&target["ratio"]["value"]);
        assert!((told / quotient - 1.0).abs() < 1e-9, "{target}");
        assert!(target["calls"][0]["histogram"][0][1].as_u64() > Some(0));
        let directories = target["directories"].as_array().expect("directories");
        let deps = directories
            .iter()
            .find(|d| d["path"] == format!("{moved}/deps/a"));
        assert!(
            deps.is_some_and(|deps| deps["count"].as_u64() > Some(600)),
            "{directories:?}"
        );
    }
    // The command's name, without its arguments.
    assert_eq!(json["trace"]["command"], serde_json::json!(["sh"]));
    let sentence = json["sentence"].as_str().expect("a sentence");
    let mut words = sentence.split([' ', ':']);
    assert!(words.any(|word| word == "sh"), "{sentence}");
    assert_eq!(std::fs::read_dir(target.path()).expect("listed").count(), 0);
}

#[test]
fn without_targets_the_mounts_of_this_machine_are_taken() {
    let _alone = MOUNTS.write().unwrap_or_else(PoisonError::into_inner);
    let dir = workspace();
    let (_, trace) = recorded(dir.path());
    let output = run("compare", &trace, &["--rounds", "2"]);
    assert!(answers(output.status), "{}", text(&output));
    let told = text(&output);
    assert!(
        told.contains("baseline") || told.contains("is file access"),
        "{told}"
    );
}

#[test]
fn the_result_is_also_a_page() {
    let dir = workspace();
    let (_, trace) = recorded(dir.path());
    let target = workspace();
    let page = dir.path().join("page.html");
    let mut options = targets(target.path());
    options.extend(["--rounds", "2", "-v", "--html"].map(String::from));
    options.push(page.display().to_string());
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let output = run("compare", &trace, &options);
    assert!(answers(output.status), "{}", text(&output));
    let page = std::fs::read_to_string(page).expect("a page");
    assert!(page.contains("On other mounts") && page.contains("memory"));
    // No terminal: no colours; and with -v the targets stand beside each other.
    assert!(!output.stdout.contains(&0x1b), "{}", text(&output));
    let told = text(&output);
    let header: Vec<&str> = told
        .lines()
        .find(|line| line.contains("directory "))
        .expect("directories")
        .split_whitespace()
        .collect();
    assert_eq!(header, ["directory", "events", "disk", "memory"]);
}

#[test]
fn conditions_decide_the_exit_code() {
    let dir = workspace();
    let (_, trace) = recorded(dir.path());
    let target = workspace();
    let mut options = targets(target.path());
    options.extend(["--rounds", "2", "-q", "--fail-if"].map(String::from));
    let code = |condition: &str| {
        let mut options: Vec<&str> = options.iter().map(String::as_str).collect();
        options.push(condition);
        run("compare", &trace, &options).status.code()
    };
    // Of two rounds nobody can tell which is faster.
    assert_eq!(code("time(memory) > 100"), Some(5));
    assert_eq!(code("ratio(memory,disk) < 1000"), Some(1));
    assert_eq!(code("time(nowhere) > 1"), Some(2));
    assert_eq!(code("nonsense"), Some(2));
}

/// The result of a comparison, in which `moved` goes to a disk and to memory.
fn compared(trace: &Path, moved: &Path, target: &Path) -> serde_json::Value {
    let mut options = targets(target);
    options.extend(["--rounds", "2", "--json", "-", "--move"].map(String::from));
    options.push(moved.display().to_string());
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let output = run("compare", trace, &options);
    assert!(answers(output.status), "{}", text(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn links_and_renames_over_a_new_border_are_told_and_copied() {
    // On the mount of /var/tmp, where all else goes, and where the directory lay.
    let dir = tempfile::tempdir_in("/var/tmp").expect("a directory");
    let work = dir.path().join("work");
    std::fs::create_dir(&work).expect("a directory");
    sh(
        &work,
        "mkdir -p s/d/e n; echo 1 > s/a; echo 22 > s/d/e/b; ln -s e/b s/d/link",
    );
    let trace = dir.path().join("t.zst");
    // What comes after the link and the rename has to find what they made.
    let script = "ln s/a n/a; mv s/d n/d; cat n/a n/d/e/b n/d/link; test ! -e s/d; rm -r n/d";
    let output = record(&work, &trace, &["sh", "-euc", script]);
    assert!(output.status.success(), "{}", text(&output));
    let found = compared(&trace, &work.join("n"), dir.path());
    let [disk, memory] = [&found["targets"][0], &found["targets"][1]];
    assert_eq!(disk["divergences"], 0, "{disk}");
    assert_eq!(disk["caveats"], serde_json::json!([]));
    assert_eq!(memory["divergences"], 2, "{memory}");
    let told = memory["caveats"].to_string();
    for what in ["1 hard link crosses", "1 rename crosses", "EXDEV"] {
        assert!(told.contains(what), "{told}");
        let sentence = found["sentence"].as_str().expect("a sentence");
        assert!(sentence.contains(what), "{sentence}");
    }
}

#[test]
fn what_was_not_recorded_is_told_wherever_figures_are() {
    if !have("python3") {
        return;
    }
    let dir = workspace();
    let work = dir.path().join("work");
    std::fs::create_dir(&work).expect("a directory");
    let trace = dir.path().join("t.zst");
    // 425 is io_uring_setup; it fails, and is counted all the same.
    let calls = "import ctypes; l = ctypes.CDLL(None)\nfor _ in range(3000): l.syscall(425, 0, 0)";
    let output = record(&work, &trace, &["python3", "-S", "-E", "-c", calls]);
    assert!(output.status.success(), "{}", text(&output));
    let said = "3,000 calls were seen and not recorded (io_uring_setup 3,000)";
    let result = dir.path().join("r.json");
    let page = dir.path().join("r.html");
    let target = dir.path().to_str().expect("UTF-8");
    let disk = format!("disk={target}");
    let two = [
        "--target",
        disk.as_str(),
        "--target",
        "memory=/dev/shm",
        "--rounds",
        "2",
    ];
    for (command, options) in [
        ("compare", &two[..]),
        ("advise", &two[..]),
        ("play", &["--target", target][..]),
        ("inspect", &[][..]),
    ] {
        let json = ["--json", result.to_str().expect("UTF-8")];
        let on_terminal = run(command, &trace, options);
        assert!(
            text(&on_terminal).contains(said),
            "{command}: {}",
            text(&on_terminal)
        );
        let output = run(command, &trace, &[options, &json[..]].concat());
        assert!(answers(output.status), "{}", text(&output));
        let found: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&result).expect("a result")).expect("JSON");
        assert!(
            found["caveats"].to_string().contains(said),
            "{command}: {found}"
        );
        assert_eq!(found["unrecorded"]["io_uring_setup"], 3000, "{command}");
        if command == "compare" {
            assert_eq!(found["targets"][1]["ratio"]["verdict"], "not ranked");
        }
        if ["compare", "advise"].contains(&command) {
            let sentence = found["sentence"].as_str().expect("a sentence");
            let (start, said) = (
                "Nothing can be said: ",
                "3,000 calls were seen and not recorded",
            );
            assert!(
                sentence.starts_with(start) && sentence.contains(said),
                "{sentence}"
            );
        }
        let report = fsreplay()
            .arg("report")
            .arg(&result)
            .arg("--html")
            .arg(&page)
            .output();
        assert!(report.expect("fsreplay runs").status.success(), "{command}");
        let page = std::fs::read_to_string(&page).expect("a page");
        assert!(page.contains(said), "{command}");
    }
}

#[test]
fn bad_usage_says_what_to_do() {
    let dir = workspace();
    let (_, trace) = recorded(dir.path());
    for (options, code, said) in [
        (vec!["--target", "/no/such/place"], 4, "/no/such/place"),
        (
            vec!["--target", "a=/dev/shm", "--target", "a=/tmp"],
            2,
            "names",
        ),
        (
            vec!["--target", "a=/dev/shm", "--baseline", "b"],
            2,
            "there are a",
        ),
        (vec!["--move", "node_modules"], 2, "absolute"),
    ] {
        // Whatever part of its time the tool was at files.
        let options = [options, vec!["--anyway"]].concat();
        let output = run("compare", &trace, &options);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output));
        assert!(text(&output).contains(said), "{}", text(&output));
    }
    assert_eq!(
        run("compare", Path::new("/no/trace"), &[]).status.code(),
        Some(3)
    );
    // Nor does it matter that files are nothing to a tool.
    let busy = dir.path().join("busy.zst");
    let script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
    let output = record(dir.path(), &busy, &["sh", "-euc", script]);
    assert!(output.status.success(), "{}", text(&output));
    for (options, said) in [
        (["--phase", "zz"], "there is no phase \"zz\""),
        (["--move", "/nope"], "--move /nope"),
        (["--baseline", "zz"], "--baseline zz: no such target"),
    ] {
        let output = run("compare", &busy, &options);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains(said), "{}", text(&output));
    }
}

#[test]
fn the_directory_that_holds_the_calls_is_found() {
    let dir = workspace();
    let (work, trace) = recorded(dir.path());
    let target = workspace();
    let mut options = targets(target.path());
    options.extend(["--rounds", "3", "--json", "-"].map(String::from));
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let output = run("advise", &trace, &options);
    assert!(answers(output.status), "{}", text(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let first = json["directories"][0]["path"]
        .as_str()
        .expect("a directory");
    let work = work.canonicalize().expect("a path");
    assert_eq!(Path::new(first), work.join("deps/a"), "{json:#}");
    assert!(json["directories"][0]["share"].as_f64() > Some(0.7));
    let moves = json["moves"].as_array().expect("moves");
    match json["advised"].as_u64() {
        Some(number) => assert!((number as usize) < moves.len(), "{json:#}"),
        // Moves that gain next to nothing are told, and none of them advised.
        None if output.status.success() => assert!(
            moves
                .iter()
                .all(|one| one["gain_seconds"].as_f64() < Some(0.005)),
            "{json:#}"
        ),
        None => {}
    }
    assert!(json["sentence"].as_str().is_some_and(|s| !s.is_empty()));
    assert_eq!(std::fs::read_dir(target.path()).expect("listed").count(), 0);
}

//! The recorded workloads of traces/library: each is taken by its name, tells nothing of the
//! machine that it was recorded on, and replays as recorded.

mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::{fsreplay, fsreplay_heeding, play, targets, text};
use fsreplay_trace::format;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn library() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/library")
}

fn traces() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(library())
        .expect("the library is listed")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "zst"))
        .collect();
    found.sort();
    assert!(found.len() >= 7, "{found:?}");
    found
}

#[test]
fn each_replays_as_recorded_on_disk_and_in_memory() {
    for trace in traces() {
        for target in targets() {
            let replay = play(&trace, &target);
            assert!(replay.number("events") > 500, "{}", trace.display());
            assert_eq!(
                replay.number("divergences"),
                0,
                "{} on {}: {:#}",
                trace.display(),
                target.display(),
                replay.json["divergence_groups"]
            );
        }
    }
}

#[test]
fn a_trace_of_the_library_is_taken_by_its_name() {
    let run = |arguments: &[&str]| {
        let output = fsreplay().args(arguments).output().expect("fsreplay runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
            text(&output),
        )
    };
    let (status, list, _) = run(&["library"]);
    assert_eq!(status, Some(0));
    for trace in traces() {
        let name = trace
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        assert!(list.contains(&name), "{list}");
    }
    let by_name = run(&["info", "library:sqlite3"]);
    let file = library().join("sqlite3.zst");
    let by_file = run(&["info", &file.display().to_string()]);
    assert_eq!((by_name.0, &by_name.1), (Some(0), &by_file.1));
    let (status, told, _) = run(&["library", "sqlite3", "--json", "-"]);
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(
        (status, &told["workloads"][0]["command"][0]),
        (Some(0), &"sqlite3".into())
    );
    // Results of one trace stand together in a page, whatever way it was named.
    let id = |trace: &str| {
        let fast = ["compare", "--timing", "fast", "--rounds", "2"];
        let rest = ["--target", "m=/dev/shm", "--json", "-", trace];
        let (_, told, said) = run(&[&fast[..], &rest[..]].concat());
        let told: serde_json::Value = serde_json::from_str(&told).expect(&said);
        told["trace"]["id"].clone()
    };
    assert_eq!(id("library:sqlite3"), id(&file.display().to_string()));
    assert_ne!(id("library:sqlite3"), id("library:cargo-noop"));
    let (status, _, said) = run(&["info", "library:sqlite4"]);
    assert!(status == Some(2) && said.contains("sqlite3"), "{said}");
}

#[test]
fn a_scorecard_that_is_ended_keeps_what_was_measured() {
    let fast = [
        "compare",
        "library:all",
        "--timing",
        "fast",
        "--rounds",
        "2",
    ];
    let mut run = fsreplay_heeding()
        .args(fast)
        .args(["--target", "m=/dev/shm", "--json", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("fsreplay runs");
    let mut told = BufReader::new(run.stderr.take().expect("piped")).lines();
    let second = told.find(|line| line.as_ref().is_ok_and(|line| line.contains("(2 of ")));
    assert!(second.is_some(), "the second workload never began");
    let pid = Pid::from_raw(i32::try_from(run.id()).expect("a process"));
    kill(pid, Signal::SIGTERM).expect("signaled");
    let rest = std::thread::spawn(move || told.map_while(Result::ok).collect::<Vec<_>>());
    let output = run.wait_with_output().expect("it ended");
    let said = rest.join().expect("read");
    assert_eq!(output.status.code(), Some(0), "{said:?}");
    let card: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let measured = card["workloads"].as_array().map_or(0, Vec::len);
    assert!(measured >= 1 && card["interrupted"] == true, "{card:#}");
}

/// A trace holds every path that was looked up: those of the library may name nothing but a system,
/// `/workspaces` and the home of `dev`.
#[test]
fn none_tells_of_the_machine_it_was_recorded_on() {
    for trace in traces() {
        let mut reader = format::open(&trace).expect("a trace");
        let cwd = reader.header().cwd.clone();
        assert_eq!(cwd, b"/workspaces/app", "{}", trace.display());
        let points: Vec<String> = reader
            .header()
            .mounts
            .iter()
            .map(|mount| String::from_utf8_lossy(&mount.mount_point).into_owned())
            .collect();
        for point in &points {
            let known = ["/proc", "/sys", "/dev"]
                .iter()
                .any(|top| point.starts_with(top));
            assert!(known || point == "/", "{}: {point}", trace.display());
        }
        let output = fsreplay()
            .args(["dump", "--all"])
            .arg(&trace)
            .output()
            .expect("fsreplay runs");
        assert!(output.status.success(), "{}", text(&output));
        let dump = String::from_utf8_lossy(&output.stdout);
        for foreign in [
            "/work/",
            "/root/",
            "/home/",
            "/mnt/",
            "fsreplay-library",
            "://",
        ] {
            let hit = dump.lines().find(|line| {
                let mut hits = line.match_indices(foreign);
                hits.any(|(at, _)| !line[at..].starts_with("/home/dev"))
            });
            assert_eq!(hit, None, "{} names {foreign}", trace.display());
        }
        while reader.next_record().expect("a record").is_some() {}
        assert!(
            reader
                .footer()
                .is_some_and(|footer| footer.unobserved.is_some() || footer.samples.is_some()),
            "{} was recorded without --calibrate",
            trace.display()
        );
    }
}

//! The recorded workloads of traces/library: each has its note, tells nothing of the machine that it was recorded on, and replays
//! as recorded.

mod common;

use std::path::{Path, PathBuf};

use common::{fsreplay, play, targets, text};
use fsreplay_trace::format;

/// All traces together are to stay small enough to be cloned with the sources.
const LARGEST: u64 = 3_000_000;

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
            assert!(replay.number("events") > 1000, "{}", trace.display());
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
fn each_has_a_note_and_is_named_in_the_list() {
    let list = std::fs::read_to_string(library().join("README.md")).expect("a list");
    let mut bytes = 0;
    for trace in traces() {
        let name = trace.file_stem().expect("a name").to_string_lossy();
        let note = std::fs::read_to_string(trace.with_extension("md")).expect("a note");
        for told in ["| command |", "| versions |", "| machine |", "```sh"] {
            assert!(note.contains(told), "{name}: no {told}");
        }
        assert!(
            list.contains(&format!("({name}.md)")),
            "{name} is not in the list"
        );
        bytes += std::fs::metadata(&trace).expect("its size").len();
    }
    assert!(bytes < LARGEST, "{bytes} bytes of traces");
}

/// A trace holds every path that was looked up: those of the library may name nothing but a system, `/workspaces` and the home of `dev`.
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

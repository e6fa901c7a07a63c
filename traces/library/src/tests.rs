//! The files of this directory agree with each other.

use std::path::{Path, PathBuf};

use fsreplay_trace::format::TraceReader;

use super::*;

/// All traces together are to stay small enough to be cloned with the sources.
const MOST_BYTES: usize = 25_000_000;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn workloads() -> Vec<Workload> {
    let all = ALL.iter().map(Recorded::workload);
    all.collect::<Result<_, _>>().expect("manifests")
}

#[test]
fn each_trace_of_the_directory_is_listed_by_its_name() {
    let files = std::fs::read_dir(directory()).expect("the directory");
    let mut names: Vec<String> = files
        .map(|file| file.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "zst"))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into())
        .collect();
    names.sort();
    let listed: Vec<&str> = ALL.iter().map(Recorded::name).collect();
    assert_eq!(names, listed);
    let bytes: usize = ALL.iter().map(|recorded| recorded.trace.len()).sum();
    assert!(bytes < MOST_BYTES, "{bytes} bytes of traces");
}

#[test]
fn each_manifest_tells_of_its_trace() {
    for (recorded, workload) in ALL.iter().zip(workloads()) {
        let name = recorded.name();
        let mut reader = TraceReader::new(recorded.trace.to_vec()).expect(name);
        let mut events = 0;
        while let Some(record) = reader.next_record().expect(name) {
            events += u64::from(matches!(record, fsreplay_trace::model::Record::Event(_)));
        }
        assert_eq!(workload.name, name);
        assert_eq!(workload.events, events, "{name}");
        assert_eq!(workload.bytes, recorded.trace.len() as u64, "{name}");
        assert_eq!(workload.started, reader.header().started, "{name}");
        for text in [
            &workload.does,
            &workload.about,
            &workload.fs_type,
            &workload.setup,
        ] {
            assert!(!text.is_empty(), "{name}");
        }
        assert!(!workload.command.is_empty() && !workload.versions.is_empty());
    }
}

#[test]
fn the_list_in_the_readme_is_that_of_the_manifests() {
    let path = directory().join("README.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let (before, rest) = page.split_once("<!-- list -->\n").expect("the list");
    let (_, after) = rest.split_once("<!-- end -->").expect("its end");
    let rows = workloads().into_iter().map(|workload| {
        let Workload {
            name,
            does,
            events,
            bytes,
            ..
        } = workload;
        format!(
            "| [{name}]({name}.json) | {does} | {events} | {} kB |\n",
            bytes / 1000
        )
    });
    let head = "| name | what it does to the file system | events | trace |\n|---|---|---|---|\n";
    let list: String = std::iter::once(head.to_owned()).chain(rows).collect();
    let told = format!("{before}<!-- list -->\n{list}<!-- end -->{after}");
    if std::env::var_os("FSREPLAY_WRITE_DOCS").is_some() {
        std::fs::write(&path, told).expect("written");
    } else {
        assert!(page == told, "run this test with FSREPLAY_WRITE_DOCS=1");
    }
}

//! What is recorded of paths: states, listings, names that are no text.

mod common;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use common::{can_record, record};
use fsreplay_trace::call::Call;
use fsreplay_trace::model::{FileKind, Record};

fn canonical_tempdir() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("tempdir");
    let path = directory
        .path()
        .canonicalize()
        .expect("path")
        .to_str()
        .expect("text")
        .to_owned();
    (directory, path)
}

#[test]
fn a_file_behind_links_has_states_of_every_name_on_the_way() {
    if !can_record() {
        return;
    }
    let (_keep, at) = canonical_tempdir();
    fs::create_dir(format!("{at}/real")).expect("mkdir");
    fs::write(format!("{at}/real/file"), b"12345").expect("write");
    symlink("real", format!("{at}/link")).expect("symlink");
    symlink(format!("{at}/link/../link/file"), format!("{at}/to_file")).expect("symlink");
    let recorded = record(&["cat", &format!("{at}/to_file")]);
    let kinds = |name: &str| recorded.kinds(format!("{at}/{name}").as_bytes());
    assert_eq!(kinds("to_file"), [FileKind::Symlink]);
    assert_eq!(kinds("link"), [FileKind::Symlink]);
    assert_eq!(kinds("real"), [FileKind::Directory]);
    assert_eq!(kinds("real/file"), [FileKind::File]);
    let file = recorded.states(format!("{at}/real/file").as_bytes())[0];
    assert_eq!(file.metadata.expect("metadata").size, 5);
    let link = recorded.states(format!("{at}/link").as_bytes())[0];
    let target = link.metadata.expect("metadata").target.expect("target");
    assert_eq!(recorded.reader.tables().string(target), b"real");
}

#[test]
fn states_stand_before_the_event_and_absent_names_are_states() {
    if !can_record() {
        return;
    }
    let (_keep, at) = canonical_tempdir();
    let missing = format!("{at}/none/below");
    let recorded = record(&["cat", &missing]);
    assert_eq!(
        recorded.kinds(format!("{at}/none").as_bytes()),
        [FileKind::Absent]
    );
    assert!(
        recorded.kinds(missing.as_bytes()).is_empty(),
        "nothing is below what is not there"
    );
    let event = recorded.on_path(missing.as_bytes())[0];
    assert_eq!(event.errno(), Some(libc::ENOENT));
    let position =
        |wanted: &dyn Fn(&Record) -> bool| recorded.records.iter().position(wanted).expect("there");
    let state = position(&|record| {
        matches!(record, Record::PathState(state)
            if recorded.reader.tables().path(state.node) == format!("{at}/none").as_bytes())
    });
    let event = position(&|record| matches!(record, Record::Event(e) if e == event));
    assert!(state < event);
}

#[test]
fn names_are_bytes() {
    if !can_record() {
        return;
    }
    let (keep, at) = canonical_tempdir();
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe name\n");
    fs::write(keep.path().join(name), b"x").expect("write");
    let recorded = record(&["sh", "-c", &format!("cd {at} && cat *")]);
    let opened = recorded.on_path(b"\xff\xfe name\n");
    assert!(
        opened
            .iter()
            .any(|event| event.call == Call::openat && event.result >= 0)
    );
    let path = [at.as_bytes(), b"/\xff\xfe name\n"].concat();
    assert_eq!(recorded.kinds(&path), [FileKind::File]);
}

#[test]
fn a_listed_directory_has_its_entries_unless_the_tool_made_it() {
    if !can_record() {
        return;
    }
    let (_keep, at) = canonical_tempdir();
    fs::write(format!("{at}/one"), b"").expect("write");
    fs::create_dir(format!("{at}/two")).expect("mkdir");
    let script = format!("mkdir {at}/own; touch {at}/own/file; ls {at} {at}/own {at}");
    let recorded = record(&["sh", "-c", &script]);
    let tables = recorded.reader.tables();
    let listings: Vec<_> = recorded
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Listing(listing) => Some(listing),
            _ => None,
        })
        .filter(|listing| tables.path(listing.directory).starts_with(at.as_bytes()))
        .collect();
    assert_eq!(listings.len(), 1, "once, and not of the tool's own");
    let mut entries: Vec<_> = listings[0]
        .entries
        .iter()
        .map(|(node, kind)| (tables.name(*node).to_vec(), *kind))
        .collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        entries,
        [
            (b"one".to_vec(), FileKind::File),
            (b"own".to_vec(), FileKind::Directory),
            (b"two".to_vec(), FileKind::Directory),
        ]
    );
}

#[test]
fn after_a_rename_of_a_directory_the_new_names_are_observed() {
    if !can_record() {
        return;
    }
    let (_keep, at) = canonical_tempdir();
    fs::create_dir(format!("{at}/a")).expect("mkdir");
    fs::write(format!("{at}/a/file"), b"1").expect("write");
    let script =
        format!("cd {at}; cat a/file; mv a b; cat b/file; cat a/file; mkdir a; cat a/file");
    let recorded = record(&["sh", "-c", &script]);
    assert_eq!(
        recorded.kinds(format!("{at}/a/file").as_bytes()),
        [FileKind::File]
    );
    assert_eq!(
        recorded.kinds(format!("{at}/b/file").as_bytes()),
        [FileKind::File]
    );
    let results: Vec<Option<i32>> = recorded
        .on_path(b"a/file")
        .iter()
        .filter(|event| event.call == Call::openat)
        .map(|event| event.errno())
        .collect();
    assert_eq!(results, [None, Some(libc::ENOENT), Some(libc::ENOENT)]);
}

#[test]
fn a_name_that_comes_and_goes_is_looked_up_once() {
    if !can_record() {
        return;
    }
    let (_keep, at) = canonical_tempdir();
    let script = format!("cd {at}; for i in 1 2 3; do echo x > f; cat f; rm f; cat f; done");
    let recorded = record(&["sh", "-c", &script]);
    assert_eq!(
        recorded.kinds(format!("{at}/f").as_bytes()),
        [FileKind::Absent]
    );
}

#[test]
fn hard_links_share_a_group() {
    if !can_record() {
        return;
    }
    let (_keep, at) = canonical_tempdir();
    fs::write(format!("{at}/one"), b"1").expect("write");
    fs::hard_link(format!("{at}/one"), format!("{at}/two")).expect("link");
    fs::write(format!("{at}/alone"), b"1").expect("write");
    let recorded = record(&["sh", "-c", &format!("cat {at}/one {at}/two {at}/alone")]);
    let group = |name: &str| {
        let states = recorded.states(format!("{at}/{name}").as_bytes());
        states[0].metadata.expect("metadata").link_group
    };
    assert_eq!(group("one"), group("two"));
    assert_ne!(group("one"), 0);
    assert_eq!(group("alone"), 0);
}

#[test]
fn devices_and_proc_are_not_observed_but_recorded() {
    if !can_record() {
        return;
    }
    let recorded = record(&["sh", "-c", "cat /proc/self/status > /dev/null"]);
    assert!(recorded.kinds(b"/proc/self").is_empty());
    assert!(recorded.kinds(b"/dev/null").is_empty());
    assert!(!recorded.on_path(b"/proc/self/status").is_empty());
}

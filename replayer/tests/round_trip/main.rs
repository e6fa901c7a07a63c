//! A tool of random calls runs for real in one directory while the test notes what it does; the
//! plan made of the notes is replayed in another one. No call may come out differently, and the
//! same tree must be left.

mod tool;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use fsreplay_replayer::planner::{PlanOptions, Planner};
use fsreplay_replayer::{PlayOptions, play};
use fsreplay_results::play::DivergenceGroup;
use fsreplay_trace::model::Header;
use tool::*;

/// All that is in a directory: for each path its kind, size, and what it is another name of.
fn contents(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut inodes = BTreeMap::new();
    let mut pending = vec![dir.to_path_buf()];
    while let Some(at) = pending.pop() {
        let mut entries: Vec<_> = std::fs::read_dir(&at)
            .expect("a directory")
            .flatten()
            .collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let found = path.symlink_metadata().expect("its state");
            let relative = path.strip_prefix(dir).expect("below").to_path_buf();
            let told = if found.is_dir() {
                pending.push(path);
                "directory".to_string()
            } else if found.is_symlink() {
                "link".to_string()
            } else {
                let first = inodes
                    .entry(found.ino())
                    .or_insert_with(|| relative.clone());
                format!("{} bytes, is {}", found.size(), first.display())
            };
            all.insert(relative, told);
        }
    }
    all
}

fn replayed(dir: &Path, recorded: &Path) -> PathBuf {
    let relative = recorded.strip_prefix("/").expect("absolute");
    let mut entries = std::fs::read_dir(dir).expect("the target").flatten();
    let sandbox = entries.find(|e| e.file_name().as_bytes().starts_with(b".fsreplay-"));
    sandbox
        .expect("a kept tree")
        .path()
        .join("tree")
        .join(relative)
}

/// The calls that came out differently, as the tool made them.
fn told(tool: &Tool, groups: &[DivergenceGroup]) -> Vec<String> {
    let mut events = tool.events();
    let mut all: Vec<_> = groups.iter().flat_map(|group| &group.examples).collect();
    all.sort_by_key(|example| example.event);
    let mut before = 0;
    let mut told = Vec::new();
    for example in all {
        let Some(event) = events.nth((example.event - before) as usize) else {
            continue;
        };
        before = example.event + 1;
        let (event, got) = (tool.spelled(event), example.got);
        told.push(format!("{}: {event} and not {got}", example.event));
    }
    told
}

fn round_trip(seed: u64, calls: u32) {
    let home = tempfile::tempdir().expect("a directory");
    let top = home.path().canonicalize().expect("its path");
    let target = tempfile::tempdir().expect("a directory");
    let mut tool = Tool::new(seed, &top);
    let header = Header {
        cwd: tool.base.as_os_str().as_bytes().to_vec(),
        architecture: std::env::consts::ARCH.to_string(),
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        ..Header::default()
    };
    for _ in 0..calls {
        tool.step();
    }
    let options = PlanOptions {
        target: target.path().into(),
        as_root: header.uid == 0,
        uid: header.uid,
        gid: header.gid,
        ..PlanOptions::default()
    };
    if std::env::var_os("ROUND_TRIP").is_some() {
        for (number, event) in tool.events().enumerate() {
            println!("{number} {}", tool.spelled(event));
        }
    }
    let mut planner = Planner::new(&header, options);
    for record in &tool.records {
        planner.record(record, &tool.tables).expect("a plan");
    }
    let plan = planner.finish(&tool.tables).expect("a plan");
    assert_eq!(plan.coverage.unresolved, 0, "seed {seed}: {:?}", plan.notes);
    let options = PlayOptions {
        rounds: 1,
        keep: true,
        timing: Default::default(),
        cache: Default::default(),
    };
    let result = play(&plan, options, &AtomicBool::new(false), &|_| {})
        .expect("a replay")
        .result;
    assert!(
        result.divergences == 0,
        "seed {seed}: {:#?}",
        told(&tool, &result.divergence_groups)
    );
    let (was, is) = (contents(&top), contents(&replayed(target.path(), &top)));
    let strip =
        |(path, told): (&PathBuf, &String)| format!("{}: {told}", path.display()).replace("n/", "");
    let gone: Vec<String> = was
        .iter()
        .filter(|e| is.get(e.0) != Some(e.1))
        .map(strip)
        .collect();
    let new: Vec<String> = is
        .iter()
        .filter(|e| was.get(e.0) != Some(e.1))
        .map(strip)
        .collect();
    assert_eq!(gone, new, "seed {seed}: another tree is left");
}

#[test]
fn what_a_tool_did_is_done_again() {
    // More by hand: ROUND_TRIPS=1000 cargo test --release --test round_trip
    let rounds = std::env::var("ROUND_TRIPS")
        .ok()
        .and_then(|n| n.parse().ok());
    let first = std::env::var("FIRST").ok().and_then(|n| n.parse().ok());
    for seed in first.unwrap_or(1)..=rounds.unwrap_or(40) {
        round_trip(seed, 300);
    }
}

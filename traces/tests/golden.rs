//! Traces of each version that were written once and must be read alike for ever, and that zstd
//! itself finds whole.
//!
//! `BLESS=1 cargo test -p fsreplay-trace --test golden` writes them anew: only for a new version of
//! the format.

use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use fsreplay_trace::call::{ArgKind, Call, MAX_ARGS, NONE, Row, TABLE};
use fsreplay_trace::format::{self, TraceWriter, WriterOptions};
use fsreplay_trace::model::*;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// All that a trace says, as text.
fn told(path: &Path) -> String {
    let mut reader = format::open(path).expect("a trace");
    let mut text = format!("{:#?}\n", reader.header());
    while let Some(record) = reader.next_record().expect("a whole trace") {
        writeln!(text, "{record:?}").expect("text");
    }
    let tables = reader.tables();
    for id in 0..tables.string_count() as u32 {
        let string = tables.string(StringId(id)).escape_ascii();
        writeln!(text, "string {id}: {string}").expect("text");
    }
    for id in 0..tables.node_count() as u32 {
        let path = tables.path(NodeId(id));
        writeln!(text, "node {id}: {}", path.escape_ascii()).expect("text");
    }
    writeln!(text, "{:#?}", reader.footer()).expect("text");
    text
}

fn check(name: &str) {
    let trace = golden(&format!("{name}.zst"));
    let expected = golden(&format!("{name}.txt"));
    let told = told(&trace);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&expected, &told).expect("written");
    }
    let expected = std::fs::read_to_string(&expected).expect("the golden text");
    for (line, (is, was)) in told.lines().zip(expected.lines()).enumerate() {
        assert_eq!(is, was, "{name}, line {}", line + 1);
    }
    assert_eq!(told.lines().count(), expected.lines().count());
}

/// A call as it was when the golden text was written.
struct Golden {
    row: &'static Row,
    /// Whether it was counted then, and is recorded by now: the text has none of its arguments.
    recorded_since: bool,
}

/// The calls of the table as they were when the golden text was written, in its order.
fn calls() -> Vec<Golden> {
    let blessed = |row| Golden {
        row,
        recorded_since: false,
    };
    if std::env::var_os("BLESS").is_some() {
        return TABLE.iter().map(blessed).collect();
    }
    let text = std::fs::read_to_string(golden("everything-v7.txt")).expect("the golden text");
    text.lines()
        .filter_map(|line| line.split_once(" call: "))
        .filter_map(|(_, rest)| rest.split_once(','))
        .map(|(name, rest)| {
            let row = Call::from_name(name).expect("a call of the table").row();
            Golden {
                row,
                recorded_since: !row.args.is_empty() && rest.contains("args: [0, 0, 0, 0, 0, 0]"),
            }
        })
        .collect()
}

/// Every kind of record, and every call of the table.
fn everything() -> Vec<u8> {
    let header = Header {
        producer: "fsreplay 0.1.0".into(),
        command: vec![b"make".to_vec(), b"-j2".to_vec()],
        cwd: b"/work".to_vec(),
        umask: 0o22,
        groups: vec![4, 1000],
        architecture: "x86_64".into(),
        costs: Some(StopCosts {
            think: 900,
            cpu: 700,
            duration: 2700,
        }),
        tells_waiting: true,
        mounts: vec![Mount {
            fs_type: "ext4".into(),
            mount_point: b"/".to_vec(),
            ..Mount::default()
        }],
        ..Header::default()
    };
    let options = WriterOptions {
        block_records: 64,
        ..WriterOptions::default()
    };
    let mut out = TraceWriter::new(Vec::new(), &header, options).expect("a trace");
    let work = out.node(NodeId::ROOT, b"work");
    let one = out.node(work, b"module_one.c");
    let two = out.node(work, b"module_two.c");
    let three = out.node(work, b"data.mdb");
    let name = out.string(b"user.note");
    let path = out.path_string(b"/work/module_one.c", one);
    let start = TaskStart {
        task: TaskId(0),
        parent: None,
        time: 5,
        flags: 0,
        tid: 77,
        think: 0,
    };
    let metadata = Metadata {
        size: 1234,
        mode: 0o644,
        uid: 1000,
        gid: 1000,
        mtime: 1_700_000_000,
        link_group: 3,
        target: None,
        mount: 0,
        allocated: None,
    };
    let state = |node, kind, metadata| {
        Record::PathState(PathState {
            node,
            kind,
            metadata,
        })
    };
    let rest = [
        Record::TaskStart(start),
        Record::TaskStart(TaskStart {
            task: TaskId(1),
            parent: Some(TaskId(0)),
            time: 900,
            flags: 0x11,
            tid: 78,
            think: 0,
        }),
        state(work, FileKind::Directory, Some(metadata)),
        state(
            two,
            FileKind::Symlink,
            Some(Metadata {
                target: Some(path),
                ..metadata
            }),
        ),
        state(one, FileKind::Absent, None),
        state(
            three,
            FileKind::File,
            Some(Metadata {
                size: 256 << 30,
                allocated: Some(12 << 10),
                ..metadata
            }),
        ),
        Record::Listing(Listing {
            directory: work,
            entries: vec![(one, FileKind::File), (two, FileKind::Symlink)],
        }),
        Record::Xattrs(Xattrs {
            node: one,
            entries: vec![(name, 12)],
        }),
        Record::FdState(FdState {
            task: TaskId(0),
            fd: 3,
            target: path,
            kind: FileKind::File,
            flags: 2,
            offset: 99,
        }),
    ];
    for record in &rest {
        out.push(record).expect("written");
    }
    let calls = calls();
    for (number, call) in calls.iter().enumerate() {
        let mut args = [0; MAX_ARGS];
        for (at, (kind, _)) in call.row.args.iter().enumerate() {
            args[at] = match kind {
                _ if call.recorded_since => NONE,
                ArgKind::Path | ArgKind::NewPath => {
                    u64::from(out.path_string(format!("dir{number}/x").as_bytes(), two).0)
                }
                ArgKind::Target | ArgKind::Name | ArgKind::Argv if number % 2 == 0 => NONE,
                ArgKind::Target | ArgKind::Name | ArgKind::Argv => u64::from(name.0),
                ArgKind::Offset if number % 3 == 0 => NONE,
                kind => number as u64 * 1000 + *kind as u64,
            };
        }
        let result = [0, 4096, -2, -38, Event::NO_RETURN][number % 5];
        let event = Event {
            task: TaskId(number as u32 % 2),
            call: call.row.call,
            entry: 2000 + number as u64 * 50_000,
            duration: 1 << (number % 40),
            overlapped: number as u32 % 4,
            spent: Spent {
                think: number as u64 * 77,
                cpu: 1 << (number % 30),
                blocked: [0, 0, 70_000, 9_000_000][number % 4],
                asleep: [0, 40_000, 0, 3_000_000, 90_000][number % 5],
            },
            result,
            args,
        };
        out.push(&Record::Event(event)).expect("written");
    }
    let exit = TaskExit {
        task: TaskId(1),
        time: 99_000_000,
        status: 9,
        cpu: 5,
        think: 6,
    };
    out.push(&Record::TaskExit(exit)).expect("written");
    let footer = Footer {
        status: Some(0x100),
        elapsed: 123_456_789,
        events: calls.len() as u64,
        tasks: 2,
        unrecorded: [("io_uring_setup".to_string(), 3)].into(),
        left_running: 1,
        warnings: vec!["a warning".into()],
        unobserved: Some(Unobserved {
            elapsed: 9_000_000,
            cpu: 8_000_000,
            per_event: Some(-12.5),
        }),
        processors: Some(Processors {
            slowness: 1.25,
            unit: 38.5,
            work: 1,
            boot: "b007".into(),
        }),
        recorded_inside: 100,
        samples: Some(Samples {
            engine: 7,
            runs: vec![
                Sample {
                    elapsed: 9_000_000,
                    cpu: 8_000_000,
                    queued: 0,
                },
                Sample {
                    elapsed: 9_500_000,
                    cpu: 8_100_000,
                    queued: 400_000,
                },
            ],
        }),
    };
    out.finish(&footer).expect("a trace")
}

#[test]
fn every_record_and_call_is_read_as_ever() {
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(golden("everything-v7.zst"), everything()).expect("written");
    }
    check("everything-v7");
    check("everything-v6");
    check("everything-v5");
    check("everything-v4");
    check("everything-v3");
    check("everything-v2");
    check("everything-v1");
}

#[test]
fn what_is_written_today_says_the_same() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("t.zst");
    std::fs::write(&path, everything()).expect("written");
    let expected = std::fs::read_to_string(golden("everything-v7.txt")).expect("the golden text");
    let told = told(&path);
    let mut since = calls();
    since.retain(|call| call.recorded_since);
    let is_same = |line: &&str| {
        let is_of = |call: &Golden| line.contains(&format!(" call: {},", call.row.name));
        !since.iter().any(is_of)
    };
    let same = |text: &str| {
        text.lines()
            .filter(is_same)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(same(&told), same(&expected));
}

#[test]
fn columns_of_older_files_have_their_names() {
    let of = |version: u32, number| {
        let path = golden(&format!("everything-v{version}.zst"));
        let reader = format::open(&path).expect("a trace");
        reader.column_name(number).unwrap_or_default()
    };
    let first = of(7, 30);
    assert_ne!(first, "");
    assert_eq!(
        [of(1, 26), of(4, 29), of(5, 30)],
        [(); 3].map(|()| first.clone())
    );
    assert_eq!(of(4, 28), "blocked");
    assert_eq!(of(5, 29), "asleep");
}

#[test]
fn a_recording_of_a_shell_is_read_as_ever() {
    check("shell-v1");
}

#[test]
fn zstd_finds_traces_whole() {
    for name in [
        "everything-v1.zst",
        "everything-v2.zst",
        "everything-v3.zst",
        "everything-v4.zst",
        "everything-v5.zst",
        "everything-v6.zst",
        "everything-v7.zst",
        "shell-v1.zst",
    ] {
        let bytes = std::fs::read(golden(name)).expect("a trace");
        zstd::stream::copy_decode(&bytes[..], std::io::sink()).expect("a zstd file");
        match Command::new("zstd").arg("-tq").arg(golden(name)).status() {
            Ok(status) => assert!(status.success(), "zstd -t {name}"),
            Err(error) => eprintln!("zstd -t not tried: {error}"),
        }
    }
}

#[test]
fn calls_keep_their_meaning() {
    // The golden file holds numbers; names are what counts.
    let mut reader = format::open(&golden("everything-v1.zst")).expect("a trace");
    let mut calls = Vec::new();
    while let Some(record) = reader.next_record().expect("a whole trace") {
        if let Record::Event(event) = record {
            calls.push(event.call);
        }
    }
    assert_eq!(
        calls.len() as u64,
        reader.footer().expect("a footer").events
    );
    assert!(calls.contains(&Call::openat2) && calls.contains(&Call::getdents64));
}

#[test]
fn a_footer_can_be_replaced_and_nothing_else_changes() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("t.zst");
    std::fs::copy(golden("everything-v7.zst"), &path).expect("copied");
    let owners_alone = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&path, owners_alone).expect("chmod");
    let before = told(&path);
    let mut reader = format::open(&path).expect("a trace");
    while reader.next_record().expect("a whole trace").is_some() {}
    let footer = reader.footer().expect("a footer").clone();
    format::replace_footer(&path, &footer).expect("replaced");
    assert_eq!(told(&path), before);
    let mode = std::fs::metadata(&path).expect("stat").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let other = Footer {
        unobserved: None,
        ..footer
    };
    format::replace_footer(&path, &other).expect("replaced");
    let after = told(&path);
    assert!(after.contains("unobserved: None") && !before.contains("unobserved: None"));
    let bytes = std::fs::read(&path).expect("a trace");
    zstd::stream::copy_decode(&bytes[..], std::io::sink()).expect("a zstd file");
    assert_eq!(std::fs::read_dir(dir.path()).expect("listed").count(), 1);
    // A footer of this version behind the mark of an earlier one could not be read.
    for earlier in ["everything-v1", "everything-v5", "everything-v6"] {
        let path = dir.path().join("earlier.zst");
        std::fs::copy(golden(&format!("{earlier}.zst")), &path).expect("copied");
        assert!(format::replace_footer(&path, &other).is_err(), "{earlier}");
        let told = told(&path);
        let expected = std::fs::read_to_string(golden(&format!("{earlier}.txt")));
        assert_eq!(told, expected.expect("the golden text"), "{earlier}");
    }
}

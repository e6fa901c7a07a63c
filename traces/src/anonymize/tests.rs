//! Whole traces, written and read again.

use super::*;
use crate::call::{Call, MAX_ARGS, NONE};
use crate::format::WriterOptions;
use crate::model::{FileKind, Processors, Spent, TaskId, TaskStart};

/// What stands in every place that a name can stand in.
const SECRET: &str = "xq7-secret";

fn secret(text: &str) -> Vec<u8> {
    text.replace('*', SECRET).into_bytes()
}

fn secret_header() -> Header {
    Header {
        producer: format!("fsreplay 0.1.0 {SECRET}"),
        command: vec![secret("/opt/*/tool"), secret("--password=*")],
        cwd: secret("/home/*/app"),
        uid: 48_213,
        gid: 48_214,
        groups: vec![48_213, 0],
        architecture: "x86_64".into(),
        kernel: format!("6.18.4-{SECRET}"),
        started: 1_700_000_000,
        mounts: vec![Mount {
            id: 7,
            root: secret("/*"),
            mount_point: secret("/mnt/*"),
            options: format!("rw,relatime,{SECRET}"),
            optional: format!("master:{SECRET}"),
            fs_type: format!("fuse.{SECRET}"),
            source: secret("host:/*"),
            super_options: format!("rw,username={SECRET}"),
        }],
        ..Header::default()
    }
}

fn secret_footer() -> Footer {
    Footer {
        status: Some(0),
        elapsed: 5_000_000,
        events: 4,
        unrecorded: [("bind".into(), 2), (SECRET.into(), 1)].into(),
        warnings: vec![format!("/opt/{SECRET} is set-user-id")],
        processors: Some(Processors {
            slowness: 1.25,
            unit: 3.5,
            work: 1,
            boot: SECRET.into(),
        }),
        ..Footer::default()
    }
}

fn event(call: Call, time: u64, result: i64, args: &[u64]) -> Record {
    let mut all = [0; MAX_ARGS];
    all[..args.len()].copy_from_slice(args);
    Record::Event(Event {
        task: TaskId(0),
        call,
        entry: time,
        duration: 160,
        overlapped: 0,
        result,
        spent: Spent {
            think: 64,
            cpu: 32,
            blocked: 0,
            asleep: 96,
        },
        args: all,
    })
}

/// A trace with a secret in every place, in several blocks.
fn secret_trace() -> Vec<u8> {
    let options = WriterOptions {
        block_records: 3,
        ..WriterOptions::default()
    };
    let mut out = TraceWriter::new(Vec::new(), &secret_header(), options).expect("a trace");
    let id = |id: StringId| u64::from(id.0);
    let home = out.node(NodeId::ROOT, b"home");
    let dir = out.node(home, SECRET.as_bytes());
    let file = out.node(dir, &secret("*.tar.gz"));
    let path = id(out.path_string(&secret("/home/*/*.tar.gz"), file));
    let target = out.string(&secret("../*/x"));
    let attribute = out.string(&secret("user.*"));
    let arguments = id(out.string(&secret("*\0--password=*")));
    let gone = out.string(&secret("/home/*/* (deleted)"));
    let link = id(out.string(&secret("*")));
    let metadata = Metadata {
        size: 12,
        mode: 0o777,
        uid: 48_213,
        gid: 48_299,
        mtime: 1_700_000_000,
        link_group: 3,
        target: Some(target),
        mount: 0,
        allocated: None,
    };
    let states = [
        Record::TaskStart(TaskStart {
            task: TaskId(0),
            parent: None,
            time: 0,
            flags: 0,
            tid: 77,
            think: 0,
        }),
        Record::PathState(PathState {
            node: file,
            kind: FileKind::Symlink,
            metadata: Some(metadata),
        }),
        Record::Listing(Listing {
            directory: dir,
            entries: vec![(file, FileKind::Symlink)],
        }),
        Record::Xattrs(Xattrs {
            node: file,
            entries: vec![(attribute, 9)],
        }),
        Record::FdState(FdState {
            task: TaskId(0),
            fd: 3,
            target: gone,
            kind: FileKind::File,
            flags: 2,
            offset: 5,
        }),
    ];
    let calls = [
        event(Call::execve, 320, 0, &[path, arguments]),
        event(Call::symlink, 640, 0, &[id(target), link]),
        event(Call::lgetxattr, 960, 9, &[path, id(attribute), 100]),
        event(Call::chown, 1280, -1, &[NONE, 48_213, u64::MAX]),
    ];
    for record in states.iter().chain(&calls) {
        out.push(record).expect("pushed");
    }
    out.finish(&secret_footer()).expect("finished")
}

/// All that a trace holds, read.
struct Whole {
    records: Vec<Record>,
    reader: TraceReader,
}

fn read(trace: Vec<u8>) -> Whole {
    let mut reader = TraceReader::new(trace).expect("a trace");
    let mut records = Vec::new();
    while let Some(record) = reader.next_record().expect("a record") {
        records.push(record);
    }
    Whole { records, reader }
}

fn anonymized(trace: Vec<u8>) -> Vec<u8> {
    let reader = TraceReader::new(trace).expect("a trace");
    let done = anonymize(reader, Vec::new(), false).expect("anonymized");
    assert!(!done.truncated);
    done.out
}

fn holds(trace: &[u8], text: &str) -> bool {
    let unpacked = zstd::stream::decode_all(trace).expect("a zstd file");
    unpacked
        .windows(text.len())
        .any(|part| part.eq_ignore_ascii_case(text.as_bytes()))
}

#[test]
fn no_secret_is_left_anywhere() {
    let trace = secret_trace();
    let after = anonymized(trace.clone());
    // Prefixes are stored once: what is looked for is what a name has of its own.
    for part in [SECRET, "secret", "password", "username", "master:"] {
        assert!(!holds(&after, part), "{part}");
    }
    assert!(holds(&trace, SECRET) && holds(&trace, "password"));
    let told = format!("{:?}", read(after).reader.header());
    assert!(!told.contains("48213"), "{told}");
}

#[test]
fn calls_times_and_outcomes_stay() {
    let before = read(secret_trace());
    let after = read(anonymized(secret_trace()));
    assert_eq!(before.records.len(), after.records.len());
    for pair in before.records.iter().zip(&after.records) {
        let (Record::Event(was), Record::Event(is)) = pair else {
            continue;
        };
        let timeless = |e: &Event| (e.call, e.task, e.result, e.overlapped);
        assert_eq!(timeless(was), timeless(is));
        assert_eq!((was.entry, was.duration), (is.entry, is.duration));
        assert_eq!(was.spent, is.spent);
    }
    let (was, is) = (before.reader.footer(), after.reader.footer());
    let (was, is) = (was.expect("a footer"), is.expect("a footer"));
    assert_eq!((was.elapsed, was.events), (is.elapsed, is.events));
    assert_eq!(is.unrecorded, [("bind".to_owned(), 2)].into());
    let unit = |footer: &Footer| footer.processors.as_ref().map(|p| (p.slowness, p.unit));
    assert_eq!(unit(was), unit(is));
}

#[test]
fn a_name_is_the_same_wherever_it_stands() {
    let after = read(anonymized(secret_trace()));
    let (header, tables) = (after.reader.header(), after.reader.tables());
    let below = header.cwd.strip_prefix(b"/home/").expect("kept");
    let name = below.strip_suffix(b"/app").expect("kept").to_vec();
    assert_eq!(name.len(), SECRET.len());
    let with = |text: &str| -> Vec<u8> {
        let name = std::str::from_utf8(&name).expect("ASCII");
        text.replace('*', name).into_bytes()
    };
    assert_eq!(header.mounts[0].mount_point, with("/mnt/*"));
    assert_eq!(header.command.len(), 1);
    assert!(header.command[0].starts_with(&with("/opt/*/")));
    assert_eq!(header.producer, "fsreplay 0.1.0, anonymized");
    assert!(header.is_anonymized());
    assert_eq!(header.kernel, "6.18.4");
    assert_eq!(header.mounts[0].options, "rw,relatime");
    assert_eq!(header.mounts[0].fs_type, "fuse");
    assert_eq!((header.uid, header.gid), (1000, 1000));
    assert_eq!(header.groups, [1001, 0]);
    let mut seen = 0;
    for record in &after.records {
        match record {
            Record::PathState(state) => {
                let target = state.metadata.and_then(|m| m.target).expect("a target");
                assert!(tables.string(target).starts_with(&with("../*/")));
                assert!(tables.path(state.node).starts_with(&with("/home/*/")));
                let owner = state.metadata.map(|m| (m.uid, m.gid));
                assert_eq!(owner, Some((1000, 1002)));
            }
            Record::Xattrs(xattrs) => {
                assert_eq!(tables.string(xattrs.entries[0].0), with("user.*"));
            }
            Record::FdState(state) => {
                assert_eq!(tables.string(state.target), with("/home/*/* (deleted)"));
            }
            Record::Event(event) if event.call == Call::execve => {
                let arguments = event.string(ArgKind::Argv).expect("kept");
                assert_eq!(tables.string(arguments), name);
                let path = tables.string(event.string(ArgKind::Path).expect("kept"));
                assert!(path.ends_with(b".tar.gz") && path.starts_with(&with("/home/*/")));
            }
            Record::Event(event) if event.call == Call::chown => {
                assert_eq!(event.args[..3], [NONE, 1000, u64::MAX]);
            }
            _ => continue,
        }
        seen += 1;
    }
    assert_eq!(seen, 5);
}

#[test]
fn a_trace_that_was_cut_off_is_taken_only_if_asked_for() {
    let trace = secret_trace();
    // Into the footer, which stands before a seek table of 7 frames.
    let cut = trace[..trace.len() - (8 * 7 + 17) - 20].to_vec();
    let reader = || TraceReader::new(cut.clone()).expect("a header");
    assert!(matches!(
        anonymize(reader(), Vec::new(), false),
        Err(TraceError::Truncated { .. })
    ));
    let done = anonymize(reader(), Vec::new(), true).expect("anonymized");
    assert!(done.truncated);
    assert!(!holds(&done.out, "secret"));
    let whole = read(done.out);
    let footer = whole.reader.footer().expect("a footer");
    assert_eq!((footer.status, footer.events), (None, 4));
}

#[test]
fn twice_is_as_good_as_once() {
    let once = anonymized(secret_trace());
    let twice = read(anonymized(once.clone()));
    assert_eq!(twice.records.len(), read(once).records.len());
    assert_eq!(twice.reader.header().producer, "fsreplay 0.1.0, anonymized");
}

//! A log that was exported tells what the trace did: it is imported again, and both are compared.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use fsreplay_foreign::export::{Format, export};
use fsreplay_foreign::strace::{Log, Options, import};
use fsreplay_inspector::Inspector;
use fsreplay_trace::call::{ArgKind, Call};
use fsreplay_trace::format::{TraceReader, open};
use fsreplay_trace::model::{FileKind, Record};

/// What a trace says that a log can say as well.
#[derive(Debug, Default)]
struct Told {
    /// By call: how often, how often it failed, nanoseconds.
    calls: BTreeMap<&'static str, (u64, u64, u64)>,
    /// Calls, results and where their descriptors lead, in order.
    events: Vec<(Call, i64, Option<Vec<u8>>)>,
    /// Paths that are links.
    links: HashSet<Vec<u8>>,
}

fn told(mut reader: TraceReader) -> Told {
    let mut told = Told::default();
    let mut world = Inspector::new(reader.header());
    while let Some(record) = reader.next_record().expect("a record") {
        match &record {
            Record::PathState(state) if state.kind == FileKind::Symlink => {
                told.links.insert(reader.tables().path(state.node));
            }
            Record::Event(event) => {
                let call = told.calls.entry(event.call.name()).or_default();
                call.0 += 1;
                call.1 += u64::from(event.errno().is_some());
                call.2 += event.duration;
                // Where the first three lead is known from /proc, and from no log.
                let fd = event.fd(ArgKind::Fd).filter(|fd| *fd > 2);
                let file = fd.and_then(|fd| world.open_file(event.task, fd, reader.tables()));
                let path = file
                    .filter(|file| file.number.is_some() && !file.is_pseudo)
                    .and_then(|file| file.path);
                told.events.push((event.call, event.result, path));
            }
            _ => {}
        }
        world.record(&record, reader.tables());
    }
    told
}

fn exported(trace: &Path) -> Vec<u8> {
    let mut reader = open(trace).expect("a trace");
    let mut log = Vec::new();
    export(&mut reader, Format::Strace, &mut log, false).expect("a log");
    log
}

fn imported(log: Vec<u8>) -> TraceReader {
    let log = Log {
        path: "log".into(),
        text: Box::new(std::io::Cursor::new(log)),
    };
    let (trace, report) = import(vec![log], Vec::new(), &Options::default()).expect("a trace");
    let strange: Vec<_> = report
        .unknown
        .iter()
        .filter(|u| u.what.contains("none of"))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
    TraceReader::new(trace).expect("a trace")
}

fn traces(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../traces")
        .join(folder);
    let names = std::fs::read_dir(folder).expect("traces");
    let mut paths: Vec<PathBuf> = names
        .map(|entry| entry.expect("a trace").path())
        .filter(|p| p.extension().is_some_and(|e| e == "zst"))
        .collect();
    paths.sort();
    paths
}

/// Whether a path leads over one of these links.
fn leads_over(path: &[u8], links: &HashSet<Vec<u8>>) -> bool {
    let ends = (1..=path.len()).filter(|end| path.get(*end).is_none_or(|byte| *byte == b'/'));
    ends.into_iter().any(|end| links.contains(&path[..end]))
}

/// A tenth of a per cent of all, and two of each call: a trace keeps durations of so many digits.
fn is_near(a: u64, b: u64, permille: u64) -> bool {
    a.abs_diff(b) * 1000 <= a.max(b) * permille
}

fn compare(trace: &Path) {
    let name = trace.display();
    let recorded = told(open(trace).expect("a trace"));
    let read = told(imported(exported(trace)));
    let counts = |told: &Told| -> Vec<_> {
        let all = told.calls.iter();
        all.map(|(call, (count, failed, _))| (*call, *count, *failed))
            .collect()
    };
    assert_eq!(counts(&read), counts(&recorded), "{name}");
    for (call, (.., time)) in &recorded.calls {
        assert!(
            is_near(*time, read.calls[call].2, 20),
            "{name}: {call} {time} {read:?}"
        );
    }
    let all = |told: &Told| told.calls.values().map(|(.., time)| time).sum::<u64>();
    assert!(is_near(all(&recorded), all(&read), 1), "{name}");
    let (mut paths, mut elsewhere) = (0, 0);
    for (number, (one, other)) in recorded.events.iter().zip(&read.events).enumerate() {
        assert_eq!((one.0, one.1), (other.0, other.1), "{name}: event {number}");
        paths += u64::from(one.2.is_some());
        // A log doesn't tell links that were followed on the way.
        let differs = one.2 != other.2;
        let link = other
            .2
            .as_ref()
            .is_some_and(|path| leads_over(path, &recorded.links));
        if differs && !link {
            elsewhere += 1;
            let shown = |path: &Option<Vec<u8>>| {
                path.as_deref()
                    .map(String::from_utf8_lossy)
                    .map(|p| p.into_owned())
            };
            eprintln!(
                "{name}: event {number} {} {:?} {:?}",
                one.0,
                shown(&one.2),
                shown(&other.2)
            );
        }
    }
    assert_eq!(elsewhere, 0, "{name}: of {paths} descriptors");
}

#[test]
fn a_log_has_the_calls_results_paths_and_times_of_its_trace() {
    let library = traces("library");
    assert!(library.len() > 10, "{library:?}");
    // Those named `everything` hold what no kernel does: each call, with random outcomes.
    let golden = traces("tests/golden");
    let real = golden.iter().filter(|path| path.ends_with("shell-v1.zst"));
    for trace in library.iter().chain(real) {
        compare(trace);
    }
}

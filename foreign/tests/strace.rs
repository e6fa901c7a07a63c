//! Logs as several versions of strace write them: one run, three forms, one trace.

use std::collections::BTreeMap;
use std::path::Path;

use fsreplay_foreign::strace::{ImportError, Log, Options, Report, import};
use fsreplay_trace::call::ArgKind;
use fsreplay_trace::format::{Tables, TraceReader};
use fsreplay_trace::imported::Imported;
use fsreplay_trace::model::{Event, FileKind, Record};

const LOGS: [&str; 3] = ["v4.26.log", "v5.10.log", "v6.9.log"];

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/logs")
        .join(name);
    std::fs::read_to_string(path).expect("a log")
}

fn log(path: &str, text: &[u8]) -> Log {
    Log {
        path: path.into(),
        text: Box::new(std::io::Cursor::new(text.to_vec())),
    }
}

fn imported(logs: Vec<Log>) -> Result<(Vec<u8>, Report), ImportError> {
    import(logs, Vec::new(), &Options::default())
}

/// A trace that was read whole.
struct Trace {
    reader: TraceReader,
    records: Vec<Record>,
    report: Report,
}

impl Trace {
    fn of(logs: Vec<Log>) -> Trace {
        let (bytes, report) = imported(logs).expect("an import");
        let mut reader = TraceReader::new(bytes).expect("a trace");
        let mut records = Vec::new();
        while let Some(record) = reader.next_record().expect("a record") {
            records.push(record);
        }
        Trace {
            reader,
            records,
            report,
        }
    }

    fn one(text: &str) -> Trace {
        Trace::of(vec![log("log", text.as_bytes())])
    }

    fn tables(&self) -> &Tables {
        self.reader.tables()
    }

    fn events(&self) -> impl Iterator<Item = &Event> {
        self.records.iter().filter_map(|record| match record {
            Record::Event(event) => Some(event),
            _ => None,
        })
    }

    fn state(&self, path: &str) -> Option<(FileKind, u64)> {
        self.records.iter().find_map(|record| match record {
            Record::PathState(state) if self.tables().path(state.node) == path.as_bytes() => {
                Some((
                    state.kind,
                    state.metadata.map_or(0, |metadata| metadata.size),
                ))
            }
            _ => None,
        })
    }

    fn unknown(&self, part: &str) -> u64 {
        let found = self
            .report
            .unknown
            .iter()
            .find(|one| one.what.contains(part));
        found.map_or(0, |one| one.count)
    }
}

#[test]
fn one_run_is_one_trace_in_the_forms_of_all_versions() {
    let told = LOGS.map(|name| {
        let trace = Trace::one(&text(name));
        let mut calls: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
        for event in trace.events() {
            calls
                .entry(event.call.name())
                .or_default()
                .push(event.result);
        }
        let ends = trace.records.iter().filter_map(|record| match record {
            Record::TaskExit(exit) => Some((exit.task.0, exit.status)),
            _ => None,
        });
        let starts = trace.records.iter().filter_map(|record| match record {
            Record::TaskStart(start) => Some((start.task.0, start.parent, start.tid)),
            _ => None,
        });
        assert_eq!(trace.reader.header().cwd, b"/work", "{name}");
        assert_eq!(trace.reader.header().architecture, "x86_64");
        assert_eq!(trace.reader.header().command, [b"sh"]);
        assert_eq!(trace.reader.footer().expect("a footer").status, Some(256));
        for (path, state) in [
            ("/work/a", Some((FileKind::File, 6))),
            ("/work/d", Some((FileKind::Absent, 0))),
            ("/work", Some((FileKind::Directory, 0))),
            ("/etc/ld.so.preload", None),
        ] {
            assert_eq!(trace.state(path), state, "{name}: {path}");
        }
        let (starts, ends): (Vec<_>, Vec<_>) = (starts.collect(), ends.collect());
        (calls, starts, ends)
    });
    let [first, second, third] = &told;
    assert_eq!(first, second);
    assert_eq!(second, third);
    let (calls, starts, ends) = first;
    assert_eq!(
        calls["read"],
        [832, 6, 0, 1],
        "the interrupted one is one call"
    );
    assert_eq!(
        calls["mmap"].len(),
        1,
        "memory that is no file's is no event"
    );
    assert_eq!(calls["munmap"].len(), 1);
    assert_eq!(calls["wait4"], [101]);
    assert_eq!(starts.len(), 2);
    assert_eq!(starts[1].1.map(|parent| parent.0), Some(0));
    assert_eq!(ends[..], [(1, 0), (0, 256)]);
}

#[test]
fn where_a_link_leads_is_known_from_where_descriptors_do() {
    let trace = Trace::one(&text("v6.9.log"));
    assert_eq!(trace.state("/lib"), Some((FileKind::Symlink, 8)));
    assert_eq!(
        trace.state("/usr/lib/libc.so.6"),
        Some((FileKind::File, 1_824_496))
    );
    let trace = Trace::one(&text("v5.10.log"));
    assert_eq!(trace.state("/lib/libc.so.6"), Some((FileKind::Symlink, 21)));
    // Without -y nothing tells it.
    let trace = Trace::one(&text("v4.26.log"));
    assert_eq!(
        trace.state("/lib/libc.so.6"),
        Some((FileKind::File, 1_824_496))
    );
}

#[test]
fn times_are_those_of_the_log_and_what_is_missing_is_told() {
    let trace = Trace::one(&text("v6.9.log"));
    let header = trace.reader.header();
    assert_eq!(header.started, 1_700_000_000);
    let imported = header.imported().expect("imported");
    assert_eq!(
        (imported.from.as_str(), &imported.unknown[..]),
        ("strace", &["tree".to_owned()][..])
    );
    // As the log has them, but for what a trace rounds.
    let near = |time: u64, wanted: u64| time.abs_diff(wanted) <= wanted / 30 + 16;
    let exec = trace.events().next().expect("an event");
    assert!(near(exec.duration, 200_000), "{}", exec.duration);
    let read = trace
        .events()
        .filter(|event| event.call.name() == "read")
        .last()
        .expect("a read");
    assert!(
        near(read.duration, 300_000),
        "from its first entry to its last return: {read:?}"
    );
    let wait = trace
        .events()
        .find(|event| event.call.name() == "wait4")
        .expect("a wait");
    assert!(near(wait.duration, 540_000), "{wait:?}");

    let trace = Trace::one(&text("v4.26.log"));
    let imported = trace.reader.header().imported().expect("imported");
    assert!(imported.lacks(Imported::DURATIONS) && imported.lacks(Imported::TIMES));
    assert!(trace.unknown("-T") > 20 && trace.unknown("-ttt") > 20);
    let warnings = &trace.reader.footer().expect("a footer").warnings;
    assert!(
        warnings.iter().any(|warning| warning.contains("strace -T")),
        "{warnings:?}"
    );

    let whole_seconds: String = text("v5.10.log")
        .replace("12:00:00.", "12:00:00 (+     0.")
        .replace("(+     0.", "(+ 0.")
        .lines()
        .map(|line| match line.find("(+ 0.") {
            Some(at) => format!("{}{}\n", &line[..at], &line[at + 12..]),
            None => format!("{line}\n"),
        })
        .collect();
    let trace = Trace::one(&whole_seconds);
    assert!(trace.unknown("whole seconds") > 20, "{:?}", trace.report);
}

#[test]
fn logs_of_each_task_are_one_run() {
    let whole = text("v6.9.log");
    // As -ff writes them: without ids, and nothing is cut in halves.
    let of_task = |pid: &str| -> String {
        let lines = whole
            .lines()
            .filter(|line| line.starts_with(pid))
            .filter_map(|line| {
                let (_, rest) = line.split_once(' ')?;
                let (time, rest) = rest.split_once(' ')?;
                let (time, call) = match rest {
                    _ if rest.ends_with("<unfinished ...>") => return None,
                    _ if rest.starts_with("<... openat") => (
                        "1700000000.001400",
                        "openat(AT_FDCWD</work>, \"a\", O_RDONLY) = 3</work/a> <0.000060>",
                    ),
                    _ if rest.starts_with("<... clone3") => (
                        "1700000000.001300",
                        "clone3({flags=0, exit_signal=SIGCHLD}, 88) = 101 <0.000150>",
                    ),
                    _ if rest.starts_with("<... wait4") => (
                        "1700000000.001470",
                        "wait4(-1, [{WIFEXITED(s)}], 0, NULL) = 101 <0.000540>",
                    ),
                    _ => (time, rest),
                };
                Some(format!("{time} {call}"))
            });
        lines.map(|line| line + "\n").collect()
    };
    let logs = ["100", "101"].map(|pid| log(&format!("log.{pid}"), of_task(pid).as_bytes()));
    let merged = Trace::of(logs.into_iter().collect());
    let one = Trace::one(&whole);
    let calls = |trace: &Trace| -> Vec<(u32, &str, i64)> {
        let events = trace.events();
        events
            .map(|event| (event.task.0, event.call.name(), event.result))
            .collect()
    };
    assert_eq!(calls(&merged), calls(&one));
}

#[test]
fn a_log_of_a_part_of_the_calls_tells_what_it_lacks() {
    let text = "\
100 openat(AT_FDCWD, \"a\", O_RDONLY) = 3
100 openat(AT_FDCWD, \"b\", O_RDONLY) = 3
100 newfstatat(7, \"c\", {st_mode=S_IFREG|0644, st_size=1, ...}, 0) = 0
100 ioctl(3, SOME_NEW_IOCTL, 0x7ffe) = -1 ENOTTY (Inappropriate ioctl for device)
100 io_uring_setup(8, {flags=0}) = 4
100 stat64(\"a\", {st_mode=S_IFREG|0644, st_size=1, ...}) = 0
this is the tool's own output
";
    let trace = Trace::one(text);
    for (part, count) in [
        ("no call closed", 1),
        ("no call of the log opened", 1),
        ("directory isn't known", 1),
        ("none of strace's", 1),
        ("SOME_NEW_IOCTL", 1),
        ("working directory", 1),
        ("end isn't told", 1),
    ] {
        assert_eq!(
            trace.unknown(part),
            count,
            "{part}: {:?}",
            trace.report.unknown
        );
    }
    let unrecorded = &trace.reader.footer().expect("a footer").unrecorded;
    let names: Vec<&str> = unrecorded.keys().map(String::as_str).collect();
    assert_eq!(names, ["io_uring_setup", "stat64"]);
}

#[test]
fn a_mapping_that_failed_read_nothing() {
    let import = |outcome: &str| {
        Trace::one(&format!(
            "\
100 openat(AT_FDCWD, \"a\", O_RDONLY) = 3
100 mmap(NULL, 8192, PROT_READ, MAP_SHARED, 3, 0) = {outcome}
100 munmap(0x7f0000000000, 8192) = 0
"
        ))
    };
    let failed = import("-1 ENODEV (No such device)");
    let mapped = import("0x7f0000000000");
    let sizes = [&failed, &mapped].map(|trace| trace.unknown("sizes of files that were read"));
    assert_eq!(sizes, [0, 1]);
    let results = |trace: &Trace| trace.events().map(|event| event.result).collect::<Vec<_>>();
    assert_eq!(results(&failed), [3, -19]);
    assert_eq!(results(&mapped), [3, 0x7f00_0000_0000, 0]);
}

#[test]
fn what_an_open_looked_for_in_vain_was_missing_unless_it_makes_files() {
    let text = "\
100 chdir(\"/w\") = 0
100 openat(AT_FDCWD, \"looked\", O_RDONLY) = -1 ENOENT (No such file or directory)
100 openat(AT_FDCWD, \"made\", O_WRONLY|O_CREAT, 0644) = -1 ENOENT (No such file or directory)
100 openat(AT_FDCWD, \"void\", O_PATH|O_CREAT, 0644) = -1 ENOENT (No such file or directory)
100 rename(\"one\", \"other\") = -1 ENOENT (No such file or directory)
";
    let trace = Trace::one(text);
    let absent = Some((FileKind::Absent, 0));
    let states = ["looked", "made", "void", "one", "other"].map(|name| {
        let path = format!("/w/{name}");
        trace.state(&path)
    });
    assert_eq!(states, [absent, None, absent, None, None]);
}

#[test]
fn secrets_in_arguments_and_environments_stay_out() {
    let text = "\
100 execve(\"/bin/curl\", [\"curl\", \"-H\", \"token: hunter2\"], [\"PASSWORD=hunter3\"]) = 0
100 write(1, \"hunter4\", 7) = 7
";
    let trace = Trace::one(text);
    let tables = trace.tables();
    let exec = trace.events().next().expect("an event");
    let argv = exec.string(ArgKind::Argv).expect("its name");
    assert_eq!(tables.string(argv), b"curl");
    let (bytes, _) = imported(vec![log("log", text.as_bytes())]).expect("an import");
    let mut reader = TraceReader::new(bytes).expect("a trace");
    while reader.next_record().expect("a record").is_some() {}
    for id in 0..reader.tables().string_count() as u32 {
        let text = reader.tables().string(fsreplay_trace::model::StringId(id));
        assert!(!text.windows(6).any(|part| part == b"hunter"), "{text:?}");
    }
}

#[test]
fn damaged_logs_are_imported_or_refused_and_never_more() {
    let mut random = 0x2545_f491_4f6c_dd1du64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below.max(1) as u64) as usize
    };
    let pieces: [&[u8]; 12] = [
        b"(",
        b")",
        b"\"",
        b"<",
        b">",
        b"{",
        b"=",
        b" => ",
        b"/*",
        b"\\",
        b"..",
        b"18446744073709551615",
    ];
    let mut refused = 0;
    for round in 0..600 {
        let mut bytes = text(LOGS[round % LOGS.len()]).into_bytes();
        for _ in 0..1 + next(8) {
            let at = next(bytes.len());
            match next(4) {
                0 => bytes[at] = next(256) as u8,
                1 => drop(bytes.splice(at..at, pieces[next(pieces.len())].iter().copied())),
                2 => drop(bytes.drain(at..(at + next(40)).min(bytes.len()))),
                _ => bytes.truncate(at.max(1)),
            }
        }
        match imported(vec![log("log", &bytes)]) {
            Ok((trace, _)) => {
                let mut reader = TraceReader::new(trace).expect("a trace");
                while reader.next_record().expect("a record").is_some() {}
            }
            // Cut off in its first line, or that is damaged and the rest gone.
            Err(ImportError::NoLog { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused < 200, "{refused} of 600: most lines are whole");
}

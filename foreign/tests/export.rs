//! Exports are what their readers take: JSON by the rules of the trace event format, and CSV.

use std::collections::{HashMap, HashSet};

use fsreplay_foreign::export::{Format, export};
use fsreplay_trace::build::{NewCall, TraceBuilder, Value};
use fsreplay_trace::call::{ArgKind, Call};
use fsreplay_trace::format::{TraceReader, open};
use fsreplay_trace::model::{Header, Spent};

/// Names that a careless writer breaks at.
const NAMES: [&[u8]; 4] = [
    b"plain",
    b"a,\"b\"\nc\x1b[2J",
    b"\xff\\",
    "f\u{fc}r".as_bytes(),
];

/// A command that makes a thread, whose id is given out again later, and looks at each name.
fn trace() -> Vec<u8> {
    let header = Header {
        command: vec![b"to\"ol".to_vec()],
        ..Header::default()
    };
    let mut trace = TraceBuilder::new(Vec::new(), &header).expect("a trace");
    let first = trace.task(None, 0, 7, 0).expect("a task");
    let thread = trace.task(Some(first), 0x1_0000, 8, 10).expect("a task");
    let again = trace.task(Some(first), 0, 8, 20).expect("a task");
    let mut now = 1000;
    for task in [first, thread, again] {
        for name in NAMES {
            let args = [(ArgKind::Path, Value::Text(name))];
            let (call, spent) = (Call::stat, Spent::default());
            let (args, entry, exit, result) = (&args, now, now + 500, -2);
            let new = NewCall {
                task,
                call,
                args,
                entry,
                exit,
                result,
                spent,
            };
            trace.call(&new).expect("an event");
            now += 1000;
        }
    }
    trace.finish(Some(0)).expect("a trace")
}

fn exported(format: Format) -> String {
    exported_of(TraceReader::new(trace()).expect("a trace"), format)
}

fn exported_of(mut reader: TraceReader, format: Format) -> String {
    let mut out = Vec::new();
    export(&mut reader, format, &mut out, false).expect("written");
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn a_chrome_trace_keeps_the_rules_of_its_format() {
    let text = exported(Format::ChromeTrace);
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let events = value["traceEvents"].as_array().expect("events");
    let mut calls = 0;
    let mut ends: HashMap<(u64, u64), f64> = HashMap::new();
    for event in events {
        let number = |name: &str| event[name].as_u64().expect("a number");
        let thread = (number("pid"), number("tid"));
        let time = event["ts"].as_f64().expect("a time");
        match event["ph"].as_str() {
            Some("M") => assert!(event["args"]["name"].is_string(), "{event}"),
            Some("X") => {
                assert!(
                    event["name"].is_string() && event["cat"].is_string(),
                    "{event}"
                );
                let end = ends.insert(thread, time + event["dur"].as_f64().expect("a time"));
                assert!(
                    end.is_none_or(|end| end <= time),
                    "calls of one thread overlap: {event}"
                );
                calls += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(calls, 3 * NAMES.len());
    let threads: HashSet<_> = ends.into_keys().collect();
    assert_eq!(threads.len(), 3, "an id given out twice is two threads");
    assert!(
        threads.contains(&(7, 7)) && threads.contains(&(7, 8)),
        "{threads:?}"
    );
    assert!(!text.contains('\x1b'));
}

#[test]
fn calls_of_a_thread_follow_each_other_in_what_readers_add_up() {
    let traces = concat!(env!("CARGO_MANIFEST_DIR"), "/../traces/library");
    for name in ["git-clone", "go-build", "jest"] {
        let path = format!("{traces}/{name}.zst");
        let reader = open(path.as_ref()).expect("a trace");
        let text = exported_of(reader, Format::ChromeTrace);
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let mut ends: HashMap<u64, f64> = HashMap::new();
        for event in value["traceEvents"].as_array().expect("events") {
            let thread = event["tid"].as_u64().expect("a number");
            let number = |name: &str| event[name].as_f64().unwrap_or(0.0);
            let (start, end) = (number("ts"), number("ts") + number("dur"));
            let before = ends.insert(thread, end).unwrap_or(0.0);
            assert!(before <= start, "{name}: {before} {event}");
        }
    }
}

#[test]
fn calls_that_take_no_time_are_no_parts_of_each_other() {
    let mut trace = TraceBuilder::new(Vec::new(), &Header::default()).expect("a trace");
    let task = trace.task(None, 0, 7, 0).expect("a task");
    for (entry, exit) in [(1000, 2000), (2000, 2000), (2000, 2000), (2000, 2500)] {
        let call = NewCall {
            task,
            call: Call::sync,
            args: &[],
            entry,
            exit,
            result: 0,
            spent: Spent::default(),
        };
        trace.call(&call).expect("an event");
    }
    let bytes = trace.finish(Some(0)).expect("a trace");
    let reader = TraceReader::new(bytes).expect("a trace");
    let text = exported_of(reader, Format::ChromeTrace);
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let events = value["traceEvents"].as_array().expect("events");
    let mut end = 0.0;
    let mut calls = 0;
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let number = |name: &str| event[name].as_f64().expect("a time");
        assert!(end < number("ts") && number("dur") > 0.0, "{end} {event}");
        end = number("ts") + number("dur");
        calls += 1;
    }
    assert_eq!(calls, 4);
}

#[test]
fn a_line_of_json_tells_all_of_a_call_and_names_come_back() {
    let text = exported(Format::JsonLines);
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let names = lines.iter().map(|line| line["args"]["path"].as_str());
    let names: Vec<&str> = names.map(|name| name.expect("a path")).collect();
    let escaped = ["plain", r#"a,\"b\"\nc\x1b[2J"#, r"\xff\\", "f\u{fc}r"];
    assert_eq!(names, [escaped, escaped, escaped].concat());
    assert!(!text.contains('\x1b'));
    // Of times a trace keeps some digits.
    let wanted = serde_json::json!({
        "event": 0, "pid": 7, "tid": 7, "entry_ns": 992, "duration_ns": 496, "call": "stat",
        "args": {"path": "plain"}, "files": {}, "result": -2, "errno": "ENOENT",
    });
    assert_eq!(lines[0], wanted);
    let threads: HashSet<u64> = lines
        .iter()
        .map(|line| line["tid"].as_u64().expect("a number"))
        .collect();
    assert_eq!(threads.len(), 3, "an id given out twice is two threads");
}

/// Descriptors lead where they led when a call began; a descriptor that a call gives, after it.
#[test]
fn a_line_of_json_tells_where_descriptors_lead() {
    let header = Header {
        cwd: b"/work".to_vec(),
        ..Header::default()
    };
    let mut trace = TraceBuilder::new(Vec::new(), &header).expect("a trace");
    let task = trace.task(None, 0, 7, 0).expect("a task");
    let path = (ArgKind::Path, Value::Text(&b"a"[..]));
    let current = (ArgKind::DirFd, Value::Number(-100));
    let fd = (ArgKind::Fd, Value::Number(3));
    let calls = [
        (Call::openat, vec![current, path], 3),
        (Call::read, vec![fd], 12),
        (Call::close, vec![fd], 0),
        (Call::read, vec![fd], -9),
    ];
    for (entry, (call, args, result)) in (0..).step_by(1000).zip(&calls) {
        let new = NewCall {
            task,
            call: *call,
            args,
            entry,
            exit: entry + 500,
            result: *result,
            spent: Spent::default(),
        };
        trace.call(&new).expect("an event");
    }
    let trace = trace.finish(Some(0)).expect("a trace");
    let reader = TraceReader::new(trace).expect("a trace");
    let files: Vec<serde_json::Value> = exported_of(reader, Format::JsonLines)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .map(|line| line["files"].clone())
        .collect();
    let wanted = serde_json::json!([
        {"dirfd": "/work", "result": "/work/a"}, {"fd": "/work/a"}, {"fd": "/work/a"}, {},
    ]);
    assert_eq!(serde_json::Value::from(files), wanted);
}

/// Fields of a line, as RFC 4180 has them.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut quoted) = (vec![String::new()], false);
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        let field = fields.last_mut().expect("a field");
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => field.push(c),
        }
    }
    assert!(!quoted, "{line}");
    fields
}

#[test]
fn a_table_has_a_line_for_each_call_and_names_come_back() {
    let text = exported(Format::Csv);
    let lines: Vec<Vec<String>> = text.split_terminator("\r\n").map(fields).collect();
    assert_eq!(lines.len(), 1 + 3 * NAMES.len());
    let path = lines[0]
        .iter()
        .position(|name| name == "path")
        .expect("a column");
    assert!(lines.iter().all(|line| line.len() == lines[0].len()));
    let names: Vec<&str> = lines[1..=NAMES.len()]
        .iter()
        .map(|line| &line[path][..])
        .collect();
    let escaped = ["plain", r#"a,\"b\"\nc\x1b[2J"#, r"\xff\\", "f\u{fc}r"];
    assert_eq!(names, escaped);
    assert!(
        lines[1..]
            .iter()
            .all(|line| line[5] == "stat" && line[6] == "-2")
    );
}

//! Each row of the table of calls is dumped, on whichever architecture it was recorded, and
//! documented.
//!
//! That it is recorded is tried beside the table and the decoder, that it is planned and issued in
//! the replayer.

mod common;

use std::path::Path;

use common::fsreplay;
use fsreplay_trace::abi::{Architecture, O_CREAT, OpenFlags};
use fsreplay_trace::call::{ArgKind, Call, Closes, LastRule, MAX_ARGS, Names, Op, Row, TABLE};
use fsreplay_trace::format::{TraceWriter, WriterOptions};
use fsreplay_trace::model::{Event, Footer, Header, Record, Spent, TaskId, TaskStart};

/// Writes a trace of that architecture that holds each call once, opens with these flags.
fn write(path: &Path, architecture: &str, open: u32) {
    let header = Header {
        architecture: architecture.into(),
        ..Header::default()
    };
    let options = WriterOptions::default();
    let mut writer = TraceWriter::new(Vec::new(), &header, options).expect("a writer");
    let start = TaskStart {
        task: TaskId(0),
        parent: None,
        time: 0,
        flags: 0,
        tid: 1,
        think: 0,
    };
    writer.push(&Record::TaskStart(start)).expect("written");
    let text = writer.string(b"text");
    for (index, call) in Call::all().enumerate() {
        let mut args = [u64::from(text.0); MAX_ARGS];
        let flags = call.row().position(ArgKind::Flags);
        if let Some(position) = flags.filter(|_| call.row().op == Op::Open) {
            args[position] = open.into();
        }
        let event = Event {
            task: TaskId(0),
            call,
            entry: 1000 * index as u64,
            duration: 100,
            overlapped: 0,
            result: 0,
            spent: Spent::default(),
            args,
        };
        writer.push(&Record::Event(event)).expect("written");
    }
    let footer = Footer {
        events: TABLE.len() as u64,
        tasks: 1,
        ..Footer::default()
    };
    let bytes = writer.finish(&footer).expect("a trace");
    std::fs::write(path, bytes).expect("a file");
}

#[test]
fn each_call_is_dumped_as_the_machine_meant_it_that_was_recorded() {
    let directory = tempfile::tempdir().expect("a directory");
    let trace = directory.path().join("t.zst");
    for architecture in ["x86_64", "aarch64"] {
        let machine = OpenFlags::of(architecture);
        write(&trace, architecture, machine.no_follow | O_CREAT);
        let dumped = |more: &[&str]| {
            let mut command = fsreplay();
            let output = command
                .arg("dump")
                .args(more)
                .arg(&trace)
                .output()
                .expect("fsreplay runs");
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).expect("text")
        };
        let (lines, json) = (dumped(&[]), dumped(&["--json"]));
        for row in TABLE {
            let name = row.name;
            let line = lines
                .lines()
                .find(|line| line.contains(&format!(" {name}(")))
                .unwrap_or_else(|| panic!("{name} is not dumped"));
            let opens = row.op == Op::Open && row.position(ArgKind::Flags).is_some();
            let flags = "O_RDONLY|O_CREAT|O_NOFOLLOW";
            assert_eq!(line.contains(flags), opens, "{architecture}: {line}");
            assert!(json.contains(&format!("\"call\":\"{name}\"")), "{name}");
        }
    }
}

/// What the page says of a row, but for its arguments.
fn facts(row: &Row) -> String {
    let last = match row.last {
        LastRule::NoPath => "",
        LastRule::Follow => "follows a link",
        LastRule::Keep => "keeps a link",
        LastRule::Name => "means the name",
        LastRule::ByOpenFlags => "keeps a link with `O_NOFOLLOW` or `O_CREAT\\|O_EXCL`",
        LastRule::UnlessNoFollow if row.position(ArgKind::Flags).is_none() => "keeps a link",
        LastRule::UnlessNoFollow => "keeps a link with `AT_SYMLINK_NOFOLLOW`",
        LastRule::IfFollow => "follows a link with `AT_SYMLINK_FOLLOW`",
        LastRule::IfMovedOverLink => "follows a link with `MOVE_MOUNT_T_SYMLINKS`",
        LastRule::UnlessDontFollow => "keeps a link with `IN_DONT_FOLLOW`",
    };
    let names = match row.names {
        Names::Same => "",
        Names::Made => "makes a name",
        Names::MadeOnCreate if row.implied & O_CREAT != 0 => "makes a name",
        Names::MadeOnCreate => "makes a name with `O_CREAT`",
        Names::Removed => "removes a name",
        Names::Moved => "moves a name",
    };
    let closes = match row.closes {
        Closes::Nothing => "",
        Closes::This => "closes its descriptor",
        Closes::Range => "closes descriptors",
        Closes::Replaced => "replaces a descriptor",
    };
    let waits = if row.waits { "may wait" } else { "" };
    let changes = if row.changes { "changes" } else { "" };
    let since = row.since.map_or_else(String::new, |(major, minor)| {
        format!("since Linux {major}.{minor}")
    });
    let all = [last, names, closes, waits, changes, &since];
    let said: Vec<&str> = all.into_iter().filter(|fact| !fact.is_empty()).collect();
    said.join(", ")
}

fn numbers(row: &Row) -> String {
    let number = |architecture| match row.call.number(architecture) {
        Some(number) => number.to_string(),
        None => "–".into(),
    };
    format!(
        "{} | {}",
        number(Architecture::X86_64),
        number(Architecture::Aarch64)
    )
}

/// The tables of the page.
fn tables() -> String {
    let mut page = String::from(
        "## Recorded\n\n| call | x86_64 | aarch64 | kept | result | and |\n\
         |---|---|---|---|---|---|\n",
    );
    for row in TABLE.iter().filter(|row| row.op != Op::Unsupported) {
        let kinds: Vec<String> = row.args.iter().map(|(k, _)| format!("{k:?}")).collect();
        page.push_str(&format!(
            "| {} | {} | {} | {:?} | {} |\n",
            row.name,
            numbers(row),
            kinds.join(", "),
            row.result,
            facts(row)
        ));
    }
    page.push_str("\n## Counted\n\n| call | x86_64 | aarch64 |\n|---|---|---|\n");
    for row in TABLE.iter().filter(|row| row.op == Op::Unsupported) {
        page.push_str(&format!("| {} | {} |\n", row.name, numbers(row)));
    }
    page
}

#[test]
fn each_call_is_documented() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/system-calls.md");
    let text = std::fs::read_to_string(&page).expect("the page");
    let start = text.find("## Recorded").expect("where the tables begin");
    let (words, told) = text.split_at(start);
    let tables = tables();
    if std::env::var_os("FSREPLAY_WRITE_DOCS").is_some() {
        std::fs::write(&page, format!("{words}{tables}")).expect("written");
        return;
    }
    assert_eq!(
        told, tables,
        "docs/system-calls.md is out of date: run this test with FSREPLAY_WRITE_DOCS=1"
    );
}

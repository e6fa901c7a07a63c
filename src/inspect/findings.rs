//! The suspicious work, as sentences and short tables.

use fsreplay_results::inspect::{Finding, FindingKind, Inspect, Item, Responsible};

use crate::term::{self, Text};
use crate::{say, text};

/// Paths shown of each finding.
const PATHS: usize = 4;
/// Names shown of a list.
const NAMES: usize = 5;

/// All findings, the most expensive first.
pub fn text(inspection: &Inspect) -> Text {
    if inspection.findings.is_empty() {
        return "\nnothing suspicious\n".into();
    }
    let mut out = Text::from("\nsuspicious work (a call may count in several)\n");
    for finding in &inspection.findings {
        out.push(&one(finding));
    }
    out
}

/// One finding in a line, with what it took in the recording.
fn line(finding: &Finding) -> Text {
    with(finding, &term::seconds(finding.seconds))
}

/// One finding in a line, with its part of all time in calls on files. Its own time is the
/// recording's, which the recorder made long.
pub fn brief(finding: &Finding, all_seconds: f64) -> Text {
    let share = 100.0 * finding.seconds / all_seconds.max(f64::MIN_POSITIVE);
    with(
        finding,
        &format!("{:.0} % of its time in calls", share.min(100.0)),
    )
}

fn with(finding: &Finding, took: &str) -> Text {
    text!(
        "• {}: {}{}, {}, on {}; {}\n",
        title(finding.kind),
        term::count(finding.count),
        bytes(finding.bytes),
        took,
        term::counted(finding.paths, "path", "paths"),
        responsible(&finding.processes),
    )
}

fn one(finding: &Finding) -> Text {
    let mut out = Text::from("\n");
    out.push(&line(finding));
    if !finding.names.is_empty() {
        let names: Vec<String> = finding
            .names
            .iter()
            .take(NAMES)
            .map(|missing| format!("{} ({}×)", missing.name, term::count(missing.count)))
            .collect();
        say!(out, "  looked for: {}", names.join(", "));
    }
    let rows = finding.items.iter().take(PATHS).map(row).collect();
    // What the columns are needs no header here.
    let table = term::table(&["", "", "", ""], rows);
    for line in table.lines() {
        out.push(&line.line());
    }
    out
}

fn row(item: &Item) -> Vec<String> {
    let mut about = item
        .names
        .iter()
        .take(3)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if let (Some(used), Some(entries)) = (item.used, item.entries) {
        about = format!("{} of {} used", term::count(used), term::count(entries));
    } else if item.exists == Some(false) {
        about = "is not there".into();
    }
    vec![
        term::shortened(&item.path, 60),
        format!("{}×{}", term::count(item.count), bytes(item.bytes)),
        term::seconds(item.seconds),
        term::shortened(&about, 40),
    ]
}

fn bytes(bytes: Option<u64>) -> String {
    bytes.map_or(String::new(), |count| format!(" ({})", term::bytes(count)))
}

fn responsible(processes: &[Responsible]) -> String {
    let names: Vec<String> = processes
        .iter()
        .take(3)
        .map(|program| match program.processes {
            1 => program.name.clone(),
            many => format!("{} ({many} processes)", program.name),
        })
        .collect();
    format!("by {}", names.join(", "))
}

/// A kind of suspicious work in words.
pub fn title(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::FailedLookups => "lookups of names that aren't there",
        FindingKind::RepeatedStats => "status of the same path asked for again and again",
        FindingKind::RepeatedOpens => "the same path opened again and again",
        FindingKind::RepeatedListings => "the same directory listed again and again",
        FindingKind::RepeatedReadlinks => "the same path read, or tried, as a link again and again",
        FindingKind::TinyReads => "tiny reads",
        FindingKind::TinyWrites => "tiny writes",
        FindingKind::RepeatedReads => "files read in full again",
        FindingKind::UnusedWalks => "directories walked and hardly used",
        FindingKind::SyncStorms => "waits for the disk",
        FindingKind::ShortLivedFiles => "files written and deleted again",
        FindingKind::TemporaryOnRemoteMount => {
            "files on a remote mount that could lie on a local one"
        }
        FindingKind::Other => "something that this version has no words for",
    }
}

//! What the tool does: suspicious work first, then time by call, directory, mount and program.

use super::table::{self, Cell};
use super::{Place, answer::notice, remark, timeline};
use crate::html::Html;
use crate::traces::OfTrace;
use crate::units;
use fsreplay_results::inspect::{Finding, FindingKind, Inspect, Item, Share};

/// Rows of each list.
const ROWS: usize = 10;
/// Names shown of a list.
const NAMES: usize = 8;

/// The section.
pub fn write(html: &mut Html, results: &OfTrace, place: Place) {
    // The same trace gives the same inspection; the last one given is the newest.
    let Some(inspect) = results.inspects.last() else {
        return;
    };
    remark(
        html,
        "Times are those of the recording, its own cost included, summed over threads. A call may count in several findings.",
    );
    if inspect.complete == Some(false) {
        notice(html, "the trace was cut off; this is what was whole of it.");
    }
    timeline::write(html, inspect);
    if inspect.findings.is_empty() {
        remark(html, "Nothing suspicious was found.");
    }
    for finding in &inspect.findings {
        html.element("div", &[("class", "card")], |html| {
            one(html, finding, place)
        });
    }
    costs(html, inspect);
}

fn one(html: &mut Html, finding: &Finding, place: Place) {
    html.text_element(place.heading(1), &[], title(finding.kind));
    html.element("p", &[], |html| {
        html.text_element("strong", &[], &format!("{}×", units::count(finding.count)));
        html.text(", ");
        html.text_element("strong", &[], &units::seconds(finding.seconds));
        let mut rest = format!(", on {}", units::of(finding.paths, "path", "paths"));
        if let Some(bytes) = finding.bytes {
            rest.push_str(&format!(", {}", units::bytes(bytes)));
        }
        let programs: Vec<String> = finding
            .processes
            .iter()
            .take(3)
            .map(|program| match program.processes {
                0 | 1 => program.name.clone(),
                many => format!("{} ({} processes)", program.name, units::count(many)),
            })
            .collect();
        if !programs.is_empty() {
            rest.push_str(&format!("; by {}", programs.join(", ")));
        }
        html.text(&rest);
    });
    if !finding.names.is_empty() {
        let names: Vec<String> = finding
            .names
            .iter()
            .take(NAMES)
            .map(|name| format!("{} ({}×)", name.name, units::count(name.count)))
            .collect();
        html.text_element("p", &[], &format!("Looked for: {}", names.join(", ")));
    }
    if !finding.items.is_empty() {
        html.element("details", &[], |html| {
            let shown = finding.items.len().min(ROWS) as u64;
            html.text_element(
                "summary",
                &[],
                &format!("The most expensive: {}", units::of(shown, "path", "paths")),
            );
            items(html, finding);
        });
    }
}

fn items(html: &mut Html, finding: &Finding) {
    let rows: Vec<Vec<Cell>> = finding
        .items
        .iter()
        .take(ROWS)
        .map(|item| {
            vec![
                Cell::Path(item.path.clone()),
                Cell::Number(units::count(item.count)),
                Cell::Number(units::seconds(item.seconds)),
                Cell::Text(about(item)),
            ]
        })
        .collect();
    table::write(
        html,
        title(finding.kind),
        &["Path", "Count", "Time", "About it"],
        &rows,
    );
}

fn about(item: &Item) -> String {
    let mut parts = Vec::new();
    if let (Some(used), Some(entries)) = (item.used, item.entries) {
        parts.push(format!(
            "{} of {} used",
            units::count(used),
            units::count(entries)
        ));
    }
    if item.exists == Some(false) {
        parts.push("is not there".into());
    }
    if let Some(bytes) = item.bytes {
        parts.push(units::bytes(bytes));
    }
    if !item.names.is_empty() {
        let names: Vec<&str> = item.names.iter().take(3).map(String::as_str).collect();
        parts.push(names.join(", "));
    }
    parts.join(" · ")
}

fn costs(html: &mut Html, inspect: &Inspect) {
    let calls = inspect.calls.iter();
    let calls = calls.map(|call| (Cell::Text(call.name.clone()), call.share));
    list(html, "Recorded time by call", "Call", calls.collect());
    let directories = inspect.directories.iter();
    let directories = directories.map(|one| (Cell::Path(one.path.clone()), one.share));
    let caption = "Recorded time by directory";
    list(html, caption, "Directory", directories.collect());
    let mounts = inspect.mounts.iter().map(|mount| {
        let remote = if mount.remote { ", remote" } else { "" };
        let name = format!("{} ({}{remote})", mount.mount_point, mount.fs_type);
        (Cell::Text(name), mount.share)
    });
    list(html, "Recorded time by mount", "Mount", mounts.collect());
    let programs = inspect.programs.iter().map(|program| {
        let name = match program.processes {
            0 | 1 => program.name.clone(),
            many => format!("{} ({} processes)", program.name, units::count(many)),
        };
        (Cell::Text(name), program.share)
    });
    list(
        html,
        "Recorded time by program",
        "Program",
        programs.collect(),
    );
}

/// A list of names and what they cost, folded away.
fn list(html: &mut Html, caption: &str, first: &str, costs: Vec<(Cell, Share)>) {
    if costs.is_empty() {
        return;
    }
    let most = costs
        .iter()
        .map(|(_, cost)| cost.seconds)
        .fold(0.0, f64::max);
    let rows = costs.into_iter().take(ROWS).map(|(name, cost)| {
        vec![
            name,
            Cell::Number(units::count(cost.count)),
            Cell::Number(units::count(cost.failed)),
            Cell::Bar(units::seconds(cost.seconds), cost.seconds / most),
        ]
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    html.element("details", &[], |html| {
        html.text_element("summary", &[], caption);
        table::write(html, caption, &[first, "Calls", "Failed", "Time"], &rows);
    });
}

fn title(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::FailedLookups => "Lookups of names that aren’t there",
        FindingKind::RepeatedStats => "Status of the same path asked for again and again",
        FindingKind::RepeatedOpens => "The same path opened again and again",
        FindingKind::RepeatedListings => "The same directory listed again and again",
        FindingKind::RepeatedReadlinks => "The same path read, or tried, as a link again and again",
        FindingKind::TinyReads => "Tiny reads",
        FindingKind::TinyWrites => "Tiny writes",
        FindingKind::RepeatedReads => "Files read in full again",
        FindingKind::UnusedWalks => "Directories walked and hardly used",
        FindingKind::SyncStorms => "Waits for the disk",
        FindingKind::ShortLivedFiles => "Files written and deleted again",
        FindingKind::TemporaryOnRemoteMount => {
            "Files on a remote mount that could lie on a local one"
        }
        FindingKind::Other => "Something that this version has no words for",
    }
}

//! What the tool does: suspicious work first, then time by call, directory, mount and program.

use super::table::{self, Cell};
use super::{Place, answer::notice, remark, timeline};
use crate::documents::inspect::{Cost, Finding, Inspect, Item};
use crate::html::Html;
use crate::traces::OfTrace;
use crate::units;

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
    html.text_element(place.heading(1), &[], title(&finding.kind));
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
        title(&finding.kind),
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
    for (caption, first, list) in [
        ("Recorded time by call", "Call", &inspect.calls),
        (
            "Recorded time by directory",
            "Directory",
            &inspect.directories,
        ),
        ("Recorded time by mount", "Mount", &inspect.mounts),
        ("Recorded time by program", "Program", &inspect.programs),
    ] {
        if list.is_empty() {
            continue;
        }
        html.element("details", &[], |html| {
            html.text_element("summary", &[], caption);
            let most = list.iter().map(|cost| cost.seconds).fold(0.0, f64::max);
            let rows: Vec<Vec<Cell>> = list.iter().take(ROWS).map(|cost| row(cost, most)).collect();
            table::write(html, caption, &[first, "Calls", "Failed", "Time"], &rows);
        });
    }
}

fn row(cost: &Cost, most: f64) -> Vec<Cell> {
    let name = match (cost.fs_type.as_str(), cost.processes) {
        ("", 0 | 1) if cost.name.starts_with('/') => Cell::Path(cost.name.clone()),
        ("", 0 | 1) => Cell::Text(cost.name.clone()),
        ("", many) => Cell::Text(format!("{} ({} processes)", cost.name, units::count(many))),
        (fs_type, _) => {
            let remote = if cost.remote { ", remote" } else { "" };
            Cell::Text(format!("{} ({fs_type}{remote})", cost.name))
        }
    };
    vec![
        name,
        Cell::Number(units::count(cost.count)),
        Cell::Number(units::count(cost.failed)),
        Cell::Bar(units::seconds(cost.seconds), cost.seconds / most),
    ]
}

fn title(kind: &str) -> &str {
    match kind {
        "failed-lookups" => "Lookups of names that aren’t there",
        "repeated-stats" => "Status of the same path asked for again and again",
        "repeated-opens" => "The same path opened again and again",
        "repeated-listings" => "The same directory listed again and again",
        "repeated-readlinks" => "The same path read, or tried, as a link again and again",
        "tiny-reads" => "Tiny reads",
        "tiny-writes" => "Tiny writes",
        "repeated-reads" => "Files read in full again",
        "unused-walks" => "Directories walked and hardly used",
        "sync-storms" => "Waits for the disk",
        "short-lived-files" => "Files written and deleted again",
        "temporary-on-remote-mount" => "Files on a remote mount that could lie on a local one",
        other => other,
    }
}

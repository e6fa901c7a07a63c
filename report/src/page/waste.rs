//! What the tool does without need: suspicious work, polling, watches that tell nothing.

use super::table::{self, Cell};
use super::{Place, remark, timeline};
use crate::html::Html;
use crate::traces::OfTrace;
use crate::units;
use fsreplay_results::inspect::{Finding, FindingKind, Item};

/// Findings that aren't folded away.
const OPEN: usize = 3;
/// Rows of each list.
const ROWS: usize = 10;
/// Names shown of a list.
const NAMES: usize = 8;

/// Whether there is anything to write.
pub fn is_known(results: &OfTrace) -> bool {
    !results.inspects.is_empty()
}

/// The section.
pub fn write(html: &mut Html, results: &OfTrace, place: Place) {
    // The same trace gives the same inspection; the last one given is the newest.
    let Some(inspect) = results.inspects.last() else {
        return;
    };
    let polls = timeline::polling(html, inspect);
    if inspect.findings.is_empty() && !polls {
        return remark(html, "Nothing suspicious was found.");
    }
    let first = inspect.findings.len().min(OPEN);
    let (open, rest) = inspect.findings.split_at(first);
    for finding in open {
        card(html, finding, place);
    }
    if !rest.is_empty() {
        html.element("details", &[], |html| {
            let text = units::of(rest.len() as u64, "more finding", "more findings");
            html.text_element("summary", &[], &text);
            for finding in rest {
                card(html, finding, place);
            }
        });
    }
    remark(
        html,
        "Times are those of the recording, its own cost included, summed over threads. A call may \
         count in several findings.",
    );
}

fn card(html: &mut Html, finding: &Finding, place: Place) {
    html.element("div", &[("class", "card")], |html| {
        one(html, finding, place)
    });
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

//! Where the tool's time goes: file access and the rest, and file access by path.

use super::table::{self, Cell};
use super::{Place, remark};
use crate::chart::scale::Scale;
use crate::chart::{axis, flame, stack};
use crate::html::Html;
use crate::traces::OfTrace;
use crate::units;
use fsreplay_results::inspect::Inspect;
use fsreplay_results::share::{FileShare, PlaceKind};
use fsreplay_results::tree::{Branch, WorkKind};

/// Rows of the table beside the picture.
const ROWS: usize = 40;
/// Paths that its description names.
const TOLD: usize = 3;
/// Work that is done without need, where it is much.
const WASTE: [WorkKind; 2] = [WorkKind::Missing, WorkKind::Again];

/// Whether there is anything to write.
pub fn is_known(results: &OfTrace) -> bool {
    results.share().is_some() || tree(results).is_some()
}

/// The section.
pub fn write(html: &mut Html, results: &OfTrace, _: Place) {
    if let Some(share) = results.share() {
        whole(html, share);
        places(html, share);
    }
    if let Some(tree) = tree(results) {
        by_path(html, tree);
    }
}

/// The newest inspection that has a tree with any time in it.
fn tree(results: &OfTrace) -> Option<&[Branch]> {
    let mut newest_first = results.inspects.iter().rev().map(|one: &Inspect| &one.tree);
    newest_first
        .find(|tree| tree.first().is_some_and(|root| root.seconds > 0.0))
        .map(Vec::as_slice)
}

/// What the tool's time is made of, on the longest way through its tasks.
fn whole(html: &mut Html, share: &FileShare) {
    let working = share.call_seconds + share.computing_seconds + share.queued_seconds;
    // What is on the way, and not what is outside of all tasks: others may work meanwhile.
    let waiting = (share.seconds - working).max(0.0);
    let parts: Vec<stack::Part> = [
        ("c0", "in calls on files", share.call_seconds),
        ("c2", "computing", share.computing_seconds),
        ("c5", "waiting for a processor", share.queued_seconds),
        ("c7", "waiting for something else", waiting),
    ]
    .into_iter()
    .filter(|(.., time)| *time > 0.0)
    .collect();
    if parts.is_empty() {
        return;
    }
    let sum: f64 = parts.iter().map(|(.., seconds)| seconds).sum();
    let scale = Scale::seconds(sum);
    html.element("figure", &[], |html| {
        let caption = "What the tool’s time is made of, on the longest way through its tasks";
        html.text_element("figcaption", &[], caption);
        let names: Vec<String> = parts
            .iter()
            .map(|(_, name, seconds)| format!("{name} {}", units::seconds(*seconds)))
            .collect();
        let colours = parts.iter().map(|(class, ..)| *class);
        stack::legend(html, colours.zip(names.iter().map(String::as_str)));
        html.element("div", &[("class", "wide")], |html| {
            let title = format!("{} in all", units::seconds(sum));
            stack::of_parts(html, &title, &parts, &scale);
            axis(html, &scale);
        });
    });
}

fn places(html: &mut Html, share: &FileShare) {
    let rows: Vec<Vec<Cell>> = share
        .places
        .iter()
        .map(|place| {
            let name = match place.kind {
                PlaceKind::Workspace => "workspace",
                PlaceKind::Mount => "mount",
                PlaceKind::Toolchain => "toolchain",
                PlaceKind::System => "system",
                PlaceKind::Other => "elsewhere",
            };
            vec![
                Cell::Text(name.into()),
                Cell::Path(place.directory.clone().unwrap_or_default()),
                Cell::Number(units::seconds(place.call_seconds)),
                Cell::Number(units::seconds(place.gain_seconds)),
                Cell::Bar(units::percent(place.share), place.share),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let header = [
            "Where",
            "Directory",
            "In calls on the longest way",
            "Gain at most",
            "Of its work",
        ];
        table::folded(
            html,
            "What a mount can gain at most, by place",
            &header,
            &rows,
        );
    }
}

fn by_path(html: &mut Html, tree: &[Branch]) {
    let frames = flame::layout(tree);
    let Some(root) = frames.first() else {
        return;
    };
    html.element("figure", &[], |html| {
        html.text_element("figcaption", &[], "File access by path, as recorded");
        let kinds: Vec<(&str, String)> = WorkKind::ALL
            .into_iter()
            .filter(|kind| root.seconds_of(&[*kind]) > 0.0)
            .map(|kind| {
                let need = if WASTE.contains(&kind) {
                    " (without need, if it is much)"
                } else {
                    ""
                };
                (flame::class(kind), format!("{}{need}", flame::name(kind)))
            })
            .collect();
        stack::legend(
            html,
            kinds.iter().map(|(class, name)| (*class, name.as_str())),
        );
        let label = "Flame graph: scrolls sideways where it is too wide";
        let attributes = [
            ("class", "scrolls"),
            ("role", "region"),
            ("tabindex", "0"),
            ("aria-label", label),
        ];
        html.element("div", &attributes, |html| {
            flame::draw(html, &frames, &description(&frames));
        });
    });
    remark(
        html,
        "As wide as the time in calls on a path and on all below it, summed over threads, the \
         recorder’s own cost included; the widest on the left. Rest the pointer on one for its \
         figures.",
    );
    numbers(html, &frames);
}

fn largest<'a, 'b>(frames: &'b [flame::Frame<'a>]) -> Vec<&'b flame::Frame<'a>> {
    let mut sorted: Vec<_> = frames.iter().collect();
    sorted.sort_by(|a, b| b.branch.seconds.total_cmp(&a.branch.seconds));
    sorted
}

fn description(frames: &[flame::Frame]) -> String {
    let told: Vec<String> = largest(frames)
        .into_iter()
        .take(TOLD)
        .map(flame::Frame::text)
        .collect();
    format!("{}. The table below has the numbers.", told.join("; "))
}

/// The same as a table.
fn numbers(html: &mut Html, frames: &[flame::Frame]) {
    let whole = frames.first().map_or(1.0, |root| root.branch.seconds);
    let rows: Vec<Vec<Cell>> = largest(frames)
        .into_iter()
        .take(ROWS)
        .map(|frame| {
            let work = frame.branch.work.iter();
            let most = work.max_by(|a, b| a.seconds.total_cmp(&b.seconds));
            let seconds = frame.branch.seconds;
            vec![
                Cell::Path(frame.path.clone()),
                Cell::Bar(units::seconds(seconds), seconds / whole),
                Cell::Number(units::seconds(frame.seconds_of(&WASTE))),
                Cell::Text(most.map_or("–", |work| flame::name(work.kind)).into()),
            ]
        })
        .collect();
    let header = ["Path", "With all below", "Without need", "Mostly"];
    table::folded(html, "File access by path, in numbers", &header, &rows);
}

//! When the tool worked and when it waited: its phases, what each takes on each mount; polling.

use super::comparison::ordered;
use super::table::{self, Cell};
use super::{Place, each_run, remark};
use crate::chart::{axis, grid, image, percent, scale::Scale};
use crate::html::Html;
use crate::traces::OfTrace;
use crate::units;
use fsreplay_results::compare::Compare;
use fsreplay_results::inspect::Inspect;
use fsreplay_results::timeline::{Phase, Polling};

/// Phases with a row of their own.
const ROWS: usize = 50;
/// Phases that are drawn.
const DRAWN: usize = 500;
/// The least width of a phase in the picture, in percent: what happened is seen.
const LEAST: f64 = 0.25;

/// Whether there are several phases.
pub fn is_known(results: &OfTrace) -> bool {
    let inspect = results.inspects.last();
    inspect.is_some_and(|inspect| inspect.timeline.phases.len() > 1)
        || results.compares.iter().any(has_phases)
}

fn has_phases(compare: &Compare) -> bool {
    compare.phases.len() > 1 && compare.targets.iter().any(|one| !one.phases.is_empty())
}

/// The section.
pub fn write(html: &mut Html, results: &OfTrace, _: Place) {
    let inspect = results.inspects.last();
    if let Some(inspect) = inspect.filter(|inspect| inspect.timeline.phases.len() > 1) {
        let timeline = &inspect.timeline;
        remark(
            html,
            &format!(
                "Worked {}, waited {} for timers, the network, people or events.",
                units::seconds(timeline.busy_seconds),
                units::seconds(timeline.waiting_seconds)
            ),
        );
        picture(html, &timeline.phases, inspect.elapsed_seconds);
        phases(html, &timeline.phases);
    }
    if results.compares.iter().any(has_phases) {
        each_run(html, results, on_mounts);
    }
}

/// What was polled, and watches that may tell nothing; whether there was any.
pub fn polling(html: &mut Html, inspect: &Inspect) -> bool {
    for polling in &inspect.timeline.polling {
        html.text_element("p", &[("class", "card")], &polls(polling));
    }
    let mut is_any = !inspect.timeline.polling.is_empty();
    for watching in &inspect.timeline.watches {
        if let Some(note) = &watching.note {
            let count = units::of(watching.watches, "watch", "watches");
            let mount = format!("{} ({})", watching.mount_point, watching.fs_type);
            html.text_element(
                "p",
                &[("class", "card")],
                &format!("{count} on {mount}: {note}."),
            );
            is_any = true;
        }
    }
    is_any
}

/// Work and waiting over time.
fn picture(html: &mut Html, phases: &[Phase], elapsed: f64) {
    let last = phases
        .iter()
        .map(|phase| phase.end_seconds)
        .filter(|end| end.is_finite())
        .fold(elapsed, f64::max);
    if last <= 0.0 || !last.is_finite() {
        return;
    }
    let scale = Scale::seconds(last);
    html.element("figure", &[], |html| {
        html.text_element(
            "figcaption",
            &[],
            "Work and waiting over the time of the recording",
        );
        let each = phases.iter().take(ROWS).map(|phase| {
            let (begin, end) = (phase.begin_seconds, phase.end_seconds);
            format!(
                "{} {} to {}",
                phase.name,
                units::seconds(begin),
                units::seconds(end)
            )
        });
        let told = each.collect::<Vec<_>>().join(", ");
        image(html, "plot thin", "Phases", &told, |html| {
            grid(html, &scale);
            let all = percent(scale.position(last));
            let all = [
                ("class", "waiting"),
                ("y", "9"),
                ("width", all.as_str()),
                ("height", "6"),
            ];
            html.empty("rect", &all);
            for phase in phases.iter().take(DRAWN) {
                bar(html, phase, &scale);
            }
        });
        axis(html, &scale);
    });
}

fn bar(html: &mut Html, phase: &Phase, scale: &Scale) {
    let from = scale.position(phase.begin_seconds);
    let width = (scale.position(phase.end_seconds) - from).max(LEAST);
    let (from, width) = (percent(from), percent(width));
    let attributes = [
        ("class", "part c0"),
        ("x", from.as_str()),
        ("y", "3"),
        ("width", &width),
        ("height", "18"),
    ];
    html.element("rect", &attributes, |html| {
        let text = format!(
            "{}: {} busy",
            phase.name,
            units::seconds(phase.busy_seconds)
        );
        html.text_element("title", &[], &text);
    });
}

fn phases(html: &mut Html, phases: &[Phase]) {
    let most = phases
        .iter()
        .map(|phase| phase.busy_seconds)
        .fold(f64::MIN_POSITIVE, f64::max);
    let rows: Vec<Vec<Cell>> = phases
        .iter()
        .take(ROWS)
        .map(|phase| {
            vec![
                Cell::Text(phase.name.clone()),
                Cell::Number(units::seconds(phase.begin_seconds)),
                Cell::Number(units::seconds(phase.end_seconds)),
                Cell::Bar(
                    units::seconds(phase.busy_seconds),
                    phase.busy_seconds / most,
                ),
                Cell::Number(format!("{:.0}\u{a0}%", phase.file_share * 100.0)),
                Cell::Number(units::count(phase.events)),
                Cell::Path(phase.directory.clone().unwrap_or_default()),
            ]
        })
        .collect();
    let header = [
        "Phase",
        "From",
        "To",
        "Busy",
        "On files",
        "Events",
        "Directory",
    ];
    table::write(html, "Phases between waits", &header, &rows);
    if phases.len() > ROWS {
        let more = (phases.len() - ROWS) as u64;
        remark(html, &units::of(more, "later phase", "later phases"));
    }
}

/// What each phase takes on each mount.
fn on_mounts(html: &mut Html, compare: &Compare) {
    if !has_phases(compare) {
        return;
    }
    let mut targets = ordered(compare);
    targets.retain(|target| !target.phases.is_empty());
    let header: Vec<&str> = ["Phase", "Recorded"]
        .into_iter()
        .chain(targets.iter().map(|target| target.name.as_str()))
        .collect();
    let row = |phase: &Phase| {
        let mut row = vec![
            Cell::Text(phase.name.clone()),
            Cell::Number(units::seconds(phase.busy_seconds)),
        ];
        row.extend(targets.iter().map(|target| {
            let mut same = target.phases.iter().filter(|one| one.name == phase.name);
            let known = same.next().and_then(|one| one.seconds.known());
            Cell::Number(known.map_or("–".into(), units::seconds))
        }));
        row
    };
    let rows: Vec<Vec<Cell>> = compare.phases.iter().take(ROWS).map(row).collect();
    table::write(html, "Busy time of each phase, by mount", &header, &rows);
}

fn polls(polling: &Polling) -> String {
    let what = match &polling.directory {
        Some(directory) => {
            let paths = units::of(polling.questions, "path", "paths");
            format!("polls {paths} in {directory}")
        }
        None => "wakes up for nothing".into(),
    };
    format!(
        "{} {what}: {:.0} calls a second, {:.1}\u{a0}% of a processor; {}.",
        polling.program,
        polling.calls_per_second,
        polling.processor_share * 100.0,
        polling.note
    )
}

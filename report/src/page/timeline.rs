//! When the tool worked and when it waited: its phases, polling, watches.

use super::remark;
use super::table::{self, Cell};

use crate::html::Html;
use crate::units;
use fsreplay_results::inspect::Inspect;
use fsreplay_results::timeline::{Phase, Polling};

/// Phases with a row of their own.
const ROWS: usize = 50;

/// The phases, if there are several, and what the tool did without need.
pub fn write(html: &mut Html, inspect: &Inspect) {
    if inspect.timeline.phases.len() > 1 {
        remark(
            html,
            &format!(
                "Worked {}, waited {} for timers, the network, people or events.",
                units::seconds(inspect.timeline.busy_seconds),
                units::seconds(inspect.timeline.waiting_seconds)
            ),
        );
        phases(html, &inspect.timeline.phases);
    }
    for polling in &inspect.timeline.polling {
        remark(html, &polls(polling));
    }
    for watching in &inspect.timeline.watches {
        if let Some(note) = &watching.note {
            let count = units::of(watching.watches, "watch", "watches");
            let mount = format!("{} ({})", watching.mount_point, watching.fs_type);
            remark(html, &format!("{count} on {mount}: {note}."));
        }
    }
}

fn phases(html: &mut Html, phases: &[Phase]) {
    let most = phases.iter().map(|phase| phase.busy_seconds);
    let most = most.fold(f64::MIN_POSITIVE, f64::max);
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

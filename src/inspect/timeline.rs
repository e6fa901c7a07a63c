//! The timeline of a recording as text: phases of work between waits, polling, watches.

use fsreplay_results::timeline::{Phase, Polling, Timeline};

use crate::term::{self, Text};
use crate::{say, text};

/// Phases with a row of their own; JSON has all.
const ROWS: usize = 12;
/// Characters of the bar: with what stands beside it, no wider than 80 columns.
const BAR: usize = 56;
/// Characters of a directory, likewise.
const DIRECTORY: usize = 19;
/// A recording of one phase that waited less than this part of it has no timeline to speak of.
const SOME: f64 = 0.1;

/// What is shown of a recording that took so many seconds.
pub(super) fn text(timeline: &Timeline, elapsed: f64) -> Text {
    let mut out = Text::default();
    let waits = timeline.waiting_seconds;
    if timeline.phases.len() > 1 || waits > SOME * elapsed {
        say!(
            out,
            "\nworked {}, waited {} for timers, network, people or events",
            term::seconds(timeline.busy_seconds),
            term::seconds(waits),
        );
    }
    if timeline.phases.len() > 1 {
        say!(
            out,
            "  {} {}",
            bar(&timeline.phases, elapsed),
            term::seconds(elapsed)
        );
        let header = [
            "phase",
            "from",
            "to",
            "busy",
            "on files",
            "events",
            "directory",
        ];
        let rows = rows(&timeline.phases);
        say!(
            out,
            "{}",
            term::aligned_table(&header, rows, |column| (1..6).contains(&column))
        );
    }
    for polling in &timeline.polling {
        out.push(&polls(polling));
    }
    for watching in &timeline.watches {
        if let Some(note) = &watching.note {
            say!(
                out,
                "\n{} watches on {} ({}):\n  {}",
                term::count(watching.watches),
                term::shortened(&watching.mount_point, 40),
                watching.fs_type,
                note,
            );
        }
    }
    out
}

/// Where in time the phases are.
fn bar(phases: &[Phase], end: f64) -> String {
    let cell = end / BAR as f64;
    (0..BAR)
        .map(|at| {
            let (from, to) = (at as f64 * cell, (at + 1) as f64 * cell);
            let after = phases.partition_point(|phase| phase.end_seconds <= from);
            let inside = phases[after..]
                .iter()
                .take_while(|phase| phase.begin_seconds < to);
            let covered: f64 = inside
                .map(|phase| phase.end_seconds.min(to) - phase.begin_seconds.max(from))
                .sum();
            match covered / cell {
                c if c > 0.5 => '█',
                c if c > 0.0 => '▄',
                _ => '·',
            }
        })
        .collect()
}

/// A row for each phase; where there are too many, for the busiest, and one for the rest.
fn rows(phases: &[Phase]) -> Vec<Vec<String>> {
    let mut shown: Vec<usize> = (0..phases.len()).collect();
    let mut rest = Vec::new();
    if phases.len() > ROWS {
        shown.sort_by(|a, b| phases[*b].busy_seconds.total_cmp(&phases[*a].busy_seconds));
        rest = shown.split_off(ROWS - 1);
        shown.sort_unstable();
    }
    let mut rows: Vec<Vec<String>> = shown.iter().map(|at| row(&phases[*at])).collect();
    if !rest.is_empty() {
        let sum = |part: fn(&Phase) -> f64| rest.iter().map(|at| part(&phases[*at])).sum::<f64>();
        let events = rest.iter().map(|at| phases[*at].events).sum();
        rows.push(vec![
            format!("{} more", term::count(rest.len() as u64)),
            String::new(),
            String::new(),
            term::seconds(sum(|phase| phase.busy_seconds)),
            String::new(),
            term::count(events),
            String::new(),
        ]);
    }
    rows
}

fn row(phase: &Phase) -> Vec<String> {
    let directory = phase.directory.as_deref().unwrap_or("");
    vec![
        phase.name.clone(),
        moment(phase.begin_seconds),
        moment(phase.end_seconds),
        term::seconds(phase.busy_seconds),
        format!("{:.0} %", phase.file_share * 100.0),
        term::count(phase.events),
        term::shortened(directory, DIRECTORY),
    ]
}

/// A time since the start of the recording: with the same unit in all rows, and no wider for long
/// recordings.
fn moment(seconds: f64) -> String {
    let decimals = if seconds < 100.0 { 2 } else { 0 };
    format!("{seconds:.decimals$} s")
}

fn polls(polling: &Polling) -> Text {
    let often = format!(
        "{:.0} calls a second, {:.1} % of a processor",
        polling.calls_per_second,
        polling.processor_share * 100.0
    );
    let Some(directory) = &polling.directory else {
        return text!(
            "\n{} wakes up for nothing: {}\n  {}\n",
            polling.program,
            often,
            polling.note
        );
    };
    let place = match (&polling.fs_type, polling.remote) {
        (Some(fs_type), true) => format!(" ({fs_type}, remote)"),
        (Some(fs_type), false) => format!(" ({fs_type})"),
        (None, _) => String::new(),
    };
    let paths = match polling.questions {
        1 => "one path".into(),
        many => format!("{} paths", term::count(many)),
    };
    text!(
        "\n{} polls {} in {}{}\n  each {}: {}\n  {}\n",
        polling.program,
        paths,
        term::shortened(directory, 40),
        place,
        term::seconds(polling.interval_seconds),
        often,
        polling.note,
    )
}

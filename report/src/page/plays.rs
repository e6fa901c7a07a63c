//! Results of `fsreplay play`: one placement each, the calls alone.

use super::table::{self, Cell};
use super::{Place, remark};
use crate::html::Html;
use crate::traces::OfTrace;
use crate::units;
use fsreplay_results::play::CallStatistics as Call;
use fsreplay_results::play::Play;

/// Calls in a table.
const CALLS: usize = 15;

/// The section.
pub fn write(html: &mut Html, results: &OfTrace, _: Place) {
    remark(
        html,
        "Replayed as fast as possible: file-system time only. Replays that were not interleaved \
         have no ranks.",
    );
    let most = results
        .plays
        .iter()
        .filter_map(|play| play.seconds.known())
        .fold(0.0, f64::max);
    let rows: Vec<Vec<Cell>> = results
        .plays
        .iter()
        .map(|play| {
            vec![
                Cell::Path(place(play)),
                Cell::Bar(
                    units::seconds(play.seconds.value),
                    play.seconds.value / most,
                ),
                Cell::Number(play.wall_seconds.len().to_string()),
                Cell::Number(units::count(play.threads)),
                Cell::Number(units::count(play.coverage.issued)),
                Cell::Number(units::count(play.divergences)),
                Cell::Text(play.cache.clone()),
            ]
        })
        .collect();
    let header = [
        "Directory",
        "Time",
        "Rounds",
        "Threads",
        "Events issued",
        "Divergences",
        "Cache",
    ];
    table::write(html, "Replays", &header, &rows);
    for play in &results.plays {
        details(html, play);
    }
}

fn place(play: &Play) -> String {
    let all: Vec<&str> = play
        .targets
        .iter()
        .map(|target| target.path.as_str())
        .collect();
    if all.is_empty() {
        "–".into()
    } else {
        all.join(", ")
    }
}

fn details(html: &mut Html, play: &Play) {
    let place = place(play);
    if let Some(round) = play.rounds.last().filter(|round| !round.calls.is_empty()) {
        let caption = format!("Calls on {place}, last round");
        html.element("details", &[], |html| {
            html.text_element("summary", &[], &caption);
            calls(html, &caption, &round.calls);
        });
    }
    if !play.divergence_groups.is_empty() {
        let rows: Vec<Vec<Cell>> = play
            .divergence_groups
            .iter()
            .map(|group| {
                let example = group.examples.first().map_or("", |example| &example.path);
                vec![
                    Cell::Text(group.call.clone()),
                    Cell::Text(group.cause.clone()),
                    Cell::Number(units::count(group.count)),
                    Cell::Path(example.to_string()),
                ]
            })
            .collect();
        let caption = format!("Divergences on {place}");
        table::write(
            html,
            &caption,
            &["Call", "Cause", "Count", "For example"],
            &rows,
        );
    }
}

fn calls(html: &mut Html, caption: &str, calls: &[Call]) {
    let most = calls
        .iter()
        .map(|call| call.total_seconds)
        .fold(0.0, f64::max);
    let rows: Vec<Vec<Cell>> = calls
        .iter()
        .take(CALLS)
        .map(|call| {
            vec![
                Cell::Text(call.name.clone()),
                Cell::Number(units::count(call.count)),
                Cell::Number(units::count(call.errors)),
                Cell::Bar(
                    units::seconds(call.total_seconds),
                    call.total_seconds / most,
                ),
                Cell::Number(units::nanoseconds(call.p50_ns)),
                Cell::Number(units::nanoseconds(call.p99_ns)),
                Cell::Number(units::nanoseconds(call.max_ns)),
            ]
        })
        .collect();
    let header = ["Call", "Calls", "Failed", "Time", "Time", "99 %", "Longest"];
    table::write(html, caption, &header, &rows);
}

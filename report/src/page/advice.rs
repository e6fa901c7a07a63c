//! What to change: each verified move, and the lines to copy.

use super::table::{self, Cell};
use super::{Place, method, remark};
use crate::html::Html;
use crate::traces::OfTrace;
use crate::units;
use fsreplay_results::advise::{Advise, Move};

/// The section.
pub fn write(html: &mut Html, results: &OfTrace, place: Place) {
    let several = results.advises.len() > 1;
    for advise in &results.advises {
        if several {
            let name = method::machine_name(&advise.machine);
            html.text_element("p", &[("class", "run-title")], &name);
        }
        if advise.moves.is_empty() {
            remark(
                html,
                "No move of a directory gains anything worth its trouble.",
            );
        }
        let advised = advise.advised.and_then(|number| advise.moves.get(number));
        match advised {
            Some(best) => {
                card(html, advise, best, place);
                others(html, advise, place);
            }
            // Older results don't say which.
            None => advise
                .moves
                .iter()
                .for_each(|one| card(html, advise, one, place)),
        }
        costs(html, advise);
    }
}

fn card(html: &mut Html, advise: &Advise, one: &Move, place: Place) {
    html.element("div", &[("class", "card")], |html| {
        proposal(html, advise, one, place)
    });
}

/// All that was tried and gains something, and the lines of what is not advised, folded away.
fn others(html: &mut Html, advise: &Advise, place: Place) {
    if advise.moves.len() < 2 {
        return;
    }
    let rows: Vec<Vec<Cell>> = advise
        .moves
        .iter()
        .enumerate()
        .map(|(number, one)| {
            let interval = one.seconds.interval().map_or("–".into(), |(low, high)| {
                format!("{} to {}", units::seconds(low), units::seconds(high))
            });
            let what = match advise.advised == Some(number) {
                true => Cell::Badge("faster", "advised".into()),
                false => Cell::Text(String::new()),
            };
            vec![
                Cell::Path(one.path.clone()),
                Cell::Text(one.to.clone()),
                Cell::Number(units::seconds(one.seconds.value)),
                Cell::Number(interval),
                Cell::Number(units::seconds(one.gain_seconds)),
                what,
            ]
        })
        .collect();
    table::write(
        html,
        "All moves that gain something",
        &["Moved", "To", "It then takes", "95 %", "Gain", ""],
        &rows,
    );
    html.element("details", &[], |html| {
        html.text_element("summary", &[], "Lines for the other moves");
        for (number, one) in advise.moves.iter().enumerate() {
            if advise.advised != Some(number) {
                card(html, advise, one, place);
            }
        }
    });
}

fn proposal(html: &mut Html, advise: &Advise, one: &Move, place: Place) {
    html.element(place.heading(1), &[], |html| {
        html.path(&one.path);
        html.text(&format!(" → {}", one.to));
        if !one.class.is_empty() && one.class != one.to {
            html.text(&format!(" ({})", one.class));
        }
    });
    html.element("p", &[], |html| {
        html.text_element("strong", &[], &units::seconds(one.seconds.value));
        html.text(&format!(
            " instead of {} on {}",
            units::seconds(advise.baseline.seconds.value),
            advise.baseline.name
        ));
        if let Some((low, high)) = one.seconds.interval() {
            let interval = format!(
                " (95 % interval {} to {})",
                units::seconds(low),
                units::seconds(high)
            );
            html.text(&interval);
        }
        html.text(": gains ");
        html.text_element("strong", &[], &units::seconds(one.gain_seconds));
        html.text(", verified by a replay.");
    });
    let properties = one
        .devcontainer
        .iter()
        .map(|line| line.trim_end_matches(','));
    let properties = properties.collect::<Vec<_>>().join(",\n");
    for (title, lines) in [
        ("devcontainer.json", properties),
        ("compose.yaml", one.compose.join("\n")),
    ] {
        if !lines.is_empty() {
            html.text_element("p", &[("class", "file")], title);
            let label = format!("Lines for {title}");
            let attributes = [
                ("tabindex", "0"),
                ("role", "region"),
                ("aria-label", label.as_str()),
            ];
            html.element("pre", &attributes, |html| {
                html.text_element("code", &[], &lines);
            });
        }
    }
    if !one.caveats.is_empty() {
        html.element("ul", &[("class", "caveats")], |html| {
            for caveat in &one.caveats {
                html.text_element("li", &[], caveat);
            }
        });
    }
}

fn costs(html: &mut Html, advise: &Advise) {
    let rows: Vec<Vec<Cell>> = advise
        .directories
        .iter()
        .map(|directory| {
            vec![
                Cell::Path(directory.path.clone()),
                Cell::Bar(units::percent(directory.share), directory.share),
                Cell::Number(units::seconds(directory.seconds)),
                Cell::Number(units::count(directory.count)),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let caption = format!("What the directories cost on {}", advise.baseline.name);
        table::write(
            html,
            &caption,
            &["Directory", "Share", "Time", "Calls"],
            &rows,
        );
    }
}

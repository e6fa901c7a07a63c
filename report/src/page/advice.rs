//! What to change: the move that is advised with its lines to copy, and all that was tried.

use super::table::{self, Cell};
use super::{Place, method, remark};
use crate::html::Html;
use crate::traces::OfTrace;
use crate::units;
use fsreplay_results::advise::{Advise, Move, Reason, Tried, Verified};
use fsreplay_results::{Estimate, LEVEL, Verdict};

/// The section.
pub fn write(html: &mut Html, results: &OfTrace, place: Place) {
    let several = results.advises.len() > 1;
    for advise in &results.advises {
        if several {
            let name = method::machine_name(&advise.machine);
            html.text_element("p", &[("class", "run-title")], &name);
        }
        let advised = advise.best();
        match advised {
            Some(best) => card(html, advise, best, place),
            // Older results don't say which.
            None if advise.tried.is_empty() && !advise.moves.is_empty() => {
                let moves = advise.moves.iter();
                moves.for_each(|one| card(html, advise, one, place));
                costs(html, advise);
                continue;
            }
            None => remark(
                html,
                "No move of a directory gains anything worth its trouble.",
            ),
        }
        if let Some(verified) = &advise.verified {
            of_the_command(html, verified);
        }
        tried(html, advise);
        others(html, advise, place);
        costs(html, advise);
    }
}

fn card(html: &mut Html, advise: &Advise, one: &Move, place: Place) {
    html.element("div", &[("class", "card")], |html| {
        proposal(html, advise, one, place)
    });
}

/// What the command itself took (`--verify`): before, and as it is advised.
fn of_the_command(html: &mut Html, verified: &Verified) {
    let row = |name: &str, seconds: &Estimate| {
        let interval = seconds.interval().map_or("–".into(), |(low, high)| {
            format!("{} – {}", units::seconds(low), units::seconds(high))
        });
        vec![
            Cell::Text(name.into()),
            Cell::Number(seconds.known().map_or("–".into(), units::seconds)),
            Cell::Number(interval),
        ]
    };
    let rows = [
        row("as it lies now", &verified.before_seconds),
        row("as it is advised", &verified.after_seconds),
    ];
    let caption = format!(
        "Tried with the command itself, {} each on copies",
        units::of(verified.runs, "run", "runs")
    );
    table::write(html, &caption, &["Layout", "It takes", LEVEL], &rows);
    html.element("p", &[], |html| {
        let (class, told) = match verified.verdict {
            Verdict::Faster => ("faster", "confirmed"),
            Verdict::CannotTell | Verdict::NotRanked => {
                ("unranked", "neither confirmed nor refuted")
            }
            Verdict::Slower | Verdict::Same | Verdict::Within | Verdict::Baseline => {
                ("slower", "not confirmed")
            }
        };
        table::badge(html, class, told);
        html.text(&format!(": ratio {}", units::ratio(verified.ratio.value)));
        if let Some((low, high)) = verified.ratio.interval() {
            html.text(&format!(" ({}–{})", units::ratio(low), units::ratio(high)));
        }
        html.text("; ");
        html.text_element("code", &[], &verified.command.join(" "));
        if verified.status != 0 {
            html.text(&format!(" ended with status {}", verified.status));
        }
    });
}

/// The lines of what is not advised, folded away.
fn others(html: &mut Html, advise: &Advise, place: Place) {
    let others: Vec<&Move> = advise
        .moves
        .iter()
        .enumerate()
        .filter(|(number, _)| advise.advised != Some(*number))
        .map(|(_, one)| one)
        .collect();
    if others.is_empty() {
        return;
    }
    html.element("details", &[], |html| {
        html.text_element("summary", &[], "Lines for the other moves");
        others
            .into_iter()
            .for_each(|one| card(html, advise, one, place));
    });
}

/// All that was tried, with its result or the reason why there is none.
fn tried(html: &mut Html, advise: &Advise) {
    let rows: Vec<Vec<Cell>> = advise
        .tried
        .iter()
        .map(|one| {
            let interval = one.ratio.interval().map_or("–".into(), |(low, high)| {
                format!("{}–{}", units::ratio(low), units::ratio(high))
            });
            let mut why = one.detail.clone().unwrap_or_default();
            if let Some(count) = one.divergences.filter(|count| *count > 0) {
                let count = units::of(count, "divergence", "divergences");
                let comma = if why.is_empty() { "" } else { "; " };
                why.push_str(&format!("{comma}{count}"));
            }
            vec![
                Cell::Path(one.path.clone()),
                Cell::Text(one.to.clone()),
                Cell::Number(one.seconds.known().map_or("–".into(), units::seconds)),
                Cell::Number(units::ratio(one.ratio.value)),
                Cell::Number(interval),
                Cell::Badge(tone(one), one.reason.text().into()),
                Cell::Text(why),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let header = [
            "Moved",
            "To",
            "It then takes",
            "Ratio",
            LEVEL,
            "Result",
            "Why",
        ];
        table::write(html, "What was tried", &header, &rows);
    }
}

fn tone(one: &Tried) -> &'static str {
    match (one.reason, one.verdict) {
        (_, Verdict::Faster) => "faster",
        (_, Verdict::Slower) => "slower",
        (_, Verdict::Same | Verdict::Within | Verdict::Baseline) => "same",
        (Reason::Advised, Verdict::CannotTell | Verdict::NotRanked) => "faster",
        (_, Verdict::CannotTell | Verdict::NotRanked) => "unranked",
    }
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
            " instead of {} where it lies now",
            units::seconds(advise.baseline.seconds.value)
        ));
        if let Some((low, high)) = one.seconds.interval() {
            let interval = format!(
                " (interval at {LEVEL}: {} to {})",
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
        .map(|line| line.trim_end_matches(','))
        .collect::<Vec<_>>()
        .join(",\n");
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
        let caption = "What the directories cost where they lie now";
        let header = ["Directory", "Share", "Time", "Calls"];
        table::folded(html, caption, &header, &rows);
    }
}

//! The targets beside each other: time, interval, ratio to the baseline, verdict.

use super::table::{self, Cell, badge};
use super::{Place, answer::notice, method, remark};
use crate::chart::rows;
use crate::chart::scale::Scale;
use crate::html::Html;
use crate::traces::OfTrace;
use crate::units;
use fsreplay_results::Verdict;
use fsreplay_results::compare::{Compare, Target};

/// The section.
pub fn write(html: &mut Html, results: &OfTrace, place: Place) {
    let several = results.compares.len() > 1;
    let all = || results.compares.iter().flat_map(|compare| &compare.targets);
    if all().next().is_none() {
        return remark(html, "No target was measured.");
    }
    let scale = rows::scale_of(all());
    html.element("figure", &[], |html| {
        html.element("figcaption", &[], |html| {
            html.text(&caption(&results.compares));
        });
        for compare in &results.compares {
            if several {
                html.text_element(
                    place.heading(1),
                    &[("class", "run-title")],
                    &method::run_name(compare),
                );
            }
            html.element("ul", &[("class", "rows")], |html| {
                for target in ordered(compare) {
                    html.element("li", &[("class", "row")], |html| {
                        time_row(html, target, &scale)
                    });
                }
            });
        }
        rows::axis_row(html, &scale, "row axis-row");
    });
    remark(html, "Thin line: 95 % interval. Dots: single rounds.");
    ratios(html, results, place);
    if several {
        side_by_side(html, &results.compares);
    }
    for compare in &results.compares {
        let caption = if several {
            format!("All numbers: {}", method::run_name(compare))
        } else {
            "All numbers".into()
        };
        numbers(html, &caption, compare);
    }
    withheld(html, results);
}

fn caption(compares: &[Compare]) -> String {
    let predicted = compares.iter().any(|compare| compare.timing == "recorded");
    if predicted {
        "What the tool would take on each target: file system and its own computing together".into()
    } else {
        "Wall time of the replay on each target: file system without the tool's own computing"
            .into()
    }
}

/// Ranked targets by time, the others after them.
pub fn ordered(compare: &Compare) -> Vec<&Target> {
    let mut targets: Vec<&Target> = compare.targets.iter().collect();
    targets.sort_by(|a, b| {
        let key = |target: &Target| target.seconds.known().unwrap_or(f64::MAX);
        (a.is_unranked().cmp(&b.is_unranked())).then(key(a).total_cmp(&key(b)))
    });
    targets
}

/// The verdict in words.
pub fn verdict(target: &Target) -> String {
    match (target.ratio.verdict, target.ratio.estimate.known()) {
        (Verdict::Faster, Some(ratio)) if ratio > 0.0 => {
            format!("{}× faster", units::ratio(1.0 / ratio))
        }
        (Verdict::Slower, Some(ratio)) => format!("{}× slower", units::ratio(ratio)),
        (verdict, _) => verdict.text().into(),
    }
}

fn time_row(html: &mut Html, target: &Target, scale: &Scale) {
    rows::label(html, target);
    rows::bar(html, target, scale);
    html.element("div", &[("class", "value")], |html| {
        let shown = target.seconds.known().map_or("–".into(), units::seconds);
        html.text_element("strong", &[], &shown);
        html.text(" ");
        badge(html, rows::tone(target), &verdict(target));
    });
}

fn ratios(html: &mut Html, results: &OfTrace, place: Place) {
    let all = || {
        let targets = results.compares.iter().flat_map(|compare| &compare.targets);
        targets.filter_map(|target| Some((target.ratio.estimate, target.ratio.estimate.known()?)))
    };
    if all().count() < 2 {
        return;
    }
    let low = all()
        .map(|(ratio, value)| ratio.low.unwrap_or(value).min(value))
        .fold(f64::MAX, f64::min);
    let high = all()
        .map(|(ratio, value)| ratio.high.unwrap_or(value).max(value))
        .fold(0.0, f64::max);
    let scale = Scale::ratios(low, high);
    html.element("figure", &[], |html| {
        html.text_element(
            "figcaption",
            &[],
            "Ratio to the baseline, with its 95 % interval (left of 1× is faster)",
        );
        for compare in &results.compares {
            if results.compares.len() > 1 {
                html.text_element(
                    place.heading(1),
                    &[("class", "run-title")],
                    &method::run_name(compare),
                );
            }
            html.element("ul", &[("class", "rows")], |html| {
                for target in ordered(compare) {
                    if target.ratio.estimate.known().is_none() {
                        continue;
                    }
                    html.element("li", &[("class", "row")], |html| {
                        html.element("div", &[("class", "label")], |html| {
                            html.text_element("span", &[("class", "name")], &target.name);
                        });
                        rows::ratio(html, target, &scale);
                        html.text_element("div", &[("class", "value")], &ratio_text(target));
                    });
                }
            });
        }
        rows::axis_row(html, &scale, "row axis-row");
    });
}

fn ratio_text(target: &Target) -> String {
    let Some(value) = target.ratio.estimate.known() else {
        return "–".into();
    };
    match target.ratio.estimate.interval() {
        Some((low, high)) => format!(
            "{} ({}–{})",
            units::ratio(value),
            units::ratio(low),
            units::ratio(high)
        ),
        None => units::ratio(value),
    }
}

fn numbers(html: &mut Html, caption: &str, compare: &Compare) {
    let rows: Vec<Vec<Cell>> = ordered(compare)
        .into_iter()
        .map(|target| {
            let interval = target.seconds.interval().map_or("–".into(), |(low, high)| {
                format!("{} – {}", units::seconds(low), units::seconds(high))
            });
            vec![
                Cell::Text(target.name.clone()),
                Cell::Path(target.path.clone()),
                Cell::Number(target.seconds.known().map_or("–".into(), units::seconds)),
                Cell::Number(interval),
                Cell::Number(ratio_text(target)),
                Cell::Badge(rows::tone(target), verdict(target)),
                Cell::Number(units::seconds(target.file_system_seconds)),
                Cell::Number(target.rounds.len().to_string()),
            ]
        })
        .collect();
    let header = [
        "Target",
        "Directory",
        "Time",
        "95 % interval",
        "Ratio",
        "Verdict",
        "In calls",
        "Rounds",
    ];
    table::write(html, caption, &header, &rows);
    remark(
        html,
        "“In calls” sums the time of all threads in system calls on files; it may exceed the wall time.",
    );
}

/// Targets by name, runs beside each other.
fn side_by_side(html: &mut Html, compares: &[Compare]) {
    let mut names: Vec<&str> = Vec::new();
    for target in compares.iter().flat_map(|compare| &compare.targets) {
        if !names.contains(&target.name.as_str()) {
            names.push(&target.name);
        }
    }
    let runs: Vec<String> = compares.iter().map(method::run_name).collect();
    let header: Vec<&str> = std::iter::once("Target")
        .chain(runs.iter().map(String::as_str))
        .collect();
    let rows: Vec<Vec<Cell>> = names
        .iter()
        .map(|name| {
            let cells = compares.iter().map(|compare| {
                let target = compare.targets.iter().find(|target| target.name == *name);
                Cell::Number(target.map_or("–".into(), |target| {
                    let seconds = target.seconds.known().map_or("–".into(), units::seconds);
                    format!("{seconds} · {}", verdict(target))
                }))
            });
            std::iter::once(Cell::Text(name.to_string()))
                .chain(cells)
                .collect()
        })
        .collect();
    table::write(html, "Machines and days side by side", &header, &rows);
}

/// Why a target has no rank stands where the ranks are.
fn withheld(html: &mut Html, results: &OfTrace) {
    for target in results.compares.iter().flat_map(|compare| &compare.targets) {
        if target.is_unranked() {
            let reason = super::fidelity::reason(target);
            notice(html, &format!("“{}” is not ranked: {reason}", target.name));
        }
    }
}

//! The targets beside each other: time, interval, ratio to the baseline, verdict.

use super::table::{self, Cell};
use super::{Place, answer::is_said, answer::notice, each_run, method, remark};
use crate::chart::rows;
use crate::chart::scale::Scale;
use crate::html::Html;
use crate::traces::OfTrace;
use crate::units;
use fsreplay_results::compare::{Compare, Target};
use fsreplay_results::{LEVEL, Verdict};

/// The section: a table of each run, pictures and all numbers below it.
pub fn write(html: &mut Html, results: &OfTrace, place: Place) {
    let several = results.compares.len() > 1;
    if several {
        side_by_side(html, &results.compares);
    }
    each_run(html, results, |html, compare| {
        targets(html, compare);
        for target in &compare.targets {
            doubts(html, results, target);
        }
        for unfit in &compare.unfit {
            notice(
                html,
                &format!("“{}” was left out: {}", unfit.name, unfit.reason),
            );
        }
    });
    let measured = |target: &Target| target.seconds.known().is_some();
    let all = results.compares.iter().flat_map(|compare| &compare.targets);
    if all.clone().filter(|target| measured(target)).count() > 1 {
        html.element("details", &[], |html| {
            html.text_element("summary", &[], "Rounds and intervals as pictures");
            times(html, results, place);
            ratios(html, results, place);
        });
    }
}

/// Why nothing can be said of a target, where no sentence says it.
fn doubts(html: &mut Html, results: &OfTrace, target: &Target) {
    match target.ratio.verdict {
        Verdict::NotRanked => {
            let reason = super::fidelity::reason(target);
            notice(html, &format!("“{}” is not ranked: {reason}", target.name));
        }
        Verdict::CannotTell => {
            let reason = target.ratio.reason.as_deref();
            if let Some(reason) = reason.filter(|reason| !is_said(results, reason)) {
                remark(html, &format!("“{}” can’t be told: {reason}.", target.name));
            }
        }
        Verdict::Baseline | Verdict::Faster | Verdict::Slower | Verdict::Same | Verdict::Within => {
        }
    }
}

/// Whether any target was measured.
pub fn is_known(results: &OfTrace) -> bool {
    results.compares.iter().any(|one| !one.targets.is_empty())
}

/// What somebody looks for who wants to know where it is fast; the baseline is named here.
fn targets(html: &mut Html, compare: &Compare) {
    let ordered = ordered(compare);
    let seconds = ordered.iter().filter_map(|target| target.seconds.known());
    let most = seconds.fold(f64::MIN_POSITIVE, f64::max);
    let rows: Vec<Vec<Cell>> = ordered.iter().map(|target| row(target, most)).collect();
    let mut caption = caption(compare).to_string();
    if !compare.baseline.is_empty() && compare.targets.len() > 1 {
        caption.push_str(&format!("; ratios are to “{}”", compare.baseline));
    }
    let header = [
        "Mount",
        "Time",
        LEVEL,
        "Ratio",
        "Verdict",
        "In calls",
        "Samples",
        "Directory",
    ];
    table::write(html, &caption, &header, &rows);
    let exceeds = |target: &&Target| target.seconds.value < target.file_system_seconds;
    if compare.targets.iter().any(|target| exceeds(&target)) {
        remark(
            html,
            "“In calls” sums the time of all threads in system calls on files, so it may exceed \
             the whole.",
        );
    }
}

fn row(target: &Target, most: f64) -> Vec<Cell> {
    let mut name = target.name.clone();
    for text in [&target.class, &target.fs_type] {
        if !text.is_empty() && !name.contains(text.as_str()) {
            name.push_str(&format!(" · {text}"));
        }
    }
    let interval = target.seconds.interval().map_or("–".into(), |(low, high)| {
        format!("{} – {}", units::seconds(low), units::seconds(high))
    });
    let is_baseline = target.ratio.verdict == Verdict::Baseline;
    let ratio = if is_baseline {
        "–".into()
    } else {
        ratio_text(target)
    };
    vec![
        Cell::Text(name),
        match target.seconds.known() {
            Some(seconds) => Cell::Bar(units::seconds(seconds), seconds / most),
            None => Cell::Number("–".into()),
        },
        Cell::Number(interval),
        Cell::Number(ratio),
        Cell::Badge(rows::tone(target), verdict(target)),
        Cell::Number(units::seconds(target.file_system_seconds)),
        Cell::Number(target.rounds.len().to_string()),
        Cell::Path(target.path.clone()),
    ]
}

/// Times with their rounds and intervals, on one scale for all runs.
fn times(html: &mut Html, results: &OfTrace, place: Place) {
    let all = results.compares.iter().flat_map(|compare| &compare.targets);
    let scale = rows::scale_of(all);
    html.element("figure", &[], |html| {
        html.text_element(
            "figcaption",
            &[],
            &format!(
                "Times with their intervals at {LEVEL} (thin lines) and single samples (dots)"
            ),
        );
        for compare in &results.compares {
            run_title(html, results, compare, place);
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
}

fn run_title(html: &mut Html, results: &OfTrace, compare: &Compare, place: Place) {
    if results.compares.len() > 1 {
        let name = method::run_name(compare);
        html.text_element(place.heading(1), &[("class", "run-title")], &name);
    }
}

fn caption(compare: &Compare) -> &'static str {
    if compare.is_of_work() {
        "What the tool would work on each mount; waiting for the outside is not counted"
    } else if compare.timing == "recorded" {
        "What the tool would take on each mount"
    } else {
        "What the replay takes on each mount: file access without the tool’s own computing"
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
    });
}

fn ratios(html: &mut Html, results: &OfTrace, place: Place) {
    let all = || {
        let targets = results.compares.iter().flat_map(|compare| &compare.targets);
        // The baseline's own is 1 by definition.
        let others = targets.filter(|target| target.ratio.verdict != Verdict::Baseline);
        others.filter_map(|target| Some((target.ratio.estimate, target.ratio.estimate.known()?)))
    };
    if all().next().is_none() {
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
            &format!("Ratios with their intervals at {LEVEL} (left of 1× is faster)"),
        );
        for compare in &results.compares {
            run_title(html, results, compare, place);
            html.element("ul", &[("class", "rows")], |html| {
                for target in ordered(compare) {
                    let is_baseline = target.ratio.verdict == Verdict::Baseline;
                    if is_baseline || target.ratio.estimate.known().is_none() {
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

/// Mounts by name, runs beside each other.
fn side_by_side(html: &mut Html, compares: &[Compare]) {
    let mut names: Vec<&str> = Vec::new();
    for target in compares.iter().flat_map(|compare| &compare.targets) {
        if !names.contains(&target.name.as_str()) {
            names.push(&target.name);
        }
    }
    let runs: Vec<String> = compares.iter().map(method::run_name).collect();
    let header: Vec<&str> = std::iter::once("Mount")
        .chain(runs.iter().map(String::as_str))
        .collect();
    let rows: Vec<Vec<Cell>> = names
        .iter()
        .map(|name| {
            let cells = compares.iter().map(|compare| {
                let target = compare.targets.iter().find(|target| target.name == *name);
                Cell::Number(target.map_or("–".into(), |target| {
                    let seconds = target.seconds.known().map_or("–".into(), units::seconds);
                    match target.ratio.verdict {
                        Verdict::Baseline => seconds,
                        _ => format!("{seconds} · {}", verdict(target)),
                    }
                }))
            });
            std::iter::once(Cell::Text(name.to_string()))
                .chain(cells)
                .collect()
        })
        .collect();
    table::write(html, "Machines and days side by side", &header, &rows);
}

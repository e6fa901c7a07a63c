//! Where the time goes on each target: by call, by latency, by directory.

use super::comparison::ordered;
use super::table::{self, Cell};
use super::{Place, each_run, remark};
use crate::chart::scale::Scale;
use crate::chart::{latency, rows, stack};
use crate::html::Html;
use crate::traces::OfTrace;
use crate::units;
use fsreplay_results::compare::{Compare, Target};
use fsreplay_results::play::CallStatistics as Call;

/// Calls in the table; the rest is folded away.
const CALLS: usize = 12;
/// Calls whose latencies are drawn.
const DISTRIBUTIONS: usize = 6;
/// Directories in the table.
const DIRECTORIES: usize = 20;

/// Whether any target tells its calls.
pub fn has_calls(results: &OfTrace) -> bool {
    targets(results).any(|target| target.calls.iter().any(|call| call.total_seconds > 0.0))
}

/// Whether any target tells how long its calls took one by one.
pub fn has_latencies(results: &OfTrace) -> bool {
    targets(results).any(|target| target.calls.iter().any(has_histogram))
}

/// Whether any target tells its directories.
pub fn has_directories(results: &OfTrace) -> bool {
    targets(results).any(|target| !target.directories.is_empty())
}

fn targets(results: &OfTrace) -> impl Iterator<Item = &Target> {
    let compares = results.compares.iter();
    compares.flat_map(|compare| &compare.targets)
}

fn has_histogram(call: &Call) -> bool {
    call.histogram.iter().any(|(_, count)| *count > 0)
}

/// Time by call.
pub fn write(html: &mut Html, results: &OfTrace, _: Place) {
    each_run(html, results, |html, compare| {
        let targets = ordered(compare);
        let calls = sums(&targets, |target| {
            target
                .calls
                .iter()
                .map(|c| (c.name.as_str(), c.total_seconds))
        });
        if calls.is_empty() {
            return;
        }
        stacked(html, &targets, &calls);
        let shown = calls.len().min(CALLS);
        call_table(
            html,
            "Time in each call, by mount",
            &targets,
            &calls[..shown],
            0,
        );
        if calls.len() > CALLS {
            html.element("details", &[], |html| {
                let text = units::of((calls.len() - CALLS) as u64, "more call", "more calls");
                html.text_element("summary", &[], &text);
                call_table(
                    html,
                    "Time in the other calls, by mount",
                    &targets,
                    &calls[CALLS..],
                    CALLS,
                );
            });
        }
    });
}

/// Names by their sum over all targets, the greatest first.
fn sums<'a, I: Iterator<Item = (&'a str, f64)>>(
    targets: &[&'a Target],
    of: impl Fn(&'a Target) -> I,
) -> Vec<&'a str> {
    let mut sums: std::collections::HashMap<&str, f64> = std::collections::HashMap::new();
    for target in targets {
        for (name, seconds) in of(target) {
            *sums.entry(name).or_default() += seconds;
        }
    }
    let mut sorted: Vec<(&str, f64)> = sums.into_iter().collect();
    sorted.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    sorted.into_iter().map(|(name, _)| name).collect()
}

fn stacked(html: &mut Html, targets: &[&Target], calls: &[&str]) {
    let parts: Vec<_> = targets
        .iter()
        .map(|target| stack::parts(target, calls))
        .collect();
    let most = parts
        .iter()
        .map(|parts| parts.iter().map(|(_, s)| s).sum::<f64>())
        .fold(0.0, f64::max);
    let scale = Scale::seconds(most);
    html.element("figure", &[], |html| {
        html.text_element("figcaption", &[], "Time in calls, summed over threads");
        if let Some(first) = parts.first() {
            let classes: Vec<String> = (0..first.len()).map(stack::class).collect();
            let names = first.iter().map(|(name, _)| *name);
            stack::legend(html, classes.iter().map(String::as_str).zip(names));
        }
        html.element("ul", &[("class", "rows")], |html| {
            for (target, parts) in targets.iter().zip(&parts) {
                html.element("li", &[("class", "row")], |html| {
                    name(html, target);
                    stack::bar(html, target, parts, &scale);
                    let sum = parts.iter().map(|(_, seconds)| seconds).sum();
                    html.text_element("div", &[("class", "value")], &units::seconds(sum));
                });
            }
        });
        rows::axis_row(html, &scale, "row axis-row");
    });
}

fn name(html: &mut Html, target: &Target) {
    html.element("div", &[("class", "label")], |html| {
        html.text_element("span", &[("class", "name")], &target.name);
    });
}

fn call_table(html: &mut Html, caption: &str, targets: &[&Target], calls: &[&str], first: usize) {
    let call =
        |target: &Target, name: &str| target.calls.iter().find(|call| call.name == name).cloned();
    let most = targets
        .iter()
        .flat_map(|target| &target.calls)
        .filter(|call| calls.contains(&call.name.as_str()))
        .map(|call| call.total_seconds)
        .fold(0.0, f64::max);
    let header: Vec<&str> = ["Call", "Calls", "Failed"]
        .into_iter()
        .chain(targets.iter().map(|target| target.name.as_str()))
        .collect();
    let rows: Vec<Vec<Cell>> = calls
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let of_targets: Vec<Option<Call>> =
                targets.iter().map(|target| call(target, name)).collect();
            let any = of_targets.iter().flatten().next();
            let mut row = vec![
                Cell::Swatch(first + index, name.to_string()),
                Cell::Number(any.map_or("–".into(), |call| units::count(call.count))),
                Cell::Number(any.map_or("–".into(), |call| units::count(call.errors))),
            ];
            row.extend(of_targets.iter().map(|call| match call {
                Some(call) => Cell::Bar(
                    units::seconds(call.total_seconds),
                    call.total_seconds / most,
                ),
                None => Cell::Number("–".into()),
            }));
            row
        })
        .collect();
    table::write(html, caption, &header, &rows);
}

/// Latency distributions of the most expensive calls.
pub fn write_latencies(html: &mut Html, results: &OfTrace, place: Place) {
    remark(
        html,
        "How many calls took how long, on a logarithmic scale; heights are relative to each \
         outline's peak. Solid line: median. \
         Dashed: 99 % of the calls are faster.",
    );
    each_run(html, results, |html, compare| {
        let targets = ordered(compare);
        let calls = sums(&targets, |target| {
            let drawn = target.calls.iter().filter(|call| has_histogram(call));
            drawn.map(|call| (call.name.as_str(), call.total_seconds))
        });
        if calls.is_empty() {
            return;
        }
        html.element("div", &[("class", "panels")], |html| {
            for name in calls.into_iter().take(DISTRIBUTIONS) {
                distribution(html, &targets, name, place);
            }
        });
    });
}

fn distribution(html: &mut Html, targets: &[&Target], name_of_call: &str, place: Place) {
    let of_call: Vec<(&Target, &Call)> = targets
        .iter()
        .filter_map(|target| {
            let call = target.calls.iter().find(|call| call.name == name_of_call)?;
            Some((*target, call))
        })
        .filter(|(_, call)| has_histogram(call))
        .collect();
    let scale = latency::scale_of(of_call.iter().map(|(_, call)| *call));
    html.element("div", &[("class", "panel")], |html| {
        html.text_element(place.heading(1), &[], name_of_call);
        html.element("ul", &[("class", "rows")], |html| {
            for (target, call) in &of_call {
                html.element("li", &[("class", "row")], |html| {
                    name(html, target);
                    latency::outline(html, &target.name, call, &scale);
                    html.element("div", &[("class", "value")], |html| {
                        html.text(&units::nanoseconds(call.p50_ns));
                        let late = format!("99 %: {}", units::nanoseconds(call.p99_ns));
                        html.text_element("span", &[("class", "about")], &late);
                    });
                });
            }
        });
        rows::axis_row(html, &scale, "row axis-row");
    });
}

/// Time by directory.
pub fn write_directories(html: &mut Html, results: &OfTrace, _: Place) {
    each_run(html, results, directories);
}

fn directories(html: &mut Html, compare: &Compare) {
    let targets = ordered(compare);
    let paths = sums(&targets, |target| {
        target
            .directories
            .iter()
            .map(|d| (d.path.as_str(), d.seconds))
    });
    if paths.is_empty() {
        return;
    }
    let find =
        |target: &Target, path: &str| target.directories.iter().find(|d| d.path == path).cloned();
    let all = targets.iter().flat_map(|target| &target.directories);
    let most = all.map(|directory| directory.seconds).fold(0.0, f64::max);
    let header: Vec<&str> = ["Directory", "Calls"]
        .into_iter()
        .chain(targets.iter().map(|target| target.name.as_str()))
        .collect();
    let rows: Vec<Vec<Cell>> = paths
        .iter()
        .take(DIRECTORIES)
        .map(|path| {
            let of_targets: Vec<_> = targets.iter().map(|target| find(target, path)).collect();
            let any = of_targets.iter().flatten().next();
            let mut row = vec![
                Cell::Path(path.to_string()),
                Cell::Number(any.map_or("–".into(), |directory| units::count(directory.count))),
            ];
            row.extend(of_targets.iter().map(|directory| match directory {
                Some(directory) => {
                    Cell::Bar(units::seconds(directory.seconds), directory.seconds / most)
                }
                None => Cell::Number("–".into()),
            }));
            row
        })
        .collect();
    table::write(
        html,
        "Time in calls on each directory and the names in it, by mount",
        &header,
        &rows,
    );
    if paths.len() > DIRECTORIES {
        let left = (paths.len() - DIRECTORIES) as u64;
        remark(
            html,
            &format!(
                "{} not shown.",
                units::of(left, "more directory is", "more directories are")
            ),
        );
    }
}

//! A comparison on the terminal: one table, and one sentence that answers.

use super::result::{Result as Comparison, TargetResult};
use crate::term;

/// The whole text.
pub fn text(comparison: &Comparison, verbose: bool) -> String {
    let mut out = format!(
        "{}\nmoved: {}; {} timing; cache {}\n\n",
        comparison.command(),
        comparison.moved(),
        comparison.timing,
        comparison.cache
    );
    let rows = comparison.targets.iter().map(row).collect();
    let time = match comparison.timing.as_str() {
        "recorded" => "the tool takes",
        _ => "the replay takes",
    };
    let header = [
        "target", time, "rounds", "in calls", "ratio", "95 %", "", "diverged",
    ];
    out.push_str(&term::aligned_table(&header, rows, |column| {
        matches!(column, 1..=5 | 7)
    }));
    out.push('\n');
    if verbose {
        for target in &comparison.targets {
            out.push_str(&details(target));
        }
    }
    for (text, count) in &comparison.notes {
        out.push_str(&format!("note: {text} ({})\n", term::count(*count)));
    }
    if comparison.interrupted {
        out.push_str("note: ended early; the rounds so far count\n");
    }
    out.push('\n');
    out.push_str(&comparison.sentence);
    out.push('\n');
    out
}

fn row(target: &TargetResult) -> Vec<String> {
    let low = target.rounds.iter().copied().fold(f64::INFINITY, f64::min);
    let high = target.rounds.iter().copied().fold(0.0, f64::max);
    let ratio = &target.ratio;
    let interval = match ratio.verdict {
        "baseline" => String::new(),
        _ => format!("{:.2}–{:.2}", ratio.low, ratio.high),
    };
    vec![
        format!("{} ({}, {})", target.name, target.class, target.fs_type),
        term::seconds(target.seconds()),
        format!("{}–{}", term::seconds(low), term::seconds(high)),
        term::seconds(target.file_system_seconds),
        format!("{:.2}", ratio.value),
        interval,
        ratio.verdict.to_owned(),
        term::count(target.divergences),
    ]
}

fn details(target: &TargetResult) -> String {
    let calls = target.calls.iter().take(6).map(|call| {
        vec![
            call.name.to_owned(),
            term::count(call.count),
            term::seconds(call.total_seconds),
            term::nanoseconds(call.p50_ns),
        ]
    });
    let directories = target.directories.iter().take(6).map(|directory| {
        vec![
            term::shortened(&directory.path, 60),
            term::count(directory.count),
            term::seconds(directory.seconds),
        ]
    });
    format!(
        "\n{}\n{}\n{}\n",
        target.name,
        term::table(&["call", "events", "time", "median"], calls.collect()),
        term::table(&["directory", "events", "time"], directories.collect())
    )
}

/// A command cut to a width: its beginning tells more.
fn beginning(text: &str, width: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= width && line.len() == text.len() {
        return text.to_owned();
    }
    let kept: String = line.chars().take(width).collect();
    format!("{kept}…")
}

/// The answer to "what should I change?".
pub fn sentence(comparison: &Comparison) -> String {
    let Some(base) = comparison.target(&comparison.baseline) else {
        return String::new();
    };
    let ranked = |target: &&TargetResult| target.ratio.verdict != "not ranked";
    let unranked = comparison.targets.iter().find(|target| !ranked(target));
    let others = || comparison.targets.iter().filter(ranked);
    let best = others()
        .filter(|target| target.ratio.verdict == "faster")
        .min_by(|a, b| a.seconds().total_cmp(&b.seconds()));
    let what = match comparison.timing.as_str() {
        "recorded" => comparison.command(),
        _ => format!("the file-system part of {}", comparison.command()),
    };
    let what = beginning(&what, 60);
    let answer = match best {
        Some(best) => format!(
            "On {} {what} would take {} instead of {} on {} ({:.1} times faster).",
            best.name,
            term::seconds(best.seconds()),
            term::seconds(base.seconds()),
            base.name,
            1.0 / best.ratio.value
        ),
        None if comparison.targets.len() < 2 => {
            format!(
                "On {} {what} would take {}.",
                base.name,
                term::seconds(base.seconds())
            )
        }
        None => format!(
            "Nothing here is faster than {} ({}) for {what}: leave it where it is.",
            base.name,
            term::seconds(base.seconds())
        ),
    };
    match unranked {
        Some(target) => format!(
            "{answer} {} is not ranked: only {:.1} % of its outcomes were as recorded.",
            target.name,
            target.fidelity * 100.0
        ),
        None => answer,
    }
}

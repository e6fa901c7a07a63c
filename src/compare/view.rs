//! A comparison on the terminal: one table, and one sentence that answers.

use console::Style;

use super::result::{LEAST_FIDELITY, Result as Comparison, TargetResult};
use crate::term::{self, Text};
use crate::{say, text};

/// The whole text.
pub fn text(comparison: &Comparison, verbose: bool) -> Text {
    let mut out = text!(
        "{}\nmoved: {}; {} timing; cache {}\n\n",
        beginning(&comparison.command(), 100),
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
    let table = term::aligned_table(&header, rows, |column| matches!(column, 1..=5 | 7));
    let styles: Vec<Style> = comparison.targets.iter().map(style).collect();
    out.push(&term::styled_rows(&table, &styles).line());
    if verbose {
        out.push(&differences(comparison));
    }
    for caveat in &comparison.caveats {
        say!(out, "note: {}", caveat);
    }
    for (note, count) in &comparison.notes {
        say!(out, "note: {} ({})", note, term::count(*count));
    }
    for target in comparison.targets.iter().filter(|t| t.left_out > 0) {
        say!(
            out,
            "note: on {} files can be cloned, so that {} calls that copied them were left out",
            target.name,
            term::count(target.left_out)
        );
    }
    if comparison.slowed_rounds > 0 {
        say!(
            out,
            "note: something else slowed this machine in some rounds ({}), \
             which is taken out of their times",
            term::count(comparison.slowed_rounds as u64)
        );
    }
    if comparison.interrupted {
        say!(out, "note: ended early; the rounds so far count");
    }
    say!(out, "\n{}", term::strong(&comparison.sentence));
    out
}

fn style(target: &TargetResult) -> Style {
    match target.ratio.verdict {
        "faster" => Style::new().green(),
        "slower" => Style::new().red(),
        "not ranked" => Style::new().yellow(),
        _ => Style::new(),
    }
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

/// The calls and the directories that take most, target beside target.
fn differences(comparison: &Comparison) -> Text {
    let calls = |target: &TargetResult| -> Vec<Cost> {
        let calls = target.calls.iter();
        calls
            .map(|call| (call.name.to_owned(), call.count, call.total_seconds))
            .collect()
    };
    let directories = |target: &TargetResult| -> Vec<Cost> {
        let directories = target.directories.iter();
        directories
            .map(|one| (one.path.clone(), one.count, one.seconds))
            .collect()
    };
    text!(
        "\n{}\n\n{}\n\n",
        beside("call", comparison, calls),
        beside("directory", comparison, directories)
    )
}

/// What something costs: its name, calls, seconds.
type Cost = (String, u64, f64);

fn beside(
    title: &str,
    comparison: &Comparison,
    costs: impl Fn(&TargetResult) -> Vec<Cost>,
) -> Text {
    const ROWS: usize = 10;
    let columns: Vec<Vec<Cost>> = comparison.targets.iter().map(costs).collect();
    let mut most: Vec<Cost> = Vec::new();
    for (name, count, seconds) in columns.iter().flatten() {
        match most.iter_mut().find(|(known, ..)| known == name) {
            Some((_, _, largest)) => *largest = largest.max(*seconds),
            None => most.push((name.clone(), *count, *seconds)),
        }
    }
    most.sort_by(|a, b| b.2.total_cmp(&a.2));
    let rows = most.iter().take(ROWS).map(|(name, count, _)| {
        let of = |column: &Vec<Cost>| {
            let found = column.iter().find(|(known, ..)| known == name);
            found.map_or("–".into(), |(_, _, seconds)| term::seconds(*seconds))
        };
        let mut row = vec![term::shortened(name, 60), term::count(*count)];
        row.extend(columns.iter().map(of));
        row
    });
    let names = comparison.targets.iter().map(|target| target.name.as_str());
    let header: Vec<&str> = [title, "events"].into_iter().chain(names).collect();
    term::table(&header, rows.collect())
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
    if comparison.is_withheld {
        return format!("Nothing can be said: {}", comparison.caveats.join(" "));
    }
    if base.fidelity < LEAST_FIDELITY {
        return format!("Nothing can be said: {}", why_unfaithful(base));
    }
    let ranked = |target: &&TargetResult| target.ratio.verdict != "not ranked";
    let unranked = comparison.targets.iter().filter(|target| !ranked(target));
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
        // Of those without a rank nothing can be said, not even that they are no faster.
        None if others().count() < 2 => {
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
    let mut whole = comparison.caveats.clone();
    whole.push(answer);
    // What keeps a target from its rank may have been said already.
    whole.extend(unranked.filter(|target| !is_told(target)).map(why_unranked));
    whole.join(" ")
}

/// Whether the reason why a target has no rank is one of its caveats.
fn is_told(target: &TargetResult) -> bool {
    let reason = target.ratio.reason.as_ref();
    reason.is_some_and(|reason| target.caveats.contains(reason))
}

/// Why a target has no rank.
fn why_unranked(target: &TargetResult) -> String {
    let reason = target.ratio.reason.as_deref().unwrap_or_default();
    format!("{} is not ranked: {reason}.", target.name)
}

/// Why nothing can be compared with a target.
fn why_unfaithful(target: &TargetResult) -> String {
    let cause = target.causes.first();
    let mostly = cause.map_or_else(String::new, |cause| {
        format!(" (most of the others: {}, {})", cause.call, cause.cause)
    });
    format!(
        "only {:.1} % of the outcomes on {} were as recorded{mostly}.",
        target.fidelity * 100.0,
        target.name,
    )
}

//! A comparison on the terminal: one table, and one sentence that answers.

use console::Style;

use fsreplay_results::compare::{Compare, Target};
use fsreplay_results::timeline::Phase;
use fsreplay_results::{LEVEL, Verdict};

use crate::term::{self, Text};
use crate::{say, text};
use fsreplay_shown::figures::beginning;

/// Phases that have a line.
const PHASES: usize = 10;

/// The whole text.
pub fn text(comparison: &Compare, verbose: bool) -> Text {
    let mut out = text!(
        "{}\nmoved: {}; {} timing; cache {}\n\n",
        beginning(&comparison.trace.command.join(" "), 100),
        comparison.moved.join(", "),
        comparison.timing,
        comparison.cache
    );
    if let Some(share) = &comparison.share {
        say!(out, "{}\n", share.sentence);
    }
    out.push(&table(comparison).line());
    out.push(&legend(comparison));
    out.push(&phases(comparison));
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
    if comparison.interrupted {
        say!(out, "note: ended early; the rounds so far count");
    }
    say!(out, "\n{}", term::strong(&comparison.sentence));
    out
}

/// A row for each target.
pub fn table(comparison: &Compare) -> Text {
    let rows = comparison.targets.iter().map(row).collect();
    let time = if comparison.timing != "recorded" {
        "the replay takes".to_owned()
    } else if let Some(phase) = &comparison.phase {
        format!("work in {phase}")
    } else if comparison.is_of_work() {
        "the tool works".to_owned()
    } else {
        "the tool takes".to_owned()
    };
    let header = [
        "target", &time, LEVEL, "in calls", "ratio", LEVEL, "", "diverged",
    ];
    let table = term::aligned_table(&header, rows, |column| matches!(column, 1..=5 | 7));
    let styles: Vec<Style> = comparison.targets.iter().map(style).collect();
    term::styled_rows(&table, &styles)
}

/// What a reader of the table has to know: of what the calls are, where they take longer than the
/// whole, and where the replays ran that are called by the names of mounts.
pub fn legend(comparison: &Compare) -> Text {
    let mut out = Text::default();
    let is_longer = |target: &Target| target.file_system_seconds > target.seconds.value;
    if comparison.targets.iter().any(is_longer) {
        say!(out, "in calls: all threads together, in the whole run");
    }
    out.push(&places(comparison));
    out
}

fn places(comparison: &Compare) -> Text {
    let targets = comparison.targets.iter();
    let unnamed = targets.filter(|target| !target.path.is_empty() && target.path != target.name);
    let places: Vec<String> = unnamed
        .map(|target| format!("{} in {}", target.name, target.path))
        .collect();
    if places.is_empty() {
        return Text::default();
    }
    text!("replayed: {}\n", places.join(", "))
}

/// What each phase takes, target beside target; nothing where there is only one.
fn phases(comparison: &Compare) -> Text {
    let targets = &comparison.targets;
    if comparison.phases.is_empty() || targets.iter().any(|target| target.phases.is_empty()) {
        return Text::default();
    }
    let all = comparison.phases.iter().enumerate();
    let mut most: Vec<(usize, &Phase)> = all.collect();
    most.sort_by(|a, b| b.1.busy_seconds.total_cmp(&a.1.busy_seconds));
    most.truncate(PHASES);
    most.sort_by_key(|(number, _)| *number);
    let rows = most.iter().map(|(number, phase)| {
        let mut row = vec![phase.name.clone()];
        row.extend(targets.iter().map(|target| {
            let seconds = target.phases.get(*number).map(|phase| phase.seconds.value);
            seconds.map_or_else(String::new, term::seconds)
        }));
        row
    });
    let names = targets.iter().map(|target| target.name.as_str());
    let header: Vec<&str> = std::iter::once("phase").chain(names).collect();
    let table = term::aligned_table(&header, rows.collect(), |column| column > 0);
    let mut out = text!("\n{}\n", table);
    let others = comparison.phases.len() - most.len();
    if others > 0 {
        say!(
            out,
            "and {} with less work",
            term::counted(others as u64, "phase", "phases")
        );
    }
    out
}

fn style(target: &Target) -> Style {
    match target.ratio.verdict {
        Verdict::Faster => Style::new().green(),
        Verdict::Slower => Style::new().red(),
        Verdict::NotRanked | Verdict::CannotTell => Style::new().yellow(),
        Verdict::Baseline | Verdict::Same | Verdict::Within => Style::new(),
    }
}

fn row(target: &Target) -> Vec<String> {
    let ratio = &target.ratio;
    let within = target.seconds.interval();
    let interval = match ratio.estimate.interval() {
        Some((low, high)) if ratio.verdict != Verdict::Baseline => format!("{low:.2}–{high:.2}"),
        _ => String::new(),
    };
    vec![
        format!("{} ({}, {})", target.name, target.class, target.fs_type),
        term::seconds(target.seconds.value),
        within.map_or_else(String::new, |(low, high)| {
            format!("{}–{}", term::seconds(low), term::seconds(high))
        }),
        term::seconds(target.file_system_seconds),
        format!("{:.2}", ratio.estimate.value),
        interval,
        ratio.verdict.text().to_owned(),
        term::count(target.divergences),
    ]
}

/// The calls and the directories that take most, target beside target.
fn differences(comparison: &Compare) -> Text {
    let calls = |target: &Target| -> Vec<Cost> {
        let calls = target.calls.iter();
        calls
            .map(|call| (call.name.to_owned(), call.count, call.total_seconds))
            .collect()
    };
    let directories = |target: &Target| -> Vec<Cost> {
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

fn beside(title: &str, comparison: &Compare, costs: impl Fn(&Target) -> Vec<Cost>) -> Text {
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

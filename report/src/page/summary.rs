//! A row for each recorded command: how long it takes, what of that is file access, what helps.

use super::comparison::{ordered, verdict};
use super::table::{self, Cell};
use crate::chart::rows::tone;
use crate::html::Html;
use crate::traces::OfTrace;
use crate::units;
use fsreplay_results::Verdict;
use fsreplay_results::advise::Advise;
use fsreplay_results::compare::Compare;

/// The table; `anchor` gives the identifier of each command's part of the page.
pub fn write(html: &mut Html, traces: &[OfTrace], anchor: impl Fn(usize) -> String) {
    let rows: Vec<Vec<Cell>> = traces
        .iter()
        .enumerate()
        .map(|(number, results)| {
            let (class, helps) = helps(results);
            vec![
                Cell::Link(anchor(number), results.title()),
                Cell::Number(seconds(results).map_or("–".into(), units::seconds)),
                share(results),
                Cell::Badge(class, helps),
            ]
        })
        .collect();
    let header = ["Command", "It takes", "File access", "Best mount"];
    html.element("div", &[("class", "summary")], |html| {
        table::write(html, "At a glance", &header, &rows);
    });
}

/// How long the tool takes, as far as the results tell.
fn seconds(results: &OfTrace) -> Option<f64> {
    let share = results.share().map(|share| share.seconds);
    share.or(results.trace.elapsed_seconds)
}

fn share(results: &OfTrace) -> Cell {
    let of_why = results.whys.iter().filter_map(|why| why.file_share).next();
    let share = results.share().map(|share| share.file_share).or(of_why);
    match share {
        Some(share) => Cell::Bar(units::percent(share), share),
        None => Cell::Number("–".into()),
    }
}

/// What to say in one line of all that was measured, and the class that colours it.
fn helps(results: &OfTrace) -> (&'static str, String) {
    // Older results don't say which move is advised: there it is the one that gains most.
    let best = |advise: &Advise| advise.advised.or(advise.tried.is_empty().then_some(0));
    let advises = results.advises.iter().rev();
    let mut advised = advises.filter_map(|advise| advise.moves.get(best(advise)?));
    if let Some(best) = advised.next() {
        let of_time = units::seconds(best.seconds.value);
        return ("faster", format!("{} on {}: {of_time}", best.path, best.to));
    }
    // The newest comparison that tells something.
    let mut compares: Vec<&Compare> = results.compares.iter().collect();
    compares.retain(|compare| compare.targets.len() > 1);
    let time = |compare: &Compare| compare.machine.time.unwrap_or(0.0);
    compares.sort_by(|a, b| time(b).total_cmp(&time(a)));
    if let Some(compare) = compares.first() {
        return of_comparison(compare);
    }
    if results.share().is_some_and(|share| share.is_small()) {
        return ("same", "no mount helps".into());
    }
    ("unranked", "not compared".into())
}

fn of_comparison(compare: &Compare) -> (&'static str, String) {
    let targets = ordered(compare);
    let first = |verdict: Verdict| {
        let mut of_verdict = targets.iter().filter(|one| one.ratio.verdict == verdict);
        of_verdict.next()
    };
    if let Some(best) = first(Verdict::Faster) {
        let memory = if best.keeps_files() {
            ""
        } else {
            " (in memory)"
        };
        return (
            tone(best),
            format!("{}: {}{memory}", best.name, verdict(best)),
        );
    }
    let mut told = targets.iter().map(|target| target.ratio.verdict);
    let is_told = told.any(|verdict| verdict.is_even() || verdict == Verdict::Slower);
    if is_told && first(Verdict::CannotTell).is_none() {
        ("same", "no mount helps".into())
    } else {
        ("unranked", Verdict::CannotTell.text().into())
    }
}

//! What the reader came for, in a sentence.

use crate::html::Html;
use crate::traces::OfTrace;
use crate::units;

/// What was recorded, in a line.
pub fn about(html: &mut Html, results: &OfTrace) {
    let trace = &results.trace;
    html.element("p", &[("class", "about")], |html| {
        if !trace.cwd.is_empty() {
            html.text("in ");
            html.path(&trace.cwd);
            html.text(" · ");
        }
        let mut parts = vec![units::of(trace.events, "event", "events")];
        if let Some(seconds) = trace.elapsed_seconds {
            parts.push(format!("{} when recorded", units::seconds(seconds)));
        }
        if !trace.recorded_on.is_empty() {
            parts.push(format!("on {}", trace.recorded_on));
        }
        html.text(&parts.join(" · "));
    });
}

/// The sentences of all results; advice is the answer to what to change and stands beside it.
pub fn write(html: &mut Html, results: &OfTrace) {
    let several = results.compares.len() > 1;
    html.element("div", &[("class", "answer")], |html| {
        for compare in &results.compares {
            let sentence = if compare.sentence.is_empty() {
                "The comparison came to no conclusion."
            } else {
                &compare.sentence
            };
            html.element("p", &[("class", "sentence")], |html| {
                if several {
                    let name = super::method::run_name(compare);
                    html.text_element("span", &[("class", "run-name")], &name);
                }
                html.text(sentence);
            });
            if compare.interrupted {
                notice(html, &interrupted(compare));
            }
        }
        for advise in results
            .advises
            .iter()
            .filter(|advise| !advise.sentence.is_empty())
        {
            html.element("p", &[("class", "sentence second")], |html| {
                html.text(&advise.sentence)
            });
        }
        if results.compares.is_empty() && results.advises.is_empty() {
            html.text_element("p", &[("class", "sentence")], &without_comparison(results));
        }
        for caveat in caveats(results) {
            notice(html, caveat);
        }
    });
}

/// What to know that no sentence says, each once.
fn caveats(results: &OfTrace) -> Vec<&str> {
    let compares = results.compares.iter().flat_map(|one| &one.caveats);
    let advises = results.advises.iter().flat_map(|one| &one.caveats);
    let plays = results.plays.iter().flat_map(|one| &one.caveats);
    let inspects = results.inspects.iter().flat_map(|one| &one.caveats);
    let is_said = |caveat: &str| {
        let compares = results.compares.iter().map(|one| &one.sentence);
        let advises = results.advises.iter().map(|one| &one.sentence);
        compares
            .chain(advises)
            .any(|sentence| sentence.contains(caveat))
    };
    let mut told: Vec<&str> = Vec::new();
    for caveat in compares.chain(advises).chain(plays).chain(inspects) {
        if !told.contains(&caveat.as_str()) && !is_said(caveat) {
            told.push(caveat);
        }
    }
    told
}

fn interrupted(compare: &fsreplay_results::compare::Compare) -> String {
    let finished = compare
        .targets
        .iter()
        .map(|target| target.rounds.len())
        .min();
    format!(
        "The measurement was interrupted after at least {} on each target: intervals are wider than \
         they would be.",
        units::of(finished.unwrap_or(0) as u64, "sample", "samples")
    )
}

fn without_comparison(results: &OfTrace) -> String {
    if let Some(inspect) = results.inspects.first() {
        let on_files = &inspect.totals.file_system;
        return format!(
            "{} of its {} are on files; they took {} in the kernel.",
            units::count(on_files.count),
            units::of(inspect.events, "event", "events"),
            units::seconds(on_files.seconds)
        );
    }
    match results.plays.as_slice() {
        [one] => format!(
            "Its calls alone take {} there, as fast as possible.",
            units::seconds(one.seconds.value)
        ),
        many => format!("{} replays, each of the calls alone.", many.len()),
    }
}

/// Something to know before believing a number.
pub fn notice(html: &mut Html, text: &str) {
    html.element("p", &[("class", "notice")], |html| {
        html.text_element("strong", &[], "Note: ");
        html.text(text);
    });
}

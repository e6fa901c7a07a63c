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

/// The sentences of all results, that of `why` first; advice is the answer to what to change and
/// stands beside it.
pub fn write(html: &mut Html, results: &OfTrace) {
    html.element("div", &[("class", "answer")], |html| {
        for why in &results.whys {
            said(html, "sentence", &why.sentence);
            if let Some(status) = why.status.filter(|status| *status != 0) {
                let ended =
                    format!("it ended with status {status}: this is what it did until then.");
                notice(html, &ended);
            }
        }
        let share = results
            .share()
            .map(|share| share.sentence.as_str())
            .filter(|sentence| !sentence.is_empty() && !is_said(results, sentence));
        if let Some(sentence) = share {
            said(html, "sentence", sentence);
        }
        comparisons(html, results);
        let advises = results.advises.iter().map(|one| one.sentence.as_str());
        for sentence in advises.filter(|sentence| !sentence.is_empty()) {
            said(html, "sentence second", sentence);
        }
        if results.whys.is_empty() && results.compares.is_empty() && results.advises.is_empty() {
            let sentence = without_comparison(results);
            said(html, "sentence second", &sentence);
        }
        for caveat in caveats(results) {
            notice(html, caveat);
        }
    });
}

fn said(html: &mut Html, class: &'static str, sentence: &str) {
    html.element("p", &[("class", class)], |html| html.sentence(sentence));
}

fn comparisons(html: &mut Html, results: &OfTrace) {
    let several = results.compares.len() > 1;
    for compare in &results.compares {
        let sentence = match compare.sentence.as_str() {
            "" if results.whys.is_empty() => "The comparison came to no conclusion.",
            sentence => sentence,
        };
        if !sentence.is_empty() {
            html.element("p", &[("class", "sentence")], |html| {
                if several {
                    let name = super::method::run_name(compare);
                    html.text_element("span", &[("class", "run-name")], &name);
                }
                html.sentence(sentence);
            });
        }
        if compare.interrupted {
            notice(html, &interrupted(compare));
        }
    }
}

/// What to know that no sentence says, each once.
fn caveats(results: &OfTrace) -> Vec<&str> {
    let compares = results.compares.iter().flat_map(|one| &one.caveats);
    let advises = results.advises.iter().flat_map(|one| &one.caveats);
    let plays = results.plays.iter().flat_map(|one| &one.caveats);
    let inspects = results.inspects.iter().flat_map(|one| &one.caveats);
    let mut told: Vec<&str> = Vec::new();
    for caveat in compares.chain(advises).chain(plays).chain(inspects) {
        if !told.contains(&caveat.as_str()) && !is_said(results, caveat) {
            told.push(caveat);
        }
    }
    told
}

/// Whether a sentence that stands above holds this one.
pub fn is_said(results: &OfTrace, text: &str) -> bool {
    let whys = results.whys.iter().map(|one| &one.sentence);
    let compares = results.compares.iter().map(|one| &one.sentence);
    let advises = results.advises.iter().map(|one| &one.sentence);
    let mut all = whys.chain(compares).chain(advises);
    all.any(|sentence| sentence.contains(text))
}

fn interrupted(compare: &fsreplay_results::compare::Compare) -> String {
    let finished = compare
        .targets
        .iter()
        .map(|target| target.rounds.len())
        .min();
    format!(
        "The measurement was interrupted after at least {} on each target: intervals are wider \
         than they would be.",
        units::of(finished.unwrap_or(0) as u64, "sample", "samples")
    )
}

fn without_comparison(results: &OfTrace) -> String {
    if let Some(inspect) = results.inspects.last() {
        return super::recorded::on_files(inspect);
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
        html.sentence(text);
    });
}

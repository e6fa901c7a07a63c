//! How it was measured: what a reader needs to judge the numbers, or to get them again.

use super::{Place, remark};
use crate::html::Html;
use crate::traces::OfTrace;
use crate::units;
use fsreplay_results::Machine;
use fsreplay_results::compare::{Compare, Method};

/// What tells runs apart: the machine and the time, and by what the host's files get to it, which
/// is what somebody changes between two runs.
pub fn run_name(compare: &Compare) -> String {
    let shares: String = compare
        .targets
        .iter()
        .filter(|target| target.class == "host-share")
        .map(|target| format!("; {} by {}", target.name, target.fs_type))
        .collect();
    machine_name(&compare.machine) + &shares
}

/// A machine and the time of its measurement.
pub fn machine_name(machine: &Machine) -> String {
    let host = if machine.host.is_empty() {
        "unknown machine"
    } else {
        &machine.host
    };
    match machine.time {
        Some(time) => format!("{host}, {}", units::date(time)),
        None => host.to_string(),
    }
}

/// The section.
pub fn write(html: &mut Html, results: &OfTrace, place: Place) {
    for compare in &results.compares {
        if results.compares.len() > 1 {
            html.text_element(place.heading(1), &[], &run_name(compare));
        }
        let facts = [machine(&compare.machine), measurement(compare)].concat();
        list(html, &facts);
        notes(html, &compare.notes, place);
    }
    if results.compares.is_empty() {
        for advise in &results.advises {
            list(html, &machine(&advise.machine));
        }
    }
    list(html, &recording(results));
    for play in &results.plays {
        notes(html, &play.notes, place);
    }
    if results.compares.len() > 1 {
        remark(
            html,
            "Times of different machines tell as much of the machines as of their mounts; ratios \
             compare better.",
        );
    }
}

type Facts = Vec<(&'static str, String)>;

fn machine(machine: &Machine) -> Facts {
    let mut facts = vec![("Machine", machine_name(machine))];
    if !machine.kernel.is_empty() {
        facts.push((
            "Kernel",
            format!("{} {}", machine.kernel, machine.architecture),
        ));
    }
    if machine.cpus > 0 {
        facts.push(("CPUs", machine.cpus.to_string()));
    }
    let container = match (machine.container, machine.product.as_deref()) {
        (Some(true), Some(product)) => format!("yes, {product}"),
        (Some(true), None) => "yes".into(),
        (Some(false), _) => "no".into(),
        (None, Some(product)) => product.to_string(),
        (None, None) => return facts,
    };
    facts.push(("Container", container));
    facts
}

fn measurement(compare: &Compare) -> Facts {
    let timing = match compare.timing.as_str() {
        "recorded" => "recorded: with the tool’s own pauses, so that times are predictions of its \
                       wall time"
            .into(),
        "fast" => "fast: calls follow each other as fast as possible, so that times are the file \
                   system’s alone"
            .into(),
        other => other.to_string(),
    };
    let finished: Vec<usize> = compare
        .targets
        .iter()
        .map(|target| target.rounds.len())
        .collect();
    let least = finished.iter().min().copied().unwrap_or(0);
    let most = finished.iter().max().copied().unwrap_or(0);
    let done = if least == most {
        least.to_string()
    } else {
        format!("{least} to {most}")
    };
    let interrupted = if compare.interrupted {
        "; interrupted"
    } else {
        ""
    };
    let mut facts = vec![
        ("Timing", timing),
        (
            "Method",
            match compare.method {
                Method::Paper => "on paper: recorded computing and waiting, measured calls",
                Method::Paced => "by the clock, with the tool's own time",
                Method::Fast => "by the clock, as fast as possible",
            }
            .into(),
        ),
        ("Page cache", compare.cache.clone()),
        (
            "Samples",
            format!("{done} on each target, interleaved{interrupted}"),
        ),
        ("Moved to the target", compare.moved.join(", ")),
    ];
    if let Some(neutral) = &compare.neutral {
        facts.push((
            "Everything else on",
            format!("{} ({})", neutral.path, neutral.what),
        ));
    }
    facts
}

fn recording(results: &OfTrace) -> Facts {
    let trace = &results.trace;
    vec![
        ("Recorded command", results.title()),
        ("Recorded in", trace.cwd.clone()),
        ("Recorded on", trace.recorded_on.clone()),
        ("Trace", trace.id.clone()),
    ]
}

fn list(html: &mut Html, facts: &[(&'static str, String)]) {
    html.element("dl", &[], |html| {
        for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
            html.element("div", &[], |html| {
                html.text_element("dt", &[], name);
                html.text_element("dd", &[], value);
            });
        }
    });
}

fn notes(html: &mut Html, notes: &[(String, u64)], place: Place) {
    if notes.is_empty() {
        return;
    }
    html.text_element(place.heading(1), &[], "Notes");
    html.element("ul", &[("class", "notes")], |html| {
        for (text, count) in notes {
            let text = if *count > 1 {
                format!("{text} ({}×)", units::count(*count))
            } else {
                text.clone()
            };
            html.text_element("li", &[], &text);
        }
    });
}

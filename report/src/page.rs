//! The page: its head, the list of its sections, and the results trace by trace.

mod advice;
mod answer;
mod calls;
mod comparison;
mod fidelity;
mod inspection;
mod method;
mod plays;
mod table;
mod timeline;

use crate::html::Html;
use crate::traces::OfTrace;

/// Where a section stands: the level of its heading.
#[derive(Clone, Copy, Debug)]
struct Place {
    level: usize,
}

/// Writes a section's content.
type Write = fn(&mut Html, &OfTrace, Place);

/// A section of a trace's results.
struct Section {
    anchor: &'static str,
    title: &'static str,
    write: Write,
}

/// The sections that these results fill.
fn sections(results: &OfTrace) -> Vec<Section> {
    let compares = !results.compares.is_empty();
    let has_targets = results.compares.iter().any(|c| !c.targets.is_empty());
    let all: [(bool, &'static str, &'static str, Write); 8] = [
        (
            compares,
            "comparison",
            "Targets compared",
            comparison::write,
        ),
        (
            !results.advises.is_empty(),
            "advice",
            "What to change",
            advice::write,
        ),
        (has_targets, "calls", "Time by call", calls::write),
        (
            has_targets,
            "latency",
            "Latency distributions",
            calls::write_latencies,
        ),
        (
            has_targets,
            "directories",
            "Time by directory",
            calls::write_directories,
        ),
        (
            !results.inspects.is_empty(),
            "inspection",
            "What the tool does",
            inspection::write,
        ),
        (
            !results.plays.is_empty(),
            "replays",
            "Single replays",
            plays::write,
        ),
        (
            compares,
            "fidelity",
            "Was it the same work?",
            fidelity::write,
        ),
    ];
    let mut sections: Vec<Section> = all
        .into_iter()
        .filter(|(is_filled, ..)| *is_filled)
        .map(|(_, anchor, title, write)| Section {
            anchor,
            title,
            write,
        })
        .collect();
    sections.push(Section {
        anchor: "method",
        title: "How it was measured",
        write: method::write,
    });
    sections
}

/// The page.
pub fn render(traces: &[OfTrace]) -> String {
    let title = match traces {
        [one] => one.title(),
        many => format!("{} recorded commands", many.len()),
    };
    let mut html = Html::default();
    html.fixed("<!DOCTYPE html>\n");
    html.element("html", &[("lang", "en")], |html| {
        html.element("head", &[], |html| head(html, &title));
        html.element("body", &[], |html| body(html, traces, &title));
    });
    html.fixed("\n");
    html.finish()
}

fn head(html: &mut Html, title: &str) {
    html.empty("meta", &[("charset", "utf-8")]);
    html.empty(
        "meta",
        &[
            ("name", "viewport"),
            ("content", "width=device-width, initial-scale=1"),
        ],
    );
    html.empty(
        "meta",
        &[("name", "color-scheme"), ("content", "light dark")],
    );
    // Whatever slipped through the escaping could neither run nor fetch anything.
    html.empty(
        "meta",
        &[
            ("http-equiv", "Content-Security-Policy"),
            ("content", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"),
        ],
    );
    html.empty(
        "meta",
        &[
            ("name", "generator"),
            ("content", concat!("fsreplay ", env!("CARGO_PKG_VERSION"))),
        ],
    );
    html.text_element("title", &[], &format!("{title} – fsreplay"));
    html.element("style", &[], |html| html.fixed(include_str!("style.css")));
}

fn body(html: &mut Html, traces: &[OfTrace], title: &str) {
    html.text_element(
        "a",
        &[("class", "skip"), ("href", "#main")],
        "Skip to the results",
    );
    html.element("header", &[("class", "top")], |html| {
        html.text_element("p", &[("class", "brand")], "fsreplay report");
        let class = if traces.len() == 1 { "command" } else { "" };
        html.text_element("h1", &[("class", class)], title);
        if let [one] = traces {
            answer::about(html, one);
        }
    });
    html.element("main", &[("id", "main")], |html| {
        if traces.is_empty() {
            html.text_element("p", &[], "No results were given.");
        }
        for (index, results) in traces.iter().enumerate() {
            html.element("article", &[], |html| {
                of_trace(html, results, index, traces.len() > 1);
            });
        }
    });
    html.element("footer", &[], |html| {
        html.text_element(
            "p",
            &[],
            concat!(
                "Made by fsreplay ",
                env!("CARGO_PKG_VERSION"),
                " from its JSON results. This page fetches nothing and runs no script."
            ),
        );
    });
}

fn of_trace(html: &mut Html, results: &OfTrace, trace: usize, is_one_of_many: bool) {
    let place = Place {
        level: if is_one_of_many { 3 } else { 2 },
    };
    if is_one_of_many {
        html.text_element("h2", &[("class", "command")], &results.title());
        answer::about(html, results);
    }
    answer::write(html, results);
    let sections = sections(results);
    html.element(
        "nav",
        &[("aria-label", &format!("Sections of {}", results.title()))],
        |html| {
            html.element("ul", &[], |html| {
                for section in &sections {
                    let target = format!("#t{trace}-{}", section.anchor);
                    html.element("li", &[], |html| {
                        html.text_element("a", &[("href", &target)], section.title);
                    });
                }
            });
        },
    );
    for section in &sections {
        let id = format!("t{trace}-{}", section.anchor);
        let heading = format!("{id}-title");
        html.element(
            "section",
            &[("id", &id), ("aria-labelledby", &heading)],
            |html| {
                html.text_element(place.heading(0), &[("id", &heading)], section.title);
                (section.write)(html, results, place);
            },
        );
    }
}

impl Place {
    /// The heading of a section, or of something that many levels below it.
    fn heading(self, below: usize) -> &'static str {
        ["h2", "h3", "h4", "h5", "h6"][(self.level + below).clamp(2, 6) - 2]
    }
}

/// Writes something for each comparison; where there are several, each has a heading and can be folded away.
fn each_run(
    html: &mut Html,
    results: &OfTrace,
    write: impl Fn(&mut Html, &fsreplay_results::compare::Compare),
) {
    if let [one] = results.compares.as_slice() {
        return write(html, one);
    }
    for (index, compare) in results.compares.iter().enumerate() {
        let open: &[(&'static str, &str)] = if index == 0 {
            &[("class", "run"), ("open", "open")]
        } else {
            &[("class", "run")]
        };
        html.element("details", open, |html| {
            html.text_element("summary", &[], &method::run_name(compare));
            write(html, compare);
        });
    }
}

/// A remark under a heading or a chart.
fn remark(html: &mut Html, text: &str) {
    html.text_element("p", &[("class", "remark")], text);
}

//! The page: its head, the list of its sections, and the results trace by trace.

mod advice;
mod answer;
mod calls;
mod comparison;
mod fidelity;
mod method;
mod plays;
mod recorded;
mod summary;
mod table;
mod time;
mod timeline;
mod waste;

use crate::html::Html;
use crate::traces::OfTrace;
use fsreplay_results::compare::Compare;

/// Where a section stands: the level of its heading.
#[derive(Clone, Copy, Debug)]
struct Place {
    level: usize,
}

/// A section of a trace's results.
struct Section {
    anchor: &'static str,
    title: &'static str,
    /// For those who want to know it all: folded away.
    is_detail: bool,
    /// Whether these results fill it.
    is_known: fn(&OfTrace) -> bool,
    /// Writes its content.
    write: fn(&mut Html, &OfTrace, Place),
}

const fn section(
    anchor: &'static str,
    title: &'static str,
    is_known: fn(&OfTrace) -> bool,
    write: fn(&mut Html, &OfTrace, Place),
) -> Section {
    Section {
        anchor,
        title,
        is_detail: false,
        is_known,
        write,
    }
}

const fn detail(section: Section) -> Section {
    Section {
        is_detail: true,
        ..section
    }
}

/// All sections, what matters most first.
const SECTIONS: [Section; 12] = [
    section(
        "comparison",
        "On other mounts",
        comparison::is_known,
        comparison::write,
    ),
    section("advice", "What to change", has_advice, advice::write),
    section(
        "waste",
        "What it does without need",
        waste::is_known,
        waste::write,
    ),
    section(
        "phases",
        "Work and waiting",
        timeline::is_known,
        timeline::write,
    ),
    section("time", "Where the time goes", time::is_known, time::write),
    section("replays", "Single replays", has_plays, plays::write),
    detail(section(
        "calls",
        "Time by call",
        calls::has_calls,
        calls::write,
    )),
    detail(section(
        "latency",
        "Latency distributions",
        calls::has_latencies,
        calls::write_latencies,
    )),
    detail(section(
        "directories",
        "Time by directory",
        calls::has_directories,
        calls::write_directories,
    )),
    detail(section(
        "recorded",
        "What was recorded",
        recorded::is_known,
        recorded::write,
    )),
    detail(section(
        "fidelity",
        "Was it the same work?",
        comparison::is_known,
        fidelity::write,
    )),
    detail(section(
        "method",
        "How it was measured",
        |_| true,
        method::write,
    )),
];

fn has_advice(results: &OfTrace) -> bool {
    !results.advises.is_empty()
}

fn has_plays(results: &OfTrace) -> bool {
    !results.plays.is_empty()
}

/// The sections that these results fill.
fn sections(results: &OfTrace) -> impl Iterator<Item = &'static Section> {
    let all = SECTIONS.iter();
    all.filter(|section| (section.is_known)(results))
}

/// The identifier of a command's part of the page, and of a section in it.
fn trace_id(trace: usize) -> String {
    format!("t{trace}")
}

fn section_id(trace: usize, section: &Section) -> String {
    format!("t{trace}-{}", section.anchor)
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
            (
                "content",
                "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                 form-action 'none'",
            ),
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
            return;
        }
        summary::write(html, traces, trace_id);
        contents(html, traces);
        for (index, results) in traces.iter().enumerate() {
            html.element("article", &[("id", &trace_id(index))], |html| {
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

/// Links to the sections.
fn contents(html: &mut Html, traces: &[OfTrace]) {
    html.element("nav", &[("aria-label", "Contents")], |html| {
        html.element("ul", &[("class", "contents")], |html| {
            for (index, results) in traces.iter().enumerate() {
                html.element("li", &[], |html| {
                    if traces.len() > 1 {
                        let target = format!("#{}", trace_id(index));
                        html.text_element("a", &[("href", &target)], &results.title());
                    }
                    html.element("ul", &[], |html| {
                        // Of many commands, what matters most of each.
                        let is_listed = |one: &&Section| traces.len() == 1 || !one.is_detail;
                        for section in sections(results).filter(is_listed) {
                            let target = format!("#{}", section_id(index, section));
                            html.element("li", &[], |html| {
                                html.text_element("a", &[("href", &target)], section.title);
                            });
                        }
                    });
                });
            }
        });
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
    for section in sections(results) {
        let id = section_id(trace, section);
        let heading = format!("{id}-title");
        let title = |html: &mut Html| {
            html.text_element(place.heading(0), &[("id", &heading)], section.title);
        };
        if section.is_detail {
            html.element("section", &[("aria-labelledby", &heading)], |html| {
                html.element("details", &[("class", "section")], |html| {
                    html.element("summary", &[], title);
                    // A link to what is inside opens it.
                    html.element("div", &[("id", &id)], |html| {
                        (section.write)(html, results, place);
                    });
                });
            });
        } else {
            let attributes = [("id", id.as_str()), ("aria-labelledby", &heading)];
            html.element("section", &attributes, |html| {
                title(html);
                (section.write)(html, results, place);
            });
        }
    }
}

impl Place {
    /// The heading of a section, or of something that many levels below it.
    fn heading(self, below: usize) -> &'static str {
        ["h2", "h3", "h4", "h5", "h6"][(self.level + below).clamp(2, 6) - 2]
    }
}

/// Writes something for each comparison; where there are several, each can be folded away.
fn each_run(html: &mut Html, results: &OfTrace, write: impl Fn(&mut Html, &Compare)) {
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

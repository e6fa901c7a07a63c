//! Stacked bars: what each target's time in calls is made of.

use super::{grid, image, percent, scale::Scale};
use crate::html::Html;
use crate::units;
use fsreplay_results::compare::Target;

/// Calls with a colour of their own; the rest is one part.
pub const PARTS: usize = 7;

/// The parts of one target: the calls named, and what is left.
pub fn parts<'a>(target: &Target, names: &[&'a str]) -> Vec<(&'a str, f64)> {
    let of = |name: &str| -> f64 {
        let calls = target.calls.iter().filter(|call| call.name == name);
        calls.map(|call| positive(call.total_seconds)).sum()
    };
    let mut parts: Vec<(&str, f64)> = names
        .iter()
        .take(PARTS)
        .map(|name| (*name, of(name)))
        .collect();
    let whole: f64 = target
        .calls
        .iter()
        .map(|call| positive(call.total_seconds))
        .sum();
    let named: f64 = parts.iter().map(|(_, seconds)| seconds).sum();
    if names.len() > PARTS {
        parts.push(("other calls", (whole - named).max(0.0)));
    }
    parts
}

fn positive(seconds: f64) -> f64 {
    if seconds.is_finite() {
        seconds.max(0.0)
    } else {
        0.0
    }
}

/// The stacked bar of one target.
pub fn bar(html: &mut Html, target: &Target, parts: &[(&str, f64)], scale: &Scale) {
    let whole: f64 = parts.iter().map(|(_, seconds)| seconds).sum();
    let title = format!("{}: {} in calls", target.name, units::seconds(whole));
    let classes: Vec<String> = (0..parts.len()).map(class).collect();
    let coloured: Vec<Part> = parts
        .iter()
        .zip(&classes)
        .map(|((name, seconds), class)| (class.as_str(), *name, *seconds))
        .collect();
    of_parts(html, &title, &coloured, scale);
}

/// The class that colours a part, its name, and its seconds.
pub type Part<'a> = (&'a str, &'a str, f64);

/// A bar of parts one after another.
pub fn of_parts(html: &mut Html, title: &str, parts: &[Part], scale: &Scale) {
    let told: Vec<String> = parts
        .iter()
        .filter(|(_, _, seconds)| *seconds > 0.0)
        .map(|(_, name, seconds)| format!("{name} {}", units::seconds(*seconds)))
        .collect();
    image(html, "plot thin", title, &told.join(", "), |html| {
        grid(html, scale);
        let mut from = 0.0;
        for (class, _, seconds) in parts {
            let to = from + positive(*seconds);
            let (x, end) = (scale.position(from), scale.position(to));
            if end - x > 0.02 {
                html.empty(
                    "rect",
                    &[
                        ("class", &format!("part {class}")),
                        ("x", &percent(x)),
                        ("y", "3"),
                        ("width", &percent(end - x)),
                        ("height", "18"),
                    ],
                );
            }
            from = to;
        }
    });
}

/// What the colours mean: class and name of each.
pub fn legend<'a>(html: &mut Html, colours: impl IntoIterator<Item = (&'a str, &'a str)>) {
    html.element(
        "ul",
        &[("class", "legend"), ("aria-label", "Colours")],
        |html| {
            for (class, name) in colours {
                html.element("li", &[], |html| {
                    swatch(html, class);
                    html.text(name);
                });
            }
        },
    );
}

/// The class of the colour of a part by its number.
pub fn class(index: usize) -> String {
    format!("c{}", index.min(PARTS))
}

/// A patch of a colour.
pub fn swatch(html: &mut Html, class: &str) {
    html.element(
        "svg",
        &[("class", "swatch"), ("aria-hidden", "true")],
        |html| {
            html.empty(
                "rect",
                &[
                    ("class", &format!("part {class}")),
                    ("width", "100%"),
                    ("height", "100%"),
                    ("rx", "2"),
                ],
            );
        },
    );
}

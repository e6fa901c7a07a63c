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
    let told: Vec<String> = parts
        .iter()
        .filter(|(_, seconds)| *seconds > 0.0)
        .map(|(name, seconds)| format!("{name} {}", units::seconds(*seconds)))
        .collect();
    image(html, "plot thin", &title, &told.join(", "), |html| {
        grid(html, scale);
        let mut from = 0.0;
        for (index, (_, seconds)) in parts.iter().enumerate() {
            let to = from + seconds;
            let (x, end) = (scale.position(from), scale.position(to));
            if end - x > 0.02 {
                html.empty(
                    "rect",
                    &[
                        ("class", &format!("part c{}", index.min(PARTS))),
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

/// What the colours mean, in the order of the parts.
pub fn legend(html: &mut Html, names: &[&str]) {
    html.element(
        "ul",
        &[("class", "legend"), ("aria-label", "Colours")],
        |html| {
            for (index, name) in names.iter().enumerate() {
                html.element("li", &[], |html| {
                    swatch(html, index);
                    html.text(name);
                });
            }
        },
    );
}

/// The colour of a part.
pub fn swatch(html: &mut Html, index: usize) {
    let class = format!("part c{}", index.min(PARTS));
    html.element(
        "svg",
        &[("class", "swatch"), ("aria-hidden", "true")],
        |html| {
            html.empty(
                "rect",
                &[
                    ("class", &class),
                    ("width", "100%"),
                    ("height", "100%"),
                    ("rx", "2"),
                ],
            );
        },
    );
}

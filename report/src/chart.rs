//! Charts as rows of inline SVG: no text inside but the ticks', horizontal positions in percent, so
//! that they follow the width of the page without being scaled. The words and numbers beside them
//! are HTML.

pub mod flame;
pub mod latency;
pub mod rows;
pub mod scale;
pub mod stack;

use crate::html::Html;
use scale::Scale;

/// A position in percent, as an attribute.
pub fn percent(value: f64) -> String {
    format!("{:.2}%", value.clamp(0.0, 100.0))
}

/// An SVG that is an image with a name and, where it needs one, a description.
pub fn image(
    html: &mut Html,
    class: &str,
    title: &str,
    description: &str,
    inside: impl FnOnce(&mut Html),
) {
    let (title_id, description_id) = (html.new_id(), html.new_id());
    let described = !description.is_empty();
    let labels = [
        ("class", class),
        ("role", "img"),
        ("aria-labelledby", &title_id),
        ("aria-describedby", &description_id),
    ];
    html.element("svg", &labels[..3 + usize::from(described)], |html| {
        html.text_element("title", &[("id", &title_id)], title);
        if described {
            html.text_element("desc", &[("id", &description_id)], description);
        }
        inside(html);
    });
}

/// Vertical lines at the ticks.
pub fn grid(html: &mut Html, scale: &Scale) {
    for (at, _) in scale.ticks() {
        let x = percent(*at);
        html.empty(
            "line",
            &[
                ("class", "grid"),
                ("x1", &x),
                ("x2", &x),
                ("y1", "0"),
                ("y2", "100%"),
            ],
        );
    }
}

/// The row with the ticks' labels; it says nothing that the rows' names don't say.
pub fn axis(html: &mut Html, scale: &Scale) {
    html.element(
        "svg",
        &[("class", "plot axis"), ("aria-hidden", "true")],
        |html| {
            for (at, label) in scale.ticks() {
                let anchor = match *at {
                    a if a < 4.0 => "start",
                    a if a > 97.5 => "end",
                    _ => "middle",
                };
                html.text_element(
                    "text",
                    &[("x", &percent(*at)), ("y", "12"), ("text-anchor", anchor)],
                    label,
                );
            }
        },
    );
}

/// The small bar under a number of a table.
pub fn cell_bar(html: &mut Html, share: f64) {
    if share.is_finite() && share > 0.0 {
        html.element(
            "svg",
            &[("class", "cell"), ("aria-hidden", "true")],
            |html| {
                html.empty(
                    "rect",
                    &[("width", &percent(share * 100.0)), ("height", "3")],
                );
            },
        );
    }
}

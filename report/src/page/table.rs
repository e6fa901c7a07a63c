//! Tables: a caption, headers with their scope, and cells of text, numbers or paths.

use crate::chart::{cell_bar, stack};
use crate::html::Html;

/// Bytes of a text that would make a narrow column tall.
const LONG: usize = 40;

/// A cell.
pub enum Cell {
    /// A text.
    Text(String),
    /// A path: may break after slashes.
    Path(String),
    /// A number as it is shown.
    Number(String),
    /// A number, with its share of the greatest in the table as a bar.
    Bar(String, f64),
    /// The colour of a part of a chart, and its name.
    Swatch(usize, String),
    /// A link to an identifier of this page.
    Link(String, String),
    /// A verdict, with the class that colours it.
    Badge(&'static str, String),
}

/// Writes a table; the first cell of each row is its header. Wide tables scroll inside their frame.
pub fn write(html: &mut Html, caption: &str, header: &[&str], rows: &[Vec<Cell>]) {
    let frame = [
        ("class", "frame"),
        ("role", "region"),
        ("tabindex", "0"),
        ("aria-label", caption),
    ];
    html.element("div", &frame, |html| {
        html.element("table", &[], |html| {
            html.element("caption", &[], |html| {
                // Stays in sight where the table scrolls sideways.
                html.text_element("span", &[], caption);
            });
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| head(html, header, rows.first()));
            });
            html.element("tbody", &[], |html| {
                for row in rows {
                    html.element("tr", &[], |html| {
                        for (index, cell) in row.iter().enumerate() {
                            write_cell(html, cell, index == 0);
                        }
                    });
                }
            });
        });
    });
}

fn head(html: &mut Html, header: &[&str], row: Option<&Vec<Cell>>) {
    for (index, name) in header.iter().enumerate() {
        let is_number = row
            .and_then(|row| row.get(index))
            .is_some_and(|cell| matches!(cell, Cell::Number(_) | Cell::Bar(..)));
        let class = if is_number { "number" } else { "" };
        html.text_element("th", &[("scope", "col"), ("class", class)], name);
    }
}

fn write_cell(html: &mut Html, cell: &Cell, is_header: bool) {
    let class = match cell {
        Cell::Number(_) | Cell::Bar(..) => "number",
        Cell::Text(text) if text.len() > LONG => "long",
        _ => "",
    };
    let name = if is_header { "th" } else { "td" };
    let scope: &[(&'static str, &str)] = if is_header {
        &[("scope", "row"), ("class", class)]
    } else {
        &[("class", class)]
    };
    html.element(name, scope, |html| match cell {
        Cell::Text(text) | Cell::Number(text) => html.text(text),
        Cell::Path(path) => html.path(path),
        Cell::Bar(text, share) => {
            html.text(text);
            cell_bar(html, *share);
        }
        Cell::Swatch(index, text) => {
            stack::swatch(html, &stack::class(*index));
            html.text(text);
        }
        Cell::Link(id, text) => {
            html.text_element("a", &[("href", &format!("#{id}"))], text);
        }
        Cell::Badge(class, text) => badge(html, class, text),
    });
}

/// A table that is folded away under its caption.
pub fn folded(html: &mut Html, caption: &str, header: &[&str], rows: &[Vec<Cell>]) {
    html.element("details", &[], |html| {
        html.text_element("summary", &[], caption);
        write(html, caption, header, rows);
    });
}

/// A verdict: never told by colour alone.
pub fn badge(html: &mut Html, class: &'static str, text: &str) {
    html.text_element("span", &[("class", &format!("badge {class}"))], text);
}

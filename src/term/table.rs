//! Tables of a terminal's width.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use console::{Style, Term, measure_text_width};

use super::text::{Show, Text};
use crate::text;

/// A table without lines; the first column is aligned left, the others right.
pub fn table(header: &[&str], rows: Vec<Vec<String>>) -> Text {
    aligned_table(header, rows, |column| column > 0)
}

/// A table without lines, whose columns of numbers are aligned right. Cells are shown. One that is
/// wider than the terminal is stacked.
pub fn aligned_table(
    header: &[&str],
    rows: Vec<Vec<String>>,
    is_number: impl Fn(usize) -> bool,
) -> Text {
    laid_out(header, &rows, is_number, columns().map(usize::from))
}

/// A table for a terminal of that width: neither words nor paths are broken.
pub fn laid_out(
    header: &[&str],
    rows: &[Vec<String>],
    is_number: impl Fn(usize) -> bool,
    width: Option<usize>,
) -> Text {
    let lines = side_by_side(header, rows, is_number);
    let widest = lines.iter().map(|line| measure_text_width(line)).max();
    match width {
        Some(width) if widest > Some(width) => stacked(header, rows, width),
        _ => Text::joined(lines.iter().map(|line| text!("{}", line)), "\n"),
    }
}

fn side_by_side(
    header: &[&str],
    rows: &[Vec<String>],
    is_number: impl Fn(usize) -> bool,
) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    if header.iter().any(|title| !title.is_empty()) {
        table.set_header(cells(header));
    }
    for row in rows {
        table.add_row(cells(row));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_cell_alignment(if is_number(index) {
            CellAlignment::Right
        } else {
            CellAlignment::Left
        });
    }
    let made = table.to_string();
    let lines = made.lines().map(|line| format!("  {}", line.trim_end()));
    lines.collect()
}

/// Each row as its first cell, and below it the others with their titles, as many as fit on a line.
fn stacked(header: &[&str], rows: &[Vec<String>], width: usize) -> Text {
    let mut lines = Vec::new();
    for row in rows {
        let shown = cells(row);
        let mut row = shown.iter().zip(header);
        if let Some((first, _)) = row.next() {
            lines.push(format!("   {first}"));
        }
        let parts = row
            .filter(|(cell, _)| !cell.is_empty())
            .map(|(cell, title)| format!("{title} {cell}").trim_start().to_owned());
        lines.extend(filled(parts, "; ", "       ", width));
    }
    Text::joined(lines.iter().map(|line| text!("{}", line)), "\n")
}

/// Parts, as many on a line as fit; none is broken.
fn filled(
    parts: impl Iterator<Item = String>,
    between: &str,
    indent: &str,
    width: usize,
) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line)
                if measure_text_width(line) + between.len() + measure_text_width(&part)
                    <= width =>
            {
                line.push_str(between);
                line.push_str(&part);
            }
            _ => lines.push(format!("{indent}{part}")),
        }
    }
    lines
}

/// Shown before they are laid out, so that columns are as wide as what is seen of them.
fn cells(row: &[impl Show]) -> Vec<String> {
    row.iter()
        .map(|cell| Text::of(cell).as_str().to_owned())
        .collect()
}

/// Width of the terminal; `None` where standard output is none, so that files and pipes get whole
/// lines.
pub fn columns() -> Option<u16> {
    let terminal = Term::stdout();
    terminal
        .is_term()
        .then(|| terminal.size_checked().map(|(_, columns)| columns))
        .flatten()
}

/// The answer. Colours and weights are left out where standard output is no terminal, and where
/// `NO_COLOR` is set.
pub fn strong(text: &str) -> Text {
    Text::of(text).styled(&Style::new().bold())
}

/// A table with its header in bold and some of its rows in a style; one that had to be stacked
/// stays as it is.
pub fn styled_rows(table: &Text, styles: &[Style]) -> Text {
    let lines: Vec<Text> = table.lines().collect();
    if lines.len() != styles.len() + 1 {
        return table.clone();
    }
    let header = Style::new().bold();
    let all = std::iter::once(&header).chain(styles);
    let styled = lines.iter().zip(all);
    Text::joined(styled.map(|(line, style)| line.styled(style)), "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [&str; 4] = ["target", "the tool takes", "99.5 %", ""];

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        vec![
            row(["disk (native-bind, ext4)", "3.10 s", "", "baseline"]),
            row([
                "/workspaces/a/rather/long/path/of/a/share (host-share, virtiofs)",
                "12.0 s",
                "3.50–4.20",
                "slower",
            ]),
        ]
    }

    fn at(width: usize) -> String {
        laid_out(&HEADER, &rows(), |column| column == 1, Some(width))
            .as_str()
            .to_owned()
    }

    #[test]
    fn a_table_that_fits_is_one() {
        let path = "/workspaces/a/rather/long/path/of/a/share (host-share, virtiofs)";
        let expected = [
            format!("   {:<64}  the tool takes  99.5 %", "target"),
            format!(
                "   {:<64}          3.10 s             baseline",
                "disk (native-bind, ext4)"
            ),
            format!("   {path}          12.0 s  3.50–4.20  slower"),
        ];
        assert_eq!(at(140), expected.join("\n"));
    }

    #[test]
    fn a_table_that_is_too_wide_is_stacked() {
        let expected = "   disk (native-bind, ext4)\n       \
            the tool takes 3.10 s; baseline\n   \
            /workspaces/a/rather/long/path/of/a/share (host-share, virtiofs)\n       \
            the tool takes 12.0 s; 99.5 % 3.50–4.20; slower";
        assert_eq!(at(80), expected);
        let narrow = at(30);
        assert!(narrow.contains("/workspaces/a/rather/long/path/of/a/share"));
        assert!(
            narrow.contains("       the tool takes 12.0 s\n"),
            "{narrow}"
        );
    }

    #[test]
    fn names_are_shown_in_either_form() {
        let row = vec![vec!["a\u{1b}[2J\nb".to_owned(), "x".to_owned()]];
        for width in [4, 80] {
            let text = laid_out(&["", ""], &row, |_| false, Some(width));
            assert!(text.as_str().contains("a\\x1b[2J\\nb"), "{text:?}");
        }
    }

    #[test]
    fn rows_are_styled_and_a_wrapped_table_is_left_alone() {
        let green = Style::new().green().force_styling(true);
        let table = Text::from("  a  b\n  1  2");
        let styled = styled_rows(&table, std::slice::from_ref(&green));
        assert!(
            styled.as_str().ends_with("\u{1b}[32m  1  2\u{1b}[0m"),
            "{styled:?}"
        );
        let wrapped = Text::from("  a  b\n  1  2\n     3");
        assert_eq!(styled_rows(&wrapped, &[green]), wrapped);
    }

    #[test]
    fn cells_are_one_line_each_and_as_wide_as_they_look() {
        let row = |name: &str| vec![name.to_owned(), "1".to_owned()];
        let rows = vec![row("a\nb\x1b[2J"), row("a\\nb\\x1b[2J")];
        let table = table(&["na\tme", ""], rows);
        let lines: Vec<&str> = table.as_str().lines().collect();
        assert_eq!(lines.len(), 3, "{table:?}");
        assert!(lines[0].trim_start().starts_with("na\\tme"), "{table:?}");
        assert_eq!(lines[1], lines[2]);
    }
}

//! Tables of a terminal's width.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use console::{Style, Term};

use super::text::{Show, Text};
use crate::text;

/// A table without lines; the first column is aligned left, the others right.
pub fn table(header: &[&str], rows: Vec<Vec<String>>) -> Text {
    aligned_table(header, rows, |column| column > 0)
}

/// A table without lines, whose columns of numbers are aligned right. Cells are shown.
pub fn aligned_table(
    header: &[&str],
    rows: Vec<Vec<String>>,
    is_number: impl Fn(usize) -> bool,
) -> Text {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(columns) = columns() {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(columns.saturating_sub(2));
    }
    table.set_header(cells(header));
    for row in rows {
        table.add_row(cells(&row));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_cell_alignment(if is_number(index) {
            CellAlignment::Right
        } else {
            CellAlignment::Left
        });
    }
    let made = table.to_string();
    let lines = made.lines().map(|line| text!("  {}", line.trim_end()));
    Text::joined(lines, "\n")
}

/// Shown before they are laid out, so that columns are as wide as what is seen of them.
fn cells(row: &[impl Show]) -> Vec<String> {
    row.iter()
        .map(|cell| Text::of(cell).as_str().to_owned())
        .collect()
}

/// Width of the terminal; `None` where standard output is none, so that files and pipes get whole
/// lines.
fn columns() -> Option<u16> {
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

/// A table with its header in bold and some of its rows in a style; a table that had to be wrapped
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

    #[test]
    fn rows_are_styled_and_a_wrapped_table_is_left_alone() {
        let green = Style::new().green().force_styling(true);
        let table = Text::from("  a  b\n  1  2");
        let styled = styled_rows(&table, std::slice::from_ref(&green));
        let styled = styled.as_str();
        assert!(styled.ends_with("\u{1b}[32m  1  2\u{1b}[0m"), "{styled:?}");
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

//! How things look on a terminal: numbers, durations, tables.

use std::io::Write;
use std::path::{Path, PathBuf};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use console::{Style, Term};

use crate::exit::{self, Failure};

/// Bytes in the unit that people read, with three digits.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", three_digits(value), UNITS[unit])
}

/// A duration, given in nanoseconds, in the unit that people read.
pub fn nanoseconds(ns: u64) -> String {
    seconds(ns as f64 / 1e9)
}

/// A duration, given in seconds, in the unit that people read.
pub fn seconds(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 999.5e-9 => (s * 1e9, "ns"),
        s if s < 999.5e-6 => (s * 1e6, "µs"),
        s if s < 0.9995 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    format!("{} {unit}", three_digits(value))
}

/// A count with its thousands apart.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share in percent; a share that is neither nothing nor all is never shown as such.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".into();
    }
    let share = part as f64 * 100.0 / whole as f64;
    match share {
        s if part == whole || part == 0 => format!("{s:.0} %"),
        s if s > 99.99 => "> 99.99 %".into(),
        s if s < 0.01 => "< 0.01 %".into(),
        s if s > 99.0 => format!("{s:.2} %"),
        s => format!("{s:.1} %"),
    }
}

/// A text cut to a width in characters; the end is kept, as it tells more of a path.
pub fn shortened(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_string();
    }
    let kept: String = text.chars().skip(length + 1 - width.max(1)).collect();
    format!("…{kept}")
}

fn three_digits(value: f64) -> String {
    match value {
        v if v >= 99.95 => format!("{v:.0}"),
        v if v >= 9.995 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// A table without lines; the first column is aligned left, the others right.
pub fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    aligned_table(header, rows, |column| column > 0)
}

/// A table without lines, whose columns of numbers are aligned right.
pub fn aligned_table(
    header: &[&str],
    rows: Vec<Vec<String>>,
    is_number: impl Fn(usize) -> bool,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(columns) = columns() {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(columns.saturating_sub(2));
    }
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_cell_alignment(if is_number(index) {
            CellAlignment::Right
        } else {
            CellAlignment::Left
        });
    }
    let text = table.to_string();
    text.lines()
        .map(|line| format!("  {}", line.trim_end()))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Width of the terminal; `None` where standard output is none, so that files and pipes get whole lines.
fn columns() -> Option<u16> {
    let terminal = Term::stdout();
    terminal
        .is_term()
        .then(|| terminal.size_checked().map(|(_, columns)| columns))
        .flatten()
}

/// The answer. Colours and weights are left out where standard output is no terminal, and where `NO_COLOR` is set.
pub fn strong(text: &str) -> String {
    Style::new().bold().apply_to(text).to_string()
}

/// A table with its header in bold and some of its rows in a style; a table that had to be wrapped stays as it is.
pub fn styled_rows(table: &str, styles: &[Style]) -> String {
    let lines: Vec<&str> = table.lines().collect();
    if lines.len() != styles.len() + 1 {
        return table.to_owned();
    }
    let header = Style::new().bold();
    let all = std::iter::once(&header).chain(styles);
    let styled = lines.iter().zip(all);
    styled
        .map(|(line, style)| style.apply_to(line).to_string())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Whether one of the results that were asked for goes to standard output, which then holds nothing else.
pub fn is_taken(results: &[&Option<PathBuf>]) -> bool {
    let standard_output = Path::new("-");
    results
        .iter()
        .any(|path| path.as_deref() == Some(standard_output))
}

/// Writes a JSON value to a file, or to standard output for `-`.
pub fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(exit::FAILURE, format!("{}: {error}", path.display()))
    };
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| failed(&e))?;
    text.push(b'\n');
    if path == Path::new("-") {
        print_all(&text)
    } else {
        std::fs::write(path, text).map_err(|e| failed(&e))
    }
}

/// Writes to standard output; a reader that has gone away (`| head`) is no failure.
pub fn print_all(text: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(
            exit::FAILURE,
            format!("standard output: {error}"),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.00 KiB");
        assert_eq!(bytes(1024 * 1024 - 1), "1.00 MiB");
        assert_eq!(nanoseconds(1_500), "1.50 µs");
        assert_eq!(seconds(0.9999), "1.00 s");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(123), "123");
    }

    #[test]
    fn long_paths_keep_their_end() {
        assert_eq!(shortened("/a/b/c", 6), "/a/b/c");
        assert_eq!(shortened("/a/b/cd", 6), "…/b/cd");
    }

    #[test]
    fn rows_are_styled_and_a_wrapped_table_is_left_alone() {
        let green = Style::new().green().force_styling(true);
        let table = "  a  b\n  1  2";
        let styled = styled_rows(table, std::slice::from_ref(&green));
        assert!(styled.ends_with("\u{1b}[32m  1  2\u{1b}[0m"), "{styled:?}");
        let wrapped = "  a  b\n  1  2\n     3";
        assert_eq!(styled_rows(wrapped, &[green]), wrapped);
    }

    #[test]
    fn nearly_all_is_not_all() {
        assert_eq!(percent(999_999, 1_000_000), "> 99.99 %");
        assert_eq!(percent(1, 1_000_000), "< 0.01 %");
        assert_eq!(percent(5, 5), "100 %");
        assert_eq!(percent(0, 5), "0 %");
        assert_eq!(percent(0, 0), "–");
    }
}

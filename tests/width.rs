//! No line of prose is wider than 100 columns: that of the pages, and comments in the code. What
//! can't be wrapped may be wider: blocks of code, output and commands, and rows of tables, which
//! end at 170.

use std::fs;
use std::path::{Path, PathBuf};

const COLUMNS: usize = 100;
/// Of a row of a table. What doesn't fit is a note below it, or no table.
const ROW: usize = 170;

/// Files with an ending below a directory, but for what builds and tools leave there.
fn files(directory: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let entry = entry.expect("an entry");
        let path = entry.path();
        let name = entry.file_name();
        let is_left = name == "target" || name == "node_modules" || name == ".git";
        if entry.file_type().expect("a type").is_dir() {
            if !is_left {
                files(&path, ending, found);
            }
        } else if path
            .extension()
            .is_some_and(|extension| extension == ending)
        {
            found.push(path);
        }
    }
}

fn all(ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(Path::new(env!("CARGO_MANIFEST_DIR")), ending, &mut found);
    found
}

fn is_wide(line: &str, most: usize) -> bool {
    line.chars().count() > most
}

/// Numbers of the lines of a page that are prose or a table's, and too wide.
fn wide_prose(page: &str) -> Vec<usize> {
    let mut wide = Vec::new();
    let mut is_fenced = false;
    let mut is_block = false;
    let mut before_is_blank = true;
    for (number, line) in page.lines().enumerate() {
        let text = line.trim_start();
        let is_fence = text.starts_with("```");
        is_fenced ^= is_fence;
        // Four spaces make a block only behind a blank line, and as far as lines have them.
        is_block = line.starts_with("    ") && (before_is_blank || is_block);
        let is_prose = !is_fenced && !is_fence && !is_block;
        let most = if text.starts_with('|') { ROW } else { COLUMNS };
        if is_prose && is_wide(line, most) {
            wide.push(number + 1);
        }
        before_is_blank = text.is_empty();
    }
    wide
}

/// Numbers of the lines of a source that are comments and too wide.
fn wide_comments(source: &str) -> Vec<usize> {
    let lines = source.lines().enumerate();
    lines
        .filter(|(_, line)| line.trim_start().starts_with("//") && is_wide(line, COLUMNS))
        .map(|(number, _)| number + 1)
        .collect()
}

fn faults(paths: &[PathBuf], wide: fn(&str) -> Vec<usize>) -> Vec<String> {
    let mut faults = Vec::new();
    for path in paths {
        let text = fs::read_to_string(path).expect("text");
        for number in wide(&text) {
            faults.push(format!("{}:{number}", path.display()));
        }
    }
    faults
}

#[test]
fn pages_are_wrapped() {
    let mut pages = all("md");
    assert!(pages.iter().any(|page| page.ends_with("CHANGELOG.md")));
    assert!(pages.iter().any(|page| page.ends_with("docs/limits.md")));
    // Each entry of the book's contents is one line, however long its page's name is.
    pages.retain(|page| !page.ends_with("docs/SUMMARY.md"));
    let faults = faults(&pages, wide_prose);
    assert!(faults.is_empty(), "wider than {COLUMNS}: {faults:#?}");
}

#[test]
fn comments_are_wrapped() {
    let sources = all("rs");
    assert!(sources.iter().any(|source| source.ends_with("src/main.rs")));
    let faults = faults(&sources, wide_comments);
    assert!(faults.is_empty(), "wider than {COLUMNS}: {faults:#?}");
}

#[test]
fn a_wide_line_is_found_and_a_block_is_none() {
    let wide = "ä".repeat(COLUMNS + 1);
    let fits = "ä".repeat(COLUMNS);
    let row = "ä".repeat(ROW);
    let page = format!(
        "{fits}\n{wide}\n\n```text\n{wide}\n```\n\n    {wide}\n    {wide}\n\n\
         | {wide} |\n| {row} |\n- entry\n    {wide}\n"
    );
    assert_eq!(wide_prose(&page), [2, 12, 14]);
    let source = format!("//! {fits}\nlet a = \"{wide}\";\n    /// a\n    // {wide}\n");
    assert_eq!(wide_comments(&source), [1, 4]);
}

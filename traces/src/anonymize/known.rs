//! The words that are kept, from `known.txt`.

use std::collections::HashSet;
use std::sync::LazyLock;

/// A section of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Names of files and directories.
    Names,
    /// Ends of names, without their dot.
    Extensions,
    /// Names of extended attributes.
    Attributes,
    /// What descriptors without a path lead to.
    Descriptors,
    /// Subtypes of FUSE file systems.
    Fuse,
    /// Options of a mount.
    Optional,
}

/// Sections by their titles, in the order of [`Section`].
const TITLES: [&str; 6] = [
    "[names]",
    "[extensions]",
    "[attributes]",
    "[descriptors]",
    "[fuse]",
    "[optional]",
];

/// The words of each section in lower case.
static WORDS: LazyLock<[HashSet<Vec<u8>>; 6]> = LazyLock::new(|| parse(include_str!("known.txt")));

fn parse(text: &str) -> [HashSet<Vec<u8>>; 6] {
    let mut words: [HashSet<Vec<u8>>; 6] = Default::default();
    let mut section = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(found) = TITLES.iter().position(|title| *title == line) {
            section = found;
            continue;
        }
        let found = line.split_whitespace().map(str::to_ascii_lowercase);
        words[section].extend(found.map(String::into_bytes));
    }
    words
}

/// Whether a word is kept, whatever the case of its letters.
pub fn is_known(section: Section, word: &[u8]) -> bool {
    // No word is longer; what is isn't copied.
    const LONGEST: usize = 64;
    word.len() <= LONGEST && WORDS[section as usize].contains(&word.to_ascii_lowercase())
}

/// Where the known extensions begin that a name ends with, dot included: `app.d.ts` at 3,
/// `libc.so.6` at 4, the name's length if there are none. Something always stands before them.
pub fn extensions_at(name: &[u8]) -> usize {
    let mut end = versions_at(name);
    while let Some(dot) = name[..end].iter().rposition(|b| *b == b'.') {
        if dot == 0 || !is_known(Section::Extensions, &name[dot + 1..end]) {
            break;
        }
        end = dot;
    }
    end
}

/// Where the version of a shared library begins (`.6` of `libc.so.6`), else the name's length.
fn versions_at(name: &[u8]) -> usize {
    const DIGITS: usize = 3;
    let mut end = name.len();
    while let Some(dot) = name[..end].iter().rposition(|b| *b == b'.') {
        let part = &name[dot + 1..end];
        if part.eq_ignore_ascii_case(b"so") {
            return end;
        }
        if part.is_empty() || part.len() > DIGITS || !part.iter().all(u8::is_ascii_digit) {
            break;
        }
        end = dot;
    }
    name.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_is_there_and_its_words_fit() {
        for (words, title) in WORDS.iter().zip(TITLES) {
            assert!(words.len() > 5, "{title}");
            for word in words {
                assert!(word.len() <= 64 && word.is_ascii(), "{word:?}");
                assert!(!word.contains(&b'/') && !word.starts_with(b"["), "{word:?}");
            }
        }
    }

    #[test]
    fn replaying_and_comparing_go_by_these() {
        for name in [
            "proc",
            "self",
            "thread-self",
            "fd",
            "dev",
            "shm",
            "stdin",
            "stdout",
            "stderr",
            ".git",
            "tmp",
            "var",
            "home",
            "root",
        ] {
            assert!(is_known(Section::Names, name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn extensions_are_known_ones_behind_a_name() {
        let at = |name: &str| extensions_at(name.as_bytes());
        assert_eq!(at("app.d.ts"), 3);
        assert_eq!(at("App.TAR.gz"), 3);
        assert_eq!(at("lib.so.6"), 3);
        assert_eq!(at("lib.so.1.2.33"), 3);
        assert_eq!(at("a.b.secret"), 10);
        assert_eq!(at("10.0.17.99"), 10);
        assert_eq!(at("x.so.1234"), 9);
        assert_eq!(at(".js"), 3);
        assert_eq!(at("x.."), 3);
        assert_eq!(at("none"), 4);
    }
}

//! Text that a terminal may be given, safe by its type.
//!
//! A [`Text`] is made by [`text!`](crate::text) and [`say!`](crate::say) only. Of these the format
//! is a literal of the program, and each argument goes through [`Show`], which shows what comes
//! from outside as [`fsreplay_shown`] does: no control character, no line break, nothing
//! that reorders or hides. Line breaks and styles are those of the program.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

use console::{Style, measure_text_width};
use fsreplay_shown::shown;

/// A text for people: words of the program, and names in which nothing but visible characters is
/// left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text(String);

/// A text from a literal format and arguments that are shown. Names can't be captured in the
/// format, as those would not be shown: `text!("{}", name)`, not `text!("{name}")`.
#[macro_export]
macro_rules! text {
    ($format:literal $(, $argument:expr)* $(,)?) => {
        // A format that a macro makes captures nothing.
        $crate::term::Text::of_literal(
            format_args!(concat!($format) $(, $crate::term::Shown(&$argument))*)
        )
    };
}

/// Appends a line, made as by [`text!`](crate::text), to a text.
#[macro_export]
macro_rules! say {
    ($out:expr) => { $out.push(&$crate::text!("\n")) };
    ($out:expr, $format:literal $(, $argument:expr)* $(,)?) => {
        // The line feed comes after all arguments were evaluated: they may borrow `out`.
        $out.push(&$crate::text!($format $(, $argument)*).line())
    };
}

impl Text {
    /// For [`text!`](crate::text), which sees to it that the format is a literal.
    pub fn of_literal(format: fmt::Arguments<'_>) -> Text {
        Text(format.to_string())
    }

    /// What comes from outside, shown.
    pub fn of(name: &(impl Show + ?Sized)) -> Text {
        Text(Shown(name).to_string())
    }

    /// Appends another.
    pub fn push(&mut self, other: &Text) {
        self.0.push_str(&other.0);
    }

    /// The text and an end of line.
    pub fn line(mut self) -> Text {
        self.0.push('\n');
        self
    }

    /// Several texts with something between each two.
    pub fn joined(texts: impl IntoIterator<Item = Text>, between: &'static str) -> Text {
        let texts: Vec<String> = texts.into_iter().map(|text| text.0).collect();
        Text(texts.join(between))
    }

    /// Each of its lines as it is.
    pub fn lines(&self) -> impl Iterator<Item = Text> + '_ {
        self.0.lines().map(|line| Text(line.to_owned()))
    }

    /// The text in a style, where standard output is a terminal that takes styles.
    pub fn styled(&self, style: &Style) -> Text {
        Text(style.apply_to(&self.0).to_string())
    }

    /// With lines that are wider than a terminal broken between words. Lines that begin with a
    /// space stay: they are rows of tables, which fit, and what people copy.
    pub fn wrapped(&self, width: usize) -> Text {
        let lines = self.0.split('\n').map(|line| wrapped_line(line, width));
        Text(lines.collect::<Vec<_>>().join("\n"))
    }

    /// For those who write it out.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Goes on below the first word of what is listed.
const BULLET: &str = "• ";

fn wrapped_line(line: &str, width: usize) -> String {
    if line.starts_with(' ') || measure_text_width(line) <= width {
        return line.to_owned();
    }
    let indent = if line.starts_with(BULLET) { "  " } else { "" };
    let mut out = String::with_capacity(line.len() + line.len() / width.max(1));
    let mut column = 0;
    for (number, word) in line.split(' ').enumerate() {
        let columns = measure_text_width(word);
        if number > 0 && column + 1 + columns > width {
            out.push('\n');
            out.push_str(indent);
            column = indent.len();
        } else if number > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += columns;
    }
    out
}

impl From<&'static str> for Text {
    fn from(literal: &'static str) -> Text {
        Text(literal.to_owned())
    }
}

/// What can stand in a text.
pub trait Show {
    /// Writes it so that a terminal does nothing but show it.
    ///
    /// # Errors
    /// Those of the formatter.
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result;
}

/// An argument of a text.
pub struct Shown<'a, T: ?Sized>(pub &'a T);

impl<T: Show + ?Sized> Display for Shown<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.show(f)
    }
}

impl Show for Text {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Show for [u8] {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(&shown(self))
    }
}

impl Show for str {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.as_bytes().show(f)
    }
}

impl Show for OsStr {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.as_encoded_bytes().show(f)
    }
}

impl Show for Path {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.as_os_str().show(f)
    }
}

impl<T: Show + ?Sized> Show for &T {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        T::show(self, f)
    }
}

impl<T: ToOwned + Show + ?Sized> Show for Cow<'_, T> {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        T::show(self, f)
    }
}

/// What owns something that can be shown.
macro_rules! show_as {
    ($($owner:ty),*) => {$(
        impl Show for $owner {
            fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
                (**self).show(f)
            }
        }
    )*};
}
show_as!(String, Vec<u8>, OsString, PathBuf);

/// Numbers are formatted as ever.
macro_rules! show_number {
    ($($number:ty),*) => {$(
        impl Show for $number {
            fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
                Display::fmt(self, f)
            }
        }
    )*};
}
show_number!(i32, i64, u32, u64, usize, f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_broken_between_words_and_what_is_copied_is_not() {
        let told = text!("a sentence of some words\n   a row of a table\n• a thing in a list\n");
        let wanted = "a sentence\nof some\nwords\n   a row of a table\n• a thing\n  in a\n  list\n";
        assert_eq!(told.wrapped(10).as_str(), wanted);
        assert_eq!(told.wrapped(80), told);
        // A path that doesn't fit stays whole, and styles take no room.
        let styled = Text("\u{1b}[1min /a/very/long/path is\u{1b}[0m".into());
        let wanted = "\u{1b}[1min\n/a/very/long/path\nis\u{1b}[0m";
        assert_eq!(styled.wrapped(8).as_str(), wanted);
    }

    #[test]
    fn arguments_are_shown_and_the_format_is_not_touched() {
        let name = "a\x1b[2J\nfsreplay: \u{202e}b";
        let mut out = text!("<{}>\n{:.1}", name, 0.25);
        say!(out, " {:>4}|{:<4}|", "\t", Path::new("x"));
        assert_eq!(
            out.as_str(),
            "<a\\x1b[2J\\nfsreplay: \\u{202e}b>\n0.2   \\t|x   |\n"
        );
    }

    #[test]
    fn a_text_in_a_text_stays_as_it_is() {
        let inner = text!("one\n{}", b"\xff"[..]);
        assert_eq!(text!("{}!", inner).as_str(), "one\n\\xff!");
        let both = Text::joined([inner, Text::of("\r")], ", ");
        assert_eq!(both.as_str(), "one\n\\xff, \\r");
    }
}

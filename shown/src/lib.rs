//! How a name that comes from outside is shown to a person: the one place where that is decided.
//! [`figures`] words numbers and durations, and [`chain`] errors with their causes.
//!
//! Names of files, commands, mounts and traces may hold any byte but zero. On a terminal an
//! escape sequence changes the title or clears the screen, a newline forges a line of ours, and a
//! mark of direction makes `exe.txt` of `txt.exe`. So what isn't a visible character that stays
//! where it stands is written out: `\n`, `\x1b`, `\u{202e}`, and a byte that isn't UTF-8 as `\xff`.
//!
//! A backslash stays one, so that showing twice is showing once. What is shown is for reading;
//! programs read JSON, which holds the names themselves.
#![forbid(unsafe_code)]

pub mod figures;

use std::borrow::Cow;
use std::fmt::Write;

/// A name as a person may see it: visible characters only, on one line.
pub fn shown(name: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(name)
        && text.chars().all(is_plain)
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(name.len() + 16);
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            push(&mut out, character);
        }
        for byte in chunk.invalid() {
            push_byte(&mut out, *byte);
        }
    }
    Cow::Owned(out)
}

/// Appends a character as it is, or written out.
pub fn push(out: &mut String, character: char) {
    match character {
        plain if is_plain(plain) => out.push(plain),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        ascii if ascii.is_ascii() => push_byte(out, ascii as u8),
        other => out.extend(other.escape_unicode()),
    }
}

fn push_byte(out: &mut String, byte: u8) {
    // Writing to a String can't fail.
    let _ = write!(out, "\\x{byte:02x}");
}

/// Whether a character is visible, moves no other, and does nothing to a terminal.
///
/// It is none of the classes control, format (marks of direction, tags, zero-width joiners),
/// surrogate, private, unassigned, and separator other than the space, which the standard library
/// knows; and none of the letters and marks that show nothing.
pub fn is_plain(character: char) -> bool {
    if character.is_ascii() {
        return !character.is_ascii_control();
    }
    !is_blank(character) && (character.escape_debug().len() == 1 || is_combining(character))
}

/// Letters, marks and symbols that nothing is seen of.
fn is_blank(character: char) -> bool {
    matches!(character,
        '\u{34f}' // combining grapheme joiner
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // Hangul fillers
        | '\u{17b4}' | '\u{17b5}' // Khmer vowels that aren't written
        | '\u{180b}'..='\u{180f}' | '\u{fe00}'..='\u{fe0f}' // variations
        | '\u{e0100}'..='\u{e01ef}'
        | '\u{2800}' // Braille without dots
    )
}

/// Accents and the like, which `char::escape_debug` writes out and `str::escape_debug` doesn't,
/// but for a text's first character.
fn is_combining(character: char) -> bool {
    let mut bytes = [b'x', 0, 0, 0, 0];
    let length = 1 + character.encode_utf8(&mut bytes[1..]).len();
    std::str::from_utf8(&bytes[..length]).is_ok_and(|pair| pair.escape_debug().count() == 2)
}

/// JSON with each character that isn't plain as `\uNNNN`: the same values, but nothing that a
/// terminal would act on. Line feeds, which stand only between values, stay.
pub fn json(text: &str) -> Cow<'_, str> {
    let stays = |c: char| c == '\n' || is_plain(c);
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if stays(character) {
            out.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String can't fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    Cow::Owned(out)
}

/// An error with its causes, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_written_out() {
        let name = b"\x1b]0;title\x07\x1b[2J\r\n\t\x7f\xc2\x9b31m\0";
        assert_eq!(
            shown(name),
            "\\x1b]0;title\\x07\\x1b[2J\\r\\n\\t\\x7f\\u{9b}31m\\x00"
        );
    }

    #[test]
    fn bytes_that_are_no_text_keep_their_value() {
        assert_eq!(shown(b"a\xff\x9b\xe2\x80b"), "a\\xff\\x9b\\xe2\\x80b");
        // Overlong, and half of a pair: no characters either.
        assert_eq!(shown(b"\xc0\x9b\xed\xa0\x80"), "\\xc0\\x9b\\xed\\xa0\\x80");
    }

    #[test]
    fn what_is_invisible_or_reorders_is_written_out() {
        let ranges = [
            '\u{80}'..='\u{a0}',
            '\u{ad}'..='\u{ad}',
            '\u{34f}'..='\u{34f}',
            '\u{61c}'..='\u{61c}',
            '\u{115f}'..='\u{1160}',
            '\u{180b}'..='\u{180f}',
            '\u{2000}'..='\u{200f}',
            '\u{2028}'..='\u{202f}',
            '\u{205f}'..='\u{206f}',
            '\u{2800}'..='\u{2800}',
            '\u{3000}'..='\u{3000}',
            '\u{3164}'..='\u{3164}',
            '\u{e000}'..='\u{f8ff}',
            '\u{fe00}'..='\u{fe0f}',
            '\u{feff}'..='\u{feff}',
            '\u{fff9}'..='\u{fffb}',
            '\u{fffe}'..='\u{ffff}',
            '\u{1bca0}'..='\u{1bca3}',
            '\u{1d173}'..='\u{1d17a}',
            '\u{e0000}'..='\u{e01ef}',
            '\u{f0000}'..='\u{10ffff}',
        ];
        for character in ranges.into_iter().flatten() {
            let name = format!("a{character}b");
            let expected = format!("a\\u{{{:x}}}b", character as u32);
            assert_eq!(shown(name.as_bytes()), expected);
        }
    }

    #[test]
    fn what_people_write_stays() {
        for name in [
            "/usr/lib/libc.so.6",
            "naïve – \u{fffd} \\ \"quoted\" 'too' ~",
            "A\u{308}pfel",
            "日本語.txt",
            "файл",
            "קובץ",
            "😀",
            "हिन्दी",
        ] {
            assert!(matches!(shown(name.as_bytes()), Cow::Borrowed(_)), "{name}");
        }
    }

    #[test]
    fn showing_twice_is_showing_once() {
        let name = "a\\\x1b\u{202e}\u{e0041}\n";
        let once = shown(name.as_bytes()).into_owned();
        assert_eq!(shown(once.as_bytes()), once);
    }

    #[test]
    fn json_keeps_its_values_and_lines() {
        let text = "{\n  \"a\u{9b}\u{7f}\u{202e}\u{e0041}ä\": \"\\u001b\"\n}";
        let safe = json(text);
        assert_eq!(
            safe,
            "{\n  \"a\\u009b\\u007f\\u202e\\udb40\\udc41ä\": \"\\u001b\"\n}"
        );
    }
}

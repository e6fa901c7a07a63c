//! Strings and descriptors, as strace writes them.

use fsreplay_inspector::OpenFile;

/// A string in quotes, whole.
pub fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", escaped(bytes, b"\""))
}

/// Bytes with C's escapes; those in `also` are written out, too.
fn escaped(bytes: &[u8], also: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes.iter().peekable();
    while let Some(byte) = rest.next() {
        let named = match byte {
            b'\n' => Some('n'),
            b'\t' => Some('t'),
            b'\r' => Some('r'),
            0x0b => Some('v'),
            0x0c => Some('f'),
            b'\\' => Some('\\'),
            b'"' if also.contains(byte) => Some('"'),
            _ => None,
        };
        let is_plain = (b' '..=b'~').contains(byte) && !also.contains(byte);
        if let Some(named) = named {
            text.push('\\');
            text.push(named);
        } else if is_plain {
            text.push(char::from(*byte));
        } else if rest.peek().is_some_and(|next| next.is_ascii_digit()) {
            // A digit behind a shorter number would be taken for a part of it.
            text.push_str(&format!("\\{byte:03o}"));
        } else {
            text.push_str(&format!("\\{byte:o}"));
        }
    }
    text
}

/// What -y writes behind a descriptor that leads there.
pub fn leads_to(file: &OpenFile) -> String {
    let Some(path) = &file.path else {
        return String::new();
    };
    let deleted = if file.is_deleted { "(deleted)" } else { "" };
    format!("<{}>{deleted}", escaped(path, b"<>\""))
}

/// What -y writes behind a descriptor that leads to a directory.
pub fn directory(path: &[u8]) -> String {
    format!("<{}>", escaped(path, b"<>\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_letters_are_octal_and_digits_behind_them_stay_digits() {
        assert_eq!(quoted(b"a\"\\\n\x1b[2J\xff"), r#""a\"\\\n\33[2J\377""#);
        assert_eq!(quoted(b"\x011\0"), r#""\0011\0""#);
        assert_eq!(directory(b"/a<b>"), r"</a\74b\76>");
    }
}

//! Pieces of a call as a log prints it: where arguments end, and what strings, structures and
//! descriptors hold. Nothing here knows a call.

/// Goes over printed arguments and knows where quotes, brackets and names of descriptors end.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn new(text: &'a [u8]) -> Scan<'a> {
        Scan { text, at: 0 }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next byte that is no part of a string, comment or descriptor's name, and where it
    /// stands.
    fn next(&mut self) -> Option<(usize, u8)> {
        loop {
            let at = self.at;
            let byte = *self.text.get(at)?;
            match byte {
                b'"' => self.at += string_length(self.rest()),
                b'/' if self.rest().starts_with(b"/*") => {
                    let end = find(self.rest(), b"*/");
                    self.at = end.map_or(self.text.len(), |end| at + end + 2);
                }
                b'<' if self.begins_name() => self.at += name_length(self.rest()),
                _ => {
                    self.at += 1;
                    return Some((at, byte));
                }
            }
        }
    }

    /// Whether `<` begins what -y prints behind a descriptor, and is no shift (`1<<20`) or note
    /// (`<unfinished ...>`).
    fn begins_name(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.text.get(at));
        let follows = before.is_some_and(|b| b.is_ascii_digit() || *b == b'D');
        follows && self.text.get(self.at + 1) != Some(&b'<')
    }
}

/// Bytes of a string with its quotes; all that is left if it doesn't end.
fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// Bytes of a descriptor's name with its brackets, which may hold others (`<char 1:3>`).
fn name_length(text: &[u8]) -> usize {
    let mut depth = 0usize;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'<' => depth += 1,
            // An address in it may have an arrow: `TCP:[127.0.0.1:1->127.0.0.1:2]`.
            b'>' if at > 0 && text[at - 1] == b'-' => {}
            b'>' if depth <= 1 => return at + 1,
            b'>' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// Where a text stands in another.
pub fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|part| part == wanted)
}

/// Parts a text that begins within parentheses at the one that closes them.
pub fn close(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut depth = 0usize;
    let mut scan = Scan::new(text);
    while let Some((at, byte)) = scan.next() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' if depth == 0 => return Some((&text[..at], &text[at + 1..])),
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Parts a list at its commas.
pub fn split(text: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut depth = 0usize;
    let mut start = 0;
    let mut scan = Scan::new(text);
    while let Some((at, byte)) = scan.next() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(text[start..at].trim_ascii());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = text[start..].trim_ascii();
    if !last.is_empty() || !parts.is_empty() {
        parts.push(last);
    }
    parts
}

/// What stands in brackets, or the text itself. Of `[16] => [2]` that is what the call was given.
pub fn inner(text: &[u8]) -> &[u8] {
    let given = arrow(text).map_or(text, |at| text[..at].trim_ascii_end());
    // A time is explained behind it: `{tv_sec=1, tv_nsec=2} /* 1970-01-01T00:00:01+0000 */`.
    let comment = given
        .ends_with(b"*/")
        .then(|| given.windows(2).rposition(|two| two == b"/*"));
    let given = comment
        .flatten()
        .map_or(given, |at| given[..at].trim_ascii_end());
    let ends = [(b'[', b']'), (b'{', b'}')];
    let within = ends.iter().find_map(|(open, close)| {
        let text = given.strip_prefix(&[*open])?;
        Some(text.strip_suffix(&[*close]).unwrap_or(text))
    });
    within.unwrap_or(given)
}

/// Where `=>` parts what a call was given from what it gave back.
fn arrow(text: &[u8]) -> Option<usize> {
    let mut depth = 0usize;
    let mut scan = Scan::new(text);
    while let Some((at, byte)) = scan.next() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'=' if depth == 0 && text.get(at + 1) == Some(&b'>') => return Some(at),
            _ => {}
        }
    }
    None
}

/// A member of a structure.
pub fn field<'a>(structure: &'a [u8], name: &str) -> Option<&'a [u8]> {
    split(inner(structure)).into_iter().find_map(|part| {
        let rest = part.strip_prefix(name.as_bytes())?;
        rest.strip_prefix(b"=")
    })
}

/// A string, and whether the log has only its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// It was cut (`"..."...`).
    pub cut: bool,
}

/// What a quoted string holds; `None` if it is none.
pub fn string(token: &[u8]) -> Option<Text> {
    let token = token.strip_prefix(b"@").unwrap_or(token);
    if token.first() != Some(&b'"') {
        return None;
    }
    let length = string_length(token);
    let quoted = token.get(1..length.checked_sub(1)?)?;
    Some(Text {
        bytes: unescaped(quoted),
        cut: token[length..].starts_with(b"..."),
    })
}

/// A text without its escapes.
pub fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let Some((kind, after)) = rest.split_first() else {
            break;
        };
        let (value, used) = match kind {
            b'n' => (b'\n', 1),
            b't' => (b'\t', 1),
            b'r' => (b'\r', 1),
            b'v' => (0x0b, 1),
            b'f' => (0x0c, 1),
            b'x' => digits(after, 16, 2).map_or((b'x', 1), |(value, used)| (value, used + 1)),
            b'0'..=b'7' => digits(rest, 8, 3).unwrap_or((*kind, 1)),
            other => (*other, 1),
        };
        out.push(value);
        rest = rest.get(used..).unwrap_or_default();
    }
    out
}

/// A number of at most so many digits, and how many it has.
fn digits(text: &[u8], radix: u32, most: usize) -> Option<(u8, usize)> {
    let is_digit = |byte: &&u8| (**byte as char).is_digit(radix);
    let used = text.iter().take(most).take_while(is_digit).count();
    let digits = std::str::from_utf8(&text[..used]).ok()?;
    // Three octal digits hold more than a byte does.
    let value = u32::from_str_radix(digits, radix).ok()?;
    Some((value as u8, used))
}

/// A descriptor as it is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fd {
    /// Its number, or `AT_FDCWD`.
    pub number: i32,
    /// Where it leads, as -y tells.
    pub leads_to: Option<Vec<u8>>,
}

impl Fd {
    /// The path that it leads to, if it is one of a file or directory that still has its name.
    pub fn path(&self) -> Option<&[u8]> {
        let path = self.leads_to.as_deref()?;
        let is_gone = path.ends_with(b"(deleted)");
        (path.first() == Some(&b'/') && !is_gone).then_some(path)
    }
}

/// A descriptor; `None` for what is none.
pub fn fd(token: &[u8]) -> Option<Fd> {
    let end = token.iter().position(|b| *b == b'<');
    let (number, name) = token.split_at(end.unwrap_or(token.len()));
    let number = match number.trim_ascii() {
        b"AT_FDCWD" => fsreplay_trace::abi::AT_FDCWD,
        digits => std::str::from_utf8(digits).ok()?.parse().ok()?,
    };
    let leads_to = name.strip_prefix(b"<").map(|_| {
        let length = name_length(name);
        let mut path = name.get(1..length - 1).unwrap_or_default();
        // Devices are told behind their path: `/dev/null<char 1:3>`.
        if path.last() == Some(&b'>')
            && let Some(device) = path.iter().rposition(|b| *b == b'<')
        {
            path = &path[..device];
        }
        let mut path = unescaped(path);
        path.extend_from_slice(&name[length..]);
        path
    });
    Some(Fd { number, leads_to })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_end_where_they_are_not_quoted() {
        let text = br#"3</tmp/a(b, c>, "x\") = 1, ", {a=[1, 2], b="}"}, /* 2, vars */ 1<<20) = 7"#;
        let (args, rest) = close(text).expect("closed");
        assert_eq!(rest, b" = 7");
        let parts = split(args);
        assert_eq!(parts.len(), 4, "{parts:?}");
        assert_eq!(parts[1], br#""x\") = 1, ""#);
        assert_eq!(field(parts[2], "b"), Some(&br#""}""#[..]));
        assert_eq!(close(b"\"never closed)"), None);
        assert_eq!(inner(b"[16] => [2]"), b"16");
        assert_eq!(
            inner(br#"[{iov_base="a => b"}]"#),
            br#"{iov_base="a => b"}"#
        );
        assert!(split(b"").is_empty());
    }

    #[test]
    fn strings_lose_their_escapes() {
        let plain = |token: &[u8]| string(token).map(|text| (text.bytes, text.cut));
        assert_eq!(
            plain(br#""\177EL\n\0\x2f\"\\""#),
            Some((b"\x7fEL\n\0/\"\\".to_vec(), false))
        );
        assert_eq!(plain(br#""abc"..."#), Some((b"abc".to_vec(), true)));
        assert_eq!(plain(b"0x7ffe"), None);
        assert_eq!(plain(b"\""), None);
        assert_eq!(unescaped(b"a\\"), b"a");
    }

    #[test]
    fn descriptors_lead_where_it_is_printed() {
        let leads = |token: &[u8]| fd(token).map(|fd| (fd.number, fd.leads_to));
        assert_eq!(leads(b"3"), Some((3, None)));
        assert_eq!(leads(b"AT_FDCWD</w>"), Some((-100, Some(b"/w".to_vec()))));
        assert_eq!(
            leads(b"0</dev/pts/0<char 136:0>>"),
            Some((0, Some(b"/dev/pts/0".to_vec())))
        );
        let socket = b"5<TCP:[127.0.0.1:5->127.0.0.1:80]>";
        assert_eq!(
            leads(socket).and_then(|(_, to)| to),
            Some(b"TCP:[127.0.0.1:5->127.0.0.1:80]".to_vec())
        );
        for deleted in [&b"3</a (deleted)>"[..], b"3</a>(deleted)"] {
            assert_eq!(fd(deleted).expect("one").path(), None);
        }
        assert_eq!(leads(b"NULL"), None);
    }
}

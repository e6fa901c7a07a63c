//! File-system time as folded stacks: one line for each path and call, with the names of the path
//! as frames and the time in nanoseconds, as flame graph tools read it.

use std::io::{self, Write};

use fsreplay_shown::shown;

use crate::inspector::Inspector;
use crate::places::ROOT;

/// Writes `/;usr;lib;libc.so.6;openat 48211` for each path and call, those of directories before
/// those of what is in them.
///
/// Names stand as [`shown`] shows them, so that none can break a line, and a `;` in one as `\x3b`.
///
/// # Errors
/// Those of the writer.
pub fn write_folded(inspector: &Inspector, out: &mut impl Write) -> io::Result<()> {
    let places = &inspector.places;
    let mut stack = Vec::new();
    for (at, place) in places.iter() {
        let mut costs = inspector.costs.list(place.spent).peekable();
        if costs.peek().is_none() {
            continue;
        }
        stack.clear();
        let mut chain = Vec::new();
        let mut above = at;
        while above != ROOT {
            chain.push(above);
            above = places.get(above).parent;
        }
        stack.push(b'/');
        for place in chain.into_iter().rev() {
            stack.push(b';');
            escape(places.name(place), &mut stack);
        }
        for spent in costs {
            out.write_all(&stack)?;
            writeln!(out, ";{} {}", spent.call, spent.time)?;
        }
    }
    Ok(())
}

fn escape(name: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(shown(name).replace(';', "\\x3b").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_not_break_a_line_or_a_frame() {
        let mut out = Vec::new();
        escape(b"a;b\n\xffc d\xc3\xa4\xe2\x80\xae", &mut out);
        assert_eq!(out, b"a\\x3bb\\n\\xffc d\xc3\xa4\\u{202e}");
    }
}

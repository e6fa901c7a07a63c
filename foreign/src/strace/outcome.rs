//! How a call ended, as a log prints it behind `=`.

use super::names;
use super::token::{self, find};

/// How a call ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// A value, or `-errno`; `None` if the call never returned.
    pub value: Option<i64>,
    /// A signal interrupted it, and it is made again: the tool never sees this outcome.
    pub interrupted: bool,
    /// Where a returned descriptor leads (-y).
    pub leads_to: Option<token::Fd>,
}

/// Reads what stands behind `=`.
pub fn outcome(result: &[u8]) -> Outcome {
    let end = result.iter().position(|b| *b == b' ');
    let (first, rest) = result.split_at(end.unwrap_or(result.len()));
    let word = rest
        .trim_ascii_start()
        .split(|b| *b == b' ')
        .next()
        .and_then(|word| std::str::from_utf8(word).ok());
    let error = || word.and_then(names::errno);
    let plain = |value| Outcome {
        value: Some(value),
        ..Outcome::default()
    };
    match first {
        b"?" => match error() {
            Some(errno) => Outcome {
                value: Some(-errno),
                interrupted: true,
                leads_to: None,
            },
            None => Outcome::default(),
        },
        // A failed call of a name that isn't known failed with something.
        b"-1" if word.is_some_and(|word| word.starts_with('E')) => {
            plain(-error().unwrap_or(libc::EIO.into()))
        }
        _ if first.contains(&b'<') => {
            // A name may hold spaces: all of the result is looked at.
            let fd = token::fd(result);
            Outcome {
                value: fd.as_ref().map(|fd| i64::from(fd.number)),
                interrupted: false,
                leads_to: fd,
            }
        }
        _ => {
            let open = fsreplay_trace::abi::OpenFlags::here();
            let value = names::number(first, open).ok();
            // An id of another namespace than strace's own: `5 /* 4711 in strace's PID NS */`.
            let outside = find(rest, b"in strace's PID NS").and_then(|_| {
                let digits = word.filter(|word| *word != "/*").or_else(|| {
                    let text = std::str::from_utf8(rest).ok()?;
                    text.split_whitespace().nth(1)
                });
                digits?.parse().ok()
            });
            Outcome {
                value: outside.or(value),
                ..Outcome::default()
            }
        }
    }
}

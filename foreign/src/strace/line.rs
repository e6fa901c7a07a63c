//! One line of a log: who, when, and what is told. The forms are those of strace 4.26 to 6.x.

use super::token::{close, find};

/// What stands before the line's text says when it was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// Nanoseconds since the epoch (-ttt).
    Epoch(u64),
    /// Nanoseconds since midnight (-t, -tt).
    OfDay(u64),
    /// Nanoseconds since the line before (-r).
    Relative(u64),
}

/// How exact the line's time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// The time.
    pub stamp: Stamp,
    /// It has no fractions of a second (-t).
    pub coarse: bool,
}

/// A line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Whose it is; `None` where the log is of one task.
    pub pid: Option<u32>,
    /// When, if that was asked for.
    pub time: Option<Time>,
    /// What it tells.
    pub body: Body<'a>,
}

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// A whole call.
    Call(Printed<'a>),
    /// The beginning of one, with the arguments that are known then.
    Begun {
        /// Which call.
        name: &'a [u8],
        /// Its arguments.
        args: &'a [u8],
    },
    /// The rest of one.
    Resumed(Printed<'a>),
    /// The task exited with that status.
    Exited(i32),
    /// A signal ended the task.
    Killed {
        /// Its name.
        signal: &'a [u8],
        /// A core was dumped.
        core: bool,
    },
    /// Another task of the process goes on under this one's id.
    Superseded(u32),
    /// A signal, or a word of strace's own.
    Note,
}

/// A call as it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Printed<'a> {
    /// Which.
    pub name: &'a [u8],
    /// Its arguments, or the rest of them.
    pub args: &'a [u8],
    /// What stands behind `=`.
    pub result: &'a [u8],
    /// Nanoseconds that it took (-T).
    pub took: Option<u64>,
}

/// Ids above are no process's (PID_MAX_LIMIT); a number that is larger is a time.
const MOST_PID: u64 = 1 << 22;

/// Reads a line; `None` where it is none of strace's.
pub fn parse(line: &[u8]) -> Option<Line<'_>> {
    let line = line.trim_ascii_end();
    let (pid, rest) = pid(line);
    let (time, rest) = time(rest);
    let rest = instruction(rest);
    let body = body(rest.trim_ascii_start())?;
    Some(Line { pid, time, body })
}

/// `[pid 12] `, `12 `, or with a name: `12<sh> `.
fn pid(line: &[u8]) -> (Option<u32>, &[u8]) {
    let (text, bracketed) = match line.strip_prefix(b"[pid ") {
        Some(text) => (text.trim_ascii_start(), true),
        None => (line, false),
    };
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, mut rest) = text.split_at(digits);
    let Some(number) = decimal(number).filter(|number| *number <= MOST_PID) else {
        return (None, line);
    };
    if rest.first() == Some(&b'<')
        && let Some(end) = rest.iter().position(|b| *b == b'>')
    {
        rest = &rest[end + 1..];
    }
    let end: &[u8] = if bracketed { b"]" } else { b" " };
    match rest.strip_prefix(end) {
        Some(rest) => (Some(number as u32), rest.trim_ascii_start()),
        None => (None, line),
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A time before a line's text.
fn time(text: &[u8]) -> (Option<Time>, &[u8]) {
    let trimmed = text.trim_ascii_start();
    let is_part = |b: &&u8| b.is_ascii_digit() || matches!(b, b'.' | b':');
    let length = trimmed.iter().take_while(is_part).count();
    let (stamp, rest) = trimmed.split_at(length);
    if length == 0 || !matches!(rest.first(), Some(b' ')) {
        return (None, text);
    }
    let Some(time) = stamp_of(stamp) else {
        return (None, text);
    };
    // With -r beside -t both are told: `12:00:00 (+     0.000123) `.
    let rest = rest.trim_ascii_start();
    let difference = rest.strip_prefix(b"(+").and_then(|rest| {
        let end = rest.iter().position(|b| *b == b')')?;
        Some(&rest[end + 1..])
    });
    (Some(time), difference.unwrap_or(rest))
}

fn stamp_of(text: &[u8]) -> Option<Time> {
    let parts: Vec<&[u8]> = text.split(|b| *b == b':').collect();
    if let [hours, minutes, seconds] = parts[..] {
        let whole = decimal(hours)?
            .checked_mul(60)?
            .checked_add(decimal(minutes)?)?
            .checked_mul(60_000_000_000)?;
        let stamp = Stamp::OfDay(whole.checked_add(nanoseconds(seconds)?)?);
        let coarse = !seconds.contains(&b'.');
        return Some(Time { stamp, coarse });
    }
    let [number] = parts[..] else { return None };
    let coarse = !number.contains(&b'.');
    let time = nanoseconds(number)?;
    let stamp = if time / 1_000_000_000 > MOST_PID {
        Stamp::Epoch(time)
    } else if coarse {
        return None;
    } else {
        Stamp::Relative(time)
    };
    Some(Time { stamp, coarse })
}

/// Seconds with up to nine digits behind the point.
fn nanoseconds(text: &[u8]) -> Option<u64> {
    let point = text.iter().position(|b| *b == b'.');
    let (whole, fraction) = text.split_at(point.unwrap_or(text.len()));
    let fraction = fraction.get(1..).unwrap_or_default();
    if fraction.len() > 9 {
        return None;
    }
    let scale = 10u64.pow(9 - fraction.len() as u32);
    let fraction = match fraction {
        b"" => 0,
        digits => decimal(digits)?.checked_mul(scale)?,
    };
    let whole = decimal(whole)?.checked_mul(1_000_000_000)?;
    whole.checked_add(fraction)
}

/// Skips the instruction (-i) and the call's number (-n): `[00007f12] `, `[ 257] `.
fn instruction(mut text: &[u8]) -> &[u8] {
    loop {
        let trimmed = text.trim_ascii_start();
        let Some(rest) = trimmed.strip_prefix(b"[") else {
            return text;
        };
        let Some(end) = rest.iter().position(|b| *b == b']') else {
            return text;
        };
        let is_number = |b: &u8| b.is_ascii_hexdigit() || *b == b' ' || *b == b'?';
        if !rest[..end].iter().all(is_number) {
            return text;
        }
        text = &rest[end + 1..];
    }
}

fn body(text: &[u8]) -> Option<Body<'_>> {
    if text.starts_with(b"---") {
        return Some(Body::Note);
    }
    if let Some(rest) = text.strip_prefix(b"+++ ") {
        return ended(rest);
    }
    if let Some(rest) = text.strip_prefix(b"<... ") {
        return resumed(rest);
    }
    // Stack traces (-k), and what strace says of itself.
    let own: [&[u8]; 4] = [b"> ", b"strace: ", b"Process ", b"[ Process "];
    if text.is_empty() || own.iter().any(|begin| text.starts_with(begin)) {
        return Some(Body::Note);
    }
    let open = text.iter().position(|b| *b == b'(')?;
    let (name, rest) = text.split_at(open);
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'?');
    if name.is_empty() || !name.iter().all(is_name) {
        return None;
    }
    let rest = &rest[1..];
    for end in [&b"<unfinished ...>"[..], b"<detached ...>"] {
        if let Some(args) = rest.strip_suffix(end) {
            return Some(Body::Begun { name, args });
        }
    }
    printed(name, rest).map(Body::Call)
}

/// `NAME resumed>` and the rest.
fn resumed(text: &[u8]) -> Option<Body<'_>> {
    let end = find(text, b" resumed>")?;
    let name = &text[..end];
    printed(name, &text[end + b" resumed>".len()..]).map(Body::Resumed)
}

/// Arguments up to their parenthesis, the result and the time it took.
fn printed<'a>(name: &'a [u8], text: &'a [u8]) -> Option<Printed<'a>> {
    let (args, rest) = close(text)?;
    let rest = rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii();
    let (result, took) = took(rest);
    Some(Printed {
        name,
        args,
        result,
        took,
    })
}

/// Takes `<0.000012>` off the end.
fn took(text: &[u8]) -> (&[u8], Option<u64>) {
    let inside = text.strip_suffix(b">").and_then(|text| {
        let open = text.iter().rposition(|b| *b == b'<')?;
        let number = &text[open + 1..];
        let first = number.first().is_some_and(u8::is_ascii_digit);
        let took = first.then(|| nanoseconds(number)).flatten()?;
        Some((text[..open].trim_ascii_end(), Some(took)))
    });
    inside.unwrap_or((text, None))
}

/// What stands behind `+++`.
fn ended(text: &[u8]) -> Option<Body<'_>> {
    let words: Vec<&[u8]> = text.split(|b| *b == b' ').collect();
    match words[..] {
        [b"exited", b"with", status, ..] => {
            let status = std::str::from_utf8(status).ok()?.parse().ok()?;
            Some(Body::Exited(status))
        }
        [b"killed", b"by", signal, ..] => Some(Body::Killed {
            signal,
            core: find(text, b"core dumped").is_some(),
        }),
        [b"superseded", b"by", b"execve", b"in", b"pid", pid, ..] => {
            let digits = pid.iter().take_while(|b| b.is_ascii_digit()).count();
            let pid = decimal(&pid[..digits])?;
            Some(Body::Superseded(u32::try_from(pid).ok()?))
        }
        _ => Some(Body::Note),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Line<'_> {
        parse(line.as_bytes()).unwrap_or_else(|| panic!("not understood: {line}"))
    }

    fn call<'a>(line: &Line<'a>) -> Printed<'a> {
        match line.body {
            Body::Call(call) | Body::Resumed(call) => call,
            ref other => panic!("no call: {other:?}"),
        }
    }

    #[test]
    fn ids_and_times_come_in_many_forms() {
        let epoch = Stamp::Epoch(1_700_000_000_123_456_000);
        let noon = Stamp::OfDay(43_200_123_456_000);
        for (line, pid, stamp) in [
            ("close(3) = 0", None, None),
            ("12 close(3) = 0", Some(12), None),
            ("12    close(3) = 0", Some(12), None),
            ("[pid 12] close(3) = 0", Some(12), None),
            ("[pid    12] close(3) = 0", Some(12), None),
            ("[pid 12<my sh>] close(3) = 0", Some(12), None),
            ("12<sh> close(3) = 0", Some(12), None),
            ("1700000000.123456 close(3) = 0", None, Some(epoch)),
            ("12 1700000000.123456 close(3) = 0", Some(12), Some(epoch)),
            (
                "[pid 12] 12:00:00.123456 close(3) = 0",
                Some(12),
                Some(noon),
            ),
            (
                "12:00:00.123456 (+     0.000100) close(3) = 0",
                None,
                Some(noon),
            ),
            (
                "     0.000123 close(3) = 0",
                None,
                Some(Stamp::Relative(123_000)),
            ),
            (
                "12      0.000123 close(3) = 0",
                Some(12),
                Some(Stamp::Relative(123_000)),
            ),
            ("12 [00007f3c39d140a7] close(3) = 0", Some(12), None),
            ("12 [   3] close(3) = 0", Some(12), None),
        ] {
            let found = of(line);
            assert_eq!(found.pid, pid, "{line}");
            assert_eq!(found.time.map(|time| time.stamp), stamp, "{line}");
            assert_eq!(
                (call(&found).name, call(&found).args),
                (&b"close"[..], &b"3"[..])
            );
        }
        assert!(of("12:00:00 close(3) = 0").time.expect("a time").coarse);
        assert!(of("1700000000 close(3) = 0").time.expect("a time").coarse);
    }

    #[test]
    fn calls_are_whole_or_in_two_halves() {
        let line = of("read(3</a>, \"x) = 1 <0.5>\"..., 832) = 832 <0.000008>");
        let read = call(&line);
        assert_eq!((read.result, read.took), (&b"832"[..], Some(8_000)));
        let begun = of("7 wait4(-1,  <unfinished ...>").body;
        let (name, args) = (&b"wait4"[..], &b"-1,  "[..]);
        assert_eq!(begun, Body::Begun { name, args });
        // With a space behind it up to version 4, without from 5 on.
        for line in [
            "7 <... wait4 resumed> [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 8",
            "7 <... wait4 resumed>[{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 8",
        ] {
            assert_eq!(call(&of(line)).result, b"8");
        }
        let line = of("<... futex resumed>) = ? <unavailable>");
        assert_eq!(call(&line).result, b"? <unavailable>");
        let line = of("openat(AT_FDCWD</w>, \"a\", O_RDONLY) = 3</w/a>");
        assert_eq!(
            (call(&line).result, call(&line).took),
            (&b"3</w/a>"[..], None)
        );
        let line = of("read(0,  <unfinished ...>) = ?");
        assert_eq!(call(&line).result, b"?");
    }

    #[test]
    fn ends_and_signals_are_no_calls() {
        assert_eq!(of("7 +++ exited with 3 +++").body, Body::Exited(3));
        let killed = of("7 +++ killed by SIGSEGV (core dumped) +++").body;
        let signal = &b"SIGSEGV"[..];
        assert_eq!(killed, Body::Killed { signal, core: true });
        let superseded = of("7 +++ superseded by execve in pid 9 +++").body;
        assert_eq!(superseded, Body::Superseded(9));
        for note in [
            "7 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED} ---",
            "strace: Process 9 attached",
            "Process 9 attached",
            "[pid 7] --- stopped by SIGSTOP ---",
            " > /usr/lib/libc.so.6(__open+0x10) [0x1]",
        ] {
            assert_eq!(of(note).body, Body::Note, "{note}");
        }
    }

    #[test]
    fn what_is_no_line_of_strace_is_told() {
        for line in [
            "hello",
            "open(\"a\" = 3",
            "% time  seconds",
            "a b(c) = 1",
            "x(1)",
        ] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
    }
}

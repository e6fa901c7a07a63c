//! From a text to a script.

use fsreplay_trace::call::{ArgKind, Call};
use fsreplay_trace::model::FileKind;

use crate::script::{Arg, Calls, Head, Inherited, Line, Names, Play, Script, State};

/// What is wrong with a text.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {what}: {word}")]
pub struct ParseError {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
    /// With which word.
    pub word: String,
}

/// What is wrong with a word, before the line is known.
type Wrong = (&'static str, String);

fn wrong<T>(what: &'static str, word: &str) -> Result<T, Wrong> {
    Err((what, word.to_owned()))
}

/// The longest text that `REP` makes, bytes.
const LONGEST: usize = 64 << 20;

impl std::str::FromStr for Script {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Script, ParseError> {
        let mut script = Script::default();
        for (index, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
            let parsed = match words.as_slice() {
                [] => continue,
                [first, ..] if first.starts_with('#') => continue,
                ["head", rest @ ..] => head(rest).map(|head| script.head = head),
                ["play", rest @ ..] => play(rest).map(|play| script.play = play),
                [first, rest @ ..] => record(first, rest).map(|line| script.lines.push(line)),
            };
            parsed.map_err(|(what, word)| ParseError {
                line: index + 1,
                what,
                word,
            })?;
        }
        Ok(script)
    }
}

fn record(first: &str, rest: &[&str]) -> Result<Line, Wrong> {
    match (first, rest) {
        ("task", [task, parent, flags]) => Ok(Line::Task {
            task: number(task)?,
            parent: (*parent != "-").then(|| number(parent)).transpose()?,
            flags: bits(flags)?,
        }),
        ("exit", [task]) => Ok(Line::Exit {
            task: number(task)?,
        }),
        ("xattrs", [path, entries @ ..]) => Ok(Line::Xattrs {
            path: names(path)?,
            entries: pairs(entries)?
                .map(|(name, size)| Ok((bytes(name)?, number(size)?)))
                .collect::<Result<_, Wrong>>()?,
        }),
        ("list", [path, entries @ ..]) => Ok(Line::List {
            path: names(path)?,
            entries: pairs(entries)?
                .map(|(name, kind)| Ok((name_bytes(name)?, file_kind(kind)?)))
                .collect::<Result<_, Wrong>>()?,
        }),
        ("fd", [task, fd, target, kind, flags, offset]) => Ok(Line::Fd(Inherited {
            task: number(task)?,
            fd: bits(fd)? as i32,
            target: bytes(target)?,
            kind: file_kind(kind)?,
            flags: number(flags)?,
            offset: bits(offset)?,
        })),
        ("ev", rest) => calls(1, rest).map(Line::Call),
        ("rep", [count, rest @ ..]) => calls(bits(count)?, rest).map(Line::Call),
        ("flush", []) => Ok(Line::Flush),
        ("wait", [time]) => Ok(Line::Wait(bits(time)?)),
        (kind, [path, fields @ ..]) => {
            let Some(kind) = super::file_kind(kind) else {
                return wrong("no such line", kind);
            };
            state(kind, path, fields).map(Line::State)
        }
        _ => wrong("a word too many or too few", first),
    }
}

fn pairs<'w>(words: &'w [&'w str]) -> Result<impl Iterator<Item = (&'w str, &'w str)> + 'w, Wrong> {
    match words.iter().find(|word| !word.contains('=')) {
        Some(word) => wrong("NAME=VALUE is wanted", word),
        None => Ok(words.iter().filter_map(|word| word.split_once('='))),
    }
}

fn head(words: &[&str]) -> Result<Head, Wrong> {
    let mut head = Head::default();
    for (name, value) in pairs(words)? {
        match name {
            "uid" => head.uid = number(value)?,
            "cwd" => head.cwd = bytes(value)?,
            "command" => head.command = bytes(value)?,
            _ => return wrong("no such field", name),
        }
    }
    Ok(head)
}

fn play(words: &[&str]) -> Result<Play, Wrong> {
    let mut play = Play::default();
    for (name, value) in pairs(words)? {
        match name {
            "rounds" => play.rounds = number(value)?,
            "place" => play.place = Some(bytes(value)?),
            "timing" => play.timing = Some(number(value)?),
            _ => return wrong("no such field", name),
        }
    }
    Ok(play)
}

fn state(kind: FileKind, path: &str, fields: &[&str]) -> Result<State, Wrong> {
    let mut state = State::new(kind, names(path)?);
    for (name, value) in pairs(fields)? {
        match name {
            "target" => state.target = Some(bytes(value)?),
            "mode" => state.mode = number(value)?,
            "size" => state.size = bits(value)?,
            "uid" => state.uid = number(value)?,
            "gid" => state.gid = number(value)?,
            "group" => state.group = bits(value)?,
            "mtime" => state.mtime = bits(value)? as i64,
            _ => return wrong("no such field", name),
        }
    }
    Ok(state)
}

fn calls(count: u64, words: &[&str]) -> Result<Calls, Wrong> {
    let [task, name, result, fields @ ..] = words else {
        return wrong("a call is TASK CALL RESULT", &words.join(" "));
    };
    let Some(call) = Call::from_name(name) else {
        return wrong("no such call", name);
    };
    let mut calls = Calls::new(number(task)?, call, bits(result)? as i64);
    calls.count = count;
    let times = &mut calls.times;
    for (name, value) in pairs(fields)? {
        match name {
            "dur" => times.duration = bits(value)?,
            "think" => times.think = bits(value)?,
            "blocked" => times.blocked = bits(value)?,
            "cpu" => times.cpu = bits(value)?,
            "ov" => times.overlapped = number(value)?,
            "back" => times.back = bits(value)?,
            _ => calls.args.push(argument(call, name, value)?),
        }
    }
    Ok(calls)
}

fn argument(call: Call, name: &str, value: &str) -> Result<(ArgKind, Arg), Wrong> {
    let kinds = call.row().args.iter().map(|(kind, _)| *kind);
    let Some(kind) = kinds.into_iter().find(|kind| format!("{kind:?}") == name) else {
        return wrong("the call keeps no such argument", name);
    };
    let arg = match value {
        "NULL" => Arg::Null,
        text if kind.is_text() => Arg::Text(bytes(text)?),
        number => Arg::Number(bits(number)?),
    };
    Ok((kind, arg))
}

fn bits(word: &str) -> Result<u64, Wrong> {
    let parsed = if let Some(digits) = word.strip_prefix("0x") {
        u64::from_str_radix(digits, 16).ok()
    } else if let Some(digits) = word.strip_prefix("0o") {
        u64::from_str_radix(digits, 8).ok()
    } else if word.starts_with('-') {
        word.parse::<i64>().ok().map(|number| number as u64)
    } else {
        word.parse().ok()
    };
    parsed.map_or_else(|| wrong("no number", word), Ok)
}

fn number(word: &str) -> Result<u32, Wrong> {
    u32::try_from(bits(word)?).or_else(|_| wrong("too large a number", word))
}

/// A word with its escapes undone.
fn bytes(word: &str) -> Result<Vec<u8>, Wrong> {
    if word == "''" {
        return Ok(Vec::new());
    }
    if let Some(repeated) = word.strip_prefix("REP:") {
        let (count, text) = repeated.split_once(':').unwrap_or((repeated, ""));
        let (count, text) = (number(count)? as usize, bytes(text)?);
        return match text.len().checked_mul(count) {
            Some(length) if length <= LONGEST => Ok(text.repeat(count)),
            _ => wrong("too long a text", word),
        };
    }
    let mut whole = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'\\' {
            whole.push(*first);
            rest = after;
            continue;
        }
        let (byte, length) = match after {
            [b's', ..] => (b' ', 1),
            [b'\\', ..] => (b'\\', 1),
            [b'x', high, low, ..] => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                match (digit(*high), digit(*low)) {
                    (Some(high), Some(low)) => ((high * 16 + low) as u8, 3),
                    _ => return wrong("no such escape", word),
                }
            }
            _ => return wrong("no such escape", word),
        };
        whole.push(byte);
        rest = &after[length..];
    }
    Ok(whole)
}

fn name_bytes(name: &str) -> Result<Vec<u8>, Wrong> {
    if name == "\\e" {
        return Ok(Vec::new());
    }
    bytes(name)
}

fn names(path: &str) -> Result<Names, Wrong> {
    let names = path.split('/').filter(|name| !name.is_empty());
    names.map(name_bytes).collect()
}

fn file_kind(word: &str) -> Result<FileKind, Wrong> {
    super::file_kind(word).map_or_else(|| wrong("no such type of file", word), Ok)
}

//! The text form of scripts.
//!
//! One line a record, words between spaces; `#` begins a comment line.
//!
//! ```text
//! head uid=0 cwd=/ws command=evil         the header; comes first, may be left out
//! play rounds=3 place=/ws/b timing=10     how it is played; timing in millionths of the tool's time
//! task TASK PARENT FLAGS                  a task begins; the first one's parent is -
//! exit TASK
//! dir|file|link|fifo|socket|char|block|unknown|absent PATH [target=TEXT] [mode=0o755] [size=10]
//!                                         [uid=0] [gid=0] [group=1] [mtime=0]
//! xattrs PATH NAME=SIZE…
//! list PATH NAME=KIND…
//! fd TASK FD TARGET KIND FLAGS OFFSET
//! ev TASK CALL RESULT [ARGUMENT=VALUE…]   a call; arguments as `ArgKind` names them, times as
//!                                         dur=, think=, blocked=, cpu=, ov=, back=
//! rep COUNT TASK CALL RESULT …            the same, so many times
//! flush                                   the block ends
//! wait NANOSECONDS
//! ```
//!
//! Numbers are decimal (negative ones, too), `0x…` or `0o…`. In words `\s` is a space, `\\` a
//! backslash, `\xHH` a byte, `''` an empty word, and `REP:COUNT:TEXT` repeats a text. A path of the
//! recorded machine is split at its slashes *before* that, so that `\x2f` puts one into a name;
//! `\e` is an empty name. `{outside}` stands for the absolute path of the canaries. NULL is a
//! pointer that is NULL.

use std::fmt::{self, Display, Formatter, Write};

use fsreplay_trace::call::{ArgKind, Call};
use fsreplay_trace::model::FileKind;

use crate::script::{Arg, Calls, Head, Inherited, Line, Names, Play, Script, State, is_text};

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
            let kind = file_kind(kind).map_err(|_| ("no such line", kind.to_owned()))?;
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
        text if is_text(kind) => Arg::Text(bytes(text)?),
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

/// The types of files, and what they are called in texts.
const KINDS: &[(FileKind, &str)] = &[
    (FileKind::Absent, "absent"),
    (FileKind::File, "file"),
    (FileKind::Directory, "dir"),
    (FileKind::Symlink, "link"),
    (FileKind::Fifo, "fifo"),
    (FileKind::Socket, "socket"),
    (FileKind::CharDevice, "char"),
    (FileKind::BlockDevice, "block"),
    (FileKind::Unknown, "unknown"),
];

fn file_kind(word: &str) -> Result<FileKind, Wrong> {
    let found = KINDS.iter().find(|(_, name)| *name == word);
    found.map_or_else(
        || wrong("no such type of file", word),
        |(kind, _)| Ok(*kind),
    )
}

fn kind_name(kind: FileKind) -> &'static str {
    let found = KINDS.iter().find(|(known, _)| *known == kind);
    found.map_or("unknown", |(_, name)| name)
}

/// A word as the parser takes it.
struct Word<'a>(&'a [u8]);

impl Display for Word<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("''");
        }
        // What the parser would take for one of its own signs.
        let own = self.0.starts_with(b"REP:") || matches!(self.0, b"NULL" | b"''");
        escape(f, self.0, own)
    }
}

/// A path of the recorded machine as the parser takes it.
struct Path<'a>(&'a Names);

impl Display for Path<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            f.write_char('/')?;
        }
        for name in self.0 {
            f.write_char('/')?;
            Name(name).fmt(f)?;
        }
        Ok(())
    }
}

/// A name of such a path.
struct Name<'a>(&'a [u8]);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("\\e");
        }
        for part in self.0.split_inclusive(|byte| *byte == b'/') {
            match part.split_last() {
                Some((b'/', before)) => {
                    escape(f, before, before.starts_with(b"REP:"))?;
                    f.write_str("\\x2f")?;
                }
                _ => escape(f, part, part.starts_with(b"REP:"))?,
            }
        }
        Ok(())
    }
}

fn escape(f: &mut Formatter<'_>, text: &[u8], first_too: bool) -> fmt::Result {
    for (index, byte) in text.iter().enumerate() {
        let plain = byte.is_ascii_graphic() && !(first_too && index == 0);
        match byte {
            b'\\' if plain => f.write_str("\\\\")?,
            b'=' => f.write_str("\\x3d")?,
            b' ' => f.write_str("\\s")?,
            byte if plain => f.write_char(char::from(*byte))?,
            byte => write!(f, "\\x{byte:02x}")?,
        }
    }
    Ok(())
}

impl Display for Script {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let head = &self.head;
        let (cwd, command) = (Word(&head.cwd), Word(&head.command));
        writeln!(f, "head uid={} cwd={cwd} command={command}", head.uid)?;
        write!(f, "play rounds={}", self.play.rounds)?;
        if let Some(place) = &self.play.place {
            write!(f, " place={}", Word(place))?;
        }
        if let Some(timing) = self.play.timing {
            write!(f, " timing={timing}")?;
        }
        writeln!(f)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl Display for Line {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Line::Task {
                task,
                parent,
                flags,
            } => {
                let parent = parent.map_or("-".to_owned(), |parent| parent.to_string());
                write!(f, "task {task} {parent} {flags:#x}")
            }
            Line::Exit { task } => write!(f, "exit {task}"),
            Line::State(state) => state.fmt(f),
            Line::Xattrs { path, entries } => {
                write!(f, "xattrs {}", Path(path))?;
                let mut entries = entries.iter();
                entries.try_for_each(|(name, size)| write!(f, " {}={size}", Word(name)))
            }
            Line::List { path, entries } => {
                write!(f, "list {}", Path(path))?;
                let mut entries = entries.iter();
                entries
                    .try_for_each(|(name, kind)| write!(f, " {}={}", Name(name), kind_name(*kind)))
            }
            Line::Fd(fd) => {
                let (target, kind) = (Word(&fd.target), kind_name(fd.kind));
                write!(f, "fd {} {} {target} {kind}", fd.task, fd.fd)?;
                write!(f, " {:#o} {}", fd.flags, fd.offset)
            }
            Line::Call(calls) => calls.fmt(f),
            Line::Flush => f.write_str("flush"),
            Line::Wait(time) => write!(f, "wait {time}"),
        }
    }
}

impl Display for State {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let usual = State::new(self.kind, Vec::new());
        write!(f, "{} {}", kind_name(self.kind), Path(&self.path))?;
        if let Some(target) = &self.target {
            write!(f, " target={}", Word(target))?;
        }
        if self.mode != usual.mode {
            write!(f, " mode={:#o}", self.mode)?;
        }
        let fields = [
            ("size", self.size),
            ("uid", u64::from(self.uid)),
            ("gid", u64::from(self.gid)),
            ("group", self.group),
        ];
        for (name, value) in fields.iter().filter(|(_, value)| *value != 0) {
            write!(f, " {name}={value}")?;
        }
        if self.mtime != usual.mtime {
            write!(f, " mtime={}", self.mtime)?;
        }
        Ok(())
    }
}

impl Display for Calls {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.count == 1 {
            f.write_str("ev")?;
        } else {
            write!(f, "rep {}", self.count)?;
        }
        write!(f, " {} {} {}", self.task, self.call, self.result)?;
        for (kind, arg) in &self.args {
            write!(f, " {kind:?}=")?;
            match arg {
                Arg::Text(text) => Word(text).fmt(f)?,
                Arg::Null => f.write_str("NULL")?,
                Arg::Number(number) => value(f, *kind, *number)?,
            }
        }
        let (times, usual) = (self.times, crate::script::Times::default());
        let fields = [
            ("dur", times.duration, usual.duration),
            ("think", times.think, usual.think),
            ("blocked", times.blocked, usual.blocked),
            ("cpu", times.cpu, usual.cpu),
            ("ov", times.overlapped.into(), usual.overlapped.into()),
            ("back", times.back, usual.back),
        ];
        for (name, value, _) in fields.iter().filter(|(_, value, usual)| value != usual) {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}

/// A number as people write it: modes in octal, flags in hexadecimal, descriptors with their sign.
fn value(f: &mut Formatter<'_>, kind: ArgKind, number: u64) -> fmt::Result {
    use ArgKind::*;
    match kind {
        Mode => write!(f, "{number:#o}"),
        Flags | Mask | Address => write!(f, "{number:#x}"),
        _ => write!(f, "{}", number as i64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let text = "\
head uid=1000 cwd=/w\\s1 command=a\\x3db\\x1b
play rounds=3 place=/ws/b timing=10
task 0 - 0x0
task 1 0 0x10f00
dir /ws/../\\e/a\\x2fb mode=0o1777 size=5 uid=1 gid=2 group=3 mtime=-4
link /ws/l target='' mode=0o777
xattrs /ws user.\\x3d=10
list /ws a=file \\e=dir ..=link
fd 0 -3 /ws/f\\\\ file 0o2 7
ev 0 openat -2 DirFd=-100 Path={outside}/\\x00 Flags=0x10000 Mode=0o644
rep 20 1 stat 0 Path=NULL dur=7 ov=1
ev 0 stat 0 Path=\\x4eULL
flush
wait 9
exit 0
";
        let script: Script = text.parse().expect("it is a script");
        assert_eq!(script.to_string(), text);
        assert_eq!(script.lines.len(), 13);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, told) in [
            ("task 0 - 0x0\nev 0 fly 0", "line 2: no such call: fly"),
            (
                "ev 0 stat 0 Mode=1",
                "line 1: the call keeps no such argument: Mode",
            ),
            ("ev 0 stat x", "line 1: no number: x"),
            (
                "dir /ws mode=9999999999",
                "line 1: too large a number: 9999999999",
            ),
            ("gift /ws", "line 1: no such line: gift"),
            ("exit", "line 1: a word too many or too few: exit"),
            ("ev 0 stat 0 Path=\\q", "line 1: no such escape: \\q"),
            ("ev 0 stat 0 Path=\\x", "line 1: no such escape: \\x"),
            (
                "ev 0 stat 0 Path=REP:99999999:ab",
                "line 1: too long a text: REP:99999999:ab",
            ),
        ] {
            let parsed: Result<Script, ParseError> = text.parse();
            assert_eq!(parsed.expect_err(text).to_string(), told);
        }
    }
}

//! From a script to a text.

use std::fmt::{self, Display, Formatter, Write};

use fsreplay_trace::call::ArgKind;

use super::kind_name;
use crate::script::{Arg, Calls, Line, Names, Script, State, Times};

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
        let (times, usual) = (self.times, Times::default());
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

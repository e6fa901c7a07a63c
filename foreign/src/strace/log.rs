//! From lines to calls: halves are joined, times are those of one clock, and calls stand in the
//! order in which they returned.

use std::collections::HashMap;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use super::clock::Clock;
use super::error::ImportError;
use super::line::{self, Body, Printed};
use super::names;
use super::outcome::{Outcome, outcome};
use super::unnamed::{UNKNOWN, Unnamed, attached};

/// The most bytes of one line. strace prints whole buffers if it is asked to (-s).
const MOST_LINE: u64 = 16 << 20;
/// The most bytes of all logs together: they are held in memory.
const MOST_BYTES: u64 = 2 << 30;
/// The most lines of all logs together.
const MOST_LINES: u64 = 16 << 20;

/// A log: what strace wrote into one file.
pub struct Log {
    /// Where it is, for messages; its name tells the task where the lines don't (-ff).
    pub path: PathBuf,
    /// Its text.
    pub text: Box<dyn BufRead>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A call.
    Call {
        /// Which.
        name: Box<str>,
        /// Its arguments, as printed.
        args: Box<[u8]>,
        /// How it ended.
        outcome: Outcome,
    },
    /// The task ended, with its status as wait(2) encodes it.
    Ended(i32),
    /// The task ended, because another one of its process started a program and goes on under its
    /// id.
    Superseded(u32),
}

/// Something that happened to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The task's id.
    pub pid: u32,
    /// Which log, and which line of it tells the end.
    pub at: (u16, u64),
    /// When it began: nanoseconds, of the logs' clock.
    pub entry: u64,
    /// When it was over.
    pub exit: u64,
    /// What.
    pub what: What,
}

/// What a log says of itself, besides what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Lines that are none of strace's.
    pub strange: u64,
    /// Second halves of calls whose first half is missing.
    pub halves: u64,
    /// Calls that returned without the time they took (-T).
    pub untimed: u64,
    /// Calls that returned.
    pub returned: u64,
    /// Lines without a time.
    pub undated: u64,
    /// Lines whose time has no fractions of a second.
    pub coarse: u64,
    /// Seconds since the epoch at the start, if that is known.
    pub started: Option<i64>,
}

/// The first half of a call.
struct Half {
    name: Box<[u8]>,
    args: Vec<u8>,
    entry: u64,
}

/// Reads one log.
struct Reader {
    number: u16,
    unnamed: Unnamed,
    clock: Clock,
    halves: HashMap<u32, Half>,
    items: Vec<Item>,
    /// The last item waits for the next line's time to know when it was over.
    open_end: bool,
}

/// Reads logs into items, in the order in which they ended.
///
/// # Errors
/// Files that can't be read, are no logs of strace, or are too much.
pub fn read(logs: Vec<Log>) -> Result<(Vec<Item>, About), ImportError> {
    let mut about = About::default();
    let mut parts = Vec::new();
    let mut taken = Taken::default();
    let several = logs.len() > 1;
    for (number, mut log) in logs.into_iter().enumerate() {
        let mut reader = Reader {
            number: number as u16,
            unnamed: Unnamed::new(pid_of_name(&log.path).unwrap_or(UNKNOWN)),
            clock: Clock::default(),
            halves: HashMap::new(),
            items: Vec::new(),
            open_end: false,
        };
        reader.read(&mut log, &mut taken, &mut about)?;
        if several && !reader.items.is_empty() && !reader.clock.is_absolute() {
            return Err(ImportError::NoOrder { path: log.path });
        }
        reader.give_up_halves();
        about.started = about.started.or(reader.clock.started());
        parts.push(reader);
    }
    let start = parts
        .iter()
        .filter_map(|part| part.clock.first())
        .min()
        .unwrap_or(0);
    let mut items: Vec<Item> = parts.into_iter().flat_map(|part| part.items).collect();
    if several {
        // Within a log the order stays.
        items.sort_by_key(|item| item.exit);
    }
    for item in &mut items {
        item.entry = item.entry.saturating_sub(start);
        item.exit = item.exit.saturating_sub(start);
    }
    Ok((items, about))
}

/// How much was taken of all logs.
#[derive(Default)]
struct Taken {
    bytes: u64,
    lines: u64,
}

/// `strace -ff -o log` writes `log.4711`.
fn pid_of_name(path: &Path) -> Option<u32> {
    path.extension()?.to_str()?.parse().ok()
}

impl Reader {
    fn read(
        &mut self,
        log: &mut Log,
        taken: &mut Taken,
        about: &mut About,
    ) -> Result<(), ImportError> {
        let mut buffer = Vec::new();
        let mut strange = None;
        let mut line = 0;
        loop {
            line += 1;
            let mut part = (&mut log.text).take(MOST_LINE);
            let read = part
                .read_until(b'\n', &mut buffer)
                .map_err(|source| ImportError::Read {
                    path: log.path.clone(),
                    line,
                    source,
                })?;
            if read == 0 {
                break;
            }
            taken.bytes += read as u64;
            taken.lines += 1;
            let too_much = [
                (
                    buffer.len() as u64 >= MOST_LINE,
                    "more than 16 MiB in a line",
                ),
                (taken.bytes > MOST_BYTES, "more than 2 GiB of logs"),
                (taken.lines > MOST_LINES, "more than 16,777,216 lines"),
            ];
            if let Some((_, what)) = too_much.iter().find(|(is_so, _)| *is_so) {
                let path = log.path.clone();
                return Err(ImportError::TooMuch { path, line, what });
            }
            if let Some((before, task)) = attached(&buffer) {
                self.unnamed.attached(task);
                // The rest of that line comes next.
                buffer.truncate(before.len());
                continue;
            }
            if !self.line(&buffer, line, about) {
                about.strange += 1;
                let begin =
                    || String::from_utf8_lossy(&buffer[..buffer.len().min(60)]).into_owned();
                strange.get_or_insert_with(|| (line, begin()));
            }
            buffer.clear();
        }
        match strange {
            Some((line, begin)) if self.items.is_empty() && self.halves.is_empty() => {
                let path = log.path.clone();
                Err(ImportError::NoLog { path, line, begin })
            }
            _ => Ok(()),
        }
    }

    /// Takes a line; whether it is one of strace's.
    fn line(&mut self, text: &[u8], number: u64, about: &mut About) -> bool {
        let Some(line) = line::parse(text) else {
            return false;
        };
        let goes_on = match &line.body {
            Body::Resumed(call) => {
                let half = self.halves.get(&UNKNOWN);
                half.is_some_and(|half| *half.name == *call.name)
            }
            _ => false,
        };
        let (pid, was_unknown) = self.unnamed.of(line.pid, goes_on);
        if was_unknown {
            self.name_unknown(pid);
        }
        let now = self.clock.tell(line.time);
        if std::mem::take(&mut self.open_end)
            && let Some(last) = self.items.last_mut()
        {
            last.exit = now.max(last.entry);
        }
        if !matches!(line.body, Body::Note) {
            about.undated += u64::from(line.time.is_none());
            about.coarse += u64::from(line.time.is_some_and(|time| time.coarse));
        }
        match line.body {
            Body::Note => {}
            Body::Call(call) => {
                let args = call.args.into();
                self.returned(pid, number, now, call, args, about);
            }
            Body::Begun { name, args } => {
                let half = Half {
                    name: name.into(),
                    args: args.to_vec(),
                    entry: now,
                };
                self.halves.insert(pid, half);
            }
            Body::Resumed(call) => {
                let half = self.halves.remove(&pid);
                let Some(half) = half.filter(|half| *half.name == *call.name) else {
                    about.halves += 1;
                    return true;
                };
                let mut args = half.args;
                args.extend_from_slice(call.args);
                self.returned(pid, number, half.entry, call, args.into(), about);
            }
            Body::Exited(status) => self.ended(pid, number, now, What::Ended((status & 0xff) << 8)),
            Body::Killed { signal, core } => {
                let name = std::str::from_utf8(signal).unwrap_or_default();
                let signal = names::signal(name).unwrap_or(libc::SIGKILL.into()) as i32;
                let status = signal | if core { 0x80 } else { 0 };
                self.ended(pid, number, now, What::Ended(status));
            }
            Body::Superseded(by) => self.ended(pid, number, now, What::Superseded(by)),
        }
        true
    }

    /// A call returned that was entered at that moment.
    fn returned(
        &mut self,
        pid: u32,
        line: u64,
        entry: u64,
        call: Printed<'_>,
        args: Box<[u8]>,
        about: &mut About,
    ) {
        let outcome = outcome(call.result);
        let exit = match call.took {
            Some(took) => entry.saturating_add(took),
            None => self.clock.now(),
        };
        if outcome.value.is_some() {
            about.returned += 1;
            about.untimed += u64::from(call.took.is_none());
        }
        let name: Box<str> = String::from_utf8_lossy(call.name).into();
        // What waits is over when the next line was printed, if nothing else tells.
        let row = fsreplay_trace::call::Call::from_name(&name).map(|call| call.row());
        self.open_end = call.took.is_none() && row.is_some_and(|row| row.waits);
        let what = What::Call {
            name,
            args,
            outcome,
        };
        self.push(pid, line, entry, exit, what);
    }

    /// The task that no line named so far is this one.
    fn name_unknown(&mut self, pid: u32) {
        let unnamed = self.items.iter_mut().filter(|item| item.pid == UNKNOWN);
        unnamed.for_each(|item| item.pid = pid);
        if let Some(half) = self.halves.remove(&UNKNOWN) {
            self.halves.insert(pid, half);
        }
    }

    fn ended(&mut self, pid: u32, line: u64, now: u64, what: What) {
        self.unnamed.ended(pid);
        // What the task was in never returned.
        if let Some(half) = self.halves.remove(&pid) {
            self.never_returned(pid, line, now, half);
        }
        if let What::Superseded(by) = what {
            // The other task's call goes on under this id.
            if let Some(half) = self.halves.remove(&by) {
                self.halves.insert(pid, half);
            }
        }
        self.push(pid, line, now, now, what);
    }

    fn never_returned(&mut self, pid: u32, line: u64, now: u64, half: Half) {
        let what = What::Call {
            name: String::from_utf8_lossy(&half.name).into(),
            args: half.args.into(),
            outcome: Outcome::default(),
        };
        self.push(pid, line, half.entry, now, what);
    }

    /// At the end of the log: what is under way is not told any more.
    fn give_up_halves(&mut self) {
        let now = self.clock.now();
        let mut left: Vec<(u32, Half)> = self.halves.drain().collect();
        left.sort_by_key(|(pid, half)| (half.entry, *pid));
        for (pid, half) in left {
            self.never_returned(pid, u64::MAX, now, half);
        }
    }

    fn push(&mut self, pid: u32, line: u64, entry: u64, exit: u64, what: What) {
        self.clock.pass(exit);
        self.items.push(Item {
            pid,
            at: (self.number, line),
            entry,
            exit: exit.max(entry),
            what,
        });
    }
}

#[cfg(test)]
mod tests;

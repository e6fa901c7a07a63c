//! A table with a line for each call, as RFC 4180 has it.

use std::io::{self, Write};

use fsreplay_trace::call::{ArgKind, NONE};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{Event, Record};

use super::tasks::{Ids, Tasks};
use super::{Writer, text};

/// Arguments that have a column, besides those that are names.
const NUMBERS: [(&str, ArgKind); 5] = [
    ("dirfd", ArgKind::DirFd),
    ("fd", ArgKind::Fd),
    ("flags", ArgKind::Flags),
    ("offset", ArgKind::Offset),
    ("length", ArgKind::Length),
];

/// Writes a table.
#[derive(Default)]
pub struct Table {
    tasks: Tasks,
    events: u64,
}

impl Writer for Table {
    /// The names of the columns.
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        write!(
            out,
            "event,pid,tid,entry_ns,duration_ns,call,result,path,new_path"
        )?;
        for (name, _) in NUMBERS {
            write!(out, ",{name}")?;
        }
        write!(out, "\r\n")
    }

    fn record(&mut self, out: &mut dyn Write, record: &Record, tables: &Tables) -> io::Result<()> {
        match record {
            Record::TaskStart(start) => self.tasks.start(start),
            Record::Event(call) => {
                event(out, self.events, call, &self.tasks.get(call.task), tables)?;
                self.events += 1;
            }
            Record::TaskExit(_)
            | Record::PathState(_)
            | Record::Listing(_)
            | Record::Xattrs(_)
            | Record::FdState(_) => {}
        }
        Ok(())
    }
}

/// A call; without a result if it never returned.
fn event(
    out: &mut dyn Write,
    number: u64,
    event: &Event,
    ids: &Ids,
    tables: &Tables,
) -> io::Result<()> {
    let Ids { pid, tid } = ids;
    let (entry, duration, call) = (event.entry, event.duration, event.call.name());
    write!(out, "{number},{pid},{tid},{entry},{duration},{call},")?;
    if event.result != Event::NO_RETURN {
        write!(out, "{}", event.result)?;
    }
    for kind in [ArgKind::Path, ArgKind::NewPath] {
        let name = event.string(kind).map(|id| text(tables.string(id)));
        write!(out, ",{}", quoted(&name.unwrap_or_default()))?;
    }
    for (_, kind) in NUMBERS {
        match event.arg(kind).filter(|value| *value != NONE) {
            Some(value) => write!(out, ",{}", value as i64)?,
            None => write!(out, ",")?,
        }
    }
    write!(out, "\r\n")
}

/// In quotes where a reader needs them.
fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

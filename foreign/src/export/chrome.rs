//! The trace event format: complete events (`X`) with microseconds, and names of processes (`M`).

use std::collections::HashMap;
use std::io::{self, Write};

use fsreplay_trace::call::ArgKind;
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{Event, Header, Record, TaskId};
use serde_json::{Map, Value, json};

use super::tasks::{Ids, Tasks};
use super::{Writer, text};

/// Writes a list of trace events.
pub struct Chrome {
    program: Vec<u8>,
    tasks: Tasks,
    /// When each task's last call ended, nanoseconds.
    ends: HashMap<TaskId, u64>,
    is_first: bool,
}

impl Chrome {
    /// Of a trace with that header.
    pub fn new(header: &Header) -> Chrome {
        Chrome {
            program: header.command.first().cloned().unwrap_or_default(),
            tasks: Tasks::default(),
            ends: HashMap::new(),
            is_first: true,
        }
    }

    /// Readers take a call that begins at the moment at which one like it ends, or that takes no
    /// time, for a part of another: each takes a nanosecond at least, and begins one after the end
    /// of the one before it in its task.
    fn time(&mut self, call: &Event) -> Shown {
        let earliest = self
            .ends
            .get(&call.task)
            .map_or(0, |end| end.saturating_add(1));
        let start = call.entry.max(earliest);
        let end = call.exit().max(start.saturating_add(1));
        self.ends.insert(call.task, end);
        Shown { start, end }
    }
}

impl Writer for Chrome {
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")
    }

    fn record(&mut self, out: &mut dyn Write, record: &Record, tables: &Tables) -> io::Result<()> {
        match record {
            Record::TaskStart(start) => {
                self.tasks.start(start);
                let is_first = std::mem::take(&mut self.is_first);
                task(out, &self.tasks.get(start.task), &self.program, is_first)
            }
            Record::Event(call) => {
                let time = self.time(call);
                event(out, call, time, &self.tasks.get(call.task), tables)
            }
            Record::TaskExit(exit) => {
                self.ends.remove(&exit.task);
                Ok(())
            }
            Record::PathState(_) | Record::Listing(_) | Record::Xattrs(_) | Record::FdState(_) => {
                Ok(())
            }
        }
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "\n]}}")
    }
}

/// A task's process has a name.
fn task(out: &mut dyn Write, ids: &Ids, program: &[u8], is_first: bool) -> io::Result<()> {
    if !is_first {
        writeln!(out, ",")?;
    }
    let name = format!("{} {}", text(program), ids.pid);
    let named = json!({
        "ph": "M", "name": "process_name", "pid": ids.pid, "tid": ids.tid, "ts": 0,
        "args": {"name": name},
    });
    write!(out, "{named}")
}

/// From when to when a call is shown, nanoseconds.
#[derive(Clone, Copy)]
struct Shown {
    start: u64,
    end: u64,
}

/// A call.
fn event(
    out: &mut dyn Write,
    event: &Event,
    time: Shown,
    ids: &Ids,
    tables: &Tables,
) -> io::Result<()> {
    let mut args = Map::new();
    for (name, kind) in [("path", ArgKind::Path), ("new_path", ArgKind::NewPath)] {
        if let Some(id) = event.string(kind) {
            args.insert(name.to_owned(), Value::String(text(tables.string(id))));
        }
    }
    if let Some(fd) = event.fd(ArgKind::Fd) {
        args.insert("fd".to_owned(), fd.into());
    }
    if event.result != Event::NO_RETURN {
        args.insert("result".to_owned(), event.result.into());
    }
    let category = if event.errno().is_some() {
        "failed"
    } else {
        "call"
    };
    let (start, taken) = microseconds(time);
    let event = json!({
        "ph": "X", "name": event.call.name(), "cat": category, "pid": ids.pid, "tid": ids.tid,
        "ts": start, "dur": taken, "args": args,
    });
    // A task's start stands before all of its calls, so this is never the first.
    write!(out, ",\n{event}")
}

/// When a call began and what it took. Readers add them up: the sum must not be larger than the
/// end, or a call that follows at once is taken for a part of this one.
fn microseconds(time: Shown) -> (f64, f64) {
    let start = time.start as f64 / 1000.0;
    let end = time.end as f64 / 1000.0;
    let mut taken = (time.end - time.start) as f64 / 1000.0;
    while start + taken > end && taken > 0.0 {
        taken -= end * f64::EPSILON;
    }
    (start, taken.max(0.0))
}

//! A log as `strace -f -ttt -T -y` writes one, as far as a trace tells.

mod args;
mod elided;
mod text;

use std::io::{self, Write};

use fsreplay_inspector::Inspector;
use fsreplay_trace::abi::OpenFlags;
use fsreplay_trace::call::{ArgKind, Op, ResultKind};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{Event, Header, Record, TaskExit, TaskId, TaskStart};

use crate::export::Writer;
use crate::export::tasks::{Spares, Tasks};
use crate::strace::names;
use args::Written;
use text::leads_to;

/// Seconds since the epoch that readers may take for an id.
const LAST_ID: i64 = 1 << 22;
/// When a recording began that doesn't tell: some second that every reader takes for a date.
const SOME_DAY: i64 = 1_000_000_000;
const SECOND: u64 = 1_000_000_000;

/// Writes a log.
pub struct Log {
    world: Inspector,
    open: OpenFlags,
    /// Seconds since the epoch at the start.
    started: u64,
    /// Those that are alive.
    tasks: Tasks,
}

impl Log {
    /// Of a trace with that header.
    pub fn new(header: &Header) -> Log {
        let started = Some(header.started).filter(|started| *started > LAST_ID);
        Log {
            world: Inspector::new(header),
            open: OpenFlags::of(&header.architecture),
            started: started.unwrap_or(SOME_DAY) as u64,
            tasks: Tasks::new(Spares::Within),
        }
    }
}

impl Writer for Log {
    fn record(&mut self, out: &mut dyn Write, record: &Record, tables: &Tables) -> io::Result<()> {
        match record {
            Record::TaskStart(start) => self.starts(out, start)?,
            Record::Event(event) => self.call(out, event, tables)?,
            Record::TaskExit(exit) => self.ends(out, exit)?,
            Record::PathState(_) | Record::Listing(_) | Record::Xattrs(_) | Record::FdState(_) => {}
        }
        // An event was followed with its line.
        if !matches!(record, Record::Event(_)) {
            self.world.record(record, tables);
        }
        Ok(())
    }
}

impl Log {
    /// Who a line is of, and when.
    fn stamp(&self, out: &mut dyn Write, task: TaskId, time: u64) -> io::Result<()> {
        let id = self.tasks.get(task).tid;
        let seconds = self.started.saturating_add(time / SECOND);
        write!(out, "{id} {seconds}.{:09} ", time % SECOND)
    }

    /// A task begins: its parent's `clone` says so. What it took isn't kept.
    fn starts(&mut self, out: &mut dyn Write, start: &TaskStart) -> io::Result<()> {
        self.tasks.start(start);
        let id = self.tasks.get(start.task).tid;
        let Some(parent) = start.parent else {
            return Ok(());
        };
        self.stamp(out, parent, start.time)?;
        let thread = start.flags & fsreplay_trace::abi::CLONE_THREAD != 0;
        let shares = names::flags("CLONE_", start.flags as u32, "0");
        let flags = match (start.flags, thread) {
            (0, _) => "SIGCHLD".to_owned(),
            (_, true) => shares,
            (_, false) => format!("{shares}|SIGCHLD"),
        };
        writeln!(
            out,
            "clone(child_stack=NULL, flags={flags}) = {id} <0.000000000>"
        )
    }

    fn ends(&mut self, out: &mut dyn Write, exit: &TaskExit) -> io::Result<()> {
        self.stamp(out, exit.task, exit.time)?;
        self.tasks.end(exit.task);
        let signal = exit.status & 0x7f;
        if signal == 0 {
            return writeln!(out, "+++ exited with {} +++", exit.status >> 8 & 0xff);
        }
        let name = names::signal_name(signal.into())
            .map(str::to_owned)
            .unwrap_or_else(|| format!("SIG_{signal}"));
        let core = if exit.status & 0x80 != 0 {
            " (core dumped)"
        } else {
            ""
        };
        writeln!(out, "+++ killed by {name}{core} +++")
    }

    fn call(&mut self, out: &mut dyn Write, event: &Event, tables: &Tables) -> io::Result<()> {
        self.stamp(out, event.task, event.entry)?;
        let reads_link = event.call.row().op == Op::ReadLink;
        let link = reads_link
            .then(|| self.world.link_text(event, tables))
            .flatten();
        let written = Written {
            event,
            link: link.as_deref(),
            world: &self.world,
            tables,
            open: self.open,
        };
        write!(out, "{}({}", event.call.name(), written.arguments())?;
        self.world.record(&Record::Event(*event), tables);
        if event.result == Event::NO_RETURN {
            return writeln!(out, " <unfinished ...>");
        }
        let (seconds, rest) = (event.duration / SECOND, event.duration % SECOND);
        let result = self.result(event, tables);
        writeln!(out, ") = {result} <{seconds}.{rest:09}>")
    }

    /// What stands behind `=`; the call was followed.
    fn result(&self, event: &Event, tables: &Tables) -> String {
        if let Some(errno) = event.errno() {
            let name = names::errno_name(errno.into())
                .map(str::to_owned)
                .unwrap_or_else(|| format!("ERRNO_{errno}"));
            let told = io::Error::from_raw_os_error(errno).to_string();
            let told = told.split(" (os error").next().unwrap_or_default();
            return format!("-1 {name} ({told})");
        }
        let row = event.call.row();
        let returned = row.returned(&event.args, event.result)[0];
        let gives = row.position(ArgKind::OutFd0).is_none();
        match returned.filter(|_| gives) {
            Some(fd) => {
                let file = self.world.open_file(event.task, fd, tables);
                format!("{fd}{}", file.as_ref().map_or(String::new(), leads_to))
            }
            None if row.result == ResultKind::Address => format!("{:#x}", event.result),
            None => event.result.to_string(),
        }
    }
}

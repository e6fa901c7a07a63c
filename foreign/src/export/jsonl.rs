//! A JSON object for each call, one a line, with the paths that its descriptors lead to.

use std::io::{self, Write};

use fsreplay_inspector::Inspector;
use fsreplay_trace::abi::AT_FDCWD;
use fsreplay_trace::call::{ArgKind, NONE};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{Event, Header, Record, TaskId};
use serde_json::{Map, Value, json};

use super::tasks::Tasks;
use super::{Writer, text};
use crate::strace::names;

/// Writes lines of objects.
pub struct Lines {
    world: Inspector,
    tasks: Tasks,
    events: u64,
}

impl Lines {
    /// Of a trace with that header.
    pub fn new(header: &Header) -> Lines {
        Lines {
            world: Inspector::new(header),
            tasks: Tasks::default(),
            events: 0,
        }
    }

    /// The line of a call. It is followed meanwhile: where its arguments lead is told before it is
    /// made, and where the descriptor leads that it returns after that.
    fn call(&mut self, event: &Event, tables: &Tables) -> Value {
        let mut files = Map::new();
        for (kind, _) in event.call.row().args {
            let fd = event.fd(*kind).filter(|_| kind.is_descriptor());
            if let Some(path) = fd.and_then(|fd| self.leads_to(event.task, fd, tables)) {
                files.insert(name(*kind), path.into());
            }
        }
        self.world.record(&Record::Event(*event), tables);
        let row = event.call.row();
        let gives = row.position(ArgKind::OutFd0).is_none();
        let returned = row.returned(&event.args, event.result)[0].filter(|_| gives);
        if let Some(path) = returned.and_then(|fd| self.leads_to(event.task, fd, tables)) {
            files.insert("result".to_owned(), path.into());
        }
        let ids = self.tasks.get(event.task);
        json!({
            "event": self.events,
            "pid": ids.pid,
            "tid": ids.tid,
            "entry_ns": event.entry,
            "duration_ns": event.duration,
            "call": event.call.name(),
            "args": arguments(event, tables, text),
            "files": files,
            "result": (event.result != Event::NO_RETURN).then_some(event.result),
            "errno": event.errno().and_then(|errno| names::errno_name(errno.into())),
        })
    }

    /// The path that a descriptor leads to, if it has one that is known.
    fn leads_to(&self, task: TaskId, fd: i32, tables: &Tables) -> Option<String> {
        let path = if fd == AT_FDCWD {
            self.world.working_directory(task)
        } else {
            self.world.open_file(task, fd, tables)?.path
        };
        path.map(|path| text(&path))
    }
}

impl Writer for Lines {
    fn record(&mut self, out: &mut dyn Write, record: &Record, tables: &Tables) -> io::Result<()> {
        match record {
            Record::Event(event) => {
                let line = self.call(event, tables);
                self.events += 1;
                return writeln!(out, "{line}");
            }
            Record::TaskStart(start) => self.tasks.start(start),
            Record::TaskExit(_)
            | Record::PathState(_)
            | Record::Listing(_)
            | Record::Xattrs(_)
            | Record::FdState(_) => {}
        }
        self.world.record(record, tables);
        Ok(())
    }
}

/// What a call keeps of its arguments, by their names, with its strings as `text` makes them.
pub fn arguments(
    event: &Event,
    tables: &Tables,
    text: impl Fn(&[u8]) -> String,
) -> Map<String, Value> {
    let kept = event.call.row().args.iter().zip(event.args);
    let each = kept.map(|((kind, _), value)| {
        let string = event.string(*kind).filter(|_| kind.is_text());
        let value = match string {
            Some(id) => text(tables.string(id)).into(),
            None if value == NONE => Value::Null,
            None => json!(value as i64),
        };
        (name(*kind), value)
    });
    each.collect()
}

fn name(kind: ArgKind) -> String {
    format!("{kind:?}").to_lowercase()
}

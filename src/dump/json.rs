//! Records as JSON objects, one a line. Names of calls and of arguments are those of the table.

use std::io::{self, Write};

use fsreplay_compare::caveats::errno_name;
use fsreplay_foreign::export::jsonl::arguments;
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{Event, FileKind, NodeId, Record, StringId};
use serde_json::{Value, json};

/// Writes one record.
pub fn write(out: &mut impl Write, record: &Record, tables: &Tables) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &value(record, tables))?;
    out.write_all(b"\n")
}

fn value(record: &Record, tables: &Tables) -> Value {
    match record {
        Record::Event(event) => event_value(event, tables),
        Record::TaskStart(s) => json!({
            "record": "task_start", "task": s.task.0, "parent": s.parent.map(|p| p.0),
            "time_ns": s.time, "flags": s.flags, "tid": s.tid, "think_ns": s.think,
        }),
        Record::TaskExit(e) => json!({
            "record": "task_exit", "task": e.task.0, "time_ns": e.time, "status": e.status,
            "cpu_ns": e.cpu, "think_ns": e.think,
        }),
        Record::PathState(s) => json!({
            "record": "state", "path": text(&tables.path(s.node)), "kind": format!("{:?}", s.kind),
            "metadata": s.metadata.map(|m| json!({
                "size": m.size, "mode": m.mode, "uid": m.uid, "gid": m.gid, "mtime": m.mtime,
                "link_group": m.link_group, "mount": m.mount,
                "allocated": m.allocated,
                "target": m.target.map(|t| text(tables.string(t))),
            })),
        }),
        Record::Listing(l) => {
            let entry = |(name, kind): &(NodeId, FileKind)| {
                let name = text(tables.name(*name));
                json!({"name": name, "kind": format!("{kind:?}")})
            };
            json!({
                "record": "listing", "path": text(&tables.path(l.directory)),
                "entries": l.entries.iter().map(entry).collect::<Vec<_>>(),
            })
        }
        Record::Xattrs(x) => {
            let entry = |(name, size): &(StringId, u32)| {
                let name = text(tables.string(*name));
                json!({"name": name, "size": size})
            };
            json!({
                "record": "xattrs", "path": text(&tables.path(x.node)),
                "entries": x.entries.iter().map(entry).collect::<Vec<_>>(),
            })
        }
        Record::FdState(f) => json!({
            "record": "descriptor", "task": f.task.0, "fd": f.fd,
            "target": text(tables.string(f.target)),
            "kind": format!("{:?}", f.kind), "flags": f.open_flags(), "offset": f.offset,
            "apart": f.is_apart(),
        }),
    }
}

fn event_value(event: &Event, tables: &Tables) -> Value {
    json!({
        "record": "event", "task": event.task.0, "call": event.call.name(),
        "args": arguments(event, tables, text),
        "entry_ns": event.entry, "duration_ns": event.duration,
        "think_ns": event.spent.think, "cpu_ns": event.spent.cpu, "blocked_ns": event.spent.blocked,
        "asleep_ns": event.spent.asleep,
        "result": (event.result != Event::NO_RETURN).then_some(event.result),
        "errno": event.errno().map(errno_name),
    })
}

/// JSON holds text: bytes that aren't UTF-8 are escaped as `\xNN` (and a backslash as `\\`), so
/// that nothing is lost.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(valid) if !valid.contains('\\') => valid.into(),
        _ => bytes.escape_ascii().to_string(),
    }
}

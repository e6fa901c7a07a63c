//! Records as lines near strace's: `TIME TASK call(args) = result <duration>`.

use std::io::{self, Write};

use fsreplay_compare::caveats::errno_name;
use fsreplay_trace::abi::OpenFlags;
use fsreplay_trace::call::{ArgKind, NONE, Op, ResultKind};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{Event, PathState, Record, TaskStart};

use super::flags;

/// Writes one record of a machine with those flags of `open`.
pub fn write(
    out: &mut impl Write,
    record: &Record,
    tables: &Tables,
    open: OpenFlags,
) -> io::Result<()> {
    match record {
        Record::Event(event) => write_event(out, event, tables, open),
        Record::TaskStart(start) => write_start(out, start),
        Record::TaskExit(exit) => writeln!(
            out,
            "{} {:>4} - task, status {:#x}",
            time(exit.time),
            exit.task.0,
            exit.status
        ),
        Record::PathState(state) => write_state(out, state, tables),
        Record::Listing(listing) => {
            let directory = quoted(&tables.path(listing.directory));
            write!(out, "  listing {directory}:")?;
            for (node, kind) in &listing.entries {
                write!(out, " {} {kind:?},", quoted(tables.name(*node)))?;
            }
            writeln!(out)
        }
        Record::Xattrs(xattrs) => {
            write!(out, "  xattrs {}:", quoted(&tables.path(xattrs.node)))?;
            for (name, size) in &xattrs.entries {
                write!(out, " {} {size} bytes,", quoted(tables.string(*name)))?;
            }
            writeln!(out)
        }
        Record::FdState(fd) => writeln!(
            out,
            "  descriptor {} of task {}: {} {:?} flags={:#o} offset={}{}",
            fd.fd,
            fd.task.0,
            quoted(tables.string(fd.target)),
            fd.kind,
            fd.open_flags(),
            fd.offset,
            if fd.is_apart() { " apart" } else { "" }
        ),
    }
}

fn write_start(out: &mut impl Write, start: &TaskStart) -> io::Result<()> {
    write!(
        out,
        "{} {:>4} + task, tid {}",
        time(start.time),
        start.task.0,
        start.tid
    )?;
    match start.parent {
        Some(parent) => writeln!(out, ", made by {} with flags {:#x}", parent.0, start.flags),
        None => writeln!(out, ", the command"),
    }
}

fn write_state(out: &mut impl Write, state: &PathState, tables: &Tables) -> io::Result<()> {
    let path = quoted(&tables.path(state.node));
    write!(out, "  state {path} {:?}", state.kind)?;
    if let Some(m) = state.metadata {
        write!(
            out,
            " size={} mode={:04o} uid={} gid={} mtime={}",
            m.size, m.mode, m.uid, m.gid, m.mtime
        )?;
        if let Some(allocated) = m.allocated {
            write!(out, " allocated={allocated}")?;
        }
        if let Some(target) = m.target {
            write!(out, " -> {}", quoted(tables.string(target)))?;
        }
    }
    writeln!(out)
}

fn write_event(
    out: &mut impl Write,
    event: &Event,
    tables: &Tables,
    open: OpenFlags,
) -> io::Result<()> {
    let row = event.call.row();
    write!(
        out,
        "{} {:>4} {}(",
        time(event.entry),
        event.task.0,
        row.name
    )?;
    let mut first = true;
    for ((kind, _), value) in row.args.iter().zip(event.args) {
        if !std::mem::take(&mut first) {
            write!(out, ", ")?;
        }
        let argument = match kind {
            ArgKind::Flags if row.op == Op::Open => flags::open(value, open),
            kind => argument(*kind, value, event, tables),
        };
        write!(out, "{argument}")?;
    }
    write!(out, ") = ")?;
    match event.errno() {
        _ if event.result == Event::NO_RETURN => write!(out, "?")?,
        Some(errno) => write!(out, "-1 {}", errno_name(errno))?,
        None if row.result == ResultKind::Address => write!(out, "{:#x}", event.result)?,
        None => write!(out, "{}", event.result)?,
    }
    writeln!(out, " <{:.9}>", event.duration as f64 / 1e9)
}

fn argument(kind: ArgKind, value: u64, event: &Event, tables: &Tables) -> String {
    use ArgKind::*;
    match kind {
        DirFd | NewDirFd => flags::dirfd(value),
        Path | NewPath | Target | Name | Argv => match event.string(kind) {
            Some(id) if kind == Argv => tables
                .string(id)
                .split(|byte| *byte == 0)
                .map(quoted)
                .collect::<Vec<_>>()
                .join(" "),
            Some(id) => quoted(tables.string(id)),
            None => "NULL".into(),
        },
        Fd | NewFd | FdIn | FdOut | OutFd0 | OutFd1 | Pid => (value as i32).to_string(),
        Mode | Dev => format!("{value:#o}"),
        Flags | Prot | Mask | Address | Command => format!("{value:#x}"),
        _ if value == NONE => "NULL".into(),
        Offset | OffsetIn | OffsetOut | LockStart | LockLength | Argument | Uid | Gid | Atime
        | Mtime => (value as i64).to_string(),
        Length | Count | Whence => value.to_string(),
    }
}

fn time(nanoseconds: u64) -> String {
    format!(
        "{}.{:09}",
        nanoseconds / 1_000_000_000,
        nanoseconds % 1_000_000_000
    )
}

/// Bytes in double quotes, what doesn't print as escapes.
pub fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}

#[cfg(test)]
mod tests {
    use fsreplay_trace::call::{Call, MAX_ARGS};
    use fsreplay_trace::model::TaskId;

    use super::*;

    #[test]
    fn every_call_is_written_with_all_its_arguments() {
        let mut tables = Tables::new();
        let text = tables.add_string(b"some text");
        for architecture in ["x86_64", "aarch64"] {
            for call in Call::all() {
                let event = Event {
                    task: TaskId(3),
                    call,
                    entry: 1,
                    duration: 2,
                    overlapped: 0,
                    result: 0,
                    spent: Default::default(),
                    args: [u64::from(text.0); MAX_ARGS],
                };
                let mut line = Vec::new();
                let open = OpenFlags::of(architecture);
                let record = Record::Event(event);
                write(&mut line, &record, &tables, open).expect("memory takes it");
                let line = String::from_utf8(line).expect("text");
                let (_, rest) = line.split_once(&format!(" {call}(")).expect("the call");
                let (args, _) = rest.split_once(") = 0").expect("a result");
                let count = args.split(", ").filter(|arg| !arg.is_empty()).count();
                assert_eq!(count, call.row().args.len(), "{line}");
            }
        }
    }
}

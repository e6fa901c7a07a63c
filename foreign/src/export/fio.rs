//! A log that fio replays (its iolog, version 3): reads, writes and syncs of files.
//!
//! Files have names of their own, without directories: fio works in the directory that it is
//! started in, and never on what was recorded.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Write};

use fsreplay_inspector::{Held, Inspector, OpenFile};
use fsreplay_trace::call::{ArgKind, Call, Effect, NONE, Op, Work};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{Event, Header, Record, TaskId};

use super::{LeftOut, Writer};

/// Bytes of a path that a file's name tells at most; fio takes 256 in all.
const LONGEST: usize = 120;

/// A file that fio knows.
struct File {
    name: String,
    /// By which opens of the tool it is open now; of fio's own there is one.
    held: Vec<Held>,
}

/// Writes a log.
pub struct Log {
    world: Inspector,
    files: HashMap<u32, File>,
    /// Those that are open.
    open: BTreeSet<u32>,
    left_out: BTreeMap<&'static str, u64>,
}

/// Bytes that a call moved, or made durable.
struct Transfer {
    task: TaskId,
    /// Microseconds since the start.
    time: u64,
    action: &'static str,
    fd: i32,
    offset: Option<u64>,
    length: u64,
}

impl Log {
    /// Of a trace with that header.
    pub fn new(header: &Header) -> Log {
        Log {
            world: Inspector::new(header),
            files: HashMap::new(),
            open: BTreeSet::new(),
            left_out: BTreeMap::new(),
        }
    }

    fn leave_out(&mut self, what: &'static str) {
        *self.left_out.entry(what).or_default() += 1;
    }

    fn event(&mut self, out: &mut dyn Write, event: &Event, tables: &Tables) -> io::Result<()> {
        let time = event.entry / 1000;
        let transfers = self.transfers(event);
        for transfer in transfers.into_iter().flatten() {
            self.transfer(out, &transfer, tables)?;
        }
        let op = event.call.row().op;
        // Others stay open: looking through all at each close takes long where many are open.
        let closing = match op {
            Op::Close => event.fd(ArgKind::Fd),
            Op::DupTo => i32::try_from(event.result).ok(),
            _ => None,
        };
        let closing = closing
            .and_then(|fd| self.world.open_file(event.task, fd, tables))
            .map(|file| file.number);
        self.world.record(&Record::Event(*event), tables);
        match op {
            Op::Open if event.errno().is_none() => {
                let file = self
                    .world
                    .open_file(event.task, event.result as i32, tables);
                match file.filter(is_stored) {
                    Some(file) => self.opened(out, time, &file)?,
                    None => self.leave_out("opens of directories, pipes and devices"),
                }
            }
            Op::Close | Op::DupTo => match closing {
                Some(Some(number)) => self.closed(out, time, number)?,
                // A pipe, a socket or a device, or nothing at all.
                Some(None) => {}
                None if event.errno() == Some(libc::EBADF) => {}
                // What overlapped it may have told of that descriptor first.
                None => self.sweep(out, time)?,
            },
            Op::CloseRange | Op::Exec => self.sweep(out, time)?,
            _ => {}
        }
        Ok(())
    }

    /// What a call does that fio can do; anything else is counted.
    fn transfers(&mut self, event: &Event) -> [Option<Transfer>; 2] {
        let op = event.call.row().op;
        if let Some(what) = unlike(event) {
            self.leave_out(what);
            return [None, None];
        }
        let part = |action, fd, offset| {
            let given = event.arg(offset).filter(|at| *at != NONE);
            Some(Transfer {
                task: event.task,
                time: event.entry / 1000,
                action,
                fd: event.fd(fd).unwrap_or(-1),
                offset: given,
                length: event.result.max(0) as u64,
            })
        };
        match op {
            Op::Read | Op::PositionedRead => [part("read", ArgKind::Fd, ArgKind::Offset), None],
            Op::Write | Op::PositionedWrite => [part("write", ArgKind::Fd, ArgKind::Offset), None],
            Op::CopyRange | Op::SendFile | Op::Splice => [
                part("read", ArgKind::FdIn, ArgKind::OffsetIn),
                part("write", ArgKind::FdOut, ArgKind::OffsetOut),
            ],
            Op::FdSync if event.call == Call::fsync => {
                [part("sync", ArgKind::Fd, ArgKind::Offset), None]
            }
            Op::FdSync => [part("datasync", ArgKind::Fd, ArgKind::Offset), None],
            _ => [None, None],
        }
    }

    fn transfer(
        &mut self,
        out: &mut dyn Write,
        transfer: &Transfer,
        tables: &Tables,
    ) -> io::Result<()> {
        let file = self.world.open_file(transfer.task, transfer.fd, tables);
        let Some(file) = file.filter(is_stored) else {
            self.leave_out("reads and writes of pipes, sockets and devices");
            return Ok(());
        };
        // One that was open when the recording began.
        self.opened(out, transfer.time, &file)?;
        let Some(known) = file.number.and_then(|number| self.files.get(&number)) else {
            return Ok(());
        };
        let offset = match transfer.action {
            "write" if file.appends => file.size,
            "read" | "write" => transfer.offset.unwrap_or(file.position),
            _ => 0,
        };
        let (time, name, action) = (transfer.time, &known.name, transfer.action);
        writeln!(out, "{time} {name} {action} {offset} {}", transfer.length)
    }

    /// A file is open; fio opens it unless it has it open already.
    fn opened(&mut self, out: &mut dyn Write, time: u64, file: &OpenFile) -> io::Result<()> {
        let Some(number) = file.number else {
            return Ok(());
        };
        let count = self.files.len();
        let mut added = false;
        let known = self.files.entry(number).or_insert_with(|| {
            added = true;
            File {
                name: name(count, file.path.as_deref().unwrap_or_default()),
                held: Vec::new(),
            }
        });
        if added {
            writeln!(out, "{time} {} add", known.name)?;
        }
        if known.held.is_empty() {
            writeln!(out, "{time} {} open", known.name)?;
            self.open.insert(number);
        }
        if !known.held.iter().any(|held| held.is(&file.held)) {
            known.held.push(file.held.clone());
        }
        Ok(())
    }

    /// Closes a file, if no descriptor leads to it any more.
    fn closed(&mut self, out: &mut dyn Write, time: u64, number: u32) -> io::Result<()> {
        let Some(file) = self.files.get_mut(&number) else {
            return Ok(());
        };
        let was_open = !file.held.is_empty();
        file.held.retain(Held::is_open);
        if was_open && file.held.is_empty() {
            writeln!(out, "{time} {} close", file.name)?;
            self.open.remove(&number);
        }
        Ok(())
    }

    /// Closes all that no descriptor leads to any more.
    fn sweep(&mut self, out: &mut dyn Write, time: u64) -> io::Result<()> {
        let open: Vec<u32> = self.open.iter().copied().collect();
        (open.into_iter()).try_for_each(|number| self.closed(out, time, number))
    }
}

impl Writer for Log {
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "fio version 3 iolog")
    }

    fn record(&mut self, out: &mut dyn Write, record: &Record, tables: &Tables) -> io::Result<()> {
        match record {
            Record::Event(event) => self.event(out, event, tables),
            Record::TaskExit(exit) => {
                self.world.record(record, tables);
                self.sweep(out, exit.time / 1000)
            }
            Record::TaskStart(_)
            | Record::PathState(_)
            | Record::Listing(_)
            | Record::Xattrs(_)
            | Record::FdState(_) => {
                self.world.record(record, tables);
                Ok(())
            }
        }
    }

    fn left_out(&self) -> Vec<LeftOut> {
        let all = self.left_out.iter();
        let one = |(what, count): (&&str, &u64)| LeftOut {
            what: (*what).to_owned(),
            count: *count,
        };
        all.map(one).collect()
    }
}

/// Whether it is a file that lies somewhere, and not one that the kernel makes up.
fn is_stored(file: &OpenFile) -> bool {
    file.number.is_some() && !file.is_directory && !file.is_pseudo
}

/// Why fio can't do what a call does; `None` if it can, and if the call is no access to a file.
fn unlike(event: &Event) -> Option<&'static str> {
    let moved = event.result > 0;
    match event.call.row().op {
        Op::Read
        | Op::PositionedRead
        | Op::Write
        | Op::PositionedWrite
        | Op::CopyRange
        | Op::SendFile
        | Op::Splice
        | Op::FdSync
        | Op::Open
            if event.errno().is_some() || event.result == Event::NO_RETURN =>
        {
            Some("calls that failed")
        }
        Op::Read | Op::PositionedRead if !moved => Some("reads at the end of a file"),
        Op::Write | Op::PositionedWrite | Op::CopyRange | Op::SendFile | Op::Splice if !moved => {
            Some("transfers of nothing")
        }
        Op::FdSync if event.call == Call::syncfs => Some("syncs of whole file systems"),
        Op::Sync | Op::SyncRange | Op::MapSync => Some("syncs of whole file systems"),
        Op::Map => Some("maps of files"),
        Op::ListDirectory => Some("listings of directories"),
        Op::Truncate | Op::FdTruncate | Op::Allocate => Some("changes of sizes and attributes"),
        op => match (op.work(), op.effect()) {
            (Work::Lookup, Effect::Nothing) => Some("looks at files (stat and the like)"),
            (Work::Change, Effect::Names) => Some("changes of names"),
            (Work::Change, _) => Some("changes of sizes and attributes"),
            _ => None,
        },
    }
}

/// A name of letters that are no part of fio's own language.
fn name(number: usize, path: &[u8]) -> String {
    let from = path.len().saturating_sub(LONGEST);
    let tail: String = path[from..]
        .iter()
        .skip_while(|byte| **byte == b'/')
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'+' | b'-' => char::from(*byte),
            _ => '_',
        })
        .collect();
    format!("{number:04}-{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_word_without_directories() {
        assert_eq!(name(7, b"/a b/c:d\n.txt"), "0007-a_b_c_d_.txt");
        assert!(name(1, &[b'x'; 5000]).len() <= 200);
    }
}

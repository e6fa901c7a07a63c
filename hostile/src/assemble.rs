//! From a script to the bytes of a trace file.

use fsreplay_trace::call::{MAX_ARGS, NONE};
use fsreplay_trace::format::{TraceError, TraceWriter, WriterOptions};
use fsreplay_trace::model::{
    Event, FdState, FileKind, Footer, Header, Listing, Metadata, Mount, NodeId, PathState, Record,
    Spent, TaskExit, TaskId, TaskStart, Xattrs,
};

use crate::script::{Arg, Calls, Head, Inherited, Line, Names, OUTSIDE, Script, State, usual};

/// The bytes of the trace that a script describes. `outside` is the absolute path of the canaries.
///
/// # Errors
/// Where the writer itself fails: it takes whatever it is given.
pub fn assemble(script: &Script, outside: &[u8]) -> Result<Vec<u8>, TraceError> {
    let options = WriterOptions {
        level: 1,
        ..WriterOptions::default()
    };
    let writer = TraceWriter::new(Vec::new(), &header(&script.head, outside), options)?;
    let mut assembler = Assembler {
        writer,
        outside,
        now: 1000,
        events: 0,
        tasks: 0,
    };
    for line in &script.lines {
        assembler.line(line)?;
    }
    let footer = Footer {
        status: Some(0),
        elapsed: assembler.now,
        events: assembler.events,
        tasks: assembler.tasks,
        ..Footer::default()
    };
    assembler.writer.finish(&footer)
}

fn header(head: &Head, outside: &[u8]) -> Header {
    let mount = |point: &str, kind: &str| Mount {
        mount_point: point.as_bytes().to_vec(),
        fs_type: kind.into(),
        ..Mount::default()
    };
    Header {
        command: vec![filled(&head.command, outside)],
        cwd: filled(&head.cwd, outside),
        uid: head.uid,
        architecture: std::env::consts::ARCH.into(),
        kernel: "6".into(),
        cpus: 2,
        page_size: 4096,
        backend: "ptrace".into(),
        mounts: vec![
            mount("/", "ext4"),
            mount("/proc", "proc"),
            mount("/dev", "devtmpfs"),
            mount("/dev/shm", "tmpfs"),
        ],
        ..Header::default()
    }
}

/// A text with the path of the canaries in it.
fn filled(text: &[u8], outside: &[u8]) -> Vec<u8> {
    let mut rest = text;
    let mut whole = Vec::with_capacity(text.len());
    while let Some(at) = rest.windows(OUTSIDE.len()).position(|part| part == OUTSIDE) {
        whole.extend_from_slice(&rest[..at]);
        whole.extend_from_slice(outside);
        rest = &rest[at + OUTSIDE.len()..];
    }
    whole.extend_from_slice(rest);
    whole
}

struct Assembler<'a> {
    writer: TraceWriter<Vec<u8>>,
    outside: &'a [u8],
    now: u64,
    events: u64,
    tasks: u64,
}

impl Assembler<'_> {
    fn line(&mut self, line: &Line) -> Result<(), TraceError> {
        let record = match line {
            Line::Flush => return self.writer.flush(),
            Line::Wait(nanoseconds) => {
                self.now = self.now.saturating_add(*nanoseconds);
                return Ok(());
            }
            Line::Call(calls) => return self.calls(calls),
            Line::Task {
                task,
                parent,
                flags,
            } => {
                self.tasks += 1;
                Record::TaskStart(TaskStart {
                    task: TaskId(*task),
                    parent: parent.map(TaskId),
                    time: self.now,
                    flags: *flags,
                    tid: task.wrapping_add(1000),
                    think: 0,
                })
            }
            Line::Exit { task } => Record::TaskExit(TaskExit {
                task: TaskId(*task),
                time: self.now,
                status: 0,
                cpu: 0,
                think: 0,
            }),
            Line::State(state) => self.state(state),
            Line::Xattrs { path, entries } => Record::Xattrs(Xattrs {
                node: self.node(path),
                entries: entries
                    .iter()
                    .map(|(name, size)| (self.writer.string(name), *size))
                    .collect(),
            }),
            Line::List { path, entries } => self.listing(path, entries),
            Line::Fd(inherited) => self.inherited(inherited),
        };
        self.writer.push(&record)
    }

    fn node(&mut self, path: &Names) -> NodeId {
        path.iter().fold(NodeId::ROOT, |parent, name| {
            self.writer.node(parent, &filled(name, self.outside))
        })
    }

    fn string(&mut self, text: &[u8]) -> u64 {
        u64::from(self.writer.string(&filled(text, self.outside)).0)
    }

    fn state(&mut self, state: &State) -> Record {
        let target = state
            .target
            .as_ref()
            .map(|text| self.writer.string(&filled(text, self.outside)));
        let metadata = Metadata {
            size: state.size,
            mode: state.mode,
            uid: state.uid,
            gid: state.gid,
            mtime: state.mtime,
            link_group: state.group,
            target,
            mount: 0,
            allocated: None,
        };
        Record::PathState(PathState {
            node: self.node(&state.path),
            kind: state.kind,
            metadata: (state.kind != FileKind::Absent).then_some(metadata),
        })
    }

    fn listing(&mut self, path: &Names, entries: &[(Vec<u8>, FileKind)]) -> Record {
        let directory = self.node(path);
        let mut entries: Vec<_> = entries
            .iter()
            .map(|(name, kind)| (self.writer.node(directory, name), *kind))
            .collect();
        entries.sort_by_key(|(node, _)| *node);
        Record::Listing(Listing { directory, entries })
    }

    fn inherited(&mut self, inherited: &Inherited) -> Record {
        Record::FdState(FdState {
            task: TaskId(inherited.task),
            fd: inherited.fd,
            target: self.writer.string(&filled(&inherited.target, self.outside)),
            kind: inherited.kind,
            flags: inherited.flags,
            offset: inherited.offset,
        })
    }

    fn calls(&mut self, calls: &Calls) -> Result<(), TraceError> {
        let row = calls.call.row();
        let mut args = [0; MAX_ARGS];
        for (value, (kind, _)) in args.iter_mut().zip(row.args) {
            *value = usual(*kind);
        }
        for (kind, arg) in &calls.args {
            let value = match arg {
                Arg::Number(number) => *number,
                Arg::Text(text) => self.string(text),
                Arg::Null => NONE,
            };
            if let Some(position) = row.position(*kind) {
                args[position] = value;
            }
        }
        let times = calls.times;
        for _ in 0..calls.count {
            let gap = 100u64
                .saturating_add(times.think)
                .saturating_add(times.blocked);
            let entry = self.now.saturating_add(gap).saturating_sub(times.back);
            self.writer.push(&Record::Event(Event {
                task: TaskId(calls.task),
                call: calls.call,
                entry,
                duration: times.duration,
                overlapped: times.overlapped,
                result: calls.result,
                spent: Spent {
                    think: times.think,
                    cpu: times.cpu,
                    blocked: times.blocked,
                    asleep: times.duration.saturating_sub(times.cpu),
                },
                args,
            }))?;
            self.events += 1;
            self.now = entry.saturating_add(times.duration);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canaries_path_is_filled_in_wherever_it_stands() {
        let text = b"../{outside}/x{outside}";
        assert_eq!(filled(text, b"/c"), b"..//c/x/c");
        assert_eq!(filled(b"{outside", b"/c"), b"{outside");
    }
}

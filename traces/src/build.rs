//! A trace from what somebody else has recorded: an importer's way, and that of tests.
//!
//! docs/plan-needs.md says what a plan needs of it at least.

use std::collections::HashSet;
use std::io::Write;

use thiserror::Error;

use crate::call::{ArgKind, Call, MAX_ARGS, NONE};
use crate::format::{TraceError, TraceWriter, WriterOptions};
use crate::model::{
    Event, FdState, FileKind, Footer, Header, Listing, Metadata, NodeId, PathState, Record, Spent,
    TaskExit, TaskId, TaskStart,
};
use crate::returned::Returned;

/// `AT_FDCWD`, as arguments hold it.
const AT_FDCWD: u64 = crate::abi::AT_FDCWD as i64 as u64;

/// Why a trace can't be built so.
#[derive(Debug, Error)]
pub enum BuildError {
    /// It can't be written.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The call keeps no such argument, or it is a text where a number is meant, or the reverse.
    #[error("{call} keeps no {kind:?} of that kind")]
    Argument {
        /// Which call.
        call: Call,
        /// Which argument.
        kind: ArgKind,
    },
    /// Events are given in the order in which they returned, and none returns before it is entered.
    #[error("{call} returns at {exit} ns, before what came before it ({after} ns)")]
    Order {
        /// Which call.
        call: Call,
        /// When it returns.
        exit: u64,
        /// When it was entered, or the event before it returned.
        after: u64,
    },
    /// The task has not begun, or it has ended.
    #[error("task {} is not alive", task.0)]
    Task {
        /// Which.
        task: TaskId,
    },
    /// A path that is not absolute and canonical.
    #[error("{} is no absolute path without '.' and '..'", path.escape_ascii())]
    Path {
        /// The path.
        path: Vec<u8>,
    },
}

/// An argument of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number; descriptors and `AT_FDCWD` with their sign.
    Number(i64),
    /// A path or another text, verbatim.
    Text(&'a [u8]),
}

/// A call that has returned.
#[derive(Clone, Copy, Debug)]
pub struct NewCall<'a> {
    /// Who made it.
    pub task: TaskId,
    /// Which.
    pub call: Call,
    /// Its arguments. Those left out are `AT_FDCWD` for directories, none for texts and for
    /// offsets behind pointers, and 0.
    pub args: &'a [(ArgKind, Value<'a>)],
    /// When it was entered, nanoseconds since the start of the recording.
    pub entry: u64,
    /// When it returned.
    pub exit: u64,
    /// A value, `-errno`, or [`Event::NO_RETURN`].
    pub result: i64,
    /// Where the task's time went, if the header says that it is told.
    pub spent: Spent,
}

/// What was at a path before the first call that touches it.
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    /// Its type.
    pub kind: FileKind,
    /// Size, mode and the like; `target` and `mount` are filled in.
    pub metadata: Metadata,
    /// The text of a symbolic link.
    pub target: Option<&'a [u8]>,
}

impl<'a> State<'a> {
    /// A file of so many bytes.
    pub fn file(size: u64) -> State<'a> {
        State::of(FileKind::File, size, 0o644)
    }

    /// A directory.
    pub fn directory() -> State<'a> {
        State::of(FileKind::Directory, 0, 0o755)
    }

    /// A symbolic link.
    pub fn link(target: &'a [u8]) -> State<'a> {
        State {
            target: Some(target),
            ..State::of(FileKind::Symlink, target.len() as u64, 0o777)
        }
    }

    /// Nothing.
    pub fn absent() -> State<'a> {
        State::of(FileKind::Absent, 0, 0)
    }

    fn of(kind: FileKind, size: u64, mode: u32) -> State<'a> {
        State {
            kind,
            metadata: Metadata {
                size,
                mode,
                ..Metadata::default()
            },
            target: None,
        }
    }
}

/// Builds a trace, record by record.
pub struct TraceBuilder<W: Write + Send + 'static> {
    writer: TraceWriter<W>,
    returned: Returned,
    /// Mount points, longest first, with their index in the header.
    mounts: Vec<(Vec<u8>, u32)>,
    alive: HashSet<TaskId>,
    tasks: u32,
    last: u64,
    footer: Footer,
}

impl<W: Write + Send + 'static> TraceBuilder<W> {
    /// Begins a trace.
    ///
    /// # Errors
    /// As the others: where the output takes nothing.
    pub fn new(out: W, header: &Header) -> Result<TraceBuilder<W>, BuildError> {
        let points = header.mounts.iter().map(|mount| mount.mount_point.clone());
        let mut mounts: Vec<_> = points.zip(0..).collect();
        // Of two at one point the later one hides the other.
        mounts.sort_by_key(|(point, index)| {
            (std::cmp::Reverse(point.len()), std::cmp::Reverse(*index))
        });
        Ok(TraceBuilder {
            writer: TraceWriter::new(out, header, WriterOptions::default())?,
            returned: Returned::default(),
            mounts,
            alive: HashSet::new(),
            tasks: 0,
            last: 0,
            footer: Footer::default(),
        })
    }

    /// A task that begins: `parent` is `None` for the command's first, `flags` are those of
    /// clone(2) without a signal, 0 for a fork.
    ///
    /// # Errors
    /// If its parent is not alive.
    pub fn task(
        &mut self,
        parent: Option<TaskId>,
        flags: u64,
        tid: u32,
        time: u64,
    ) -> Result<TaskId, BuildError> {
        if let Some(parent) = parent {
            self.check_alive(parent)?;
        }
        let task = TaskId(self.tasks);
        self.tasks += 1;
        self.alive.insert(task);
        self.push(
            Record::TaskStart(TaskStart {
                task,
                parent,
                time,
                flags,
                tid,
                think: 0,
            }),
            time,
        )?;
        Ok(task)
    }

    /// A task's end, with its status as wait(2) encodes it.
    ///
    /// # Errors
    /// If it is not alive.
    pub fn end(&mut self, task: TaskId, time: u64, status: i32) -> Result<(), BuildError> {
        self.check_alive(task)?;
        self.alive.remove(&task);
        let exit = TaskExit {
            task,
            time,
            status,
            cpu: 0,
            think: 0,
        };
        self.push(Record::TaskExit(exit), time)
    }

    /// What was at a path before the first call that touches it is given before that call.
    ///
    /// # Errors
    /// If the path is not absolute and canonical.
    pub fn state(&mut self, path: &[u8], state: &State<'_>) -> Result<(), BuildError> {
        let node = self.node(path)?;
        let target = state.target.map(|text| self.writer.string(text));
        let is_there = !matches!(state.kind, FileKind::Absent | FileKind::Unknown);
        let metadata = is_there.then(|| Metadata {
            target,
            mount: self.mount_of(path),
            ..state.metadata
        });
        self.push(
            Record::PathState(PathState {
                node,
                kind: state.kind,
                metadata,
            }),
            0,
        )
    }

    /// All names in a directory, before the first call that lists it.
    ///
    /// # Errors
    /// If the path is not absolute and canonical.
    pub fn listing(
        &mut self,
        directory: &[u8],
        entries: &[(&[u8], FileKind)],
    ) -> Result<(), BuildError> {
        let directory = self.node(directory)?;
        let mut entries: Vec<_> = entries
            .iter()
            .map(|(name, kind)| (self.writer.node(directory, name), *kind))
            .collect();
        entries.sort_unstable_by_key(|(node, _)| *node);
        self.push(Record::Listing(Listing { directory, entries }), 0)
    }

    /// A descriptor that a task has without a call: from its start, or received. `target` is as
    /// /proc/PID/fd has it, `flags` are `O_*`.
    ///
    /// # Errors
    /// If the task is not alive.
    pub fn descriptor(
        &mut self,
        task: TaskId,
        fd: i32,
        target: &[u8],
        kind: FileKind,
        flags: u32,
    ) -> Result<(), BuildError> {
        self.check_alive(task)?;
        let target = self.writer.string(target);
        let state = FdState {
            task,
            fd,
            target,
            kind,
            flags,
            offset: 0,
        };
        self.push(Record::FdState(state), 0)
    }

    /// A call that has returned. Calls are given in the order in which they returned, over all
    /// tasks.
    ///
    /// # Errors
    /// If they are not, if the call has no such arguments, or if the task is not alive.
    pub fn call(&mut self, new: &NewCall<'_>) -> Result<(), BuildError> {
        self.check_alive(new.task)?;
        let after = new.entry.max(self.returned.latest());
        if new.exit < after {
            return Err(BuildError::Order {
                call: new.call,
                exit: new.exit,
                after,
            });
        }
        let args = self.arguments(new)?;
        let before = self.returned.before(new.entry);
        let overlapped = self.returned.events() - before;
        self.returned.push(new.exit);
        let event = Event {
            task: new.task,
            call: new.call,
            entry: new.entry,
            duration: new.exit - new.entry,
            overlapped: u32::try_from(overlapped).unwrap_or(u32::MAX),
            result: new.result,
            spent: new.spent,
            args,
        };
        self.push(Record::Event(event), new.exit)
    }

    fn arguments(&mut self, new: &NewCall<'_>) -> Result<[u64; MAX_ARGS], BuildError> {
        let row = new.call.row();
        let mut args = [0; MAX_ARGS];
        for (value, (kind, _)) in args.iter_mut().zip(row.args) {
            *value = left_out(*kind);
        }
        for (kind, value) in new.args {
            let wrong = BuildError::Argument {
                call: new.call,
                kind: *kind,
            };
            let Some(position) = row.position(*kind) else {
                return Err(wrong);
            };
            args[position] = match (value, kind.is_text()) {
                (Value::Number(number), false) => *number as u64,
                (Value::Text(text), true) => u64::from(self.writer.string(text).0),
                _ => return Err(wrong),
            };
        }
        Ok(args)
    }

    /// A call that was seen `count` times, of which nothing more is known.
    pub fn unrecorded(&mut self, name: &str, count: u64) {
        *self.footer.unrecorded.entry(name.to_owned()).or_default() += count;
    }

    /// What a reader should know of gaps.
    pub fn warning(&mut self, text: &str) {
        self.footer.warnings.push(text.to_owned());
    }

    /// Ends the trace; `status` is the command's, as wait(2) encodes it. Gives the output back.
    ///
    /// # Errors
    /// Where the output takes no more.
    pub fn finish(mut self, status: Option<i32>) -> Result<W, BuildError> {
        self.footer.status = status;
        self.footer.elapsed = self.last;
        self.footer.events = self.returned.events();
        self.footer.tasks = u64::from(self.tasks);
        Ok(self.writer.finish(&self.footer)?)
    }

    fn push(&mut self, record: Record, time: u64) -> Result<(), BuildError> {
        self.last = self.last.max(time);
        Ok(self.writer.push(&record)?)
    }

    fn check_alive(&self, task: TaskId) -> Result<(), BuildError> {
        if self.alive.contains(&task) {
            Ok(())
        } else {
            Err(BuildError::Task { task })
        }
    }

    fn node(&mut self, path: &[u8]) -> Result<NodeId, BuildError> {
        let mut parts = path.split(|byte| *byte == b'/');
        let is_absolute = parts.next() == Some(b"");
        let names: Vec<&[u8]> = parts.filter(|name| !name.is_empty()).collect();
        let is_canonical = names.iter().all(|name| !matches!(*name, b"." | b".."));
        if !is_absolute || !is_canonical {
            return Err(BuildError::Path {
                path: path.to_owned(),
            });
        }
        let below = |at, name| self.writer.node(at, name);
        Ok(names.into_iter().fold(NodeId::ROOT, below))
    }

    /// The mount that a path lies on, by its index in the header.
    fn mount_of(&self, path: &[u8]) -> u32 {
        let is_on = |point: &[u8]| {
            let rest = path.strip_prefix(point);
            rest.is_some_and(|rest| point == b"/" || rest.is_empty() || rest[0] == b'/')
        };
        let found = self.mounts.iter().find(|(point, _)| is_on(point));
        found.map_or(0, |(_, index)| *index)
    }
}

/// What an argument is that isn't given.
fn left_out(kind: ArgKind) -> u64 {
    match kind {
        ArgKind::DirFd | ArgKind::NewDirFd => AT_FDCWD,
        ArgKind::OffsetIn | ArgKind::OffsetOut | ArgKind::OutFd0 | ArgKind::OutFd1 => NONE,
        kind if kind.is_text() => NONE,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;

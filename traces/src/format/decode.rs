//! Columns into records; nothing read is trusted.

use super::block::{Context, Exit, MAX_ENTRIES, MAX_TASKS};
use super::columns::{Cursor, Stream, call_stream, unzigzag};
use super::encode::{FD_STATE, LISTING, NO_RETURN, SPARSE, STATE, TASK_EXIT, TASK_START, XATTRS};
use super::error::TraceError;
use super::limits::Limits;
use super::quantize;
use super::recent::{RECENT, Recent};
use super::tables::Tables;
use crate::call::{ArgKind, MAX_ARGS, NONE, ResultKind, TABLE};
use crate::model::{
    Event, FdState, FileKind, Listing, Metadata, NodeId, PathState, Record, Spent, StringId,
    TaskExit, TaskId, TaskStart, Xattrs,
};

const BAD_ID: TraceError = TraceError::Corrupt("a string, node or task that doesn't exist");
const BAD_NUMBER: TraceError = TraceError::Corrupt("a number out of its range");

/// The streams of a block while it is read.
pub struct BlockReader<'a> {
    /// The streams, by this version's numbers.
    pub streams: Vec<Cursor<'a>>,
    /// Call of each number that the file uses.
    pub calls: &'a [(usize, usize)],
    /// Strings and nodes, this block's included.
    pub tables: &'a Tables,
    /// Whether the file tells where time was spent.
    pub times: bool,
    /// Whether it tells how long tasks slept in events.
    pub sleeps: bool,
    /// Whether its codes of processor time are less those of gap and duration.
    pub relative: bool,
    /// Entries of listings and attributes of the block so far.
    pub entries: u64,
}

/// Adds the new nodes and strings of a block to the tables.
pub fn tables(
    streams: &mut [Cursor<'_>],
    tables: &mut Tables,
    limits: &Limits,
) -> Result<(), TraceError> {
    let mut last_parent = 0i64;
    let mut recent = Recent::default();
    let mut last = Vec::new();
    while !streams[Stream::NodeParent as usize].is_empty() {
        last_parent =
            last_parent.wrapping_add(unzigzag(streams[Stream::NodeParent as usize].get()?));
        let parent = u32::try_from(last_parent).map_err(|_| BAD_ID)?;
        if parent as usize >= tables.node_count() {
            return Err(BAD_ID);
        }
        shared_start(
            &mut streams[Stream::NodePrefix as usize],
            &recent,
            &mut last,
        )?;
        let length = streams[Stream::NodeLength as usize].get()?;
        last.extend_from_slice(streams[Stream::NodeBytes as usize].take(length)?);
        limits.check_string(last.len() as u64)?;
        recent.push(&last);
        tables.add_node(NodeId(parent), &last);
        check_texts(tables, limits)?;
    }
    recent.clear();
    let mut last_node = 0i64;
    while !streams[Stream::StringPrefix as usize].is_empty() {
        shared_start(
            &mut streams[Stream::StringPrefix as usize],
            &recent,
            &mut last,
        )?;
        let length = streams[Stream::StringLength as usize].get()?;
        last.extend_from_slice(streams[Stream::StringBytes as usize].take(length)?);
        let node = streams[Stream::StringNode as usize].get()?;
        if node > 0 {
            last_node = last_node.wrapping_add(unzigzag(node - 1));
            let node = u32::try_from(last_node).map_err(|_| BAD_ID)?;
            if node as usize >= tables.node_count() {
                return Err(BAD_ID);
            }
            last.extend_from_slice(tables.name(NodeId(node)));
            last_node += 1;
        }
        limits.check_string(last.len() as u64)?;
        recent.push(&last);
        tables.add_string(&last);
        check_texts(tables, limits)?;
    }
    Ok(())
}

/// Puts what a text shares with a recent one into `text`.
fn shared_start(
    column: &mut Cursor<'_>,
    recent: &Recent,
    text: &mut Vec<u8>,
) -> Result<(), TraceError> {
    let code = column.get()?;
    let from = recent.get((code % RECENT as u64) as usize);
    let shared = usize::try_from(code / RECENT as u64)
        .ok()
        .and_then(|count| from.get(..count))
        .ok_or(TraceError::Corrupt("a string shares more than there is"))?;
    text.clear();
    text.extend_from_slice(shared);
    Ok(())
}

fn check_texts(tables: &Tables, limits: &Limits) -> Result<(), TraceError> {
    let (path, paths) = tables.path_bytes();
    limits.check_texts(tables.text_bytes(), path, paths)
}

/// Keeps when the last event of a task ended.
fn ended(context: &mut Context, task: u32, exit: u64) -> Result<(), TraceError> {
    context.exits.insert(task, Exit::exact(exit));
    if context.exits.len() > MAX_TASKS {
        return Err(TraceError::Corrupt("more tasks at once than a kernel has"));
    }
    Ok(())
}

impl BlockReader<'_> {
    fn get(&mut self, stream: Stream) -> Result<u64, TraceError> {
        self.streams[stream as usize].get()
    }

    fn get_u32(&mut self, stream: Stream) -> Result<u32, TraceError> {
        u32::try_from(self.get(stream)?).map_err(|_| BAD_NUMBER)
    }

    fn kind(&mut self, code: u8) -> Result<FileKind, TraceError> {
        use FileKind::*;
        const KINDS: [FileKind; 9] = [
            Absent,
            File,
            Directory,
            Symlink,
            Fifo,
            Socket,
            CharDevice,
            BlockDevice,
            Unknown,
        ];
        KINDS
            .get(code as usize)
            .copied()
            .ok_or(TraceError::Corrupt("an unknown type of file"))
    }

    fn node(&self, id: i64) -> Result<NodeId, TraceError> {
        match u32::try_from(id) {
            Ok(id) if (id as usize) < self.tables.node_count() => Ok(NodeId(id)),
            _ => Err(BAD_ID),
        }
    }

    fn string_id(&self, id: u64) -> Result<StringId, TraceError> {
        match u32::try_from(id) {
            Ok(id) if (id as usize) < self.tables.string_count() => Ok(StringId(id)),
            _ => Err(BAD_ID),
        }
    }

    /// The next record.
    pub fn record(&mut self, context: &mut Context) -> Result<Record, TraceError> {
        let op = self.streams[Stream::Ops as usize].byte()?;
        match op {
            STATE => self.path_state(context),
            LISTING => self.listing(context),
            XATTRS => self.xattrs(),
            TASK_START => self.task_start(context),
            TASK_EXIT => self.task_exit(context),
            FD_STATE => self.fd_state(),
            call => {
                let (call, kept) = *self
                    .calls
                    .get(call as usize)
                    .ok_or(TraceError::Corrupt("a call without a name"))?;
                self.event(context, call, kept)
            }
        }
    }

    /// An event, of which the file keeps the first `kept` arguments.
    fn event(
        &mut self,
        context: &mut Context,
        call: usize,
        kept: usize,
    ) -> Result<Record, TraceError> {
        let row = &TABLE[call];
        let task = i64::from(context.task).wrapping_add(unzigzag(self.get(Stream::Task)?));
        let task = u32::try_from(task).map_err(|_| BAD_ID)?;
        context.task = task;
        let overlapped = self.get_u32(Stream::Overlapped)?;
        let last = context.exits.get(&task).copied().unwrap_or_default();
        let gap = self.code(Stream::Gap)?;
        let entry = last.told.saturating_add(self.time(gap)?);
        let code = self.code(Stream::Duration)?;
        let duration = self.time(code)?;
        let exit = entry.checked_add(duration).ok_or(BAD_NUMBER)?;
        ended(context, task, exit)?;
        let spent = self.spent(gap, code, duration)?;
        let mut args = [0; MAX_ARGS];
        for (column, (kind, _)) in row.args.iter().enumerate().take(kept) {
            args[column] = self.argument(context, call, column, *kind)?;
        }
        let mut event = Event {
            task: TaskId(task),
            call: row.call,
            entry,
            duration,
            overlapped,
            result: 0,
            spent,
            args,
        };
        self.result(context, call, &mut event)?;
        Ok(Record::Event(event))
    }

    /// Where the time went of an event with these codes of gap and duration.
    fn spent(&mut self, gap: u8, code: u8, duration: u64) -> Result<Spent, TraceError> {
        if !self.times {
            return Ok(Spent::default());
        }
        let think = self.part(Stream::Think, gap)?;
        let cpu = self.part(Stream::Cpu, code)?;
        let blocked = self.part(Stream::Blocked, 0)?;
        let asleep = if self.sleeps {
            self.part(Stream::Asleep, 0)?
        } else {
            duration.saturating_sub(cpu)
        };
        Ok(Spent {
            think,
            cpu,
            blocked,
            asleep,
        })
    }

    fn code(&mut self, stream: Stream) -> Result<u8, TraceError> {
        self.streams[stream as usize].byte()
    }

    /// A time that is mostly a part of the one with the code `whole`.
    fn part(&mut self, stream: Stream, whole: u8) -> Result<u64, TraceError> {
        let code = self.code(stream)?;
        if self.relative {
            self.time(code.wrapping_add(quantize::coarse(whole)))
        } else {
            self.time(code)
        }
    }

    /// The time of a code.
    fn time(&mut self, code: u8) -> Result<u64, TraceError> {
        match code {
            quantize::ESCAPE => {
                Ok((self.get(Stream::Long)? << quantize::LONG_SHIFT) & (u64::MAX >> 2))
            }
            code => Ok(quantize::value(code)),
        }
    }

    fn argument(
        &mut self,
        context: &mut Context,
        call: usize,
        column: usize,
        kind: ArgKind,
    ) -> Result<u64, TraceError> {
        use ArgKind::*;
        let stream = call_stream(call, column);
        match kind {
            Path | NewPath | Target | Name | Argv => self.string(stream, context),
            Offset | OffsetIn | OffsetOut => match self.streams[stream].get()? {
                0 => Ok(context.offsets[call]),
                1 => Ok(NONE),
                _ => self.streams[stream].get(),
            },
            Address => self.address(stream, context),
            _ => Ok(unzigzag(self.streams[stream].get()?) as u64),
        }
    }

    fn string(&mut self, stream: usize, context: &mut Context) -> Result<u64, TraceError> {
        let code = self.streams[stream].get()?;
        if code == 0 {
            return Ok(NONE);
        }
        let distance = unzigzag(code - 1);
        let id = (context.known as i64).wrapping_sub(distance) as u64;
        self.string_id(id)?;
        context.known = context.known.max(id + 1);
        Ok(id)
    }

    fn address(&mut self, stream: usize, context: &mut Context) -> Result<u64, TraceError> {
        let delta = unzigzag(self.streams[stream].get()?);
        context.address = context.address.wrapping_add(delta as u64);
        Ok(context.address)
    }

    fn result(
        &mut self,
        context: &mut Context,
        call: usize,
        event: &mut Event,
    ) -> Result<(), TraceError> {
        let stream = call_stream(call, MAX_ARGS);
        let code = self.streams[stream].get()?;
        let kind = TABLE[call].result;
        let value = match kind {
            ResultKind::Address if code == 0 => self.address(stream, context)? as i64,
            ResultKind::Bytes if code == 0 => event.arg(ArgKind::Length).ok_or(BAD_NUMBER)? as i64,
            ResultKind::Bytes => unzigzag(code.wrapping_sub(1)),
            _ => unzigzag(code),
        };
        event.result = if value == NO_RETURN {
            Event::NO_RETURN
        } else {
            value
        };
        if value > 0 && kind == ResultKind::Bytes {
            for kind in [ArgKind::Offset, ArgKind::OffsetIn] {
                if let Some(offset) = event.arg(kind).filter(|offset| *offset != NONE) {
                    context.offsets[call] = offset.wrapping_add(value as u64);
                }
            }
        }
        Ok(())
    }

    fn path_state(&mut self, context: &mut Context) -> Result<Record, TraceError> {
        let node = (context.state.node as i64).wrapping_add(unzigzag(self.get(Stream::StateNode)?));
        let node = self.node(node)?;
        context.state.node = u64::from(node.0) + 1;
        let code = self.streams[Stream::StateKind as usize].byte()?;
        let is_sparse = code & SPARSE != 0;
        let kind = self.kind((code & !SPARSE) >> 1)?;
        if is_sparse && (code & 1 == 0 || kind != FileKind::File) {
            return Err(TraceError::Corrupt("holes in what is no file"));
        }
        if code & 1 == 0 {
            return Ok(Record::PathState(PathState {
                node,
                kind,
                metadata: None,
            }));
        }
        let size = self.get(Stream::StateSize)?;
        let allocated = if is_sparse {
            Some(self.get(Stream::StateSize)?)
        } else {
            None
        };
        let mode = self.get_u32(Stream::StateMode)?;
        let uid = self.get_u32(Stream::StateOwner)?;
        let gid = self.get_u32(Stream::StateOwner)?;
        let mtime = unzigzag(self.get(Stream::StateTime)?);
        let link_group = self.get(Stream::StateLink)?;
        let mount = self.get_u32(Stream::StateMount)?;
        let last = &mut context.state;
        last.mode ^= mode;
        last.uid ^= uid;
        last.gid ^= gid;
        last.mtime = last.mtime.wrapping_add(mtime);
        last.mount ^= mount;
        let (mode, uid, gid, mtime, mount) =
            (last.mode, last.uid, last.gid, last.mtime, last.mount);
        let target = self.string(Stream::StateTarget as usize, context)?;
        let target = (target != NONE).then_some(StringId(target as u32));
        let metadata = Metadata {
            size,
            mode,
            uid,
            gid,
            mtime,
            link_group,
            target,
            mount,
            allocated,
        };
        Ok(Record::PathState(PathState {
            node,
            kind,
            metadata: Some(metadata),
        }))
    }

    fn count_entries(&mut self, more: u64) -> Result<(), TraceError> {
        self.entries = self.entries.saturating_add(more);
        if self.entries > MAX_ENTRIES {
            return Err(TraceError::Corrupt("a block lists too many names"));
        }
        Ok(())
    }

    fn listing(&mut self, context: &mut Context) -> Result<Record, TraceError> {
        let directory = self.get(Stream::ListNode)?;
        let directory = self.node(directory as i64)?;
        let count = self.get(Stream::ListNode)?;
        self.count_entries(count)?;
        let kinds = self.streams[Stream::ListKind as usize].take(count)?;
        let mut entries = Vec::with_capacity(kinds.len());
        for kind in kinds {
            let node = (context.listed as i64).wrapping_add(unzigzag(self.get(Stream::ListNode)?));
            let node = self.node(node)?;
            context.listed = u64::from(node.0) + 1;
            entries.push((node, self.kind(*kind)?));
        }
        Ok(Record::Listing(Listing { directory, entries }))
    }

    fn xattrs(&mut self) -> Result<Record, TraceError> {
        let node = self.get(Stream::Rare)?;
        let node = self.node(node as i64)?;
        let count = self.get(Stream::Rare)?;
        self.count_entries(count)?;
        let mut entries = Vec::new();
        for _ in 0..count {
            let name = self.get(Stream::Rare)?;
            entries.push((self.string_id(name)?, self.get_u32(Stream::Rare)?));
        }
        Ok(Record::Xattrs(Xattrs { node, entries }))
    }

    fn task_start(&mut self, context: &mut Context) -> Result<Record, TraceError> {
        let task = TaskId(self.get_u32(Stream::Rare)?);
        let parent = self.get_u32(Stream::Rare)?;
        let time = self.get(Stream::Rare)?;
        let start = TaskStart {
            task,
            parent: parent.checked_sub(1).map(TaskId),
            time,
            flags: self.get(Stream::Rare)?,
            tid: self.get_u32(Stream::Rare)?,
            think: if self.times {
                self.get(Stream::Rare)?
            } else {
                0
            },
        };
        ended(context, task.0, time)?;
        Ok(Record::TaskStart(start))
    }

    fn task_exit(&mut self, context: &mut Context) -> Result<Record, TraceError> {
        let exit = TaskExit {
            task: TaskId(self.get_u32(Stream::Rare)?),
            time: self.get(Stream::Rare)?,
            status: i32::try_from(unzigzag(self.get(Stream::Rare)?)).map_err(|_| BAD_NUMBER)?,
            // Version 1 had user and system time here, which no recorder filled in.
            cpu: self.get(Stream::Rare)?,
            think: self.get(Stream::Rare)?,
        };
        context.exits.remove(&exit.task.0);
        Ok(Record::TaskExit(exit))
    }

    fn fd_state(&mut self) -> Result<Record, TraceError> {
        let task = TaskId(self.get_u32(Stream::Rare)?);
        let fd = i32::try_from(unzigzag(self.get(Stream::Rare)?)).map_err(|_| BAD_NUMBER)?;
        let target = self.get(Stream::Rare)?;
        let target = self.string_id(target)?;
        let kind = u8::try_from(self.get(Stream::Rare)?).map_err(|_| BAD_NUMBER)?;
        Ok(Record::FdState(FdState {
            task,
            fd,
            target,
            kind: self.kind(kind)?,
            flags: self.get_u32(Stream::Rare)?,
            offset: self.get(Stream::Rare)?,
        }))
    }
}

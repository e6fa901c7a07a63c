//! Records into columns.

use super::block::{Context, Exit};
use super::columns::{Stream, call_stream, put, zigzag};
use super::quantize;
use crate::call::{ArgKind, MAX_ARGS, NONE, ResultKind};
use crate::model::{Event, Listing, PathState, Record};

/// First number of the records that are no events.
pub const STATE: u8 = 250;
/// A listing.
pub const LISTING: u8 = 251;
/// Extended attributes.
pub const XATTRS: u8 = 252;
/// A task's start.
pub const TASK_START: u8 = 253;
/// A task's exit.
pub const TASK_EXIT: u8 = 254;
/// A descriptor's state.
pub const FD_STATE: u8 = 255;

/// In the kind of a path's state: how much of a sparse file is allocated follows its size.
pub const SPARSE: u8 = 0x40;

/// How far a reader's clock of a task may be off for the sake of smaller gaps and truer durations,
/// nanoseconds.
const SLACK: u64 = 4096;

/// What [`Event::NO_RETURN`] is in a file: no error number is that large.
pub const NO_RETURN: i64 = -5000;

/// Appends one record to the columns.
pub fn record(streams: &mut [Vec<u8>], context: &mut Context, record: &Record) {
    match record {
        Record::Event(event) => self::event(streams, context, event),
        Record::PathState(state) => path_state(streams, context, state),
        Record::Listing(listing) => self::listing(streams, context, listing),
        Record::Xattrs(xattrs) => {
            let rare = open(streams, XATTRS);
            put(rare, u64::from(xattrs.node.0));
            put(rare, xattrs.entries.len() as u64);
            for (name, size) in &xattrs.entries {
                put(rare, u64::from(name.0));
                put(rare, u64::from(*size));
            }
        }
        Record::TaskStart(start) => {
            let rare = open(streams, TASK_START);
            put(rare, u64::from(start.task.0));
            put(rare, start.parent.map_or(0, |p| u64::from(p.0) + 1));
            put(rare, start.time);
            put(rare, start.flags);
            put(rare, u64::from(start.tid));
            put(rare, start.think);
            context.exits.insert(start.task.0, Exit::exact(start.time));
        }
        Record::TaskExit(exit) => {
            let rare = open(streams, TASK_EXIT);
            put(rare, u64::from(exit.task.0));
            put(rare, exit.time);
            put(rare, zigzag(i64::from(exit.status)));
            put(rare, exit.cpu);
            put(rare, exit.think);
            context.exits.remove(&exit.task.0);
        }
        Record::FdState(fd) => {
            let rare = open(streams, FD_STATE);
            put(rare, u64::from(fd.task.0));
            put(rare, zigzag(i64::from(fd.fd)));
            put(rare, u64::from(fd.target.0));
            put(rare, fd.kind as u64);
            put(rare, u64::from(fd.flags));
            put(rare, fd.offset);
        }
    }
}

fn open(streams: &mut [Vec<u8>], op: u8) -> &mut Vec<u8> {
    streams[Stream::Ops as usize].push(op);
    &mut streams[Stream::Rare as usize]
}

fn event(streams: &mut [Vec<u8>], context: &mut Context, event: &Event) {
    let call = event.call as usize;
    streams[Stream::Ops as usize].push(call as u8);
    let task = event.task.0;
    put(
        &mut streams[Stream::Task as usize],
        zigzag(i64::from(task) - i64::from(context.task)),
    );
    context.task = task;
    put(
        &mut streams[Stream::Overlapped as usize],
        u64::from(event.overlapped),
    );
    times(streams, context, event);
    for (column, (kind, _)) in event.call.row().args.iter().enumerate() {
        argument(
            &mut streams[call_stream(call, column)],
            context,
            call,
            *kind,
            event.args[column],
        );
    }
    let out = &mut streams[call_stream(call, MAX_ARGS)];
    result(out, context, event);
}

/// Writes the times of an event.
fn times(streams: &mut [Vec<u8>], context: &mut Context, event: &Event) {
    let last = context.exits.entry(event.task.0).or_default();
    let since = event.entry.saturating_sub(last.told);
    // Processor time before a call tells more exactly what a gap is asked for; where a trace
    // doesn't have it, gaps are all there is, and nothing is a part of them.
    let gap = if context.tells_waiting {
        gap_code(*last, event.entry)
    } else {
        quantize::code(since)
    };
    let entry = last.told.saturating_add(quantize::told(gap, since));
    let duration = duration_code(entry, event);
    time(streams, Stream::Gap, gap, since);
    time(streams, Stream::Duration, duration, event.duration);
    *last = Exit {
        told: entry.saturating_add(quantize::told(duration, event.duration)),
        seen: event.exit(),
    };
    let spent = &event.spent;
    let (before, within) = if context.tells_waiting {
        (gap, duration)
    } else {
        (0, 0)
    };
    coarse_time(streams, Stream::Think, spent.think, before);
    coarse_time(streams, Stream::Cpu, spent.cpu, within);
    coarse_time(streams, Stream::Blocked, spent.blocked, 0);
    coarse_time(streams, Stream::Asleep, spent.asleep, 0);
}

/// The code of the gap before an entry.
///
/// It has a coarse code as long as the clock of the task, as a reader has it, is within [`SLACK`]
/// of the true one.
/// Otherwise it is coded against what a reader takes for the last exit: errors don't add up.
/// Rounded times of a trace that is written again stay as they are.
fn gap_code(last: Exit, entry: u64) -> u8 {
    let since = entry.saturating_sub(last.told);
    let fine = quantize::code(since);
    if last.told <= entry && quantize::told(fine, since) == since {
        return fine;
    }
    let coarse = quantize::coarse_code(entry.saturating_sub(last.seen));
    if coarse == quantize::ESCAPE {
        return fine;
    }
    let told = last.told.saturating_add(quantize::value(coarse));
    if told.abs_diff(entry) <= SLACK {
        coarse
    } else {
        fine
    }
}

/// The code of the duration of an event whose entry a reader takes for `entry`.
///
/// It is rounded by itself. But if a reader's clock of the task would then be ahead by more than
/// [`SLACK`], the code below is taken where that leaves the clock nearer to the true one: gaps take
/// nothing back where there are none, and the errors of calls of one length would add up.
fn duration_code(entry: u64, event: &Event) -> u8 {
    let (duration, exit) = (event.duration, event.exit());
    let told = |code| entry.saturating_add(quantize::told(code, duration));
    let nearest = quantize::code(duration);
    if told(nearest) <= exit.saturating_add(SLACK) {
        return nearest;
    }
    let below = quantize::code_below(duration);
    if told(below).abs_diff(exit) < told(nearest).abs_diff(exit) {
        below
    } else {
        nearest
    }
}

/// Writes a code, and the time behind it if that is an escape.
fn time(streams: &mut [Vec<u8>], stream: Stream, code: u8, nanoseconds: u64) {
    streams[stream as usize].push(code);
    long(streams, code, nanoseconds);
}

/// Writes the coarse code of a time, less that of the time which it mostly is a part of: errors of
/// many events cancel, and few codes and many zeros compress better.
fn coarse_time(streams: &mut [Vec<u8>], stream: Stream, nanoseconds: u64, whole: u8) {
    let code = quantize::coarse_code(nanoseconds);
    streams[stream as usize].push(code.wrapping_sub(quantize::coarse(whole)));
    long(streams, code, nanoseconds);
}

fn long(streams: &mut [Vec<u8>], code: u8, nanoseconds: u64) {
    if code == quantize::ESCAPE {
        put(
            &mut streams[Stream::Long as usize],
            nanoseconds >> quantize::LONG_SHIFT,
        );
    }
}

fn argument(out: &mut Vec<u8>, context: &mut Context, call: usize, kind: ArgKind, value: u64) {
    use ArgKind::*;
    match kind {
        Path | NewPath | Target | Name | Argv => string(out, context, value),
        Offset | OffsetIn | OffsetOut => {
            if value == context.offsets[call] {
                put(out, 0);
            } else if value == NONE {
                put(out, 1);
            } else {
                put(out, 2);
                put(out, value);
            }
        }
        Address => address(out, context, value),
        _ => put(out, zigzag(value as i64)),
    }
}

/// A string by its distance from the newest; a new one is 1, none is 0.
fn string(out: &mut Vec<u8>, context: &mut Context, value: u64) {
    if value == NONE {
        return put(out, 0);
    }
    if value >= context.known {
        put(out, zigzag(context.known as i64 - value as i64) + 1);
        context.known = value + 1;
    } else {
        put(out, zigzag((context.known - value) as i64) + 1);
    }
}

fn address(out: &mut Vec<u8>, context: &mut Context, value: u64) {
    put(out, zigzag(value.wrapping_sub(context.address) as i64));
    context.address = value;
}

fn result(out: &mut Vec<u8>, context: &mut Context, event: &Event) {
    let value = if event.result == Event::NO_RETURN {
        NO_RETURN
    } else {
        event.result
    };
    let row = event.call.row();
    match row.result {
        ResultKind::Address if event.errno().is_none() && value != NO_RETURN => {
            put(out, 0);
            address(out, context, value as u64);
        }
        ResultKind::Address => put(out, zigzag(value)),
        ResultKind::Bytes if event.arg(ArgKind::Length) == Some(value as u64) => put(out, 0),
        ResultKind::Bytes => put(out, zigzag(value).wrapping_add(1)),
        _ => put(out, zigzag(value)),
    }
    if value > 0 && row.result == ResultKind::Bytes {
        for kind in [ArgKind::Offset, ArgKind::OffsetIn] {
            if let Some(offset) = event.arg(kind).filter(|offset| *offset != NONE) {
                context.offsets[event.call as usize] = offset.wrapping_add(value as u64);
            }
        }
    }
}

fn path_state(streams: &mut [Vec<u8>], context: &mut Context, state: &PathState) {
    streams[Stream::Ops as usize].push(STATE);
    let last = &mut context.state;
    put(
        &mut streams[Stream::StateNode as usize],
        zigzag(i64::from(state.node.0) - last.node as i64),
    );
    last.node = u64::from(state.node.0) + 1;
    let known = u8::from(state.metadata.is_some());
    let allocated = state.metadata.and_then(|m| m.allocated);
    let sparse = if allocated.is_some() { SPARSE } else { 0 };
    streams[Stream::StateKind as usize].push((state.kind as u8) << 1 | known | sparse);
    let Some(m) = state.metadata else { return };
    put(&mut streams[Stream::StateSize as usize], m.size);
    if let Some(allocated) = allocated {
        put(&mut streams[Stream::StateSize as usize], allocated);
    }
    put(
        &mut streams[Stream::StateMode as usize],
        u64::from(m.mode ^ last.mode),
    );
    let owner = &mut streams[Stream::StateOwner as usize];
    put(owner, u64::from(m.uid ^ last.uid));
    put(owner, u64::from(m.gid ^ last.gid));
    put(
        &mut streams[Stream::StateTime as usize],
        zigzag(m.mtime.wrapping_sub(last.mtime)),
    );
    put(&mut streams[Stream::StateLink as usize], m.link_group);
    put(
        &mut streams[Stream::StateMount as usize],
        u64::from(m.mount ^ last.mount),
    );
    (last.mode, last.uid, last.gid, last.mtime, last.mount) =
        (m.mode, m.uid, m.gid, m.mtime, m.mount);
    let target = m.target.map_or(NONE, |t| u64::from(t.0));
    string(&mut streams[Stream::StateTarget as usize], context, target);
}

fn listing(streams: &mut [Vec<u8>], context: &mut Context, listing: &Listing) {
    streams[Stream::Ops as usize].push(LISTING);
    let nodes = &mut streams[Stream::ListNode as usize];
    put(nodes, u64::from(listing.directory.0));
    put(nodes, listing.entries.len() as u64);
    for (node, _) in &listing.entries {
        put(nodes, zigzag(i64::from(node.0) - context.listed as i64));
        context.listed = u64::from(node.0) + 1;
    }
    streams[Stream::ListKind as usize].extend(listing.entries.iter().map(|(_, kind)| *kind as u8));
}

#[cfg(test)]
mod tests {
    use super::super::columns::stream_count;
    use super::*;
    use crate::call::Call;
    use crate::model::{Spent, TaskId};

    fn written(tells_waiting: bool, spent: Spent) -> Vec<Vec<u8>> {
        let mut streams = vec![Vec::new(); stream_count()];
        let mut context = Context {
            tells_waiting,
            ..Context::default()
        };
        let event = Event {
            task: TaskId(0),
            call: Call::close,
            entry: 5_000,
            duration: 900,
            overlapped: 0,
            result: 0,
            spent,
            args: [0; MAX_ARGS],
        };
        times(&mut streams, &mut context, &event);
        [Stream::Think, Stream::Cpu]
            .map(|stream| streams[stream as usize].clone())
            .to_vec()
    }

    #[test]
    fn what_is_as_long_as_gap_and_duration_is_zero() {
        let spent = Spent {
            think: 5_000,
            cpu: 900,
            ..Spent::default()
        };
        assert_eq!(written(true, spent), [[0], [0]]);
    }

    #[test]
    fn what_is_not_told_is_zero() {
        assert_eq!(written(false, Spent::default()), [[0], [0]]);
    }
}

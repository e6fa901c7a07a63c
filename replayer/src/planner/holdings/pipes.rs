//! Pipes: which write brought the bytes that a read got.

use std::collections::VecDeque;

use super::super::hash::FastMap;
use super::super::order::{OpId, Order};

/// A call that fills or empties a pipe.
#[derive(Clone, Copy)]
pub(crate) struct Transfer {
    /// The lane that the op about to be committed is on.
    pub(crate) lane: u32,
    /// Bytes that went over.
    pub(crate) count: u64,
    /// When it returned, nanoseconds since the start of the recording.
    pub(crate) exit: u64,
}

/// What a transfer brought, or needs.
#[derive(Clone, Copy)]
struct Moved {
    /// Bytes that went through the pipe until then.
    until: u64,
    id: OpId,
    /// When it returned, nanoseconds since the start of the recording.
    exit: u64,
}

/// Writes that are remembered until someone reads; older ones are taken for read by other means.
const REMEMBERED: usize = 4096;
/// A writer may wait for room if so many bytes are in a pipe or socket: less than they hold (64
/// KiB; sockets some 200 KiB, of which small messages use the most for their bookkeeping).
const NEARLY_FULL: u64 = 16 << 10;

/// A pipe or FIFO.
#[derive(Default)]
pub(crate) struct Pipe {
    written: u64,
    read: u64,
    writes: VecDeque<Moved>,
    /// Reads that returned before the write that brought their bytes did.
    starved: VecDeque<Moved>,
    /// Reads that saw the end before the close that made it had returned.
    at_end: Vec<OpId>,
    closed: Option<OpId>,
    /// The last read while so much was in it that a writer may have had to wait for room.
    room: Option<OpId>,
    writers: u32,
    /// An eventfd: one read takes all that was written.
    counter: bool,
}

/// All pipes.
#[derive(Default)]
pub(crate) struct Pipes {
    /// Whether what a read waited is told apart from what it worked.
    waits_are_told: bool,
    pipes: Vec<Pipe>,
    /// Those with a name, by inode.
    fifos: FastMap<u32, u32>,
}

impl Pipes {
    /// No pipes. `waits_are_told` where the kernel counted what calls worked that also waited.
    pub(crate) fn new(waits_are_told: bool) -> Pipes {
        Pipes {
            waits_are_told,
            ..Pipes::default()
        }
    }

    /// A new pipe.
    pub(crate) fn add(&mut self) -> u32 {
        self.pipes.push(Pipe::default());
        (self.pipes.len() - 1) as u32
    }

    /// The pipe of an inode.
    pub(crate) fn of_fifo(&mut self, ino: u32) -> u32 {
        let pipes = &mut self.pipes;
        *self.fifos.entry(ino).or_insert_with(|| {
            pipes.push(Pipe::default());
            (pipes.len() - 1) as u32
        })
    }

    /// A new eventfd.
    pub(crate) fn add_counter(&mut self) -> u32 {
        self.pipes.push(Pipe {
            counter: true,
            ..Pipe::default()
        });
        (self.pipes.len() - 1) as u32
    }

    /// One more open file description that can write.
    pub(crate) fn writer(&mut self, pipe: u32) {
        self.pipes[pipe as usize].writers += 1;
    }

    /// An op about to be committed reads. Gives when the write had returned that brought its bytes,
    /// unless that is still to come, or waiting for it is told apart from work.
    pub(crate) fn read(&mut self, order: &mut Order, pipe: u32, read: Transfer) -> Option<u64> {
        let me = order.next(read.lane);
        let waits_are_told = self.waits_are_told;
        let since = |write: &Moved| (!waits_are_told).then_some(write.exit);
        let pipe = &mut self.pipes[pipe as usize];
        if read.count == 0 {
            match pipe.closed {
                Some(close) => order.after(close),
                None if pipe.at_end.len() < REMEMBERED => pipe.at_end.push(me),
                None => {}
            }
            return None;
        }
        let starved = |until: u64| Moved {
            until,
            id: me,
            exit: read.exit,
        };
        if pipe.counter {
            pipe.read = pipe.written;
            let write = pipe.writes.pop_front();
            match write {
                Some(write) => order.after(write.id),
                None if pipe.starved.len() < REMEMBERED => {
                    pipe.starved.push_back(starved(pipe.written + 1));
                }
                None => {}
            }
            pipe.writes.clear();
            return write.as_ref().and_then(since);
        }
        if pipe.written.saturating_sub(pipe.read) >= NEARLY_FULL {
            pipe.room = Some(me);
        }
        pipe.read = pipe.read.saturating_add(read.count);
        while pipe.writes.front().is_some_and(|w| w.until < pipe.read) {
            pipe.writes.pop_front();
        }
        match pipe.writes.front() {
            Some(write) => {
                order.after(write.id);
                order.in_sync(write.id);
                return since(write);
            }
            None if pipe.starved.len() < REMEMBERED => pipe.starved.push_back(starved(pipe.read)),
            None => {}
        }
        None
    }

    /// The first op of another lane than `lane`, not before the first `horizon` events had
    /// returned, that made a pipe readable, with its moment.
    pub(crate) fn first_since(
        &self,
        order: &Order,
        pipe: u32,
        lane: u32,
        horizon: u32,
    ) -> Option<(u32, OpId)> {
        let pipe = &self.pipes[pipe as usize];
        let writes = pipe.writes.iter().map(|write| write.id);
        writes
            .chain(pipe.closed)
            .filter(|id| id.lane != lane)
            .filter_map(|id| Some((order.moment(id)?, id)))
            .find(|(moment, _)| *moment >= horizon)
    }

    /// The last op of another lane than `lane`, not before the first `horizon` events had returned,
    /// that made room in a pipe for those who waited to write, with its moment.
    pub(crate) fn room_since(
        &self,
        order: &Order,
        pipe: u32,
        lane: u32,
        horizon: u32,
    ) -> Option<(u32, OpId)> {
        let room = self.pipes[pipe as usize].room?;
        let moment = order.moment(room)?;
        (room.lane != lane && moment >= horizon).then_some((moment, room))
    }

    /// An op about to be committed writes.
    pub(crate) fn write(&mut self, order: &mut Order, pipe: u32, write: Transfer) {
        let waits_are_told = self.waits_are_told;
        let pipe = &mut self.pipes[pipe as usize];
        let from = pipe.written;
        pipe.written = pipe.written.saturating_add(write.count);
        while let Some(read) = pipe.starved.front().copied() {
            if read.until > from
                && let Some(cause) = order.late(read.id, write.lane)
            {
                if !pipe.counter {
                    order.in_sync(cause);
                }
                if !waits_are_told && order.last(write.lane) == Some(cause) {
                    let since = read.exit.saturating_sub(order.last_exit(write.lane));
                    order.shorten(read.id, since);
                }
            }
            if read.until > pipe.written {
                break;
            }
            pipe.starved.pop_front();
        }
        if pipe.writes.len() >= REMEMBERED {
            pipe.writes.pop_front();
        }
        pipe.writes.push_back(Moved {
            until: pipe.written,
            id: order.next(write.lane),
            exit: write.exit,
        });
    }

    /// A description that can write is closed on `lane` by the op `by`; `None` if nothing was done
    /// on that lane so far.
    pub(crate) fn close(&mut self, order: &mut Order, pipe: u32, lane: u32, by: Option<OpId>) {
        let pipe = &mut self.pipes[pipe as usize];
        pipe.writers = pipe.writers.saturating_sub(1);
        if pipe.writers > 0 {
            return;
        }
        for read in std::mem::take(&mut pipe.at_end) {
            let _ = order.late(read, lane);
        }
        pipe.closed = by;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inode_has_one_pipe_whoever_opens_it() {
        let mut pipes = Pipes::default();
        let unnamed = pipes.add();
        let first = pipes.of_fifo(7);
        assert_eq!(pipes.of_fifo(7), first);
        assert_ne!(pipes.of_fifo(8), first);
        assert_ne!(first, unnamed);
    }
}

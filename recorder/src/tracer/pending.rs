//! Stops in turn: every task that stands still gets one before any gets a second.
//!
//! waitpid(2) looks at the tasks in a fixed order, the newest first. Taken one by one, a new task
//! that stops often would be let go again and again while the others stand still, and threads that
//! share their work out among themselves (a queue of files to be searched) would share it out as
//! they never do without a recorder.
//!
//! Ends come before all stops. From the moment that they are seen here, the calls of others return
//! that wait for them, and these may be recorded inside: they are told at the next stop.

use std::collections::VecDeque;

use crate::error::RecordError;
use crate::sys::ptrace::{self, Waited};

/// Stops that were seen and not handled yet.
#[derive(Default)]
pub struct Pending {
    stops: VecDeque<(i32, i32)>,
}

impl Pending {
    /// Gives those that were not handled, and forgets them.
    pub fn take(&mut self) -> impl Iterator<Item = (i32, i32)> {
        std::mem::take(&mut self.stops).into_iter()
    }

    /// Takes out that of one task, if there is one that it still stands in.
    pub fn take_of(&mut self, tid: i32) -> Option<i32> {
        let at = self.stops.iter().position(|(of, _)| *of == tid)?;
        let (_, status) = self.stops.remove(at)?;
        (!ptrace::has_news(tid)).then_some(status)
    }

    /// The next one; waits for it if there is none and `block` says so. `tasks` is how many there
    /// may be.
    pub fn next(&mut self, tasks: usize, block: bool) -> Result<Waited, RecordError> {
        while let Some((tid, status)) = self.stops.pop_front() {
            // Another task's exec or a kill took it out of that stop; what it is in now will be
            // told.
            if !ptrace::has_news(tid) {
                return Ok(Waited::Task(tid, status));
            }
        }
        let first = wait(block)?;
        let Waited::Task(tid, status) = first else {
            return Ok(first);
        };
        if tasks <= 1 {
            return Ok(first);
        }
        self.add(tid, status);
        while let Waited::Task(tid, status) = wait(false)? {
            self.add(tid, status);
        }
        let next = self.stops.pop_front();
        Ok(next.map_or(Waited::Nothing, |(tid, status)| Waited::Task(tid, status)))
    }

    /// Ends stand before all stops, in the order in which they came.
    fn add(&mut self, tid: i32, status: i32) {
        let mut at = self.stops.len();
        if !libc::WIFSTOPPED(status) {
            // It stands in no stop any more.
            self.stops.retain(|(of, _)| *of != tid);
            at = self.stops.partition_point(is_end);
        }
        self.stops.insert(at, (tid, status));
    }
}

fn is_end((_, status): &(i32, i32)) -> bool {
    !libc::WIFSTOPPED(*status)
}

fn wait(block: bool) -> Result<Waited, RecordError> {
    ptrace::wait(block).map_err(RecordError::system("waitpid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOPPED: i32 = 0x57f;

    #[test]
    fn ends_come_first_in_their_order_and_take_the_stops_of_their_tasks_along() {
        let mut pending = Pending::default();
        for (tid, status) in [
            (1, STOPPED),
            (2, STOPPED),
            (3, 0),
            (4, STOPPED),
            (2, libc::SIGKILL),
            (5, 0),
        ] {
            pending.add(tid, status);
        }
        let all: Vec<_> = pending.take().collect();
        let ends = [(3, 0), (2, libc::SIGKILL), (5, 0)];
        assert_eq!(all, [&ends[..], &[(1, STOPPED), (4, STOPPED)]].concat());
    }
}

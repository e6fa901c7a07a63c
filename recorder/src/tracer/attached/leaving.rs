//! Letting all tasks go: they run on as if nobody had been there.

use std::time::{Duration, Instant};

use super::{Attached, Goes, end_of};
use crate::sys::ptrace;

/// A task that doesn't stop for so long waits uninterruptibly; the kernel lets it go when the
/// recorder ends.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks whether tasks have stopped.
const PAUSE: Duration = Duration::from_millis(1);

impl Attached {
    /// Lets all tasks go that are left. They must stand still for it.
    pub(super) fn leave(&mut self) {
        // These stand still already.
        for tid in std::mem::take(&mut self.strangers) {
            let _ = ptrace::detach(tid);
        }
        let stops: Vec<(i32, i32)> = self.pending.take().collect();
        for (tid, status) in stops {
            self.let_go(tid, status);
        }
        for tid in self.tasks.keys() {
            // Gone, if this fails.
            let _ = ptrace::interrupt(*tid);
        }
        let begin = Instant::now();
        while !self.tasks.is_empty() && begin.elapsed() < PATIENCE {
            let left: Vec<i32> = self.tasks.keys().copied().collect();
            for tid in left {
                match ptrace::look_for(tid) {
                    Ok(Some(status)) => self.let_go(tid, status),
                    Ok(None) => {}
                    Err(_) => self.forget(tid),
                }
            }
            for tid in std::mem::take(&mut self.strangers) {
                let _ = ptrace::detach(tid);
            }
            std::thread::sleep(PAUSE);
        }
        let left: Vec<i32> = self.tasks.keys().copied().collect();
        for tid in left {
            self.forget(tid);
        }
    }

    /// Lets a task go that came to that stop, of which the records are made.
    fn let_go(&mut self, tid: i32, status: i32) {
        // A stop that it was taken out of meanwhile.
        let goes = self.on_status(tid, status).unwrap_or(Goes::On(0));
        let signal = match goes {
            Goes::On(signal) => signal,
            Goes::Listens => 0,
            Goes::Nowhere => return,
        };
        if let Err(error) = ptrace::detach_with(tid, signal) {
            tracing::debug!(tid, %error, "it could not be let go");
        }
        self.forget(tid);
    }

    /// A task isn't recorded any more. Its end stands where that is.
    fn forget(&mut self, tid: i32) {
        if let Some(mut watched) = self.tasks.remove(&tid) {
            let end = end_of(&mut watched, self.clock.time(), 0);
            self.session.let_go(&mut watched.task, &end);
        }
    }
}

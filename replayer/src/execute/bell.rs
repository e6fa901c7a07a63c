//! How a lane is woken as the tool's pipes wake: in sync.
//!
//! A write to a pipe tells the scheduler that the writer is about to sleep, so that the reader had
//! better stay on its processor, and a wake of a futex doesn't. Where tasks run decides what the
//! requests of a FUSE mount cost: `tar | cat` on one took 38 to 213 ms, its replay by futexes 50 ms
//! nearly always.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};

/// A pipe that one lane sleeps at. Spurious wakes may come; none is lost.
pub struct Bell {
    read: OwnedFd,
    write: OwnedFd,
}

impl Bell {
    /// Takes two descriptors.
    pub fn new() -> io::Result<Bell> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Bell { read, write })
    }

    /// Wakes the lane that sleeps at it, or that is about to.
    pub fn ring(&self) {
        // A full pipe rings, too.
        let _ = rustix::io::write(&self.write, &[0]);
    }

    /// Sleeps until it rings, no longer than `most`.
    pub fn wait(&self, most: Duration) {
        let most = Timespec {
            tv_sec: most.as_secs() as i64,
            tv_nsec: most.subsec_nanos().into(),
        };
        let mut fds = [PollFd::new(&self.read, PollFlags::IN)];
        if poll(&mut fds, Some(&most)).is_ok_and(|ready| ready > 0) {
            let _ = rustix::io::read(&self.read, &mut [0; 64]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// Whether one would not sleep at it.
    fn has_rung(bell: &Bell) -> bool {
        let mut fds = [PollFd::new(&bell.read, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).expect("polled") > 0
    }

    #[test]
    fn a_ring_before_the_wait_is_not_lost_and_many_are_one() {
        let bell = Bell::new().expect("a pipe");
        bell.ring();
        bell.ring();
        assert!(has_rung(&bell));
        bell.wait(Duration::from_secs(3600));
        assert!(!has_rung(&bell));
        let begin = Instant::now();
        bell.wait(Duration::from_millis(20));
        assert!(begin.elapsed() >= Duration::from_millis(20));
    }
}

//! The memory that computing comes back to after a call that waited.
//!
//! A task that waited for a request or a disk finds its memory gone from the processor's caches: the server of a FUSE mount ran there, the kernel's own tasks or, on
//! a virtual machine, somebody else. Its own computing takes longer then. `python -m compileall`, whose calls wait on FUSE mounts and hardly on ext4, needed 143 ms
//! between its calls on ext4, 159 on bindfs and 196 on sshfs: after a wait, what takes 10 to 20 µs on ext4 took 5 µs more on bindfs and 21 more on sshfs, and what
//! takes 200 to 500 µs, 24 and 95 more. Where the recorded mount waits and another doesn't (a database that syncs, on a disk and on a tmpfs), it is the other way round.
//!
//! So a part of the work that stands for computing is reading lines of memory, each for the first time since the lane waited: where they are in the
//! caches, that is done in the time that it stands for, else it takes longer, as the tool's own computing does. How many different lines a program needs in some time
//! grows with a power of it, about a half (Thiebaut, "On the fractal dimension of computer programs", 1989); their number is what the times above come to, at what
//! a line took on those mounts.
//!
//! What a tool computed after its own waits on the recorded mount holds what they cost it; calibration, a replay beside the tool there, takes that out.

use std::hint::black_box;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use super::work::shortest_of;

/// Words of a line of the caches, and lines of a page.
const WORDS: usize = 16;
const PAGE: usize = 64;
/// Pages that lines lie in, and lines of each that are used: half a megabyte, more than the first level of caches holds and no more than the
/// second of most. Where that is smaller, a line stands for more time, and waits make less of a difference.
const PAGES: usize = 256;
const LINES_OF_PAGE: usize = 32;
const LINES: usize = PAGES * LINES_OF_PAGE;
/// Lines in the square root of a microsecond.
const LINES_PER_ROOT: f64 = 300.0;
/// Microseconds by which it begins later, where a root grows less steeply: the first microsecond needs 64 lines, not 300.
const LATER: f64 = 5.0;
/// How often all lines are read before each execution to learn what one takes. Each read needs the one before; a neighbour on the same core
/// hardly makes that longer, unless it takes the lines away.
const TRIES: usize = 12;

/// One for all lanes.
static MEMORY: LazyLock<Memory> = LazyLock::new(Memory::new);

#[repr(align(4096))]
#[derive(Clone, Copy)]
struct Page([[u32; WORDS]; PAGE]);

/// Lines in a ring, shuffled within their pages and page by page: each names the next.
struct Memory {
    pages: Box<[Page]>,
    /// The next line. For all lanes together, and not begun anew: else the few lines that short computing needs would be read after each wait, or by each task of
    /// many short ones, and never leave the caches.
    at: AtomicUsize,
    /// The shortest time that reading all of them was seen to take, nanoseconds.
    shortest: AtomicU64,
}

impl Memory {
    fn new() -> Memory {
        let order = shuffled_lines();
        let mut memory = Memory {
            pages: vec![Page([[0; WORDS]; PAGE]); PAGES].into_boxed_slice(),
            at: AtomicUsize::new(order[0]),
            shortest: AtomicU64::new(u64::MAX),
        };
        for (place, at) in order.iter().enumerate() {
            let next = order[(place + 1) % LINES];
            memory.pages[at / PAGE].0[at % PAGE][0] = next as u32;
        }
        memory
    }

    /// What a line takes where all of them are in the caches, nanoseconds: the shortest time that was seen so far.
    fn warm(&self) -> f64 {
        let took = |_| {
            let begin = Instant::now();
            self.read(LINES);
            begin.elapsed().as_nanos() as u64
        };
        let shortest = shortest_of((0..TRIES).map(took).collect());
        self.shortest.fetch_min(shortest, Ordering::Relaxed);
        self.shortest.load(Ordering::Relaxed) as f64 / LINES as f64
    }

    /// Reads the next lines, each after the one before.
    fn read(&self, lines: usize) {
        let mut at = self.at.load(Ordering::Relaxed);
        for _ in 0..lines {
            at = self.pages[at / PAGE % PAGES].0[at % PAGE][0] as usize;
        }
        self.at.store(black_box(at), Ordering::Relaxed);
    }
}

/// Numbers of all lines that are used.
fn shuffled_lines() -> Vec<usize> {
    let mut random = 1u32;
    let mut below = |limit: usize| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 8) as usize % limit
    };
    let mut shuffled = |length: usize| {
        let mut all: Vec<usize> = (0..length).collect();
        for index in (1..length).rev() {
            all.swap(index, below(index + 1));
        }
        all
    };
    let mut order = Vec::with_capacity(LINES);
    for page in shuffled(PAGES) {
        let lines = shuffled(PAGE).into_iter().take(LINES_OF_PAGE);
        order.extend(lines.map(|line| page * PAGE + line));
    }
    order
}

/// What of it a lane has come back to since it waited.
#[derive(Clone)]
pub struct Footprint {
    /// What a line stands for, nanoseconds.
    warm: f64,
    /// Microseconds of computing since it waited.
    since: f64,
    /// Lines read since then.
    lines: usize,
}

impl Footprint {
    /// Of a lane that has it all.
    pub fn new() -> Footprint {
        Footprint {
            warm: MEMORY.warm(),
            since: f64::INFINITY,
            lines: LINES,
        }
    }

    /// The lane waited: nothing of it may be in the caches any more.
    pub fn forget(&mut self) {
        (self.since, self.lines) = (0.0, 0);
    }

    /// It computes what takes so many nanoseconds. Gives how many of them that is done with, at most all of them.
    #[inline]
    pub fn compute(&mut self, nanoseconds: f64) -> f64 {
        if self.lines >= LINES || nanoseconds <= 0.0 {
            return 0.0;
        }
        self.since += nanoseconds / 1000.0;
        let grown = (self.since + LATER).sqrt() - LATER.sqrt();
        let lines = ((LINES_PER_ROOT * grown) as usize).min(LINES);
        let most = (nanoseconds / self.warm) as usize;
        let more = lines.saturating_sub(self.lines).min(most);
        if more == 0 {
            return 0.0;
        }
        MEMORY.read(more);
        self.lines += more;
        self.warm * more as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_holds_each_line_once() {
        let memory = Memory::new();
        let at = || memory.at.load(Ordering::Relaxed);
        let first = at();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..LINES {
            assert!(seen.insert(at()));
            memory.read(1);
        }
        assert_eq!(at(), first);
        memory.read(LINES + 1);
        assert_ne!(at(), first);
        let warm = memory.warm();
        assert!(warm > 0.0 && warm.is_finite(), "{warm}");
    }

    #[test]
    fn lines_are_read_after_a_wait_only_and_fewer_and_fewer() {
        let mut footprint = Footprint {
            warm: 5.0,
            ..Footprint::new()
        };
        assert_eq!(footprint.compute(1e6), 0.0);
        footprint.forget();
        let early = footprint.compute(10_000.0);
        let late = footprint.compute(10_000.0);
        assert!(early > late && late > 0.0, "{early} {late}");
        // As many for the same time, however it is divided.
        let mut whole = footprint.clone();
        whole.forget();
        whole.compute(20_000.0);
        assert_eq!(whole.lines, footprint.lines);
        // And no more than there are.
        whole.compute(1e9);
        assert_eq!(whole.lines, LINES);
        assert_eq!(whole.compute(1e9), 0.0);
    }

    #[test]
    fn slow_memory_takes_no_more_than_the_computing() {
        let mut footprint = Footprint {
            warm: 100.0,
            ..Footprint::new()
        };
        footprint.forget();
        for nanoseconds in [50.0, 1000.0, 10_000.0] {
            assert!(footprint.compute(nanoseconds) <= nanoseconds);
        }
        // What was left out comes later.
        assert_eq!(footprint.lines, 110);
    }
}

//! How far each lane is, and waiting for it without spinning a core away.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::bell::Bell;
use crate::plan::Plan;
use crate::sys;

/// Looks before a lane goes to sleep.
const SPINS: u32 = 40;
/// Without any lane getting on for this long, a replay as fast as possible stands still.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Why a lane stopped waiting.
pub enum Stopped {
    /// The user wants an end.
    Cancelled,
    /// Nobody gets on.
    Stalled {
        /// Who waited.
        lane: usize,
        /// For whom.
        other: u32,
        /// For what.
        done: u32,
    },
}

/// One lane's progress, on a cache line of its own.
#[repr(align(128))]
struct LaneProgress {
    done: AtomicU32,
    /// The least that anyone asleep waits for; [`NOBODY`] if none is. Ops before it wake nobody.
    wanted: AtomicU32,
    /// Counts wake-ups; what is slept on. Who says what it wants just before a wake-up for others
    /// would else sleep through its own.
    wakes: AtomicU32,
    /// How many sleep on that.
    sleepers: AtomicU32,
    /// Lanes that sleep at their bells until this one gets on.
    at_bells: Mutex<Vec<usize>>,
}

const NOBODY: u32 = u32::MAX;

impl LaneProgress {
    fn at_bells(&self) -> MutexGuard<'_, Vec<usize>> {
        self.at_bells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps if there was no wake-up since `wakes` were counted.
    fn sleep(&self, wakes: u32, most: Duration) {
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        sys::futex_wait_for(&self.wakes, wakes, most);
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether the last of a lane's first `done` ops wakes in sync.
fn is_in_sync(plan: &Plan, lane: u32, done: u32) -> bool {
    let lane = plan.lanes.get(lane as usize);
    let step = lane.and_then(|lane| lane.steps().get((done as usize).checked_sub(1)?));
    step.is_some_and(|step| step.is_in_sync())
}

/// The progress of all lanes.
pub struct Progress<'a> {
    plan: &'a Plan,
    lanes: Vec<LaneProgress>,
    /// By lane; those have one that are woken in sync.
    bells: Vec<Option<Bell>>,
    cancelled: &'a AtomicBool,
    failed: AtomicBool,
    patience: Duration,
}

impl<'a> Progress<'a> {
    /// Nothing is done yet.
    pub fn new(plan: &'a Plan, patience: Duration, cancelled: &'a AtomicBool) -> Self {
        let lanes = plan.lanes.iter().map(|_| LaneProgress {
            done: AtomicU32::new(0),
            wanted: AtomicU32::new(NOBODY),
            wakes: AtomicU32::new(0),
            sleepers: AtomicU32::new(0),
            at_bells: Mutex::default(),
        });
        let bells = plan.lanes.iter().map(|lane| {
            let mut causes = lane.waits().iter().map(|wait| wait.until);
            let in_sync = causes.any(|until| is_in_sync(plan, until.lane, until.done));
            // Without descriptors for it, a futex has to do.
            in_sync.then(|| Bell::new().ok()).flatten()
        });
        Progress {
            plan,
            bells: bells.collect(),
            lanes: lanes.collect(),
            cancelled,
            failed: AtomicBool::new(false),
            patience,
        }
    }

    /// A lane has done its first `done` ops. True if others sleep until then, which are to be
    /// woken.
    #[inline]
    #[must_use]
    pub fn done(&self, lane: usize, done: u32, published: bool) -> bool {
        let lane = &self.lanes[lane];
        if !published {
            lane.done.store(done, Ordering::Relaxed);
            return false;
        }
        // Sequentially consistent with `sleep`: either it sees this store or this sees what it
        // wants.
        lane.done.store(done, Ordering::SeqCst);
        lane.wanted.load(Ordering::SeqCst) <= done
    }

    /// Wakes all who sleep until a lane gets on.
    #[cold]
    pub fn wake(&self, lane: usize) {
        let lane = &self.lanes[lane];
        // Those woken for something later say so again.
        lane.wanted.store(NOBODY, Ordering::SeqCst);
        lane.wakes.fetch_add(1, Ordering::SeqCst);
        let at_bells = std::mem::take(&mut *lane.at_bells());
        for bell in at_bells
            .iter()
            .filter_map(|lane| self.bells[*lane].as_ref())
        {
            bell.ring();
        }
        if lane.sleepers.load(Ordering::SeqCst) > 0 {
            sys::futex_wake(&lane.wakes);
        }
    }

    /// Waits until a lane has done its first `done` ops.
    #[inline]
    pub fn wait(&self, waiter: usize, other: u32, done: u32) -> Result<(), Stopped> {
        let Some(lane) = self.lanes.get(other as usize) else {
            return Ok(());
        };
        for _ in 0..SPINS {
            if lane.done.load(Ordering::Acquire) >= done {
                return Ok(());
            }
            std::hint::spin_loop();
        }
        self.sleep(waiter, other, done)
    }

    #[cold]
    fn sleep(&self, waiter: usize, other: u32, done: u32) -> Result<(), Stopped> {
        let lane = &self.lanes[other as usize];
        let bell = self.bells[waiter]
            .as_ref()
            .filter(|_| is_in_sync(self.plan, other, done));
        let mut since = Instant::now();
        let mut sum = self.sum();
        loop {
            let wakes = lane.wakes.load(Ordering::SeqCst);
            if bell.is_some() {
                lane.at_bells().push(waiter);
            }
            lane.wanted.fetch_min(done, Ordering::SeqCst);
            if lane.done.load(Ordering::SeqCst) >= done {
                lane.at_bells().retain(|at| *at != waiter);
                return Ok(());
            }
            if self.is_to_stop() {
                return Err(Stopped::Cancelled);
            }
            let sum_now = self.sum();
            if sum_now != sum {
                (sum, since) = (sum_now, Instant::now());
            } else if since.elapsed() > self.patience {
                self.failed.store(true, Ordering::Relaxed);
                return Err(Stopped::Stalled {
                    lane: waiter,
                    other,
                    done,
                });
            }
            match bell {
                Some(bell) => {
                    bell.wait(sys::LONGEST_WAIT);
                    lane.at_bells().retain(|at| *at != waiter);
                }
                None => lane.sleep(wakes, sys::LONGEST_WAIT),
            }
        }
    }

    /// Waits until a lane has done its first `done` ops, no longer than `most`. Whether it has.
    pub fn wait_at_most(&self, other: u32, done: u32, most: Duration) -> bool {
        let Some(lane) = self.lanes.get(other as usize) else {
            return true;
        };
        let begin = Instant::now();
        loop {
            let wakes = lane.wakes.load(Ordering::SeqCst);
            lane.wanted.fetch_min(done, Ordering::SeqCst);
            if lane.done.load(Ordering::SeqCst) >= done {
                return true;
            }
            let left = most.saturating_sub(begin.elapsed());
            if left.is_zero() || self.is_to_stop() {
                return false;
            }
            lane.sleep(wakes, left);
        }
    }

    /// Whether the user or a failure wants an end.
    #[inline]
    pub fn is_to_stop(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || self.failed.load(Ordering::Relaxed)
    }

    /// Whether all other lanes have come to their ends.
    pub fn is_alone(&self, lane: usize) -> bool {
        let lanes = self.lanes.iter().zip(&self.plan.lanes).enumerate();
        let mut others = lanes.filter(|(number, _)| *number != lane);
        others.all(|(_, (progress, planned))| {
            progress.done.load(Ordering::Relaxed) as usize >= planned.len()
        })
    }

    /// Becomes true when all are to stop.
    pub fn failed(&self) -> &AtomicBool {
        &self.failed
    }

    /// Lets all who wait stop waiting.
    pub fn give_up(&self) {
        self.failed.store(true, Ordering::SeqCst);
    }

    fn sum(&self) -> u64 {
        self.lanes
            .iter()
            .map(|lane| u64::from(lane.done.load(Ordering::Relaxed)))
            .sum()
    }
}

/// Lanes gather behind it and are released at once.
pub struct Gate {
    state: AtomicU32,
    gathered: AtomicU32,
}

const CLOSED: u32 = 0;
const OPEN: u32 = 1;
const GIVEN_UP: u32 = 2;

impl Gate {
    /// A closed gate.
    pub fn new() -> Gate {
        Gate {
            state: AtomicU32::new(CLOSED),
            gathered: AtomicU32::new(0),
        }
    }

    /// Waits for the gate; false if there is nothing to run after all.
    pub fn wait(&self) -> bool {
        self.gathered.fetch_add(1, Ordering::SeqCst);
        sys::futex_wake(&self.gathered);
        while self.state.load(Ordering::Acquire) == CLOSED {
            sys::futex_wait(&self.state, CLOSED);
        }
        self.state.load(Ordering::Acquire) == OPEN
    }

    /// Waits until so many lanes stand before it.
    pub fn wait_for(&self, lanes: usize) {
        loop {
            let gathered = self.gathered.load(Ordering::SeqCst);
            if gathered as usize >= lanes {
                return;
            }
            sys::futex_wait(&self.gathered, gathered);
        }
    }

    /// Lets all lanes go, to run or to end.
    pub fn open(&self, run: bool) {
        self.state
            .store(if run { OPEN } else { GIVEN_UP }, Ordering::SeqCst);
        sys::futex_wake(&self.state);
    }
}

//! Time stamps of the loop: `CLOCK_MONOTONIC` through the vDSO, in nanoseconds since the first stamp of the process.

use std::sync::LazyLock;
use std::time::Instant;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Now, in ticks.
#[inline]
pub fn ticks() -> u64 {
    START.elapsed().as_nanos() as u64
}

/// What a tick is.
pub struct Clock;

impl Clock {
    /// Begins an execution.
    pub fn start() -> Clock {
        LazyLock::force(&START);
        Clock
    }

    /// Nanoseconds of a tick.
    pub fn nanoseconds_per_tick(&self) -> f64 {
        1.0
    }
}

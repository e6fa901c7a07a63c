//! Time stamps of the loop: the processor's own counter where the kernel trusts it as a clock, else
//! `CLOCK_MONOTONIC`.

use std::sync::LazyLock;
use std::time::Instant;

use crate::sys;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Whether the kernel itself keeps time by the processor's counter.
static COUNTER: LazyLock<bool> = LazyLock::new(|| {
    let source =
        std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    matches!(
        source.as_deref().map(str::trim),
        Ok("tsc" | "kvm-clock" | "arch_sys_counter" | "hyperv_clocksource_tsc_page")
    )
});

/// Nanoseconds of a tick, measured once for durations that must be known beforehand.
static TICK: LazyLock<f64> = LazyLock::new(|| {
    let clock = Clock::start();
    while clock.begin.elapsed().as_millis() < 10 {
        std::hint::spin_loop();
    }
    clock.nanoseconds_per_tick()
});

/// What a tick is, and how to take a stamp; fixed for an execution.
#[derive(Clone, Copy)]
pub struct Clock {
    counter: bool,
    begin: Instant,
    begin_ticks: u64,
}

impl Clock {
    /// Begins an execution.
    pub fn start() -> Clock {
        LazyLock::force(&START);
        let counter = *COUNTER && sys::has_counter();
        let clock = Clock {
            counter,
            begin: Instant::now(),
            begin_ticks: 0,
        };
        Clock {
            begin_ticks: clock.ticks(),
            ..clock
        }
    }

    /// Now, in ticks.
    #[inline]
    pub fn ticks(self) -> u64 {
        if self.counter {
            sys::counter()
        } else {
            START.elapsed().as_nanos() as u64
        }
    }

    /// Nanoseconds of a tick, known before an execution.
    pub fn tick_length(self) -> f64 {
        if self.counter { *TICK } else { 1.0 }
    }

    /// Nanoseconds of a tick, measured over the execution that ends now.
    pub fn nanoseconds_per_tick(self) -> f64 {
        if !self.counter {
            return 1.0;
        }
        // A very short execution would measure the two stamps' own cost.
        while self.begin.elapsed().as_micros() < 2000 {
            std::hint::spin_loop();
        }
        let ticks = self.ticks().saturating_sub(self.begin_ticks);
        self.begin.elapsed().as_nanos() as f64 / ticks.max(1) as f64
    }
}

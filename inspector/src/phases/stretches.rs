//! From bursts of work to phases.
//!
//! The rule: a phase ends where nobody is busy for [`PAUSE`], or for [`PAUSE_BEFORE_OUTSIDE`]
//! before something that says itself that it comes from outside: a change of a watched file, a
//! request, input. A wake-up that does nothing to speak of doesn't count as busy, and neither does
//! polling.

use std::collections::HashMap;

use super::bursts::{Burst, Bursts, Cause};
use crate::places::Places;

/// Whoever waits that long waits for the outside. Builds, installations over a network and the
/// delays by which watchers collect changes (jest 100 ms, tsc 250 ms, nodemon 1 s at most) stay
/// within it; people don't.
const PAUSE: u64 = 1_000_000_000;
/// Where the trace tells that the outside came, it need not be guessed from the length of the
/// pause; but requests that a page makes together are one phase.
const PAUSE_BEFORE_OUTSIDE: u64 = 100_000_000;
/// Work without a call on a file is a wake-up as long as it is shorter: timers of a runtime, a look
/// at a clock, the collection of garbage. Nanoseconds.
const WAKE_UP: u64 = 50_000_000;

/// Phases, and what lay between them.
#[derive(Default)]
pub(crate) struct Stretches {
    pub(crate) phases: Vec<Burst>,
    pub(crate) between: Burst,
    /// Nanoseconds in which somebody was busy, waiting for a processor or for the recorder
    /// included.
    pub(crate) taken: u64,
    /// Nanoseconds of work in wake-ups, by who polls then.
    polled: HashMap<(bool, u32), u64>,
    /// Where work other than wake-ups ended, and how long it was up to there, nanoseconds.
    worked: Vec<(u64, u64)>,
}

/// What set a phase to work, if it says so at once.
pub(crate) fn cause(burst: &Burst) -> Option<Cause> {
    let (when, cause) = burst.cause?;
    (when.saturating_sub(burst.begin) <= PAUSE_BEFORE_OUTSIDE).then_some(cause)
}

/// Whether a phase is what a tool has left to do when a signal or a time limit ends it.
pub(crate) fn is_an_end(burst: &Burst, elapsed: u64) -> bool {
    burst.opens == 0 && is_little(burst) && elapsed.saturating_sub(burst.end) < PAUSE
}

/// Whether all that was worked is no more than a wake-up takes.
fn is_little(burst: &Burst) -> bool {
    burst.work < WAKE_UP
}

fn is_wake_up(burst: &Burst) -> bool {
    let only_polls = burst.calls == burst.polls;
    burst.cause.is_none() && only_polls && (burst.polls > 0 || is_little(burst))
}

/// Puts bursts together.
pub(crate) fn of(bursts: &Bursts, places: &Places) -> Stretches {
    let mut all = Stretches::default();
    let mut passed: Option<Burst> = None;
    let pass = |passed: &mut Option<Burst>, burst: &Burst| match passed {
        Some(before) => before.join(burst.clone(), places),
        None => *passed = Some(burst.clone()),
    };
    for burst in bursts.iter() {
        all.taken += burst.end - burst.begin;
        if is_wake_up(burst) {
            if let Some(poller) = burst.poller {
                let polled = all.polled.entry(poller).or_default();
                *polled = polled.saturating_add(burst.work);
            }
            pass(&mut passed, burst);
            continue;
        }
        let before = all.worked_until(u64::MAX);
        all.worked
            .push((burst.end, before + burst.end - burst.begin));
        let pause = if cause(burst).is_some() {
            PAUSE_BEFORE_OUTSIDE
        } else {
            PAUSE
        };
        let before = passed.take();
        match all.phases.last_mut() {
            Some(last) if burst.begin - last.end < pause => {
                before
                    .into_iter()
                    .for_each(|before| last.join(before, places));
                last.join(burst.clone(), places);
            }
            _ => {
                all.between(before, places);
                all.phases.push(burst.clone());
            }
        }
    }
    // A tool that did nothing but compute for a moment has worked, too.
    match passed {
        Some(only) if all.phases.is_empty() && only.events > 0 => all.phases.push(only),
        rest => all.between(rest, places),
    }
    all
}

impl Stretches {
    /// How much of a processor somebody's polling takes while nobody works; from one time to
    /// another, nanoseconds.
    pub(crate) fn polling_share(&self, poller: (bool, u32), begin: u64, end: u64) -> f64 {
        let work = self.polled.get(&poller).copied().unwrap_or_default();
        let others = self.worked_until(end) - self.worked_until(begin);
        let idle = end.saturating_sub(begin).saturating_sub(others);
        work as f64 / idle.max(1) as f64
    }

    fn worked_until(&self, time: u64) -> u64 {
        let after = self.worked.partition_point(|(end, _)| *end <= time);
        after.checked_sub(1).map_or(0, |at| self.worked[at].1)
    }

    fn between(&mut self, burst: Option<Burst>, places: &Places) {
        if let Some(burst) = burst {
            self.between.join(burst, places);
        }
    }
}

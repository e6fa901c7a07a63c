//! How fast calls are played to see what they take.
//!
//! A local file system answers a call alike whenever it comes. A share doesn't. What it knows of
//! names and attributes expires after some time, so that a tool which works for seconds asks again
//! and again what a replay as fast as possible asks once. And who answers is asleep after a pause,
//! while a replay as fast as possible keeps him awake.

use std::time::Duration;

use super::papers::LOOK;
use crate::cache::is_on_share;
use crate::plan::Plan;
use crate::timing::Timing;

/// The part of the budget that the tool's own time may take in the first rounds.
const PART: f64 = 0.5;

/// The timing of the rounds of each plan: on shares the tool's own, which takes so many seconds a
/// round, what it waits for included, shortened to what the budget allows.
pub fn timings<'p>(
    plans: impl IntoIterator<Item = &'p Plan>,
    own_seconds: f64,
    budget: Duration,
) -> Vec<Timing> {
    let shares: Vec<bool> = plans.into_iter().map(is_on_share).collect();
    let count = shares.iter().filter(|is_share| **is_share).count();
    let scale = scale(own_seconds, count, budget);
    let timing = |is_share: bool| {
        if is_share {
            Timing::Scaled(scale)
        } else {
            Timing::Fast
        }
    };
    shares.into_iter().map(timing).collect()
}

/// What the tool's own time is multiplied by, so that it takes no more than its part of the budget
/// in the rounds before the first look, and in the one that warms caches. What calls, rests and
/// putting back take is not known yet.
fn scale(own_seconds: f64, plans: usize, budget: Duration) -> f64 {
    let rounds = (LOOK + 1) * plans;
    let all = own_seconds * rounds as f64;
    (budget.as_secs_f64() * PART / all.max(f64::MIN_POSITIVE)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_tool_has_its_own_pace_and_a_long_one_what_the_budget_allows() {
        let budget = Duration::from_secs(30);
        assert_eq!(scale(1.0, 2, budget), 1.0);
        assert_eq!(scale(0.0, 1, budget), 1.0);
        for (seconds, plans) in [(10.0, 1), (100.0, 1), (100.0, 7)] {
            let all = seconds * scale(seconds, plans, budget) * (6 * plans) as f64;
            assert!((all - 15.0).abs() < 1e-6, "{seconds} {plans}: {all}");
        }
    }
}

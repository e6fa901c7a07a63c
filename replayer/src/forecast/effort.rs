//! How much is worked out on paper: what a part of the budget allows.

use std::time::Duration;

/// The part of the budget that working times out may take after the last round.
const PART: f64 = 0.3;
/// How often rounds are drawn anew: their scatter is known to a seventh then.
const DRAWS: usize = 25;
/// With fewer, it is known to no more than a quarter: that is no interval any more.
const FEWEST_DRAWS: usize = 8;
/// What is always played: with the typical times of calls, and with their lower quartiles.
const ALWAYS: usize = 2;
/// Finding the times of calls takes about as long as playing the plan with them.
const WITH_PRICES: f64 = 2.0;

/// How often each plan is played on paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// With rounds drawn anew; not at all where so large a plan leaves no time for it.
    pub draws: usize,
    /// With single rounds, at most.
    pub single: usize,
    /// What it takes to play all plans once.
    once: Duration,
}

impl Effort {
    /// `play` is what it takes to play all plans once, with times that are known.
    pub fn within(budget: Duration, play: Duration) -> Effort {
        let once = play.mul_f64(WITH_PRICES).max(Duration::from_nanos(1));
        let affordable = budget.mul_f64(PART).div_duration_f64(once) as usize;
        let besides = affordable.saturating_sub(ALWAYS);
        let draws = if besides < FEWEST_DRAWS {
            0
        } else {
            besides.min(DRAWS)
        };
        Effort {
            draws,
            single: besides - draws,
            once,
        }
    }

    /// What a look at all plans takes.
    pub fn look(&self) -> Duration {
        self.plays(ALWAYS + self.draws)
    }

    /// What is to be played after the last round, at most: of small plans next to nothing.
    pub fn at_the_end(&self) -> Duration {
        // Of single rounds there are no more than these.
        self.plays(ALWAYS + self.draws + self.single.min(DRAWS))
    }

    fn plays(&self, times: usize) -> Duration {
        self.once
            .saturating_mul(u32::try_from(times).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Duration = Duration::from_secs(30);

    #[test]
    fn a_small_plan_is_played_as_often_as_is_of_use() {
        let effort = Effort::within(BUDGET, Duration::from_micros(100));
        assert_eq!(effort.draws, DRAWS);
        assert!(effort.single > 1000);
        assert!(effort.at_the_end() < BUDGET / 1000);
    }

    #[test]
    fn what_is_worked_out_after_the_last_round_is_a_part_of_the_budget_however_large_the_plan() {
        for milliseconds in [1, 10, 100, 300, 450, 1000, 2000] {
            let effort = Effort::within(BUDGET, Duration::from_millis(milliseconds));
            assert!(
                effort.at_the_end() <= BUDGET / 3,
                "{milliseconds}: {effort:?}"
            );
        }
        let large = Effort::within(BUDGET, Duration::from_millis(450));
        assert_eq!((large.draws, large.single), (8, 0));
        // What is larger still has no interval; more budget gives it one.
        let huge = Duration::from_secs(1);
        assert_eq!(Effort::within(BUDGET, huge).draws, 0);
        assert_eq!(Effort::within(BUDGET * 4, huge).draws, 16);
        // The time itself is told in any case.
        let absurd = Effort::within(BUDGET, Duration::from_secs(100));
        assert_eq!((absurd.draws, absurd.single), (0, 0));
    }
}

//! The one place where rounds become a time or a ratio with its interval, as results hold them.
//!
//! Terminal, page, JSON and conditions show what these give. The ratio of a contestant to the
//! baseline is estimated round by round; its time is the baseline's multiplied by that, so that a
//! ratio is the quotient of the times that stand beside it.

use fsreplay_measure::estimate;
use fsreplay_results::Estimate;

/// Fewer samples tell nothing of how much the next would differ.
const LEAST: usize = 3;

/// What was found of one contestant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// What each round took, by the clock or on paper, seconds. On paper of large plans some of
    /// them.
    pub rounds: Vec<f64>,
    /// What was told on paper, if it was.
    pub paper: Option<Paper>,
}

/// What all rounds together say on paper.
#[derive(Clone, Debug, PartialEq)]
pub struct Paper {
    /// What it takes, seconds.
    pub seconds: f64,
    /// What it takes if nobody is in its way, seconds.
    pub quick: f64,
    /// From so many rounds.
    pub rounds: usize,
    /// What it takes with rounds drawn anew, seconds; empty where there was no time for that.
    pub drawn: Vec<f64>,
}

impl Series {
    /// Of rounds by the clock.
    pub fn of(rounds: Vec<f64>) -> Series {
        Series {
            rounds,
            paper: None,
        }
    }

    /// What it takes, seconds.
    pub fn time(&self) -> Estimate {
        let found = self.paper.as_ref().map_or_else(
            || estimate::typical(&self.rounds),
            |paper| {
                let drawn = paper.drawn.iter().copied();
                estimate::resampled(paper.seconds, drawn, paper.rounds)
            },
        );
        told(found, self.count())
    }

    /// How many times as long as the baseline it takes. What stands at the same place is of the
    /// same rounds. On paper the interval also holds the ratio of what both take if nobody is in
    /// their way: where that is another one, neighbours have made the difference.
    pub fn ratio(&self, baseline: &Series) -> estimate::Estimate {
        let Some((one, other)) = self.paper.as_ref().zip(baseline.paper.as_ref()) else {
            return estimate::ratio(&self.rounds, &baseline.rounds);
        };
        let drawn = one
            .drawn
            .iter()
            .zip(&other.drawn)
            .map(|(one, other)| one / other);
        let rounds = one.rounds.min(other.rounds);
        let found = estimate::resampled(one.seconds / other.seconds, drawn, rounds);
        let quick = one.quick / other.quick;
        estimate::Estimate {
            low: found.low.min(quick),
            high: found.high.max(quick),
            ..found
        }
    }

    /// The time and the ratio to the baseline, as results hold them.
    pub fn beside(&self, baseline: &Series) -> (Estimate, Estimate) {
        let count = self.count().min(baseline.count());
        let ratio = told(self.ratio(baseline), count);
        (scaled(baseline.time().value, &ratio), ratio)
    }

    /// Whether it stands on no round.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// How many rounds it stands on; one at most where it is not known how they differ.
    fn count(&self) -> usize {
        let Some(paper) = &self.paper else {
            return self.rounds.len();
        };
        if paper.drawn.len() < LEAST {
            paper.rounds.min(1)
        } else {
            paper.rounds
        }
    }
}

/// What takes so many times as long as the baseline, seconds.
fn scaled(baseline: f64, ratio: &Estimate) -> Estimate {
    Estimate {
        value: baseline * ratio.value,
        low: ratio.low.map(|low| baseline * low),
        high: ratio.high.map(|high| baseline * high),
    }
}

fn told(found: estimate::Estimate, samples: usize) -> Estimate {
    if samples == 0 {
        return Estimate::default();
    }
    let bound = |bound| (samples >= LEAST).then_some(bound);
    Estimate {
        value: found.value,
        low: bound(found.low),
        high: bound(found.high),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(samples: &[f64]) -> Series {
        Series::of(samples.to_vec())
    }

    #[test]
    fn a_value_lies_in_its_interval() {
        let rounds = series(&[1.0, 1.1, 0.9, 1.05, 0.95, 1.0, 1.02]);
        let (time, ratio) = rounds.beside(&series(&[2.0, 2.1, 1.9, 2.0, 2.0, 2.2, 2.0]));
        for found in [rounds.time(), time, ratio] {
            let (low, high) = found.interval().expect("an interval");
            assert!(low < found.value && found.value < high, "{found:?}");
        }
    }

    #[test]
    fn few_rounds_have_no_interval() {
        let three = Estimate {
            value: 3.0,
            ..Estimate::default()
        };
        assert_eq!(series(&[3.0]).time(), three);
        let (_, ratio) = series(&[3.0, 3.0]).beside(&series(&[1.5, 1.5]));
        assert_eq!((ratio.value, ratio.interval()), (2.0, None));
        assert_eq!(series(&[]).time().known(), None);
    }

    #[test]
    fn a_ratio_is_the_quotient_of_the_times() {
        let base = series(&[2.0, 2.1, 9.0, 2.2]);
        let (time, ratio) = series(&[1.0, 3.0, 2.0, 9.0]).beside(&base);
        assert_eq!(time.value / base.time().value, ratio.value);
    }

    #[test]
    fn what_neighbours_may_have_made_lies_in_the_interval() {
        let on_paper = |seconds: f64, quick: f64| Series {
            paper: Some(Paper {
                seconds,
                quick,
                rounds: 9,
                // On a logarithmic scale without a scatter, whatever its digits.
                drawn: vec![1.0; 25],
            }),
            ..Series::default()
        };
        let base = on_paper(1.0, 1.0);
        let slow = on_paper(1.5, 1.02).ratio(&base);
        assert_eq!((slow.value, slow.high), (1.5, 1.5));
        assert_eq!(slow.low, 1.02);
        let same = on_paper(2.0, 2.0).ratio(&base);
        assert_eq!((same.low, same.high), (2.0, 2.0));
        assert_eq!(on_paper(2.0, 1.0).time().interval(), Some((2.0, 2.0)));
    }

    #[test]
    fn without_rounds_drawn_anew_there_is_no_interval() {
        let alone = Series {
            paper: Some(Paper {
                seconds: 2.0,
                quick: 2.0,
                rounds: 9,
                drawn: Vec::new(),
            }),
            ..Series::default()
        };
        assert_eq!(alone.time().known(), Some(2.0));
        assert_eq!(alone.time().interval(), None);
        assert_eq!(alone.beside(&alone).1.interval(), None);
    }
}

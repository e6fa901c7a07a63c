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
    /// What each round, or group of rounds, took or would take, seconds.
    pub samples: Vec<f64>,
    /// What all of them together say it takes, if that is more than the typical one of the samples
    /// says, seconds.
    pub whole: Option<f64>,
}

impl Series {
    /// Of rounds by the clock.
    pub fn of(samples: Vec<f64>) -> Series {
        Series {
            samples,
            whole: None,
        }
    }

    /// What it takes, seconds.
    pub fn time(&self) -> Estimate {
        let found = self.with(estimate::typical(&self.samples), self.whole);
        told(found, self.samples.len())
    }

    /// How many times as long as the baseline it takes. Samples at the same place are of the same
    /// rounds.
    pub fn ratio(&self, baseline: &Series) -> estimate::Estimate {
        let whole = self.whole.zip(baseline.whole);
        self.with(
            estimate::ratio(&self.samples, &baseline.samples),
            whole.map(|(one, other)| one / other),
        )
    }

    /// The time and the ratio to the baseline, as results hold them.
    pub fn beside(&self, baseline: &Series) -> (Estimate, Estimate) {
        let count = self.samples.len().min(baseline.samples.len());
        let ratio = told(self.ratio(baseline), count);
        (scaled(baseline.time().value, &ratio), ratio)
    }

    fn with(&self, found: estimate::Estimate, whole: Option<f64>) -> estimate::Estimate {
        let value = whole.unwrap_or(found.value);
        estimate::Estimate {
            value,
            low: found.low.min(value),
            high: found.high.max(value),
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
    fn what_all_rounds_say_stands_even_outside_of_the_samples() {
        let whole = Series {
            whole: Some(5.0),
            ..series(&[1.0, 1.0, 1.0])
        };
        let time = whole.time();
        assert_eq!((time.value, time.high), (5.0, Some(5.0)));
    }
}

//! The one place where rounds become a time or a ratio with its interval, as results hold them.
//!
//! Terminal, page, JSON and conditions show what these give. Of a contestant the ratio is estimated,
//! round by round beside the baseline's; its time is the baseline's multiplied by that, so that a
//! ratio is the quotient of the times that stand beside it.

use fsreplay_measure::estimate;
use fsreplay_results::Estimate;

/// Fewer rounds tell nothing of how much the next would differ.
const LEAST: usize = 3;

/// What rounds take, in seconds as they are. Of no rounds nothing is known, of few no interval.
pub fn time(rounds: &[f64]) -> Estimate {
    told(estimate::typical(rounds), rounds.len())
}

/// How many times as long rounds take as those of the baseline at the same place.
pub fn ratio(rounds: &[f64], baseline: &[f64]) -> Estimate {
    told(
        estimate::ratio(rounds, baseline),
        rounds.len().min(baseline.len()),
    )
}

/// What takes so many times as long as the baseline, seconds.
pub fn beside(baseline: f64, ratio: &Estimate) -> Estimate {
    Estimate {
        value: baseline * ratio.value,
        low: ratio.low.map(|low| baseline * low),
        high: ratio.high.map(|high| baseline * high),
    }
}

fn told(found: estimate::Estimate, rounds: usize) -> Estimate {
    if rounds == 0 {
        return Estimate::default();
    }
    let bound = |bound| (rounds >= LEAST).then_some(bound);
    Estimate {
        value: found.value,
        low: bound(found.low),
        high: bound(found.high),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_in_its_interval() {
        let rounds = [1.0, 1.1, 0.9, 1.05, 0.95, 1.0, 1.02];
        for found in [time(&rounds), ratio(&rounds, &[2.0, 2.1, 1.9])] {
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
        assert_eq!(time(&[3.0]), three);
        assert_eq!(ratio(&[3.0, 3.0], &[1.5, 1.5]).interval(), None);
        assert_eq!(time(&[]).known(), None);
    }

    #[test]
    fn a_ratio_is_the_quotient_of_the_times() {
        let (rounds, base) = ([1.0, 3.0, 2.0, 9.0], [2.0, 2.1, 9.0, 2.2]);
        let (whole, found) = (time(&base), ratio(&rounds, &base));
        assert_eq!(beside(whole.value, &found).value / whole.value, found.value);
    }
}

//! How sure a ratio is: a bootstrap over rounds, widened to hold what a repeated measurement finds.

use crate::result::median;

/// Resamples; the bounds of the interval are then stable to about a percent of its width.
const RESAMPLES: usize = 4000;

/// A ratio and its 95 % interval: a repeated measurement gives a ratio in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// Ratio of the medians.
    pub value: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// Ratio of the medians of two lists of times, with the percentile interval of a bootstrap in which both lists are drawn anew,
/// each by itself (Efron, "Bootstrap methods", 1979). The draws are the same each time.
///
/// That interval is for the true ratio, which nobody ever sees: what users see is a repeated run, whose ratio has as much noise of its own. The
/// variance of the difference of two such ratios is twice that of one, so the interval is wider by the root of two, on a logarithmic
/// scale as becomes a ratio. As a confidence interval it is on the safe side.
pub fn ratio(times: &[f64], baseline: &[f64]) -> Ratio {
    let value = median(times) / median(baseline);
    let mut state = 0x9E37_79B9_7F4A_7C15;
    let mut ratios: Vec<f64> = (0..RESAMPLES)
        .map(|_| median(&drawn(times, &mut state)) / median(&drawn(baseline, &mut state)))
        .collect();
    ratios.sort_by(f64::total_cmp);
    let at = |share: f64| ratios[((RESAMPLES - 1) as f64 * share).round() as usize];
    let widened = |bound: f64| value * (bound / value).powf(std::f64::consts::SQRT_2);
    Ratio {
        value,
        low: widened(at(0.025).min(value)),
        high: widened(at(0.975).max(value)),
    }
}

fn drawn(values: &[f64], state: &mut u64) -> Vec<f64> {
    values
        .iter()
        .map(|_| {
            // xorshift64* (Marsaglia 2003, Vigna 2016)
            *state ^= *state >> 12;
            *state ^= *state << 25;
            *state ^= *state >> 27;
            let random = state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
            values[(random as usize * values.len()) >> 31]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clear_difference_excludes_one_and_noise_does_not() {
        let base = [1.0, 1.1, 0.9, 1.05, 0.95, 1.0, 1.02];
        let twice: Vec<f64> = base.iter().map(|time| time * 2.0).collect();
        let clear = ratio(&twice, &base);
        assert!(clear.low > 1.5 && clear.high < 2.6, "{clear:?}");
        assert!((clear.value - 2.0).abs() < 1e-9);
        let other = [1.04, 0.93, 1.1, 0.97, 1.01, 0.99, 1.06];
        let noise = ratio(&other, &base);
        assert!(noise.low < 1.0 && noise.high > 1.0, "{noise:?}");
    }

    #[test]
    fn one_round_has_no_width() {
        let one = ratio(&[3.0], &[1.5]);
        assert_eq!((one.low, one.value, one.high), (2.0, 2.0, 2.0));
    }

    #[test]
    fn the_interval_holds_the_true_ratio_and_nearly_always_that_of_a_repeated_run() {
        let mut state = 7u64;
        let mut noise = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            0.9 + (state >> 40) as f64 / (1u64 << 24) as f64 * 0.2
        };
        let mut run = || -> (Vec<f64>, Vec<f64>) {
            let base = (0..10).map(|_| noise()).collect();
            ((0..10).map(|_| 1.3 * noise()).collect(), base)
        };
        let (mut held, mut repeated) = (0, 0);
        for _ in 0..200 {
            let (times, base) = run();
            let found = ratio(&times, &base);
            let (times, base) = run();
            let again = median(&times) / median(&base);
            held += u32::from(found.low <= 1.3 && 1.3 <= found.high);
            repeated += u32::from(found.low <= again && again <= found.high);
        }
        assert!(held >= 195, "{held} of 200");
        assert!(repeated >= 180, "{repeated} of 200");
    }
}

//! One estimator and one interval, for everything that is told.
//!
//! Rounds are played in turn, so the contestants' times of one round belong together: what the
//! machine did meanwhile met all of them. A ratio is estimated from the quotients of these pairs,
//! on a logarithmic scale. If two contestants differ by a factor, and are disturbed alike, then the
//! logarithms of the quotients scatter alike on both sides of that factor, *whatever* the
//! disturbance looks like: heavy tails included. For such values the median of the means of all
//! pairs (Hodges and Lehmann, 1963) is the estimate, and the interval that belongs to it (Wilcoxon's
//! signed ranks) holds the truth as often as it says, for any number of rounds.
//!
//! **99 %**, because someone looks after each round and stops when the verdict stands: that is many
//! chances to be wrong. The figures of `examples/study.rs` say what it costs.
//!
//! With fewer than 8 rounds, ranks alone can't say 99 %: the widest interval that they have is then
//! widened by the quotient of Student's quantiles at 99 % and at what they can say. With
//! fewer than three, nothing is known of how values scatter, and the interval is
//! [`WIDEST`].

/// Chance that the interval misses the truth, at one look.
const MISS: f64 = 0.01;

/// Bounds are not further from the value than by this factor. JSON has no infinity.
pub const WIDEST: f64 = 1000.0;

/// Above this many values their neighbours, sorted, stand for them; the time goes with the square.
const MANY: usize = 400;

/// Above this many values the sum of ranks is as good as normal.
const EXACT: usize = 60;

/// A value and the bounds that hold the truth. None of them is negative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

impl Estimate {
    /// Nothing is known but the value.
    fn unknown(value: f64) -> Estimate {
        Estimate {
            value,
            low: value / WIDEST,
            high: value * WIDEST,
        }
    }

    /// Whether it holds a value.
    pub fn holds(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// The typical one of some times, with its interval. Without any it is 0.
pub fn typical(times: &[f64]) -> Estimate {
    centre(times.iter().copied())
}

/// The ratio of a contestant's times to the baseline's. What stands at the same place in both was
/// measured in the same round; what has no counterpart is left out.
pub fn ratio(times: &[f64], baseline: &[f64]) -> Estimate {
    let pairs = times.iter().zip(baseline);
    centre(pairs.map(|(time, base)| time / base))
}

/// The centre of positive values that scatter alike on both sides on a logarithmic scale.
fn centre(values: impl Iterator<Item = f64>) -> Estimate {
    let positive = values.filter(|value| value.is_finite() && *value > 0.0);
    let logs: Vec<f64> = thinned(positive.map(f64::ln).collect());
    if logs.is_empty() {
        return Estimate::unknown(0.0);
    }
    let means = walsh(&logs);
    let middle = middle(&means);
    let value = middle.exp();
    if logs.len() < 3 {
        return Estimate::unknown(value);
    }
    let (outside, widening) = bounds(logs.len());
    let away = |log: f64| ((log - middle) * widening).exp();
    Estimate {
        value,
        low: value * away(means[outside]).max(1.0 / WIDEST),
        high: value * away(means[means.len() - 1 - outside]).min(WIDEST),
    }
}

/// How many of the sorted means lie outside the interval on each side, and what the interval is to
/// be widened by.
fn bounds(count: usize) -> (usize, f64) {
    /// Quotients of Student's quantiles, of `count - 1` degrees of freedom: at 1 - MISS / 2 and at
    /// 1 - 2^-count, which is the most that the ranks of so few values can say.
    const STUDENT: [f64; 5] = [6.189, 2.764, 1.797, 1.359, 1.110];
    if let Some(widening) = count.checked_sub(3).and_then(|few| STUDENT.get(few)) {
        return (0, *widening);
    }
    (outside(count), 1.0)
}

/// The largest number of means that may be left out on each side so that the truth lies beyond with
/// a chance of no more than half of [`MISS`].
fn outside(count: usize) -> usize {
    let n = count as f64;
    let sums = count * (count + 1) / 2;
    if count > EXACT {
        const NORMAL: f64 = 2.576;
        let spread = (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0).sqrt();
        return (sums as f64 / 2.0 - NORMAL * spread - 0.5) as usize;
    }
    // Chance of each sum of ranks, each rank being positive as often as negative.
    let mut chances = vec![0.0; sums + 1];
    chances[0] = 1.0;
    for rank in 1..=count {
        for sum in (0..=sums).rev() {
            let without = chances[sum] / 2.0;
            chances[sum] = without
                + sum
                    .checked_sub(rank)
                    .map_or(0.0, |rest| chances[rest] / 2.0);
        }
    }
    let mut beyond = 0.0;
    let within = chances.iter().take_while(|chance| {
        beyond += **chance;
        beyond <= MISS / 2.0
    });
    within.count().saturating_sub(1)
}

/// Sorted means of all pairs of values, each with itself included.
fn walsh(values: &[f64]) -> Vec<f64> {
    let mut means = Vec::with_capacity(values.len() * (values.len() + 1) / 2);
    for (index, one) in values.iter().enumerate() {
        means.extend(values[index..].iter().map(|other| (one + other) / 2.0));
    }
    means.sort_by(f64::total_cmp);
    means
}

/// No more than [`MANY`] values: the others, evenly from the sorted ones, are left out.
fn thinned(mut values: Vec<f64>) -> Vec<f64> {
    if values.len() <= MANY {
        return values;
    }
    values.sort_by(f64::total_cmp);
    let at = |number: usize| values[(2 * number + 1) * values.len() / (2 * MANY)];
    (0..MANY).map(at).collect()
}

/// The middle value; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    middle(&sorted)
}

fn middle(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

//! How much longer something takes where the machine is slowed.

/// What is expected counts as much as what so much of spread tells (the sum of squares of slowness's logarithms): some twenty runs on a machine whose slowness
/// has a standard deviation of an eighth.
const PRIOR: f64 = 0.3;
/// No program was seen beyond these.
const EXPONENTS: std::ops::RangeInclusive<f64> = 0.0..=2.0;

/// The exponent by which a time grows with the slowness of the processors, learnt from runs by the least squares of logarithms. Processor time: 0.8 to 1.2
/// for most tools, 1.4 and 1.5 for Python and Node.js, 0.8 to 1.0 for replays (9 workloads on 4 mounts, 340 runs each).
#[derive(Clone, Copy, Debug)]
pub struct Response {
    products: f64,
    squares: f64,
}

impl Response {
    /// Before anything is seen. What is no number stands for 1.
    pub fn expected(exponent: f64) -> Response {
        let exponent = match exponent.is_finite() {
            true => exponent,
            false => 1.0,
        };
        Response {
            products: exponent * PRIOR,
            squares: PRIOR,
        }
    }

    /// Learns from runs of one kind: time and slowness of each. What is not positive tells nothing.
    pub fn learn(&mut self, runs: impl Iterator<Item = (f64, f64)>) {
        self.learn_busy(1.0, runs);
    }

    /// Learns from runs that were busy for that part of their time how what is busy all the time grows.
    pub fn learn_busy(&mut self, busy: f64, runs: impl Iterator<Item = (f64, f64)>) {
        let known = runs.filter(|(time, slow)| *time > 0.0 && *slow > 0.0);
        let logs: Vec<(f64, f64)> = known.map(|(time, slow)| (time.ln(), slow.ln())).collect();
        let count = logs.len().max(1) as f64;
        let time = logs.iter().map(|(time, _)| time).sum::<f64>() / count;
        let slow = logs.iter().map(|(_, slow)| slow).sum::<f64>() / count;
        for (one_time, one_slow) in logs {
            self.products += busy * (one_slow - slow) * (one_time - time);
            self.squares += (busy * (one_slow - slow)).powi(2);
        }
    }

    /// How something grows that is busy for that part of its time only.
    pub fn of_busy(self, busy: f64) -> Response {
        Response {
            products: self.exponent() * busy,
            squares: 1.0,
        }
    }

    fn exponent(self) -> f64 {
        (self.products / self.squares).clamp(*EXPONENTS.start(), *EXPONENTS.end())
    }

    /// A time as it had been on a machine that is less slow by that factor, or slower by one below 1; by all it was slowed by: on one that nothing slows.
    pub fn unslowed(self, time: f64, slow: f64) -> f64 {
        time / slow.powf(self.exponent())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_goes_for_the_first_run() {
        assert_eq!(Response::expected(1.0).unslowed(30.0, 1.5), 20.0);
        assert_eq!(Response::expected(0.0).unslowed(30.0, 1.5), 30.0);
        assert_eq!(Response::expected(f64::NAN).unslowed(30.0, 1.5), 20.0);
        assert_eq!(Response::expected(1.0).unslowed(0.0, 1.5), 0.0);
    }

    #[test]
    fn the_exponent_is_learnt() {
        let slow = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5];
        for exponent in [0.0f64, 0.7, 1.0, 1.5] {
            let mut response = Response::expected(1.0);
            for _ in 0..100 {
                let runs = slow.map(|slow: f64| (80.0 * slow.powf(exponent), slow));
                response.learn(runs.into_iter());
            }
            let unslowed = response.unslowed(80.0 * 1.4f64.powf(exponent), 1.4);
            assert!((unslowed - 80.0).abs() < 1.0, "{exponent}: {unslowed}");
        }
    }

    #[test]
    fn what_is_learnt_from_half_busy_runs_goes_for_busy_ones() {
        let slow = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5];
        let mut response = Response::expected(1.0);
        for busy in [0.5, 0.8].repeat(200) {
            let runs = slow.map(|slow: f64| (80.0 * slow.powf(1.5 * busy), slow));
            response.learn_busy(busy, runs.into_iter());
        }
        for busy in [0.0, 0.5, 1.0] {
            let time = 80.0 * 1.4f64.powf(1.5 * busy);
            let unslowed = response.of_busy(busy).unslowed(time, 1.4);
            assert!((unslowed - 80.0).abs() < 1.0, "{busy}: {unslowed}");
        }
    }

    #[test]
    fn few_runs_and_none_change_little() {
        let mut response = Response::expected(1.0);
        response.learn(std::iter::empty());
        response.learn([(0.0, 1.0), (10.0, 0.0), (10.0, 1.0)].into_iter());
        assert_eq!(response.unslowed(30.0, 1.5), 20.0);
        response.learn([(10.0, 1.0), (20.0, 1.02)].into_iter());
        let unslowed = response.unslowed(30.0, 1.5);
        assert!((19.0..=20.0).contains(&unslowed), "{unslowed}");
    }
}

//! How much longer a command takes where the machine is slowed.

/// What is taken for granted before anything is seen: that it takes as much longer as a unit of work, as surely as some five runs on a machine that is
/// slowed by a tenth would tell.
const PRIOR: f64 = 0.05;
/// No program was seen beyond these.
const EXPONENTS: std::ops::RangeInclusive<f64> = 0.5..=2.0;

/// The exponent by which processor time grows with the slowness of the processors: 0.8 to 1.2 for most tools, 1.4 and 1.5 for Python and Node.js, 0.8 to
/// 1.0 for replays (9 workloads on 4 mounts, 340 runs each).
#[derive(Clone, Copy, Debug)]
pub struct Response {
    products: f64,
    squares: f64,
}

impl Default for Response {
    fn default() -> Response {
        Response {
            products: PRIOR,
            squares: PRIOR,
        }
    }
}

impl Response {
    /// Learns from runs of one kind: processor time and slowness of each. What is not positive tells nothing.
    pub fn learn(&mut self, runs: impl Iterator<Item = (f64, f64)>) {
        let known = runs.filter(|(time, slow)| *time > 0.0 && *slow > 0.0);
        let logs: Vec<(f64, f64)> = known.map(|(time, slow)| (time.ln(), slow.ln())).collect();
        let count = logs.len().max(1) as f64;
        let time = logs.iter().map(|(time, _)| time).sum::<f64>() / count;
        let slow = logs.iter().map(|(_, slow)| slow).sum::<f64>() / count;
        for (one_time, one_slow) in logs {
            self.products += (one_slow - slow) * (one_time - time);
            self.squares += (one_slow - slow).powi(2);
        }
    }

    /// A time on the clock as it had been on a machine that nothing slows: what was waited for (a disk, the network) takes as long as ever.
    pub fn unslowed(self, wall: f64, cpu: f64, slow: f64) -> f64 {
        let busy = cpu.min(wall);
        wall - busy + self.busy(busy, slow)
    }

    /// Processor time as it had been there.
    pub fn busy(self, cpu: f64, slow: f64) -> f64 {
        let exponent = (self.products / self.squares).clamp(*EXPONENTS.start(), *EXPONENTS.end());
        cpu / slow.powf(exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computing_is_slowed_and_waiting_is_not() {
        let response = Response::default();
        assert_eq!(response.unslowed(100.0, 60.0, 1.5), 80.0);
        // Two threads at a time.
        assert_eq!(response.unslowed(100.0, 200.0, 2.0), 50.0);
    }

    #[test]
    fn the_exponent_is_learnt() {
        let slow = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5];
        for exponent in [0.7f64, 1.0, 1.5] {
            let mut response = Response::default();
            for _ in 0..10 {
                let runs = slow.map(|slow: f64| (80.0 * slow.powf(exponent), slow));
                response.learn(runs.into_iter());
            }
            let unslowed = response.busy(80.0 * 1.4f64.powf(exponent), 1.4);
            assert!((unslowed - 80.0).abs() < 1.0, "{exponent}: {unslowed}");
        }
    }

    #[test]
    fn few_runs_and_none_change_little() {
        let mut response = Response::default();
        response.learn(std::iter::empty());
        response.learn([(0.0, 1.0), (10.0, 0.0), (10.0, 1.0)].into_iter());
        assert_eq!(response.busy(30.0, 1.5), 20.0);
        response.learn([(10.0, 1.0), (20.0, 1.02)].into_iter());
        let unslowed = response.busy(30.0, 1.5);
        assert!((18.0..=20.0).contains(&unslowed), "{unslowed}");
    }
}

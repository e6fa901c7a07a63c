//! From values to positions in percent, with round ticks.

use crate::units;

/// A scale and its ticks.
#[derive(Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    is_logarithmic: bool,
    ticks: Vec<(f64, String)>,
}

impl Scale {
    /// Seconds from 0 to a little more than `most`.
    pub fn seconds(most: f64) -> Scale {
        let most = if most.is_finite() && most > 0.0 {
            most
        } else {
            1.0
        };
        let mut scale = Scale {
            low: 0.0,
            high: most * 1.03,
            is_logarithmic: false,
            ticks: Vec::new(),
        };
        let step = round_step(most / 4.0);
        for index in 0..=8 {
            let value = step * f64::from(index);
            if value <= scale.high {
                scale
                    .ticks
                    .push((scale.position(value), tick_seconds(value, step)));
            }
        }
        scale
    }

    /// Ratios between `low` and `high`, and always 1.
    pub fn ratios(low: f64, high: f64) -> Scale {
        let low = if low.is_finite() && low > 0.0 {
            low.min(0.9)
        } else {
            0.9
        };
        let high = if high.is_finite() { high.max(1.1) } else { 1.1 };
        let mut scale = Scale {
            low: low / 1.05,
            high: high * 1.05,
            is_logarithmic: true,
            ticks: Vec::new(),
        };
        let wide =
            (-4..=6).flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(decade)));
        let mut values: Vec<f64> = wide.filter(|value| scale.holds(*value)).collect();
        for closer in [
            &[0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0][..],
            &[0.9, 0.95, 1.0, 1.05, 1.1][..],
        ] {
            if values.len() < 3 {
                values = closer
                    .iter()
                    .copied()
                    .filter(|value| scale.holds(*value))
                    .collect();
            }
        }
        // Not more than can stand side by side; 1 stays.
        while values.len() > 6 {
            values = values
                .iter()
                .enumerate()
                .filter(|(index, value)| index % 2 == 0 || (*value - 1.0).abs() < 1e-9)
                .map(|(_, value)| *value)
                .collect();
        }
        scale.ticks = values
            .into_iter()
            .map(|value| (scale.position(value), format!("{}×", short(value))))
            .collect();
        scale
    }

    /// Nanoseconds from `low` to `high`, by decades.
    pub fn latencies(low: f64, high: f64) -> Scale {
        let low = low.max(1.0);
        let high = high.max(low * 10.0);
        let mut scale = Scale {
            low,
            high,
            is_logarithmic: true,
            ticks: Vec::new(),
        };
        for decade in 0..=18 {
            let value = 10f64.powi(decade);
            if scale.holds(value) {
                scale.ticks.push((
                    scale.position(value),
                    tick_seconds(value / 1e9, value / 1e9),
                ));
            }
        }
        scale
    }

    /// Where a value stands, in percent.
    pub fn position(&self, value: f64) -> f64 {
        let share = if self.is_logarithmic {
            (value.max(self.low * 1e-9) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        if share.is_finite() {
            (share * 100.0).clamp(0.0, 100.0)
        } else {
            0.0
        }
    }

    /// Positions and labels of the ticks.
    pub fn ticks(&self) -> &[(f64, String)] {
        &self.ticks
    }

    fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// 1, 2 or 5 times a power of ten, not less than the step wanted.
fn round_step(wanted: f64) -> f64 {
    let power = 10f64.powf(wanted.log10().floor());
    for digit in [1.0, 2.0, 5.0] {
        if digit * power >= wanted * 0.999 {
            return digit * power;
        }
    }
    10.0 * power
}

/// A tick's label has the digits that it needs and no more.
fn tick_seconds(value: f64, step: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let (factor, unit) = match step {
        s if s < 0.9995e-6 => (1e9, "ns"),
        s if s < 0.9995e-3 => (1e6, "µs"),
        s if s < 0.0995 => (1e3, "ms"),
        _ => (1.0, "s"),
    };
    let value = value * factor;
    if value >= 1e6 {
        return units::seconds(value / factor);
    }
    format!("{}\u{a0}{unit}", short(value))
}

fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale) -> Vec<&str> {
        scale
            .ticks()
            .iter()
            .map(|(_, label)| label.as_str())
            .collect()
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(
            labels(&Scale::seconds(3.05)),
            ["0", "1\u{a0}s", "2\u{a0}s", "3\u{a0}s"]
        );
        assert_eq!(
            labels(&Scale::seconds(0.0135)),
            ["0", "5\u{a0}ms", "10\u{a0}ms"]
        );
        assert_eq!(
            labels(&Scale::ratios(0.37, 1.03)),
            ["0.5×", "0.6×", "0.8×", "1×"]
        );
        assert_eq!(
            labels(&Scale::ratios(0.1, 6.0)),
            ["0.1×", "0.2×", "0.5×", "1×", "2×", "5×"]
        );
        assert_eq!(
            labels(&Scale::latencies(900.0, 2e6)),
            ["1\u{a0}µs", "10\u{a0}µs", "100\u{a0}µs", "1\u{a0}ms"]
        );
    }

    #[test]
    fn no_value_leaves_the_scale() {
        for scale in [
            Scale::seconds(f64::NAN),
            Scale::seconds(f64::MAX),
            Scale::ratios(f64::NAN, f64::INFINITY),
            Scale::ratios(0.0, 1e300),
            Scale::latencies(0.0, 0.0),
        ] {
            for value in [f64::NAN, f64::NEG_INFINITY, -1.0, 0.0, 1.0, 1e300] {
                let position = scale.position(value);
                assert!((0.0..=100.0).contains(&position), "{value} on {scale:?}");
            }
            assert!(scale.ticks().len() < 12, "{scale:?}");
        }
    }
}

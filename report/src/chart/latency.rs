//! Latency distributions: an outline of how many calls took how long, on a logarithmic scale.

use super::{grid, image, percent, scale::Scale};
use crate::html::Html;
use crate::units;
use fsreplay_results::play::CallStatistics as Call;

/// Widest step of an outline, in decades: histograms by powers of two.
const WIDEST: f64 = std::f64::consts::LOG10_2;
/// Narrowest step.
const NARROWEST: f64 = 1.0 / 12.0;

/// The scale that the histograms of these calls fit on.
pub fn scale_of<'a>(calls: impl Iterator<Item = &'a Call>) -> Scale {
    let (mut low, mut high) = (f64::MAX, 0.0f64);
    for call in calls {
        for (bucket, _) in call.histogram.iter().filter(|(_, count)| *count > 0) {
            low = low.min(*bucket as f64);
            high = high.max(*bucket as f64);
        }
    }
    if high == 0.0 {
        return Scale::latencies(1e3, 1e6);
    }
    Scale::latencies(low / 1.3, high * 1.6)
}

/// The width of the steps, in decades: that of the histogram's own buckets within limits.
fn step(call: &Call) -> f64 {
    let mut lows: Vec<u64> = call
        .histogram
        .iter()
        .map(|(low, _)| (*low).max(1))
        .collect();
    lows.sort_unstable();
    lows.dedup();
    let nearest = lows
        .windows(2)
        .map(|pair| (pair[1] as f64 / pair[0] as f64).log10())
        .fold(WIDEST, f64::min);
    nearest.clamp(NARROWEST, WIDEST)
}

/// Share of the calls in each step: where it begins in decades, and the share.
fn steps(call: &Call, step: f64) -> Vec<(f64, f64)> {
    let all: f64 = call.histogram.iter().map(|(_, count)| *count as f64).sum();
    let mut by_step: std::collections::BTreeMap<i64, f64> = std::collections::BTreeMap::new();
    for (low, count) in &call.histogram {
        let index = ((low.max(&1).to_owned() as f64).log10() / step + 1e-9).floor() as i64;
        *by_step.entry(index).or_default() += *count as f64 / all.max(1.0);
    }
    let steps = by_step.into_iter().filter(|(_, share)| *share > 0.0);
    steps
        .map(|(index, share)| (index as f64 * step, share))
        .collect()
}

/// The outline of one target's calls, with marks at the median and at 99 %.
pub fn outline(html: &mut Html, target: &str, call: &Call, scale: &Scale) {
    let title = format!("Latency of {} on {target}", call.name);
    let description = format!(
        "median {}, 90 % below {}, 99 % below {}, longest {}",
        units::nanoseconds(call.p50_ns),
        units::nanoseconds(call.p90_ns),
        units::nanoseconds(call.p99_ns),
        units::nanoseconds(call.max_ns)
    );
    image(html, "plot ridge", &title, &description, |html| {
        grid(html, scale);
        html.element(
            "svg",
            &[
                ("viewBox", "0 0 1000 100"),
                ("preserveAspectRatio", "none"),
                ("width", "100%"),
                ("height", "100%"),
            ],
            |html| html.empty("path", &[("class", "area"), ("d", &path(call, scale))]),
        );
        for (value, class) in [(call.p99_ns, "mark late"), (call.p50_ns, "mark")] {
            let x = percent(scale.position(value as f64));
            html.empty(
                "line",
                &[
                    ("class", class),
                    ("x1", &x),
                    ("x2", &x),
                    ("y1", "2"),
                    ("y2", "100%"),
                ],
            );
        }
    });
}

fn path(call: &Call, scale: &Scale) -> String {
    let width = step(call);
    let steps = steps(call, width);
    let highest = steps.iter().map(|(_, share)| *share).fold(0.0, f64::max);
    let mut path = String::from("M0 100");
    for (begin, share) in steps {
        let x = |decades: f64| (scale.position(10f64.powf(decades)) * 10.0).round();
        // Rare calls stay visible.
        let height = (share / highest * 92.0).max(1.5);
        path.push_str(&format!(
            "H{}V{:.1}H{}V100",
            x(begin),
            100.0 - height,
            x(begin + width)
        ));
    }
    path.push('Z');
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(histogram: &[(u64, u64)]) -> Call {
        Call {
            histogram: histogram.to_vec(),
            ..Call::default()
        }
    }

    #[test]
    fn buckets_of_powers_of_two_leave_no_gaps() {
        let call = call(&[(1024, 5), (2048, 7), (4096, 1)]);
        let width = step(&call);
        let steps = steps(&call, width);
        assert_eq!(steps.len(), 3);
        assert!((steps[1].0 - steps[0].0 - width).abs() < 1e-6);
    }

    #[test]
    fn fine_buckets_are_put_together_and_none_is_lost() {
        let call = call(&[(1000, 1), (1001, 1), (1002, 1), (900_000, 1)]);
        let steps = steps(&call, step(&call));
        assert_eq!(steps.len(), 2);
        assert!((steps.iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn an_empty_histogram_draws_nothing() {
        let call = call(&[]);
        let scale = scale_of(std::iter::once(&call));
        assert_eq!(path(&call, &scale), "M0 100Z");
        assert!(!scale.ticks().is_empty());
        assert!(
            path(
                &super::tests::call(&[(0, u64::MAX), (u64::MAX, u64::MAX)]),
                &scale
            )
            .ends_with('Z')
        );
    }
}

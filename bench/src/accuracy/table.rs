//! What was measured, as a table in Markdown, and what all pairs say together.

use crate::mounts::Mount;

/// One workload on one mount; milliseconds and percent.
pub struct Pair {
    /// Median of the tool's runs.
    pub real: f64,
    /// Half the distance between their quartiles, percent of the median.
    pub real_spread: f64,
    /// Median of the replay's rounds.
    pub predicted: f64,
    /// Coefficient of variation of the rounds, percent.
    pub variation: f64,
    /// Outcomes that were not as recorded.
    pub divergences: u64,
    /// Medians predicted in other ways.
    pub otherwise: Vec<f64>,
}

impl Pair {
    fn error(&self) -> f64 {
        (self.predicted / self.real - 1.0) * 100.0
    }
}

/// The head of the table.
pub fn head() {
    println!(
        "| workload | mount | tool ms | ± % | predicted ms | ± % | error % | tool, ratio | predicted, ratio | diverged |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|");
}

/// The rows of a workload.
pub fn rows(workload: &str, mounts: &[Mount], pairs: &[Pair]) {
    let Some(base) = pairs.first() else { return };
    for (mount, pair) in mounts.iter().zip(pairs) {
        println!(
            "| {workload} | {} | {:.1} | {:.1} | {:.1} | {:.1} | {:+.1} | {:.2} | {:.2} | {} |",
            mount.name,
            pair.real,
            pair.real_spread,
            pair.predicted,
            pair.variation,
            pair.error(),
            pair.real / base.real,
            pair.predicted / base.predicted,
            pair.divergences
        );
        if !pair.otherwise.is_empty() {
            let errors = pair.otherwise.iter();
            let errors: Vec<String> = errors
                .map(|other| format!("{:+.1} %", (other / pair.real - 1.0) * 100.0))
                .collect();
            eprintln!("  by processor time, as recorded: {}", errors.join(", "));
        }
    }
}

/// Errors over all pairs, ratios to the mount that was recorded on, and whether mounts come in the right order.
pub fn summary(all: &[Vec<Pair>]) {
    let pairs = all.iter().flatten();
    let mut errors: Vec<f64> = pairs.clone().map(|pair| pair.error().abs()).collect();
    errors.sort_by(f64::total_cmp);
    let mut variations: Vec<f64> = pairs.map(|pair| pair.variation).collect();
    variations.sort_by(f64::total_cmp);
    let others: Vec<f64> = {
        let others = all.iter().flat_map(|pairs| pairs.iter().skip(1));
        others.map(|pair| pair.error().abs()).collect()
    };
    let (mut near, mut ratios, mut right, mut ordered) = (0, 0, 0, 0);
    for pairs in all {
        let Some((base, others)) = pairs.split_first() else {
            continue;
        };
        for pair in others {
            let real = pair.real / base.real;
            let predicted = pair.predicted / base.predicted;
            ratios += 1;
            near += usize::from((predicted / real - 1.0).abs() <= 0.1);
        }
        for (index, one) in pairs.iter().enumerate() {
            for other in &pairs[..index] {
                if (one.real / other.real - 1.0).abs() > 0.1 {
                    ordered += 1;
                    right +=
                        usize::from((one.real > other.real) == (one.predicted > other.predicted));
                }
            }
        }
    }
    let middle = |sorted: &[f64]| sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    println!();
    println!(
        "{} pairs: error of the predicted time median {:.1} %, mean {:.1} %, largest {:.1} %; above 25 %: {}; \
         mean of the {} that were not recorded on {:.1} %",
        errors.len(),
        middle(&errors),
        mean(&errors),
        errors.last().copied().unwrap_or(0.0),
        errors.iter().filter(|error| **error > 25.0).count(),
        others.len(),
        mean(&others),
    );
    println!(
        "ratio to the first mount within 10 %: {near} of {ratios}; order right where medians differ by more than 10 %: \
         {right} of {ordered}; variation of predictions over rounds: median {:.1} %",
        middle(&variations)
    );
}

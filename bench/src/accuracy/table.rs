//! What was measured, as a table in Markdown, and what all pairs say together.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use fsreplay_replayer::quiet::Look;

use super::floor;
use crate::mounts::Mount;

/// One workload on one mount; milliseconds and percent.
#[derive(Clone)]
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
    /// Runs of the tool and of the replay that count: nothing else slowed the machine in them.
    pub counted: (usize, usize),
    /// All of each.
    pub rounds: usize,
    /// Medians of tool and replay over all rounds.
    pub of_all: (f64, f64),
    /// The same of times divided by how slow the machine was meanwhile.
    pub at_pace: (f64, f64),
    /// The tool's runs that count.
    pub runs: Vec<f64>,
    /// All single runs: the tool's, then those of each replay.
    pub series: Vec<Series>,
    /// Medians predicted in other ways.
    pub otherwise: Vec<f64>,
}

/// Single runs of one kind, in their order.
#[derive(Clone)]
pub struct Series {
    /// Milliseconds.
    pub times: Vec<f64>,
    /// Whether each counts.
    pub counts: Vec<bool>,
    /// By what.
    pub looks: Vec<Look>,
}

impl Pair {
    fn error(&self) -> f64 {
        (self.predicted / self.real - 1.0) * 100.0
    }
}

/// The head of the table.
pub fn head() {
    println!(
        "| workload | mount | tool ms | ± % | predicted ms | ± % | error % | tool, ratio | predicted, ratio | diverged | rounds |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
}

/// The rows of a workload.
pub fn rows(workload: &str, mounts: &[Mount], pairs: &[Pair]) {
    let Some(base) = pairs.first() else { return };
    for (mount, pair) in mounts.iter().zip(pairs) {
        println!(
            "| {workload} | {} | {:.1} | {:.1} | {:.1} | {:.1} | {:+.1} | {:.2} | {:.2} | {} | {}, {} of {} |",
            mount.name,
            pair.real,
            pair.real_spread,
            pair.predicted,
            pair.variation,
            pair.error(),
            pair.real / base.real,
            pair.predicted / base.predicted,
            pair.divergences,
            pair.counted.0,
            pair.counted.1,
            pair.rounds
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

/// Appends each single run of a workload to a file, for looking into what the medians hide.
pub fn log(file: &Path, workload: &str, mounts: &[Mount], pairs: &[Pair]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = BufWriter::new(options.create(true).append(true).open(file)?);
    for (mount, pair) in mounts.iter().zip(pairs) {
        for (number, series) in pair.series.iter().enumerate() {
            let kind = match number {
                0 => "tool".to_owned(),
                _ => format!("replay {number}"),
            };
            let each = series.times.iter().zip(&series.counts).zip(&series.looks);
            for (round, ((time, counts), look)) in each.enumerate() {
                writeln!(
                    file,
                    "{workload}\t{}\t{kind}\t{}\t{time:.3}\t{counts}\t{look}",
                    mount.name,
                    round + 1
                )?;
            }
        }
    }
    file.flush()
}

/// What the tool took and what was predicted, on each mount of a workload; the first was recorded on.
pub type Medians = Vec<(f64, f64)>;

/// Errors over all pairs, ratios to the mount that was recorded on, and whether mounts come in the right order: of the rounds that count, and of
/// all as they were and at the same pace.
pub fn summary(all: &[Vec<Pair>]) {
    let medians = |of: fn(&Pair) -> (f64, f64)| -> Vec<Medians> {
        let workloads = all.iter();
        workloads
            .map(|pairs| pairs.iter().map(of).collect())
            .collect()
    };
    let mut variations: Vec<f64> = all.iter().flatten().map(|pair| pair.variation).collect();
    variations.sort_by(f64::total_cmp);
    println!();
    line("rounds that count", &medians(|p| (p.real, p.predicted)));
    line("all rounds", &medians(|p| p.of_all));
    line(
        "all rounds, each divided by how slow its processors were, where that is known",
        &medians(|p| p.at_pace),
    );
    println!("{}", floor::line(all));
    println!(
        "variation of predictions over rounds that count: median {:.1} %",
        middle(&variations)
    );
}

fn line(what: &str, all: &[Medians]) {
    let error = |(real, predicted): &(f64, f64)| (predicted / real - 1.0).abs() * 100.0;
    let mut errors: Vec<f64> = all.iter().flatten().map(error).collect();
    errors.sort_by(f64::total_cmp);
    let others = all.iter().flat_map(|pairs| pairs.iter().skip(1));
    let others: Vec<f64> = others.map(error).collect();
    let (near, ratios) = near(all);
    let (right, ordered) = in_order(all);
    println!(
        "{what}: {} pairs, error of the predicted time median {:.1} %, mean {:.1} %, largest {:.1} %; above 25 %: {}; \
         mean of the {} that were not recorded on {:.1} %; ratio to the first mount within 10 %: {near} of {ratios}; \
         order right where medians differ by more than 10 %: {right} of {ordered}",
        errors.len(),
        middle(&errors),
        mean(&errors),
        errors.last().copied().unwrap_or(0.0),
        errors.iter().filter(|error| **error > 25.0).count(),
        others.len(),
        mean(&others),
    );
}

/// In how many pairs the ratio to the first mount is within 10 %, and how many there are.
pub fn near(all: &[Medians]) -> (usize, usize) {
    let ratios = all.iter().flat_map(|pairs| {
        let base = pairs.first().copied().unwrap_or((1.0, 1.0));
        let others = pairs.iter().skip(1);
        others.map(move |(real, predicted)| (predicted / base.1) / (real / base.0))
    });
    let ratios: Vec<f64> = ratios.collect();
    let near = ratios.iter().filter(|ratio| (**ratio - 1.0).abs() <= 0.1);
    (near.count(), ratios.len())
}

/// How many comparisons of mounts that differ by more than 10 % come out in the right order, and how many there are.
fn in_order(all: &[Medians]) -> (usize, usize) {
    let comparisons = all.iter().flat_map(|pairs| {
        let pairs_before = |index: usize| pairs[..index].iter();
        let each = pairs.iter().enumerate();
        each.flat_map(move |(index, one)| pairs_before(index).map(move |other| (one, other)))
    });
    let differ: Vec<_> = comparisons
        .filter(|(one, other)| (one.0 / other.0 - 1.0).abs() > 0.1)
        .collect();
    let right = differ
        .iter()
        .filter(|(one, other)| (one.0 > other.0) == (one.1 > other.1));
    (right.count(), differ.len())
}

fn middle(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

//! What was measured, as a table in Markdown, and what all pairs say together.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use fsreplay_measure::estimate::{hodges_lehmann, median, spread, variation};
use fsreplay_replayer::quiet::Look;

use super::{floor, repeated};
use crate::mounts::Mount;

/// One workload on one mount.
#[derive(Clone)]
pub struct Pair {
    /// The tool's runs, then those of each replay.
    pub series: Vec<Series>,
    /// Outcomes that were not as recorded.
    pub divergences: u64,
}

/// A run; milliseconds.
#[derive(Clone, Debug)]
pub struct Single {
    /// What it took.
    pub measured: f64,
    /// What was seen meanwhile.
    pub look: Look,
    /// How many times as long work took then.
    pub slowness: f64,
    /// What the run would have taken, slowed as all runs of the workload were on average.
    pub alike: f64,
    /// What it would have taken, had nothing slowed it.
    pub unslowed: f64,
}

/// Runs of one kind, in their order.
#[derive(Clone, Debug)]
pub struct Series(pub Vec<Single>);

impl Series {
    /// Something of each.
    pub fn each(&self, of: fn(&Single) -> f64) -> Vec<f64> {
        self.0.iter().map(of).collect()
    }

    /// Their times, all slowed alike.
    pub fn alike(&self) -> Vec<f64> {
        self.each(|run| run.alike)
    }

    /// What they typically take then.
    fn typical(&self) -> f64 {
        hodges_lehmann(&self.alike())
    }

    /// What they would typically take, had nothing slowed them.
    fn unslowed(&self) -> f64 {
        hodges_lehmann(&self.each(|run| run.unslowed))
    }

    /// By how much they were slowed, on average.
    fn slowness(&self) -> f64 {
        mean(&self.each(|run| run.slowness))
    }

    /// The median of what they took.
    fn measured(&self) -> f64 {
        median(&self.each(|run| run.measured))
    }
}

impl Pair {
    /// The tool's, and the first replay's.
    fn both(&self, of: impl Fn(&Series) -> f64) -> (f64, f64) {
        let mut each = self.series.iter().map(of);
        (
            each.next().unwrap_or(f64::NAN),
            each.next().unwrap_or(f64::NAN),
        )
    }

    /// What the tool takes and what was predicted, both slowed alike.
    pub fn typical(&self) -> (f64, f64) {
        self.both(Series::typical)
    }

    /// Coefficient of variation of the rounds, percent.
    fn variation(&self) -> f64 {
        let rounds = self.series.get(1).map(Series::alike);
        rounds.and_then(|rounds| variation(&rounds)).unwrap_or(0.0) * 100.0
    }
}

/// The head of the table.
pub fn head() {
    println!(
        "| workload | mount | tool ms | ± % | predicted ms | ± % | error % | tool, ratio | predicted, ratio | as measured, ms | slowed | diverged | rounds |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
}

/// The rows of a workload.
pub fn rows(workload: &str, mounts: &[Mount], pairs: &[Pair]) {
    let Some(base) = pairs.first().map(Pair::typical) else {
        return;
    };
    for (mount, pair) in mounts.iter().zip(pairs) {
        let Some(tool) = pair.series.first() else {
            continue;
        };
        let (real, predicted) = pair.typical();
        let (measured, replayed) = pair.both(Series::measured);
        let slowed = pair.both(Series::slowness);
        let times = tool.alike();
        let (middle, spread) = (median(&times), spread(&times));
        println!(
            "| {workload} | {} | {real:.1} | {:.1} | {predicted:.1} | {:.1} | {:+.1} | {:.2} | {:.2} | {measured:.1}, {replayed:.1} | {:.2}, {:.2} | {} | {} |",
            mount.name,
            spread / middle * 100.0,
            pair.variation(),
            (predicted / real - 1.0) * 100.0,
            real / base.0,
            predicted / base.1,
            slowed.0,
            slowed.1,
            pair.divergences,
            tool.0.len()
        );
        let others = pair.series.iter().skip(2);
        let errors: Vec<String> = others
            .map(|other| format!("{:+.1} %", (other.typical() / real - 1.0) * 100.0))
            .collect();
        if !errors.is_empty() {
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
            for (round, run) in series.0.iter().enumerate() {
                writeln!(
                    file,
                    "{workload}\t{}\t{kind}\t{}\t{:.3}\t{:.3}\t{}",
                    mount.name,
                    round + 1,
                    run.measured,
                    run.slowness,
                    run.look
                )?;
            }
        }
    }
    file.flush()
}

/// What the tool took and what was predicted, on each mount of a workload; the first was recorded on.
pub type Medians = Vec<(f64, f64)>;

/// Errors over all pairs, ratios to the mount that was recorded on, and whether mounts come in the right order: of times as they would be where all are
/// slowed alike, of those where nothing slows them, and of the medians of what was measured.
pub fn summary(all: &[Vec<Pair>]) {
    let of_each = |of: fn(&Pair) -> (f64, f64)| -> Vec<Medians> {
        let workloads = all.iter();
        workloads
            .map(|pairs| pairs.iter().map(of).collect())
            .collect()
    };
    let mut variations: Vec<f64> = all.iter().flatten().map(Pair::variation).collect();
    variations.sort_by(f64::total_cmp);
    println!();
    line("slowed alike", &of_each(Pair::typical));
    line(
        "nothing slowed",
        &of_each(|pair| pair.both(Series::unslowed)),
    );
    line("as measured", &of_each(|pair| pair.both(Series::measured)));
    println!("{}", floor::line(all));
    println!(
        "variation of predictions over rounds: median {:.1} %",
        middle(&variations)
    );
    if let Some(line) = repeated::line(all) {
        println!("{line}");
    }
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

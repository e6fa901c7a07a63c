//! Whether `compare` can be relied on: its order of mounts beside the real tool's, and how often
//! its intervals hold what a repeated comparison finds. Needs root.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use fsreplay_measure::estimate::median;
use serde_json::Value;

use crate::fsreplay::{json, number, record};
use crate::mounts::Mounts;
use crate::timing::run_at_rest;
use crate::workloads::{ALL, PREDICTED, Workload};

/// What is measured.
#[derive(clap::Args)]
pub struct Options {
    /// The fsreplay binary
    #[arg(long, default_value = "target/release/fsreplay")]
    pub fsreplay: PathBuf,
    /// Comparisons of each workload
    #[arg(long, default_value_t = 4)]
    pub runs: usize,
    /// Rounds of each comparison, and runs of the tool, on each mount
    #[arg(long, default_value_t = 10)]
    pub rounds: usize,
    /// Where mounts and traces are made
    #[arg(long, default_value = "/var/tmp/fsreplay-bench")]
    pub dir: PathBuf,
    /// Only workloads whose name contains this
    #[arg(long, default_value = "")]
    pub only: String,
    /// These mounts; the first is recorded on
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "ext4,tmpfs,overlay,bindfs"
    )]
    pub mounts: Vec<String>,
}

/// With a cache and a lock file that hold what an installation without a network needs, however the
/// user has set npm up.
const NPM_CI: Workload = Workload {
    name: "npm ci",
    setup: "printf 'cache=cache\nomit-lockfile-registry-resolved=false\n' > .npmrc && \
        echo '{\"name\":\"app\",\"version\":\"1.0.0\",\"private\":true}' > package.json && \
        npm install --no-audit --no-fund --ignore-scripts express@4.21.2 > /dev/null",
    copied: "",
    reset: "rm -rf node_modules",
    command: &[
        "npm",
        "ci",
        "--offline",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
    ],
};

fn workloads() -> impl Iterator<Item = &'static Workload> {
    let named = |list: &'static [Workload], name| list.iter().find(|w| w.name == name);
    [
        named(PREDICTED, "git status"),
        Some(&NPM_CI),
        named(ALL, "cargo build"),
    ]
    .into_iter()
    .flatten()
}

/// How often something was as it should be.
#[derive(Clone, Copy, Default)]
struct Tally {
    right: usize,
    all: usize,
}

impl Tally {
    fn count(&mut self, right: bool) {
        self.right += usize::from(right);
        self.all += 1;
    }

    fn add(&mut self, other: Tally) {
        self.right += other.right;
        self.all += other.all;
    }
}

/// Prints a row for each workload and mount, and what they say together.
pub fn run_all(options: &Options) -> io::Result<()> {
    let fsreplay = options.fsreplay.canonicalize()?;
    let dir = options
        .dir
        .join(format!("intervals-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let dir = dir.canonicalize()?;
    let mounts = Mounts::make(&dir, &options.mounts)?;
    println!(
        "| workload | mount | tool ms | predicted ms | tool, ratio | predicted, ratio, of each \
         run | held by the others' intervals |"
    );
    println!("|---|---|---:|---:|---:|---|---:|");
    let (mut held, mut ordered) = (Tally::default(), Tally::default());
    for workload in workloads().filter(|w| w.name.contains(&options.only)) {
        match measure(workload, &mounts, &fsreplay, &dir, options) {
            Ok((intervals, order)) => {
                held.add(intervals);
                ordered.add(order);
            }
            Err(error) => eprintln!("fsreplay-bench: {}: {error}", workload.name),
        }
    }
    println!();
    println!(
        "a repeated run's ratio lies in the interval: {} of {}; order of two mounts that differ \
         by more than 10 % as the tool's: {} of {}",
        held.right, held.all, ordered.right, ordered.all
    );
    drop(mounts);
    std::fs::remove_dir_all(&dir)
}

fn measure(
    workload: &Workload,
    mounts: &Mounts,
    fsreplay: &Path,
    dir: &Path,
    options: &Options,
) -> io::Result<(Tally, Tally)> {
    let homes: Vec<PathBuf> = mounts
        .all
        .iter()
        .map(|mount| workload.prepare(&mount.dir))
        .collect::<io::Result<_>>()?;
    let Some(home) = homes.first() else {
        return Err(io::Error::other("no mount could be made"));
    };
    let real = tool(workload, &homes, options.rounds)?;
    let trace = dir.join("trace.zst");
    workload.reset(home)?;
    record(fsreplay, home, &trace, workload.reset, workload.command)?;
    let comparisons: Vec<Value> = (0..options.runs)
        .map(|_| {
            let comparison = compare(&trace, home, mounts, dir, options.rounds);
            json(fsreplay, &comparison).map(|comparison| comparison["targets"].clone())
        })
        .collect::<io::Result<_>>()?;
    let held = intervals(workload, mounts, &real, &comparisons);
    for home in &homes {
        std::fs::remove_dir_all(home)?;
    }
    Ok((held, order(&real, &comparisons)))
}

/// Medians of the tool's own times on each mount, in turn; seconds.
fn tool(workload: &Workload, homes: &[PathBuf], rounds: usize) -> io::Result<Vec<f64>> {
    let command: Vec<OsString> = workload.command.iter().map(OsString::from).collect();
    let mut times = vec![Vec::new(); homes.len()];
    for round in 0..=rounds {
        for (home, times) in homes.iter().zip(&mut times) {
            workload.reset(home)?;
            let seconds = run_at_rest(home, &command)?;
            if round > 0 {
                times.push(seconds);
            }
        }
    }
    Ok(times.into_iter().map(|times| median(&times)).collect())
}

fn compare(
    trace: &Path,
    home: &Path,
    mounts: &Mounts,
    neutral: &Path,
    rounds: usize,
) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["compare".into(), trace.into()];
    for mount in &mounts.all {
        arguments.push("--target".into());
        arguments.push(format!("{}={}", mount.name, mount.dir.display()).into());
    }
    arguments.extend(["--baseline".into(), mounts.all[0].name.clone().into()]);
    arguments.extend(["--move".into(), home.into()]);
    arguments.extend(["--neutral".into(), neutral.into()]);
    arguments.extend(["--rounds".into(), rounds.to_string().into()]);
    arguments
}

/// How often the ratio that one run found lies in the interval that another gave.
fn intervals(workload: &Workload, mounts: &Mounts, real: &[f64], comparisons: &[Value]) -> Tally {
    let mut all = Tally::default();
    for (number, mount) in mounts.all.iter().enumerate() {
        let of_mount: Vec<&Value> = comparisons.iter().map(|one| &one[number]).collect();
        let ratios: Vec<&Value> = of_mount.iter().map(|target| &target["ratio"]).collect();
        let mut held = Tally::default();
        for (one, first) in ratios.iter().enumerate().filter(|_| number > 0) {
            for (other, second) in ratios.iter().enumerate() {
                if one != other {
                    let found = number_in(second, "value", first);
                    held.count(found);
                }
            }
        }
        let told: Vec<String> = ratios
            .iter()
            .map(|ratio| {
                let [value, low, high] =
                    ["value", "low", "high"].map(|field| self::number(ratio, field));
                format!("{value:.2} ({low:.2}–{high:.2})")
            })
            .collect();
        let predicted = of_mount
            .iter()
            .map(|target| self::number(&target["seconds"], "value"));
        println!(
            "| {} | {} | {:.1} | {:.1} | {:.2} | {} | {} of {} |",
            workload.name,
            mount.name,
            real[number] * 1e3,
            median(&predicted.collect::<Vec<_>>()) * 1e3,
            real[number] / real[0],
            if number == 0 {
                "baseline".into()
            } else {
                told.join(", ")
            },
            held.right,
            held.all
        );
        all.add(held);
    }
    all
}

fn number_in(value: &Value, field: &str, interval: &Value) -> bool {
    let value = number(value, field);
    number(interval, "low") <= value && value <= number(interval, "high")
}

/// Pairs of mounts between which the tool's time differs by more than 10 %: does each run order
/// them as the tool does?
fn order(real: &[f64], comparisons: &[Value]) -> Tally {
    let mut tally = Tally::default();
    for comparison in comparisons {
        let predicted = |number: usize| self::number(&comparison[number]["seconds"], "value");
        for one in 0..real.len() {
            for other in 0..one {
                if (real[one] / real[other] - 1.0).abs() > 0.1 {
                    tally.count((real[one] > real[other]) == (predicted(one) > predicted(other)));
                }
            }
        }
    }
    tally
}

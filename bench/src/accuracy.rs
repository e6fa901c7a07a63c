//! How near predictions are: each workload is recorded on one mount only, predicted on all, and run on all.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::mounts::{Mount, Mounts};
use crate::timing::{median, run};
use crate::workloads::{PREDICTED, Workload};

/// What is measured.
pub struct Options {
    /// The fsreplay binary.
    pub fsreplay: PathBuf,
    /// Runs of the tool, and rounds of the replay, on each mount.
    pub rounds: usize,
    /// Where mounts and traces are made.
    pub dir: PathBuf,
    /// Only workloads whose name contains this.
    pub only: String,
    /// Only these mounts.
    pub mounts: Vec<String>,
    /// Record while the other processors are busy.
    pub loaded: bool,
    /// Record without a further run that is not recorded.
    pub uncalibrated: bool,
}

/// One workload on one mount; milliseconds.
struct Pair {
    real: f64,
    real_spread: f64,
    predicted: f64,
    variation: f64,
    divergences: u64,
}

impl Pair {
    fn error(&self) -> f64 {
        (self.predicted / self.real - 1.0) * 100.0
    }
}

/// Prints a table of all pairs, and what they say together.
pub fn run_all(options: &Options) -> io::Result<()> {
    let fsreplay = options.fsreplay.canonicalize()?;
    let dir = options.dir.join(format!("accuracy-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let dir = dir.canonicalize()?;
    let mounts = Mounts::make(&dir, &options.mounts)?;
    println!(
        "| workload | mount | tool ms | ± % | predicted ms | ± % | error % | tool, ratio | predicted, ratio | diverged |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    let mut all = Vec::new();
    for workload in PREDICTED.iter().filter(|w| w.name.contains(&options.only)) {
        match measure(workload, &mounts, &fsreplay, &dir, options) {
            Ok(pairs) => {
                print_rows(workload, &mounts.all, &pairs);
                all.push(pairs);
            }
            Err(error) => eprintln!("fsreplay-bench: {}: {error}", workload.name),
        }
    }
    summary(&all);
    drop(mounts);
    std::fs::remove_dir_all(&dir)
}

fn measure(
    workload: &Workload,
    mounts: &Mounts,
    fsreplay: &Path,
    dir: &Path,
    options: &Options,
) -> io::Result<Vec<Pair>> {
    let first = mounts
        .all
        .first()
        .ok_or_else(|| io::Error::other("no mount could be made"))?;
    let home = workload.prepare(&first.dir)?;
    let trace = dir.join("trace.zst");
    record(workload, &home, fsreplay, &trace, options)?;
    let mut pairs = Vec::new();
    for mount in &mounts.all {
        let own = workload.prepare(&mount.dir)?;
        let command: Vec<OsString> = workload.command.iter().map(OsString::from).collect();
        let mut times = Vec::new();
        for round in 0..=options.rounds {
            workload.reset(&own)?;
            settle(&own)?;
            let seconds = run(&own, &command)?;
            if round > 0 {
                times.push(seconds * 1e3); // the first run warms caches
            }
        }
        let (real, real_spread) = median(times);
        let prediction = predict(fsreplay, &trace, &home, &mount.dir, dir, options.rounds)?;
        if mount.dir != first.dir {
            std::fs::remove_dir_all(&own)?;
        }
        pairs.push(Pair {
            real,
            real_spread: real_spread / real * 100.0,
            ..prediction
        });
    }
    std::fs::remove_dir_all(&home)?;
    Ok(pairs)
}

/// Writes back what putting the tree back left, as a replay does: else the next run pays for it.
fn settle(dir: &Path) -> io::Result<()> {
    let dir = std::fs::File::open(dir)?;
    rustix::fs::syncfs(&dir).map_err(io::Error::from)
}

fn record(
    workload: &Workload,
    home: &Path,
    fsreplay: &Path,
    trace: &Path,
    options: &Options,
) -> io::Result<()> {
    workload.reset(home)?;
    // As the runs that are compared: not the first one.
    let command: Vec<OsString> = workload.command.iter().map(OsString::from).collect();
    run(home, &command)?;
    workload.reset(home)?;
    let mut busy = options
        .loaded
        .then(|| {
            Command::new("sh")
                .args(["-c", "while :; do :; done"])
                .spawn()
        })
        .transpose()?;
    let mut recorder = Command::new(fsreplay);
    recorder.args(["record", "-q", "--force", "-o"]).arg(trace);
    if !options.uncalibrated {
        recorder.arg("--calibrate");
        if !workload.reset.is_empty() {
            recorder.args(["--reset", workload.reset]);
        }
    }
    let status = recorder
        .arg("--")
        .args(workload.command)
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if let Some(busy) = &mut busy {
        busy.kill()?;
        busy.wait()?;
    }
    match status? {
        status if status.success() => Ok(()),
        status => Err(io::Error::other(format!("recording: {status}"))),
    }
}

/// The workload's own tree goes to the mount, all else to a common neutral place.
fn predict(
    fsreplay: &Path,
    trace: &Path,
    home: &Path,
    mount: &Path,
    neutral: &Path,
    rounds: usize,
) -> io::Result<Pair> {
    let mut place = home.as_os_str().to_owned();
    place.push("=");
    place.push(mount);
    let output = Command::new(fsreplay)
        .arg("play")
        .arg(trace)
        .arg("--target")
        .arg(neutral)
        .arg("--place")
        .arg(place)
        .args(["--timing", "recorded", "-q", "--json", "-", "--rounds"])
        .arg(rounds.to_string())
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let result: serde_json::Value = serde_json::from_str(&text).map_err(io::Error::other)?;
    let walls = result["wall_seconds"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let walls: Vec<f64> = walls
        .iter()
        .skip(1)
        .filter_map(|wall| wall.as_f64())
        .collect();
    let variation = fsreplay_replayer::result::variation(&walls).unwrap_or(0.0) * 100.0;
    let (predicted, _) = median(walls.iter().map(|wall| wall * 1e3).collect());
    Ok(Pair {
        real: 0.0,
        real_spread: 0.0,
        predicted,
        variation,
        divergences: result["divergences"].as_u64().unwrap_or(0),
    })
}

fn print_rows(workload: &Workload, mounts: &[Mount], pairs: &[Pair]) {
    let Some(base) = pairs.first() else { return };
    for (mount, pair) in mounts.iter().zip(pairs) {
        println!(
            "| {} | {} | {:.1} | {:.1} | {:.1} | {:.1} | {:+.1} | {:.2} | {:.2} | {} |",
            workload.name,
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
    }
}

/// Errors over all pairs, ratios to the mount that was recorded on, and whether mounts come in the right order.
fn summary(all: &[Vec<Pair>]) {
    let mut errors: Vec<f64> = all
        .iter()
        .flatten()
        .map(|pair| pair.error().abs())
        .collect();
    errors.sort_by(f64::total_cmp);
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
    let mean = errors.iter().sum::<f64>() / errors.len().max(1) as f64;
    println!();
    println!(
        "{} pairs: error of the predicted time median {:.1} %, mean {mean:.1} %, largest {:.1} %",
        errors.len(),
        errors.get(errors.len() / 2).copied().unwrap_or(0.0),
        errors.last().copied().unwrap_or(0.0)
    );
    println!(
        "ratio to the first mount within 10 %: {near} of {ratios}; order right where medians differ by more than 10 %: {right} of {ordered}"
    );
}

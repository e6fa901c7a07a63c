//! What a log of strace tells beside a recording of the same command: the same calls, and how much
//! file time each has when both are replayed in turn on one mount.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fsreplay_measure::estimate::{self, Estimate};
use fsreplay_trace::format;
use fsreplay_trace::model::Record;
use serde_json::Value;

use crate::fsreplay::{json, number};
use crate::timing::run;
use crate::workloads::{ALL, Workload};

/// Calls whose number differs between two runs of one command: they wait in turn.
const BY_CHANCE: &[&str] = &["futex", "poll", "epoll_wait", "wait4"];

/// Prints a row for each workload.
pub fn run_all(fsreplay: &Path, rounds: usize, dir: &Path, only: &str) -> io::Result<()> {
    let fsreplay = fsreplay.canonicalize()?;
    std::fs::create_dir_all(dir)?;
    println!(
        "{:<18} {:>9} {:>9} {:>8} {:>12} {:>12} {:>20} {:>20}  (at {})",
        "workload",
        "recorded",
        "imported",
        "differ",
        "recorded ms",
        "imported ms",
        "ratio",
        "of medians",
        estimate::LEVEL
    );
    for workload in ALL.iter().filter(|w| w.name.contains(only)) {
        row(workload, &fsreplay, rounds, dir)?;
    }
    Ok(())
}

fn row(workload: &Workload, fsreplay: &Path, rounds: usize, dir: &Path) -> io::Result<()> {
    let own = workload.prepare(dir)?;
    let recorded = record(workload, fsreplay, &own)?;
    let imported = import(workload, fsreplay, &own)?;
    let [one, other] = [calls(&recorded)?, calls(&imported)?];
    let [ours, theirs] = file_times(fsreplay, rounds, dir, [&recorded, &imported])?;
    println!(
        "{:<18} {:>9} {:>9} {:>8} {:>12.2} {:>12.2} {:>20} {:>20}",
        workload.name,
        one.values().sum::<u64>(),
        other.values().sum::<u64>(),
        differ(&one, &other),
        estimate::median(&ours.whole),
        estimate::median(&theirs.whole),
        within(&estimate::ratio(&theirs.whole, &ours.whole)),
        within(&estimate::ratio(&theirs.typical, &ours.typical))
    );
    Ok(())
}

fn within(ratio: &Estimate) -> String {
    format!("{:.3} {:.3}-{:.3}", ratio.value, ratio.low, ratio.high)
}

/// Records the workload, and gives the trace.
fn record(workload: &Workload, fsreplay: &Path, own: &Path) -> io::Result<PathBuf> {
    let trace = own.with_extension("recorded.zst");
    workload.reset(own)?;
    let mut command = vec![fsreplay.as_os_str().to_owned()];
    command.extend(["record", "-q", "--force", "-o"].map(Into::into));
    command.extend([trace.as_os_str().to_owned(), "--".into()]);
    command.extend(workload.command.iter().map(Into::into));
    run(own, &command)?;
    Ok(trace)
}

/// Runs the workload under strace, imports the log, and gives the trace.
fn import(workload: &Workload, fsreplay: &Path, own: &Path) -> io::Result<PathBuf> {
    let [trace, log] = ["imported.zst", "log"].map(|end| own.with_extension(end));
    workload.reset(own)?;
    let strace = Command::new("strace")
        .args(["-f", "-ttt", "-T", "-y", "-o"])
        .arg(&log)
        .args(workload.command)
        .current_dir(own)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    if !strace.success() {
        return Err(io::Error::other(format!("strace: {strace}")));
    }
    let mut command = vec![fsreplay.as_os_str().to_owned()];
    command.extend(["import", "strace", "-q", "--force", "--cwd"].map(Into::into));
    command.extend([own.as_os_str().to_owned(), "-o".into()]);
    command.extend([trace.as_os_str().to_owned(), log.into()]);
    run(own, &command)?;
    Ok(trace)
}

/// Milliseconds in calls of the replays of a trace, round by round.
#[derive(Default)]
struct Times {
    /// As they were.
    whole: Vec<f64>,
    /// With the median of each kind of call for all of its kind: a neighbour that takes the
    /// processor in the middle of a call makes few of them long.
    typical: Vec<f64>,
}

impl Times {
    fn push(&mut self, round: &Value) {
        self.whole.push(number(round, "call_seconds") * 1e3);
        let calls = round["calls"].as_array().into_iter().flatten();
        let each = calls.map(|call| number(call, "count") * number(call, "p50_ns") / 1e6);
        self.typical.push(each.sum());
    }
}

/// Times of replays of two traces. They begin in turn: whatever the first of a round leaves to the
/// second meets both as often.
fn file_times(
    fsreplay: &Path,
    rounds: usize,
    dir: &Path,
    traces: [&PathBuf; 2],
) -> io::Result<[Times; 2]> {
    let mut times = [Times::default(), Times::default()];
    for round in 0..rounds {
        for which in [round % 2, 1 - round % 2] {
            let play = [
                "play".as_ref(),
                traces[which].as_os_str(),
                "--target".as_ref(),
                dir.as_os_str(),
            ];
            let played = json(fsreplay, &play)?;
            times[which].push(&played["rounds"][0]);
        }
    }
    Ok(times)
}

/// How often each call was made.
fn calls(trace: &Path) -> io::Result<BTreeMap<&'static str, u64>> {
    let mut reader = format::open(trace).map_err(io::Error::other)?;
    let mut calls = BTreeMap::new();
    while let Some(record) = reader.next_record().map_err(io::Error::other)? {
        if let Record::Event(event) = record {
            *calls.entry(event.call.name()).or_default() += 1;
        }
    }
    Ok(calls)
}

/// How many calls one has more of than the other.
fn differ(one: &BTreeMap<&str, u64>, other: &BTreeMap<&str, u64>) -> usize {
    let mut names: Vec<&str> = one.keys().chain(other.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| !BY_CHANCE.contains(name) && one.get(name) != other.get(name));
    names.len()
}

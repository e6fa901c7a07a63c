//! What recording adds to a command, by ptrace and inside the tool, beside strace and `perf trace`:
//! all variants interleaved, so that drift of the machine meets all of them.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use fsreplay_measure::estimate::{geometric_mean, median, spread};

use crate::timing::run;
use crate::workloads::{ALL, Workload};

/// Peers, each with its column.
const PEERS: [(&str, &[&str]); 2] = [
    (
        "strace x",
        &[
            "strace",
            "-f",
            "--seccomp-bpf",
            "-e",
            "trace=%file,%desc",
            "-o",
            "/dev/null",
        ],
    ),
    // Needs privilege.
    ("perf x", &["perf", "trace", "-o", "/dev/null", "--"]),
];
/// The recorder's backends.
const BACKENDS: [&str; 2] = ["ptrace", "inside"];
const VARIANTS: usize = PEERS.len() + BACKENDS.len();

/// The medians of a workload's variants, as multiples of its own; `None` for what doesn't run here.
type Ratios = [Option<f64>; VARIANTS];

/// Prints a row for each workload, and the geometric mean of each column over the rows that have
/// all of them.
pub fn run_all(fsreplay: &Path, rounds: usize, dir: &Path, only: &str) -> io::Result<()> {
    let fsreplay = fsreplay.canonicalize()?;
    std::fs::create_dir_all(dir)?;
    let peers = PEERS.map(|(name, _)| name.to_owned());
    let backends = BACKENDS.map(|name| format!("{name} x"));
    let heads: Vec<String> = peers.into_iter().chain(backends).collect();
    print!("{:<18} {:>10} {:>8}", "workload", "native ms", "±");
    println!("{}", cells(heads.iter().map(String::as_str)));
    let mut rows = Vec::new();
    for workload in ALL.iter().filter(|w| w.name.contains(only)) {
        match row(workload, &fsreplay, rounds, dir) {
            Ok(ratios) => rows.push(ratios),
            Err(error) => println!("{:<18} skipped: {error}", workload.name),
        }
    }
    let means = std::array::from_fn(|column| mean(&rows, column));
    print!("{:<38}", format!("geometric mean of {}", rows.len()));
    println!("{}", numbers(&means));
    Ok(())
}

/// None where a row has no ratio in that column.
fn mean(rows: &[Ratios], column: usize) -> Option<f64> {
    let ratios: Option<Vec<f64>> = rows.iter().map(|row| row[column]).collect();
    geometric_mean(&ratios?)
}

fn cells<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts.map(|text| format!(" {text:>9}")).collect()
}

fn numbers(ratios: &Ratios) -> String {
    let texts = ratios.map(|ratio| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}")));
    cells(texts.iter().map(String::as_str))
}

fn row(workload: &Workload, fsreplay: &Path, rounds: usize, dir: &Path) -> io::Result<Ratios> {
    let own = workload.prepare(dir)?;
    let command: Vec<OsString> = workload.command.iter().map(OsString::from).collect();
    let traced = PEERS.map(|(_, peer)| -> Vec<OsString> {
        let peer = peer.iter().map(OsString::from);
        peer.chain(command.clone()).collect()
    });
    let trace = own.with_extension("trace.zst");
    let recorded = BACKENDS.map(|backend| -> Vec<OsString> {
        let record = ["record", "-q", "--force", "--backend", backend, "-o"];
        [fsreplay.as_os_str().to_owned()]
            .into_iter()
            .chain(record.map(OsString::from))
            .chain([trace.as_os_str().to_owned(), "--".into()])
            .chain(command.clone())
            .collect()
    });
    let mut native = Vec::new();
    let mut variants: Vec<_> = traced.into_iter().chain(recorded).map(Some).collect();
    let mut times = [const { Vec::new() }; VARIANTS];
    for round in 0..=rounds {
        // The first round warms caches, and shows what doesn't run here.
        workload.reset(&own)?;
        let seconds = run(&own, &command)?;
        native.extend((round > 0).then_some(seconds));
        for (variant, times) in variants.iter_mut().zip(&mut times) {
            let Some(command) = variant else { continue };
            workload.reset(&own)?;
            match run(&own, command) {
                Ok(seconds) => times.extend((round > 0).then_some(seconds)),
                Err(_) if round == 0 => *variant = None,
                Err(error) => return Err(error),
            }
        }
    }
    let own_time = median(&native);
    let ratios = times.each_ref().map(|times| {
        let ran = !times.is_empty();
        ran.then(|| median(times) / own_time)
    });
    print!(
        "{:<18} {:>10.1} {:>8.1}",
        workload.name,
        own_time * 1e3,
        spread(&native) * 1e3
    );
    println!("{}", numbers(&ratios));
    Ok(ratios)
}

//! What recording adds to a command, by ptrace and inside the tool, beside strace: all variants
//! interleaved, so that drift of the machine meets all of them.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use fsreplay_measure::estimate::{median, spread};

use crate::timing::run;
use crate::workloads::{ALL, Workload};

const STRACE: &[&str] = &[
    "strace",
    "-f",
    "--seccomp-bpf",
    "-e",
    "trace=%file,%desc",
    "-o",
    "/dev/null",
];

/// Prints a row for each workload.
pub fn run_all(fsreplay: &Path, rounds: usize, dir: &Path, only: &str) -> io::Result<()> {
    let fsreplay = fsreplay.canonicalize()?;
    std::fs::create_dir_all(dir)?;
    println!(
        "{:<18} {:>10} {:>8} {:>9} {:>9} {:>9}",
        "workload", "native ms", "±", "strace x", "ptrace x", "inside x"
    );
    for workload in ALL.iter().filter(|w| w.name.contains(only)) {
        row(workload, &fsreplay, rounds, dir)?;
    }
    Ok(())
}

fn row(workload: &Workload, fsreplay: &Path, rounds: usize, dir: &Path) -> io::Result<()> {
    let own = workload.prepare(dir)?;
    let command: Vec<OsString> = workload.command.iter().map(OsString::from).collect();
    let traced: Vec<OsString> = STRACE
        .iter()
        .map(OsString::from)
        .chain(command.clone())
        .collect();
    let trace = own.with_extension("trace.zst");
    let recorded = |backend: &str| -> Vec<OsString> {
        let record = ["record", "-q", "--force", "--backend", backend, "-o"];
        [fsreplay.as_os_str().to_owned()]
            .into_iter()
            .chain(record.map(OsString::from))
            .chain([trace.as_os_str().to_owned(), "--".into()])
            .chain(command.clone())
            .collect()
    };
    let (ptrace, inside) = (recorded("ptrace"), recorded("inside"));
    let variants = [command, traced, ptrace, inside];
    let mut times = [const { Vec::new() }; 4];
    for round in 0..=rounds {
        for (variant, times) in variants.iter().zip(&mut times) {
            workload.reset(&own)?;
            let seconds = run(&own, variant)?;
            if round > 0 {
                times.push(seconds * 1e3); // the first round warms caches
            }
        }
    }
    let spread = spread(&times[0]);
    let [native, strace, ptrace, inside] = times.each_ref().map(|times| median(times));
    println!(
        "{:<18} {:>10.1} {:>8.1} {:>9.2} {:>9.2} {:>9.2}",
        workload.name,
        native,
        spread,
        strace / native,
        ptrace / native,
        inside / native,
    );
    Ok(())
}

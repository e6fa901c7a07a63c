//! How large traces are, beside strace's text of the same command under `zstd -19`.

use std::io;
use std::path::Path;
use std::process::Command;

use fsreplay_trace::format;
use fsreplay_trace::model::Record;

use crate::timing::run;
use crate::workloads::{ALL, Workload};

/// Prints a row for each workload and the total.
pub fn run_all(fsreplay: &Path, dir: &Path, only: &str) -> io::Result<()> {
    let fsreplay = fsreplay.canonicalize()?;
    std::fs::create_dir_all(dir)?;
    println!(
        "{:<18} {:>9} {:>10} {:>12} {:>12} {:>7}",
        "workload", "events", "bytes", "bytes/event", "strace zstd", "share"
    );
    let mut sums = (0, 0, 0);
    for workload in ALL.iter().filter(|w| w.name.contains(only)) {
        let (events, bytes, text) = row(workload, &fsreplay, dir)?;
        print_row(workload.name, events, bytes, text);
        sums = (sums.0 + events, sums.1 + bytes, sums.2 + text);
    }
    print_row("all", sums.0, sums.1, sums.2);
    Ok(())
}

fn print_row(name: &str, events: u64, bytes: u64, text: u64) {
    println!(
        "{name:<18} {events:>9} {bytes:>10} {:>12.2} {text:>12} {:>7.2}",
        bytes as f64 / events as f64,
        bytes as f64 / text as f64
    );
}

fn row(workload: &Workload, fsreplay: &Path, dir: &Path) -> io::Result<(u64, u64, u64)> {
    let own = workload.prepare(dir)?;
    let (trace, text) = (
        own.with_extension("trace.zst"),
        own.with_extension("strace"),
    );
    workload.reset(&own)?;
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-ttt", "-T", "-o"])
        .arg(&text)
        .args(workload.command)
        .current_dir(&own);
    if !strace
        .stdout(std::process::Stdio::null())
        .status()?
        .success()
    {
        return Err(io::Error::other("strace failed"));
    }
    workload.reset(&own)?;
    let mut command = vec![fsreplay.as_os_str().to_owned()];
    command.extend(["record", "-q", "--force", "-o"].map(Into::into));
    command.extend([trace.as_os_str().to_owned(), "--".into()]);
    command.extend(workload.command.iter().map(Into::into));
    run(&own, &command)?;
    let packed = Command::new("zstd")
        .args(["-19", "-q", "-c"])
        .arg(&text)
        .output()?
        .stdout
        .len() as u64;
    Ok((events(&trace)?, std::fs::metadata(&trace)?.len(), packed))
}

fn events(trace: &Path) -> io::Result<u64> {
    let mut reader = format::open(trace).map_err(io::Error::other)?;
    let mut events = 0;
    while let Some(record) = reader.next_record().map_err(io::Error::other)? {
        events += u64::from(matches!(record, Record::Event(_)));
    }
    Ok(events)
}

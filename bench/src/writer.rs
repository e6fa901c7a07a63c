//! Memory and speed of the trace writer, fed with made-up events.

use std::error::Error;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Instant;

use fsreplay_trace::call::{Call, NONE};
use fsreplay_trace::format::{self, TraceError, TraceWriter, WriterOptions};
use fsreplay_trace::model::*;

/// Writes `events` made-up events over ever new paths and prints speed and the peak of resident
/// memory.
pub fn run(events: u64, dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let path = dir.join("made-up.zst");
    let begin = Instant::now();
    write(events, &path).map_err(io::Error::other)?;
    let written = begin.elapsed().as_secs_f64();
    let peak = peak_resident_mib()?;
    println!(
        "{events} events in {written:.1} s: {:.2} million a second",
        events as f64 / written / 1e6
    );
    println!(
        "{:.2} bytes per event, peak of resident memory {peak} MiB",
        std::fs::metadata(&path)?.len() as f64 / events as f64
    );
    let begin = Instant::now();
    let count = read(&path).map_err(io::Error::other)?;
    println!(
        "read {:.2} million records a second",
        count as f64 / begin.elapsed().as_secs_f64() / 1e6
    );
    std::fs::remove_file(&path)
}

fn write(events: u64, path: &Path) -> Result<(), Box<dyn Error + Send + Sync>> {
    let options = WriterOptions::default();
    let mut writer = TraceWriter::new(File::create(path)?, &Header::default(), options)?;
    let mut random = 0x2545_F491_4F6C_DD1Du64;
    let mut time = 0;
    for number in 0..events {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let name = format!("src/dir{}/file{}", random % 1000, number / 3);
        let string = writer.string(name.as_bytes());
        let call = [Call::newfstatat, Call::openat, Call::close][(number % 3) as usize];
        let mut args = [0; 6];
        match call {
            Call::close => args[0] = 3,
            _ => (args[0], args[1]) = (-100i64 as u64, u64::from(string.0)),
        }
        debug_assert!(args[1] != NONE);
        let event = Event {
            task: TaskId((random >> 60) as u32),
            call,
            entry: time,
            duration: 500 + random % 4096,
            overlapped: 0,
            spent: Default::default(),
            result: if random.is_multiple_of(7) { -2 } else { 0 },
            args,
        };
        time += 1000 + random % 10_000;
        writer.push(&Record::Event(event))?;
    }
    writer.finish(&Footer {
        events,
        ..Footer::default()
    })?;
    Ok(())
}

/// How many records there are.
fn read(path: &Path) -> Result<u64, TraceError> {
    let mut reader = format::open(path)?;
    let mut count = 0u64;
    while reader.next_record()?.is_some() {
        count += 1;
    }
    Ok(count)
}

fn peak_resident_mib() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or("0 kB");
    Ok(peak
        .trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .unwrap_or(0)
        / 1024)
}

//! Single runs as csv, one a line.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// The tool itself, run once more at once: what is predicted.
pub const TOOL: &str = "tool";
/// The tool when caches of attributes have expired: what is predicted on shares.
pub const AT_REST: &str = "at rest";
/// The first line of a log.
pub const HEAD: &str = "workload,mount,what,round,wall,cpu,run_queue";

/// One run or prediction; seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Single<'a> {
    /// The tool's name.
    pub workload: &'a str,
    /// The mount's.
    pub mount: &'a str,
    /// The tool or what predicts it.
    pub what: &'a str,
    /// Which of its kind.
    pub round: u32,
    /// By the clock.
    pub wall: f64,
    /// Processor time; of a prediction what it took to make.
    pub cpu: f64,
    /// Time in which threads waited for a processor, where that is known.
    pub run_queue: Option<f64>,
}

/// Adds to a log.
pub struct Writer(File);

impl Writer {
    /// A new file gets a head.
    pub fn append(file: &Path) -> io::Result<Writer> {
        let mut file = OpenOptions::new().create(true).append(true).open(file)?;
        if file.metadata()?.len() == 0 {
            writeln!(file, "{HEAD}")?;
        }
        Ok(Writer(file))
    }

    /// Adds a line.
    pub fn add(&mut self, single: &Single<'_>) -> io::Result<()> {
        let queue = single.run_queue.map(|queue| format!("{queue:.6}"));
        writeln!(
            self.0,
            "{},{},{},{},{:.6},{:.6},{}",
            single.workload.replace(',', ""),
            single.mount,
            single.what,
            single.round,
            single.wall,
            single.cpu,
            queue.unwrap_or_default()
        )
    }
}

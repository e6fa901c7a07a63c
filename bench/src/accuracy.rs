//! How near predictions are: each workload is recorded on one mount only, predicted on all, and run on all.
//!
//! Runs of the tool and rounds of the replay alternate, so that what the machine does meanwhile meets both.

mod floor;
mod measure;
mod repeated;
mod table;

use std::io;
use std::path::PathBuf;

use crate::final_set::FINAL;
use crate::mounts::Mounts;
use crate::stolen::Counted;
use crate::workloads::{Masters, PREDICTED};

/// What is measured.
#[derive(clap::Args)]
pub struct Options {
    /// The fsreplay binary
    #[arg(long, default_value = "target/release/fsreplay")]
    pub fsreplay: PathBuf,
    /// Runs of the tool, and rounds of the replay, at least, on each mount
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Seconds for each mount, in which there are more rounds, up to some five times as many on the mount with fewest; half as long again where times vary by more than 10 %
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// A file to which the time of each single run is appended: workload, mount, tool or replay, round, milliseconds, and how slow the machine was meanwhile by what a fixed piece of work took
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Where mounts and traces are made
    #[arg(long, default_value = "/var/tmp/fsreplay-bench")]
    pub dir: PathBuf,
    /// Only workloads whose name contains one of these
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// The workloads that nothing was tuned by; for the last measurement only
    #[arg(long = "final")]
    pub is_final: bool,
    /// Only these mounts; the first is recorded on
    #[arg(long, value_delimiter = ',')]
    pub mounts: Vec<String>,
    /// A directory on a mount that is there already, instead of mounts made for this; may be repeated
    #[arg(long, value_name = "NAME=DIR", value_parser = named)]
    pub on: Vec<(String, PathBuf)>,
    /// Record while another process computes
    #[arg(long)]
    pub loaded: bool,
    /// Record without `--calibrate`
    #[arg(long)]
    pub uncalibrated: bool,
    /// Print where predicted time goes, too
    #[arg(long)]
    pub explain: bool,
    /// Predict from less knowledge of what the tool takes besides its calls, too
    #[arg(long)]
    pub bases: bool,
}

fn named(text: &str) -> Result<(String, PathBuf), String> {
    let (name, dir) = text.split_once('=').ok_or("NAME=DIR is expected")?;
    Ok((name.into(), dir.into()))
}

/// Prints a table of all pairs, and what they say together.
pub fn run_all(options: &Options) -> io::Result<()> {
    let fsreplay = options.fsreplay.canonicalize()?;
    if !options.seconds.is_finite() {
        return Err(io::Error::other(
            "--seconds: a number of seconds is expected",
        ));
    }
    if let Some(log) = &options.log {
        // Before anything is measured for it.
        table::log(log, "", &[], &[])?;
    }
    let dir = options.dir.join(format!("accuracy-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let dir = dir.canonicalize()?;
    let mounts = match options.on.as_slice() {
        [] => Mounts::make(&dir, &options.mounts)?,
        on => Mounts::given(on)?,
    };
    let masters = Masters::new(&dir)?;
    let rig = measure::Rig {
        mounts: &mounts.all,
        masters: &masters,
        fsreplay: &fsreplay,
        dir: &dir,
        options,
    };
    table::head();
    let mut all = Vec::new();
    let wanted = |name: &str| {
        options.only.is_empty() || options.only.iter().any(|part| name.contains(part.as_str()))
    };
    let set = if options.is_final { FINAL } else { PREDICTED };
    for workload in set.iter().filter(|w| wanted(w.name)) {
        let before = Counted::now();
        match rig.measure(workload) {
            Ok(pairs) => {
                table::rows(workload.name, &mounts.all, &pairs);
                if let Some((before, now)) = before.zip(Counted::now()) {
                    let share = now.share_since(before) * 100.0;
                    eprintln!(
                        "  {}: the hypervisor took away {share:.1} % of the time used",
                        workload.name
                    );
                }
                if let Some(log) = &options.log {
                    table::log(log, workload.name, &mounts.all, &pairs).unwrap_or_else(|error| {
                        eprintln!("fsreplay-bench: {}: {error}", log.display())
                    });
                }
                all.push(pairs);
            }
            Err(error) => eprintln!("fsreplay-bench: {}: {error}", workload.name),
        }
    }
    table::summary(&all);
    drop(mounts);
    std::fs::remove_dir_all(&dir)
}

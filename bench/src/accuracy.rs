//! How near predictions are: each workload is recorded on one mount only, predicted on all, and run
//! on all.
//!
//! Runs of the tool and rounds of replays alternate, so that what the machine does meanwhile meets
//! all of them. All times are the clock's; nothing is corrected.

pub mod analysis;
mod log;
mod measure;
mod priced;

use std::io;
use std::path::PathBuf;

use crate::final_set::FINAL;
use crate::mounts::{Mounts, SHARES};
use crate::tried_set::TRIED;
use crate::tried_since::TRIED_SINCE;
use crate::workloads::{Masters, PREDICTED, Workload};

/// What is measured.
#[derive(clap::Args)]
pub struct Options {
    /// The fsreplay binary
    #[arg(long, default_value = "target/release/fsreplay")]
    pub fsreplay: PathBuf,
    /// Runs of the tool, and rounds of each replay, on each mount
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// A csv file to which each single run is appended; `analyse` reads it
    #[arg(long, value_name = "FILE", default_value = "accuracy.csv")]
    pub log: PathBuf,
    /// Rounds with the tool's own timing, too, which take as long as the tool, as recorded and
    /// calibrated
    #[arg(long)]
    pub paced: bool,
    /// Let so many other processes compute while the tool is replayed (not while it runs itself)
    #[arg(long, default_value_t = 0)]
    pub beside: u32,
    /// Where mounts and traces are made
    #[arg(long, default_value = "/var/tmp/fsreplay-bench")]
    pub dir: PathBuf,
    /// Only workloads whose name contains one of these
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// The workloads that nothing was tuned by; for the last measurement only
    #[arg(long = "final")]
    pub is_final: bool,
    /// Those that were the final ones before, and that were looked at since
    #[arg(long = "tried", conflicts_with = "is_final")]
    pub is_tried: bool,
    /// Only these mounts; the first is recorded on
    #[arg(long, value_delimiter = ',')]
    pub mounts: Vec<String>,
    /// A directory on a mount that is there already, instead of mounts made for this; may be
    /// repeated
    #[arg(long, value_name = "NAME=DIR", value_parser = named)]
    pub on: Vec<(String, PathBuf)>,
    /// What `record --calibrate` may take
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub budget: String,
}

fn named(text: &str) -> Result<(String, PathBuf), String> {
    let (name, dir) = text.split_once('=').ok_or("NAME=DIR is expected")?;
    Ok((name.into(), dir.into()))
}

/// Prints a table of all pairs, and what they say together.
pub fn run_all(options: &Options) -> io::Result<()> {
    let fsreplay = options.fsreplay.canonicalize()?;
    let mut log = log::Writer::append(&options.log)?;
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
    let wanted = |name: &str| {
        options.only.is_empty() || options.only.iter().any(|part| name.contains(part.as_str()))
    };
    let sets: &[&[Workload]] = if options.is_final {
        &[FINAL]
    } else if options.is_tried {
        &[TRIED, TRIED_SINCE]
    } else {
        &[PREDICTED]
    };
    for workload in sets.iter().copied().flatten().filter(|w| wanted(w.name)) {
        if let Err(error) = rig.measure(workload, &mut log) {
            eprintln!("fsreplay-bench: {}: {error}", workload.name);
        }
    }
    let base = mounts.all.first().map(|mount| mount.name.as_str());
    analysis::analyse(&options.log, &SHARES.map(str::to_owned), base)?;
    drop(mounts);
    std::fs::remove_dir_all(&dir)
}

//! How near predictions are: each workload is recorded on one mount only, predicted on all, and run on all.
//!
//! Runs of the tool and rounds of the replay alternate, so that what the machine does meanwhile meets both.

mod measure;
mod table;

use std::io;
use std::path::PathBuf;

use crate::mounts::Mounts;
use crate::workloads::{Masters, PREDICTED};

/// What is measured.
pub struct Options {
    /// The fsreplay binary.
    pub fsreplay: PathBuf,
    /// Runs of the tool, and rounds of the replay, on each mount.
    pub rounds: u32,
    /// Where mounts and traces are made.
    pub dir: PathBuf,
    /// Only workloads whose name contains one of these; all if there is none.
    pub only: Vec<String>,
    /// Only these mounts, made for this; the first is recorded on.
    pub mounts: Vec<String>,
    /// Directories on mounts that are there already, with names, instead of mounts made for this.
    pub on: Vec<(String, PathBuf)>,
    /// Record while the other processors are busy.
    pub loaded: bool,
    /// Record without a further run that is not recorded.
    pub uncalibrated: bool,
    /// Print where predicted time goes, too.
    pub explain: bool,
    /// Predict from less knowledge, too.
    pub bases: bool,
}

/// Prints a table of all pairs, and what they say together.
pub fn run_all(options: &Options) -> io::Result<()> {
    let fsreplay = options.fsreplay.canonicalize()?;
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
    for workload in PREDICTED.iter().filter(|w| wanted(w.name)) {
        match rig.measure(workload) {
            Ok(pairs) => {
                table::rows(workload.name, &mounts.all, &pairs);
                all.push(pairs);
            }
            Err(error) => eprintln!("fsreplay-bench: {}: {error}", workload.name),
        }
    }
    table::summary(&all);
    drop(mounts);
    std::fs::remove_dir_all(&dir)
}

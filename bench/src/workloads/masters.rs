//! Trees of workloads: made once, and copied to mounts.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Workload;
use crate::shell::shell;

impl Workload {
    /// Makes the tree under `dir` if it is not there yet, and returns the workload's directory.
    pub fn prepare(&self, dir: &Path) -> io::Result<PathBuf> {
        let own = dir.join(self.name.replace([' ', ','], "-"));
        if !own.is_dir() {
            let made = own.with_extension("incomplete");
            let _ = std::fs::remove_dir_all(&made);
            std::fs::create_dir_all(&made)?;
            shell(&made, self.setup)?;
            std::fs::rename(&made, &own)?;
        }
        own.canonicalize()
    }

    /// Puts the tree back.
    pub fn reset(&self, own: &Path) -> io::Result<()> {
        shell(own, self.reset)
    }
}

/// Trees made once, to be copied to mounts.
pub struct Masters {
    dir: PathBuf,
}

impl Masters {
    /// Below a directory of a fast mount.
    pub fn new(dir: &Path) -> io::Result<Masters> {
        let dir = dir.join("masters");
        std::fs::create_dir_all(&dir)?;
        Ok(Masters { dir })
    }

    /// A fresh copy of the workload's tree under `dir`.
    pub fn copy(&self, workload: &Workload, dir: &Path) -> io::Result<Tree> {
        let master = workload.prepare(&self.dir)?;
        let dir = dir.canonicalize()?;
        let own = Tree(dir.join(master.file_name().unwrap_or_default()));
        let copied = Command::new("cp")
            .arg("-a")
            .arg(&master)
            .arg(&own.0)
            .status()?;
        if !copied.success() {
            return Err(io::Error::other(format!("copying the tree: {copied}")));
        }
        shell(&own.0, workload.copied)?;
        Ok(own)
    }
}

/// A copy of a tree; removed when dropped.
pub struct Tree(pub PathBuf);

impl Drop for Tree {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("fsreplay-bench: removing {}: {error}", self.0.display());
        }
    }
}

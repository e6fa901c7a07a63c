//! Scripts that make what a bench works with.

use std::io;
use std::path::Path;
use std::process::Command;

/// Runs a script in a directory; it ends with its first command that fails. An empty one is none.
pub fn shell(dir: &Path, script: &str) -> io::Result<()> {
    if script.is_empty() {
        return Ok(());
    }
    let status = Command::new("sh")
        .args(["-euc", script])
        .current_dir(dir)
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("{script}: {status}")))
    }
}

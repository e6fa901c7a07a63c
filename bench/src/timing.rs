//! Runs commands and says how long they took.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs a command in a directory, without output, and gives its wall time in seconds.
pub fn run<S: AsRef<OsStr>>(dir: &Path, command: &[S]) -> io::Result<f64> {
    let (program, args) = command
        .split_first()
        .ok_or_else(|| io::Error::other("no command"))?;
    let begin = Instant::now();
    let status = Command::new(program)
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    let elapsed = begin.elapsed().as_secs_f64();
    if status.success() {
        Ok(elapsed)
    } else {
        let words: Vec<_> = command
            .iter()
            .map(|word| word.as_ref().to_string_lossy())
            .collect();
        Err(io::Error::other(format!("{}: {status}", words.join(" "))))
    }
}

/// The same as a user does it and as a replay begins: what was changed before has been written
/// back, and all has been left alone for a while.
pub fn run_at_rest<S: AsRef<OsStr>>(dir: &Path, command: &[S]) -> io::Result<f64> {
    std::thread::sleep(settled(dir)?);
    run(dir, command)
}

/// Writes back what was changed in a directory. Gives for how long to leave it alone.
pub fn settled(dir: &Path) -> io::Result<Duration> {
    let tree = std::fs::File::open(dir)?;
    rustix::fs::syncfs(&tree)?;
    Ok(fsreplay_replayer::rest_before_run(&tree))
}

//! Runs the fsreplay binary as a user would: a calibrated recording, a command that gives JSON.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Records a command in its directory, with `--calibrate`. `reset` puts back what the command
/// changes; it has been run before this.
pub fn record<S: AsRef<OsStr>>(
    fsreplay: &Path,
    home: &Path,
    trace: &Path,
    reset: &str,
    command: &[S],
) -> io::Result<()> {
    let mut recorder = Command::new(fsreplay);
    recorder.args(["record", "-q", "--force", "--calibrate", "-o"]);
    recorder.arg(trace);
    if !reset.is_empty() {
        recorder.args(["--reset", reset]);
    }
    let status = recorder
        .arg("--")
        .args(command)
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("recording: {status}")))
    }
}

/// What a command says with `--json -`.
pub fn json<S: AsRef<OsStr>>(fsreplay: &Path, arguments: &[S]) -> io::Result<Value> {
    let output = Command::new(fsreplay)
        .args(arguments)
        .args(["-q", "--json", "-"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    // 5: it can't be told. What was measured is there all the same.
    if !matches!(output.status.code(), Some(0 | 5)) {
        return Err(io::Error::other(format!("fsreplay: {}", output.status)));
    }
    serde_json::from_slice(&output.stdout).map_err(io::Error::other)
}

/// A number in a result; not a number where there is none.
pub fn number(value: &Value, field: &str) -> f64 {
    value[field].as_f64().unwrap_or(f64::NAN)
}

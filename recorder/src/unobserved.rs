//! A run of the command without the recorder, to learn what it takes when nobody looks.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

use fsreplay_trace::model::Unobserved;

use crate::sys;
use crate::sys::signal;

/// A short command is run so often.
const RUNS: usize = 5;
/// No more runs are begun after this time, nanoseconds.
const ENOUGH: u64 = 1_000_000_000;

/// A command to be run again as it was recorded, its output going nowhere.
#[derive(Clone, Copy, Debug)]
pub struct Again<'a> {
    /// The command and its arguments.
    pub command: &'a [OsString],
    /// Run by `sh -c` before, to put back what the command changed.
    pub reset: Option<&'a OsStr>,
    /// How it ended when it was recorded (a status of wait(2)): a run that ends otherwise tells nothing.
    pub status: i32,
}

impl Again<'_> {
    /// Puts back what the command changed. An error says why that failed.
    pub fn put_back(&self) -> Result<(), String> {
        self.reset.map_or(Ok(()), put_back)
    }

    /// Runs the command once. An error says why the run tells nothing.
    pub fn run(&self) -> Result<Unobserved, String> {
        run_once(self.command, self.status)
    }

    /// Runs it, a short one several times. Gives the median by processor time.
    pub(crate) fn several(&self) -> Result<Unobserved, String> {
        let begin = sys::now();
        let mut runs = Vec::new();
        while runs.is_empty() || (runs.len() < RUNS && sys::now().saturating_sub(begin) < ENOUGH) {
            self.put_back()?;
            runs.push(self.run()?);
        }
        runs.sort_by_key(|run| run.cpu);
        Ok(runs[runs.len() / 2])
    }
}

fn put_back(script: &OsStr) -> Result<(), String> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).stdin(Stdio::null());
    let status = wait_for(&mut command).map_err(|error| format!("sh: {error}"))?;
    if status.success() {
        // Otherwise the run pays for it.
        sys::sync();
        return Ok(());
    }
    Err(format!("what puts things back ended with {status}"))
}

/// Runs a command; signals to the recorder meanwhile are for it.
fn wait_for(command: &mut Command) -> io::Result<ExitStatus> {
    let mut child = command.spawn()?;
    signal::forward_to(i32::try_from(child.id()).unwrap_or(0));
    let status = child.wait();
    signal::forward_to(0);
    status
}

fn run_once(command: &[OsString], recorded_status: i32) -> Result<Unobserved, String> {
    let (program, arguments) = command.split_first().ok_or("no command")?;
    let cpu = sys::children_cpu();
    let begin = sys::now();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let status = wait_for(&mut command).map_err(|error| error.to_string())?;
    let elapsed = sys::now().saturating_sub(begin);
    if status.into_raw() != recorded_status {
        return Err(format!(
            "it ended with {status}, and when recorded otherwise"
        ));
    }
    Ok(Unobserved {
        elapsed,
        cpu: sys::children_cpu().saturating_sub(cpu),
        per_event: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Vec<OsString> {
        ["sh", "-c", text].map(OsString::from).to_vec()
    }

    fn again(
        command: &[OsString],
        reset: Option<&OsStr>,
        status: i32,
    ) -> Result<Unobserved, String> {
        let again = Again {
            command,
            reset,
            status,
        };
        again.several()
    }

    #[test]
    fn computing_and_sleeping_are_told_apart() {
        let seen = again(&command("sleep 0.2; exit 3"), None, 3 << 8).expect("a run");
        assert!(seen.elapsed > 200_000_000, "{seen:?}");
        // One at a time computes; what it slept is in the one and not in the other.
        assert!(seen.cpu > 0, "{seen:?}");
        assert!(seen.elapsed > seen.cpu + 150_000_000, "{seen:?}");
    }

    #[test]
    fn a_command_that_does_something_else_the_second_time_tells_nothing() {
        assert!(again(&command("exit 3"), None, 0).is_err());
        assert!(again(&command("true"), Some("false".as_ref()), 0).is_err());
        assert!(again(&["/no/such/command".into()], None, 0).is_err());
    }
}

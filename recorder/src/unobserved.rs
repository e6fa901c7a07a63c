//! Runs of the command without the recorder, to learn what it takes when nobody looks.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use fsreplay_trace::model::Sample;
use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use crate::options::{Calibration, Observer};
use crate::sys;
use crate::sys::signal;

/// No more runs than this: the median of so many is known to a quarter of what they differ by.
const RUNS: usize = 21;

/// A command to be run again as it was recorded, its output going nowhere.
#[derive(Clone, Copy, Debug)]
pub struct Again<'a> {
    /// The command and its arguments.
    pub command: &'a [OsString],
    /// How often, and what comes before each run.
    pub calibration: &'a Calibration,
    /// How it ended when it was recorded (a status of wait(2)): a run that ends otherwise tells
    /// nothing.
    pub status: i32,
    /// How long it took then.
    pub recorded: Duration,
}

impl Again<'_> {
    /// Runs it as often as fits into the budget. Gives what the runs took, and why there are no
    /// more of them, unless there are enough or the time is over.
    pub fn runs(&self, observer: &mut dyn Observer) -> (Vec<Sample>, Option<String>) {
        let begin = Instant::now();
        let budget = self.calibration.budget;
        let requests = signal::requests();
        let mut runs = Vec::new();
        let mut longest = self.recorded;
        while runs.len() < RUNS && begin.elapsed() + longest <= budget {
            observer.calibrates(runs.len(), RUNS, begin.elapsed());
            let began = Instant::now();
            let run = self.once();
            let run = if signal::requests() == requests {
                run
            } else {
                Err("a signal ended it".into())
            };
            match run {
                Ok(run) => runs.push(run),
                Err(reason) => {
                    let which = if runs.is_empty() {
                        "the runs"
                    } else {
                        "more runs"
                    };
                    let text = format!("{which} without recording can't be used: {reason}");
                    return (runs, Some(text));
                }
            }
            if runs.len() == 1 {
                // It was recorded, which takes longer.
                longest = Duration::ZERO;
            }
            longest = longest.max(began.elapsed());
        }
        let too_long = runs.is_empty().then(|| {
            format!(
                "it is not run again without recording: that takes longer than {budget:?}; give it \
                 more with --budget"
            )
        });
        (runs, too_long)
    }

    fn once(&self) -> Result<Sample, String> {
        if let Some(script) = &self.calibration.reset {
            put_back(script)?;
        }
        std::thread::sleep(self.calibration.rest);
        run_once(self.command, self.status)
    }
}

fn put_back(script: &OsStr) -> Result<(), String> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).stdin(Stdio::null());
    let (status, _) = wait_for(&mut command).map_err(|error| format!("sh: {error}"))?;
    if status.success() {
        // Otherwise the run pays for it.
        sys::sync();
        return Ok(());
    }
    Err(format!("what puts things back ended with {status}"))
}

/// Runs a command; signals to the recorder meanwhile are for it. Also gives how long it was kept
/// waiting for a processor, nanoseconds.
fn wait_for(command: &mut Command) -> io::Result<(ExitStatus, u64)> {
    let mut child = command.spawn()?;
    signal::forward_to(i32::try_from(child.id()).unwrap_or(0));
    let queued = queued_at_end(&child);
    let status = child.wait();
    signal::forward_to(0);
    Ok((status?, queued))
}

/// Waits for the end of a process, and says how long its first task was kept waiting for a
/// processor: the kernel counts that for each task, and for none of its children. 0 where it
/// doesn't.
fn queued_at_end(child: &Child) -> u64 {
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap_or(0));
    let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    while waitid(Id::Pid(id), ended) == Err(Errno::EINTR) {}
    let text =
        std::fs::read_to_string(format!("/proc/{}/schedstat", child.id())).unwrap_or_default();
    let queued = text.split_ascii_whitespace().nth(1);
    queued.and_then(|time| time.parse().ok()).unwrap_or(0)
}

fn run_once(command: &[OsString], recorded_status: i32) -> Result<Sample, String> {
    let (program, arguments) = command.split_first().ok_or("no command")?;
    let cpu = sys::children_cpu();
    let begin = sys::now();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (status, queued) = wait_for(&mut command).map_err(|error| error.to_string())?;
    let elapsed = sys::now().saturating_sub(begin);
    if status.into_raw() != recorded_status {
        return Err(format!(
            "it ended with {status}, and when recorded otherwise"
        ));
    }
    Ok(Sample {
        elapsed,
        cpu: sys::children_cpu().saturating_sub(cpu),
        queued,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Quiet;

    fn command(text: &str) -> Vec<OsString> {
        ["sh", "-c", text].map(OsString::from).to_vec()
    }

    fn again(
        command: &[OsString],
        calibration: &Calibration,
        status: i32,
    ) -> (Vec<Sample>, Option<String>) {
        let again = Again {
            command,
            calibration,
            status,
            recorded: Duration::from_millis(1),
        };
        again.runs(&mut Quiet)
    }

    fn within(budget: Duration) -> Calibration {
        Calibration {
            budget,
            ..Calibration::default()
        }
    }

    #[test]
    fn computing_and_sleeping_are_told_apart() {
        let sleeps = command("sleep 0.2; exit 3");
        let (runs, reason) = again(&sleeps, &within(Duration::from_millis(100)), 3 << 8);
        assert_eq!(
            (runs.len(), reason),
            (1, None),
            "the first may not take longer"
        );
        let seen = runs[0];
        assert!(seen.elapsed > 200_000_000, "{seen:?}");
        // One at a time computes; what it slept is in the one and not in the other.
        assert!(seen.cpu > 0, "{seen:?}");
        assert!(seen.elapsed > seen.cpu + 150_000_000, "{seen:?}");
    }

    #[test]
    fn there_are_enough_runs_at_some_point() {
        let (runs, reason) = again(&command("true"), &within(Duration::from_secs(3600)), 0);
        assert_eq!((runs.len(), reason), (RUNS, None));
    }

    #[test]
    fn what_takes_longer_than_the_budget_is_not_begun() {
        let again = Again {
            command: &command("touch /no/such/file"),
            calibration: &within(Duration::from_secs(1)),
            status: 0,
            recorded: Duration::from_secs(2),
        };
        let (runs, reason) = again.runs(&mut Quiet);
        assert!(runs.is_empty());
        assert!(reason.is_some_and(|reason| reason.contains("--budget")));
    }

    #[test]
    fn a_command_that_does_something_else_the_second_time_tells_nothing() {
        let hour = within(Duration::from_secs(3600));
        let fails = Calibration {
            reset: Some("false".into()),
            ..hour.clone()
        };
        let none = ["/no/such/command".into()];
        for (runs, reason) in [
            again(&command("exit 3"), &hour, 0),
            again(&command("true"), &fails, 0),
            again(&none, &hour, 0),
        ] {
            assert!(runs.is_empty() && reason.is_some());
        }
    }
}

//! Recording inside the tool, while tool or recorder is killed or stopped at any moment: what was
//! done is in the trace.

mod common;
mod faults;

#[path = "faults/moments.rs"]
mod moments;

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use common::{fsreplay_heeding, until};
use faults::{Lab, kill};
use fsreplay_trace::call::{ArgKind, Call};
use fsreplay_trace::format::{self, TraceError};
use fsreplay_trace::model::Record;
use moments::{moments, times};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

const THREADS: usize = 3;
/// More steps than are ever done.
const WITHOUT_END: u64 = 1 << 40;

/// The tool that tells how far it came, under `record`.
struct Steps {
    lab: Lab,
    tool: PathBuf,
}

impl Steps {
    fn new() -> Option<Steps> {
        let lab = Lab::new()?;
        let tool = lab.compile("steps");
        Some(Steps { lab, tool })
    }

    fn start(&self, count: u64) -> Child {
        std::fs::write(self.lab.path("words"), [0; 8 * (1 + THREADS)]).expect("written");
        let mut command = fsreplay_heeding();
        command.args(["record", "-q", "--force", "--backend", "inside", "-o"]);
        command.arg(self.trace()).arg("--").arg(&self.tool);
        command.arg(self.lab.path("words"));
        command.args([THREADS.to_string(), count.to_string()]);
        let started = self.lab.here(&mut command).stdout(Stdio::null()).spawn();
        started.expect("fsreplay runs")
    }

    /// A word of the tool's: its id, and how far its threads are.
    fn word(&self, index: usize) -> u64 {
        let file = std::fs::File::open(self.lab.path("words")).expect("there");
        let mut word = [0; 8];
        let at = 8 * index as u64;
        file.read_exact_at(&mut word, at).expect("as long as made");
        u64::from_ne_bytes(word)
    }

    /// Waits until all threads are at work.
    fn at_work(&self) {
        until("all threads at work", || {
            (1..=THREADS).all(|thread| self.word(thread) > 0)
        });
    }

    fn trace(&self) -> PathBuf {
        self.lab.path("t.zst")
    }

    /// What each thread is told to have done in a trace: each step once, and none without those
    /// before it.
    fn told(&self, trace: &Path) -> [u64; THREADS] {
        let mut told = [0; THREADS];
        for (thread, number, _) in steps_in(trace) {
            assert_eq!(told[thread], number, "of thread {thread}");
            told[thread] = number + 1;
        }
        told
    }
}

/// Thread, number and result of each step in a trace that may break off, of which there may be
/// nothing yet. Finds out that no call of a task
/// was entered before the one before it had returned.
fn steps_in(trace: &Path) -> Vec<(usize, u64, i64)> {
    let mut steps = Vec::new();
    let Ok(mut reader) = format::open(trace) else {
        return steps;
    };
    let mut returned = BTreeMap::new();
    loop {
        let event = match reader.next_record() {
            Ok(Some(Record::Event(event))) => event,
            Ok(Some(_)) => continue,
            Ok(None) | Err(TraceError::Truncated { .. }) => return steps,
            Err(error) => panic!("{error}"),
        };
        let before = returned.insert(event.task, event.exit()).unwrap_or(0);
        assert!(event.entry >= before, "{event:?} {before}");
        let looks = matches!(event.call, Call::stat | Call::newfstatat);
        // The recorder sees them before they are made.
        let makes = matches!(event.call, Call::mkdir | Call::mkdirat);
        if !looks && !makes {
            continue;
        }
        let Some(path) = event.string(ArgKind::Path) else {
            continue;
        };
        let path = String::from_utf8_lossy(reader.tables().string(path)).into_owned();
        let Some((thread, number)) = path
            .strip_prefix("/none/")
            .and_then(|step| step.split_once('-'))
        else {
            continue;
        };
        let thread = thread.parse().expect("a thread");
        steps.push((thread, number.parse().expect("a number"), event.result));
    }
}

fn ended(mut recorder: Child) -> ExitStatus {
    recorder.wait().expect("it ends")
}

#[test]
fn of_a_tool_that_is_killed_all_is_there_that_it_did() {
    let Some(steps) = Steps::new() else { return };
    for moment in moments(times(25), 60) {
        let recorder = steps.start(WITHOUT_END);
        steps.at_work();
        std::thread::sleep(moment);
        let tool = Pid::from_raw(steps.word(0) as i32);
        signal::kill(tool, Signal::SIGKILL).expect("it runs");
        let status = ended(recorder);
        assert_eq!(status.signal(), Some(libc::SIGKILL), "{status}");
        let told = steps.told(&steps.trace());
        for (thread, told) in told.into_iter().enumerate() {
            let done = steps.word(1 + thread);
            assert!(told == done || told == done + 1, "{told} of {done}");
        }
    }
}

/// More than so long it takes on no machine.
const HANGS: Duration = Duration::from_secs(300);

#[test]
fn processes_that_are_killed_while_they_begin_end_and_so_does_the_recorder() {
    let Some(lab) = Lab::new() else { return };
    let tool = lab.compile("kills");
    let mut command = fsreplay_heeding();
    command.args(["record", "-q", "--force", "--backend", "inside", "-o"]);
    command.arg(lab.path("t.zst")).arg("--").arg(tool);
    command.arg((40 * times(5)).to_string());
    let mut recorder = lab.here(&mut command).spawn().expect("fsreplay runs");
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = recorder.try_wait().expect("asked") {
            break Some(status);
        }
        if begun.elapsed() > HANGS {
            kill(Signal::SIGKILL, &recorder);
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

#[test]
fn of_a_recorder_that_is_killed_the_beginning_is_there_without_a_gap() {
    let Some(steps) = Steps::new() else { return };
    for moment in moments(times(4), 300) {
        let recorder = steps.start(WITHOUT_END);
        // It is written once a second.
        until("events are written", || {
            let mut left = steps.lab.incomplete().into_iter();
            left.any(|left| steps.told(&left).iter().any(|told| *told > 0))
        });
        std::thread::sleep(moment);
        kill(Signal::SIGKILL, &recorder);
        ended(recorder);
        steps.lab.nothing_runs("steps");
        let left = steps.lab.incomplete().pop().expect("it is kept");
        let told = steps.told(&left);
        assert!(told.iter().any(|told| *told > 0), "{told:?}");
        for (thread, told) in told.into_iter().enumerate() {
            assert!(told <= steps.word(1 + thread) + 1, "{told}");
        }
        std::fs::remove_file(left).expect("removed");
    }
}

#[test]
fn of_a_recorder_that_is_stopped_for_a_while_nothing_is_lost() {
    let Some(steps) = Steps::new() else { return };
    const COUNT: u64 = 60_000;
    for _ in 0..times(2) {
        let mut recorder = steps.start(COUNT);
        steps.at_work();
        for moment in moments(4, 20) {
            std::thread::sleep(moment);
            if recorder.try_wait().expect("asked").is_some() {
                break;
            }
            kill(Signal::SIGSTOP, &recorder);
            // The tool goes on until it has no room for events, or calls that are traced.
            std::thread::sleep(Duration::from_millis(400));
            kill(Signal::SIGCONT, &recorder);
        }
        let status = ended(recorder);
        assert_eq!(status.code(), Some(0), "{status}");
        assert_eq!(steps.told(&steps.trace()), [COUNT; THREADS]);
        let results = steps_in(&steps.trace());
        assert!(results.iter().all(|(_, _, result)| *result == -2));
    }
}

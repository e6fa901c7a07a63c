//! Tasks that outlive the command.
//!
//! The recorder can't leave them: the filter stays with them, and without a recorder their calls
//! would fail. They are waited for, the user is told, and an interrupt (or the end of the time to
//! linger) ends them. Those that only wait for a tracer that they can't have are ended at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::options::Observer;
use crate::sys::signal;

/// Seconds after the command's end at which the user is told that tasks are left.
const TELL_AFTER: u32 = 3;
/// Seconds between SIGTERM and SIGKILL.
const PATIENCE: u32 = 3;

/// What is to be done about tasks that are left.
pub struct Ending {
    linger: Option<Duration>,
    /// Ticks since the command's end.
    ticks: u32,
    /// Requests for an end that came before the command's end: those were the command's own.
    requests_before: u32,
    terminated_at: Option<u32>,
    ended: BTreeSet<i32>,
    /// Processes whose tracer was refused, or left them standing still.
    to_be_traced: BTreeSet<i32>,
}

impl Ending {
    /// Waits that long for what is left, or without limit.
    pub fn new(linger: Option<Duration>) -> Ending {
        Ending {
            linger,
            ticks: 0,
            requests_before: 0,
            terminated_at: None,
            ended: BTreeSet::new(),
            to_be_traced: BTreeSet::new(),
        }
    }

    /// A process waits for a tracer, perhaps, that it can't have while it is recorded, or that is
    /// gone.
    pub fn waits_for_tracer(&mut self, process: i32) {
        self.to_be_traced.insert(process);
    }

    /// How many processes were ended.
    pub fn ended(&self) -> u64 {
        self.ended.len() as u64
    }

    /// Once a second: `left` are the processes that live, and whether each was let go, stands
    /// still, and has no tracer any more.
    pub fn tick(
        &mut self,
        command_ended: bool,
        left: impl Iterator<Item = (i32, bool)>,
        observer: &mut dyn Observer,
    ) {
        if !command_ended {
            self.requests_before = signal::requests();
            return;
        }
        self.ticks += 1;
        let left: BTreeMap<i32, bool> = left.collect();
        if left.is_empty() {
            return;
        }
        let waits =
            |(process, stands): (&i32, &bool)| *stands || self.to_be_traced.contains(process);
        let is_stranded =
            self.linger.is_none() && self.ticks >= TELL_AFTER && left.iter().all(waits);
        let left: BTreeSet<i32> = left.into_keys().collect();
        if is_stranded && self.terminated_at.is_none() {
            observer.warning("what the command left waits for a tracer, and has none");
        } else if self.ticks == TELL_AFTER {
            observer.warning(&format!(
                "the command has ended, and the recording goes on until these processes end, too: \
                 {}. Ctrl-C ends them",
                names(&left)
            ));
        }
        let lingered = self
            .linger
            .is_some_and(|linger| u64::from(self.ticks) >= linger.as_secs());
        match self.terminated_at {
            None if is_stranded || lingered || signal::requests() > self.requests_before => {
                self.terminated_at = Some(self.ticks);
                self.end(&left, libc::SIGTERM, observer);
            }
            Some(at) if self.ticks - at >= PATIENCE => self.end(&left, libc::SIGKILL, observer),
            _ => {}
        }
    }

    fn end(&mut self, left: &BTreeSet<i32>, with: i32, observer: &mut dyn Observer) {
        if with == libc::SIGTERM {
            observer.warning(&format!("ending what the command left: {}", names(left)));
        }
        for pid in left {
            signal::kill(*pid, with);
            self.ended.insert(*pid);
        }
    }
}

/// Names and ids, the first few.
fn names(processes: &BTreeSet<i32>) -> String {
    const SHOWN: usize = 5;
    let mut names: Vec<String> = processes
        .iter()
        .take(SHOWN)
        .map(|pid| {
            let name = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
            format!("{} ({pid})", String::from_utf8_lossy(&name).trim_end())
        })
        .collect();
    if processes.len() > SHOWN {
        names.push(format!("{} more", processes.len() - SHOWN));
    }
    names.join(", ")
}

//! Signals that the recorder gets and the tool is meant to have.
//!
//! Whoever signals the recorder means the command: it stands where the command would stand without
//! it. What reaches both (Ctrl-C at a terminal, a signal to the process group) must not reach the
//! tool twice, because many tools take a second interrupt for an order to drop everything.

use crate::options::Observer;
use crate::sys;
use crate::sys::ptrace;
use crate::sys::signal::{self, Request, Sender};

/// What one process sends to a group reaches the tool and the recorder within this time,
/// nanoseconds.
const TOGETHER: u64 = 2_000_000_000;
/// So many requests for an end ...
const INSISTENCE: usize = 3;
/// ... within this time, nanoseconds, end a tool that ignores them.
const INSISTENCE_TIME: u64 = 5_000_000_000;

/// Signals of the recorder's own, on their way to the tool.
#[derive(Default)]
pub struct Requests {
    /// What the tool got lately, from whom and when.
    seen: Vec<(i32, Sender, u64)>,
    /// When an end was asked for lately.
    asked: Vec<u64>,
    /// There is no command to pass them on to any more.
    ended: bool,
}

impl Requests {
    /// The command's first process has ended.
    pub fn command_ended(&mut self) {
        self.ended = true;
    }

    /// A task is about to get a signal.
    pub fn saw(&mut self, main: i32, tid: i32, signal: i32) {
        if !signal::is_request(signal) || !is_thread_of(main, tid) {
            return;
        }
        if let Some(sender) = ptrace::signal_stop(tid, signal) {
            let now = sys::now();
            self.seen.retain(|(.., at)| now - at < TOGETHER);
            self.seen.push((signal, sender, now));
        }
    }

    /// Passes on what came since the last time. Whether the tool must be killed, since an end was
    /// asked for again and again.
    pub fn pass_on(&mut self, main: i32, observer: &mut dyn Observer) -> bool {
        let mut kill = false;
        for request in signal::take_requests() {
            if self.ended {
                // Of what is left then, `Ending` takes care.
                if request.signal == libc::SIGTSTP {
                    signal::stop();
                }
                continue;
            }
            if !reaches_the_tool_itself(&request) && !self.has(main, &request) {
                tracing::debug!(?request, "passed on");
                signal::kill(main, request.signal);
            }
            kill |= self.insists(&request, observer);
        }
        kill
    }

    fn has(&self, main: i32, request: &Request) -> bool {
        let now = sys::now();
        let seen = self.seen.iter().any(|(signal, sender, at)| {
            *signal == request.signal && *sender == request.sender && now - at < TOGETHER
        });
        let about_to_see = || {
            let sender = |tid| ptrace::signal_stop(tid, request.signal);
            threads(main).any(|tid| sender(tid) == Some(request.sender))
        };
        seen || about_to_see()
    }

    fn insists(&mut self, request: &Request, observer: &mut dyn Observer) -> bool {
        let asks = matches!(request.signal, libc::SIGINT | libc::SIGTERM);
        if !asks || request.sender == Sender::Kernel {
            return false;
        }
        let now = sys::now();
        self.asked.retain(|at| now - at < INSISTENCE_TIME);
        self.asked.extend((0..request.count).map(|_| now));
        match self.asked.len() {
            ..INSISTENCE => false,
            _ => {
                self.asked.clear();
                observer.warning("ending the command, at the third signal within five seconds");
                true
            }
        }
    }
}

/// A terminal signals the tool as well as the recorder, but for the hangup, of which it tells the
/// leader of its session only.
fn reaches_the_tool_itself(request: &Request) -> bool {
    request.sender == Sender::Kernel
        && !(request.signal == libc::SIGHUP && sys::is_session_leader())
}

fn threads(pid: i32) -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter();
    let names = entries.flatten().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.parse().ok())
}

fn is_thread_of(main: i32, tid: i32) -> bool {
    tid == main || std::fs::exists(format!("/proc/{main}/task/{tid}")).unwrap_or(false)
}

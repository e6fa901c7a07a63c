//! The command stops, and goes on (Ctrl-Z, `suspend`): the recorder with it, and its clock.
//!
//! A shell waits for the recorder and not for the command. So the recorder handles the terminal's
//! SIGTSTP, in order to go on looking after the tool's own handler, and stops when the command has.

use std::fs::File;
use std::os::fd::AsRawFd;

use super::Tracer;
use super::inside::Inside;
use crate::sys::process;
use crate::sys::signal;

impl Tracer {
    /// The command's first task has stopped.
    pub(super) fn command_stopped(&mut self) {
        self.clock.time();
        self.stopped = true;
        if stop_with(self.main) {
            signal::take_continued();
            self.clock.stood_still();
        }
    }

    /// Something is told of the command's first task: it runs.
    pub(super) fn command_goes_on(&mut self) {
        if std::mem::take(&mut self.stopped) {
            self.clock.stood_still();
        }
    }

    /// Looks whether this process was stopped meanwhile. The tool stood still with it, from its
    /// last call inside on at the latest.
    pub(super) fn look_for_stop(&mut self) {
        if signal::take_continued() && self.clock.is_late() {
            let last = self.inside.as_mut().and_then(Inside::last_return);
            self.drain(); // by the clock as it was
            if let Some(last) = last {
                self.clock.ran_until(last);
            }
            self.clock.stood_still();
        }
    }
}

/// Stops where a shell looks after this process, until it is told to go on; lets the command go on
/// then. Gives whether it stopped.
pub fn stop_with(main: i32) -> bool {
    let Ok(terminal) = File::open("/dev/tty") else {
        return false;
    };
    if !process::is_job() {
        return false;
    }
    let terminal = terminal.as_raw_fd();
    let (own, commands) = (process::group(0), process::group(main));
    let held = process::foreground(terminal);
    signal::stop();
    // The shell gives the terminal to the group that it knows.
    if held == commands
        && held != own
        && process::foreground(terminal) == own
        && let Err(error) = process::set_foreground(terminal, commands)
    {
        tracing::warn!(%error, "the command does not get the terminal back");
    }
    if commands > 0 && commands != own {
        signal::kill(-commands, libc::SIGCONT);
    } else {
        signal::kill(main, libc::SIGCONT);
    }
    true
}

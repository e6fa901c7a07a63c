//! What a long recording consists of: phases of work between waits for the outside, and polling.
//!
//! A dev server, a watcher or a test runner works, waits for a request, a change, a person, and
//! works again. A task is busy while it computes and while it is in a call, unless that call waits
//! for what is no work of a file system. What is busy together is a [burst](bursts); bursts with
//! little between them are a [phase](stretches).

mod bursts;
mod directories;
mod polling;
mod stretches;
mod timeline;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use fsreplay_trace::call::{ArgKind, Op};
use fsreplay_trace::model::{Event, FileKind, Header, StopCosts, TaskExit, TaskStart};

pub(crate) use timeline::Seen;

use self::bursts::{Bursts, Cause, Piece};
use crate::places::{NONE, Places};
use crate::processes::{Stream, Task};

/// Follows when tasks are busy.
#[derive(Default)]
pub(crate) struct Phases {
    /// Whether computing and waiting are told apart.
    told: bool,
    /// What stops add to times.
    costs: StopCosts,
    /// When each task's last record was, nanoseconds since the start of the recording.
    since: HashMap<u32, u64>,
    /// What each process has worked so far, nanoseconds.
    worked: Vec<u64>,
    bursts: Bursts,
    polling: polling::Polling,
    /// Watches by mount.
    watches: HashMap<u16, u64>,
}

impl Phases {
    /// For a trace with that header.
    pub(crate) fn new(header: &Header) -> Phases {
        Phases {
            told: header.tells_waiting,
            costs: header.costs.unwrap_or_default(),
            ..Phases::default()
        }
    }

    /// A task came to life; its parent was busy until then.
    pub(crate) fn start(&mut self, start: &TaskStart, places: &Places) {
        if let Some(parent) = start.parent {
            self.busy_before(parent.0, start.time, start.think, places);
        }
        self.since.insert(start.task.0, start.time);
    }

    /// A task ended.
    pub(crate) fn end(&mut self, exit: &TaskExit, places: &Places) {
        self.busy_before(exit.task.0, exit.time, exit.think, places);
        self.since.remove(&exit.task.0);
    }

    /// A task has computed so long before a moment.
    fn busy_before(&mut self, task: u32, time: u64, think: u64, places: &Places) {
        let since = self.since.insert(task, time).unwrap_or(time);
        let begin = time.saturating_sub(think).max(since).min(time);
        if think > 0 {
            let work = think.min(time - begin);
            self.bursts.add(
                Piece {
                    begin,
                    end: time,
                    work,
                },
                places,
            );
        }
    }

    /// What the task did since its last record, and whether it slept before the call.
    ///
    /// Where it slept in between is not known: that it slept first and was woken to work is the
    /// usual case.
    fn work(&mut self, event: &Event, process: u32, busy: bool, places: &Places) {
        let exit = event.exit();
        let since = self.since.insert(event.task.0, exit).unwrap_or(event.entry);
        let gap = event.entry.saturating_sub(since);
        // Without the kernel's counts, all time between calls counts as computing.
        let (think, blocked) = if self.told {
            (event.spent.think, event.spent.blocked)
        } else {
            (gap, 0)
        };
        let begin = event.entry - gap + blocked.min(gap);
        let think = think.min(event.entry - begin);
        let mut worked = think;
        if busy {
            let own = event.duration.saturating_sub(self.costs.duration);
            worked = worked.saturating_add(own);
            self.bursts.add(
                Piece {
                    begin,
                    end: exit,
                    work: worked,
                },
                places,
            );
        } else {
            // Most waits have nothing before them.
            self.bursts.add(
                Piece {
                    begin,
                    end: event.entry,
                    work: think,
                },
                places,
            );
            let cpu = event.spent.cpu.min(event.duration);
            worked = worked.saturating_add(cpu);
            self.bursts.add(
                Piece {
                    begin: exit - cpu,
                    end: exit,
                    work: cpu,
                },
                places,
            );
        }
        let process = process as usize;
        if self.worked.len() <= process {
            self.worked.resize(process + 1, 0);
        }
        self.worked[process] = self.worked[process].saturating_add(worked);
    }

    /// Follows a call, before what it does is. `place` is where it does so, [`NONE`] where that is
    /// no file that is stored; `number` is that of the event.
    pub(crate) fn follow(
        &mut self,
        task: &Task,
        place: u32,
        event: &Event,
        number: u64,
        places: &Places,
    ) {
        let op = event.call.row().op;
        let on_file = place != NONE && op != Op::Poll;
        let busy = !event.call.row().waits || on_file;
        let cause = cause(task, event, on_file);
        self.work(event, task.process, busy, places);
        let stop = self.costs.duration;
        let burst = self.bursts.of_event(event.exit());
        if burst.first == u64::MAX {
            burst.first = number;
            burst.timer = polling::is_wait(event);
        }
        burst.last = number;
        burst.events += 1;
        if let Some(cause) = cause
            && burst.cause.is_none()
        {
            burst.cause = Some((event.exit(), cause));
        }
        if on_file {
            let time = event.duration.saturating_sub(stop);
            burst.calls += 1;
            burst.time = burst.time.saturating_add(time);
            burst.opens += u64::from(op == Op::Open && event.errno().is_none());
            let at = places.get(place);
            let is_directory = at.kind == FileKind::Directory || at.parent == place;
            let directory = if is_directory { place } else { at.parent };
            burst.directories.add(directory, time, places);
        }
        self.look_for_polling(task, place, event, places);
    }

    fn look_for_polling(&mut self, task: &Task, place: u32, event: &Event, places: &Places) {
        if place == NONE && !polling::is_wait(event) {
            return;
        }
        let asked = polling::Asked {
            event,
            process: task.process,
            place,
            worked: self.worked.get(task.process as usize).copied().unwrap_or(0),
        };
        for exit in self.polling.ask(&asked, places) {
            let burst = self.bursts.of_event(exit);
            let poller = (place == NONE, task.process);
            burst.polls += u64::from(place != NONE);
            burst.poller = Some(burst.poller.map_or(poller, |other| other.min(poller)));
        }
        if event.call.row().op == Op::Watch && event.errno().is_none() {
            let mount = places.get(place).mount;
            *self.watches.entry(mount).or_default() += 1;
        }
    }
}

/// What a call that succeeded tells of the outside.
fn cause(task: &Task, event: &Event, on_file: bool) -> Option<Cause> {
    if event.result < 0 || on_file {
        return None;
    }
    match event.call.row().op {
        Op::Accept => Some(Cause::Request),
        Op::Read | Op::ReceiveMessage if event.result > 0 => {
            let description = event.fd(ArgKind::Fd).and_then(|fd| task.description(fd));
            match description.map_or(Stream::Other, |description| description.stream) {
                Stream::Watch => Some(Cause::Change),
                Stream::Connection => Some(Cause::Request),
                Stream::Inherited => Some(Cause::Input),
                Stream::Other => None,
            }
        }
        _ => None,
    }
}

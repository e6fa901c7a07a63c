//! When things happened, and where a task's time went: told by the backend.

use fsreplay_trace::model::Spent;

use super::memory::Memory;
use super::world::Told;
use super::{RawCall, Task};

/// The clock of a task that is about to make a call, or has made it. All times are nanoseconds,
/// moments since the recording's start.
pub trait Clock {
    /// Where the task's time went since its previous record: [`Spent::think`] and
    /// [`Spent::blocked`]. Asked once for a call, at its entry, before anything is looked at; not
    /// at all for a call that is no event.
    fn gap(&mut self) -> Spent;

    /// At an entry: when the call is made, asked after all looks. At an exit: when it returned,
    /// asked first.
    fn moment(&mut self) -> u64;

    /// At an exit: where the time of the call went, which is so long.
    fn within(&mut self, duration: u64) -> Within;
}

/// Where the time in a call went, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Within {
    /// On a processor, without what recording adds.
    pub cpu: u64,
    /// Asleep.
    pub asleep: u64,
}

/// A whole call, told after it returned.
#[derive(Clone)]
pub struct Delivered<'a> {
    /// Its number, of the recorded architecture.
    pub number: u64,
    /// Argument registers, as they were at its entry.
    pub registers: [u64; 6],
    /// Copies of what it pointed at, at the least the bytes that its row says are read.
    pub memory: &'a dyn Memory,
    /// When it was entered.
    pub entry: u64,
    /// When it returned.
    pub exit: u64,
    /// What it returned: a value or `-errno`.
    pub result: i64,
    /// Where the task's time went since its previous record.
    pub spent: Spent,
    /// What the call itself told of the last name of its path, if it doesn't follow a link there:
    /// that need not be looked up then.
    pub told: Option<Told>,
}

impl<'a> Delivered<'a> {
    pub(super) fn raw(&self) -> RawCall<'a> {
        RawCall {
            number: self.number,
            registers: self.registers,
            memory: self.memory,
        }
    }

    pub(super) fn at(&self, moment: u64) -> Known {
        Known {
            moment,
            spent: self.spent,
        }
    }
}

/// A clock of which all is known beforehand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// When the call is made, or returned.
    pub moment: u64,
    /// Where the task's time went.
    pub spent: Spent,
}

impl Clock for Known {
    fn gap(&mut self) -> Spent {
        Spent {
            think: self.spent.think,
            blocked: self.spent.blocked,
            ..Spent::default()
        }
    }

    fn moment(&mut self) -> u64 {
        self.moment
    }

    fn within(&mut self, _duration: u64) -> Within {
        Within {
            cpu: self.spent.cpu,
            asleep: self.spent.asleep,
        }
    }
}

impl super::Session {
    /// A call that has returned already, of a task that has gone on. The calls of all tasks are
    /// told in the order in which they returned.
    ///
    /// A call that is only counted, or stands for nothing, is taken as at its entry. Gives whether
    /// it is an event: otherwise its time is that of the gap that it lies in.
    pub fn call(&mut self, task: &mut Task, mut call: Delivered<'_>) -> bool {
        let before = self.trace.events();
        self.states.told = call.told.take();
        let next = self.entry(task, &call.raw(), &mut call.at(call.entry));
        self.states.told = None;
        match next {
            super::Next::Exit | super::Next::Result => {
                self.exit(task, call.result, call.memory, &mut call.at(call.exit));
            }
            super::Next::Written | super::Next::Nothing => {}
        }
        let events = self.trace.events() - before;
        self.after_the_fact += events;
        events > 0
    }
}

//! In which order calls that overlapped took effect.
//!
//! A trace tells when calls began and returned, and events stand in it in the order of their
//! returns. Where calls overlapped, their outcomes often tell more: a look-up that found nothing
//! came before the creation of that name, whichever returned first. So events are held back for a
//! moment while several tasks are alive, and taken in an order that explains their outcomes and
//! keeps every call behind those that had returned before it began.

pub(super) mod concerns;
pub(super) mod outlook;

use std::collections::VecDeque;

use fsreplay_trace::model::{Event, Record};

use concerns::{may_concern_locks, takes_paths};

/// Records that are held back at most. A call that stopped its task may have returned to it late,
/// while others made as many calls as a recorder inside the tool keeps for a few tasks.
pub(super) const WINDOW: usize = 1 << 14;
/// Records that are looked at, unless a call is among all that overlapped more than that.
const NEAR: usize = 256;
/// How many calls may be taken before their turn on behalf of one.
pub(super) const MAX_PULLED: usize = 16;

/// A record that waits for its turn.
pub(super) struct Held {
    pub(super) record: Record,
    /// Number of the event, or of the next one.
    number: u32,
}

impl Held {
    /// How many events had returned when what it tells of was over.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// How many events had returned when what it tells of began.
    pub(super) fn horizon(&self) -> u32 {
        match &self.record {
            Record::Event(event) => self.number.saturating_sub(event.overlapped),
            _ => self.number,
        }
    }

    fn is_start(&self) -> bool {
        matches!(self.record, Record::TaskStart(_))
    }

    fn is_long(&self) -> bool {
        matches!(&self.record, Record::Event(event)
            if event.overlapped as usize > NEAR
                && (takes_paths(event) || may_concern_locks(&self.record)))
    }

    /// Whose it is, if it is a task's.
    pub(super) fn task(&self) -> Option<u32> {
        match &self.record {
            Record::Event(event) => Some(event.task.0),
            Record::TaskStart(start) => Some(start.task.0),
            Record::TaskExit(exit) => Some(exit.task.0),
            Record::PathState(_) | Record::Listing(_) | Record::Xattrs(_) | Record::FdState(_) => {
                None
            }
        }
    }
}

/// Records in the order of the trace, of which some go before their turn.
#[derive(Default)]
pub(super) struct Sequence {
    held: VecDeque<Held>,
    /// Starts of tasks among them.
    starts: usize,
    /// Calls among them that overlapped more than [`NEAR`] others, and may be put in order with
    /// them.
    long: usize,
    /// Events seen.
    seen: u32,
}

impl Sequence {
    /// The record whose turn it is.
    pub(super) fn front(&self) -> Option<&Held> {
        self.held.front()
    }

    /// Those held back, in order, among which is all that overlapped the first.
    pub(super) fn held(&self) -> impl Iterator<Item = &Held> {
        let reach = if self.long == 0 { NEAR } else { WINDOW };
        self.held.iter().take(reach)
    }

    /// The first held event that had begun when the front one returned, is its task's next, and is
    /// wanted. So many tasks are alive.
    pub(super) fn find_overlapping(
        &self,
        number: u32,
        task: u32,
        others: usize,
        mut wanted: impl FnMut(&Event) -> bool,
    ) -> Option<usize> {
        let mut met = vec![task];
        for (index, candidate) in self.held().enumerate() {
            let Record::Event(event) = &candidate.record else {
                continue;
            };
            if met.contains(&event.task.0) {
                continue;
            }
            met.push(event.task.0);
            let horizon = u64::from(candidate.number).saturating_sub(event.overlapped.into());
            if horizon <= u64::from(number) && wanted(event) {
                return Some(index);
            }
            if met.len() >= others {
                break;
            }
        }
        None
    }

    /// The first held record that overlapped the front one, is its task's next, and is wanted.
    pub(super) fn find_next(&self, wanted: impl Fn(&Held) -> bool) -> Option<usize> {
        let first = self.front()?;
        let number = first.number();
        let mut met: Vec<u32> = first.task().into_iter().collect();
        for (index, held) in self.held().enumerate().skip(1) {
            let Some(task) = held.task() else {
                continue;
            };
            if met.contains(&task) {
                continue;
            }
            met.push(task);
            if held.horizon() <= number && wanted(held) {
                return Some(index);
            }
        }
        None
    }

    /// The number of a record of the trace, which is seen now: that of the event, or of the next
    /// one.
    pub(super) fn see(&mut self, record: &Record) -> u32 {
        let number = self.seen;
        if matches!(record, Record::Event(_)) {
            self.seen = number.saturating_add(1);
        }
        number
    }

    /// How many are held back.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether the start of a task is among them.
    pub(super) fn holds_start(&self) -> bool {
        self.starts > 0
    }

    /// A record is held back.
    pub(super) fn hold(&mut self, record: Record, number: u32) {
        let held = Held { record, number };
        self.starts += usize::from(held.is_start());
        self.long += usize::from(held.is_long());
        self.held.push_back(held);
    }

    /// Takes one of those held back.
    pub(super) fn remove(&mut self, index: usize) -> Option<Held> {
        let held = self.held.remove(index)?;
        self.starts -= usize::from(held.is_start());
        self.long -= usize::from(held.is_long());
        Some(held)
    }
}

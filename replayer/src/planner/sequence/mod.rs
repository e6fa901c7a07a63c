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

use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{Event, Record};

use super::{PlanError, Planner};
use concerns::{may_concern_locks, takes_paths};
use outlook::Outlook;

/// Records that are held back at most. A call that stopped its task may have returned to it late,
/// while others made as many calls as a recorder inside the tool keeps for a few tasks.
const WINDOW: usize = 1 << 14;
/// Records that are looked at, unless a call is among all that overlapped more than that.
const NEAR: usize = 256;
/// How many calls may be taken before their turn on behalf of one.
const MAX_PULLED: usize = 16;

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

    fn push(&mut self, held: Held) {
        self.starts += usize::from(held.is_start());
        self.long += usize::from(held.is_long());
        self.held.push_back(held);
    }

    fn remove(&mut self, index: usize) -> Option<Held> {
        let held = self.held.remove(index)?;
        self.starts -= usize::from(held.is_start());
        self.long -= usize::from(held.is_long());
        Some(held)
    }
}

impl Planner {
    /// Takes the next record of the trace, now or soon.
    pub(super) fn sequence(&mut self, record: &Record, tables: &Tables) -> Result<(), PlanError> {
        let number = self.sequence.seen;
        if matches!(record, Record::Event(_)) {
            self.sequence.seen = number.saturating_add(1);
        }
        if self.sequence.held.is_empty() && self.holdings.procs.alive < 2 {
            return self.take(record, number, tables);
        }
        let record = record.clone();
        self.sequence.push(Held { record, number });
        let lonely = self.holdings.procs.alive < 2 && self.sequence.starts == 0;
        let keep = if lonely { 0 } else { WINDOW };
        self.release(keep, tables)
    }

    /// Takes held records until so many are left.
    pub(super) fn release(&mut self, keep: usize, tables: &Tables) -> Result<(), PlanError> {
        while self.sequence.held.len() > keep {
            self.settle(tables)?;
            if let Some(held) = self.sequence.remove(0) {
                self.take(&held.record, held.number, tables)?;
            }
        }
        Ok(())
    }

    /// What looks ahead, and where it looks.
    pub(super) fn outlook(&mut self) -> (Outlook<'_>, &Sequence) {
        let outlook = Outlook {
            tree: &self.land.tree,
            holdings: &self.holdings,
            dialect: self.setting.dialect,
            passed: &mut self.paths.passed,
        };
        (outlook, &self.sequence)
    }

    /// Takes those that must have come before the first of the held records.
    fn settle(&mut self, tables: &Tables) -> Result<(), PlanError> {
        for _ in 0..MAX_PULLED {
            let index = self.overdue_lock();
            let Some(index) = index.or_else(|| {
                let (mut outlook, sequence) = self.outlook();
                outlook.overdue(sequence, tables)
            }) else {
                return Ok(());
            };
            let Some(held) = self.sequence.remove(index) else {
                return Ok(());
            };
            self.take(&held.record, held.number, tables)?;
        }
        Ok(())
    }
}

//! Counts with their time and the processes that are responsible, and what each call cost at each
//! place.

use fsreplay_results::inspect::Share;
use fsreplay_trace::call::Call;
use fsreplay_trace::model::Event;

use crate::NONE;

/// The end of a list of [`Spent`].
pub(crate) const SPENT_NONE: u32 = NONE;

/// How far back a process is looked for in a tally before it gets another entry; entries are merged
/// at the end.
const LOOK_BACK: usize = 8;

/// Calls and their time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    pub(crate) count: u64,
    pub(crate) failed: u64,
    /// Nanoseconds.
    pub(crate) time: u64,
}

impl Sum {
    pub(crate) fn add(&mut self, event: &Event) {
        self.count += 1;
        self.failed += u64::from(event.errno().is_some());
        self.time = self.time.saturating_add(event.duration);
    }
}

impl From<Sum> for Share {
    fn from(sum: Sum) -> Share {
        Share {
            count: sum.count,
            failed: sum.failed,
            seconds: seconds(sum.time),
        }
    }
}

/// Nanoseconds as seconds.
pub(crate) fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// A count of one kind of thing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    /// Nanoseconds.
    pub(crate) time: u64,
    /// Process and its share of the count; one may stand several times.
    pub(crate) by: Vec<(u32, u64)>,
}

impl Tally {
    /// Counts one.
    #[inline]
    pub(crate) fn add(&mut self, process: u32, time: u64) {
        self.count += 1;
        self.time = self.time.saturating_add(time);
        let mut recent = self.by.iter_mut().rev().take(LOOK_BACK);
        match recent.find(|entry| entry.0 == process) {
            Some(entry) => entry.1 += 1,
            None => self.by.push((process, 1)),
        }
    }

    /// Counts all of another.
    pub(crate) fn merge(&mut self, other: &Tally) {
        self.count += other.count;
        self.time = self.time.saturating_add(other.time);
        self.by.extend_from_slice(&other.by);
        // A sum over many places names the same few processes over and over.
        if self.by.len() > 1 << 12 {
            self.compact();
        }
    }

    /// Leaves each process once, by number.
    pub(crate) fn compact(&mut self) {
        self.by.sort_unstable_by_key(|entry| entry.0);
        self.by.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 += if same { next.1 } else { 0 };
            same
        });
    }
}

/// Tallies that places and files refer to by number.
#[derive(Default)]
pub(crate) struct Tallies(Vec<Tally>);

impl Tallies {
    /// Counts one in the tally that `at` names; the first time it gets one.
    #[inline]
    pub(crate) fn add(&mut self, at: &mut u32, process: u32, time: u64) {
        if *at == NONE {
            *at = self.0.len() as u32;
            self.0.push(Tally::default());
        }
        self.0[*at as usize].add(process, time);
    }

    /// More time for what was counted before.
    #[inline]
    pub(crate) fn add_time(&mut self, at: u32, time: u64) {
        if let Some(tally) = self.0.get_mut(at as usize) {
            tally.time = tally.time.saturating_add(time);
        }
    }

    /// The tally of that number.
    pub(crate) fn get(&self, at: u32) -> Option<&Tally> {
        self.0.get(at as usize)
    }
}

/// What one call cost at one place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    pub(crate) call: Call,
    next: u32,
    pub(crate) count: u32,
    pub(crate) failed: u32,
    /// Nanoseconds.
    pub(crate) time: u64,
}

/// What all calls cost, in a list for each place.
#[derive(Default)]
pub(crate) struct Costs(Vec<Spent>);

impl Costs {
    /// Adds a call to the list that begins at `head`.
    #[inline]
    pub(crate) fn add(&mut self, head: &mut u32, call: Call, failed: bool, time: u64) {
        let mut at = *head;
        while let Some(spent) = self.0.get_mut(at as usize) {
            if spent.call == call {
                spent.count = spent.count.saturating_add(1);
                spent.failed = spent.failed.saturating_add(u32::from(failed));
                spent.time = spent.time.saturating_add(time);
                return;
            }
            at = spent.next;
        }
        self.0.push(Spent {
            call,
            next: *head,
            count: 1,
            failed: u32::from(failed),
            time,
        });
        *head = (self.0.len() - 1) as u32;
    }

    /// The list that begins there.
    pub(crate) fn list(&self, head: u32) -> impl Iterator<Item = &Spent> {
        std::iter::successors(self.0.get(head as usize), |spent| {
            self.0.get(spent.next as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_take_turns_are_merged_at_the_end() {
        let mut tally = Tally::default();
        for round in 0..3 {
            for process in 0..20 {
                tally.add(process, round);
            }
        }
        tally.compact();
        assert_eq!(tally.count, 60);
        assert_eq!(tally.time, 60);
        assert_eq!(tally.by.len(), 20);
        assert!(tally.by.iter().all(|entry| entry.1 == 3));
    }

    #[test]
    fn each_call_has_one_entry_in_a_list() {
        let mut costs = Costs::default();
        let mut head = SPENT_NONE;
        for _ in 0..3 {
            costs.add(&mut head, Call::read, false, 5);
            costs.add(&mut head, Call::openat, true, 1);
        }
        let mut list: Vec<_> = costs
            .list(head)
            .map(|s| (s.call, s.count, s.failed, s.time))
            .collect();
        list.sort();
        let mut expected = [(Call::read, 3, 0, 15), (Call::openat, 3, 3, 3)];
        expected.sort();
        assert_eq!(list, expected);
    }
}

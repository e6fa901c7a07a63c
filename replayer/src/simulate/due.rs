//! Who goes on when: the first one first.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// A time, nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time(pub(super) f64);

impl Ord for Time {
    fn cmp(&self, other: &Time) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Time) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Time {
    fn eq(&self, other: &Time) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Time {}

/// A lane goes on at some point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due<T> {
    /// That point.
    pub(super) at: T,
    pub(super) lane: u32,
    /// The lane's turn when it began to wait: in a later one it has gone on already.
    pub(super) turn: u32,
}

/// Lanes that wait.
pub(super) struct Waiting<T>(BinaryHeap<Reverse<Due<T>>>);

impl<T: Ord> Default for Waiting<T> {
    fn default() -> Waiting<T> {
        Waiting(BinaryHeap::new())
    }
}

impl<T: Ord> Waiting<T> {
    pub(super) fn push(&mut self, due: Due<T>) {
        self.0.push(Reverse(due));
    }

    pub(super) fn first(&self) -> Option<&Due<T>> {
        self.0.peek().map(|first| &first.0)
    }

    pub(super) fn pop(&mut self) -> Option<Due<T>> {
        self.0.pop().map(|first| first.0)
    }

    /// Takes the first one if it is as asked for.
    pub(super) fn pop_if(&mut self, is_wanted: impl FnOnce(&Due<T>) -> bool) -> Option<Due<T>> {
        if self.first().is_some_and(is_wanted) {
            self.pop()
        } else {
            None
        }
    }

    pub(super) fn drop_while(&mut self, is_unwanted: impl Fn(&Due<T>) -> bool) {
        while self.pop_if(&is_unwanted).is_some() {}
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

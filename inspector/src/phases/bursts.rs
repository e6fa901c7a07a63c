//! When anybody was busy, as far as the records have come: bursts of work, and what was done in
//! each.
//!
//! Tasks tell of their time when a call returns, so that what is told last may have begun first:
//! bursts are kept by their begin, and whatever touches is made one. There are never more than
//! [`MOST`], so that neither a long recording nor a made-up one fills the memory.

use std::collections::BTreeMap;

use crate::places::Places;

use super::directories::Directories;

/// Pauses that are shorter belong to the burst, nanoseconds: the wake-up of another task, a stop of
/// the recorder.
const PAUSE: u64 = 1_000_000;
/// More bursts are not kept apart: when there are as many, pauses may be twice as long, again and
/// again until there are half as many. At a burst every tenth of a second that is half an hour's
/// recording.
const MOST: usize = 1 << 14;

/// What set a task to work, as far as a trace tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// A change of a watched file.
    Change,
    /// A connection, or bytes of one.
    Request,
    /// Bytes of a stream that was open when the command began: a person, a pipe.
    Input,
}

/// Time of one task in which it was busy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    /// Nanoseconds since the start of the recording.
    pub(crate) begin: u64,
    pub(crate) end: u64,
    /// How much of it was the task's own work: without waiting for a processor, and without the
    /// recorder's stops.
    pub(crate) work: u64,
}

/// A time in which somebody was busy nearly throughout.
#[derive(Clone, Debug, Default)]
pub(crate) struct Burst {
    /// Nanoseconds since the start of the recording.
    pub(crate) begin: u64,
    pub(crate) end: u64,
    /// Nanoseconds in which at least one task was at work. Where several were, this is an
    /// estimate: see [`Burst::cover`].
    pub(crate) busy: f64,
    /// Nanoseconds of work of all tasks.
    pub(crate) work: u64,
    /// First and last event that returned in it, by number.
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) events: u64,
    /// Calls on files, but for those of pseudo file systems; and their time, nanoseconds.
    pub(crate) calls: u64,
    pub(crate) time: u64,
    /// Of the calls, those that only ask again what they ask all the time.
    pub(crate) polls: u64,
    /// Who polls, or else wakes up for nothing: whether it only waits, and its process.
    pub(crate) poller: Option<(bool, u32)>,
    pub(crate) opens: u64,
    /// What was told first of what came from outside, and when.
    pub(crate) cause: Option<(u64, Cause)>,
    /// Whether the first event was the end of a wait in which nothing happened.
    pub(crate) timer: bool,
    pub(crate) directories: Directories,
}

impl Burst {
    fn of(piece: Piece) -> Burst {
        Burst {
            begin: piece.begin,
            end: piece.end,
            busy: piece.work as f64,
            work: piece.work,
            first: u64::MAX,
            ..Burst::default()
        }
    }

    /// How much of a piece's work would have to be told from this burst's, nanoseconds: what both
    /// were busy with at the same time, if neither knew of the other.
    fn shared(&self, piece: Piece) -> f64 {
        let both = self
            .end
            .min(piece.end)
            .saturating_sub(self.begin.max(piece.begin));
        if both == 0 {
            return 0.0;
        }
        let density = self.busy / (self.end - self.begin) as f64;
        let weight = piece.work as f64 / (piece.end - piece.begin) as f64;
        both as f64 * density.min(1.0) * weight.min(1.0)
    }

    /// Takes a piece that touches it.
    fn cover(&mut self, piece: Piece) {
        let busy = self.busy + piece.work as f64 - self.shared(piece);
        self.begin = self.begin.min(piece.begin);
        self.end = self.end.max(piece.end);
        self.busy = busy.min((self.end - self.begin) as f64);
        self.work = self.work.saturating_add(piece.work);
    }

    /// Takes a later burst, or one inside of what both will be.
    pub(crate) fn join(&mut self, other: Burst, places: &Places) {
        if other.first < self.first {
            self.timer = other.timer;
        }
        self.begin = self.begin.min(other.begin);
        self.end = self.end.max(other.end);
        self.busy += other.busy;
        self.work = self.work.saturating_add(other.work);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.events += other.events;
        self.calls += other.calls;
        self.time = self.time.saturating_add(other.time);
        self.polls += other.polls;
        self.opens += other.opens;
        self.poller = first(self.poller, other.poller);
        self.cause = first(self.cause, other.cause);
        self.directories.join(other.directories, places);
    }
}

/// The lesser one of what is there.
fn first<T: Ord>(one: Option<T>, another: Option<T>) -> Option<T> {
    match (one, another) {
        (Some(one), Some(another)) => Some(one.min(another)),
        (one, another) => one.or(another),
    }
}

/// All bursts.
pub(crate) struct Bursts {
    by_begin: BTreeMap<u64, Burst>,
    /// Pauses up to this are none, nanoseconds.
    pause: u64,
}

impl Default for Bursts {
    fn default() -> Bursts {
        Bursts {
            by_begin: BTreeMap::new(),
            pause: PAUSE,
        }
    }
}

impl Bursts {
    /// Takes a piece of work; the burst that it is a part of now.
    pub(crate) fn add(&mut self, piece: Piece, places: &Places) -> &mut Burst {
        let begin = self.touching(piece, places);
        if self.by_begin.len() > MOST {
            self.thin_out(places);
            return self.at_or_before(piece.end);
        }
        self.by_begin.entry(begin).or_default()
    }

    /// Puts the piece where it belongs; where the burst begins that has it now.
    fn touching(&mut self, piece: Piece, places: &Places) -> u64 {
        let from = piece.begin.saturating_sub(self.pause);
        let to = piece.end.saturating_add(self.pause);
        if let Some(mut last) = self.by_begin.last_entry()
            && *last.key() <= piece.begin
            && last.get().end >= from
        {
            last.get_mut().cover(piece);
            return *last.key();
        }
        let touched = self.by_begin.range(..=to).rev();
        let begins: Vec<u64> = touched
            .take_while(|(_, burst)| burst.end >= from)
            .map(|(begin, _)| *begin)
            .collect();
        let mut whole = Burst::of(piece);
        let bursts: Vec<Burst> = begins
            .iter()
            .filter_map(|begin| self.by_begin.remove(begin))
            .collect();
        for burst in bursts {
            whole.busy -= burst.shared(piece);
            whole.join(burst, places);
        }
        let length = (whole.end - whole.begin) as f64;
        whole.busy = whole.busy.clamp(0.0, length);
        let begin = whole.begin;
        self.by_begin.insert(begin, whole);
        begin
    }

    fn thin_out(&mut self, places: &Places) {
        while self.by_begin.len() > MOST / 2 && self.pause < u64::MAX / 2 {
            self.pause *= 2;
            let mut kept: BTreeMap<u64, Burst> = BTreeMap::new();
            for (begin, burst) in std::mem::take(&mut self.by_begin) {
                match kept.last_entry() {
                    Some(mut last) if begin.saturating_sub(last.get().end) <= self.pause => {
                        last.get_mut().join(burst, places);
                    }
                    _ => {
                        kept.insert(begin, burst);
                    }
                }
            }
            self.by_begin = kept;
        }
    }

    fn at_or_before(&mut self, time: u64) -> &mut Burst {
        let found = self.by_begin.range(..=time).next_back();
        let begin = found.map_or(0, |(begin, _)| *begin);
        self.by_begin.entry(begin).or_default()
    }

    /// The burst in which an event returned that has been told of before.
    pub(crate) fn of_event(&mut self, exit: u64) -> &mut Burst {
        self.at_or_before(exit)
    }

    /// In the order of time.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Burst> {
        self.by_begin.values()
    }
}

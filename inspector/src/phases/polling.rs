//! Polling: a process that asks the same thing of the same path at a steady interval, gets the same
//! answer each time, and does little else meanwhile; or one that wakes up at a steady interval for
//! nothing.

use std::collections::{BTreeMap, HashMap};

use fsreplay_trace::call::{Call, Op};
use fsreplay_trace::model::Event;

use super::directories::Directories;
use crate::places::{NONE, Places};

/// So often the same question is asked at a steady interval before it is polling. Who polls each
/// second is found in five.
const ROUNDS: usize = 5;
/// Questions that follow each other sooner are not asked at an interval, nanoseconds: no watcher
/// asks 200 times a second, and a tool that works does.
const LEAST_INTERVAL: u64 = 5_000_000;
/// An interval is steady if it is within this factor of the average so far: a timer that fires late
/// on a busy machine stays one.
const STEADY: f64 = 1.5;
/// Of a question that is known to be polling, within this one, whatever else the process does
/// meanwhile.
const STEADY_ENOUGH: f64 = 3.0;
/// So many questions are followed; when there are more, those that are no polling yet are
/// forgotten. Neither a build that asks for each of a million paths once nor a made-up trace may
/// fill the memory.
const MOST: usize = 1 << 16;

/// What is asked: by whom (a process; for waits, a task), by which call, where.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Question {
    by: u32,
    call: Call,
    place: u32,
}

/// A question that may be one of a row.
struct Row {
    /// When the last one was asked, nanoseconds since the start of the recording.
    last: u64,
    /// What its process had worked until then, nanoseconds.
    worked: u64,
    result: i64,
    /// When the first and the rounds after it returned, until there are enough; most are asked
    /// once.
    first: u64,
    exits: Option<Box<[u64; ROUNDS]>>,
    rounds: u32,
    /// Sum of the intervals, nanoseconds.
    span: u64,
    /// Whether the question was polling before.
    known: bool,
}

impl Row {
    fn new(asked: &Asked) -> Row {
        Row {
            last: asked.event.entry,
            worked: asked.worked,
            result: asked.event.result,
            first: asked.event.exit(),
            exits: None,
            rounds: 1,
            span: 0,
            known: false,
        }
    }

    fn is_polling(&self) -> bool {
        self.rounds as usize >= ROUNDS
    }

    /// Takes the next round; when polls returned that turn out to be some now.
    fn next(&mut self, asked: &Asked, interval: u64) -> Vec<u64> {
        let exit = asked.event.exit();
        let first = self.first;
        let exits = self.exits.get_or_insert_with(|| Box::new([first; ROUNDS]));
        if let Some(at) = exits.get_mut(self.rounds as usize) {
            *at = exit;
        }
        self.rounds = self.rounds.saturating_add(1);
        self.span = self.span.saturating_add(interval);
        self.last = asked.event.entry;
        self.worked = asked.worked;
        match self.rounds as usize {
            ROUNDS => exits.to_vec(),
            rounds if rounds > ROUNDS => vec![exit],
            _ => Vec::new(),
        }
    }

    /// Whether a question goes on with the row.
    fn goes_on(&self, asked: &Asked) -> bool {
        let interval = asked.event.entry.saturating_sub(self.last);
        let worked = asked.worked.saturating_sub(self.worked);
        let average = self.span as f64 / f64::from((self.rounds - 1).max(1));
        let known = self.known || self.is_polling();
        let factor = if known { STEADY_ENOUGH } else { STEADY };
        let is_steady = self.rounds == 1
            || interval as f64 <= average * factor && interval as f64 >= average / factor;
        is_steady
            && interval >= LEAST_INTERVAL
            && asked.event.result == self.result
            // Who works most of the time does not poll: it asks while it works.
            && (known || worked < interval / 2)
    }
}

/// A call that may be a question.
pub(crate) struct Asked<'a> {
    pub(crate) event: &'a Event,
    pub(crate) process: u32,
    /// The place it is about, [`NONE`] for a wait.
    pub(crate) place: u32,
    /// What its process has worked so far, nanoseconds.
    pub(crate) worked: u64,
}

/// The polling of one process.
#[derive(Default)]
pub(crate) struct Polls {
    pub(crate) calls: u64,
    /// Different questions.
    pub(crate) questions: u64,
    /// Sum and number of intervals, nanoseconds.
    pub(crate) intervals: (u64, u64),
    /// From the first call to the last, nanoseconds since the start of the recording.
    pub(crate) begin: u64,
    pub(crate) end: u64,
    pub(crate) directories: Directories,
}

/// All polling.
#[derive(Default)]
pub(crate) struct Polling {
    rows: HashMap<Question, Row>,
    /// By process, and whether it only waits.
    pub(crate) by_process: BTreeMap<(u32, bool), Polls>,
}

/// Whether a call asks for what a watcher looks for.
fn is_question(event: &Event) -> bool {
    let op = event.call.row().op;
    matches!(op, Op::Stat | Op::Access | Op::ListDirectory) || is_wait(event)
}

/// Whether a call has waited in vain.
pub(crate) fn is_wait(event: &Event) -> bool {
    event.call.row().op == Op::Poll && event.result == 0
}

impl Polling {
    /// Takes a call; when polls returned that turn out to be some now, nanoseconds since the start.
    pub(crate) fn ask(&mut self, asked: &Asked, places: &Places) -> Vec<u64> {
        if !is_question(asked.event) {
            return Vec::new();
        }
        let waits = is_wait(asked.event);
        let question = Question {
            by: if waits {
                asked.event.task.0
            } else {
                asked.process
            },
            call: asked.event.call,
            place: asked.place,
        };
        let Some(row) = self.rows.get_mut(&question) else {
            self.follow(question, Row::new(asked));
            return Vec::new();
        };
        let interval = asked.event.entry.saturating_sub(row.last);
        // The end of a listing is a part of the same question.
        if asked.event.call.row().op == Op::ListDirectory && interval < LEAST_INTERVAL {
            return if row.is_polling() {
                vec![asked.event.exit()]
            } else {
                Vec::new()
            };
        }
        if !row.goes_on(asked) {
            let known = row.known || row.is_polling();
            *row = Row::new(asked);
            row.known = known;
            return Vec::new();
        }
        let found = row.next(asked, interval);
        let intervals = match found.len() {
            0 => return found,
            1 => (interval, 1),
            many => (row.span, many as u64 - 1),
        };
        let is_new = found.len() > 1 && !row.known;
        let polls = self.by_process.entry((asked.process, waits)).or_default();
        polls.questions += u64::from(is_new);
        polls.count(asked, &found, intervals, places);
        found
    }

    fn follow(&mut self, question: Question, row: Row) {
        if self.rows.len() >= MOST {
            self.rows.retain(|_, row| row.is_polling());
        }
        if self.rows.len() < MOST {
            self.rows.insert(question, row);
        }
    }
}

impl Polls {
    fn count(&mut self, asked: &Asked, found: &[u64], intervals: (u64, u64), places: &Places) {
        let first = found.first().copied().unwrap_or_default();
        let now = asked.event.exit();
        if self.calls == 0 {
            self.begin = first;
        }
        self.begin = self.begin.min(first);
        self.end = self.end.max(now);
        self.calls += found.len() as u64;
        self.intervals.0 = self.intervals.0.saturating_add(intervals.0);
        self.intervals.1 += intervals.1;
        if asked.place != NONE {
            let directory = places.get(asked.place).parent;
            self.directories.add(directory, found.len() as u64, places);
        }
    }

    /// Nanoseconds from one time that a question is asked to the next.
    pub(crate) fn interval(&self) -> u64 {
        self.intervals.0 / self.intervals.1.max(1)
    }
}

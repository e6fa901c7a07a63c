//! What the longest way to a lane's present consists of.

/// What a time is spent with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Computing,
    Asleep,
    /// In a call of that group.
    Call(usize),
}

/// What takes time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Activity {
    pub(super) kind: Kind,
    /// How long it takes alone, nanoseconds.
    pub(super) time: f64,
    /// Since when.
    pub(super) since: f64,
}

/// What the longest way through a plan consists of, seconds: each moment of it is counted once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Path {
    /// The tool computes.
    pub computing: f64,
    /// It waits for a processor that others have.
    pub queued: f64,
    /// It waits for what is outside of the replay: timers, the network, people.
    pub asleep: f64,
    /// It is in calls, by group.
    pub calls: Vec<f64>,
}

impl Path {
    /// In calls of all groups, seconds.
    pub fn in_calls(&self) -> f64 {
        self.calls.iter().sum()
    }
}

const COMPUTING: usize = 0;
const QUEUED: usize = 1;
const ASLEEP: usize = 2;
const CALLS: usize = 3;

/// The ways of all lanes, nanoseconds.
pub(super) struct Paths {
    parts: Vec<f64>,
    each: usize,
}

impl Paths {
    pub(super) fn new(lanes: usize, groups: usize) -> Paths {
        let each = CALLS + groups;
        Paths {
            parts: vec![0.0; lanes.saturating_mul(each)],
            each,
        }
    }

    /// What a lane did has an end.
    pub(super) fn add(&mut self, lane: usize, activity: Activity, now: f64) {
        let path = &mut self.parts[lane * self.each..][..self.each];
        let all = now - activity.since;
        let kind = match activity.kind {
            Kind::Computing => COMPUTING,
            Kind::Asleep => ASLEEP,
            Kind::Call(group) => CALLS + group,
        };
        let time = activity.time.min(all);
        path[kind] += time;
        // It took longer than it takes alone: others had the processor.
        path[QUEUED] += all - time;
    }

    /// A lane goes on where another one is.
    pub(super) fn follow(&mut self, lane: usize, other: usize) {
        let from = other * self.each;
        self.parts
            .copy_within(from..from + self.each, lane * self.each);
    }

    pub(super) fn of(&self, lane: usize) -> Path {
        let parts = self.parts.get(lane * self.each..).unwrap_or(&[]);
        let seconds = |part: usize| parts.get(part).map_or(0.0, |time| time / 1e9);
        Path {
            computing: seconds(COMPUTING),
            queued: seconds(QUEUED),
            asleep: seconds(ASLEEP),
            calls: (CALLS..self.each).map(seconds).collect(),
        }
    }
}

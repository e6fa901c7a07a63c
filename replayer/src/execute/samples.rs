//! What the ops of a lane gave, in four bytes each: nearly all give what they should, and soon. And
//! in four more what their waits cost computing, where there is any.

use crate::plan::{Action, Check, Op};
use crate::sys;

/// What one op gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Value or `-errno`; [`Sample::NOT_ISSUED`] where nothing was issued. Where any success will
    /// do, such as a descriptor's number, it is that which was recorded.
    pub result: i64,
    /// Nanoseconds.
    pub duration: u64,
}

impl Sample {
    /// The result of an op that issues nothing.
    pub const NOT_ISSUED: i64 = i64::MAX;

    /// Of an op that issued nothing.
    const NONE: Sample = Sample {
        result: Sample::NOT_ISSUED,
        duration: 0,
    };
}

/// What doesn't fit into four bytes.
#[derive(Clone, Copy, Debug)]
struct Odd {
    op: u32,
    result: i64,
    ticks: u64,
}

/// The samples of a lane: of ops that gave what they should the ticks that they took, the others
/// apart, in the order of the ops.
#[derive(Debug, Default)]
pub struct Samples {
    ticks: Vec<u32>,
    /// By how many ticks the wait in each op made the computing after it longer; empty if nothing
    /// is computed.
    lost: Vec<u32>,
    odd: Vec<Odd>,
    /// Nanoseconds.
    tick: f64,
}

/// Stands in `ticks` for what stands apart.
const APART: u32 = u32::MAX;

/// So many odd ones can come without memory being asked for.
const ROOM: usize = 256;

/// Whether a result says no more than that all is as it should be.
#[inline(always)]
fn is_expected(op: &Op, result: i64) -> bool {
    if result == op.expected {
        return true;
    }
    let any = matches!(op.check, Check::Nothing | Check::Success);
    any && result >= 0 && op.expected >= 0
}

impl Samples {
    /// Bytes that are kept of an op at most: where it gave what it shouldn't.
    pub(crate) const MOST_BYTES: u64 = (2 * size_of::<u32>() + size_of::<Odd>()) as u64;

    /// The same, with room for what waits cost computing.
    pub(super) fn with_computing(ops: usize) -> Samples {
        let mut samples = Samples::new(ops);
        samples.lost = vec![1; ops];
        samples.lost.fill(0);
        samples
    }

    /// For so many ops, in memory that has been touched.
    pub(super) fn new(ops: usize) -> Samples {
        Samples {
            // Not zeroes, which would be mapped when they are first written to.
            ticks: vec![1; ops],
            lost: Vec::new(),
            odd: Vec::with_capacity(ROOM),
            tick: 1.0,
        }
    }

    /// A tick took so many nanoseconds.
    pub(super) fn in_ticks_of(self, tick: f64) -> Samples {
        Samples { tick, ..self }
    }

    /// Has at hand soon where an op's sample goes.
    #[inline(always)]
    pub(super) fn prefetch(&self, op: usize) {
        sys::prefetch(self.ticks.as_ptr().wrapping_add(op));
    }

    /// Keeps what an op gave, and how many ticks it took. Ops come in order.
    #[inline(always)]
    pub(super) fn keep(&mut self, at: usize, op: &Op, result: i64, ticks: u64) {
        if is_expected(op, result) && ticks < u64::from(APART) {
            self.ticks[at] = ticks as u32;
        } else {
            self.keep_apart(at, result, ticks);
        }
    }

    /// Keeps by how many ticks more the wait in an op made computing longer.
    #[inline(always)]
    pub(super) fn keep_lost(&mut self, at: usize, ticks: u64) {
        if let Some(lost) = self.lost.get_mut(at) {
            *lost = lost.saturating_add(u32::try_from(ticks).unwrap_or(u32::MAX));
        }
    }

    /// By how many nanoseconds the wait in an op made the computing after it longer.
    pub fn lost(&self, at: usize) -> u64 {
        let ticks = self.lost.get(at).copied().unwrap_or(0);
        (f64::from(ticks) * self.tick) as u64
    }

    /// Bytes that it takes, but for what came unexpected.
    pub(crate) fn bytes(&self) -> usize {
        (self.ticks.len() + self.lost.len()) * size_of::<u32>()
    }

    /// An op that is issued was left out.
    pub(super) fn left_out(&mut self, at: usize) {
        self.keep_apart(at, Sample::NOT_ISSUED, 0);
    }

    #[cold]
    fn keep_apart(&mut self, at: usize, result: i64, ticks: u64) {
        self.ticks[at] = APART;
        self.odd.push(Odd {
            op: at as u32,
            result,
            ticks,
        });
    }

    /// What the op at that place in the lane gave, which is `op`.
    pub fn get(&self, at: usize, op: &Op) -> Sample {
        let ticks = self.ticks.get(at).copied().unwrap_or(0);
        if op.action == Action::Nothing {
            return Sample::NONE;
        }
        if ticks != APART {
            return self.sample(op.expected, ticks.into());
        }
        let found = self.odd.binary_search_by_key(&at, |odd| odd.op as usize);
        found.map_or(Sample::NONE, |found| {
            let odd = self.odd[found];
            self.sample(odd.result, odd.ticks)
        })
    }

    fn sample(&self, result: i64, ticks: u64) -> Sample {
        Sample {
            result,
            duration: (ticks as f64 * self.tick) as u64,
        }
    }
}

#[cfg(test)]
impl Samples {
    /// Of ops that gave what they should, and took so many nanoseconds.
    pub(crate) fn of(nanoseconds: &[u32]) -> Samples {
        Samples {
            ticks: nanoseconds.to_vec(),
            lost: Vec::new(),
            odd: Vec::new(),
            tick: 1.0,
        }
    }

    /// The same, with what their waits made computing longer.
    pub(crate) fn losing(nanoseconds: &[u32], lost: &[u32]) -> Samples {
        Samples {
            lost: lost.to_vec(),
            ..Samples::of(nanoseconds)
        }
    }
}

#[cfg(test)]
mod tests {
    use fsreplay_trace::call::Call;

    use super::*;
    use crate::plan::Slot;

    fn op(expected: i64, check: Check) -> Op {
        Op {
            expected,
            check,
            ..Op::new(Action::FdStat { fd: Slot(1) }, Call::fstat)
        }
    }

    #[test]
    fn what_was_kept_comes_back() {
        let ops = [
            op(0, Check::Exact),
            op(0, Check::Exact),
            op(7, Check::Success),
        ];
        let long = u64::from(u32::MAX) + 5;
        let kept = [
            (0, 10),
            (-2, 20),
            (9, 30),
            (0, long),
            (0, u64::from(u32::MAX)),
        ];
        let mut samples = Samples::with_computing(kept.len() + 1);
        for (at, (result, ticks)) in kept.into_iter().enumerate() {
            samples.keep(at, &ops[at % 3], result, ticks);
        }
        samples.left_out(kept.len());
        samples.keep_lost(1, 30);
        samples.keep_lost(1, 10);
        let samples = samples.in_ticks_of(2.0);
        assert_eq!([0, 1].map(|at| samples.lost(at)), [0, 80]);
        let of = |at: usize| samples.get(at, &ops[at % 3]);
        let sample = |result, duration| Sample { result, duration };
        assert_eq!(of(0), sample(0, 20));
        assert_eq!(of(1), sample(-2, 40));
        // Another descriptor is as good.
        assert_eq!(of(2), sample(7, 60));
        assert_eq!(of(3), sample(0, 2 * long));
        assert_eq!(of(4), sample(0, 2 * u64::from(u32::MAX)));
        assert_eq!(of(5).result, Sample::NOT_ISSUED);
    }

    #[test]
    fn what_issues_nothing_has_no_result() {
        let nothing = Op {
            action: Action::Nothing,
            ..op(0, Check::Nothing)
        };
        assert_eq!(Samples::new(1).get(0, &nothing), Sample::NONE);
    }
}

//! The tool's own time: what it computes and sleeps between its calls, and what ended a wait.

pub(super) mod futexes;
pub(super) mod pace;

use fsreplay_trace::model::Header;

use super::hash::FastMap;
use futexes::Futexes;
use pace::Paces;

/// The tool's own time.
pub(crate) struct Time {
    pub(crate) paces: Paces,
    pub(crate) futexes: Futexes,
    /// Parents that stand still until their child of `vfork` runs a program: its lane.
    vforked: FastMap<u32, u32>,
    /// Computed before the next op without a recorded counterpart, nanoseconds.
    extra_think: f32,
}

impl Time {
    /// For a recording.
    pub(crate) fn new(header: &Header) -> Time {
        Time {
            paces: Paces::new(header),
            futexes: Futexes::default(),
            vforked: FastMap::default(),
            extra_think: 0.0,
        }
    }

    /// A task stands still until its child, which runs on `lane`, starts a program or ends.
    pub(crate) fn vforks(&mut self, parent: u32, lane: u32) {
        self.vforked.insert(parent, lane);
    }

    /// The next op without a recorded counterpart comes after so much computing, nanoseconds.
    pub(crate) fn computes(&mut self, think: f32) {
        self.extra_think = think;
    }

    /// What is computed before an op without a recorded counterpart, nanoseconds. It is told once.
    pub(crate) fn take_computed(&mut self) -> f32 {
        std::mem::take(&mut self.extra_think)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computing_before_an_op_of_the_replays_own_is_told_once() {
        let mut time = Time::new(&Header::default());
        time.computes(5.0);
        assert_eq!(time.take_computed(), 5.0);
        assert_eq!(time.take_computed(), 0.0);
    }
}

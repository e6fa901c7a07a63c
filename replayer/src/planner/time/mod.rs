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
    pub(crate) vforked: FastMap<u32, u32>,
    /// Computed before the next op without a recorded counterpart, nanoseconds.
    pub(crate) extra_think: f32,
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
}

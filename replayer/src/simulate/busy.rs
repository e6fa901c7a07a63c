//! How long anything was done, and in which phase.

/// Counts the time in which some lane computes, needs a processor, or is in a call. The rest is
/// waiting for what is outside of the tool.
pub(super) struct Busy {
    /// By phase: lanes that are busy in it.
    lanes: Vec<u32>,
    /// All of them.
    all: u32,
    /// The phase of the one that became busy last.
    latest: usize,
    /// By phase, nanoseconds.
    spent: Vec<f64>,
}

impl Busy {
    pub(super) fn new(phases: usize) -> Busy {
        Busy {
            lanes: vec![0; phases],
            all: 0,
            latest: 0,
            spent: vec![0.0; phases],
        }
    }

    /// A lane becomes busy.
    pub(super) fn begin(&mut self, phase: usize) {
        self.lanes[phase] += 1;
        self.all += 1;
        self.latest = phase;
    }

    /// A lane that was is no more.
    pub(super) fn end(&mut self, phase: usize) {
        self.lanes[phase] -= 1;
        self.all -= 1;
    }

    /// Time passes, which counts once, no matter how many lanes are busy.
    pub(super) fn pass(&mut self, nanoseconds: f64) {
        if self.all == 0 {
            return;
        }
        if self.lanes[self.latest] == 0 {
            let other = self.lanes.iter().position(|lanes| *lanes > 0);
            self.latest = other.unwrap_or(self.latest);
        }
        self.spent[self.latest] += nanoseconds;
    }

    /// By phase, seconds.
    pub(super) fn seconds(self) -> Vec<f64> {
        self.spent.into_iter().map(|time| time / 1e9).collect()
    }
}

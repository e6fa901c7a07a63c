//! Where a task is known or told to have been: on a processor, waiting for one, or asleep.

/// When a task was off its processor, as far as it told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Off {
    /// In the gap before a call. `None`: it was not asked.
    pub before: Option<Away>,
    /// In the call.
    pub within: Option<Away>,
    /// What it told since that call.
    pub later: Later,
}

/// How long a task was off its processor since then, by what it told already, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Later {
    /// Where it waited for one.
    pub waited: u64,
    /// Where it slept, and waited behind that perhaps.
    pub slept: u64,
}

impl Later {
    /// With that as well.
    pub fn and(self, away: Away) -> Later {
        let add = |sum: u64, is_it: bool| sum.saturating_add(if is_it { away.time } else { 0 });
        Later {
            waited: add(self.waited, away.sleeps.is_none()),
            slept: add(self.slept, away.sleeps.is_some()),
        }
    }
}

/// How long a task was off its processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Away {
    /// Nanoseconds.
    pub time: u64,
    /// If it slept: how often it has left a processor of its own accord in its life, with its
    /// stops. Otherwise it waited for a processor.
    pub sleeps: Option<u64>,
}

/// What is known of a task that stands still, and whose next gap begins there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Here {
    /// Processor time of its life, nanoseconds; `None` where nobody counts.
    pub cpu: Option<u64>,
    /// How often it has left a processor of its own accord in its life, with the stop that it
    /// stands in, if that was looked at.
    pub sleeps: Option<u64>,
}

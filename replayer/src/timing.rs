//! Whether a replay takes the tool's own time, too.

/// Whether the tool's own time (computing, sleeping) is part of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Timing {
    /// No: as fast as possible, which gives file-system time only.
    #[default]
    Fast,
    /// Yes, multiplied by this; 1 predicts what the tool would take.
    Scaled(f64),
}

impl Timing {
    pub(crate) fn scale(self) -> Option<f64> {
        match self {
            Timing::Fast => None,
            Timing::Scaled(scale) => Some(scale),
        }
    }
}

impl std::fmt::Display for Timing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Timing::Fast => f.write_str("fast"),
            Timing::Scaled(1.0) => f.write_str("recorded"),
            Timing::Scaled(scale) => write!(f, "recorded x {scale}"),
        }
    }
}

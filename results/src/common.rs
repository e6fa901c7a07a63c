//! What results of several commands hold.

use serde::{Deserialize, Serialize};

/// How often intervals hold the truth, in words: whatever shows one says this of it.
pub use fsreplay_measure::estimate::LEVEL;

/// The recorded trace that a result is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Trace {
    /// FNV-1a of the file in hexadecimal: the same on every machine. Empty where it is not known.
    pub id: String,
    /// The recorded command; without its arguments, unless they were kept.
    pub command: Vec<String>,
    /// The directory in which it ran.
    pub cwd: String,
    /// Events (system calls).
    pub events: u64,
    /// Architecture and kernel.
    pub recorded_on: String,
    /// Length of the recording, seconds.
    pub elapsed_seconds: Option<f64>,
}

/// Where a result was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Machine {
    /// Its name.
    pub host: String,
    /// Release of its kernel.
    pub kernel: String,
    /// `x86_64` or `aarch64`.
    pub architecture: String,
    /// Processors that this process may use.
    pub cpus: u64,
    /// Seconds since the epoch.
    pub time: Option<f64>,
    /// What its mounts point to, as in `mounts`; null if they don't tell.
    pub product: Option<String>,
    /// Whether this is a container.
    pub container: Option<bool>,
}

/// A value that was measured several times, and how sure it is. Of times in seconds; of ratios a
/// number.
///
/// Whatever shows a time or a ratio shows this one. A ratio's value is the quotient of the values
/// of the times that it compares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Estimate {
    /// The value; null where nothing was measured.
    pub value: f64,
    /// Lower bound of the interval ([`LEVEL`]); null where the rounds are too few for one.
    pub low: Option<f64>,
    /// Upper bound.
    pub high: Option<f64>,
}

impl Default for Estimate {
    fn default() -> Estimate {
        Estimate {
            value: f64::NAN,
            low: None,
            high: None,
        }
    }
}

impl Estimate {
    /// With its interval.
    pub fn within(value: f64, low: f64, high: f64) -> Estimate {
        Estimate {
            value,
            low: Some(low),
            high: Some(high),
        }
    }

    /// The value, if it is one that can be shown: finite and not negative.
    pub fn known(&self) -> Option<f64> {
        Some(self.value).filter(|value| value.is_finite() && *value >= 0.0)
    }

    /// Both bounds, if there are any.
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.low.zip(self.high)
    }
}

/// An estimate in a file: version 1 had single numbers in some places where an interval stands now.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(f64),
    Estimate {
        #[serde(default)]
        value: Option<f64>,
        #[serde(default)]
        low: Option<f64>,
        #[serde(default)]
        high: Option<f64>,
    },
}

impl<'de> Deserialize<'de> for Estimate {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Estimate, D::Error> {
        let (value, low, high) = match Written::deserialize(from)? {
            Written::Number(value) => (Some(value), None, None),
            Written::Estimate { value, low, high } => (value, low, high),
        };
        Ok(Estimate {
            value: value.unwrap_or(f64::NAN),
            low,
            high,
        })
    }
}

/// Below this part, times on paper tell nothing: `tar` of 1,000 files came out at 0.95 on a tmpfs,
/// where by the clock it takes as long as on ext4. [`Verdict::Within`] is named by it.
pub const PAPER_ERROR: f64 = 0.1;

/// What can be said of a target's time beside the baseline's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Verdict {
    /// It is what the others are compared with.
    #[serde(rename = "baseline")]
    Baseline,
    /// The tool is faster there.
    #[serde(rename = "faster")]
    Faster,
    /// The tool is slower there.
    #[serde(rename = "slower")]
    Slower,
    /// Nobody would notice: the whole interval lies within 5 % of the baseline's time.
    #[serde(rename = "the same")]
    Same,
    /// No difference that times on paper can tell: the whole interval lies within the 10 % that
    /// they err by.
    #[serde(rename = "within 10 %")]
    Within,
    /// What was measured doesn't tell.
    #[serde(rename = "can't be told")]
    CannotTell,
    /// The replay was not the tool's work there, so that its time says nothing.
    #[default]
    #[serde(rename = "not ranked")]
    NotRanked,
}

impl Verdict {
    /// As it is written and shown.
    pub fn text(self) -> &'static str {
        match self {
            Verdict::Baseline => "baseline",
            Verdict::Faster => "faster",
            Verdict::Slower => "slower",
            Verdict::Same => "the same",
            Verdict::Within => "within 10 %",
            Verdict::CannotTell => "can't be told",
            Verdict::NotRanked => "not ranked",
        }
    }

    /// Whether the tool takes as long there as far as anyone would notice, or as can be told.
    pub fn is_even(self) -> bool {
        match self {
            Verdict::Same | Verdict::Within => true,
            Verdict::Baseline
            | Verdict::Faster
            | Verdict::Slower
            | Verdict::CannotTell
            | Verdict::NotRanked => false,
        }
    }
}

impl From<fsreplay_measure::verdict::Verdict> for Verdict {
    fn from(verdict: fsreplay_measure::verdict::Verdict) -> Verdict {
        use fsreplay_measure::verdict::Verdict as Found;
        match verdict {
            Found::Baseline => Verdict::Baseline,
            Found::Faster => Verdict::Faster,
            Found::Slower => Verdict::Slower,
            Found::Same => Verdict::Same,
            Found::CantTell(_) => Verdict::CannotTell,
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.text())
    }
}

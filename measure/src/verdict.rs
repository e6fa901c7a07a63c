//! What a ratio means to a person, and what to say where it can't be told.

use std::fmt;
use std::time::Duration;

use crate::estimate::Estimate;

/// A difference within this is none that anyone would notice.
pub const NEGLIGIBLE: f64 = 0.05;

/// Share of the processors above which others are named as a reason.
const BUSY: f64 = 0.1;

/// A contestant beside the baseline.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is the baseline.
    Baseline,
    /// It takes less.
    Faster,
    /// It takes more.
    Slower,
    /// It differs by no more than [`NEGLIGIBLE`].
    Same,
    /// It may be any of these.
    CantTell(Doubt),
}

/// Why a verdict can't be told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Doubt {
    /// How many rounds there are.
    pub rounds: usize,
    /// The shortest round of either contestant, seconds.
    pub shortest: f64,
    /// The longest round of the same contestant, seconds.
    pub longest: f64,
    /// Share of the machine's processors that others had, 0 to 1; none where it isn't known.
    pub others: Option<f64>,
    /// What the rounds were allowed to take; none if that had no bound.
    pub budget: Option<Duration>,
}

impl Verdict {
    /// The verdict on a ratio to the baseline. Faster and slower are what is beyond doubt, and
    /// more than [`NEGLIGIBLE`]: where there is no difference, chance makes one that seems certain
    /// ten times as often as one that is large as well.
    pub fn of(ratio: &Estimate, doubt: Doubt) -> Verdict {
        let least = 1.0 - NEGLIGIBLE;
        let most = 1.0 + NEGLIGIBLE;
        if least <= ratio.low && ratio.high <= most {
            Verdict::Same
        } else if ratio.high < 1.0 && ratio.value < least {
            Verdict::Faster
        } else if ratio.low > 1.0 && ratio.value > most {
            Verdict::Slower
        } else {
            Verdict::CantTell(doubt)
        }
    }

    /// Whether more rounds are of no use.
    pub fn stands(&self) -> bool {
        !matches!(self, Verdict::CantTell(_))
    }

    /// Its name, for people and in results.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Baseline => "baseline",
            Verdict::Faster => "faster",
            Verdict::Slower => "slower",
            Verdict::Same => "the same",
            Verdict::CantTell(_) => "can't be told",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Doubt {
    /// Of the rounds of a contestant and of the baseline, seconds: what scattered more is told.
    pub fn of(times: &[f64], baseline: &[f64]) -> Doubt {
        let range = |times: &[f64]| {
            let shortest = times.iter().copied().reduce(f64::min).unwrap_or(0.0);
            let longest = times.iter().copied().reduce(f64::max).unwrap_or(0.0);
            (shortest, longest)
        };
        let (one, other) = (range(times), range(baseline));
        let (shortest, longest) = if one.1 * other.0 >= other.1 * one.0 {
            one
        } else {
            other
        };
        Doubt {
            rounds: times.len().min(baseline.len()),
            shortest,
            longest,
            others: None,
            budget: None,
        }
    }

    /// Why, in words: `rounds from 5.0 to 13.7 s, others took 60 % of the processors`.
    pub fn why(&self) -> String {
        let (shortest, longest) = (self.shortest, self.longest);
        let mut reasons = match self.rounds {
            0 => vec!["no round was played to its end".to_owned()],
            1 => vec!["there was one round only".to_owned()],
            rounds if rounds < 3 => vec![format!("there were {rounds} rounds only")],
            _ => vec![format!("rounds from {}", range(shortest, longest))],
        };
        if let Some(others) = self.others.filter(|others| *others >= BUSY) {
            let percent = others * 100.0;
            reasons.push(format!("others took {percent:.0} % of the processors"));
        }
        reasons.join(", ")
    }

    /// What to do about it: `close what else runs, or --budget 2m`.
    pub fn what_to_do(&self) -> String {
        // Half the width takes four times as many rounds.
        let budget = self.budget.map_or_else(
            || "play more rounds".to_owned(),
            |budget| format!("--budget {}", rounded(budget * 4)),
        );
        if self.others.is_some_and(|others| others >= BUSY) {
            format!("close what else runs, or {budget}")
        } else {
            budget
        }
    }
}

/// `5.0 to 13.7 s`, in the unit of the longer one.
fn range(shortest: f64, longest: f64) -> String {
    let (unit, factor) = if longest < 0.001 {
        ("µs", 1e6)
    } else if longest < 1.0 {
        ("ms", 1e3)
    } else {
        ("s", 1.0)
    };
    let digits = usize::from(longest * factor < 100.0);
    let (from, to) = (shortest * factor, longest * factor);
    format!("{from:.digits$} to {to:.digits$} {unit}")
}

/// `90s`, `2m`: as an argument takes it.
fn rounded(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().ceil().max(1.0);
    if seconds < 120.0 {
        format!("{seconds}s")
    } else {
        format!("{}m", (seconds / 60.0).ceil())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(low: f64, high: f64) -> &'static str {
        let ratio = Estimate {
            value: (low * high).sqrt(),
            low,
            high,
        };
        Verdict::of(&ratio, Doubt::default()).name()
    }

    #[test]
    fn the_whole_interval_counts() {
        assert_eq!(verdict(0.3, 0.7), "faster");
        assert_eq!(verdict(1.2, 4.0), "slower");
        assert_eq!(verdict(0.96, 1.04), "the same");
        // Certain, but of no account.
        assert_eq!(verdict(0.96, 0.98), "the same");
        // Beyond doubt not more, but perhaps of no account.
        assert_eq!(verdict(0.94, 0.99), "can't be told");
        assert_eq!(verdict(0.90, 0.99), "faster");
        assert_eq!(verdict(0.16, 2.44), "can't be told");
        assert_eq!(verdict(0.94, 1.01), "can't be told");
    }

    #[test]
    fn a_doubt_says_why_and_what_to_do() {
        let mut doubt = Doubt::of(&[5.0, 13.7, 6.0], &[4.0, 5.0, 4.5]);
        assert_eq!(doubt.why(), "rounds from 5.0 to 13.7 s");
        assert_eq!(doubt.what_to_do(), "play more rounds");
        doubt.others = Some(0.6);
        doubt.budget = Some(Duration::from_secs(30));
        let why = "rounds from 5.0 to 13.7 s, others took 60 % of the processors";
        assert_eq!(doubt.why(), why);
        assert_eq!(doubt.what_to_do(), "close what else runs, or --budget 2m");
    }

    #[test]
    fn few_rounds_are_a_reason_of_their_own() {
        assert_eq!(Doubt::of(&[], &[]).why(), "no round was played to its end");
        assert_eq!(Doubt::of(&[1.0], &[2.0]).why(), "there was one round only");
        let two = Doubt::of(&[1.0, 1.1], &[2.0, 2.0]);
        assert_eq!(two.why(), "there were 2 rounds only");
    }

    #[test]
    fn units_fit_the_longer_one() {
        assert_eq!(range(0.0051, 0.0132), "5.1 to 13.2 ms");
        assert_eq!(range(0.000_09, 0.000_35), "90 to 350 µs");
        assert_eq!(range(0.8, 141.2), "1 to 141 s");
        assert_eq!(rounded(Duration::from_millis(300)), "1s");
        assert_eq!(rounded(Duration::from_secs(80)), "80s");
        assert_eq!(rounded(Duration::from_secs(121)), "3m");
    }
}

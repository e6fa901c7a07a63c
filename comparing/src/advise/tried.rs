//! What was tried, and what came of each: also of what is not the advice, and why it isn't.

use fsreplay_measure::estimate::Estimate as Bounds;
use fsreplay_measure::verdict::Doubt;
use fsreplay_replayer::Played;
use fsreplay_replayer::estimate::Series;
use fsreplay_results::advise::{Reason, Tried};
use fsreplay_results::compare::Method;
use fsreplay_results::{Estimate, Verdict};

use super::measured::{Measured, outcomes, paths, text};
use super::placements::Move;
use crate::caveats::LEAST_FIDELITY;
use crate::measured::walls;
use crate::rank;

/// What nobody notices in a tool that is run by hand, seconds: no mount is worth it.
pub const LEAST_GAIN: f64 = 0.005;

/// What is said of a ratio where nothing speaks against its rounds, and why where it can't be told.
fn judged(ratio: &Estimate, times: &[f64], base: &[f64]) -> (Verdict, Option<String>) {
    let doubt = Doubt::of(times, base);
    let Some((low, high)) = ratio.interval() else {
        return (Verdict::CannotTell, Some(doubt.why()));
    };
    let bounds = Bounds {
        value: ratio.value,
        low,
        high,
    };
    // What is tried is told on paper.
    rank::judged(&bounds, Method::Paper, doubt, false, None)
}

/// Why rounds are not the tool's work, if that is so.
fn diverged(rounds: &[Played], events: u64) -> Option<String> {
    let withheld = outcomes(rounds).into_iter().find(|told| told.withholds);
    if let Some(caveat) = withheld {
        return Some(caveat.text);
    }
    let fidelity = 1.0 - divergences(rounds) as f64 / events.max(1) as f64;
    (fidelity < LEAST_FIDELITY).then(|| {
        let share = fidelity * 100.0;
        format!("only {share:.1} % of its outcomes were as recorded")
    })
}

/// Events whose outcome was not the recorded one, in the round with the most of them.
pub fn divergences(rounds: &[Played]) -> u64 {
    let all = rounds.iter().map(|played| played.round.divergences);
    all.max().unwrap_or(0)
}

/// A move without figures.
fn named(measured: &Measured<'_>, one: &Move) -> Tried {
    let target = &measured.targets[one.target];
    Tried {
        path: paths(one),
        paths: one.paths.iter().map(|path| text(path)).collect(),
        to: target.name.clone(),
        class: target.class.to_owned(),
        ..Tried::default()
    }
}

/// What came of a move that was played; which of those that gain is advised is not yet known.
pub fn played(measured: &Measured<'_>, number: usize, one: &Move, base: &Series) -> Tried {
    let rounds = &measured.rounds[number];
    let (seconds, ratio) = measured.series[number].beside(base);
    let times = walls(rounds);
    let base_times = walls(&measured.rounds[0]);
    let events = measured.plans[number].coverage.events;
    let base_diverged = || {
        let why = diverged(&measured.rounds[0], measured.plans[0].coverage.events)?;
        Some(format!("as it lies now: {why}"))
    };
    let unrecorded = measured
        .described
        .unrecorded
        .caveat()
        .filter(|caveat| caveat.withholds);
    let (verdict, reason, detail) = if let Some(caveat) = unrecorded {
        (Verdict::NotRanked, Reason::NotRecorded, Some(caveat.text))
    } else if let Some(why) = diverged(rounds, events).or_else(base_diverged) {
        (Verdict::NotRanked, Reason::Diverged, Some(why))
    } else {
        let (verdict, why) = judged(&ratio, &times, &base_times);
        let reason = match verdict {
            Verdict::Faster => Reason::GainsLess,
            Verdict::CannotTell => Reason::CannotTell,
            Verdict::Same
            | Verdict::Within
            | Verdict::Slower
            | Verdict::Baseline
            | Verdict::NotRanked => Reason::NoGain,
        };
        (verdict, reason, why)
    };
    Tried {
        seconds,
        ratio,
        verdict,
        reason,
        detail,
        divergences: Some(divergences(rounds)),
        ..named(measured, one)
    }
}

/// What was not played: what can't be made anew on a tmpfs, and targets that can't hold the tree.
pub fn unplayed(measured: &Measured<'_>) -> Vec<Tried> {
    let kept = measured.kept.iter().map(|one| Tried {
        reason: Reason::NotForTmpfs,
        detail: Some(
            "a tmpfs is empty after each start, and nothing in the trace shows that it can be \
             made anew"
                .into(),
        ),
        ..named(measured, one)
    });
    let refused = measured.refused.iter().map(|(one, why)| Tried {
        reason: Reason::LeftOut,
        detail: Some(why.clone()),
        ..named(measured, one)
    });
    kept.chain(refused).collect()
}

/// Whether rounds that tell nothing leave room for a gain that is worth a mount.
pub fn may_gain(tried: &Tried, base_seconds: f64) -> bool {
    let least = tried.ratio.low.unwrap_or(0.0);
    tried.verdict == Verdict::CannotTell && (1.0 - least) * base_seconds >= LEAST_GAIN
}

/// The fastest first, what has no time last, those of one target together.
pub fn sort(tried: &mut [Tried]) {
    let time = |tried: &Tried| tried.seconds.known().unwrap_or(f64::INFINITY);
    tried.sort_by(|a, b| {
        let times = time(a).total_cmp(&time(b));
        times.then_with(|| (&a.to, &a.path).cmp(&(&b.to, &b.path)))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(low: f64, value: f64, high: f64) -> Verdict {
        let ratio = Estimate::within(value, low, high);
        judged(&ratio, &[1.0, 2.0, 3.0], &[1.0, 1.0, 1.0]).0
    }

    #[test]
    fn a_ratio_is_judged_as_everywhere() {
        assert_eq!(verdict(0.5, 0.6, 0.7), Verdict::Faster);
        assert_eq!(verdict(1.2, 1.3, 1.4), Verdict::Slower);
        assert_eq!(verdict(0.96, 1.0, 1.04), Verdict::Within);
        assert_eq!(verdict(0.16, 0.77, 2.44), Verdict::CannotTell);
        let (unsure, why) = judged(&Estimate::default(), &[1.0], &[1.0]);
        assert_eq!(unsure, Verdict::CannotTell);
        assert!(why.is_some_and(|why| why.contains("one round only")));
    }

    #[test]
    fn what_may_gain_is_not_said_to_gain_nothing() {
        let tried = |verdict, low, high| Tried {
            verdict,
            ratio: Estimate::within(0.9, low, high),
            ..Tried::default()
        };
        assert!(may_gain(&tried(Verdict::CannotTell, 0.6, 1.3), 1.0));
        assert!(!may_gain(&tried(Verdict::Within, 0.97, 1.03), 1.0));
        assert!(!may_gain(&tried(Verdict::CannotTell, 0.6, 1.3), 0.001));
        let unknown = Tried {
            verdict: Verdict::CannotTell,
            ..Tried::default()
        };
        assert!(may_gain(&unknown, 1.0));
    }

    #[test]
    fn the_fastest_comes_first_and_what_was_not_tried_last() {
        let of = |to: &str, seconds: f64| Tried {
            to: to.into(),
            seconds: Estimate {
                value: seconds,
                ..Estimate::default()
            },
            ..Tried::default()
        };
        let mut all = vec![of("none", f64::NAN), of("slow", 2.0), of("fast", 1.0)];
        sort(&mut all);
        let order: Vec<&str> = all.iter().map(|tried| tried.to.as_str()).collect();
        assert_eq!(order, ["fast", "slow", "none"]);
    }
}

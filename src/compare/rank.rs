//! Whether a target has a rank beside the baseline, and which.

use fsreplay_measure::estimate::Estimate as Found;
use fsreplay_measure::verdict::{self, Doubt};
use fsreplay_results::Verdict;

use super::result::{LEAST_FIDELITY, Measured, causes, fidelity};
use crate::caveats::Caveat;

/// The verdict on a ratio to the baseline, and why it says nothing where it does.
pub fn judged(
    found: &Found,
    doubt: Doubt,
    is_baseline: bool,
    unranked: Option<String>,
) -> (Verdict, Option<String>) {
    if is_baseline {
        return (Verdict::Baseline, None);
    }
    if unranked.is_some() {
        return (Verdict::NotRanked, unranked);
    }
    match verdict::Verdict::of(found, doubt) {
        verdict::Verdict::Baseline => (Verdict::Baseline, None),
        verdict::Verdict::Faster => (Verdict::Faster, None),
        verdict::Verdict::Slower => (Verdict::Slower, None),
        verdict::Verdict::Same => (Verdict::Same, None),
        verdict::Verdict::CantTell(doubt) => {
            let reason = format!(
                "a ratio of {:.2} to {:.2} is possible ({}); {}",
                found.low,
                found.high,
                doubt.why(),
                doubt.what_to_do()
            );
            (Verdict::CannotTell, Some(reason))
        }
    }
}

/// Why a target has no rank, if that is so: for what it gave, for what the baseline gave that it is
/// compared with, or for what the trace doesn't hold.
pub fn unranked(measured: &Measured<'_>, number: usize, told: &[Caveat]) -> Option<String> {
    if number == measured.baseline {
        return None;
    }
    if let Some(caveat) = told.iter().find(|caveat| caveat.withholds) {
        return Some(caveat.text.clone());
    }
    let unrecorded = measured.described.unrecorded.caveat();
    if let Some(caveat) = unrecorded.filter(|caveat| caveat.withholds) {
        return Some(caveat.text);
    }
    let (name, base) = (&measured.targets[number].name, measured.baseline);
    [number, base].into_iter().find_map(|which| {
        let rounds = &measured.rounds[which];
        let fidelity = fidelity(&measured.plans[which], rounds);
        if fidelity >= LEAST_FIDELITY {
            return None;
        }
        let worst = rounds.iter().max_by_key(|played| played.round.divergences);
        let causes = worst.map_or_else(Vec::new, causes);
        let mostly = causes.first().map_or_else(String::new, |cause| {
            format!(" (most of the others: {}, {})", cause.call, cause.cause)
        });
        let whose = if &measured.targets[which].name == name {
            "its outcomes"
        } else {
            "the baseline's outcomes"
        };
        let share = fidelity * 100.0;
        Some(format!(
            "only {share:.1} % of {whose} were as recorded{mostly}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_what_the_whole_interval_says() {
        for (low, high, expected) in [
            (0.96, 1.04, Verdict::Same),
            (0.96, 0.99, Verdict::Same),
            (0.90, 0.99, Verdict::Faster),
            (0.16, 2.44, Verdict::CannotTell),
            (0.94, 1.01, Verdict::CannotTell),
            (1.01, 1.50, Verdict::Slower),
        ] {
            let found = Estimate::within(1.0, low, high);
            let (verdict, reason) = judged(&found, false, None);
            assert_eq!(verdict, expected, "{low} to {high}");
            assert_eq!(reason.is_some(), expected == Verdict::CannotTell);
        }
        let one_round = Estimate {
            value: 0.1,
            ..Estimate::default()
        };
        assert_eq!(judged(&one_round, false, None).0, Verdict::CannotTell);
        let withheld = judged(&one_round, false, Some("why".into()));
        assert_eq!(withheld, (Verdict::NotRanked, Some("why".into())));
    }
}

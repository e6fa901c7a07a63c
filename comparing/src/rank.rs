//! Whether a target has a rank beside the baseline, and which.

use fsreplay_measure::estimate::{Estimate as Found, WIDEST};
use fsreplay_measure::verdict::{self, Doubt};
use fsreplay_replayer::forecast;
use fsreplay_results::Verdict;
use fsreplay_results::compare::Method;

use crate::caveats::{Caveat, LEAST_FIDELITY};
use crate::measured::{Measured, causes, fidelity};

/// The verdict on a ratio to the baseline, and why it says nothing where it does.
pub fn judged(
    found: &Found,
    method: Method,
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
    let by_interval = Verdict::from(verdict::Verdict::of(found, doubt.clone()));
    let verdict = if method == Method::Paper {
        forecast::verdict(found)
    } else {
        by_interval
    };
    if verdict != Verdict::CannotTell {
        return (verdict, None);
    }
    let reason = if by_interval != Verdict::CannotTell {
        format!(
            "on paper a ratio of {:.2} ({:.2} to {:.2}) is too near to 1, or made by what else the \
             machine does; compare --precise goes by the clock",
            found.value, found.low, found.high
        )
    } else if found.low * WIDEST <= found.value {
        // Nobody reads bounds that say nothing.
        format!(
            "how far {:.2} may be off is not known ({}); {}",
            found.value,
            doubt.why(),
            doubt.what_to_do()
        )
    } else {
        format!(
            "a ratio of {:.2} to {:.2} is possible ({}); {}",
            found.low,
            found.high,
            doubt.why(),
            doubt.what_to_do()
        )
    };
    (Verdict::CannotTell, Some(reason))
}

/// Why a target has no rank, if that is so: for what it gave, for what the baseline gave that it is
/// compared with, or for what the trace doesn't hold.
pub(crate) fn unranked(measured: &Measured<'_>, number: usize, told: &[Caveat]) -> Option<String> {
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
    fn what_is_in_doubt_has_a_reason_and_what_is_not_ranked_keeps_its_own() {
        let judged = |low: f64, high: f64, unranked| {
            let value = (low * high).sqrt();
            let doubt = Doubt::of(&[1.0, 2.0, 3.0], &[1.0, 1.0, 1.0]);
            super::judged(
                &Found { value, low, high },
                Method::Paced,
                doubt,
                false,
                unranked,
            )
        };
        assert_eq!(judged(0.97, 1.02, None), (Verdict::Same, None));
        assert_eq!(judged(0.5, 0.6, None), (Verdict::Faster, None));
        assert_eq!(judged(1.5, 1.6, None), (Verdict::Slower, None));
        let (verdict, reason) = judged(0.8, 1.1, None);
        assert_eq!(verdict, Verdict::CannotTell);
        let reason = reason.expect("a reason");
        assert!(
            reason.contains("0.80 to 1.10") && reason.contains("rounds"),
            "{reason}"
        );
        let withheld = judged(0.8, 1.1, Some("why".into()));
        assert_eq!(withheld, (Verdict::NotRanked, Some("why".into())));
    }

    #[test]
    fn what_is_too_near_on_paper_has_a_reason() {
        let near = Found {
            value: 1.09,
            low: 1.06,
            high: 1.12,
        };
        let judged = |method| super::judged(&near, method, Doubt::default(), false, None);
        let (verdict, reason) = judged(Method::Paper);
        assert_eq!(verdict, Verdict::CannotTell);
        assert!(reason.expect("a reason").contains("--precise"));
        assert_eq!(judged(Method::Paced), (Verdict::Slower, None));
    }

    #[test]
    fn what_paper_calls_even_is_even_within_its_error_only() {
        let even = Found {
            value: 1.0,
            low: 0.99,
            high: 1.01,
        };
        let judged = |method| super::judged(&even, method, Doubt::default(), false, None);
        assert_eq!(judged(Method::Paper), (Verdict::Within, None));
        assert_eq!(judged(Method::Paced), (Verdict::Same, None));
    }

    #[test]
    fn bounds_that_say_nothing_are_not_told() {
        let unknown = Found {
            value: 0.5,
            low: 0.5 / WIDEST,
            high: 0.5 * WIDEST,
        };
        let doubt = Doubt::of(&[1.0], &[2.0]);
        let (_, reason) = super::judged(&unknown, Method::Paper, doubt, false, None);
        let reason = reason.expect("a reason");
        assert!(reason.starts_with("how far 0.50 may be off is not known (there was one round"));
    }
}

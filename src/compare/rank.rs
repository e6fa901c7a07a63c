//! Whether a target has a rank beside the baseline, and which.

use fsreplay_measure::estimate::Estimate;

use super::result::{LEAST_FIDELITY, Measured, causes, fidelity};
use crate::caveats::Caveat;

/// Differences below this are called none even where they are certain: nobody moves a directory for it.
const LEAST_DIFFERENCE: f64 = 0.02;

/// The verdict on a ratio to the baseline.
pub fn verdict(found: &Estimate, is_baseline: bool, is_ranked: bool) -> &'static str {
    if is_baseline {
        "baseline"
    } else if !is_ranked {
        "not ranked"
    } else if found.high < 1.0 && found.value < 1.0 - LEAST_DIFFERENCE {
        "faster"
    } else if found.low > 1.0 && found.value > 1.0 + LEAST_DIFFERENCE {
        "slower"
    } else {
        "no difference"
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

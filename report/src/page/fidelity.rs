//! Whether a replay did the recorded work, and why a rank is withheld where it did not.

use super::table::{self, Cell};
use super::{Place, each_run, remark};
use crate::html::Html;
use crate::traces::OfTrace;
use crate::units;
use fsreplay_results::compare::Target;

/// The section.
pub fn write(html: &mut Html, results: &OfTrace, _: Place) {
    remark(
        html,
        "Every outcome of a replay is compared with the recorded one. Where many differ, the tool \
         would have done other work \
         there, and its time says nothing about the file system.",
    );
    each_run(html, results, |html, compare| {
        let rows: Vec<Vec<Cell>> = compare
            .targets
            .iter()
            .map(|target| {
                let ranked = if target.is_unranked() {
                    reason(target)
                } else {
                    "yes".into()
                };
                vec![
                    Cell::Text(target.name.clone()),
                    Cell::Number(target.fidelity.map_or("–".into(), units::percent)),
                    Cell::Number(units::count(target.divergences)),
                    Cell::Text(ranked),
                ]
            })
            .collect();
        let header = ["Mount", "Outcomes as recorded", "Divergences", "Ranked"];
        table::write(html, "Divergences by mount", &header, &rows);
    });
}

/// Why a target is not ranked.
pub fn reason(target: &Target) -> String {
    if let Some(reason) = &target.ratio.reason {
        return reason.clone();
    }
    if target.rounds.is_empty() {
        return "no round was finished.".into();
    }
    match target.fidelity {
        Some(fidelity) if target.divergences > 0 => format!(
            "only {} of the outcomes were as recorded ({}), so this was not the same work.",
            units::percent(fidelity),
            units::of(target.divergences, "divergence", "divergences")
        ),
        _ if target.rounds.len() < 6 => format!(
            "{} are too few to tell it from chance.",
            units::of(target.rounds.len() as u64, "round", "rounds")
        ),
        _ => "the result gives no reason; see the notes under “How it was measured”.".into(),
    }
}

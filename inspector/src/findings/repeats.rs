//! The same question asked again and again: status, open, listing, text of a link.

use fsreplay_results::inspect::{Finding, FindingKind};

use super::{Context, Suspect};
use crate::inspector::Inspector;
use crate::places::{Count, Place};

/// Fewer are ordinary.
const AGAIN: u64 = 10;

const KINDS: [(Count, FindingKind); 4] = [
    (Count::Stat, FindingKind::RepeatedStats),
    (Count::Open, FindingKind::RepeatedOpens),
    (Count::List, FindingKind::RepeatedListings),
    (Count::ReadLink, FindingKind::RepeatedReadlinks),
];

/// Nanoseconds that questions of one kind took at a place after the first one, if it counts as
/// asked again and again.
pub(crate) fn again(inspector: &Inspector, place: &Place, count: Count) -> u64 {
    match inspector.tallies.get(place.tallies[count as usize]) {
        Some(tally) if tally.count >= AGAIN => tally.time - tally.time / tally.count,
        _ => 0,
    }
}

/// One finding for each kind of question.
pub(super) fn all(cx: &Context) -> Vec<Finding> {
    KINDS
        .into_iter()
        .filter_map(|(count, kind)| {
            let suspects = cx.places().iter().filter_map(|(at, place)| {
                let tally = cx.tally(place.tallies[count as usize])?;
                (tally.count >= AGAIN).then(|| Suspect {
                    place: at,
                    tally: tally.clone(),
                    bytes: 0,
                })
            });
            cx.finding(kind, suspects.collect(), false, |_, _| {})
        })
        .collect()
}

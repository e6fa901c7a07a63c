//! Directories walked but hardly used: listed, perhaps each entry looked at, and next to nothing
//! opened, run or changed.

use std::collections::HashMap;

use fsreplay_results::inspect::{Finding, FindingKind};

use super::{Context, Suspect};
use crate::places::{Count, USED};
use crate::tally::Tally;

/// Walks that see fewer entries cost next to nothing.
const ENTRIES: u64 = 100;
/// At most one of so many entries is used.
const USED_OF: u64 = 20;

/// What was seen and used at a place and below.
#[derive(Clone, Copy, Default)]
struct Seen {
    listings: u64,
    entries: u64,
    used: u64,
}

/// The topmost directories of such walks, with everything listed below them.
pub(super) fn unused(cx: &Context) -> Option<Finding> {
    let listed = first_listings(cx);
    let seen = seen_below(cx, &listed);
    let tallies = topmost(cx, &listed, &seen);
    let suspects = tallies.into_iter().map(|(place, mut tally)| {
        tally.count = seen[place as usize].listings;
        Suspect {
            place,
            tally,
            bytes: 0,
        }
    });
    cx.finding(
        FindingKind::UnusedWalks,
        suspects.collect(),
        false,
        |place, item| {
            item.entries = Some(seen[place as usize].entries);
            item.used = Some(seen[place as usize].used);
        },
    )
}

/// How many entries each directory had. One may have been listed before and after it was renamed:
/// each place counts with its first listing.
fn first_listings(cx: &Context) -> HashMap<u32, u32> {
    let mut listed = HashMap::new();
    for (directory, entries) in &cx.inspector.listed {
        listed.entry(*directory).or_insert(*entries);
    }
    listed
}

/// What was seen and used at each place and below.
fn seen_below(cx: &Context, listed: &HashMap<u32, u32>) -> Vec<Seen> {
    let places = cx.places();
    let mut seen = vec![Seen::default(); places.len()];
    for (at, place) in places.iter().rev() {
        let tally = cx.tally(place.tallies[Count::List as usize]);
        let entries = listed.get(&at).filter(|_| tally.is_some());
        let own = &mut seen[at as usize];
        own.listings += u64::from(entries.is_some());
        own.entries += entries.map_or(0, |entries| u64::from(*entries));
        own.used += u64::from(place.flags & USED != 0);
        if at != place.parent {
            let below = seen[at as usize];
            let above = &mut seen[place.parent as usize];
            above.listings += below.listings;
            above.entries += below.entries;
            above.used += below.used;
        }
    }
    seen
}

/// The time of walks, by the topmost directory of each: from the top, the first that was hardly
/// used stands for everything below it.
fn topmost(cx: &Context, listed: &HashMap<u32, u32>, seen: &[Seen]) -> HashMap<u32, Tally> {
    let places = cx.places();
    let mut top_of = vec![None; places.len()];
    let mut tallies: HashMap<u32, Tally> = HashMap::new();
    for (at, place) in places.iter() {
        let below = seen[at as usize];
        let hardly = below.entries >= ENTRIES && below.used * USED_OF <= below.entries;
        let above = top_of[place.parent as usize];
        let top = above.or((listed.contains_key(&at) && hardly).then_some(at));
        top_of[at as usize] = top;
        let Some(top) = top else { continue };
        let entry = tallies.entry(top).or_default();
        for what in [Count::List, Count::Stat] {
            if let Some(tally) = cx.tally(place.tallies[what as usize]) {
                let count = entry.count;
                entry.merge(tally);
                // Only directories are counted; looks at their entries count with their time.
                entry.count = count;
            }
        }
    }
    tallies
}

//! Lookups in vain: search paths are the most common reason, and each of their directories costs a
//! call for each name.

use std::collections::HashMap;

use fsreplay_results::inspect::{Finding, FindingKind, MissingName};
use fsreplay_trace::model::FileKind;

use super::{ByDirectory, Context};
use crate::names::lossy;
use crate::places::Count;
use crate::tally::seconds;

/// Fewer in one directory are ordinary: is there a configuration file, a lock, a cache?
const IN_ONE_DIRECTORY: u64 = 10;

/// Directories searched in vain, and the names that were looked for.
pub(super) fn failed(cx: &Context) -> Option<Finding> {
    let mut directories = ByDirectory::default();
    let mut by_name: HashMap<u32, (u64, u64, u64)> = HashMap::new();
    for (at, place) in cx.places().iter() {
        let Some(tally) = cx.tally(place.tallies[Count::Miss as usize]) else {
            continue;
        };
        directories.add(place.parent, at, tally, 0);
        let name = by_name.entry(cx.places().name_number(at)).or_default();
        name.0 += tally.count;
        name.1 += 1;
        name.2 += tally.time;
    }
    let (suspects, members) = directories.suspects(|group| group.tally.count >= IN_ONE_DIRECTORY);
    let places = cx.places();
    let mut finding = cx.finding(
        FindingKind::FailedLookups,
        suspects,
        false,
        |place, item| {
            item.exists = Some(places.get(place).kind != FileKind::Absent);
            if let Some(members) = members.get(&place) {
                item.entries = Some(members.0.len() as u64);
                item.names = members.examples(places);
            }
        },
    )?;
    let mut names: Vec<(u32, (u64, u64, u64))> = by_name.into_iter().collect();
    names.sort_by_key(|(number, (count, _, _))| (std::cmp::Reverse(*count), *number));
    finding.names = names
        .into_iter()
        .take(cx.top)
        .map(|(number, (count, directories, time))| MissingName {
            name: lossy(places.name_by_number(number)),
            count,
            directories,
            seconds: seconds(time),
        })
        .collect();
    Some(finding)
}

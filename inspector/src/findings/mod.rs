//! Suspicious work: which of what was counted is worth a look.
//!
//! Each kind has a threshold below which it is ordinary; they stand beside what they judge. Nothing
//! here says that a tool is wrong: the numbers do, or don't.

mod contents;
mod lookups;
mod repeats;
mod short_lived;
mod walks;

use std::collections::HashMap;

use fsreplay_results::inspect::{Finding, FindingKind, Item};

use crate::inspector::Inspector;
use crate::names::{Names, lossy};
use crate::places::{NONE, Places};
use crate::tally::{Tally, seconds};

pub(crate) use repeats::again;

/// How many programs an item names.
const PROGRAMS: usize = 3;
/// How many names an item gives as examples.
const EXAMPLES: usize = 5;

/// All that was found, the most expensive first.
pub(crate) fn all(inspector: &Inspector, names: &Names, top: usize) -> Vec<Finding> {
    let cx = Context {
        inspector,
        names,
        top,
    };
    let mut found: Vec<Finding> = lookups::failed(&cx).into_iter().collect();
    found.extend(repeats::all(&cx));
    found.extend(contents::all(&cx));
    found.extend(walks::unused(&cx));
    found.extend(short_lived::all(&cx));
    found.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    found
}

/// What findings are made of.
struct Context<'a> {
    inspector: &'a Inspector,
    names: &'a Names,
    top: usize,
}

/// What is known of a path that may become an item.
struct Suspect {
    place: u32,
    tally: Tally,
    bytes: u64,
}

impl Context<'_> {
    /// A finding of the suspects, if there are any; `more` adds to an item what only its kind
    /// knows.
    fn finding(
        &self,
        kind: FindingKind,
        mut suspects: Vec<Suspect>,
        with_bytes: bool,
        more: impl Fn(u32, &mut Item),
    ) -> Option<Finding> {
        if suspects.is_empty() {
            return None;
        }
        suspects.sort_by(|a, b| {
            let by_time = b.tally.time.cmp(&a.tally.time);
            by_time.then_with(|| a.place.cmp(&b.place))
        });
        let mut sum = Tally::default();
        let mut bytes = 0;
        for suspect in &suspects {
            sum.merge(&suspect.tally);
            bytes += suspect.bytes;
        }
        let items = suspects
            .iter()
            .take(self.top)
            .map(|suspect| {
                let mut item = Item {
                    path: self.path(suspect.place),
                    count: suspect.tally.count,
                    seconds: seconds(suspect.tally.time),
                    bytes: with_bytes.then_some(suspect.bytes),
                    processes: self.names.responsible(&suspect.tally, PROGRAMS),
                    ..Item::default()
                };
                more(suspect.place, &mut item);
                item
            })
            .collect();
        Some(Finding {
            kind,
            count: sum.count,
            seconds: seconds(sum.time),
            bytes: with_bytes.then_some(bytes),
            paths: suspects.len() as u64,
            items,
            names: Vec::new(),
            processes: self.names.responsible(&sum, PROGRAMS),
        })
    }

    fn path(&self, place: u32) -> String {
        lossy(&self.places().path(place))
    }

    fn places(&self) -> &Places {
        &self.inspector.places
    }

    fn tally(&self, number: u32) -> Option<&Tally> {
        match number {
            NONE => None,
            number => self.inspector.tallies.get(number),
        }
    }
}

/// Sums by directory.
#[derive(Default)]
struct ByDirectory(HashMap<u32, Group>);

/// What was summed up for one directory.
#[derive(Default)]
struct Group {
    tally: Tally,
    bytes: u64,
    /// Places with their counts.
    members: Vec<(u64, u32)>,
}

impl ByDirectory {
    fn add(&mut self, directory: u32, place: u32, tally: &Tally, bytes: u64) {
        let group = self.0.entry(directory).or_default();
        group.tally.merge(tally);
        group.bytes += bytes;
        group.members.push((tally.count, place));
    }

    /// Those that are suspicious, and what is known of each.
    fn suspects(
        self,
        is_suspicious: impl Fn(&Group) -> bool,
    ) -> (Vec<Suspect>, HashMap<u32, Members>) {
        let mut suspects = Vec::new();
        let mut members = HashMap::new();
        for (place, group) in self.0 {
            if is_suspicious(&group) {
                suspects.push(Suspect {
                    place,
                    tally: group.tally,
                    bytes: group.bytes,
                });
                members.insert(place, Members(group.members));
            }
        }
        (suspects, members)
    }
}

/// Names of one directory with their counts.
struct Members(Vec<(u64, u32)>);

impl Members {
    /// The most frequent ones.
    fn examples(&self, places: &Places) -> Vec<String> {
        let mut all = self.0.clone();
        all.sort_by_key(|(count, place)| (std::cmp::Reverse(*count), *place));
        all.dedup_by_key(|(_, place)| *place);
        all.iter()
            .take(EXAMPLES)
            .map(|(_, place)| lossy(places.name(*place)))
            .collect()
    }
}

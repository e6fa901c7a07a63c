//! What came or went between two recordings of a tool.
//!
//! Calls are counted by path and name. What differs from run to run and means nothing is no
//! difference: ids of processes, names of temporary files, the order of calls, how long they took,
//! and how often something waited.

use std::collections::{BTreeMap, HashSet};

use fsreplay_results::SCHEMA_VERSION;
use fsreplay_results::diff::{Change, Diff, PathChange, Side, WasteChange};
use fsreplay_results::inspect::{FindingKind, Inspect};

use crate::inspector::Inspector;
use crate::names::lossy;
use crate::places::{EXISTED, GIVEN, PSEUDO, ROOT};

/// Calls and those that failed, before and after.
type Counts = [(u64, u64); 2];
/// Counts by the call's name.
type Calls = BTreeMap<&'static str, Counts>;

/// How a file is called that the shell put the tool's standard streams on: each run may have one of
/// its own.
const STREAMS: &[u8] = b"(standard input, output or error)";

/// A recording that was inspected.
pub struct Inspected<'a> {
    /// What was followed.
    pub inspector: &'a Inspector,
    /// What was found, with all of its lists.
    pub inspect: &'a Inspect,
}

/// What came or went from one recording to the other; of lists at most so many entries are given.
pub fn diff(before: &Inspected<'_>, after: &Inspected<'_>, top: usize) -> Diff {
    let sides = [before, after];
    let paths = sides.map(|side| Paths::of(side.inspector));
    let mut by_path: BTreeMap<Vec<u8>, Calls> = BTreeMap::new();
    let mut by_call = Calls::new();
    for (number, side) in sides.iter().enumerate() {
        let other = (&paths[1 - number], sides[1 - number].inspector);
        let names = paths[number].comparable(side.inspector, other);
        for (at, place) in side.inspector.places.iter() {
            if place.flags & PSEUDO != 0 {
                continue;
            }
            let here = by_path.entry(names[at as usize].clone()).or_default();
            for spent in side.inspector.costs.list(place.spent) {
                let name = spent.call.name();
                for calls in [&mut *here, &mut by_call] {
                    let counts = &mut calls.entry(name).or_default()[number];
                    counts.0 += u64::from(spent.count);
                    counts.1 += u64::from(spent.failed);
                }
            }
        }
    }
    let mut found: Vec<PathChange> = by_path
        .iter()
        .map(|(path, calls)| PathChange {
            path: lossy(path),
            calls: changes(calls),
        })
        .filter(|path| !path.calls.is_empty())
        .collect();
    found.sort_by_key(|path| std::cmp::Reverse(path.calls.iter().map(distance).sum::<u64>()));
    let changed_paths = found.len() as u64;
    found.truncate(top);
    let calls = changes(&by_call);
    let mut waste = waste(before.inspect, after.inspect);
    let different = changed_paths > 0 || !waste.is_empty();
    waste.truncate(top);
    Diff {
        schema_version: SCHEMA_VERSION,
        before: side(before.inspect),
        after: side(after.inspect),
        different,
        calls,
        paths: found,
        changed_paths,
        waste,
    }
}

fn side(inspect: &Inspect) -> Side {
    Side {
        command: inspect.command.clone(),
        on_files: inspect.totals.file_system.count,
        elapsed_seconds: inspect.elapsed_seconds,
    }
}

/// Calls whose counts differ, those that differ most first.
fn changes(calls: &Calls) -> Vec<Change> {
    let differing = calls.iter().filter(|(_, [before, after])| before != after);
    let mut changes: Vec<Change> = differing
        .map(|(name, [before, after])| Change {
            name: (*name).to_owned(),
            count_before: before.0,
            count_after: after.0,
            failed_before: before.1,
            failed_after: after.1,
        })
        .collect();
    changes.sort_by_key(|change| std::cmp::Reverse(distance(change)));
    changes
}

fn distance(change: &Change) -> u64 {
    let calls = change.count_before.abs_diff(change.count_after);
    calls.max(change.failed_before.abs_diff(change.failed_after))
}

/// Paths of places.
struct Paths(Vec<Vec<u8>>);

impl Paths {
    fn of(inspector: &Inspector) -> Paths {
        let places = &inspector.places;
        let mut paths: Vec<Vec<u8>> = Vec::with_capacity(places.len());
        for (at, place) in places.iter() {
            let path = match at {
                ROOT => b"/".to_vec(),
                _ => below(&paths[place.parent as usize], places.name(at)),
            };
            paths.push(path);
        }
        Paths(paths)
    }

    /// Names under which places of two runs are compared.
    fn comparable(&self, inspector: &Inspector, other: (&Paths, &Inspector)) -> Vec<Vec<u8>> {
        let known: HashSet<&[u8]> = other.0.0.iter().map(Vec::as_slice).collect();
        let others = other.1.places.iter();
        let given: HashSet<&[u8]> = others
            .filter(|(_, place)| place.flags & GIVEN != 0)
            .map(|(at, _)| other.0.0[at as usize].as_slice())
            .collect();
        let places = &inspector.places;
        let mut names: Vec<Vec<u8>> = Vec::with_capacity(places.len());
        for (at, place) in places.iter() {
            if at == ROOT {
                names.push(b"/".to_vec());
                continue;
            }
            let own = places.name(at);
            let path = &self.0[at as usize][..];
            let is_common = known.contains(path);
            // The other run may know it all the same, of a listing.
            if place.flags & GIVEN != 0 && !given.contains(path) {
                names.push(STREAMS.to_vec());
                continue;
            }
            let mut calls = inspector.costs.list(place.spent);
            let name = if is_common || place.flags & EXISTED != 0 {
                own.to_vec()
            } else if calls.any(|spent| spent.count > spent.failed) {
                b"*".to_vec()
            } else {
                without_digits(own)
            };
            names.push(below(&names[place.parent as usize], &name));
        }
        names
    }
}

fn below(dir: &[u8], name: &[u8]) -> Vec<u8> {
    let dir = dir.strip_suffix(b"/").unwrap_or(dir);
    [dir, b"/", name].concat()
}

/// A name that was only looked for, without its numbers: ids of processes, times.
fn without_digits(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    for byte in name {
        match byte {
            b'0'..=b'9' if out.last() == Some(&b'#') => {}
            b'0'..=b'9' => out.push(b'#'),
            other => out.push(*other),
        }
    }
    out
}

/// Findings whose counts differ: those of all paths of a kind, and of each path.
fn waste(before: &Inspect, after: &Inspect) -> Vec<WasteChange> {
    let mut counts: BTreeMap<(u8, String), (FindingKind, [u64; 2])> = BTreeMap::new();
    for (number, inspect) in [before, after].into_iter().enumerate() {
        for finding in &inspect.findings {
            let mut count = |path: &str, count: u64| {
                let key = (finding.kind as u8, path.to_owned());
                let entry = counts.entry(key).or_insert((finding.kind, [0; 2]));
                entry.1[number] = entry.1[number].saturating_add(count);
            };
            count("", finding.count);
            for item in &finding.items {
                count(&item.path, item.count);
            }
        }
    }
    let differing = counts
        .into_iter()
        .filter(|(_, (_, [one, other]))| one != other);
    let mut waste: Vec<WasteChange> = differing
        .map(
            |((_, path), (finding, [count_before, count_after]))| WasteChange {
                finding,
                path,
                count_before,
                count_after,
            },
        )
        .collect();
    // What is told of a kind stands before its paths.
    let distance = |one: &WasteChange| one.count_before.abs_diff(one.count_after);
    waste.sort_by(|a, b| {
        distance(b)
            .cmp(&distance(a))
            .then(a.path.len().cmp(&b.path.len()))
    });
    waste
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_no_difference() {
        assert_eq!(without_digits(b"lock.1234.x9"), b"lock.#.x#");
        assert_eq!(without_digits(b"plain"), b"plain");
    }
}

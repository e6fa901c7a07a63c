//! Directories that are worth moving: those in which most of the time goes by, as deep as it still
//! is most.

use std::collections::BTreeMap;

use fsreplay_measure::estimate::median;
use fsreplay_replayer::Played;
use fsreplay_replayer::plan::Plan;

/// Shares of the workspace's time below this aren't worth a mount.
const LEAST_SHARE: f64 = 0.15;
/// As many directories are tried.
const MOST: usize = 3;
/// Names below the workspace; nobody mounts deeper.
const DEPTH: usize = 3;

/// A directory that may be moved.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its recorded path.
    pub path: Vec<u8>,
    /// Time in calls in it and below, seconds.
    pub seconds: f64,
    /// Of the time in calls in the whole workspace.
    pub share: f64,
    /// Calls.
    pub count: u64,
}

/// From where the time of a replay went.
pub fn choose(plan: &Plan, rounds: &[Played], workspace: &[u8]) -> Vec<Candidate> {
    let mut sums: BTreeMap<Vec<u8>, (f64, u64)> = BTreeMap::new();
    let mut whole = 0.0;
    for (place, path) in plan.places.iter().enumerate() {
        let Some(below) = below(workspace, path) else {
            continue;
        };
        let seconds: Vec<f64> = rounds.iter().map(|played| played.places[place].0).collect();
        let seconds = median(&seconds);
        let count = rounds.last().map_or(0, |played| played.places[place].1);
        whole += seconds;
        let mut above = workspace.to_vec();
        for name in below
            .split(|byte| *byte == b'/')
            .filter(|n| !n.is_empty())
            .take(DEPTH)
        {
            if above.last() != Some(&b'/') {
                above.push(b'/');
            }
            above.extend_from_slice(name);
            let sum = sums.entry(above.clone()).or_default();
            *sum = (sum.0 + seconds, sum.1 + count);
        }
    }
    pick(sums, whole)
}

/// The part of a path below a directory.
pub fn below<'p>(directory: &[u8], path: &'p [u8]) -> Option<&'p [u8]> {
    if directory == b"/" {
        return Some(path);
    }
    let rest = path.strip_prefix(directory)?;
    (rest.is_empty() || rest.first() == Some(&b'/')).then_some(rest)
}

/// The largest first; of a directory and one above it with nearly the same time, the lower one;
/// none in another.
fn pick(sums: BTreeMap<Vec<u8>, (f64, u64)>, whole: f64) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = sums
        .into_iter()
        .map(|(path, (seconds, count))| Candidate {
            share: seconds / whole.max(f64::MIN_POSITIVE),
            path,
            seconds,
            count,
        })
        .filter(|candidate| candidate.share >= LEAST_SHARE)
        .collect();
    let holds_most = |above: &Candidate, lower: &Candidate| {
        below(&above.path, &lower.path).is_some_and(|rest| !rest.is_empty())
            && lower.seconds > above.seconds * 0.9
    };
    let lower = all.clone();
    all.retain(|above| !lower.iter().any(|lower| holds_most(above, lower)));
    all.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    let mut chosen: Vec<Candidate> = Vec::new();
    for candidate in all {
        let nested = chosen.iter().any(|other| {
            below(&other.path, &candidate.path).is_some()
                || below(&candidate.path, &other.path).is_some()
        });
        if !nested && chosen.len() < MOST {
            chosen.push(candidate);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_that_holds_the_time_is_chosen_and_not_those_around_it() {
        let sums = [
            ("/w/app", 9.6, 96),
            ("/w/app/node_modules", 9.4, 94),
            ("/w/app/node_modules/left-pad", 0.4, 4),
            ("/w/.git", 2.2, 22),
            ("/w/src", 0.2, 2),
        ];
        let sums = sums.map(|(path, seconds, count)| (path.into(), (seconds, count)));
        let chosen = pick(sums.into(), 12.0);
        let names: Vec<&[u8]> = chosen.iter().map(|c| c.path.as_slice()).collect();
        assert_eq!(names, [&b"/w/app/node_modules"[..], b"/w/.git"]);
    }

    #[test]
    fn names_end_at_slashes() {
        assert_eq!(below(b"/w", b"/w/a"), Some(&b"/a"[..]));
        assert_eq!(below(b"/w", b"/work"), None);
        assert_eq!(below(b"/", b"/work"), Some(&b"/work"[..]));
    }
}

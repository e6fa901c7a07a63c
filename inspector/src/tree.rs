//! Time by path and by what the calls do: what a flame graph shows.

use fsreplay_results::tree::{Branch, Work as WorkTime, WorkKind};
use fsreplay_trace::call::Work;

use crate::findings::again;
use crate::inspector::Inspector;
use crate::names::lossy;
use crate::places::{Count, Place, ROOT};
use crate::tally::seconds;

/// Paths with a branch of their own: more can't be told apart in a picture.
const BRANCHES: usize = 300;
/// What takes less than one part in so many isn't seen in one.
const LEAST: u64 = 1000;

/// Nanoseconds by [`WorkKind`], in the order of [`WorkKind::ALL`].
type Times = [u64; WorkKind::ALL.len()];

/// The paths that took most with those above them, from the root downwards.
pub(crate) fn build(inspector: &Inspector) -> Vec<Branch> {
    let places = &inspector.places;
    let mut times = vec![Times::default(); places.len()];
    // From the bottom: what is below is summed up before what is above.
    for (at, place) in places.iter().rev() {
        add(&mut times[at as usize], &spent(inspector, place));
        if at != ROOT {
            let below = times[at as usize];
            add(&mut times[place.parent as usize], &below);
        }
    }
    let sum = |at: u32| times[at as usize].iter().sum::<u64>();
    let least = (sum(ROOT) / LEAST).max(1);
    let mut shown: Vec<u32> = (0..places.len() as u32)
        .filter(|at| sum(*at) >= least)
        .collect();
    // What is above took as much at least and has a smaller number: it is never left out alone.
    shown.sort_by_key(|at| (std::cmp::Reverse(sum(*at)), *at));
    shown.truncate(BRANCHES);
    shown.sort_unstable();
    let branch = |at: &u32| {
        let above = (*at != ROOT).then(|| shown.binary_search(&places.get(*at).parent));
        Branch {
            name: match *at {
                ROOT => "/".into(),
                at => lossy(places.name(at)),
            },
            above: above.and_then(Result::ok).map(|number| number as u64),
            seconds: seconds(sum(*at)),
            work: work(&times[*at as usize]),
        }
    };
    shown.iter().map(branch).collect()
}

fn add(to: &mut Times, more: &Times) {
    for (sum, time) in to.iter_mut().zip(more) {
        *sum = sum.saturating_add(*time);
    }
}

fn work(times: &Times) -> Vec<WorkTime> {
    let all = WorkKind::ALL.into_iter().zip(times);
    all.filter(|(_, time)| **time > 0)
        .map(|(kind, time)| WorkTime {
            kind,
            seconds: seconds(*time),
        })
        .collect()
}

/// What calls on that place itself took.
fn spent(inspector: &Inspector, place: &Place) -> Times {
    let mut times = Times::default();
    for spent in inspector.costs.list(place.spent) {
        let time = &mut times[kind(spent.call.row().op.work()) as usize];
        *time = time.saturating_add(spent.time);
    }
    let missing = place.tallies[Count::Miss as usize];
    let missing = inspector.tallies.get(missing).map_or(0, |tally| tally.time);
    take(&mut times, WorkKind::Lookup, WorkKind::Missing, missing);
    for (count, of) in [
        (Count::Stat, WorkKind::Lookup),
        (Count::Open, WorkKind::Lookup),
        (Count::ReadLink, WorkKind::Lookup),
        (Count::List, WorkKind::List),
    ] {
        take(
            &mut times,
            of,
            WorkKind::Again,
            again(inspector, place, count),
        );
    }
    times
}

/// Counts time for another kind. Calls that no name was given to count as what they are.
fn take(times: &mut Times, from: WorkKind, to: WorkKind, time: u64) {
    let time = time.min(times[from as usize]);
    times[from as usize] -= time;
    times[to as usize] += time;
}

fn kind(work: Work) -> WorkKind {
    match work {
        Work::Lookup => WorkKind::Lookup,
        Work::List => WorkKind::List,
        Work::Read => WorkKind::Read,
        Work::Write => WorkKind::Write,
        Work::Change => WorkKind::Change,
        Work::Sync => WorkKind::Sync,
        Work::Other => WorkKind::Other,
    }
}

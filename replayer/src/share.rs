//! How much of a tool's time is file access, from its trace alone.
//!
//! The plan is played on paper twice: with calls that take what they took when they were recorded,
//! and with calls that take nothing. No mount can gain more than the difference. What runs beside
//! the longest way is no gain, and what is done by pseudo file systems and pipes is no file access.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use fsreplay_results::share::{FileShare, PlaceKind, PlaceShare};
use fsreplay_trace::model::Header;

use crate::below::is_below;
use crate::forecast::Calls;
use crate::plan::{Action, Plan};
pub use crate::prices::AsRecorded;
use crate::simulate::{Groups, Price, Prices, Simulated, Stuck, simulate_with};

/// The share of a plan that kept what its calls took. `header` is that of its trace.
///
/// # Errors
/// A plan that can't be played to its end.
pub fn share(plan: &Plan, header: &Header) -> Result<FileShare, Stuck> {
    // Where it isn't known how many there were, none waited for one but as the times tell.
    let processors = NonZeroUsize::new(header.cpus as usize)
        .or(NonZeroUsize::new(plan.lanes.len()))
        .unwrap_or(NonZeroUsize::MIN);
    let calls = AsRecorded(plan);
    of(plan, header, &calls, plan.timing.computing, processors)
}

/// The same where calls take what was measured on this machine, which a recorder that slowed them
/// down, or a machine that was busy meanwhile, has no part in.
///
/// # Errors
/// A plan that can't be played to its end.
pub fn measured(plan: &Plan, header: &Header, calls: &Calls) -> Result<FileShare, Stuck> {
    let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    of(plan, header, &calls.prices, calls.computing, processors)
}

/// `computing` is what recorded computing is multiplied by.
fn of(
    plan: &Plan,
    header: &Header,
    prices: &impl Prices,
    computing: f64,
    processors: NonZeroUsize,
) -> Result<FileShare, Stuck> {
    let sorted = Sorted::of(plan, header);
    let all = simulate_with(computing, plan, prices, &sorted.groups, processors)?;
    let nothing = |_: usize, _: usize| Price::default();
    let none = simulate_with(computing, plan, &nothing, &Groups::one(), processors)?;
    let seconds = all.seconds;
    let working = all.busy_seconds();
    // Lanes that share processors may take longer where some of them have less to do.
    let gain = |without: &Simulated| (working - without.busy_seconds()).max(0.0);
    let share = |gain: f64| if working > 0.0 { gain / working } else { 0.0 };
    let mut places = Vec::new();
    for (group, (kind, directory)) in sorted.places.into_iter().enumerate() {
        let in_calls = all.path.calls.get(group).copied().unwrap_or_default();
        let others = Without {
            plan,
            all: prices,
            groups: &sorted.groups,
            group,
        };
        let without = simulate_with(computing, plan, &others, &Groups::one(), processors)?;
        let gain_seconds = gain(&without);
        // The longest way may lead past a place and wait for the outside meanwhile, while the tool
        // works there.
        if gain_seconds <= 0.0 && in_calls <= 0.0 {
            continue;
        }
        places.push(PlaceShare {
            kind,
            directory,
            call_seconds: in_calls,
            gain_seconds,
            share: share(gain_seconds),
        });
    }
    places.sort_by(|a, b| b.gain_seconds.total_cmp(&a.gain_seconds));
    let gain_seconds = gain(&none);
    Ok(FileShare {
        file_share: share(gain_seconds),
        seconds,
        gain_seconds,
        call_seconds: all.path.in_calls(),
        computing_seconds: all.path.computing,
        queued_seconds: all.path.queued,
        outside_seconds: (seconds - working).max(0.0),
        recorded_elsewhere: false,
        places,
        sentence: String::new(),
    })
}

/// All prices but for the calls of one group, which take nothing.
struct Without<'p, P> {
    plan: &'p Plan,
    all: &'p P,
    groups: &'p Groups,
    group: usize,
}

impl<P: Prices> Prices for Without<'_, P> {
    fn price(&self, lane: usize, op: usize) -> Price {
        let step = self.plan.lanes[lane].steps()[op];
        if self.groups.group(step.op()) == self.group {
            Price::default()
        } else {
            self.all.price(lane, op)
        }
    }
}

/// A kind of place, and which one.
type Place = (PlaceKind, Option<String>);

/// Ops by the place that their files lie in.
struct Sorted {
    groups: Groups,
    places: Vec<Place>,
}

impl Sorted {
    fn of(plan: &Plan, header: &Header) -> Sorted {
        let sorter = Sorter::new(plan, header);
        let mut numbers: BTreeMap<Place, u16> = BTreeMap::new();
        let mut places = Vec::new();
        let mut of_place = BTreeMap::new();
        let mut number = |place: u32, mount: u16| {
            let found = of_place.entry((place, mount)).or_insert_with(|| {
                let path = plan.places.get(place as usize);
                let key = sorter.place(path.map(Vec::as_slice), mount);
                let next = u16::try_from(places.len()).unwrap_or(u16::MAX);
                *numbers.entry(key.clone()).or_insert_with(|| {
                    places.push(key);
                    next
                })
            });
            *found
        };
        let ops = plan.ops.iter().map(|op| number(op.place, op.mount));
        Sorted {
            groups: Groups::of_ops(ops.collect()),
            places,
        }
    }
}

/// What a repository has at its top, within a path.
const GIT: &[u8] = b"/.git";
/// Directories of the operating system.
const SYSTEM: [&[u8]; 7] = [
    b"/usr", b"/lib", b"/lib64", b"/bin", b"/sbin", b"/etc", b"/var",
];
/// Directories in which languages keep libraries and tools, wherever they lie.
const OF_LANGUAGES: [&[u8]; 5] = [
    b"node_modules",
    b"site-packages",
    b"dist-packages",
    b".cargo",
    b".rustup",
];
/// What programs of the system lie in, which says nothing of where they have their own directory.
const OF_ALL_PROGRAMS: [&[u8]; 8] = [
    b"/",
    b"/bin",
    b"/sbin",
    b"/usr",
    b"/usr/bin",
    b"/usr/sbin",
    b"/usr/lib",
    b"/usr/local",
];

/// Tells the place of a directory.
struct Sorter<'p> {
    header: &'p Header,
    workspace: Option<&'p [u8]>,
    /// Directories of programs that ran.
    programs: Vec<&'p [u8]>,
    /// Directories of repositories that were seen, those within others last.
    repositories: Vec<&'p [u8]>,
}

impl<'p> Sorter<'p> {
    fn new(plan: &'p Plan, header: &'p Header) -> Sorter<'p> {
        let mut programs: Vec<&[u8]> = plan
            .ops
            .iter()
            .filter(|op| matches!(op.action, Action::Exec { .. }) && op.expected >= 0)
            .filter_map(|op| plan.places.get(op.place as usize))
            .map(|path| path.strip_suffix(b"/bin").unwrap_or(path))
            .filter(|path| !OF_ALL_PROGRAMS.contains(path))
            .collect();
        programs.sort_unstable();
        programs.dedup();
        Sorter {
            header,
            workspace: workspace(plan, &header.cwd),
            programs,
            repositories: repositories(plan),
        }
    }

    /// The repository around a place, which needn't be that of the working directory (`git -C`).
    fn repository(&self, path: &[u8]) -> Option<&'p [u8]> {
        let around = self.repositories.iter().rev();
        around.copied().find(|dir| is_below(path, dir))
    }

    fn place(&self, path: Option<&[u8]>, mount: u16) -> Place {
        let mounts = &self.header.mounts;
        let mount = mounts
            .get(usize::from(mount))
            .map(|mount| mount.mount_point.as_slice());
        let Some(path) = path.or(mount) else {
            return (PlaceKind::Other, None);
        };
        let workspace = self.workspace.filter(|dir| is_below(path, dir));
        // One that the workspace lies in is not told apart from it.
        let apart = mount
            .filter(|at| *at != b"/" && is_below(path, at))
            .filter(|at| workspace.is_none_or(|dir| !is_below(dir, at)));
        let is_tool = || {
            let mut names = path.split(|byte| *byte == b'/');
            names.any(|name| OF_LANGUAGES.contains(&name))
                || self.programs.iter().any(|dir| is_below(path, dir))
        };
        if let Some(at) = apart {
            (PlaceKind::Mount, Some(text(at)))
        } else if let Some(dir) = workspace {
            (PlaceKind::Workspace, Some(text(dir)))
        } else if is_tool() {
            (PlaceKind::Toolchain, None)
        } else if let Some(dir) = self.repository(path) {
            (PlaceKind::Workspace, Some(text(dir)))
        } else if SYSTEM.iter().any(|dir| is_below(path, dir)) {
            (PlaceKind::System, None)
        } else {
            (PlaceKind::Other, None)
        }
    }
}

/// The directory that the tool was started in, or that of the repository around it.
fn workspace<'p>(plan: &Plan, cwd: &'p [u8]) -> Option<&'p [u8]> {
    let mut above = vec![cwd];
    while let Some(at) = above
        .last()
        .and_then(|dir| dir.iter().rposition(|b| *b == b'/'))
    {
        above.push(&cwd[..at]);
    }
    let repositories = repositories(plan);
    let repository = above.iter().copied().find(|dir| repositories.contains(dir));
    // All files lie in the root directory.
    repository
        .or(Some(cwd))
        .filter(|dir| dir.iter().any(|byte| *byte != b'/'))
}

/// Directories with a `.git` that was there before, or in which something was done; in order.
fn repositories(plan: &Plan) -> Vec<&[u8]> {
    let mut found: Vec<&[u8]> = Vec::new();
    for path in &plan.places {
        let mut inside = path
            .windows(GIT.len())
            .enumerate()
            .filter(|(_, part)| *part == GIT)
            .map(|(at, _)| at);
        let whole = |at: &usize| matches!(path.get(at + GIT.len()), None | Some(b'/'));
        if let Some(at) = inside.find(whole) {
            found.push(&path[..at]);
        }
    }
    found.retain(|dir| !dir.is_empty());
    found.sort_unstable();
    found.dedup();
    found
}

fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
#[path = "share/tests.rs"]
mod tests;

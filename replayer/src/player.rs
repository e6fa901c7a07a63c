//! One target through its rounds: the tree is made once, put back between rounds, and removed at
//! the end.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fsreplay_results::play::{DivergenceGroup, Round};
use rustix::io::Errno;

use crate::cache::{Cache, rest, settle, write_back};
use crate::compare::{compare, is_struck, left_out};
use crate::error::{ReplayError, is_failing};
use crate::execute::{LaneRun, Run, Tempo, execute};
use crate::folding;
use crate::options::{PlayOptions, Stage};
use crate::plan::Plan;
use crate::prepare::prepare;
use crate::put_back::put_back;
use crate::result::{place_seconds, statistics};
use crate::sandbox::Sandbox;

/// What a round gave.
#[derive(Debug)]
pub struct Played {
    /// Its figures.
    pub round: Round,
    /// Its divergences.
    pub groups: Vec<DivergenceGroup>,
    /// State of the page cache when it began.
    pub cache: &'static str,
    /// Processor time of all threads, seconds.
    pub cpu_seconds: f64,
    /// The part of the tool's own time that stood between the calls, if any.
    pub pace: Option<f64>,
    /// Seconds in calls and number of calls by place ([`Plan::places`]).
    pub places: Vec<(f64, u64)>,
}

/// The tree in its sandboxes: made, or put back after an earlier round.
fn ready<'s>(
    sandboxes: &'s mut Option<Vec<Sandbox>>,
    plan: &Plan,
    cancelled: &AtomicBool,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<&'s mut Vec<Sandbox>, ReplayError> {
    if let Some(used) = sandboxes {
        match put_back(plan, used, cancelled) {
            // A round that went another way may have left what can't be put back.
            Err(ReplayError::Tree { source, .. }) if !tells_of_failing(&source) => {
                *sandboxes = None;
            }
            outcome => outcome?,
        }
    }
    if sandboxes.is_none() {
        let targets = plan.roots.iter().map(|root| Sandbox::create(&root.target));
        let made = sandboxes.insert(targets.collect::<Result<Vec<_>, _>>()?);
        folding::check(plan, made)?;
        prepare(plan, made, cancelled, progress).map_err(|error| unfit(error, plan, made))?;
    }
    Ok(sandboxes.get_or_insert_default())
}

fn tells_of_failing(error: &std::io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(is_failing)
}

/// A tree that can't be made for what a file system has no room for in its ways (links, owners,
/// characters of names) says that the target is none for this trace.
fn unfit(error: ReplayError, plan: &Plan, sandboxes: &[Sandbox]) -> ReplayError {
    const WAYS: [i32; 6] = [
        libc::ENOSYS,
        libc::EOPNOTSUPP,
        libc::EPERM,
        libc::EINVAL,
        libc::EILSEQ,
        libc::EEXIST,
    ];
    let ReplayError::Tree { path, source, .. } = &error else {
        return error;
    };
    let is_unfit = source
        .raw_os_error()
        .is_some_and(|errno| WAYS.contains(&errno));
    let mut places = sandboxes.iter().zip(&plan.roots);
    let found = places.find_map(|(sandbox, root)| {
        let below = path.strip_prefix(sandbox.path()).ok()?;
        Some((below, root.target.clone()))
    });
    match found {
        Some((below, target)) if is_unfit => ReplayError::Target {
            target,
            reason: format!(
                "{} of the trace can't be made there: {source}",
                below.display()
            ),
        },
        _ => error,
    }
}

/// What calls say where something is used up that several trees need.
const LACKING: [Errno; 5] = [
    Errno::NOSPC,
    Errno::DQUOT,
    Errno::MFILE,
    Errno::NFILE,
    Errno::NOMEM,
];

/// What became of the trees at the end.
#[derive(Debug, Default)]
pub struct Ended {
    /// Where trees were left as asked for (`--keep`).
    pub kept: Vec<PathBuf>,
    /// Directories that could not be removed, each as a [`ReplayError::Left`].
    pub left: Vec<ReplayError>,
}

/// What went before a run.
struct Before {
    prepare_seconds: f64,
    cache: &'static str,
    pace: Option<f64>,
}

/// The figures of a run.
fn told(plan: &Plan, run: &Run, sandboxes: &[Sandbox], before: Before) -> Played {
    let roots: Vec<Vec<u8>> = sandboxes.iter().map(Sandbox::path_bytes).collect();
    let (groups, divergences) = compare(plan, run, &roots);
    let (calls, call_seconds) = statistics(plan, run);
    let seconds = |part: fn(&LaneRun) -> u64| {
        let parts = run.lanes.iter().map(part);
        parts.map(|nanoseconds| nanoseconds as f64 / 1e9).sum()
    };
    Played {
        round: Round {
            wall_seconds: run.wall_seconds,
            prepare_seconds: before.prepare_seconds,
            call_seconds,
            wait_seconds: seconds(|lane| lane.waited),
            own_seconds: seconds(|lane| lane.paced),
            divergences,
            left_out: left_out(plan, run),
            calls,
        },
        groups,
        cache: before.cache,
        cpu_seconds: seconds(|lane| lane.cpu),
        pace: before.pace,
        places: place_seconds(plan, run),
    }
}

/// Plays one plan, round by round.
pub struct Player<'p> {
    plan: &'p Plan,
    options: PlayOptions,
    sandboxes: Option<Vec<Sandbox>>,
    /// What came of making the tree before the round that it is for.
    made: Option<Made>,
}

/// The tree was made or put back: how long that took, when it was ready, and what came of it.
struct Made {
    seconds: f64,
    ready: Instant,
    outcome: Result<(), ReplayError>,
}

impl<'p> Player<'p> {
    /// Nothing is made yet.
    pub fn new(plan: &'p Plan, options: PlayOptions) -> Player<'p> {
        Player {
            plan,
            options,
            sandboxes: None,
            made: None,
        }
    }

    /// Makes the tree, or puts it back, ahead of the next round, which tells what came of it: so
    /// those of several players can be made side by side, and one can be left alone meanwhile.
    pub(crate) fn make_ahead(&mut self, cancelled: &AtomicBool, progress: &(dyn Fn(Stage) + Sync)) {
        self.made = Some(self.make(0, cancelled, progress));
    }

    fn make(
        &mut self,
        number: u32,
        cancelled: &AtomicBool,
        progress: &(dyn Fn(Stage) + Sync),
    ) -> Made {
        let begin = Instant::now();
        let outcome = ready(&mut self.sandboxes, self.plan, cancelled, &|made, of| {
            progress(Stage::Preparing(number, made, of))
        });
        // So that it isn't written back while another is played.
        let outcome = outcome.map(|sandboxes| write_back(sandboxes));
        Made {
            outcome,
            seconds: begin.elapsed().as_secs_f64(),
            ready: Instant::now(),
        }
    }

    /// Whether the tree was made ahead, and is as it has to be.
    pub(crate) fn is_ready(&self) -> bool {
        self.made.as_ref().is_some_and(|made| made.outcome.is_ok())
    }

    /// Whether a tree that was made ahead found no room, on its file system or in this process's
    /// limits.
    pub(crate) fn lacks_room(&self) -> bool {
        let Some(Err(ReplayError::Tree { source, .. })) =
            self.made.as_ref().map(|made| &made.outcome)
        else {
            return false;
        };
        let errno = Errno::from_io_error(source);
        errno.is_some_and(|errno| LACKING.contains(&errno))
    }

    /// Makes the tree, or puts it back after an earlier round, and executes the plan in it.
    /// `number` is for people, and 0 is a round that only warms up. A target that failed meanwhile
    /// is an error: what was measured there would say nothing.
    pub fn round(
        &mut self,
        number: u32,
        cancelled: &AtomicBool,
        progress: &(dyn Fn(Stage) + Sync),
    ) -> Result<Played, ReplayError> {
        let played = self.priced_round(number, cancelled, progress);
        played.map(|(played, _)| played)
    }

    /// The same, with what each op of each lane took: as much memory as the plan has ops, which is
    /// why it is no part of what is kept of a round.
    pub fn priced_round(
        &mut self,
        number: u32,
        cancelled: &AtomicBool,
        progress: &(dyn Fn(Stage) + Sync),
    ) -> Result<(Played, Vec<LaneRun>), ReplayError> {
        let played = self.try_round(number, cancelled, progress);
        let mut sandboxes = self.sandboxes.iter().flatten();
        match played {
            Err(ReplayError::Cancelled) => {}
            Err(_) => sandboxes.try_for_each(Sandbox::is_in_place)?,
            Ok((_, _, is_struck)) => sandboxes.try_for_each(|sandbox| {
                sandbox.is_in_place()?;
                if is_struck { sandbox.works() } else { Ok(()) }
            })?,
        }
        played.map(|(played, lanes, _)| (played, lanes))
    }

    /// Also tells whether calls failed as they do where the target fails.
    fn try_round(
        &mut self,
        number: u32,
        cancelled: &AtomicBool,
        progress: &(dyn Fn(Stage) + Sync),
    ) -> Result<(Played, Vec<LaneRun>, bool), ReplayError> {
        let made = match self.made.take() {
            Some(made) => made,
            None => self.make(number, cancelled, progress),
        };
        made.outcome?;
        let (plan, options) = (self.plan, self.options);
        let sandboxes = self.sandboxes.get_or_insert_default();
        let begin = Instant::now();
        let cache = settle(options.cache, plan, sandboxes);
        let prepare_seconds = made.seconds + begin.elapsed().as_secs_f64();
        if cancelled.load(Ordering::Relaxed) {
            return Err(ReplayError::Cancelled);
        }
        progress(Stage::Executing(number));
        let left_alone = match options.cache {
            // Emptying caches goes through the tree.
            Cache::Cold => Duration::ZERO,
            Cache::Made | Cache::Warm => made.ready.elapsed(),
        };
        let tempo = Tempo {
            scale: options.timing.scale(),
            // A round that warms up is not measured.
            rest: match number {
                0 => Duration::ZERO,
                _ => rest(options.timing, sandboxes, left_alone),
            },
        };
        let run = execute(plan, sandboxes, tempo, cancelled)?;
        let is_struck = is_struck(plan, &run);
        let before = Before {
            prepare_seconds,
            cache,
            pace: tempo.scale,
        };
        Ok((told(plan, &run, sandboxes, before), run.lanes, is_struck))
    }

    /// Removes the tree; the next round makes it anew.
    pub fn clear(&mut self) -> Result<(), ReplayError> {
        self.made = None;
        let mut sandboxes = self.sandboxes.take().into_iter().flatten();
        sandboxes.try_for_each(Sandbox::remove)
    }

    /// Removes the tree, or leaves it (`--keep`). What can't be removed is no reason to lose what
    /// was measured.
    pub fn end(self) -> Ended {
        let mut ended = Ended::default();
        for sandbox in self.sandboxes.into_iter().flatten() {
            if self.options.keep {
                ended.kept.push(sandbox.keep());
            } else if let Err(left) = sandbox.remove() {
                ended.left.push(left);
            }
        }
        ended
    }
}

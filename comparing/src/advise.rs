//! Which recorded directory, moved to which mount, gains what, and what to write into
//! devcontainer.json.

mod anew;
mod candidates;
mod lines;
mod measured;
mod placements;
mod result;
mod tried;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::{ReplayError, Timing};
use fsreplay_results::advise::Advise;
use fsreplay_shown::chain;

use crate::described::Described;
use crate::error::Error;
use crate::measuring::{Asked, Found, measure};
use crate::observer::Observer;
use crate::options::{AdviceOptions, Moved};
use crate::origin::Origin;
use crate::targets::{self, Target};
use crate::{moved, planning};
use measured::Measured;
use placements::{Layout, Move};

/// The part of the budget in which is found where the time goes.
const FIRST_SHARE: f64 = 0.1;

/// What was found.
#[derive(Debug)]
pub struct Advice {
    /// All of it.
    pub result: Advise,
    /// Nothing is advised, but something that was tried may be worth it: rounds don't tell.
    pub is_open: bool,
    /// Names and directories of the targets.
    pub targets: Vec<(String, PathBuf)>,
    /// On how many mounts the workspace lies.
    pub parts: usize,
    /// Directories that could not be removed, each as a [`ReplayError::Left`].
    pub left: Vec<ReplayError>,
}

/// Plays a trace as everything lies now, finds the directories in which most of its time goes by,
/// and tries each of them on each other target.
///
/// As [`compare`](crate::compare) does, it makes and removes trees in the targets, and clears the
/// process's umask meanwhile.
///
/// # Errors
/// As [`compare`](crate::compare); and [`Error::OneMount`].
pub fn advise(
    mut described: Described,
    options: &AdviceOptions,
    observer: &dyn Observer,
    cancelled: &AtomicBool,
) -> Result<Advice, Error> {
    options.check()?;
    let ground = Ground::of(options, &described, observer, cancelled)?;
    let began = Instant::now();
    let base = ground.plan(&described, None, cancelled)?;
    let rounds = Rounds {
        options,
        is_recorded: ground.is_recorded,
        observer,
        cancelled,
    };
    let now = vec!["where the time goes".to_owned()];
    let only = std::slice::from_ref(&base);
    let first = rounds.of(only, now, options.budget.mul_f64(FIRST_SHARE))?;
    let candidates = candidates::choose(&base, &first.rounds[0], &ground.layout.workspace);
    let seen = anew::Seen::read(&described.source)?;
    let (mut moves, kept) = ground.layout.moves(&candidates, &ground.targets, &seen);
    let (mut plans, names) = ground.all(&described, base, &moves, cancelled)?;
    let rest = options.budget.saturating_sub(began.elapsed());
    let found = rounds.of(&plans, names, rest)?;
    let refused = take_out(found.refused, &mut plans, &mut moves);
    // What calls take elsewhere says nothing of what they took.
    let calls = found.calls.filter(|_| ground.is_recorded);
    let measured = calls.and_then(|calls| described.measured_share(&plans[0], &calls));
    described.share = measured.or(described.share);
    let mut left = first.left;
    left.extend(found.left);
    let result = result::of(Measured {
        described,
        targets: &ground.targets,
        baseline: ground.baseline,
        layout: &ground.layout,
        candidates,
        moves,
        plans: &plans,
        rounds: found.rounds,
        series: found.series,
        kept,
        refused,
        seen: &seen,
    });
    let targets = ground.targets.into_iter();
    Ok(Advice {
        is_open: result::is_open(&result),
        result,
        targets: targets.map(|target| (target.name, target.dir)).collect(),
        parts: ground.layout.parts.len(),
        left,
    })
}

/// What is known before anything is played.
struct Ground {
    targets: Vec<Target>,
    /// Number of the target that the workspace lies on.
    baseline: usize,
    /// Whether it was recorded there.
    is_recorded: bool,
    layout: Layout,
    /// Where all else goes.
    neutral: PathBuf,
}

impl Ground {
    /// What can't be done as it was asked for is an error here.
    fn of(
        options: &AdviceOptions,
        described: &Described,
        observer: &dyn Observer,
        cancelled: &AtomicBool,
    ) -> Result<Ground, Error> {
        let header = &described.header;
        let workspace = moved::resolve(&Moved::Workspace, &described.source, header)?;
        let neutral = targets::neutral(options.neutral.as_deref())?;
        let all = targets::all(&options.targets, &workspace, header)?;
        let named: Vec<&str> = options.baseline.iter().map(String::as_str).collect();
        targets::needed(&named, &all)?;
        let (targets, _) = targets::planned(all, &options.targets, &named, observer, |target| {
            let place = workspace
                .iter()
                .map(|path| (path.clone(), target.dir.clone()));
            let options = planning::apart(neutral.clone(), place.collect());
            planning::plan(&described.source, &options, described.time, cancelled)
        })?;
        let asked = options.baseline.as_deref();
        let baseline = targets::baseline(asked, &targets, &workspace, header)?;
        if targets.len() < 2 {
            return Err(Error::OneMount);
        }
        let is_recorded = targets::recorded(&targets, &workspace, header) == Some(baseline);
        let workspace = workspace.into_iter().next().unwrap_or_default();
        let origin = Origin::of(header);
        Ok(Ground {
            layout: Layout::of(workspace, baseline, &header.mounts, origin, &targets),
            targets,
            baseline,
            is_recorded,
            neutral,
        })
    }

    /// The plan of a move; without one, of everything as it lies now.
    fn plan(
        &self,
        described: &Described,
        moved: Option<&Move>,
        cancelled: &AtomicBool,
    ) -> Result<Plan, Error> {
        let options = self
            .layout
            .options(moved, &self.targets, self.neutral.clone());
        planning::plan(&described.source, &options, described.time, cancelled)
    }

    /// The plan of everything as it lies now, and those of moves, with their names.
    fn all(
        &self,
        described: &Described,
        base: Plan,
        moves: &[Move],
        cancelled: &AtomicBool,
    ) -> Result<(Vec<Plan>, Vec<String>), Error> {
        let mut plans = vec![base];
        let mut names = vec!["as it lies now".to_owned()];
        for one in moves {
            plans.push(self.plan(described, Some(one), cancelled)?);
            let target = &self.targets[one.target].name;
            names.push(format!("{} on {target}", measured::paths(one)));
        }
        Ok((plans, names))
    }
}

/// Takes out what could not be played; gives the moves, each with the reason.
fn take_out(
    refused: Vec<(usize, ReplayError)>,
    plans: &mut Vec<Plan>,
    moves: &mut Vec<Move>,
) -> Vec<(Move, String)> {
    let mut out = Vec::new();
    for (number, error) in refused.into_iter().rev() {
        plans.remove(number);
        // The layout as it lies now comes first, and is needed.
        let moved = moves.remove(number.saturating_sub(1));
        out.push((moved, chain(&error)));
    }
    out
}

/// What all rounds have in common.
struct Rounds<'a> {
    options: &'a AdviceOptions,
    is_recorded: bool,
    observer: &'a dyn Observer,
    cancelled: &'a AtomicBool,
}

impl Rounds<'_> {
    /// Plays plans, the first of which is of everything as it lies now.
    fn of(&self, plans: &[Plan], names: Vec<String>, budget: Duration) -> Result<Found, Error> {
        let asked = Asked {
            plans,
            names,
            baseline: 0,
            // The layout as it lies now: nothing can be compared without it.
            needed: &[0],
            phases: &[],
            phase: None,
            recorded: self.is_recorded.then_some(0),
            timing: Timing::Scaled(1.0),
            precise: false,
            rounds: self.options.rounds,
            budget: Some(budget),
            cache: None,
            observer: self.observer,
        };
        measure(asked, self.cancelled)
    }
}

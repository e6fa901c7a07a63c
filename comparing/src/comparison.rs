//! From what is asked for to a comparison: what is to be played, rounds of it, and the result.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use fsreplay_measure::contest::End;
use fsreplay_replayer::ReplayError;
use fsreplay_replayer::plan::Plan;
use fsreplay_results::compare::{Compare, Unfit};
use fsreplay_results::timeline::Phase;
use fsreplay_shown::chain;

use crate::described::Described;
use crate::error::Error;
use crate::measured::Measured;
use crate::measuring::{Asked, Found, measure};
use crate::observer::Observer;
use crate::options::Options;
use crate::result;
use crate::targets::{self, Target};
use crate::{moved, planning};

/// What came of a comparison.
#[derive(Debug)]
pub struct Compared {
    /// Its result.
    pub result: Compare,
    /// Directories that could not be removed, each as a [`ReplayError::Left`].
    pub left: Vec<ReplayError>,
}

/// Plays a trace on several targets in turn, and says what the tool would take on each.
///
/// Each target's tree is made in a directory of its own there, and removed at the end. While rounds
/// go on the process's umask is cleared. When `cancelled` becomes true, what was found so far is
/// the result; if that is nothing, [`Error::Stopped`].
///
/// # Errors
/// Options that don't go together or name what isn't there, a trace that can't be read, a target
/// that can't be used where it was given or named, and anything else that ends a replay.
pub fn compare(
    described: Described,
    options: &Options,
    observer: &dyn Observer,
    cancelled: &AtomicBool,
) -> Result<Compared, Error> {
    options.check()?;
    let field = field(options, &described, observer, cancelled)?;
    let recorded = targets::recorded(&field.targets, &field.moved, &described.header);
    let names = field.targets.iter().map(|target| target.name.clone());
    let found = measure(
        Asked {
            plans: &field.plans,
            names: names.collect(),
            baseline: field.baseline,
            needed: &field.needed,
            phases: &described.phases,
            phase: field.phase,
            recorded,
            timing: options.timing,
            precise: options.precise,
            rounds: options.rounds,
            budget: options.budget,
            cache: options.cache,
            observer,
        },
        cancelled,
    )?;
    told(options, described, field, found, recorded)
}

impl Options {
    /// Whether there is what they name: in a trace, and of mounts. [`compare`] looks, too, but a
    /// caller may want to know before it tells anything.
    ///
    /// # Errors
    /// [`Error::NoSuchPhase`], [`Error::Directory`], [`Error::NoSuchTarget`], and what keeps the
    /// trace or the mounts from being read.
    pub fn check_with(&self, described: &Described) -> Result<(), Error> {
        phase(self.phase.as_deref(), &described.phases)?;
        let moved = moved::resolve(&self.moved, &described.source, &described.header)?;
        let named = self.named();
        if !named.is_empty() {
            let all = targets::all(&self.targets, &moved, &described.header)?;
            targets::needed(&named, &all)?;
        }
        Ok(())
    }

    /// Names of the targets without which nobody wants the others.
    fn named(&self) -> Vec<&str> {
        let needed = self.needed.iter().map(String::as_str);
        self.baseline.as_deref().into_iter().chain(needed).collect()
    }
}

/// What is compared.
struct Field {
    targets: Vec<Target>,
    plans: Vec<Plan>,
    /// Number of the target that the others are compared with.
    baseline: usize,
    /// Numbers of the targets that were named in options.
    needed: Vec<usize>,
    /// Number of the phase that was asked for.
    phase: Option<usize>,
    /// What goes to the targets, and where all else goes.
    moved: Vec<Vec<u8>>,
    neutral: PathBuf,
}

/// All that is known before anything is played. What can't be done as it was asked for is an error
/// here.
fn field(
    options: &Options,
    described: &Described,
    observer: &dyn Observer,
    cancelled: &AtomicBool,
) -> Result<Field, Error> {
    let phase = phase(options.phase.as_deref(), &described.phases)?;
    let moved = moved::resolve(&options.moved, &described.source, &described.header)?;
    let neutral = targets::neutral(options.neutral.as_deref())?;
    let all = targets::all(&options.targets, &moved, &described.header)?;
    let named = options.named();
    targets::needed(&named, &all)?;
    let (targets, plans) = targets::planned(all, &options.targets, &named, observer, |target| {
        plan(described, target, &moved, neutral.clone(), cancelled)
    })?;
    let asked = options.baseline.as_deref();
    Ok(Field {
        baseline: targets::baseline(asked, &targets, &moved, &described.header)?,
        needed: targets::needed(&named, &targets)?,
        targets,
        plans,
        phase,
        moved,
        neutral,
    })
}

/// What was found, as a result; also gives the directories that could not be removed.
fn told(
    options: &Options,
    described: Described,
    mut field: Field,
    found: Found,
    recorded: Option<usize>,
) -> Result<Compared, Error> {
    // What calls take elsewhere says nothing of what they took.
    let calls = found.calls.filter(|_| recorded == Some(field.baseline));
    let share = calls
        .and_then(|calls| described.measured_share(&field.plans[field.baseline], &calls))
        .or_else(|| described.share.clone());
    let unfit = leave_out(found.refused, &mut field);
    // One that was left out may have been the baseline, unless it was asked for.
    let asked = options.baseline.as_deref();
    let baseline = targets::baseline(asked, &field.targets, &field.moved, &described.header)?;
    let result = result::of(Measured {
        described,
        options,
        targets: &field.targets,
        plans: &field.plans,
        rounds: found.rounds,
        series: found.series,
        in_phases: found.in_phases,
        phase: field.phase,
        method: found.method,
        share,
        others: found.others,
        budget: found.budget,
        interrupted: found.end == End::Interrupted,
        unfit,
        baseline,
        moved: &field.moved,
        neutral: &field.neutral,
    });
    Ok(Compared {
        result,
        left: found.left,
    })
}

/// The number of the phase that was asked for.
fn phase(name: Option<&str>, phases: &[Phase]) -> Result<Option<usize>, Error> {
    let Some(name) = name else {
        return Ok(None);
    };
    let found = phases.iter().position(|phase| phase.name == name);
    if found.is_some() {
        return Ok(found);
    }
    Err(Error::NoSuchPhase {
        name: name.to_owned(),
        known: phases.iter().map(|phase| phase.name.clone()).collect(),
    })
}

/// Takes the targets out that can't hold the tree.
fn leave_out(refused: Vec<(usize, ReplayError)>, field: &mut Field) -> Vec<Unfit> {
    let refused = refused.into_iter().rev();
    let mut unfit: Vec<Unfit> = refused
        .map(|(number, error)| {
            field.plans.remove(number);
            let target = field.targets.remove(number);
            Unfit {
                name: target.name,
                path: target.dir.display().to_string(),
                reason: chain(&error),
            }
        })
        .collect();
    unfit.reverse();
    unfit
}

/// The plan for a target: what is moved goes there, all else to the neutral place.
fn plan(
    described: &Described,
    target: &Target,
    moved: &[Vec<u8>],
    neutral: PathBuf,
    cancelled: &AtomicBool,
) -> Result<Plan, Error> {
    let everything = moved.iter().any(|path| path == b"/");
    let options = if everything {
        planning::options(target.dir.clone(), Vec::new())
    } else {
        let place = moved.iter().map(|path| (path.clone(), target.dir.clone()));
        planning::apart(neutral, place.collect())
    };
    planning::plan(&described.source, &options, described.time, cancelled)
}

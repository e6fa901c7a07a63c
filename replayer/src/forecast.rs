//! What a tool would take on each of several mounts, told on paper.
//!
//! Mounts differ in what calls take. So the calls are played as fast as possible, on all mounts in
//! turn, and what each of them takes ([`crate::prices`]) is put into the plan: the tool's own
//! computing, sleeping and waiting comes from the trace ([`crate::simulate`]). That takes as long as
//! the calls and not as the tool, and a busy neighbour, who makes some calls of each round long,
//! moves the typical time of hardly any.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use fsreplay_measure::contest::Standing;
use fsreplay_measure::verdict::{Doubt, Verdict};

use crate::contest::{Judged, Outcome, contest_with};
use crate::error::ReplayError;
use crate::estimate::Series;
use crate::plan::Plan;
use crate::play::{PlayOptions, Stage};
use crate::player::Played;
use crate::prices::{Estimator, Rounds};
use crate::simulate::{Groups, simulate};

/// Rounds between two looks at whether the verdicts stand, and the fewest before the first look: an
/// interval of fewer is wide whatever was measured.
const LOOK: usize = 5;
/// Rounds of a group: of three, one that a neighbour slowed moves no median.
const GROUP: usize = 3;

/// When to stop, and who is told meanwhile.
pub struct Asked<'a> {
    /// What all rounds together may take.
    pub budget: Duration,
    /// Number of the plan that the others are compared with.
    pub baseline: usize,
    /// Is told after some rounds: what each plan takes so far; nothing of those that were refused.
    pub told: &'a mut dyn FnMut(&[Series], &Standing<'_, Played>),
}

/// Rounds of all plans, and from them what the tool takes with each plan that was not refused.
///
/// # Errors
/// As [`crate::contest::contest`]; and a plan that can't be played to its end on paper.
pub fn forecast(
    plans: &[Plan],
    options: PlayOptions,
    asked: Asked<'_>,
    cancelled: &AtomicBool,
    progress: &(dyn Fn(usize, Stage) + Sync),
) -> Result<(Outcome, Vec<Series>), ReplayError> {
    let kept: Vec<Rounds<'_>> = plans.iter().map(Rounds::new).collect();
    let kept = RefCell::new(kept);
    let latest: RefCell<Vec<Series>> = RefCell::default();
    let mut stood = vec![false; plans.len()];
    let Asked {
        budget,
        baseline,
        told,
    } = asked;
    let outcome = contest_with(
        plans,
        options,
        Judged {
            budget: Some(budget),
            least: LOOK as u32,
            judge: &mut |rounds| {
                let played = rounds.iter().map(Vec::len).max().unwrap_or(0);
                if !played.is_multiple_of(LOOK) {
                    return stood.clone();
                }
                // A plan that gets stuck is told at the end.
                let series = on_paper(plans, &kept.borrow()).unwrap_or_default();
                stood = stand(&series, rounds, baseline);
                latest.replace(series);
                stood.clone()
            },
            told: &mut |standing| told(&latest.borrow(), standing),
        },
        &mut |plan, lanes| {
            if let Some(rounds) = kept.borrow_mut().get_mut(plan) {
                rounds.add(lanes);
            }
        },
        cancelled,
        progress,
    )?;
    let mut series = on_paper(plans, &kept.borrow())?;
    for (number, _) in outcome.refused.iter().rev() {
        series.remove(*number);
    }
    Ok((outcome, series))
}

/// What each plan takes with the prices of its rounds.
fn on_paper(plans: &[Plan], kept: &[Rounds<'_>]) -> Result<Vec<Series>, ReplayError> {
    let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let of = |(plan, rounds): (&Plan, &Rounds<'_>)| {
        if rounds.is_empty() {
            return Ok(Series::default());
        }
        let seconds = |prices: &_| {
            let found = simulate(plan, prices, &Groups::one(), processors);
            let found = found.map_err(|stuck| ReplayError::Plan(stuck.to_string()))?;
            Ok::<f64, ReplayError>(found.seconds)
        };
        let groups = rounds.in_groups(groups_of(rounds.len()), Estimator::Median);
        let samples = groups.iter().map(seconds).collect::<Result<_, _>>()?;
        let whole = seconds(&rounds.prices(Estimator::Median))?;
        Ok(Series {
            samples,
            whole: Some(whole),
        })
    };
    plans.iter().zip(kept).map(of).collect()
}

/// How many groups rounds make: fewer than five say next to nothing of how far they can be trusted.
fn groups_of(rounds: usize) -> NonZeroUsize {
    let groups = (rounds / GROUP).max(LOOK).min(rounds);
    NonZeroUsize::new(groups).unwrap_or(NonZeroUsize::MIN)
}

/// For each plan, whether its verdict beside the baseline stands, or it was refused.
fn stand(series: &[Series], rounds: &[Vec<Played>], baseline: usize) -> Vec<bool> {
    let takes_part = |number: &usize| rounds.get(*number).is_some_and(|all| !all.is_empty());
    let first = (0..rounds.len()).find(takes_part);
    let base = Some(baseline).filter(takes_part).or(first);
    let Some(base) = base.filter(|base| *base < series.len()) else {
        return vec![false; rounds.len()];
    };
    let others = series.iter().enumerate();
    let mut stands: Vec<bool> = others
        .map(|(number, one)| {
            let ratio = one.ratio(&series[base]);
            number == base || !takes_part(&number) || Verdict::of(&ratio, Doubt::default()).stands()
        })
        .collect();
    // The others need it as long as one of them is in doubt.
    stands[base] = stands.iter().all(|stands| *stands);
    stands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rounds_make_groups_of_three() {
        let groups = [1, 4, 5, 9, 15, 30].map(|rounds| groups_of(rounds).get());
        assert_eq!(groups, [1, 4, 5, 5, 5, 10]);
    }
}

//! What a tool would take on each of several mounts, told on paper.
//!
//! Mounts differ in what calls take. So the calls are played as fast as possible, on all mounts in
//! turn, and what each of them takes ([`crate::prices`]) is put into the plan: the tool's own
//! computing, sleeping and waiting comes from the trace ([`crate::simulate`]). That takes as long as
//! the calls and not as the tool, and a busy neighbour, who makes some calls of each round long,
//! moves the typical time of hardly any.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use fsreplay_measure::contest::Standing;
use fsreplay_measure::estimate::Estimate as Ratio;
use fsreplay_measure::verdict::{Doubt, NEGLIGIBLE, Verdict};

use crate::contest::{Judged, Outcome, contest_with};
use crate::error::ReplayError;
use crate::estimate::{self, Series};
use crate::fit;
use crate::plan::Plan;
use crate::play::{PlayOptions, Stage};
use crate::player::Played;
use crate::prices::{OpPrices, Rounds};
use crate::simulate::{Groups, Simulated, Stuck, simulate_with};

/// Rounds between two looks at whether the verdicts stand, and the fewest before the first look: an
/// interval of fewer is wide whatever was measured.
const LOOK: usize = 5;
/// Differences below this are within what times on paper err by, however narrow their interval: `tar`
/// of 1,000 files came out at 0.95 on a tmpfs, where by the clock it takes as long as on ext4.
const ERROR: f64 = 0.1;
/// How often rounds are drawn anew: their scatter is known to a seventh then.
const DRAWS: usize = 25;
/// Also of large plans.
const FEWEST_DRAWS: usize = 8;
/// So many ops may be played on paper for all draws of a plan together: that takes seconds.
const OPS_ON_PAPER: usize = 4_000_000;

/// When to stop, and who is told meanwhile.
pub struct Asked<'a> {
    /// What all rounds together may take.
    pub budget: Duration,
    /// Number of the plan that the others are compared with.
    pub baseline: usize,
    /// Phases that are told apart, in order: numbers of their events.
    pub phases: &'a [Range<u32>],
    /// The one of them that the verdicts are of; none where they are of all that the tool does.
    pub phase: Option<usize>,
    /// Number of the plan that is as it was recorded, if there is one.
    pub recorded: Option<usize>,
    /// Is told after some rounds: what each plan takes so far; nothing of those that were refused.
    pub told: &'a mut dyn FnMut(&[Series], &Standing<'_, Played>),
}

/// What was found.
pub struct Forecast {
    /// Rounds of all plans that were not refused.
    pub outcome: Outcome,
    /// What the tool works with each of them, in the phase that was asked for or in all.
    pub series: Vec<Series>,
    /// For each of them, what it works in each phase that is told apart.
    pub phases: Vec<Vec<Series>>,
    /// What calls take with the baseline, unless it was refused.
    pub calls: Option<Calls>,
}

/// What calls take, measured, and with it what is known of computing.
pub struct Calls {
    /// Of each call.
    pub prices: OpPrices,
    /// What recorded computing is multiplied by.
    pub computing: f64,
}

/// Rounds of all plans, and from them what the tool takes with each plan that was not refused.
///
/// # Errors
/// As [`crate::contest::contest_until`]; and a plan that can't be played to its end on paper.
pub fn forecast(
    plans: &[Plan],
    options: PlayOptions,
    asked: Asked<'_>,
    cancelled: &AtomicBool,
    progress: &(dyn Fn(usize, Stage) + Sync),
) -> Result<Forecast, ReplayError> {
    let Asked {
        budget,
        baseline,
        phases,
        phase,
        recorded,
        told,
    } = asked;
    let apart = Groups::in_phases(phases.to_vec());
    let papers = plans.iter().map(|plan| Paper::new(plan, &apart, phase));
    let papers: RefCell<Vec<Paper<'_>>> = RefCell::new(papers.collect());
    let mut stood = vec![false; plans.len()];
    let outcome = contest_with(
        plans,
        options,
        Judged {
            budget: Some(budget),
            least: LOOK as u32,
            judge: &mut |rounds| {
                let played = rounds.iter().map(Vec::len).max().unwrap_or(0);
                if played.is_multiple_of(LOOK) {
                    // A plan that gets stuck is told at the end.
                    let series = on_paper(&mut papers.borrow_mut(), recorded).unwrap_or_default();
                    stood = stand(&series, rounds, baseline);
                }
                stood.clone()
            },
            told: &mut |standing| told(&so_far(&papers.borrow()), standing),
        },
        &mut |plan, lanes| {
            if let Some(paper) = papers.borrow_mut().get_mut(plan) {
                paper.rounds.add(lanes);
                paper.is_stale = true;
            }
        },
        cancelled,
        progress,
    )?;
    let mut papers = papers.into_inner();
    on_paper(&mut papers, recorded)?;
    let is_refused = outcome
        .refused
        .iter()
        .any(|(number, _)| *number == baseline);
    let base = papers.get(baseline).filter(|_| !is_refused);
    let calls = base.map(|base| Calls {
        prices: base.rounds.prices(),
        computing: base.computing,
    });
    for (number, _) in outcome.refused.iter().rev() {
        papers.remove(*number);
    }
    for (paper, rounds) in papers.iter_mut().zip(&outcome.rounds) {
        // One that was broken off is none.
        let rounds = paper.each_round(rounds.len())?;
        paper.judged_mut().rounds = rounds;
    }
    Ok(Forecast {
        outcome,
        series: so_far(&papers),
        phases: papers
            .into_iter()
            .map(|paper| paper.series.phases)
            .collect(),
        calls,
    })
}

/// A plan, its rounds, and what these said when it was last looked at.
struct Paper<'p> {
    plan: &'p Plan,
    apart: &'p Groups,
    phase: Option<usize>,
    rounds: Rounds<'p>,
    /// What recorded computing is multiplied by.
    computing: f64,
    series: Works,
    /// There were rounds since.
    is_stale: bool,
}

/// What the tool works.
#[derive(Default)]
struct Works {
    all: Series,
    phases: Vec<Series>,
}

impl<'p> Paper<'p> {
    fn new(plan: &'p Plan, apart: &'p Groups, phase: Option<usize>) -> Paper<'p> {
        Paper {
            plan,
            apart,
            phase,
            rounds: Rounds::new(plan),
            computing: plan.timing.computing,
            series: Works::default(),
            is_stale: false,
        }
    }

    /// What the verdict is of.
    fn judged(&self) -> &Series {
        let phase = self.phase.and_then(|phase| self.series.phases.get(phase));
        phase.unwrap_or(&self.series.all)
    }

    fn judged_mut(&mut self) -> &mut Series {
        let phase = self
            .phase
            .and_then(|phase| self.series.phases.get_mut(phase));
        phase.unwrap_or(&mut self.series.all)
    }

    /// What each round by itself says of what the verdict is of; of large plans some of them.
    fn each_round(&self, most: usize) -> Result<Vec<f64>, ReplayError> {
        let rounds = self.rounds.each().take(affordable(self.plan).min(most));
        let played = rounds.map(|prices| {
            let found = simulate_with(self.computing, self.plan, &prices, self.apart, processors());
            let found = found.map_err(stuck)?;
            let phase = self.phase.and_then(|phase| found.busy.get(phase).copied());
            Ok(phase.unwrap_or_else(|| found.busy_seconds()))
        });
        played.collect()
    }

    /// What the tool works with the prices of the plan's rounds: waiting for what is outside of it
    /// is not counted, which no mount changes and which would hide what one does.
    ///
    /// How far that can be trusted is told by the bootstrap: by what it would be with rounds drawn
    /// anew. The median of what a call takes is the same in nearly all of them, however long some
    /// rounds took.
    fn played(&self) -> Result<Works, ReplayError> {
        let simulated = |prices: &OpPrices| {
            let found = simulate_with(self.computing, self.plan, prices, self.apart, processors());
            found.map_err(stuck)
        };
        let whole = simulated(&self.rounds.prices())?;
        let quick = simulated(&self.rounds.quick_prices())?;
        let drawn = self.rounds.drawn_anew(draws(self.plan));
        let drawn: Vec<Simulated> = drawn
            .map(|prices| simulated(&prices))
            .collect::<Result<_, _>>()?;
        let series = |seconds: &dyn Fn(&Simulated) -> f64| Series {
            rounds: Vec::new(),
            paper: Some(estimate::Paper {
                seconds: seconds(&whole),
                quick: seconds(&quick),
                rounds: self.rounds.len(),
                drawn: drawn.iter().map(seconds).collect(),
            }),
        };
        let between = whole.busy.len().saturating_sub(1);
        let phases = (0..between).map(|phase| series(&|simulated| simulated.busy[phase]));
        Ok(Works {
            phases: phases.collect(),
            all: series(&Simulated::busy_seconds),
        })
    }
}

fn so_far(papers: &[Paper<'_>]) -> Vec<Series> {
    papers.iter().map(|paper| paper.judged().clone()).collect()
}

/// What each plan takes with the prices of its rounds; those without rounds since are as they were.
///
/// Of a calibrated trace it is known what the tool takes on processors where it was recorded. A plan
/// that is as recorded tells how much of that calls take now, and so what is computed.
fn on_paper(papers: &mut [Paper<'_>], recorded: Option<usize>) -> Result<Vec<Series>, ReplayError> {
    let recorded = recorded.and_then(|number| papers.get(number));
    if let Some(paper) = recorded.filter(|paper| paper.is_stale)
        && let Some(seconds) = paper.plan.timing.processor_seconds
    {
        let found = fit::factor(paper.plan, &paper.rounds.prices(), seconds);
        for paper in papers.iter_mut() {
            paper.computing = found.unwrap_or(paper.plan.timing.computing);
            paper.is_stale |= !paper.rounds.is_empty();
        }
    }
    for paper in papers.iter_mut().filter(|paper| paper.is_stale) {
        paper.series = paper.played()?;
        paper.is_stale = false;
    }
    Ok(so_far(papers))
}

fn processors() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

fn stuck(error: Stuck) -> ReplayError {
    ReplayError::Plan(error.to_string())
}

/// How often rounds of a plan are drawn anew.
fn draws(plan: &Plan) -> usize {
    affordable(plan).min(DRAWS)
}

/// How often a plan can be played on paper in a few seconds.
fn affordable(plan: &Plan) -> usize {
    let ops: usize = plan.lanes.iter().map(|lane| lane.len()).sum();
    (OPS_ON_PAPER / ops.max(1)).max(FEWEST_DRAWS)
}

/// The verdict on a ratio that was told on paper. A difference has to be larger than what times on
/// paper err by, and the bound of the interval that is nearer to 1 one that is noticed.
pub fn verdict(ratio: &Ratio, doubt: Doubt) -> Verdict {
    let nearer = (ratio.low - 1.0).max(1.0 - ratio.high);
    match Verdict::of(ratio, doubt.clone()) {
        Verdict::Faster | Verdict::Slower
            if (ratio.value - 1.0).abs() < ERROR || nearer < NEGLIGIBLE =>
        {
            Verdict::CantTell(doubt)
        }
        verdict => verdict,
    }
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
    let stands: Vec<bool> = others
        .map(|(number, one)| {
            let ratio = one.ratio(&series[base]);
            number == base || !takes_part(&number) || verdict(&ratio, Doubt::default()).stands()
        })
        .collect();
    // Nobody sits out: medians of other numbers of rounds are biased in another way, and the same
    // rounds are to be drawn for all.
    vec![stands.iter().all(|stands| *stands); rounds.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_difference_is_left_to_the_clock() {
        let told = |value: f64, low: f64, high: f64| {
            let told = verdict(&Ratio { value, low, high }, Doubt::default());
            told.name()
        };
        assert_eq!(told(0.94, 0.935, 0.945), "can't be told");
        assert_eq!(told(0.89, 0.885, 0.895), "faster");
        assert_eq!(told(0.98, 0.97, 0.99), "the same");
        // What neighbours may have made is no difference.
        assert_eq!(told(1.5, 1.02, 1.6), "can't be told");
        assert_eq!(told(1.5, 1.2, 1.6), "slower");
    }

    #[test]
    fn rounds_of_large_plans_are_drawn_less_often() {
        assert_eq!(draws(&Plan::default()), DRAWS);
    }
}

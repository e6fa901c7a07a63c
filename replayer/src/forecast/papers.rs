//! Plans on paper: what their rounds say so far, and whether that decides.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use fsreplay_results::Verdict;

use super::effort::Effort;
use super::{Asked, Calls, Forecast, verdict};
use crate::common::common;
use crate::contest::Outcome;
use crate::error::ReplayError;
use crate::estimate::{self, Series};
use crate::execute::LaneRun;
use crate::fit;
use crate::plan::Plan;
use crate::player::Played;
use crate::prices::{Contestant, OpPrices, Rounds};
use crate::simulate::{Groups, Price, Simulated, Stuck, simulate_with};

/// Rounds between two looks at whether the verdicts stand, and the fewest before the first look: an
/// interval of fewer is wide whatever was measured.
pub const LOOK: usize = 5;

/// Plans that were played on paper, with calls that take nothing.
#[derive(Default)]
pub struct Once {
    /// How long it took to play all of them.
    pub took: Duration,
    /// The tool's own time of one of them, waiting included, seconds.
    pub own_seconds: f64,
}

/// Plays all plans once.
pub fn play_once(plans: &[Plan], apart: &Groups) -> Result<Once, ReplayError> {
    // All are of one trace.
    let Some(plan) = plans.first() else {
        return Ok(Once::default());
    };
    let began = Instant::now();
    let own_seconds = own_seconds(plan, apart)?;
    let plans = u32::try_from(plans.len()).unwrap_or(u32::MAX);
    Ok(Once {
        took: began.elapsed().saturating_mul(plans),
        own_seconds,
    })
}

/// What a tool takes with calls that take nothing, what it waits for included, seconds.
///
/// # Errors
/// A plan that can't be played to its end on paper.
pub fn own_seconds(plan: &Plan, apart: &Groups) -> Result<f64, ReplayError> {
    let nothing = |_: usize, _: usize| Price::default();
    let played = simulate_with(plan.timing.computing, plan, &nothing, apart, processors());
    Ok(played.map_err(stuck)?.seconds)
}

/// All plans with their rounds.
pub struct Papers<'p> {
    each: Vec<PaperPlan<'p>>,
    /// For each of them its rounds.
    rounds: Vec<Rounds<'p>>,
    /// For each of them and its ops, whether all make it at the same place.
    common: Vec<Vec<bool>>,
    baseline: usize,
    recorded: Option<usize>,
    effort: Effort,
    budget: Duration,
    began: Instant,
    /// What all looks took.
    looked: Duration,
    stands: bool,
    /// There were rounds since the last look.
    is_stale: bool,
}

impl<'p> Papers<'p> {
    pub fn new(
        plans: &'p [Plan],
        apart: &'p Groups,
        asked: &Asked<'_>,
        effort: Effort,
    ) -> Papers<'p> {
        let each = plans.iter();
        Papers {
            each: each
                .map(|plan| PaperPlan::new(plan, apart, asked.phase, effort))
                .collect(),
            rounds: plans.iter().map(Rounds::new).collect(),
            common: common(plans),
            baseline: asked.baseline,
            recorded: asked.recorded,
            effort,
            budget: asked.budget,
            began: Instant::now(),
            looked: Duration::ZERO,
            stands: false,
            is_stale: false,
        }
    }

    /// Keeps a round of a plan.
    pub fn keep(&mut self, plan: usize, lanes: Vec<LaneRun>) {
        if let Some(rounds) = self.rounds.get_mut(plan) {
            rounds.add(lanes);
            self.is_stale = true;
        }
    }

    /// The rounds of a plan, beside those of the others.
    fn contestant(&self, number: usize) -> Contestant<'_, 'p> {
        let others = self.rounds.iter().enumerate();
        let others = others.filter(|(other, _)| *other != number);
        Contestant {
            own: &self.rounds[number],
            others: others.map(|(_, rounds)| rounds).collect(),
            common: &self.common[number],
        }
    }

    /// What each plan takes, as it was when somebody last looked.
    pub fn so_far(&self) -> Vec<Series> {
        let each = self.each.iter();
        each.map(|paper| paper.judged().clone()).collect()
    }

    /// Looks now and then, and says whether all verdicts stand.
    pub fn judge(&mut self, rounds: &[Vec<Played>]) -> bool {
        let played = rounds.iter().map(Vec::len).max().unwrap_or(0);
        if played.is_multiple_of(LOOK) && self.may_look() {
            let began = Instant::now();
            // A plan that gets stuck is told at the end.
            self.stands = self.look().is_ok() && self.stand(rounds);
            self.looked += began.elapsed();
        }
        self.stands
    }

    /// Looks take no more than half of the time, and none goes over the budget.
    fn may_look(&self) -> bool {
        let spent = self.began.elapsed();
        self.looked * 2 <= spent && spent + self.effort.look() <= self.budget
    }

    /// Whether each plan's verdict beside the baseline stands, or it was refused.
    fn stand(&self, rounds: &[Vec<Played>]) -> bool {
        let takes_part = |number: &usize| rounds.get(*number).is_some_and(|all| !all.is_empty());
        let first = (0..rounds.len()).find(takes_part);
        let base = Some(self.baseline).filter(takes_part).or(first);
        let Some(base) = base
            .and_then(|base| self.each.get(base))
            .map(|one| one.judged())
        else {
            return false;
        };
        let mut others = self.each.iter().enumerate();
        others.all(|(number, one)| {
            let ratio = one.judged().ratio(base);
            !takes_part(&number) || verdict(&ratio) != Verdict::CannotTell
        })
    }

    /// What each plan takes with the prices of all rounds.
    ///
    /// Of a calibrated trace it is known what the tool takes on processors where it was recorded. A
    /// plan that is as recorded tells how much of that calls take now, and so what is computed.
    fn look(&mut self) -> Result<(), ReplayError> {
        if !self.is_stale {
            return Ok(());
        }
        if let Some(number) = self.recorded.filter(|number| self.has_rounds(*number))
            && let Some(plan) = self.each.get(number).map(|paper| paper.plan)
            && let Some(seconds) = plan.timing.processor_seconds
        {
            let found = fit::factor(plan, &self.contestant(number).prices(), seconds);
            for paper in &mut self.each {
                paper.computing = found.unwrap_or(paper.plan.timing.computing);
            }
        }
        for number in 0..self.each.len() {
            if self.has_rounds(number) {
                self.each[number].series = self.each[number].played(&self.contestant(number))?;
            }
        }
        self.is_stale = false;
        Ok(())
    }

    fn has_rounds(&self, number: usize) -> bool {
        self.rounds
            .get(number)
            .is_some_and(|rounds| !rounds.is_empty())
    }

    /// What all rounds say.
    pub fn finish(mut self, outcome: Outcome) -> Result<Forecast, ReplayError> {
        self.look()?;
        let mut refused = outcome.refused.iter().map(|(number, _)| number);
        let is_refused = refused.any(|number| *number == self.baseline);
        let base = self.each.get(self.baseline).filter(|_| !is_refused);
        let calls = base.map(|base| Calls {
            prices: self.contestant(self.baseline).prices(),
            computing: base.computing,
        });
        for (number, _) in outcome.refused.iter().rev() {
            self.each.remove(*number);
            self.rounds.remove(*number);
            self.common.remove(*number);
        }
        for (number, rounds) in outcome.rounds.iter().enumerate() {
            // One that was broken off is none.
            let rounds = self.each[number].each_round(&self.contestant(number), rounds.len())?;
            self.each[number].judged_mut().rounds = rounds;
        }
        Ok(Forecast {
            series: self.so_far(),
            outcome,
            phases: self
                .each
                .into_iter()
                .map(|paper| paper.series.phases)
                .collect(),
            calls,
        })
    }
}

/// A plan, and what its rounds said when somebody last looked.
struct PaperPlan<'p> {
    plan: &'p Plan,
    apart: &'p Groups,
    phase: Option<usize>,
    effort: Effort,
    /// What recorded computing is multiplied by.
    computing: f64,
    series: Works,
}

/// What the tool works.
#[derive(Default)]
struct Works {
    all: Series,
    phases: Vec<Series>,
}

impl<'p> PaperPlan<'p> {
    fn new(
        plan: &'p Plan,
        apart: &'p Groups,
        phase: Option<usize>,
        effort: Effort,
    ) -> PaperPlan<'p> {
        PaperPlan {
            plan,
            apart,
            phase,
            effort,
            computing: plan.timing.computing,
            series: Works::default(),
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

    fn simulated(&self, prices: &OpPrices) -> Result<Simulated, ReplayError> {
        let found = simulate_with(self.computing, self.plan, prices, self.apart, processors());
        found.map_err(stuck)
    }

    /// What each round by itself says of what the verdict is of; of large plans some of them.
    fn each_round(
        &self,
        rounds: &Contestant<'_, '_>,
        most: usize,
    ) -> Result<Vec<f64>, ReplayError> {
        let rounds = rounds.each().take(self.effort.single.min(most));
        let played = rounds.map(|prices| {
            let found = self.simulated(&prices)?;
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
    fn played(&self, rounds: &Contestant<'_, '_>) -> Result<Works, ReplayError> {
        let whole = self.simulated(&rounds.prices())?;
        let quick = self.simulated(&rounds.quick_prices())?;
        let drawn: Vec<Simulated> = rounds
            .drawn_anew(self.effort.draws)
            .map(|prices| self.simulated(&prices))
            .collect::<Result<_, _>>()?;
        let series = |seconds: &dyn Fn(&Simulated) -> f64| Series {
            rounds: Vec::new(),
            paper: Some(estimate::Paper {
                seconds: seconds(&whole),
                quick: seconds(&quick),
                rounds: rounds.own.len(),
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

fn processors() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

fn stuck(error: Stuck) -> ReplayError {
    ReplayError::Plan(error.to_string())
}

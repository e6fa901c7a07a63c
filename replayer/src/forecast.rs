//! What a tool would take on each of several mounts, told on paper.
//!
//! Mounts differ in what calls take. So the calls are played on all mounts in turn, and what each
//! of them takes ([`crate::prices`]) is put into the plan: the tool's own computing, sleeping and
//! waiting comes from the trace ([`crate::simulate`]). A busy neighbour, who makes some calls of
//! each round long, moves the typical time of hardly any.
//!
//! On local mounts they are played as fast as possible. That takes as long as the calls and not as
//! the tool.
//!
//! On shares, what a call takes depends on what went before it (`tempo`): there, calls are played
//! with the tool's own time between them.

mod effort;
mod papers;
mod tempo;

use std::cell::RefCell;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use fsreplay_measure::contest::Standing;
use fsreplay_measure::estimate::Estimate as Ratio;
use fsreplay_measure::verdict::NEGLIGIBLE;
use fsreplay_results::{PAPER_ERROR, Verdict};

use crate::contest::{Judged, Outcome, contest_with};
use crate::error::ReplayError;
use crate::estimate::Series;
use crate::options::{PlayOptions, Stage};
use crate::plan::Plan;
use crate::player::Played;
use crate::prices::OpPrices;
use crate::simulate::Groups;
use effort::Effort;
pub use papers::own_seconds;
use papers::{LOOK, Papers};
pub use tempo::timings;

/// When to stop, and who is told meanwhile.
pub struct Asked<'a> {
    /// What all rounds together may take, and working times out from them.
    pub budget: Duration,
    /// Number of the plan that the others are compared with.
    pub baseline: usize,
    /// Numbers of plans without which nobody wants the others.
    pub needed: &'a [usize],
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

/// Rounds of all plans, and from them what the tool takes with each plan that was not refused. The
/// timing of the rounds is chosen here, whatever `options` says.
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
    let began = Instant::now();
    let apart = Groups::in_phases(asked.phases.to_vec());
    let once = papers::play_once(plans, &apart)?;
    let effort = Effort::within(asked.budget, once.took);
    let timings = timings(plans, once.own_seconds, asked.budget);
    // What is worked out after the last round is within the budget, too.
    let at_the_end = effort.at_the_end() + began.elapsed();
    let papers = RefCell::new(Papers::new(plans, &apart, &asked, effort));
    let outcome = contest_with(
        plans,
        options,
        &timings,
        Judged {
            budget: Some(asked.budget.saturating_sub(at_the_end)),
            least: LOOK as u32,
            needed: asked.needed,
            judge: &mut |rounds| papers.borrow_mut().judge(rounds),
            told: &mut |standing| (asked.told)(&papers.borrow().so_far(), standing),
        },
        &mut |plan, lanes| papers.borrow_mut().keep(plan, lanes),
        cancelled,
        progress,
    )?;
    papers.into_inner().finish(outcome)
}

/// The verdict on a ratio that was told on paper. A difference has to be larger than what times on
/// paper err by, and the bound of the interval that is nearer to 1 one that is noticed. Where the
/// whole interval lies within that error, there is no difference that paper can tell.
pub fn verdict(ratio: &Ratio) -> Verdict {
    let nearer = (ratio.low - 1.0).max(1.0 - ratio.high);
    let (least, most) = (1.0 - PAPER_ERROR, 1.0 + PAPER_ERROR);
    if least <= ratio.low && ratio.high <= most {
        Verdict::Within
    } else if ratio.value <= least && nearer >= NEGLIGIBLE {
        Verdict::Faster
    } else if ratio.value >= most && nearer >= NEGLIGIBLE {
        Verdict::Slower
    } else {
        Verdict::CannotTell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_difference_is_left_to_the_clock_and_none_is_no_more_than_paper_can_tell() {
        let told = |value: f64, low: f64, high: f64| verdict(&Ratio { value, low, high });
        assert_eq!(told(0.89, 0.885, 0.895), Verdict::Faster);
        assert_eq!(told(0.91, 0.88, 0.93), Verdict::CannotTell);
        // A method that errs by 10 % can't say that two are the same within 5, and needn't go on
        // until it could.
        assert_eq!(told(1.0, 1.0, 1.0), Verdict::Within);
        assert_eq!(told(0.94, 0.935, 0.945), Verdict::Within);
        assert_eq!(told(1.0, 0.93, 1.07), Verdict::Within);
        assert_eq!(told(1.0, 0.85, 1.07), Verdict::CannotTell);
        // What neighbours may have made is no difference.
        assert_eq!(told(1.5, 1.02, 1.6), Verdict::CannotTell);
        assert_eq!(told(1.5, 1.2, 1.6), Verdict::Slower);
    }
}

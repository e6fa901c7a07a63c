//! Several contestants in turn, round by round, until every verdict stands or the budget is spent.
//!
//! In turn, so that what the machine does meanwhile meets all of them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::estimate::median;

/// Something that plays rounds of contestants, and has a clock.
pub trait Rig {
    /// What a round gives.
    type Round;
    /// What can go wrong.
    type Error;

    /// How many contestants there are; they have the numbers below it.
    fn contestants(&self) -> usize;

    /// Plays a round of one contestant. Round 0 is there to warm up, and isn't kept.
    ///
    /// # Errors
    /// A [`Failure`] says what becomes of the others.
    fn round(
        &mut self,
        contestant: usize,
        number: u32,
    ) -> Result<Self::Round, Failure<Self::Error>>;

    /// Time since some fixed moment.
    fn now(&self) -> Duration;
}

/// Why a round of a contestant was not played to its end.
#[derive(Debug)]
pub enum Failure<E> {
    /// This contestant can't take part, and left nothing behind; others go on without it.
    Refused(E),
    /// The user has asked to stop.
    Interrupted,
    /// Nobody can go on.
    Broken(E),
}

/// When to stop.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What all rounds together may take; none if that has no bound. One whole round is always
    /// played.
    pub budget: Option<Duration>,
    /// Fewest rounds before a verdict may end it, and the most there are.
    pub rounds: RangeInclusive<u32>,
    /// Whether each contestant first plays a round that isn't kept. It is within the budget.
    pub warm_up: bool,
    /// Contestants without which nobody wants the others: their refusal is an error. They begin
    /// the very first round, so that it is told before others have played.
    pub needed: Vec<usize>,
}

impl Rule {
    /// Who plays after whom in a round. Each begins in turn, so that nobody always comes after the
    /// same one; only in the very first round those that are needed come before all others.
    fn order(&self, number: u32, count: usize) -> Vec<usize> {
        let in_turn = (0..count).map(|turn| (turn + number as usize) % count);
        let mut order: Vec<usize> = in_turn.collect();
        if number == u32::from(!self.warm_up) {
            order.sort_by_key(|contestant| !self.needed.contains(contestant));
        }
        order
    }
}

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every verdict stands.
    Decided,
    /// There were as many rounds as there may be.
    Rounds,
    /// Another round would have gone over the budget.
    Budget,
    /// The user has asked to stop.
    Interrupted,
}

/// What a contest gave.
#[derive(Debug)]
pub struct Outcome<R, E> {
    /// For each contestant, its rounds: as many of all, and none of those that were refused.
    pub rounds: Vec<Vec<R>>,
    /// Contestants that can't take part, in order, and why.
    pub refused: Vec<(usize, E)>,
    /// Why it ended.
    pub end: End,
}

/// What is told after each whole round.
#[derive(Debug)]
pub struct Standing<'r, R> {
    /// The rounds so far, as in [`Outcome::rounds`].
    pub rounds: &'r [Vec<R>],
    /// Whether all verdicts stand. Nothing stands before the fewest rounds.
    pub stands: bool,
    /// Time since the beginning.
    pub spent: Duration,
    /// How long it may still take: less, if verdicts stand before. None if nothing bounds it.
    pub left: Option<Duration>,
}

/// Plays rounds of all contestants, each beginning in turn, until `rule` says to stop.
///
/// `judge` gets the rounds so far, as in [`Outcome::rounds`], and says whether all verdicts stand:
/// more rounds are of no use then. Nobody sits out before: medians of other numbers of rounds are
/// biased in another way. Of the last contestant that isn't refused a refusal is an error. When
/// `cancelled` becomes true, the round that isn't whole is dropped.
///
/// # Errors
/// What the rig gives as [`Failure::Broken`], or as [`Failure::Refused`] of the last contestant or
/// of one that is needed.
pub fn contest<R: Rig>(
    rig: &mut R,
    rule: &Rule,
    cancelled: &AtomicBool,
    mut judge: impl FnMut(&[Vec<R::Round>]) -> bool,
    mut told: impl FnMut(&Standing<'_, R::Round>),
) -> Result<Outcome<R::Round, R::Error>, R::Error> {
    let begin = rig.now();
    let mut field = Field {
        rounds: (0..rig.contestants()).map(|_| Vec::new()).collect(),
        refused: BTreeMap::new(),
    };
    let mut pace = Pace::default();
    let mut stands = false;
    let mut number = u32::from(!rule.warm_up);
    let end = loop {
        if number > *rule.rounds.end() {
            break End::Rounds;
        }
        let began = rig.now();
        let Some(played) = field.round(rig, number, rule, cancelled)? else {
            break End::Interrupted;
        };
        let now = rig.now();
        pace.costs.push(now.saturating_sub(began).as_secs_f64());
        number += 1;
        // The first one that was played was to warm up.
        if rule.warm_up && number == 1 {
            continue;
        }
        field.keep(played);
        let is_early = number <= *rule.rounds.start();
        if !is_early {
            stands = judge(&field.rounds);
        }
        let spent = now.saturating_sub(begin);
        told(&Standing {
            rounds: &field.rounds,
            stands,
            spent,
            left: pace.left(rule, number, spent),
        });
        if stands {
            break End::Decided;
        }
        if rule
            .budget
            .is_some_and(|budget| spent + pace.next() > budget)
        {
            break End::Budget;
        }
    };
    Ok(Outcome {
        rounds: field.rounds,
        refused: field.refused.into_iter().collect(),
        end,
    })
}

/// The contestants, and what they have played.
struct Field<R, E> {
    rounds: Vec<Vec<R>>,
    refused: BTreeMap<usize, E>,
}

impl<R, E> Field<R, E> {
    /// One round of each; none if it was interrupted.
    fn round<G: Rig<Round = R, Error = E>>(
        &mut self,
        rig: &mut G,
        number: u32,
        rule: &Rule,
        cancelled: &AtomicBool,
    ) -> Result<Option<Vec<(usize, R)>>, E> {
        let count = self.rounds.len();
        let mut played = Vec::with_capacity(count);
        for contestant in rule.order(number, count) {
            if self.refused.contains_key(&contestant) {
                continue;
            }
            if cancelled.load(Ordering::Relaxed) {
                return Ok(None);
            }
            match rig.round(contestant, number) {
                Ok(round) => played.push((contestant, round)),
                Err(Failure::Interrupted) => return Ok(None),
                Err(Failure::Refused(error))
                    if self.refused.len() + 1 < count && !rule.needed.contains(&contestant) =>
                {
                    self.refused.insert(contestant, error);
                    self.rounds[contestant].clear();
                }
                Err(Failure::Refused(error) | Failure::Broken(error)) => return Err(error),
            }
        }
        Ok(Some(played))
    }

    fn keep(&mut self, played: Vec<(usize, R)>) {
        for (contestant, round) in played {
            self.rounds[contestant].push(round);
        }
    }
}

/// How long rounds take, all contestants together.
#[derive(Default)]
struct Pace {
    /// Of each so far, seconds.
    costs: Vec<f64>,
}

impl Pace {
    /// What the next one will take. The median: one that was slowed says little of the next. The
    /// first one says nothing of others, as soon as there are any: it makes what all need.
    fn next(&self) -> Duration {
        let costs = match self.costs.as_slice() {
            [_, others @ ..] if !others.is_empty() => others,
            all => all,
        };
        Duration::try_from_secs_f64(median(costs)).unwrap_or(Duration::MAX)
    }

    /// `number` is that of the next round.
    fn left(&self, rule: &Rule, number: u32, spent: Duration) -> Option<Duration> {
        let rounds = rule.rounds.end().saturating_sub(number - 1);
        let by_rounds = self.next().saturating_mul(rounds);
        let by_budget = rule.budget.map(|budget| budget.saturating_sub(spent));
        let has_bound = *rule.rounds.end() < u32::MAX;
        match by_budget {
            Some(budget) => Some(budget.min(by_rounds)),
            None => has_bound.then_some(by_rounds),
        }
    }
}

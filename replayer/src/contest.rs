//! Several targets in turn: round by round, so that what the machine does meanwhile meets all of
//! them.

use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fsreplay_measure::contest::{self, End, Failure, Rig, Rule, Standing};

use crate::cache::Cache;
use crate::error::ReplayError;
use crate::execute::LaneRun;
use crate::options::{PlayOptions, Stage};
use crate::plan::Plan;
use crate::play::{Umask, clean_targets};
use crate::player::Played;
use crate::preflight::{fit_together, preflight};
use crate::side_by_side::side_by_side;
use crate::timing::Timing;
use crate::twin::Twin;

/// What a contest gave.
#[derive(Debug)]
pub struct Outcome {
    /// For each plan, the rounds that all plans went through.
    pub rounds: Vec<Vec<Played>>,
    /// Why there are no more rounds.
    pub end: End,
    /// Directories that could not be removed.
    pub left: Vec<ReplayError>,
    /// Plans whose targets can't hold the tree, in order, and why; they are not among the rounds.
    pub refused: Vec<(usize, ReplayError)>,
}

/// When a contest is over.
pub struct Judged<'j> {
    /// What all rounds together may take, putting the trees back included. One whole round is
    /// always played.
    pub budget: Option<Duration>,
    /// Rounds before a verdict may end it. The most there are is in [`PlayOptions::rounds`].
    pub least: u32,
    /// Numbers of plans without which nobody wants the others: they begin, and if their target
    /// can't be used, that is an error.
    pub needed: &'j [usize],
    /// From the rounds so far to whether all verdicts stand; a plan that was refused has none.
    pub judge: &'j mut dyn FnMut(&[Vec<Played>]) -> bool,
    /// Is told after each whole round.
    pub told: &'j mut dyn FnMut(&Standing<'_, Played>),
}

/// Plays plans in turn until all verdicts stand, the budget is spent, or there were as many rounds
/// as [`PlayOptions::rounds`] says. When `cancelled` becomes true, the rounds that were whole by
/// then are kept; without any, that is an error. `progress` is told the plan, and what happens to
/// it.
///
/// # Errors
/// A target that can't be used, where it is the last one or needed; anything else that ends a
/// replay.
pub fn contest_until(
    plans: &[Plan],
    options: PlayOptions,
    judged: Judged<'_>,
    cancelled: &AtomicBool,
    progress: &(dyn Fn(usize, Stage) + Sync),
) -> Result<Outcome, ReplayError> {
    let timings = vec![options.timing; plans.len()];
    contest_with(
        plans,
        options,
        &timings,
        judged,
        &mut |_, _| (),
        cancelled,
        progress,
    )
}

/// Takes what the lanes of a round of a plan did.
pub(crate) type Keep<'k> = dyn FnMut(usize, Vec<LaneRun>) + 'k;

/// The same, with a timing for each plan in place of that of the options, and with what the lanes
/// did in each round that counts.
pub(crate) fn contest_with(
    plans: &[Plan],
    options: PlayOptions,
    timings: &[Timing],
    judged: Judged<'_>,
    keep: &mut Keep<'_>,
    cancelled: &AtomicBool,
    progress: &(dyn Fn(usize, Stage) + Sync),
) -> Result<Outcome, ReplayError> {
    for plan in plans {
        clean_targets(plan);
    }
    let _umask = Umask::clear();
    let mut trees = Trees {
        plans,
        needed: judged.needed,
        looks: plans.iter().map(|_| Look::ToCome).collect(),
        has_begun: false,
        left: Vec::new(),
        players: plans
            .iter()
            .zip(timings)
            .map(|(plan, timing)| {
                let timing = *timing;
                Twin::new(plan, PlayOptions { timing, ..options })
            })
            .collect(),
        keep,
        cancelled,
        progress,
        began: Instant::now(),
    };
    let rule = Rule {
        budget: judged.budget,
        rounds: judged.least..=options.rounds,
        warm_up: options.cache == Cache::Warm,
        needed: judged.needed.to_vec(),
    };
    let outcome = contest::contest(&mut trees, &rule, cancelled, judged.judge, judged.told)?;
    let mut left = trees.left;
    left.extend(removed(trees.players));
    let mut rounds = outcome.rounds;
    for (number, _) in outcome.refused.iter().rev() {
        rounds.remove(*number);
    }
    if rounds.iter().any(Vec::is_empty) {
        for left in left {
            tracing::warn!("{left}");
        }
        return Err(ReplayError::Cancelled);
    }
    Ok(Outcome {
        rounds,
        end: outcome.end,
        left,
        refused: outcome.refused,
    })
}

/// Removes the trees of all, side by side. Gives the directories that could not be removed.
fn removed(twins: Vec<Twin<'_>>) -> Vec<ReplayError> {
    let mut before = Vec::new();
    let mut players = Vec::new();
    for twin in twins {
        let (own, left) = twin.into_players();
        players.extend(own);
        before.extend(left);
    }
    let all = Mutex::new(before);
    side_by_side(players, |player| {
        let left = player.end().left;
        all.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(left);
    });
    all.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The trees of all plans.
struct Trees<'t, 'k> {
    plans: &'t [Plan],
    /// Numbers of plans without which nobody wants the others.
    needed: &'t [usize],
    /// What is known of each plan's target.
    looks: Vec<Look>,
    has_begun: bool,
    /// Directories that could not be removed.
    left: Vec<ReplayError>,
    players: Vec<Twin<'t>>,
    keep: &'t mut Keep<'k>,
    cancelled: &'t AtomicBool,
    progress: &'t (dyn Fn(usize, Stage) + Sync),
    began: Instant,
}

/// What a look at a target found.
enum Look {
    /// It is looked at when its turn comes.
    ToCome,
    Usable,
    /// The round that comes tells it.
    Refused(ReplayError),
}

impl Look {
    fn at(plan: &Plan) -> Look {
        preflight(plan).map_or_else(Look::Refused, |()| Look::Usable)
    }
}

impl Trees<'_, '_> {
    /// Looks at all targets, and makes the trees side by side: most of it is waiting for file
    /// systems.
    ///
    /// # Errors
    /// What is wrong with a target that is needed: then nobody has to wait for others.
    fn begin(&mut self) -> Result<(), ReplayError> {
        self.has_begun = true;
        let mut looks: Vec<Look> = self.plans.iter().map(Look::at).collect();
        for number in self.needed {
            if let Look::Refused(error) = std::mem::replace(&mut looks[*number], Look::Usable) {
                return Err(error);
            }
        }
        if !fit_together(self.plans) {
            return Ok(());
        }
        self.looks = looks;
        let (cancelled, progress) = (self.cancelled, self.progress);
        let all = self.players.iter_mut().zip(&self.looks).enumerate();
        let usable = all.filter(|(_, (_, look))| matches!(look, Look::Usable));
        let players = usable.map(|(number, (player, _))| (number, player));
        side_by_side(players.collect(), |(number, player)| {
            player.make_ahead(cancelled, &|stage| progress(number, stage));
        });
        if self.players.iter().any(Twin::lacks_room) {
            self.begin_again();
        }
        Ok(())
    }

    /// What a file system says to be free may not be had, or not by all at once. Then each tree is
    /// made when its turn comes, those first that are needed.
    fn begin_again(&mut self) {
        self.looks.fill_with(|| Look::ToCome);
        for player in &mut self.players {
            self.left.extend(player.clear().err());
        }
    }
}

impl Rig for Trees<'_, '_> {
    type Round = Played;
    type Error = ReplayError;

    fn contestants(&self) -> usize {
        self.players.len()
    }

    fn round(&mut self, contestant: usize, number: u32) -> Result<Played, Failure<ReplayError>> {
        if !self.has_begun {
            self.begin().map_err(Failure::Broken)?;
        }
        let mut look = std::mem::replace(&mut self.looks[contestant], Look::Usable);
        if matches!(look, Look::ToCome) {
            look = Look::at(&self.plans[contestant]);
        }
        if let Look::Refused(error) = look {
            return Err(if error.is_target() {
                Failure::Refused(error)
            } else {
                Failure::Broken(error)
            });
        }
        let player = &mut self.players[contestant];
        let progress = |stage| (self.progress)(contestant, stage);
        match player.priced_round(number, self.cancelled, &progress) {
            Ok((played, lanes)) => {
                if number > 0 {
                    (self.keep)(contestant, lanes);
                }
                Ok(played)
            }
            Err(ReplayError::Cancelled) => Err(Failure::Interrupted),
            Err(error) if error.is_target() => {
                player.clear().map_err(Failure::Broken)?;
                Err(Failure::Refused(error))
            }
            Err(error) => Err(Failure::Broken(error)),
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

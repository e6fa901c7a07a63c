//! From plans to what the tool takes with each of them: on paper, or by the clock.

use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use fsreplay_measure::contest::{End, Standing};
use fsreplay_measure::machine::Look;
use fsreplay_replayer::contest::{Judged, contest_until};
use fsreplay_replayer::estimate::Series;
use fsreplay_replayer::forecast::{self, Calls, Forecast, forecast};
use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::{Cache, PlayOptions, Played, ReplayError, Timing};
use fsreplay_results::compare::Method;
use fsreplay_results::timeline::Phase;

use crate::error::Error;
use crate::observer::{Extent, Observer, SoFar};
use crate::planning;

/// What a comparison may take, unless something else is asked for.
pub const BUDGET: Duration = Duration::from_secs(30);
/// More rounds tell nothing that anyone would wait for.
const MOST_ROUNDS: u32 = 1000;
/// Rounds by the clock, unless something else is asked for.
const CLOCK_ROUNDS: u32 = 10;

/// What is asked for.
pub struct Asked<'a> {
    /// One for each contestant.
    pub plans: &'a [Plan],
    /// What they are called.
    pub names: Vec<String>,
    /// Number of the one that others are compared with.
    pub baseline: usize,
    /// Numbers of those without which nobody wants the others.
    pub needed: &'a [usize],
    /// Phases that are told apart, in order.
    pub phases: &'a [Phase],
    /// The one of them that the verdicts are of; none where they are of all that the tool does.
    pub phase: Option<usize>,
    /// Number of the one that is as it was recorded, if there is one.
    pub recorded: Option<usize>,
    /// With or without the tool's own time.
    pub timing: Timing,
    /// With the tool's own time: by the clock, and not on paper.
    pub precise: bool,
    /// Rounds at most.
    pub rounds: Option<u32>,
    /// What all rounds together may take, and working times out from them.
    pub budget: Option<Duration>,
    /// State of the page cache when a round begins.
    pub cache: Option<Cache>,
    /// Who is told meanwhile.
    pub observer: &'a dyn Observer,
}

/// What was found.
pub struct Found {
    /// How.
    pub method: Method,
    /// For each plan that was not refused, its rounds.
    pub rounds: Vec<Vec<Played>>,
    /// And what the tool takes.
    pub series: Vec<Series>,
    /// For each of these plans, what it takes in each phase, where that was told on paper.
    pub in_phases: Vec<Vec<Series>>,
    /// What calls take with the baseline, where it was told on paper.
    pub calls: Option<Calls>,
    /// Why there are no more rounds.
    pub end: End,
    /// What they were allowed to take.
    pub budget: Option<Duration>,
    /// The part of the processors that others had meanwhile, where it is known.
    pub others: Option<f64>,
    /// Directories that could not be removed.
    pub left: Vec<ReplayError>,
    /// Plans whose targets can't hold the tree, and why.
    pub refused: Vec<(usize, ReplayError)>,
}

/// Measures.
pub fn measure(asked: Asked<'_>, cancelled: &AtomicBool) -> Result<Found, Error> {
    let method = method(asked.timing, asked.precise);
    let before = Look::now();
    let (budget, found) = if method == Method::Paper {
        on_paper(&asked, cancelled)?
    } else {
        by_the_clock(&asked, cancelled)?
    };
    let meanwhile = before.until(&Look::now());
    let Forecast {
        outcome,
        series,
        phases: in_phases,
        calls,
    } = found;
    Ok(Found {
        method,
        rounds: outcome.rounds,
        series,
        in_phases,
        calls,
        end: outcome.end,
        budget,
        others: meanwhile.others,
        left: outcome.left,
        refused: outcome.refused,
    })
}

fn method(timing: Timing, precise: bool) -> Method {
    match timing {
        Timing::Fast => Method::Fast,
        Timing::Scaled(1.0) if !precise => Method::Paper,
        Timing::Scaled(_) => Method::Paced,
    }
}

/// What the rounds were allowed to take, and what was found.
type Measured = (Option<Duration>, Forecast);

fn on_paper(asked: &Asked<'_>, cancelled: &AtomicBool) -> Result<Measured, Error> {
    let budget = asked.budget.unwrap_or(BUDGET);
    let options = PlayOptions {
        rounds: asked.rounds.unwrap_or(MOST_ROUNDS),
        keep: false,
        timing: Timing::Fast,
        cache: asked.cache.unwrap_or(Cache::Warm),
    };
    let observer = asked.observer;
    observer.begins(&asked.names, Extent::Budget(budget));
    let mut told = |series: &[Series], standing: &Standing<'_, Played>| {
        observer.so_far(&so_far(series, asked.baseline, standing.rounds));
    };
    let number = |event: u64| u32::try_from(event).unwrap_or(u32::MAX);
    let phases: Vec<Range<u32>> = asked
        .phases
        .iter()
        .map(|phase| number(phase.first_event)..number(phase.end_event))
        .collect();
    let found = forecast(
        asked.plans,
        options,
        forecast::Asked {
            budget,
            baseline: asked.baseline,
            needed: asked.needed,
            phases: &phases,
            phase: asked.phase,
            recorded: asked.recorded,
            told: &mut told,
        },
        cancelled,
        &|number, stage| observer.stage(number, stage),
    );
    observer.ends();
    Ok((Some(budget), found.map_err(stopped)?))
}

fn by_the_clock(asked: &Asked<'_>, cancelled: &AtomicBool) -> Result<Measured, Error> {
    let rounds = match (asked.rounds, asked.budget) {
        (Some(rounds), _) => rounds,
        (None, Some(_)) => MOST_ROUNDS,
        (None, None) => CLOCK_ROUNDS,
    };
    let options = PlayOptions {
        rounds,
        keep: false,
        timing: asked.timing,
        cache: planning::cache(asked.cache, asked.timing),
    };
    let observer = asked.observer;
    let extent = asked.budget.map_or(Extent::Rounds(rounds), Extent::Budget);
    observer.begins(&asked.names, extent);
    let judged = Judged {
        budget: asked.budget,
        least: rounds,
        needed: asked.needed,
        judge: &mut |_| false,
        told: &mut |_| (),
    };
    let found = contest_until(asked.plans, options, judged, cancelled, &|number, stage| {
        observer.stage(number, stage);
    });
    observer.ends();
    let outcome = found.map_err(stopped)?;
    let times = |rounds: &Vec<Played>| {
        let rounds = rounds.iter().map(|played| played.round.wall_seconds);
        Series::of(rounds.collect())
    };
    let series = outcome.rounds.iter().map(times).collect();
    let found = Forecast {
        outcome,
        series,
        phases: Vec::new(),
        calls: None,
    };
    Ok((asked.budget, found))
}

/// What the tool takes so far with each that takes part; those without rounds are left out.
fn so_far(series: &[Series], baseline: usize, rounds: &[Vec<Played>]) -> Vec<SoFar> {
    let Some(base) = series.get(baseline).filter(|base| !base.is_empty()) else {
        return Vec::new();
    };
    let takes_part = |number: usize| rounds.get(number).is_some_and(|all| !all.is_empty());
    let each = series.iter().enumerate();
    each.filter(|(number, _)| takes_part(*number))
        .map(|(number, one)| {
            let ratio = one.ratio(base);
            SoFar {
                number,
                seconds: one.beside(base).0.value,
                ratio: (number != baseline).then_some((ratio.low, ratio.high)),
            }
        })
        .collect()
}

/// A replay's failure; the user's own wish to stop is only one if there is nothing to show for it.
fn stopped(error: ReplayError) -> Error {
    match error {
        ReplayError::Cancelled => Error::Stopped,
        error => error.into(),
    }
}

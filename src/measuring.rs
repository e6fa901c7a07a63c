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

use crate::exit::{self, Failure};
use crate::planning;
use crate::progress::Progress;

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
    /// What all rounds together may take.
    pub budget: Option<Duration>,
    /// State of the page cache when a round begins.
    pub cache: Option<Cache>,
    /// Draw nothing.
    pub quiet: bool,
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
pub fn measure(asked: Asked<'_>, cancelled: &AtomicBool) -> Result<Found, Failure> {
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

fn on_paper(asked: &Asked<'_>, cancelled: &AtomicBool) -> Result<Measured, Failure> {
    let budget = asked.budget.unwrap_or(BUDGET);
    let options = PlayOptions {
        rounds: asked.rounds.unwrap_or(MOST_ROUNDS),
        keep: false,
        timing: Timing::Fast,
        cache: asked.cache.unwrap_or(Cache::Warm),
    };
    let progress = Progress::within(asked.quiet, asked.names.clone(), budget);
    let mut told = |series: &[Series], standing: &Standing<'_, Played>| {
        progress.so_far(series, asked.baseline, standing.rounds);
    };
    let number = |event: u64| u32::try_from(event).unwrap_or(u32::MAX);
    let phases = asked.phases.iter();
    let phases: Vec<Range<u32>> = phases
        .map(|phase| number(phase.first_event)..number(phase.end_event))
        .collect();
    let found = forecast(
        asked.plans,
        options,
        forecast::Asked {
            budget,
            baseline: asked.baseline,
            phases: &phases,
            phase: asked.phase,
            recorded: asked.recorded,
            told: &mut told,
        },
        cancelled,
        &|number, stage| progress.show(number, stage),
    );
    progress.end();
    Ok((Some(budget), found.map_err(stopped)?))
}

fn by_the_clock(asked: &Asked<'_>, cancelled: &AtomicBool) -> Result<Measured, Failure> {
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
    let progress = asked.budget.map_or_else(
        || Progress::new(asked.quiet, asked.names.clone(), rounds),
        |budget| Progress::within(asked.quiet, asked.names.clone(), budget),
    );
    let judged = Judged {
        budget: asked.budget,
        least: rounds,
        judge: &mut |rounds| vec![false; rounds.len()],
        told: &mut |_| (),
    };
    let found = contest_until(asked.plans, options, judged, cancelled, &|number, stage| {
        progress.show(number, stage);
    });
    progress.end();
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

/// A replay's failure; the user's own wish to stop is only one if there is nothing to show for it.
fn stopped(error: ReplayError) -> Failure {
    match error {
        ReplayError::Cancelled => Failure::new(
            exit::FAILURE,
            "stopped before each target had a whole round: there is nothing to compare; \
             the replayed trees were removed, unless a warning says otherwise",
        ),
        error => planning::failure(error),
    }
}

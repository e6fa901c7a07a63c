//! From what was measured to the result of a comparison.

use std::collections::{HashMap, HashSet};

use fsreplay_measure::estimate::median;
use fsreplay_measure::verdict::Doubt;
use fsreplay_replayer::Played;
use fsreplay_replayer::plan::Plan;
use fsreplay_results::SCHEMA_VERSION;
use fsreplay_results::compare::{
    Compare, Directory, Method, Neutral, Ratio, Target as Found, TargetPhase, Unfit,
};

use crate::caveats::{self, Caveat};
use crate::machine::machine;
use crate::measured::{Measured, causes, fidelity, walls};
use crate::origin;
use crate::rank::{judged, unranked};
use crate::sentence;

/// The result of what was measured.
pub(crate) fn of(measured: Measured<'_>) -> Compare {
    let baseline = measured.targets[measured.baseline].name.clone();
    let mut targets: Vec<Found> = (0..measured.targets.len())
        .map(|number| target(&measured, number, &baseline))
        .collect();
    keep_most_costly(&mut targets);
    let unrecorded = measured.described.unrecorded.caveat();
    let caveats = told(&targets, &measured.unfit, unrecorded.as_ref());
    let cache = measured.rounds.first().and_then(|rounds| rounds.last());
    let moved = measured.moved.iter();
    let notes = measured.plans.first();
    let phases = measured.described.phases;
    let mut result = Compare {
        schema_version: SCHEMA_VERSION,
        trace: measured.described.trace,
        machine: machine(),
        timing: measured.options.timing.to_string(),
        method: measured.method,
        share: measured.share,
        phase: measured
            .phase
            .and_then(|phase| phases.get(phase))
            .map(|one| one.name.clone()),
        phases,
        others_share: measured.others,
        cache: cache.map_or("", |played| played.cache).to_owned(),
        rounds_asked: measured.options.rounds.map(u64::from),
        interrupted: measured.interrupted,
        moved: moved
            .map(|path| String::from_utf8_lossy(path).into_owned())
            .collect(),
        neutral: Some(Neutral {
            path: measured.neutral.display().to_string(),
            what: "everything that is not moved".into(),
        }),
        baseline,
        targets,
        unfit: measured.unfit,
        caveats,
        unrecorded: measured.described.unrecorded.calls,
        notes: notes.map_or_else(Vec::new, |plan| plan.notes.clone()),
        ..Compare::default()
    };
    let is_withheld = unrecorded.is_some_and(|caveat| caveat.withholds);
    result.sentence = sentence::sentence(&result, is_withheld);
    // Behind the answer, as the answer stands for all that.
    let of_origin = origin::sentences(&measured.described.header);
    result.caveats.extend(of_origin);
    let known = measured
        .described
        .time
        .and_then(|time| time.processor_seconds);
    if known.is_none() && measured.method != Method::Fast {
        let caveat = caveats::uncalibrated();
        result.caveats.push(caveats::sentence(None, &caveat.text));
    }
    result
}

/// What to know before believing a comparison, in sentences.
fn told(targets: &[Found], unfit: &[Unfit], unrecorded: Option<&Caveat>) -> Vec<String> {
    let left_out = unfit
        .iter()
        .map(|one| format!("{} is left out: {}.", one.name, one.reason));
    let of_targets = targets.iter().flat_map(|target| {
        let texts = target.caveats.iter();
        texts.map(|text| caveats::sentence(Some(&target.name), text))
    });
    let of_trace = unrecorded.map(|caveat| caveats::sentence(None, &caveat.text));
    left_out.chain(of_targets).chain(of_trace).collect()
}

fn target(measured: &Measured<'_>, number: usize, baseline: &str) -> Found {
    let (target, plan) = (&measured.targets[number], &measured.plans[number]);
    let rounds = &measured.rounds[number];
    let (series, base) = (
        &measured.series[number],
        &measured.series[measured.baseline],
    );
    let is_baseline = number == measured.baseline;
    let worst = rounds.iter().max_by_key(|played| played.round.divergences);
    let last = rounds.last().map(|played| &played.round);
    let told = worst.map_or_else(Vec::new, |played| caveats::of_outcomes(&played.groups));
    let (time, ratio) = series.beside(base);
    let unranked = unranked(measured, number, &told);
    let (verdict, reason) = judged(
        &series.ratio(base),
        measured.method,
        doubt(measured, number),
        is_baseline,
        unranked,
    );
    Found {
        name: target.name.clone(),
        path: target.dir.display().to_string(),
        class: target.class.to_owned(),
        fs_type: target.fs_type.clone(),
        seconds: if is_baseline { series.time() } else { time },
        rounds: series.rounds.clone(),
        wall_seconds: walls(rounds),
        file_system_seconds: median(&call_seconds(rounds)),
        ratio: Ratio {
            to: baseline.to_owned(),
            estimate: ratio,
            verdict,
            reason,
        },
        divergences: worst.map_or(0, |played| played.round.divergences),
        causes: worst.map_or_else(Vec::new, causes),
        caveats: told
            .into_iter()
            .map(|caveat| caveat.text)
            .chain(at_pace(measured.method, rounds))
            .collect(),
        left_out: last.map_or(0, |round| round.left_out),
        fidelity: Some(fidelity(plan, rounds)),
        calls: last.map_or_else(Vec::new, |round| round.calls.clone()),
        directories: directories(plan, rounds),
        phases: in_phases(measured, number),
    }
}

/// What a target's times scatter by, beside the baseline's.
fn doubt(measured: &Measured<'_>, number: usize) -> Doubt {
    // On paper, rounds on shares hold the tool's own time, and others don't.
    let times = |rounds: &[Played]| match measured.method {
        Method::Paper => call_seconds(rounds),
        Method::Paced | Method::Fast => walls(rounds),
    };
    let base = times(&measured.rounds[measured.baseline]);
    Doubt {
        others: measured.others,
        budget: measured.budget,
        ..Doubt::of(&times(&measured.rounds[number]), &base)
    }
}

/// What to know of times on paper where calls were played with less than the tool's own time.
fn at_pace(method: Method, rounds: &[Played]) -> Option<String> {
    let pace = rounds.last().and_then(|played| played.pace);
    pace.filter(|_| method == Method::Paper)
        .and_then(caveats::of_pace)
}

/// What all calls of each round took together, seconds.
fn call_seconds(rounds: &[Played]) -> Vec<f64> {
    let rounds = rounds.iter().map(|played| &played.round);
    rounds.map(|round| round.call_seconds).collect()
}

/// What a target's phases take, each beside the same of the baseline.
fn in_phases(measured: &Measured<'_>, number: usize) -> Vec<TargetPhase> {
    let Some(own) = measured.in_phases.get(number) else {
        return Vec::new();
    };
    let base = measured.in_phases.get(measured.baseline).unwrap_or(own);
    let phases = own.iter().zip(base).zip(&measured.described.phases);
    phases
        .map(|((own, base), phase)| TargetPhase {
            name: phase.name.clone(),
            seconds: if number == measured.baseline {
                own.time()
            } else {
                own.beside(base).0
            },
        })
        .collect()
}

/// What each directory took, the most first.
fn directories(plan: &Plan, rounds: &[Played]) -> Vec<Directory> {
    let mut all: Vec<Directory> = plan
        .places
        .iter()
        .enumerate()
        .map(|(place, path)| {
            let seconds: Vec<f64> = rounds.iter().map(|played| played.places[place].0).collect();
            Directory {
                path: String::from_utf8_lossy(path).into_owned(),
                count: rounds.last().map_or(0, |played| played.places[place].1),
                seconds: median(&seconds),
            }
        })
        .filter(|directory| directory.count > 0)
        .collect();
    all.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    all
}

/// Keeps the directories that took most on any target, the same of each, so that they can stand
/// side by side.
fn keep_most_costly(targets: &mut [Found]) {
    const MOST: usize = 40;
    let mut costs: HashMap<&str, f64> = HashMap::new();
    for directory in targets.iter().flat_map(|target| &target.directories) {
        let cost = costs.entry(&directory.path).or_default();
        *cost = cost.max(directory.seconds);
    }
    let mut costs: Vec<(&str, f64)> = costs.into_iter().collect();
    costs.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    costs.truncate(MOST);
    let kept: HashSet<String> = costs.into_iter().map(|(path, _)| path.to_owned()).collect();
    for target in targets {
        target
            .directories
            .retain(|directory| kept.contains(&directory.path));
    }
}

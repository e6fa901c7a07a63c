//! From what was measured to the result of a comparison.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fsreplay_measure::estimate::median;
use fsreplay_measure::verdict::Doubt;
use fsreplay_replayer::Played;
use fsreplay_replayer::estimate::Series;
use fsreplay_replayer::mounts::survey;
use fsreplay_replayer::plan::{Plan, Timing};
use fsreplay_results::compare::{
    Cause, Compare, Directory, Method, Neutral, Ratio, Target as Found, TargetPhase, Unfit,
};
use fsreplay_results::inspect::Inspect;
use fsreplay_results::timeline::Phase;
use fsreplay_results::{FileShare, Machine, SCHEMA_VERSION, Trace};
use fsreplay_trace::model::{Footer, Header};

use super::rank::{judged, unranked};
use super::targets::Target;
use crate::args::CompareArgs;
use crate::args::TraceArgs;
use crate::caveats::{self, Caveat, Unrecorded};
use crate::exit::Failure;
use crate::inspect;
use crate::planning;

/// Below this share of outcomes as recorded, targets are not ranked.
pub const LEAST_FIDELITY: f64 = 0.98;

/// What a trace says of itself.
#[derive(Clone)]
pub struct Described {
    /// Its header.
    pub header: Header,
    /// The trace, for results.
    pub trace: Trace,
    /// What the recorder saw and did not record.
    pub unrecorded: Unrecorded,
    /// When the tool worked, if it also waited for what is outside of it; else empty.
    pub phases: Vec<Phase>,
    /// The tool's own time by its runs without the recorder, if the trace knows any.
    pub time: Option<Timing>,
}

/// All that a result is made of.
pub struct Measured<'a> {
    pub described: Described,
    pub args: &'a CompareArgs,
    pub targets: &'a [Target],
    pub plans: &'a [Plan],
    pub rounds: Vec<Vec<Played>>,
    /// What the tool takes on each target.
    pub series: Vec<Series>,
    /// What it takes in each phase there, of those that are told apart.
    pub in_phases: Vec<Vec<Series>>,
    /// The phase that the verdicts are of; none where they are of all that it does.
    pub phase: Option<usize>,
    /// How that was found.
    pub method: Method,
    /// How much of the tool's time is file access, where it is known.
    pub share: Option<FileShare>,
    /// The part of the processors that others had meanwhile, 0 to 1, where it is known.
    pub others: Option<f64>,
    /// What the rounds were allowed to take.
    pub budget: Option<Duration>,
    pub interrupted: bool,
    /// Targets that can't hold the tree; they are not among the others.
    pub unfit: Vec<Unfit>,
    pub baseline: usize,
    pub moved: &'a [Vec<u8>],
    pub neutral: &'a Path,
}

/// Reads what a trace says of itself.
pub fn describe_trace(trace: &TraceArgs) -> std::result::Result<Described, Failure> {
    let options = fsreplay_inspector::Options {
        top: 0,
        truncated: false,
    };
    let read = inspect::read(trace, &options)?;
    described(trace, read.header, read.footer.as_ref(), &read.inspection)
}

/// The same of a trace that was inspected.
pub fn described(
    trace: &TraceArgs,
    header: Header,
    footer: Option<&Footer>,
    inspection: &Inspect,
) -> std::result::Result<Described, Failure> {
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let unrecorded = Unrecorded {
        calls: inspection.unrecorded.clone(),
        events: inspection.events,
    };
    let phases = inspection.timeline.phases.iter();
    // What made no call has nothing that a mount could change.
    let phases: Vec<Phase> = phases.filter(|phase| phase.events > 0).cloned().collect();
    let time = planning::tool_time(trace, footer)?;
    let told = Trace {
        id: identity(&trace.path),
        command: header.command.iter().map(text).collect(),
        cwd: text(&header.cwd),
        events: inspection.events,
        recorded_on: format!("{} Linux {}", header.architecture, header.kernel),
        elapsed_seconds: Some(inspection.elapsed_seconds),
    };
    Ok(Described {
        header,
        trace: told,
        unrecorded,
        phases: if phases.len() > 1 { phases } else { Vec::new() },
        time,
    })
}

/// FNV-1a of the file's bytes (Fowler, Noll, Vo): the same trace has the same on every machine.
fn identity(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// The result of what was measured.
pub fn of(measured: Measured<'_>) -> Compare {
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
        timing: measured.args.timing.to_string(),
        method: measured.method,
        share: measured.share,
        phase: measured
            .phase
            .and_then(|phase| phases.get(phase))
            .map(|one| one.name.clone()),
        phases,
        others_share: measured.others,
        cache: cache.map_or("", |played| played.cache).to_owned(),
        rounds_asked: measured.args.rounds.map(u64::from),
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
    result.sentence = super::sentence::sentence(&result, is_withheld);
    // Behind the answer, as the answer stands for all that.
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
    let left_out = unfit.iter();
    let left_out = left_out.map(|one| format!("{} is left out: {}.", one.name, one.reason));
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
    let calls: Vec<f64> = rounds
        .iter()
        .map(|played| played.round.call_seconds)
        .collect();
    let (time, ratio) = series.beside(base);
    let doubt = Doubt {
        others: measured.others,
        budget: measured.budget,
        ..Doubt::of(&walls(rounds), &walls(&measured.rounds[measured.baseline]))
    };
    let unranked = unranked(measured, number, &told);
    let (verdict, reason) = judged(
        &series.ratio(base),
        measured.method,
        doubt,
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
        wall_seconds: rounds
            .iter()
            .map(|played| played.round.wall_seconds)
            .collect(),
        file_system_seconds: median(&calls),
        ratio: Ratio {
            to: baseline.to_owned(),
            estimate: ratio,
            verdict,
            reason,
        },
        divergences: worst.map_or(0, |played| played.round.divergences),
        causes: worst.map_or_else(Vec::new, causes),
        caveats: told.into_iter().map(|caveat| caveat.text).collect(),
        left_out: last.map_or(0, |round| round.left_out),
        fidelity: Some(fidelity(plan, rounds)),
        calls: last.map_or_else(Vec::new, |round| round.calls.clone()),
        directories: directories(plan, rounds),
        phases: in_phases(measured, number),
    }
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

/// What rounds took by the clock, seconds.
pub fn walls(rounds: &[Played]) -> Vec<f64> {
    let rounds = rounds.iter();
    rounds.map(|played| played.round.wall_seconds).collect()
}

/// Share of outcomes as recorded, in the worst round.
pub fn fidelity(plan: &Plan, rounds: &[Played]) -> f64 {
    let divergences = rounds.iter().map(|played| played.round.divergences).max();
    1.0 - divergences.unwrap_or(0) as f64 / plan.coverage.events.max(1) as f64
}

/// Why outcomes were not as recorded, the most frequent first.
pub fn causes(played: &Played) -> Vec<Cause> {
    const MOST: usize = 5;
    let mut causes: Vec<Cause> = played
        .groups
        .iter()
        .map(|group| Cause {
            call: group.call.clone(),
            cause: group.cause.clone(),
            count: group.count,
        })
        .collect();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.count));
    causes.truncate(MOST);
    causes
}

/// What each directory took, the most first.
fn directories(plan: &Plan, rounds: &[Played]) -> Vec<Directory> {
    let mut all: Vec<Directory> = plan
        .places
        .iter()
        .enumerate()
        .map(|(place, path)| {
            let seconds = rounds.iter().map(|played| played.places[place].0);
            let seconds: Vec<f64> = seconds.collect();
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

/// Keeps the directories that took most on any target, the same of each, so that they can stand side by side.
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

/// This machine.
pub fn machine() -> Machine {
    let read = |path: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.trim_end().to_owned()
    };
    let survey = survey().ok();
    let product = survey.as_ref().and_then(|survey| {
        let mut mounts = survey.mounts.iter();
        mounts.find_map(|mount| mount.candidate.product)
    });
    Machine {
        host: read("/proc/sys/kernel/hostname"),
        kernel: read("/proc/sys/kernel/osrelease"),
        architecture: std::env::consts::ARCH.to_owned(),
        cpus: std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u64),
        time: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(None, |time| Some(time.as_secs() as f64)),
        product: product.map(|product| product.key().to_owned()),
        container: Some(survey.is_some_and(|survey| survey.container)),
    }
}

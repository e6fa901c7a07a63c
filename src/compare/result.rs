//! The result of a comparison, as documented in docs/result-json.md.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use fsreplay_measure::estimate::{hodges_lehmann, median, ratio};
use fsreplay_replayer::mounts::survey;
use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::result::CallStatistics;
use fsreplay_replayer::{Played, Timing, unslowed_seconds};
use fsreplay_trace::model::Header;
use serde::Serialize;

use super::rank::{unranked, verdict};
use super::targets::Target;
use crate::args::CompareArgs;
use crate::args::TraceArgs;
use crate::caveats::{self, Unrecorded};
use crate::exit::Failure;
use crate::planning;

/// Below this share of outcomes as recorded, targets are not ranked.
pub const LEAST_FIDELITY: f64 = 0.98;

/// What a trace says of itself.
pub struct Described {
    /// Its header.
    pub header: Header,
    /// The trace, for results.
    pub trace: Trace,
    /// What the recorder saw and did not record.
    pub unrecorded: Unrecorded,
}

/// The trace.
#[derive(Debug, Serialize)]
pub struct Trace {
    id: String,
    /// The recorded command.
    pub command: Vec<String>,
    cwd: String,
    events: u64,
    recorded_on: String,
    elapsed_seconds: f64,
}

/// This machine.
#[derive(Debug, Serialize)]
pub struct Machine {
    host: String,
    kernel: String,
    architecture: &'static str,
    cpus: usize,
    time: u64,
    product: Option<serde_json::Value>,
    container: bool,
}

#[derive(Debug, Serialize)]
struct Neutral {
    path: PathBuf,
    what: String,
}

/// How a target compares with the baseline.
#[derive(Debug, Serialize)]
pub struct Compared {
    to: String,
    /// The median of the quotients of the rounds.
    pub value: f64,
    /// Lower bound of its interval: 95 %, no matter after which round one stops.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
    /// `baseline`, `faster`, `slower`, `no difference` or `not ranked`.
    pub verdict: &'static str,
    /// Why it is not ranked; null where it is.
    pub reason: Option<String>,
}

/// Time in a recorded directory.
#[derive(Debug, Serialize)]
pub struct Directory {
    /// Its recorded path.
    pub path: String,
    /// Calls.
    pub count: u64,
    /// Median of the rounds' sums, seconds.
    pub seconds: f64,
}

/// Why outcomes were not as recorded.
#[derive(Debug, Serialize)]
pub struct Cause {
    /// The call.
    pub call: &'static str,
    /// What explains it.
    pub cause: &'static str,
    /// How many.
    pub count: u64,
}

/// One target.
#[derive(Debug, Serialize)]
pub struct TargetResult {
    /// Its name.
    pub name: String,
    /// The directory.
    pub path: PathBuf,
    /// Class of its mount.
    pub class: &'static str,
    /// Its file system.
    pub fs_type: String,
    /// Wall time of each round, had nothing slowed the machine.
    pub rounds: Vec<f64>,
    /// And as it was.
    wall_seconds: Vec<f64>,
    /// How many times as long work took during each as where nothing slows the machine.
    slowness: Vec<f64>,
    /// What the tool would take; with recorded timing only.
    pub prediction_seconds: Option<f64>,
    /// Sum of the time in calls, median of the rounds.
    pub file_system_seconds: f64,
    /// Beside the baseline.
    pub ratio: Compared,
    /// Events whose outcome was not the recorded one, in the round with the most of them.
    pub divergences: u64,
    /// Why, the most frequent first.
    pub causes: Vec<Cause>,
    /// What to know of it before believing its time, in words.
    pub caveats: Vec<String>,
    /// Calls left out in the last round, because the tool would not have made them there.
    pub left_out: u64,
    /// Share of events whose outcome was.
    pub fidelity: f64,
    /// Calls of the last round.
    pub calls: Vec<CallStatistics>,
    /// Directories that took most on any target; the same of each target.
    pub directories: Vec<Directory>,
}

impl TargetResult {
    /// What is shown as its time: the prediction, or the median of its rounds.
    pub fn seconds(&self) -> f64 {
        self.prediction_seconds
            .unwrap_or_else(|| median(&self.rounds))
    }
}

/// A target that can't hold the tree of the trace.
#[derive(Debug, Serialize)]
pub struct Unfit {
    /// Its name.
    pub name: String,
    /// The directory.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// The result.
#[derive(Debug, Serialize)]
pub struct Result {
    schema_version: u32,
    kind: &'static str,
    trace: Trace,
    machine: Machine,
    /// `recorded`, `fast` or `recorded x SCALE`.
    pub timing: String,
    /// State of the page cache.
    pub cache: &'static str,
    rounds_asked: u32,
    /// It was ended early.
    pub interrupted: bool,
    /// Rounds of all targets that something else slowed.
    pub slowed_rounds: usize,
    moved: Vec<String>,
    neutral: Neutral,
    /// Name of the baseline.
    pub baseline: String,
    /// In the order of the command line.
    pub targets: Vec<TargetResult>,
    /// Targets that were left out.
    unfit: Vec<Unfit>,
    /// The answer.
    pub sentence: String,
    /// What to know before believing it, in words.
    pub caveats: Vec<String>,
    /// Calls that were seen and not recorded, by name.
    unrecorded: BTreeMap<String, u64>,
    /// Whether these are so many that nothing is ranked.
    #[serde(skip)]
    pub is_withheld: bool,
    /// What was changed to fit.
    pub notes: Vec<(String, u64)>,
}

/// All that a result is made of.
pub struct Measured<'a> {
    pub described: Described,
    pub args: &'a CompareArgs,
    pub targets: &'a [Target],
    pub plans: &'a [Plan],
    pub rounds: Vec<Vec<Played>>,
    pub interrupted: bool,
    /// Rounds that something else slowed.
    pub slowed: usize,
    /// Targets that can't hold the tree; they are not among the others.
    pub unfit: Vec<Unfit>,
    pub baseline: usize,
    pub moved: &'a [Vec<u8>],
    pub neutral: &'a Path,
}

/// Reads what a trace says of itself.
pub fn describe_trace(trace: &TraceArgs) -> std::result::Result<Described, Failure> {
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let mut reader = planning::open(trace)?;
    let header = reader.header().clone();
    let (mut events, mut elapsed) = (0, 0);
    loop {
        match reader.next_record() {
            Ok(Some(fsreplay_trace::model::Record::Event(event))) => {
                events += 1;
                elapsed = elapsed.max(event.exit());
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => return Err(Failure::trace(&trace.path, &error)),
        }
    }
    let unrecorded = Unrecorded {
        calls: reader
            .footer()
            .map_or_else(BTreeMap::new, |footer| footer.unrecorded.clone()),
        events,
    };
    let elapsed = reader.footer().map_or(elapsed, |footer| footer.elapsed);
    let trace = Trace {
        id: identity(&trace.path),
        command: header.command.iter().map(text).collect(),
        cwd: text(&header.cwd),
        events,
        recorded_on: format!("{} Linux {}", header.architecture, header.kernel),
        elapsed_seconds: elapsed as f64 / 1e9,
    };
    Ok(Described {
        header,
        trace,
        unrecorded,
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

impl Result {
    /// From what was measured.
    pub fn new(measured: Measured<'_>) -> Result {
        let base: Vec<f64> = unslowed_seconds(&measured.rounds[measured.baseline]);
        let baseline = measured.targets[measured.baseline].name.clone();
        let mut targets: Vec<TargetResult> = (0..measured.targets.len())
            .map(|number| target(&measured, number, &base, &baseline))
            .collect();
        keep_most_costly(&mut targets);
        let unrecorded = measured.described.unrecorded.caveat();
        let of_targets = targets.iter().flat_map(|target| {
            let texts = target.caveats.iter();
            texts.map(|text| caveats::sentence(Some(&target.name), text))
        });
        let of_trace = unrecorded.iter();
        let of_trace = of_trace.map(|caveat| caveats::sentence(None, &caveat.text));
        let left_out = measured.unfit.iter();
        let left_out = left_out.map(|one| format!("{} is left out: {}.", one.name, one.reason));
        let caveats = left_out.chain(of_targets).chain(of_trace).collect();
        let cache = measured.rounds.first().and_then(|rounds| rounds.last());
        let mut result = Result {
            schema_version: 1,
            kind: "compare",
            trace: measured.described.trace,
            machine: machine(),
            timing: measured.args.timing.to_string(),
            cache: cache.map_or("", |played| played.cache),
            rounds_asked: measured.args.rounds,
            interrupted: measured.interrupted,
            slowed_rounds: measured.slowed,
            moved: measured
                .moved
                .iter()
                .map(|path| String::from_utf8_lossy(path).into_owned())
                .collect(),
            neutral: Neutral {
                path: measured.neutral.to_owned(),
                what: "everything that is not moved".into(),
            },
            baseline,
            targets,
            unfit: measured.unfit,
            sentence: String::new(),
            caveats,
            unrecorded: measured.described.unrecorded.calls,
            is_withheld: unrecorded.is_some_and(|caveat| caveat.withholds),
            notes: measured
                .plans
                .first()
                .map_or_else(Vec::new, |plan| plan.notes.clone()),
        };
        result.sentence = super::view::sentence(&result);
        result
    }

    /// The recorded command, for people.
    pub fn command(&self) -> String {
        self.trace.command.join(" ")
    }

    /// Recorded directories that went to the targets.
    pub fn moved(&self) -> String {
        self.moved.join(", ")
    }

    /// The target of that name.
    pub fn target(&self, name: &str) -> Option<&TargetResult> {
        self.targets.iter().find(|target| target.name == name)
    }

    /// Its median wall time.
    pub fn seconds(&self, name: &str) -> Option<f64> {
        self.target(name).map(TargetResult::seconds)
    }

    /// Its divergences.
    pub fn divergences(&self, name: &str) -> Option<u64> {
        self.target(name).map(|target| target.divergences)
    }
}

fn target(measured: &Measured<'_>, number: usize, base: &[f64], baseline: &str) -> TargetResult {
    let (target, plan) = (&measured.targets[number], &measured.plans[number]);
    let rounds = &measured.rounds[number];
    let times = unslowed_seconds(rounds);
    let worst = rounds.iter().max_by_key(|played| played.round.divergences);
    let divergences = worst.map_or(0, |played| played.round.divergences);
    let found = ratio(&times, base);
    let calls: Vec<f64> = rounds
        .iter()
        .map(|played| played.round.call_seconds)
        .collect();
    let told = worst.map_or_else(Vec::new, |played| caveats::of_outcomes(&played.groups));
    let reason = unranked(measured, number, &told);
    let is_ranked = reason.is_none();
    TargetResult {
        name: target.name.clone(),
        path: target.dir.clone(),
        class: target.class,
        fs_type: target.fs_type.clone(),
        prediction_seconds: (measured.args.timing == Timing::Scaled(1.0))
            .then(|| hodges_lehmann(&times)),
        rounds: times,
        wall_seconds: rounds
            .iter()
            .map(|played| played.round.wall_seconds)
            .collect(),
        slowness: rounds.iter().map(|played| played.slowness).collect(),
        file_system_seconds: median(&calls),
        ratio: Compared {
            to: baseline.to_owned(),
            value: found.value,
            low: found.low,
            high: found.high,
            verdict: verdict(&found, number == measured.baseline, is_ranked),
            reason,
        },
        divergences,
        causes: worst.map_or_else(Vec::new, causes),
        caveats: told.into_iter().map(|caveat| caveat.text).collect(),
        left_out: rounds.last().map_or(0, |played| played.round.left_out),
        fidelity: fidelity(plan, rounds),
        calls: rounds.last().map_or_else(Vec::new, |played| {
            played
                .round
                .calls
                .iter()
                .map(CallStatistics::clone)
                .collect()
        }),
        directories: directories(plan, rounds),
    }
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
            call: group.call,
            cause: group.cause,
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
fn keep_most_costly(targets: &mut [TargetResult]) {
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
        let mut products = survey
            .mounts
            .iter()
            .filter_map(|mount| mount.candidate.product);
        products
            .next()
            .and_then(|product| serde_json::to_value(product).ok())
    });
    Machine {
        host: read("/proc/sys/kernel/hostname"),
        kernel: read("/proc/sys/kernel/osrelease"),
        architecture: std::env::consts::ARCH,
        cpus: std::thread::available_parallelism().map_or(1, Into::into),
        time: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs()),
        product,
        container: survey.is_some_and(|survey| survey.container),
    }
}

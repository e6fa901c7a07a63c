//! The timeline of a recording as values; the names of the fields are documented in
//! docs/result-json.md.

use std::collections::HashMap;

use serde::Serialize;

use super::bursts::{Burst, Cause};
use super::stretches::{self, Stretches};
use crate::inspector::Inspector;
use crate::mounts;
use crate::places::Places;
use crate::report::{Names, lossy, seconds};

/// Wake-ups for nothing are told if they take so much of a processor: what programs do by habit
/// costs nobody anything (node's workers: 32 a second, 0.4 %).
const WAKE_UP_SHARE: f64 = 0.01;

/// When the tool worked, when it waited for the outside, and what it did without need.
#[derive(Clone, Debug, Serialize)]
pub struct Timeline {
    /// Seconds in which at least one task was at work: without waiting for a processor, and without
    /// the recorder's cost.
    pub busy_seconds: f64,
    /// Seconds in which no task was busy: all waited for timers, the network, people, events.
    pub waiting_seconds: f64,
    /// Phases in the order of time; all of them.
    pub phases: Vec<Phase>,
    /// Work between phases: wake-ups that did nothing to speak of, and polling.
    pub between: Between,
    /// What was polled, what takes most of a processor first.
    pub polling: Vec<Polling>,
    /// Watched files and directories by recorded mount.
    pub watches: Vec<Watching>,
}

/// What set the tool to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseKind {
    /// The command began.
    Start,
    /// A change of a watched file.
    Rebuild,
    /// A connection, or bytes of one.
    Request,
    /// Bytes of a stream that was open when the command began.
    Input,
    /// A wait in which nothing happened came to its end.
    Timer,
    /// The trace doesn't tell.
    Work,
    /// The command ended, without work to speak of.
    End,
}

/// A time in which the tool worked, between two waits for the outside.
///
/// The events of a phase are those from `first_event` up to, and not with, `end_event`, by their
/// number: the order in which they returned, from 0, as in the records of the trace and in the plan
/// that is made of it. Phases don't overlap; events between them belong to none.
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    /// The kind, and a number where there are several of it: `start`, `rebuild 2`.
    pub name: String,
    /// What set the tool to work.
    pub kind: PhaseKind,
    /// Seconds since the start of the recording.
    pub begin_seconds: f64,
    /// Seconds since the start of the recording.
    pub end_seconds: f64,
    /// As [`Timeline::busy_seconds`].
    pub busy_seconds: f64,
    /// Seconds in calls on files, summed over tasks, the recorder's cost taken out.
    pub file_seconds: f64,
    /// Those of what all tasks worked, 0 to 1.
    pub file_share: f64,
    /// Events that returned in it.
    pub events: u64,
    /// Of those, files and directories that were opened.
    pub opens: u64,
    /// The deepest directory with at least half of the time in calls on files.
    pub directory: Option<String>,
    /// Number of its first event.
    pub first_event: u64,
    /// One more than the number of its last event; `first_event` if it has none.
    pub end_event: u64,
}

/// What lay between phases.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Between {
    /// As [`Timeline::busy_seconds`].
    pub busy_seconds: f64,
    /// Events.
    pub events: u64,
}

/// Polling by one process.
#[derive(Clone, Debug, Serialize)]
pub struct Polling {
    /// Name of its program.
    pub program: String,
    /// Its process id in the recording.
    pub pid: u32,
    /// The deepest directory with at least half of the calls; `None` for waits that end without
    /// anything.
    pub directory: Option<String>,
    /// Mount point and type of the file system of that directory.
    pub mount_point: Option<String>,
    /// Type of that file system.
    pub fs_type: Option<String>,
    /// Whether each call on that mount goes to another machine or process.
    pub remote: bool,
    /// Different questions: a path and a call.
    pub questions: u64,
    /// Calls.
    pub calls: u64,
    /// Calls a second, from the first to the last.
    pub calls_per_second: f64,
    /// Seconds from a question to the same one again, on average.
    pub interval_seconds: f64,
    /// The part of one processor that it takes while nobody works.
    pub processor_share: f64,
    /// What to do.
    pub note: String,
}

/// Watches on one recorded mount.
#[derive(Clone, Debug, Serialize)]
pub struct Watching {
    /// Where it was mounted.
    pub mount_point: String,
    /// Type of its file system.
    pub fs_type: String,
    /// Whether each call on it goes to another machine or process.
    pub remote: bool,
    /// Successful calls that set a watch.
    pub watches: u64,
    /// What to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The phase that an event belongs to, by its number: an index into `phases`; `None` between
/// phases.
pub fn phase_of(phases: &[Phase], event: u64) -> Option<usize> {
    let after = phases.partition_point(|phase| phase.first_event <= event);
    let index = after.checked_sub(1)?;
    (event < phases.get(index)?.end_event).then_some(index)
}

/// The timeline of what was followed; `elapsed` is the length of the recording, nanoseconds.
pub(crate) fn build(inspector: &Inspector, names: &Names, elapsed: u64) -> Timeline {
    let places = &inspector.places;
    let stretches = stretches::of(&inspector.phases.bursts, places);
    let all = stretches.phases.iter().chain([&stretches.between]);
    let busy: f64 = all.map(|burst| burst.busy).sum();
    Timeline {
        busy_seconds: busy / 1e9,
        waiting_seconds: seconds(elapsed.saturating_sub(stretches.taken)),
        between: Between {
            busy_seconds: stretches.between.busy / 1e9,
            events: stretches.between.events,
        },
        phases: phases(&stretches, elapsed, places),
        polling: polling(inspector, names, &stretches),
        watches: watches(inspector),
    }
}

fn kind(index: usize, burst: &Burst) -> PhaseKind {
    match stretches::cause(burst) {
        _ if index == 0 => PhaseKind::Start,
        Some(Cause::Change) => PhaseKind::Rebuild,
        Some(Cause::Request) => PhaseKind::Request,
        Some(Cause::Input) => PhaseKind::Input,
        None if burst.timer => PhaseKind::Timer,
        None => PhaseKind::Work,
    }
}

impl PhaseKind {
    fn name(self) -> &'static str {
        match self {
            PhaseKind::Start => "start",
            PhaseKind::Rebuild => "rebuild",
            PhaseKind::Request => "request",
            PhaseKind::Input => "input",
            PhaseKind::Timer => "timer",
            PhaseKind::Work => "work",
            PhaseKind::End => "end",
        }
    }
}

fn phases(stretches: &Stretches, elapsed: u64, places: &Places) -> Vec<Phase> {
    let bursts = &stretches.phases;
    let mut kinds: Vec<PhaseKind> = bursts.iter().enumerate().map(|(n, b)| kind(n, b)).collect();
    if let ([_, .., kind], Some(last)) = (&mut kinds[..], bursts.last())
        && *kind == PhaseKind::Work
        && stretches::is_an_end(last, elapsed)
    {
        *kind = PhaseKind::End;
    }
    let mut counts: HashMap<PhaseKind, usize> = HashMap::new();
    let mut phases: Vec<Phase> = Vec::with_capacity(bursts.len());
    for (burst, kind) in bursts.iter().zip(&kinds) {
        let several = kinds.iter().filter(|other| *other == kind).take(2).count() > 1;
        let count = counts.entry(*kind).or_default();
        *count += 1;
        let after = phases.last().map_or(0, |phase: &Phase| phase.end_event);
        let (first, end) = if burst.events == 0 {
            (after, after)
        } else {
            // Times are rounded, numbers are not.
            let first = burst.first.max(after);
            (first, burst.last.saturating_add(1).max(first))
        };
        phases.push(Phase {
            name: if several {
                format!("{} {count}", kind.name())
            } else {
                kind.name().into()
            },
            kind: *kind,
            begin_seconds: seconds(burst.begin),
            end_seconds: seconds(burst.end),
            busy_seconds: burst.busy / 1e9,
            file_seconds: seconds(burst.time),
            file_share: (burst.time as f64 / burst.work.max(1) as f64).min(1.0),
            events: burst.events,
            opens: burst.opens,
            directory: burst
                .directories
                .top(places)
                .map(|at| lossy(&places.path(at))),
            first_event: first,
            end_event: end,
        });
    }
    phases
}

fn polling(inspector: &Inspector, names: &Names, stretches: &Stretches) -> Vec<Polling> {
    let polls = &inspector.phases.polling.by_process;
    let all = polls.iter().map(|((process, waits), polls)| {
        let directory = polls.directories.top(&inspector.places);
        let mount = directory.map(|at| inspector.places.get(at).mount);
        let mount = mount.and_then(|at| inspector.header.mounts.get(usize::from(at)));
        let remote = mount.is_some_and(mounts::is_slow);
        let lasted = polls.end.saturating_sub(polls.begin).max(1);
        let pid = inspector.processes.all.get(*process as usize);
        Polling {
            program: names.get(*process).to_string(),
            pid: pid.map_or(0, |process| process.pid),
            directory: directory.map(|at| lossy(&inspector.places.path(at))),
            mount_point: mount.map(|mount| lossy(&mount.mount_point)),
            fs_type: mount.map(|mount| mount.fs_type.clone()),
            remote,
            questions: polls.questions,
            calls: polls.calls,
            calls_per_second: polls.calls as f64 / seconds(lasted),
            interval_seconds: seconds(polls.interval()),
            processor_share: stretches.polling_share((*waits, *process), polls.begin, polls.end),
            note: advice(*waits, remote).into(),
        }
    });
    let is_told =
        |polling: &Polling| polling.directory.is_some() || polling.processor_share >= WAKE_UP_SHARE;
    let mut all: Vec<Polling> = all.filter(is_told).collect();
    all.sort_by(|a, b| b.processor_share.total_cmp(&a.processor_share));
    all
}

fn advice(waits: bool, remote: bool) -> &'static str {
    if waits {
        "a longer timeout, or none, costs less"
    } else if remote {
        "each question is a journey, and without polling changes made on the other side may not be \
         seen: poll less often, fewer paths, or have the files on a volume and watch them"
    } else {
        "watches (inotify) would tell of changes made here, at no cost"
    }
}

fn watches(inspector: &Inspector) -> Vec<Watching> {
    let watches = inspector.phases.watches.iter();
    let mut all: Vec<Watching> = watches
        .filter_map(|(mount, count)| {
            let mount = inspector.header.mounts.get(usize::from(*mount))?;
            let remote = mounts::is_slow(mount);
            Some(Watching {
                mount_point: lossy(&mount.mount_point),
                fs_type: mount.fs_type.clone(),
                remote,
                watches: *count,
                note: remote.then(|| {
                    "changes made on the other side (on the host, by another machine) may not arrive"
                        .into()
                }),
            })
        })
        .collect();
    all.sort_by(|a, b| a.mount_point.cmp(&b.mount_point));
    all
}

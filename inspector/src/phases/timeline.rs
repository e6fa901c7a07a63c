//! The timeline of a recording as values.

use std::collections::HashMap;

use fsreplay_results::timeline::{Between, Phase, PhaseKind, Polling, Timeline, Watching};
use fsreplay_trace::model::Header;

use super::Phases;
use super::bursts::{Burst, Cause};
use super::stretches::{self, Stretches};
use crate::mounts;
use crate::names::{Names, lossy};
use crate::places::Places;
use crate::processes::Processes;
use crate::tally::seconds;

/// Wake-ups for nothing are told if they take so much of a processor: what programs do by habit
/// costs nobody anything (node's workers: 32 a second, 0.4 %).
const WAKE_UP_SHARE: f64 = 0.01;

/// What a timeline names.
pub(crate) struct Seen<'a> {
    pub(crate) header: &'a Header,
    pub(crate) places: &'a Places,
    pub(crate) processes: &'a Processes,
    pub(crate) names: &'a Names,
}

impl Phases {
    /// The timeline of what was followed; `elapsed` is the length of the recording, nanoseconds.
    pub(crate) fn timeline(&self, seen: &Seen, elapsed: u64) -> Timeline {
        let places = seen.places;
        let stretches = stretches::of(&self.bursts, places);
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
            polling: polling(self, seen, &stretches),
            watches: watches(self, seen.header),
        }
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

fn polling(followed: &Phases, seen: &Seen, stretches: &Stretches) -> Vec<Polling> {
    let polls = &followed.polling.by_process;
    let all = polls.iter().map(|((process, waits), polls)| {
        let directory = polls.directories.top(seen.places);
        let mount = directory
            .map(|at| seen.places.get(at).mount)
            .and_then(|at| seen.header.mounts.get(usize::from(at)));
        let remote = mount.is_some_and(mounts::is_slow);
        let lasted = polls.end.saturating_sub(polls.begin).max(1);
        let pid = seen.processes.all.get(*process as usize);
        Polling {
            program: seen.names.get(*process).to_string(),
            pid: pid.map_or(0, |process| process.pid),
            directory: directory.map(|at| lossy(&seen.places.path(at))),
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
    let mut told: Vec<Polling> = all.filter(is_told).collect();
    told.sort_by(|a, b| b.processor_share.total_cmp(&a.processor_share));
    told
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

fn watches(followed: &Phases, header: &Header) -> Vec<Watching> {
    let watches = followed.watches.iter();
    let mut all: Vec<Watching> = watches
        .filter_map(|(mount, count)| {
            let mount = header.mounts.get(usize::from(*mount))?;
            let remote = mounts::is_slow(mount);
            Some(Watching {
                mount_point: lossy(&mount.mount_point),
                fs_type: mount.fs_type.clone(),
                remote,
                watches: *count,
                note: remote.then(|| {
                    "changes made on the other side (on the host, by another machine) may not \
                     arrive"
                        .into()
                }),
            })
        })
        .collect();
    all.sort_by(|a, b| a.mount_point.cmp(&b.mount_point));
    all
}
